#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fsop.h"

static int open_lock_file(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY, 0644);
    if (fd < 0 && (errno == EISDIR || errno == EACCES || errno == EROFS))
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    return fd;
}

/* A lock on a file that was removed or replaced meanwhile excludes nobody who comes later. */
static int is_still_there(int fd, const char *path)
{
    struct stat held, named;
    return fstat(fd, &held) == 0 && stat(path, &named) == 0 && held.st_dev == named.st_dev &&
           held.st_ino == named.st_ino;
}

/* path, "shared" or "exclusive" -> the number to unlock it with. Never waits: EWOULDBLOCK when it is taken. */
const char *fsop_lock(struct request *request)
{
    const char *path = request->fields[0].bytes;
    int operation = LOCK_NB | (strcmp(request->fields[1].bytes, "shared") ? LOCK_EX : LOCK_SH);
    for (;;) {
        int fd = open_lock_file(path);
        if (fd < 0)
            return "open lock file";
        if (flock(fd, operation) < 0) {
            int reason = errno;
            close(fd);
            errno = reason;
            return "flock";
        }
        if (is_still_there(fd, path)) {
            buffer_number(request->answer, fd);
            return NULL;
        }
        close(fd);
    }
}

const char *fsop_unlock(struct request *request)
{
    unsigned long long fd;
    if (parse_number(request->fields[0].bytes, INT32_MAX, &fd) < 0)
        return "read number";
    if (fd <= 2) {
        errno = EBADF;
        return "unlock";
    }
    return close((int)fd) < 0 ? "unlock" : NULL;
}

/* source, destination, "exchange", "noreplace" or "replace" */
const char *fsop_rename(struct request *request)
{
    const char *how = request->fields[2].bytes;
    unsigned flags = !strcmp(how, "exchange") ? 2 : !strcmp(how, "noreplace") ? 1 : 0;
    return syscall(SYS_renameat2, AT_FDCWD, request->fields[0].bytes, AT_FDCWD, request->fields[1].bytes, flags) < 0
               ? "renameat2"
               : NULL;
}
