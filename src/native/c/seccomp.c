/*
 * System calls that a RUN has no use for and that reach the kernel outside its namespaces: denied by number, for every
 * calling convention that the processor's kernel offers. Everything else is allowed.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "run.h"

/* Where clone and unshare take them in their low 32 bits; in clone the time namespace's bit has another meaning. */
#define NAMESPACES                                                                                                     \
    (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET)
#define NAMESPACE_OF_TIME 0x80
#define PUT_INTO_TERMINAL_INPUT 0x5412
#define SELECTION_OF_CONSOLE 0x541c

struct convention {
    uint32_t audit_arch;
    uint32_t clone;
    uint32_t unshare;
    uint32_t ioctl;
    const uint16_t *denied;
    size_t denied_count;
};

/* open_tree to fspick, mount_setattr, open_tree_attr, quotactl_fd, io_uring: one number everywhere. */
#define DENIED_EVERYWHERE 425, 426, 427, 428, 429, 430, 431, 432, 433, 442, 443, 467
enum { CLONE3 = 435 };

static const uint16_t DENIED_NATIVE[] = {
    DENIED_EVERYWHERE,
    SYS_mount,
    SYS_umount2,
    SYS_pivot_root,
    SYS_setns,
    SYS_add_key,
    SYS_request_key,
    SYS_keyctl,
    SYS_bpf,
    SYS_perf_event_open,
    SYS_userfaultfd,
    SYS_open_by_handle_at,
    SYS_kexec_load,
    SYS_kexec_file_load,
    SYS_init_module,
    SYS_finit_module,
    SYS_delete_module,
    SYS_clock_settime,
    SYS_settimeofday,
    SYS_reboot,
    SYS_swapon,
    SYS_swapoff,
    SYS_acct,
    SYS_quotactl,
    SYS_vhangup,
    SYS_syslog,
    SYS_fanotify_init,
    SYS_lookup_dcookie,
    SYS_nfsservctl,
#ifdef __x86_64__
    SYS_iopl,
    SYS_ioperm,
    SYS_create_module,
    SYS_query_module,
    SYS_get_kernel_syms,
    SYS_uselib,
    SYS_ustat,
    SYS_sysfs,
    SYS__sysctl,
#endif
};

/* The order of DENIED_NATIVE, then what only this convention has. */
static const uint16_t DENIED_32[] = {
    DENIED_EVERYWHERE,
#ifdef __x86_64__
    /* i386 */
    21, 52, 217, 346, 286, 287, 288, 357, 336, 374, 342, 283, 128, 350, 129, 264, 79, 88, 87, 115, 51, 131, 111, 103,
    338, 253, 169, 110, 101, 127, 167, 130, 86, 62, 135, 149,
    /* umount stime vm86old vm86 bdflush clock_settime64 */
    22, 25, 113, 166, 134, 404,
#else
    /* arm */
    21, 52, 218, 375, 309, 310, 311, 386, 364, 388, 371, 347, 401, 128, 379, 129, 262, 79, 88, 87, 115, 51, 131, 111,
    103, 367, 249, 169,
    /* umount stime uselib ustat bdflush sysfs _sysctl clock_settime64 */
    22, 25, 86, 62, 134, 135, 149, 404,
#endif
};

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

#ifdef __x86_64__
static const struct convention CONVENTIONS[] = {
    {AUDIT_ARCH_X86_64, SYS_clone, SYS_unshare, SYS_ioctl, DENIED_NATIVE, COUNT(DENIED_NATIVE)},
    {AUDIT_ARCH_I386, 120, 310, 54, DENIED_32, COUNT(DENIED_32)},
};
#else
static const struct convention CONVENTIONS[] = {
    {AUDIT_ARCH_AARCH64, SYS_clone, SYS_unshare, SYS_ioctl, DENIED_NATIVE, COUNT(DENIED_NATIVE)},
    {AUDIT_ARCH_ARM, 120, 337, 54, DENIED_32, COUNT(DENIED_32)},
};
#endif

enum { PROGRAM_LIMIT = 256 };

struct program {
    struct sock_filter code[PROGRAM_LIMIT];
    unsigned short length;
};

static void add(struct program *program, uint16_t code, uint32_t value, uint8_t if_true, uint8_t if_false)
{
    if (program->length == PROGRAM_LIMIT) {
        errno = ENOSPC;
        fail("build the seccomp filter", "");
    }
    program->code[program->length++] = (struct sock_filter)BPF_JUMP(code, value, if_true, if_false);
}

static void load(struct program *program, size_t offset)
{
    add(program, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

static void give(struct program *program, uint32_t action)
{
    add(program, BPF_RET | BPF_K, action, 0, 0);
}

/* The low 32 bits of an argument: all that the kernel looks at in clone's and unshare's flags and ioctl's request. */
static size_t argument(size_t index)
{
    return offsetof(struct seccomp_data, args) + index * sizeof(uint64_t);
}

static const uint32_t DENY = SECCOMP_RET_ERRNO | EPERM;
/* As on a kernel that lacks the call: the C library then uses the older one. */
static const uint32_t LACK = SECCOMP_RET_ERRNO | ENOSYS;

/* When the number in the accumulator is `number`: denies if the argument has one of the bits, else allows. */
static void deny_bits(struct program *program, uint32_t number, size_t index, uint32_t bits)
{
    add(program, BPF_JMP | BPF_JEQ | BPF_K, number, 0, 4);
    load(program, argument(index));
    add(program, BPF_JMP | BPF_JSET | BPF_K, bits, 0, 1);
    give(program, DENY);
    give(program, SECCOMP_RET_ALLOW);
}

static void deny_terminal_input(struct program *program, uint32_t number)
{
    add(program, BPF_JMP | BPF_JEQ | BPF_K, number, 0, 5);
    load(program, argument(1));
    add(program, BPF_JMP | BPF_JEQ | BPF_K, PUT_INTO_TERMINAL_INPUT, 1, 0);
    add(program, BPF_JMP | BPF_JEQ | BPF_K, SELECTION_OF_CONSOLE, 0, 1);
    give(program, DENY);
    give(program, SECCOMP_RET_ALLOW);
}

static void deny_calls(struct program *program, const struct convention *convention)
{
    load(program, offsetof(struct seccomp_data, nr));
    if (convention->audit_arch == AUDIT_ARCH_X86_64) {
        /* x32: the same calls under numbers with bit 30 set */
        add(program, BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 0, 1);
        give(program, LACK);
    }
    deny_bits(program, convention->clone, 0, NAMESPACES);
    deny_bits(program, convention->unshare, 0, NAMESPACES | NAMESPACE_OF_TIME);
    deny_terminal_input(program, convention->ioctl);
    add(program, BPF_JMP | BPF_JEQ | BPF_K, CLONE3, 0, 1);
    give(program, LACK);
    for (size_t i = 0; i < convention->denied_count; i++) {
        add(program, BPF_JMP | BPF_JEQ | BPF_K, convention->denied[i], 0, 1);
        give(program, DENY);
    }
    give(program, SECCOMP_RET_ALLOW);
}

/* Each convention's block is jumped over as a whole, with a jump that reaches further than 255 instructions. */
static void add_convention(struct program *program, const struct convention *convention)
{
    add(program, BPF_JMP | BPF_JEQ | BPF_K, convention->audit_arch, 1, 0);
    unsigned short jump = program->length;
    add(program, BPF_JMP | BPF_JA, 0, 0, 0);
    deny_calls(program, convention);
    program->code[jump].k = (uint32_t)(program->length - jump - 1);
}

void install_filter(void)
{
    struct program program = {.length = 0};
    load(&program, offsetof(struct seccomp_data, arch));
    for (size_t i = 0; i < COUNT(CONVENTIONS); i++)
        add_convention(&program, &CONVENTIONS[i]);
    give(&program, LACK);
    struct sock_fprog filter = {.len = program.length, .filter = program.code};
    /* The mitigation for speculative stores is for filters that guard a process against itself; it costs much. */
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, &filter) < 0 &&
        syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter) < 0)
        fail("install the seccomp filter", "");
}
