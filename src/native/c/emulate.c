#include "emulate.h"

#include <linux/audit.h>
#include <sys/syscall.h>

#ifdef __x86_64__
#define NATIVE AUDIT_ARCH_X86_64
#define OTHER AUDIT_ARCH_I386
#else
#define NATIVE AUDIT_ARCH_AARCH64
#define OTHER AUDIT_ARCH_ARM
#endif

static const struct emulated_call CALLS[] = {
    {NATIVE, SYS_fchownat, EMULATE_FCHOWNAT},
    {NATIVE, SYS_fchown, EMULATE_FCHOWN},
    {NATIVE, SYS_mknodat, EMULATE_MKNODAT},
    {NATIVE, SYS_utimensat, EMULATE_UTIMENSAT},
    {NATIVE, SYS_fstat, EMULATE_FSTAT},
    {NATIVE, SYS_newfstatat, EMULATE_FSTATAT},
    {NATIVE, SYS_statx, EMULATE_STATX},
#ifdef __x86_64__
    {NATIVE, SYS_stat, EMULATE_STAT},
    {NATIVE, SYS_lstat, EMULATE_LSTAT},
    {NATIVE, SYS_chown, EMULATE_CHOWN},
    {NATIVE, SYS_lchown, EMULATE_LCHOWN},
    {NATIVE, SYS_mknod, EMULATE_MKNOD},
#endif
    {NATIVE, SYS_setuid, EMULATE_SUCCESS},
    {NATIVE, SYS_setgid, EMULATE_SUCCESS},
    {NATIVE, SYS_setreuid, EMULATE_SUCCESS},
    {NATIVE, SYS_setregid, EMULATE_SUCCESS},
    {NATIVE, SYS_setresuid, EMULATE_SUCCESS},
    {NATIVE, SYS_setresgid, EMULATE_SUCCESS},
    {NATIVE, SYS_setfsuid, EMULATE_SUCCESS},
    {NATIVE, SYS_setfsgid, EMULATE_SUCCESS},
    {NATIVE, SYS_setgroups, EMULATE_SUCCESS},
    {NATIVE, SYS_capset, EMULATE_SUCCESS},
    /*
     * i386 and arm number all of these alike, but for the calls with "at". Their own stat calls show every file as the
     * run's user's: the forms of the answers are many, and few programs of 32 bits look at owners.
     */
    {OTHER, 182, EMULATE_CHOWN16},
    {OTHER, 16, EMULATE_LCHOWN16},
    {OTHER, 95, EMULATE_FCHOWN16},
    {OTHER, 212, EMULATE_CHOWN},
    {OTHER, 198, EMULATE_LCHOWN},
    {OTHER, 207, EMULATE_FCHOWN},
    {OTHER, 14, EMULATE_MKNOD},
#ifdef __x86_64__
    {OTHER, 298, EMULATE_FCHOWNAT},
    {OTHER, 297, EMULATE_MKNODAT},
    {OTHER, 320, EMULATE_UTIMENSAT32},
#else
    {OTHER, 325, EMULATE_FCHOWNAT},
    {OTHER, 324, EMULATE_MKNODAT},
    {OTHER, 348, EMULATE_UTIMENSAT32},
#endif
    {OTHER, 412, EMULATE_UTIMENSAT},
    /* setuid setgid setreuid setregid setgroups setfsuid setfsgid setresuid setresgid, first with 16 bits; capset */
    {OTHER, 23, EMULATE_SUCCESS},
    {OTHER, 46, EMULATE_SUCCESS},
    {OTHER, 70, EMULATE_SUCCESS},
    {OTHER, 71, EMULATE_SUCCESS},
    {OTHER, 81, EMULATE_SUCCESS},
    {OTHER, 138, EMULATE_SUCCESS},
    {OTHER, 139, EMULATE_SUCCESS},
    {OTHER, 164, EMULATE_SUCCESS},
    {OTHER, 170, EMULATE_SUCCESS},
    {OTHER, 203, EMULATE_SUCCESS},
    {OTHER, 204, EMULATE_SUCCESS},
    {OTHER, 206, EMULATE_SUCCESS},
    {OTHER, 208, EMULATE_SUCCESS},
    {OTHER, 210, EMULATE_SUCCESS},
    {OTHER, 213, EMULATE_SUCCESS},
    {OTHER, 214, EMULATE_SUCCESS},
    {OTHER, 215, EMULATE_SUCCESS},
    {OTHER, 216, EMULATE_SUCCESS},
    {OTHER, 185, EMULATE_SUCCESS},
};

const struct emulated_call *emulated_calls(size_t *count)
{
    *count = sizeof CALLS / sizeof CALLS[0];
    return CALLS;
}
