#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fsop.h"
#include "ossb.h"
#include "owner.h"

struct new_file {
    const char *path;
    struct field content;
    mode_t mode;
    struct owner owner;
    struct timespec time;
};

static int open_new(const struct new_file *file)
{
    /* What is recorded is set by path, which its own mode could forbid. */
    mode_t mode = has_one_id() ? 0600 : file->mode & 0777;
    return open(file->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
}

/* The mode last: writing and chown take set-id bits away. Nearly all files have the right owner from the start. */
static const char *set_owner_and_mode(int fd, const struct new_file *file)
{
    struct stat status;
    if (fstat(fd, &status) < 0)
        return "stat";
    if ((status.st_uid != file->owner.uid || status.st_gid != file->owner.gid) &&
        fchown(fd, file->owner.uid, file->owner.gid) < 0)
        return "chown";
    return (status.st_mode & 07777) != file->mode && fchmod(fd, file->mode) < 0 ? "chmod" : NULL;
}

static const char *record_owner_and_mode(const struct new_file *file)
{
    struct place place = {.path = file->path};
    struct statx status;
    if (write_owner(place, S_IFREG, &file->owner) < 0)
        return "record the owner";
    if (syscall(SYS_statx, AT_FDCWD, file->path, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &status) < 0)
        return "stat";
    return change_mode(place, &status, file->mode) < 0 ? "chmod" : NULL;
}

/* The time before the owner, which may have to be recorded in the access time. */
static const char *fill(int fd, const struct new_file *file)
{
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, file->time};
    if (write_all(fd, file->content.bytes, file->content.length) < 0)
        return "write";
    if (futimens(fd, times) < 0)
        return "utimensat";
    return has_one_id() ? record_owner_and_mode(file) : set_owner_and_mode(fd, file);
}

/* path, mode, uid, gid, time, content: a file, in the place of whatever may be there but a directory */
const char *fsop_create(struct request *request)
{
    const struct field *fields = request->fields;
    struct new_file file = {.path = fields[0].bytes, .content = fields[5]};
    unsigned long long mode, uid, gid;
    if (fsop_number(request, 1, 07777, &mode) < 0 || fsop_number(request, 2, UINT32_MAX, &uid) < 0 ||
        fsop_number(request, 3, UINT32_MAX, &gid) < 0 || fsop_time(request, 4, &file.time) < 0)
        return "read numbers";
    file.mode = (mode_t)mode;
    file.owner = (struct owner){.uid = (uint32_t)uid, .gid = (uint32_t)gid};
    int fd = open_new(&file);
    if (fd < 0 && errno == EEXIST && unlink(file.path) == 0)
        fd = open_new(&file);
    if (fd < 0)
        return "create";
    const char *failed = fill(fd, &file);
    int reason = errno;
    if (close(fd) < 0 && !failed)
        return "close";
    errno = reason;
    return failed;
}
