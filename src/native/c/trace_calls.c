/* Which calls of a traced run are stopped, who answers them, and where in them paths and flags are. */
#include <sys/stat.h>
#include <sys/syscall.h>

#include "trace_calls.h"
#include "trace.h"

#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_faccessat2
#define SYS_faccessat2 439
#endif

/* Arguments: the directory, the path, the flags; see struct traced_entry. */
static const struct traced_entry ENTRIES[] = {
    {SYS_openat, trace_open, 0, 1, 2, 0},
    {SYS_newfstatat, trace_stat, -1, -1, -1, EMULATE_FSTATAT},
    {SYS_fstat, trace_stat, -1, -1, -1, EMULATE_FSTAT},
    {SYS_statx, trace_stat, -1, -1, -1, EMULATE_STATX},
    {SYS_faccessat, trace_access, 0, 1, -1, 0},
    {SYS_faccessat2, trace_access, 0, 1, 3, 0},
    {SYS_readlinkat, trace_readlink, 0, 1, -1, 0},
    {SYS_execve, trace_exec, -1, 0, -1, 0},
    {SYS_execveat, trace_exec, 0, 1, -1, 0},
    {SYS_chdir, trace_path, -1, 0, -1, PATH_ENTERS},
    {SYS_getcwd, trace_getcwd, -1, -1, -1, 0},
    {SYS_fchownat, trace_chown, 0, 1, 4, EMULATE_FCHOWNAT},
    {SYS_fchown, trace_chown, 0, -1, -1, EMULATE_FCHOWN},
    {SYS_fchmod, trace_chmod, 0, -1, -1, 0},
    {SYS_fchmodat, trace_chmod, 0, 1, -1, 0},
    {SYS_fchmodat2, trace_chmod, 0, 1, 3, 0},
    {SYS_utimensat, trace_times, 0, 1, 3, 0},
    {SYS_mkdirat, trace_make, 0, 1, -1, S_IFDIR},
    {SYS_mknodat, trace_make, 0, 1, -1, 0},
    {SYS_unlinkat, trace_remove, 0, 1, 2, 0},
    {SYS_renameat2, trace_rename, 0, 1, 4, 0},
    {SYS_renameat, trace_rename, 0, 1, -1, 0},
    {SYS_linkat, trace_link, 0, 1, 4, 0},
    {SYS_symlinkat, trace_symlink, 1, 2, -1, 0},
    {SYS_truncate, trace_path, -1, 0, -1, PATH_WRITES},
    {SYS_statfs, trace_statfs, -1, 0, -1, 0},
    {SYS_inotify_add_watch, trace_path, -1, 1, -1, 0},
    {SYS_chroot, trace_chroot, -1, 0, -1, 0},
    {SYS_getxattr, trace_attribute, -1, 0, -1, ATTRIBUTE_GET},
    {SYS_lgetxattr, trace_attribute, -1, 0, -1, ATTRIBUTE_GET | ATTRIBUTE_KEEPS_LINK},
    {SYS_fgetxattr, trace_attribute, -1, -1, -1, ATTRIBUTE_GET},
    {SYS_setxattr, trace_attribute, -1, 0, -1, ATTRIBUTE_SET},
    {SYS_lsetxattr, trace_attribute, -1, 0, -1, ATTRIBUTE_SET | ATTRIBUTE_KEEPS_LINK},
    {SYS_fsetxattr, trace_attribute, -1, -1, -1, ATTRIBUTE_SET},
    {SYS_listxattr, trace_attribute, -1, 0, -1, ATTRIBUTE_LIST},
    {SYS_llistxattr, trace_attribute, -1, 0, -1, ATTRIBUTE_LIST | ATTRIBUTE_KEEPS_LINK},
    {SYS_flistxattr, trace_attribute, -1, -1, -1, ATTRIBUTE_LIST},
    {SYS_removexattr, trace_attribute, -1, 0, -1, ATTRIBUTE_REMOVE},
    {SYS_lremovexattr, trace_attribute, -1, 0, -1, ATTRIBUTE_REMOVE | ATTRIBUTE_KEEPS_LINK},
    {SYS_fremovexattr, trace_attribute, -1, -1, -1, ATTRIBUTE_REMOVE},
    {SYS_getuid, trace_get_ids, -1, -1, -1, GET_UID},
    {SYS_geteuid, trace_get_ids, -1, -1, -1, GET_EUID},
    {SYS_getgid, trace_get_ids, -1, -1, -1, GET_GID},
    {SYS_getegid, trace_get_ids, -1, -1, -1, GET_EGID},
    {SYS_getresuid, trace_get_ids, -1, -1, -1, GET_RESUID},
    {SYS_getresgid, trace_get_ids, -1, -1, -1, GET_RESGID},
    {SYS_getgroups, trace_get_ids, -1, -1, -1, GET_GROUPS},
    {SYS_setuid, trace_set_ids, -1, -1, -1, SET_UID},
    {SYS_setgid, trace_set_ids, -1, -1, -1, SET_GID},
    {SYS_setreuid, trace_set_ids, -1, -1, -1, SET_REUID},
    {SYS_setregid, trace_set_ids, -1, -1, -1, SET_REGID},
    {SYS_setresuid, trace_set_ids, -1, -1, -1, SET_RESUID},
    {SYS_setresgid, trace_set_ids, -1, -1, -1, SET_RESGID},
    {SYS_setfsuid, trace_set_ids, -1, -1, -1, SET_FSUID},
    {SYS_setfsgid, trace_set_ids, -1, -1, -1, SET_FSGID},
    {SYS_setgroups, trace_set_ids, -1, -1, -1, SET_GROUPS},
    {SYS_capset, trace_set_ids, -1, -1, -1, SET_CAPABILITIES},
    {SYS_capget, trace_capget, -1, -1, -1, 0},
    {SYS_umask, trace_umask, -1, -1, -1, 0},
    {SYS_uname, trace_uname, -1, -1, -1, 0},
    {SYS_kill, trace_kill, -1, -1, -1, KILL_PROCESS},
    {SYS_tkill, trace_kill, -1, -1, -1, KILL_THREAD},
    {SYS_tgkill, trace_kill, -1, -1, -1, KILL_THREAD},
    {SYS_rt_sigqueueinfo, trace_kill, -1, -1, -1, KILL_THREAD},
    {SYS_rt_tgsigqueueinfo, trace_kill, -1, -1, -1, KILL_THREAD},
    {SYS_pidfd_open, trace_kill, -1, -1, -1, KILL_THREAD},
    {SYS_bind, trace_socket_address, -1, 1, -1, 1},
    {SYS_connect, trace_socket_address, -1, 1, -1, 0},
    {SYS_sendto, trace_socket_address, -1, 4, -1, 0},
#ifdef __x86_64__
    {SYS_open, trace_open, -1, 0, 1, 0},
    {SYS_creat, trace_open, -1, 0, -1, 0},
    {SYS_stat, trace_stat, -1, -1, -1, EMULATE_STAT},
    {SYS_lstat, trace_stat, -1, -1, -1, EMULATE_LSTAT},
    {SYS_access, trace_access, -1, 0, -1, 0},
    {SYS_readlink, trace_readlink, -1, 0, -1, 0},
    {SYS_chown, trace_chown, -1, 0, -1, EMULATE_CHOWN},
    {SYS_lchown, trace_chown, -1, 0, -1, EMULATE_LCHOWN},
    {SYS_chmod, trace_chmod, -1, 0, -1, 0},
    {SYS_utime, trace_path, -1, 0, -1, PATH_WRITES},
    {SYS_utimes, trace_path, -1, 0, -1, PATH_WRITES},
    {SYS_futimesat, trace_path, 0, 1, -1, PATH_WRITES | PATH_MAY_BE_NULL},
    {SYS_mkdir, trace_make, -1, 0, -1, S_IFDIR},
    {SYS_mknod, trace_make, -1, 0, -1, 0},
    {SYS_unlink, trace_remove, -1, 0, -1, 0},
    {SYS_rmdir, trace_remove, -1, 0, -1, 1},
    {SYS_rename, trace_rename, -1, 0, -1, 0},
    {SYS_link, trace_link, -1, 0, -1, 0},
    {SYS_symlink, trace_symlink, -1, 1, -1, 0},
#endif
};

const struct traced_entry *traced_entries(size_t *count)
{
    *count = sizeof ENTRIES / sizeof ENTRIES[0];
    return ENTRIES;
}

const struct traced_entry *find_entry(long number)
{
    static const struct traced_entry *by_number[512];
    static int is_filled;
    if (!is_filled) {
        is_filled = 1;
        for (size_t i = 0; i < sizeof ENTRIES / sizeof ENTRIES[0]; i++)
            by_number[ENTRIES[i].number] = &ENTRIES[i];
    }
    return number >= 0 && number < 512 ? by_number[number] : NULL;
}
