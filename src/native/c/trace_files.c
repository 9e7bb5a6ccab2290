/* Calls on files that the supervisor does itself, on the file of the host that is meant. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "trace.h"
#include "trace_calls.h"

#ifndef AT_EACCESS
#define AT_EACCESS 0x200
#endif

static uint64_t argument(const struct traced_call *call, size_t index)
{
    return call->notice.data.args[index];
}

static int flags_of(const struct traced_call *call)
{
    return call->entry->flags < 0 ? 0 : (int)(uint32_t)argument(call, (size_t)call->entry->flags);
}

static int64_t result_of(int result)
{
    return result < 0 ? -errno : 0;
}

int record_of(const struct traced_call *call, int fd, struct statx *status, struct owner *owner)
{
    if (syscall(SYS_statx, fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, status) < 0)
        return -1;
    if (status->stx_uid == geteuid())
        return owner_of_file(&call->waiting, fd, status, owner) < 0 ? -1 : 0;
    *owner = (struct owner){.uid = status->stx_uid, .gid = status->stx_gid};
    return 0;
}

static int open_host(const struct located *found, int follow)
{
    return open(found->host, O_PATH | O_CLOEXEC | (found->is_magic && follow ? 0 : O_NOFOLLOW));
}

/* What an entry's path, or where that is empty and may be its descriptor, names. -1 with errno. */
static int open_argument(struct traced_call *call, int follow, int may_be_empty)
{
    char text[PATH_MAX];
    struct located found;
    const struct traced_entry *entry = call->entry;
    int directory = entry->directory < 0 ? AT_FDCWD : (int)(uint32_t)argument(call, (size_t)entry->directory);
    if (entry->path < 0)
        return open_descriptor_of_caller(&call->waiting, directory);
    if (read_caller_text(&call->waiting, argument(call, (size_t)entry->path), text, sizeof text) < 0)
        return -1;
    if (text[0] == '\0' && may_be_empty && directory != AT_FDCWD)
        return open_descriptor_of_caller(&call->waiting, directory);
    int result = locate(call->task, directory, text[0] || !may_be_empty ? text : ".", follow, &found);
    errno = -result;
    return result < 0 ? -1 : open_host(&found, follow);
}

int64_t record_maker(const struct traced_call *call, const char *host)
{
    const struct traced_ids *ids = &call->task->process->ids;
    struct statx status;
    struct owner owner = {.device = 0};
    struct place place = {.path = host};
    if (ids->fsuid == call->spec.uid && ids->fsgid == call->spec.gid)
        return 0;
    if (syscall(SYS_statx, AT_FDCWD, host, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &status) < 0 ||
        read_owner(place, &status, &owner) < 0)
        return -errno;
    int fd = open(host, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    struct owner inherited;
    int found = fd < 0 ? -1 : owner_of_file(&call->waiting, fd, &status, &inherited);
    if (fd >= 0)
        close(fd);
    owner.uid = ids->fsuid;
    owner.gid = found >= 0 && inherited.gid != call->spec.gid ? inherited.gid : ids->fsgid;
    return S_ISSOCK(status.stx_mode) ? 0 : result_of(write_owner(place, status.stx_mode, &owner));
}

static mode_t masked(const struct traced_call *call, uint64_t mode)
{
    return (mode_t)mode & 07777 & ~call->task->process->umask;
}

/* A mode with which the file's owner could not go on is written down in place of being set. */
static int64_t finish_new(struct traced_call *call, const char *host, mode_t type, mode_t mode)
{
    struct statx status = {.stx_mode = 0};
    mode_t needed = type == S_IFDIR ? 0700 : 0600;
    if ((mode & needed) != needed &&
        (syscall(SYS_statx, AT_FDCWD, host, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &status) < 0 ||
         change_mode((struct place){.path = host}, &status, mode | (status.stx_mode & S_ISGID)) < 0))
        return -errno;
    return record_maker(call, host);
}

/* In place of the kernel what would be made with a mode or an owner that the kernel can't give. */
static int64_t make_before_open(struct traced_call *call, const struct located *found, mode_t mode, int *flags)
{
    const struct traced_ids *ids = &call->task->process->ids;
    if ((mode & 0600) == 0600 && ids->fsuid == call->spec.uid && ids->fsgid == call->spec.gid)
        return 0;
    int fd = open(found->host, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, mode | 0600);
    if (fd < 0)
        return -errno;
    close(fd);
    *flags &= ~(O_CREAT | O_EXCL);
    return finish_new(call, found->host, S_IFREG, mode);
}

static int wanted_by(int flags)
{
    int mode = flags & O_ACCMODE;
    if (flags & O_PATH)
        return 0;
    return (mode != O_WRONLY ? R_OK : 0) | (mode != O_RDONLY || (flags & O_TRUNC) ? W_OK : 0);
}

/* open, openat, creat: the kernel opens the file under its name on the host. */
int64_t trace_open(struct traced_call *call)
{
    struct located found;
    const struct traced_entry *entry = call->entry;
    int is_creat = entry->flags < 0, flags = is_creat ? O_CREAT | O_WRONLY | O_TRUNC : flags_of(call), before = flags;
    int follow = !(flags & O_NOFOLLOW) && (flags & (O_CREAT | O_EXCL)) != (O_CREAT | O_EXCL);
    int64_t result = locate_argument(call, entry->directory, entry->path, follow, &found);
    if (result < 0)
        return result;
    int creates = (flags & O_CREAT) && !found.exists, wanted = wanted_by(flags);
    if (found.is_readonly && (creates || (flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC)) && !(flags & O_PATH))
        return -EROFS;
    result = creates ? may_change_names(call->task, &call->spec, &found)
                     : may_use(call->task, &call->spec, found.host, found.is_magic ? 0 : wanted);
    if (result < 0)
        return result;
    size_t mode = is_creat ? (size_t)entry->path + 1 : (size_t)entry->flags + 1;
    if (creates && !(flags & O_DIRECTORY) &&
        (result = make_before_open(call, &found, masked(call, argument(call, mode)), &flags)) < 0)
        return result;
    uint64_t address = lend_text(call, found.host, strlen(found.host) + 1);
    if (address == 0)
        return -EFAULT;
    set_call_argument(&call->registers, (size_t)entry->path, address);
    if (flags != before && !is_creat)
        set_call_argument(&call->registers, (size_t)entry->flags, (uint64_t)flags);
    return CALL_REWRITTEN;
}

/* The kernel does the call, on the name that the file has on the host. */
int64_t trace_path(struct traced_call *call)
{
    struct located found;
    int follow = call->entry->variant & PATH_KEEPS_LINK ? KEEP_LINK : FOLLOW_LINK;
    if (call->entry->variant & PATH_MAY_BE_NULL && argument(call, (size_t)call->entry->path) == 0)
        return CALL_UNCHANGED;
    int64_t result = locate_argument(call, call->entry->directory, call->entry->path, follow, &found);
    if (result < 0)
        return result;
    if (found.is_readonly && (call->entry->variant & PATH_WRITES))
        return -EROFS;
    int wanted = (call->entry->variant & PATH_WRITES ? W_OK : 0) | (call->entry->variant & PATH_ENTERS ? X_OK : 0);
    result = may_use(call->task, &call->spec, found.host, wanted);
    if (result < 0)
        return result;
    uint64_t address = lend_text(call, found.host, strlen(found.host) + 1);
    if (address == 0)
        return -EFAULT;
    set_call_argument(&call->registers, (size_t)call->entry->path, address);
    return CALL_REWRITTEN;
}

int64_t trace_access(struct traced_call *call)
{
    struct located found;
    int flags = flags_of(call), mode = (int)argument(call, (size_t)call->entry->path + 1);
    if (flags & AT_EMPTY_PATH) {
        int fd = open_argument(call, !(flags & AT_SYMLINK_NOFOLLOW), 1);
        if (fd < 0)
            return -errno;
        int64_t result = result_of((int)syscall(SYS_faccessat2, fd, "", mode, AT_EMPTY_PATH));
        close(fd);
        return result;
    }
    int64_t result = locate_argument(call, call->entry->directory, call->entry->path, !(flags & AT_SYMLINK_NOFOLLOW), &found);
    if (result < 0)
        return result;
    if (found.is_readonly && (mode & W_OK))
        return -EROFS;
    if (found.exists && !found.is_magic && (result = may_use(call->task, &call->spec, found.host, mode)) < 0)
        return result;
    return result_of(faccessat(AT_FDCWD, found.host, mode, found.is_link ? AT_SYMLINK_NOFOLLOW : 0));
}

int64_t trace_stat(struct traced_call *call)
{
    return emulate_stat(&call->waiting, (enum emulation)call->entry->variant);
}

/* -EROFS where the file of a call that changes it may only be read. */
static int64_t refuse_protected(struct traced_call *call, int flags)
{
    int fd = open_argument(call, !(flags & AT_SYMLINK_NOFOLLOW), (flags & AT_EMPTY_PATH) != 0);
    int64_t result = fd < 0 ? -errno : is_protected(fd) ? -EROFS : 0;
    if (fd >= 0)
        close(fd);
    return result;
}

int64_t trace_chown(struct traced_call *call)
{
    int64_t result = refuse_protected(call, flags_of(call) | (call->entry->variant == EMULATE_LCHOWN ? AT_SYMLINK_NOFOLLOW : 0));
    if (result < 0)
        return result;
    return emulate_chown(&call->waiting, (enum emulation)call->entry->variant);
}

/* utimensat; without a path it is about a descriptor, and the kernel's. */
int64_t trace_times(struct traced_call *call)
{
    if (argument(call, 1) == 0) {
        int fd = open_descriptor_of_caller(&call->waiting, (int)(uint32_t)argument(call, 0));
        int is_refused = fd >= 0 && is_protected(fd);
        if (fd >= 0)
            close(fd);
        return is_refused ? -EROFS : CALL_UNCHANGED;
    }
    int64_t result = refuse_protected(call, flags_of(call));
    if (result < 0)
        return result;
    return emulate_utimensat(&call->waiting, EMULATE_UTIMENSAT);
}

int64_t trace_statfs(struct traced_call *call)
{
    struct statfs status;
    struct located found;
    int64_t result = locate_argument(call, -1, 0, FOLLOW_LINK, &found);
    if (result < 0)
        return result;
    if (statfs(found.host, &status) < 0)
        return -errno;
    return result_of(write_caller_bytes(&call->waiting, argument(call, 1), &status, sizeof status));
}

static int may_change(const struct traced_call *call, const struct owner *owner)
{
    const struct traced_ids *ids = &call->task->process->ids;
    return ids->fsuid == 0 || ids->fsuid == owner->uid;
}

int64_t trace_chmod(struct traced_call *call)
{
    char path[6 + PROC_SELF_FD_SIZE] = "/proc/";
    struct statx status;
    struct owner owner;
    size_t at = call->entry->path < 0 ? 1 : (size_t)call->entry->path + 1;
    int flags = flags_of(call);
    int fd = open_argument(call, !(flags & AT_SYMLINK_NOFOLLOW), flags & AT_EMPTY_PATH);
    if (fd < 0)
        return -errno;
    self_fd(path + 6, fd);
    int64_t result = is_protected(fd)                          ? -EROFS
                     : record_of(call, fd, &status, &owner) < 0 ? -errno
                     : !may_change(call, &owner)               ? -EPERM
                     : S_ISLNK(status.stx_mode)                ? -EOPNOTSUPP
                     : status.stx_uid != geteuid()             ? result_of(chmod(path, (mode_t)argument(call, at) & 07777))
                                                               : 0;
    if (result == 0 && status.stx_uid == geteuid())
        result = result_of(change_mode((struct place){.path = path, .follow = 1}, &status,
                                       (mode_t)argument(call, at) & 07777));
    close(fd);
    return result;
}

static int64_t locate_new(struct traced_call *call, int directory, int path, struct located *found)
{
    int64_t result = locate_argument(call, directory, path, KEEP_LINK, found);
    if (result < 0)
        return result;
    if (found->exists)
        return -EEXIST;
    return found->is_readonly ? -EROFS : may_change_names(call->task, &call->spec, found);
}

static int64_t make_device(struct traced_call *call, const char *host, mode_t mode, uint32_t device)
{
    struct owner owner = {
        .uid = ID_OF_MAKER,
        .gid = ID_OF_MAKER,
        .device = S_ISBLK(mode) ? 'b' : 'c',
        .major = (device & 0xfff00) >> 8,
        .minor = (device & 0xff) | ((device >> 12) & 0xfff00),
    };
    if (call->task->process->ids.uid[EFFECTIVE_ID] != 0)
        return -EPERM;
    return result_of(make_device_stand_in(host, masked(call, mode) | 0600, &owner));
}

/* mkdir and mknod */
int64_t trace_make(struct traced_call *call)
{
    struct located found;
    size_t at = (size_t)call->entry->path + 1;
    mode_t mode = (mode_t)argument(call, at), type = call->entry->variant == S_IFDIR ? S_IFDIR : mode & S_IFMT;
    int64_t result = locate_new(call, call->entry->directory, call->entry->path, &found);
    if (result < 0)
        return result;
    if ((type == S_IFCHR || type == S_IFBLK) && argument(call, at + 1) != 0)
        return make_device(call, found.host, mode, (uint32_t)argument(call, at + 1));
    mode = masked(call, mode);
    int made = type == S_IFDIR ? mkdir(found.host, mode | 0700) : mknod(found.host, (type ? type : S_IFREG) | mode | 0600, 0);
    return made < 0 ? -errno : finish_new(call, found.host, type == S_IFDIR ? S_IFDIR : S_IFREG, mode);
}

int64_t trace_remove(struct traced_call *call)
{
    struct located found;
    int as_directory = call->entry->variant || (flags_of(call) & AT_REMOVEDIR);
    int64_t result = locate_argument(call, call->entry->directory, call->entry->path, KEEP_LINK, &found);
    if (result < 0)
        return result;
    if (found.is_mount_point)
        return -EBUSY;
    if (found.is_readonly)
        return -EROFS;
    if (found.exists && (result = may_change_names(call->task, &call->spec, &found)) < 0)
        return result;
    return result_of(as_directory ? rmdir(found.host) : unlink(found.host));
}

/* Both ends of a call with two paths. The second begins after the first, with a directory where the first has one. */
static int64_t locate_two(struct traced_call *call, int follow, struct located *from, struct located *to)
{
    int with_directories = call->entry->directory >= 0;
    int64_t result = locate_argument(call, call->entry->directory, call->entry->path, follow, from);
    if (result < 0)
        return result;
    result = locate_argument(call, with_directories ? 2 : -1, with_directories ? 3 : 1, KEEP_LINK, to);
    if (result < 0)
        return result;
    if (!from->exists)
        return -ENOENT;
    if (from->redirection != to->redirection)
        return -EXDEV;
    return from->is_mount_point || to->is_mount_point ? -EBUSY : to->is_readonly ? -EROFS : 0;
}

int64_t trace_rename(struct traced_call *call)
{
    struct located from, to;
    int64_t result = locate_two(call, KEEP_LINK, &from, &to);
    if (result == 0)
        result = may_change_names(call->task, &call->spec, &from);
    if (result == 0)
        result = may_change_names(call->task, &call->spec, &to);
    if (result < 0)
        return result;
    return result_of((int)syscall(SYS_renameat2, AT_FDCWD, from.host, AT_FDCWD, to.host, flags_of(call)));
}

/* A file by its descriptor, as one without a name yet. */
static int64_t link_descriptor(struct traced_call *call, int fd, const struct located *to)
{
    char path[6 + PROC_SELF_FD_SIZE] = "/proc/";
    if (fd < 0)
        return -errno;
    int64_t result = redirection_of(fd) != to->redirection ? -EXDEV : may_change_names(call->task, &call->spec, to);
    self_fd(path + 6, fd);
    if (result == 0)
        result = result_of(linkat(AT_FDCWD, path, AT_FDCWD, to->host, AT_SYMLINK_FOLLOW));
    close(fd);
    return result;
}

int64_t trace_link(struct traced_call *call)
{
    struct located from = {.is_magic = 0}, to = {.is_readonly = 0};
    char text[2] = "";
    int flags = flags_of(call), with_directories = call->entry->directory >= 0;
    int64_t result = locate_new(call, with_directories ? 2 : -1, with_directories ? 3 : 1, &to);
    if (result < 0)
        return result;
    if ((flags & AT_EMPTY_PATH) && read_caller_text(&call->waiting, argument(call, 1), text, sizeof text) == 0 &&
        text[0] == '\0')
        return link_descriptor(call, open_descriptor_of_caller(&call->waiting, (int)(uint32_t)argument(call, 0)), &to);
    result = locate_argument(call, call->entry->directory, call->entry->path,
                             flags & AT_SYMLINK_FOLLOW ? FOLLOW_LINK : KEEP_LINK, &from);
    if (result == 0 && from.is_magic && (flags & AT_SYMLINK_FOLLOW))
        return link_descriptor(call, open(from.host, O_PATH | O_CLOEXEC), &to);
    if (result == 0)
        result = locate_two(call, flags & AT_SYMLINK_FOLLOW ? FOLLOW_LINK : KEEP_LINK, &from, &to);
    return result < 0 ? result : result_of(linkat(AT_FDCWD, from.host, AT_FDCWD, to.host, 0));
}

int64_t trace_symlink(struct traced_call *call)
{
    char text[PATH_MAX];
    struct located found;
    int with_directory = call->entry->directory >= 0;
    if (read_caller_text(&call->waiting, argument(call, 0), text, sizeof text) < 0)
        return -errno;
    int64_t result = locate_new(call, with_directory ? 1 : -1, with_directory ? 2 : 1, &found);
    if (result < 0)
        return result;
    return symlink(text, found.host) < 0 ? -errno : record_maker(call, found.host);
}

int64_t trace_readlink(struct traced_call *call)
{
    char path[PATH_MAX], text[PATH_MAX];
    struct located found;
    size_t at = (size_t)call->entry->path;
    int directory = call->entry->directory < 0 ? AT_FDCWD : (int)(uint32_t)argument(call, 0);
    uint64_t room = argument(call, at + 2);
    if (read_caller_text(&call->waiting, argument(call, at), path, sizeof path) < 0)
        return -errno;
    /* By a descriptor of the link itself. */
    if (path[0] == '\0' && directory != AT_FDCWD)
        return CALL_UNCHANGED;
    int64_t length = locate(call->task, directory, path, KEEP_LINK, &found);
    if (length < 0)
        return length;
    if (!found.exists)
        return -ENOENT;
    length = read_link(call->task, &found, text);
    if (length < 0)
        return length;
    if (room == 0 || room > INT32_MAX)
        return -EINVAL;
    size_t count = (uint64_t)length < room ? (size_t)length : (size_t)room;
    return write_caller_bytes(&call->waiting, argument(call, at + 1), text, count) < 0 ? -errno : (int64_t)count;
}

int64_t trace_getcwd(struct traced_call *call)
{
    char link[PATH_MAX], host[PATH_MAX], path[PATH_MAX];
    struct stat status;
    proc_path(link, call->task->tid, "cwd");
    ssize_t length = readlink(link, host, sizeof host - 1);
    if (length < 0)
        return -errno;
    host[length] = '\0';
    if (stat(host, &status) < 0 || name_in_root(host, path) < 0)
        return -ENOENT;
    size_t size = strlen(path) + 1;
    if (argument(call, 1) < size)
        return -ERANGE;
    return write_caller_bytes(&call->waiting, argument(call, 0), path, size) < 0 ? -errno : (int64_t)size;
}

int64_t trace_chroot(struct traced_call *call)
{
    struct located found;
    int64_t result = locate_argument(call, -1, 0, FOLLOW_LINK, &found);
    if (result < 0)
        return result;
    return !strcmp(found.path, "/") ? 0 : -EPERM;
}
