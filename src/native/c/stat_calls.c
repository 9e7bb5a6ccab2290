/*
 * The stat calls of a run that has one id only: where an owner is on record that is not what the kernel would say, the
 * answer is the kernel's with that owner in it. Programs that keep owners as they find them need it: cp -a, useradd.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "emulate.h"

/* Where the arguments of a call are. */
struct stat_call {
    int directory;
    int flags;
    uint64_t path;
    uint64_t result;
};

static struct stat_call parse_call(const struct waiting_call *call, enum emulation emulation)
{
    const __u64 *a = call->notice->data.args;
    switch (emulation) {
    case EMULATE_STAT: return (struct stat_call){.directory = AT_FDCWD, .path = a[0], .result = a[1]};
    case EMULATE_LSTAT:
        return (struct stat_call){.directory = AT_FDCWD, .path = a[0], .result = a[1], .flags = AT_SYMLINK_NOFOLLOW};
    case EMULATE_FSTAT: return (struct stat_call){.directory = (int)a[0], .flags = AT_EMPTY_PATH, .result = a[1]};
    case EMULATE_STATX:
        return (struct stat_call){.directory = (int)a[0], .path = a[1], .flags = (int)a[2], .result = a[4]};
    default: return (struct stat_call){.directory = (int)a[0], .path = a[1], .flags = (int)a[3], .result = a[2]};
    }
}

static int open_file(const struct waiting_call *call, const struct stat_call *asked)
{
    char path[PATH_MAX] = "";
    if (asked->path != 0 && read_caller_text(call, asked->path, path, sizeof path) < 0)
        return -1;
    if (path[0] != '\0')
        return open_of_caller(call, asked->directory, path, !(asked->flags & AT_SYMLINK_NOFOLLOW));
    errno = ENOENT;
    if (asked->path != 0 && (asked->flags & AT_EMPTY_PATH) && asked->directory == AT_FDCWD)
        return open_of_caller(call, asked->directory, ".", 1);
    if (!(asked->flags & AT_EMPTY_PATH))
        return -1;
    return open_descriptor_of_caller(call, asked->directory);
}

/* 1 where the kernel's own answer would not do. */
static int is_recorded(const struct waiting_call *call, int fd, struct statx *status, struct owner *owner)
{
    if (syscall(SYS_statx, fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, status) < 0)
        return 0;
    *owner = (struct owner){.uid = status->stx_uid, .gid = status->stx_gid};
    /* A file of somebody else, as in /proc, can have no record. */
    if (status->stx_uid != geteuid() || owner_of_file(call, fd, status, owner) < 0)
        return call->open != NULL;
    return call->open || owner->uid != call->spec->uid || owner->gid != call->spec->gid || owner->device ||
           is_owner_time(&status->stx_atime);
}

static mode_t mode_of(mode_t mode, const struct owner *owner)
{
    if (owner->has_mode)
        mode = (mode & S_IFMT) | owner->mode;
    return !owner->device ? mode : (mode & 07777) | (owner->device == 'c' ? S_IFCHR : S_IFBLK);
}

static int64_t answer_stat(const struct waiting_call *call, int fd, uint64_t address, const struct owner *owner)
{
    /* The C library's form is the kernel's here. */
    struct stat answer;
    if (fstatat(fd, "", &answer, AT_EMPTY_PATH) < 0)
        return -errno;
    answer.st_uid = owner->uid;
    answer.st_gid = owner->gid;
    answer.st_mode = mode_of(answer.st_mode, owner);
    if (owner->device)
        answer.st_rdev = makedev(owner->major, owner->minor);
    if (answer.st_atim.tv_sec >= OWNER_EPOCH)
        answer.st_atim = answer.st_mtim;
    return write_caller_bytes(call, address, &answer, sizeof answer) < 0 ? -errno : 0;
}

static int64_t answer_statx(const struct waiting_call *call, int fd, const struct stat_call *asked,
                            const struct owner *owner)
{
    struct statx answer;
    int flags = (asked->flags & ~AT_SYMLINK_NOFOLLOW) | AT_EMPTY_PATH;
    if (syscall(SYS_statx, fd, "", flags, (unsigned)call->notice->data.args[3] | STATX_BASIC_STATS, &answer) < 0)
        return -errno;
    answer.stx_uid = owner->uid;
    answer.stx_gid = owner->gid;
    answer.stx_mode = (uint16_t)mode_of(answer.stx_mode, owner);
    if (owner->device) {
        answer.stx_rdev_major = owner->major;
        answer.stx_rdev_minor = owner->minor;
    }
    if (is_owner_time(&answer.stx_atime))
        answer.stx_atime = answer.stx_mtime;
    return write_caller_bytes(call, asked->result, &answer, sizeof answer) < 0 ? -errno : 0;
}

/*
 * Whatever goes wrong is the kernel's to say: the call goes on there, with no more rights than it has; but not in a run
 * that is traced, where the kernel has other ideas of the path.
 */
int64_t emulate_stat(const struct waiting_call *call, enum emulation emulation)
{
    struct stat_call asked = parse_call(call, emulation);
    struct statx status;
    struct owner owner;
    int64_t answer = CALL_GOES_ON;
    int fd = open_file(call, &asked);
    if (fd < 0)
        return call->open ? -errno : CALL_GOES_ON;
    if (is_recorded(call, fd, &status, &owner) && is_still_waiting(call))
        answer = emulation == EMULATE_STATX ? answer_statx(call, fd, &asked, &owner)
                                            : answer_stat(call, fd, asked.result, &owner);
    close(fd);
    return answer;
}
