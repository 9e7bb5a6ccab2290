/*
 * System calls that a RUN has no use for and that reach the kernel outside its namespaces: denied by number, for every
 * calling convention that the processor's kernel offers. Those of emulate.c are answered by the
 * supervisor of a run that needs it. Everything else is allowed.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "emulate.h"
#include "run.h"
#include "trace.h"

/* Where clone and unshare take them in their low 32 bits; in clone the time namespace's bit has another meaning. */
#define NAMESPACES                                                                                                     \
    (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET)
#define NAMESPACE_OF_TIME 0x80
#define PUT_INTO_TERMINAL_INPUT 0x5412
#define SELECTION_OF_CONSOLE 0x541c
#define WAIT_KILLABLE (1U << 5)

struct convention {
    uint32_t audit_arch;
    uint32_t clone;
    uint32_t unshare;
    uint32_t ioctl;
    uint32_t socket;
    const uint16_t *denied;
    size_t denied_count;
};

/* open_tree to fspick, mount_setattr, open_tree_attr, quotactl_fd, io_uring: one number everywhere. */
#define DENIED_EVERYWHERE 425, 426, 427, 428, 429, 430, 431, 432, 433, 442, 443, 467
enum { CLONE3 = 435, OPENAT2 = 437 };

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
    {AUDIT_ARCH_X86_64, SYS_clone, SYS_unshare, SYS_ioctl, SYS_socket, DENIED_NATIVE, COUNT(DENIED_NATIVE)},
    {AUDIT_ARCH_I386, 120, 310, 54, 359, DENIED_32, COUNT(DENIED_32)},
};
#else
static const struct convention CONVENTIONS[] = {
    {AUDIT_ARCH_AARCH64, SYS_clone, SYS_unshare, SYS_ioctl, SYS_socket, DENIED_NATIVE, COUNT(DENIED_NATIVE)},
    {AUDIT_ARCH_ARM, 120, 337, 54, 281, DENIED_32, COUNT(DENIED_32)},
};
#endif

enum { PROGRAM_LIMIT = 768 };

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

/* Sockets to the machine that runs this one as its guest belong to no network namespace. */
static void deny_host_sockets(struct program *program, uint32_t number)
{
    add(program, BPF_JMP | BPF_JEQ | BPF_K, number, 0, 4);
    load(program, argument(0));
    add(program, BPF_JMP | BPF_JEQ | BPF_K, AF_VSOCK, 0, 1);
    give(program, DENY);
    give(program, SECCOMP_RET_ALLOW);
}

/* When the number is `number`: to the supervisor what makes a device, but for the one that marks a deletion, 0:0. */
static void notify_of_devices(struct program *program, uint32_t number, size_t mode)
{
    add(program, BPF_JMP | BPF_JEQ | BPF_K, number, 0, 9);
    load(program, argument(mode + 1));
    add(program, BPF_JMP | BPF_JEQ | BPF_K, 0, 6, 0);
    load(program, argument(mode));
    add(program, BPF_ALU | BPF_AND | BPF_K, S_IFMT, 0, 0);
    add(program, BPF_JMP | BPF_JEQ | BPF_K, S_IFCHR, 1, 0);
    add(program, BPF_JMP | BPF_JEQ | BPF_K, S_IFBLK, 0, 1);
    give(program, SECCOMP_RET_USER_NOTIF);
    give(program, SECCOMP_RET_ALLOW);
    give(program, SECCOMP_RET_ALLOW);
}

static void notify_of_links(struct program *program, uint32_t number)
{
    add(program, BPF_JMP | BPF_JEQ | BPF_K, number, 0, 4);
    load(program, argument(3));
    add(program, BPF_JMP | BPF_JSET | BPF_K, AT_SYMLINK_NOFOLLOW, 0, 1);
    give(program, SECCOMP_RET_USER_NOTIF);
    give(program, SECCOMP_RET_ALLOW);
}

/* When the number is `number`: to the supervisor, but for an open file, which has no path. */
static void notify_of_paths(struct program *program, uint32_t number, size_t flags)
{
    add(program, BPF_JMP | BPF_JEQ | BPF_K, number, 0, 4);
    load(program, argument(flags));
    add(program, BPF_JMP | BPF_JSET | BPF_K, AT_EMPTY_PATH, 1, 0);
    give(program, SECCOMP_RET_USER_NOTIF);
    give(program, SECCOMP_RET_ALLOW);
}

static void emulate(struct program *program, const struct emulated_call *call, int as_root)
{
    if (!(call->when & WITH_ONE_ID) && call->emulation != EMULATE_SUCCESS) {
        add(program, BPF_JMP | BPF_JEQ | BPF_K, call->number, 0, 1);
        give(program, SECCOMP_RET_USER_NOTIF);
        return;
    }
    switch (call->emulation) {
    case EMULATE_SUCCESS:
        if (!as_root)
            return;
        add(program, BPF_JMP | BPF_JEQ | BPF_K, call->number, 0, 1);
        give(program, SECCOMP_RET_ERRNO);
        return;
    case EMULATE_MKNOD:
    case EMULATE_MKNODAT:
        notify_of_devices(program, call->number, call->emulation == EMULATE_MKNOD ? 1 : 2);
        return;
    case EMULATE_UTIMENSAT:
    case EMULATE_UTIMENSAT32:
        notify_of_links(program, call->number);
        return;
    default:
        add(program, BPF_JMP | BPF_JEQ | BPF_K, call->number, 0, 1);
        give(program, SECCOMP_RET_USER_NOTIF);
    }
}

static void emulate_calls(struct program *program, const struct convention *convention, const struct run_spec *spec)
{
    size_t count;
    const struct emulated_call *calls = emulated_calls(&count);
    for (size_t i = 0; i < count; i++)
        if (calls[i].audit_arch == convention->audit_arch && calls[i].when & when_answered(spec)) {
            if (!spec->one_id && (calls[i].emulation == EMULATE_FSTATAT || calls[i].emulation == EMULATE_STATX))
                notify_of_paths(program, calls[i].number, calls[i].emulation == EMULATE_STATX ? 2 : 3);
            else
                emulate(program, &calls[i], spec->uid == 0);
        }
}

/* In place of a network namespace: no sockets but those that reach no network. */
static void deny_sockets(struct program *program, const struct convention *convention)
{
    if (convention->audit_arch == AUDIT_ARCH_I386) {
        /* socketcall: what it is to do is in memory */
        add(program, BPF_JMP | BPF_JEQ | BPF_K, 102, 0, 1);
        give(program, SECCOMP_RET_ERRNO | EAFNOSUPPORT);
    }
    add(program, BPF_JMP | BPF_JEQ | BPF_K, convention->socket, 0, 5);
    load(program, argument(0));
    add(program, BPF_JMP | BPF_JEQ | BPF_K, AF_UNIX, 2, 0);
    add(program, BPF_JMP | BPF_JEQ | BPF_K, AF_NETLINK, 1, 0);
    give(program, SECCOMP_RET_ERRNO | EAFNOSUPPORT);
    give(program, SECCOMP_RET_ALLOW);
}

/* What no path of a traced run leads through, or what would go on behind its supervisor. */
static const struct {
    uint16_t number;
    uint16_t error;
} NOT_TRACED[] = {
    {SYS_ptrace, EPERM},
    {SYS_process_vm_readv, EPERM},
    {SYS_process_vm_writev, EPERM},
    {SYS_kcmp, EPERM},
    {SYS_name_to_handle_at, EOPNOTSUPP},
    /* openat2 pidfd_getfd process_madvise, setxattrat to removexattrat, statmount listmount, file_getattr file_setattr */
    {437, ENOSYS},
    {438, EPERM},
    {440, EPERM},
    {463, ENOSYS},
    {464, ENOSYS},
    {465, ENOSYS},
    {466, ENOSYS},
    {457, ENOSYS},
    {458, ENOSYS},
    {468, ENOSYS},
    {469, ENOSYS},
};

/* When the number in the accumulator is `number` and an argument is `value`: the action. */
static void judge_value(struct program *program, uint32_t number, size_t index, uint32_t value, uint32_t action)
{
    add(program, BPF_JMP | BPF_JEQ | BPF_K, number, 0, 4);
    load(program, argument(index));
    add(program, BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1);
    give(program, action);
    load(program, offsetof(struct seccomp_data, nr));
}

/* Sockets of the machine itself only: there is no network but one that is shared. */
static void deny_network(struct program *program)
{
    add(program, BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 5);
    load(program, argument(0));
    add(program, BPF_JMP | BPF_JEQ | BPF_K, AF_UNIX, 2, 0);
    add(program, BPF_JMP | BPF_JEQ | BPF_K, AF_NETLINK, 1, 0);
    give(program, SECCOMP_RET_ERRNO | ENETUNREACH);
    give(program, SECCOMP_RET_ALLOW);
}

static void trace_calls(struct program *program, const struct run_spec *spec)
{
    size_t count;
    const struct traced_entry *entries = traced_entries(&count);
    for (size_t i = 0; i < count; i++) {
        add(program, BPF_JMP | BPF_JEQ | BPF_K, entries[i].number, 0, 1);
        give(program, SECCOMP_RET_TRACE);
    }
    for (size_t i = 0; i < COUNT(NOT_TRACED); i++) {
        add(program, BPF_JMP | BPF_JEQ | BPF_K, NOT_TRACED[i].number, 0, 1);
        give(program, SECCOMP_RET_ERRNO | NOT_TRACED[i].error);
    }
    /* A process that nobody may look into can't be answered. */
    judge_value(program, SYS_prctl, 0, PR_SET_DUMPABLE, SECCOMP_RET_ERRNO);
    if (spec->new_network)
        deny_network(program);
}

static void deny_calls(struct program *program, const struct convention *convention)
{
    deny_bits(program, convention->clone, 0, NAMESPACES);
    deny_bits(program, convention->unshare, 0, NAMESPACES | NAMESPACE_OF_TIME);
    deny_terminal_input(program, convention->ioctl);
    deny_host_sockets(program, convention->socket);
    add(program, BPF_JMP | BPF_JEQ | BPF_K, CLONE3, 0, 1);
    give(program, LACK);
    for (size_t i = 0; i < convention->denied_count; i++) {
        add(program, BPF_JMP | BPF_JEQ | BPF_K, convention->denied[i], 0, 1);
        give(program, DENY);
    }
}

static void judge_calls(struct program *program, const struct convention *convention, const struct run_spec *spec)
{
    load(program, offsetof(struct seccomp_data, nr));
    if (convention->audit_arch == AUDIT_ARCH_X86_64) {
        /* x32: the same calls under numbers with bit 30 set */
        add(program, BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 0, 1);
        give(program, LACK);
    }
    if (spec->is_traced)
        trace_calls(program, spec);
    else
        emulate_calls(program, convention, spec);
    if (spec->holding) {
        /* Its path is served like any other when it comes by the older call. */
        add(program, BPF_JMP | BPF_JEQ | BPF_K, OPENAT2, 0, 1);
        give(program, LACK);
    }
    if (spec->holding && spec->new_network)
        deny_sockets(program, convention);
    if (!spec->insecure || spec->is_traced)
        deny_calls(program, convention);
    give(program, SECCOMP_RET_ALLOW);
}

/* Each convention's block is jumped over as a whole, with a jump that reaches further than 255 instructions. */
static void add_convention(struct program *program, const struct convention *convention, const struct run_spec *spec)
{
    add(program, BPF_JMP | BPF_JEQ | BPF_K, convention->audit_arch, 1, 0);
    unsigned short jump = program->length;
    add(program, BPF_JMP | BPF_JA, 0, 0, 0);
    judge_calls(program, convention, spec);
    program->code[jump].k = (uint32_t)(program->length - jump - 1);
}

/* The newest first: since Linux 5.19 a call that waits is not cut short by a signal. */
static const unsigned FLAGS_TO_LISTEN[] = {
    SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_SPEC_ALLOW | WAIT_KILLABLE,
    SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_SPEC_ALLOW,
};
/* The mitigation for speculative stores is for filters that guard a process against itself; it costs much. */
static const unsigned FLAGS_TO_JUDGE[] = {SECCOMP_FILTER_FLAG_SPEC_ALLOW, 0};

int install_filter(const struct run_spec *spec)
{
    struct program program = {.length = 0};
    load(&program, offsetof(struct seccomp_data, arch));
    /* One calling convention is traced; with the other, calls would go to files of the host. */
    for (size_t i = 0; i < (spec->is_traced ? 1 : COUNT(CONVENTIONS)); i++)
        add_convention(&program, &CONVENTIONS[i], spec);
    give(&program, LACK);
    struct sock_fprog filter = {.len = program.length, .filter = program.code};
    int is_supervised = when_answered(spec) != 0;
    const unsigned *flags = is_supervised ? FLAGS_TO_LISTEN : FLAGS_TO_JUDGE;
    /* Without CAP_SYS_ADMIN there is no filter but with it. */
    if (spec->holding && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        fail("prctl PR_SET_NO_NEW_PRIVS", "");
    if (is_supervised && can_let_calls_go_on() < 0)
        fail("supervise system calls", "");
    for (size_t i = 0; i < 2; i++) {
        long result = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags[i], &filter);
        if (result >= 0)
            return is_supervised ? (int)result : -1;
    }
    fail(is_supervised ? "supervise system calls" : "install the seccomp filter", "");
}
