/* chown, mknod and what would wipe out the record of an owner, for a run that has one id only. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "emulate.h"

struct chown_request {
    uint32_t uid;
    uint32_t gid;
};

static int argument_fd(const struct waiting_call *call, size_t index)
{
    return (int)(uint32_t)call->notice->data.args[index];
}

static uint32_t argument_id(const struct waiting_call *call, size_t index, int is_short)
{
    uint32_t id = (uint32_t)call->notice->data.args[index];
    return !is_short ? id : (id & 0xffff) == 0xffff ? ID_OF_MAKER : id & 0xffff;
}

/* By path, or by descriptor where the path is empty and the flags allow that. -1 with errno. */
static int open_at(const struct waiting_call *call, size_t index, int flags)
{
    char path[PATH_MAX];
    int directory = argument_fd(call, index);
    if (read_caller_text(call, call->notice->data.args[index + 1], path, sizeof path) < 0)
        return -1;
    if (path[0] == '\0' && (flags & AT_EMPTY_PATH))
        return directory == AT_FDCWD ? open_of_caller(call, directory, ".", 1) : open_descriptor_of_caller(call, directory);
    return open_of_caller(call, directory, path, !(flags & AT_SYMLINK_NOFOLLOW));
}

static int open_path(const struct waiting_call *call, int follow)
{
    char path[PATH_MAX];
    if (read_caller_text(call, call->notice->data.args[0], path, sizeof path) < 0)
        return -1;
    return open_of_caller(call, AT_FDCWD, path, follow);
}

static int has_same_file(int directory, const char *name, const struct statx *status)
{
    struct statx found;
    return syscall(SYS_statx, directory, name, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &found) == 0 &&
           found.stx_ino == status->stx_ino && found.stx_dev_major == status->stx_dev_major &&
           found.stx_dev_minor == status->stx_dev_minor;
}

/* The group that a directory with the set-group-id bit gives to a file that is made in it, else ID_OF_MAKER. */
static uint32_t group_for_new(const struct waiting_call *call, int fd, const struct statx *status)
{
    char link[6 + PROC_SELF_FD_SIZE] = "/proc/", path[PATH_MAX];
    uint32_t group = ID_OF_MAKER;
    /* Such a directory hands on the bit as well. */
    if (S_ISDIR(status->stx_mode) && !(status->stx_mode & S_ISGID))
        return group;
    self_fd(link + 6, fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0 || path[0] != '/')
        return group;
    path[length] = '\0';
    char *name = strrchr(path, '/');
    *name++ = '\0';
    int parent = call->open ? open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC)
                            : open_of_caller(call, AT_FDCWD, path[0] ? path : "/", 0);
    struct statx above;
    struct owner owner;
    if (parent < 0)
        return group;
    self_fd(link + 6, parent);
    if (has_same_file(parent, name, status) &&
        syscall(SYS_statx, parent, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &above) == 0 && (above.stx_mode & S_ISGID) &&
        read_owner((struct place){.path = link, .follow = 1}, &above, &owner) == 1)
        group = owner.gid;
    close(parent);
    return group;
}

int owner_of_file(const struct waiting_call *call, int fd, const struct statx *status, struct owner *owner)
{
    char path[6 + PROC_SELF_FD_SIZE] = "/proc/";
    self_fd(path + 6, fd);
    *owner = (struct owner){.uid = ID_OF_MAKER, .gid = ID_OF_MAKER};
    int found = read_owner((struct place){.path = path, .follow = 1}, status, owner);
    if (owner->uid == ID_OF_MAKER)
        owner->uid = call->spec->uid;
    if (owner->gid == ID_OF_MAKER)
        owner->gid = group_for_new(call, fd, status);
    if (owner->gid == ID_OF_MAKER)
        owner->gid = call->spec->gid;
    return found;
}

/* Root may give any file to anybody, others their own to a group of theirs (inode_change_ok in the kernel). */
static int may_chown(const struct caller_ids *caller, const struct owner *old, const struct chown_request *request)
{
    if (caller->uid == 0)
        return 1;
    if (old->uid != caller->uid || (request->uid != ID_OF_MAKER && request->uid != old->uid))
        return 0;
    if (request->gid == ID_OF_MAKER || request->gid == old->gid || request->gid == caller->gid)
        return 1;
    for (size_t i = 0; i < caller->group_count; i++)
        if (caller->groups[i] == request->gid)
            return 1;
    return 0;
}

/* As chown takes away from a file what runs it with the rights of its owner. */
static void shed_rights(const char *path, const struct statx *status, struct owner *owner)
{
    if (!S_ISREG(status->stx_mode) || !records_modes())
        return;
    removexattr(path, CAPABILITY_RECORD);
    if (owner->has_mode)
        owner->mode &= ~(uint32_t)(owner->mode & S_IXGRP ? S_ISUID | S_ISGID : S_ISUID);
}

/*
 * The kernel is asked to give the file to the one owner that there is: it refuses what must be refused, and takes away
 * set-id bits and capabilities as it always does. Then the record is written.
 */
static int change_owner(const struct waiting_call *call, int fd, const struct chown_request *request)
{
    char path[6 + PROC_SELF_FD_SIZE] = "/proc/";
    struct statx status;
    struct owner owner;
    if (syscall(SYS_statx, fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &status) < 0 ||
        owner_of_file(call, fd, &status, &owner) < 0)
        return -1;
    errno = EPERM;
    if (!may_chown(&call->caller, &owner, request) ||
        fchownat(fd, "", request->uid == ID_OF_MAKER ? (uid_t)-1 : geteuid(),
                 request->gid == ID_OF_MAKER ? (gid_t)-1 : getegid(), AT_EMPTY_PATH) < 0)
        return -1;
    if (request->uid != ID_OF_MAKER)
        owner.uid = request->uid;
    if (request->gid != ID_OF_MAKER)
        owner.gid = request->gid;
    /* No layer holds a socket, and the pipes of the output are nobody's files. */
    if (S_ISSOCK(status.stx_mode) || (request->uid == ID_OF_MAKER && request->gid == ID_OF_MAKER))
        return 0;
    self_fd(path + 6, fd);
    shed_rights(path, &status, &owner);
    return write_owner((struct place){.path = path, .follow = 1}, status.stx_mode, &owner);
}

static int64_t close_and_answer(int fd, int result)
{
    int64_t answer = result < 0 ? -errno : 0;
    if (fd >= 0)
        close(fd);
    return answer;
}

int64_t emulate_chown(const struct waiting_call *call, enum emulation emulation)
{
    int is_short = emulation == EMULATE_CHOWN16 || emulation == EMULATE_LCHOWN16 || emulation == EMULATE_FCHOWN16;
    size_t first_id = emulation == EMULATE_FCHOWNAT ? 2 : 1;
    int flags = emulation == EMULATE_FCHOWNAT ? argument_fd(call, 4) : 0;
    struct chown_request request = {
        .uid = argument_id(call, first_id, is_short),
        .gid = argument_id(call, first_id + 1, is_short),
    };
    if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
        return -EINVAL;
    int fd = emulation == EMULATE_FCHOWNAT                                        ? open_at(call, 0, flags)
             : emulation == EMULATE_FCHOWN || emulation == EMULATE_FCHOWN16 ? open_descriptor_of_caller(call, argument_fd(call, 0))
             : open_path(call, emulation == EMULATE_CHOWN || emulation == EMULATE_CHOWN16);
    if (fd < 0)
        return -errno;
    errno = ESRCH;
    return close_and_answer(fd, is_still_waiting(call) ? change_owner(call, fd, &request) : -1);
}

struct node {
    const char *path;
    mode_t mode;
    struct owner owner;
};

static int make_node(void *argument)
{
    const struct node *node = argument;
    return make_device_stand_in(node->path, node->mode, &node->owner);
}

/* Only devices come here. An empty file stands for the node, which may be opened by nobody here in any case. */
int64_t emulate_mknod(const struct waiting_call *call, enum emulation emulation)
{
    char path[PATH_MAX];
    size_t at = emulation == EMULATE_MKNODAT ? 1 : 0;
    const __u64 *arguments = call->notice->data.args;
    uint32_t mode = (uint32_t)arguments[at + 1], device = (uint32_t)arguments[at + 2];
    if (call->spec->uid != 0)
        return -EPERM;
    if (read_caller_text(call, arguments[at], path, sizeof path) < 0)
        return -errno;
    if (path[0] == '\0')
        return -ENOENT;
    struct node node = {
        .path = path,
        .mode = mode & 07777 & ~umask_of_caller(call),
        .owner = {
            .uid = ID_OF_MAKER,
            .gid = ID_OF_MAKER,
            .device = S_ISBLK(mode) ? 'b' : 'c',
            .major = (device & 0xfff00) >> 8,
            .minor = (device & 0xff) | ((device >> 12) & 0xfff00),
        },
    };
    int directory = at == 1 ? argument_fd(call, 0) : AT_FDCWD;
    return as_caller(call, directory, path, make_node, &node) < 0 ? -errno : 0;
}

static int read_times(const struct waiting_call *call, int is_short, struct timespec times[2])
{
    uint64_t address = call->notice->data.args[2];
    int32_t narrow[4];
    times[0] = (struct timespec){.tv_nsec = UTIME_NOW};
    times[1] = times[0];
    if (address == 0)
        return 0;
    if (!is_short)
        return read_caller_bytes(call, address, times, 2 * sizeof *times);
    if (read_caller_bytes(call, address, narrow, sizeof narrow) < 0)
        return -1;
    for (size_t i = 0; i < 2; i++)
        times[i] = (struct timespec){.tv_sec = narrow[2 * i], .tv_nsec = narrow[2 * i + 1]};
    return 0;
}

/* Only calls that do not follow links come here: the access time of a link may be its owner, and then stays. */
int64_t emulate_utimensat(const struct waiting_call *call, enum emulation emulation)
{
    char path[6 + PROC_SELF_FD_SIZE] = "/proc/";
    struct timespec times[2];
    struct statx status;
    struct owner owner;
    int flags = argument_fd(call, 3);
    if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) || call->notice->data.args[1] == 0)
        return -EINVAL;
    if (read_times(call, emulation == EMULATE_UTIMENSAT32, times) < 0)
        return -errno;
    int fd = open_at(call, 0, flags);
    if (fd < 0)
        return -errno;
    self_fd(path + 6, fd);
    errno = ESRCH;
    if (!is_still_waiting(call) || syscall(SYS_statx, fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &status) < 0)
        return close_and_answer(fd, -1);
    if (!S_ISREG(status.stx_mode) && !S_ISDIR(status.stx_mode) &&
        read_owner((struct place){.path = path, .follow = 1}, &status, &owner) == 1)
        times[0].tv_nsec = UTIME_OMIT;
    return close_and_answer(fd, utimensat(AT_FDCWD, path, times, 0));
}
