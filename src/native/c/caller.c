#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "emulate.h"

enum { LINK_LIMIT = 40, PAGE = 4096, NAME_LIMIT = 64 };

/* /proc/PID/NAME of the caller, in the /proc of this process. */
static int open_in_proc(const struct waiting_call *call, const char *name, int flags)
{
    struct buffer path = {0};
    buffer_text(&path, "/proc/");
    buffer_number(&path, call->notice->pid);
    buffer_text(&path, "/");
    buffer_text(&path, name);
    buffer_add(&path, "", 1);
    /* The C library's open() makes a second call of it. */
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path.data, flags | O_CLOEXEC);
    int reason = errno;
    free(path.data);
    errno = reason;
    return fd;
}

int is_still_waiting(const struct waiting_call *call)
{
    uint64_t id = call->notice->id;
    /* A task that is traced stands still. */
    return call->open || ioctl(listener_fd(), SECCOMP_IOCTL_NOTIF_ID_VALID, &id) == 0;
}

static ssize_t read_memory(const struct waiting_call *call, uint64_t address, void *bytes, size_t size)
{
    /* Containers may forbid the call, and then it need not be tried again. */
    static int is_forbidden;
    struct iovec to = {.iov_base = bytes, .iov_len = size};
    struct iovec from = {.iov_base = (void *)(uintptr_t)address, .iov_len = size};
    ssize_t count = is_forbidden ? -1 : process_vm_readv((pid_t)call->notice->pid, &to, 1, &from, 1, 0);
    if (count >= 0 || (!is_forbidden && errno == EFAULT))
        return count;
    is_forbidden = 1;
    int memory = open_in_proc(call, "mem", O_RDONLY);
    if (memory < 0)
        return -1;
    count = pread(memory, bytes, size, (off_t)address);
    close(memory);
    return count;
}

int write_caller_bytes(const struct waiting_call *call, uint64_t address, const void *bytes, size_t size)
{
    struct iovec from = {.iov_base = (void *)bytes, .iov_len = size};
    struct iovec to = {.iov_base = (void *)(uintptr_t)address, .iov_len = size};
    ssize_t count = process_vm_writev((pid_t)call->notice->pid, &from, 1, &to, 1, 0);
    if (count < 0 && errno != EFAULT) {
        int memory = open_in_proc(call, "mem", O_WRONLY);
        count = memory < 0 ? -1 : pwrite(memory, bytes, size, (off_t)address);
        if (memory >= 0)
            close(memory);
    }
    errno = EFAULT;
    return count == (ssize_t)size ? 0 : -1;
}

int read_caller_bytes(const struct waiting_call *call, uint64_t address, void *bytes, size_t size)
{
    if (read_memory(call, address, bytes, size) == (ssize_t)size)
        return 0;
    errno = EFAULT;
    return -1;
}

/* Page by page: the one after the text's end need not be there. */
int read_caller_text(const struct waiting_call *call, uint64_t address, char text[], size_t size)
{
    size_t used = 0;
    while (used < size) {
        size_t piece = PAGE - (address + used) % PAGE;
        if (piece > size - used)
            piece = size - used;
        ssize_t count = read_memory(call, address + used, text + used, piece);
        if (count <= 0) {
            errno = EFAULT;
            return -1;
        }
        if (memchr(text + used, '\0', (size_t)count))
            return 0;
        used += (size_t)count;
    }
    errno = ENAMETOOLONG;
    return -1;
}

int open_descriptor_of_caller(const struct waiting_call *call, int fd)
{
    struct buffer name = {0};
    buffer_text(&name, "fd/");
    buffer_number(&name, fd);
    buffer_add(&name, "", 1);
    int result = open_in_proc(call, name.data, O_PATH);
    int reason = errno == ENOENT ? EBADF : errno;
    free(name.data);
    errno = reason;
    return result;
}

static int open_start(const struct waiting_call *call, int directory, const char *path)
{
    if (path[0] == '/')
        return open_in_proc(call, "root", O_PATH | O_DIRECTORY);
    if (directory == AT_FDCWD)
        return open_in_proc(call, "cwd", O_PATH | O_DIRECTORY);
    return open_descriptor_of_caller(call, directory);
}

ssize_t read_start_of_caller(const struct waiting_call *call, int directory, char path[PATH_MAX])
{
    char link[6 + PROC_SELF_FD_SIZE] = "/proc/";
    int fd = open_start(call, directory, "");
    if (fd < 0)
        return -1;
    self_fd(link + 6, fd);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    close(fd);
    if (length >= 0)
        path[length] = '\0';
    return length;
}

int stat_of_caller(const struct waiting_call *call, struct stat *status)
{
    int fd = open_in_proc(call, "", O_PATH);
    int result = fd < 0 ? -1 : fstat(fd, status);
    if (fd >= 0)
        close(fd);
    return result;
}

/* This process is a root of its own namespace, and comes back through a descriptor that it kept. */
static int enter_and_act(int root, int start, int (*action)(void *), void *argument)
{
    static int outside = -1;
    int result = -1;
    if (outside < 0 && (outside = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC)) < 0)
        return -1;
    if (fchdir(root) == 0 && chroot(".") == 0 && fchdir(start) == 0)
        result = action(argument);
    int reason = errno;
    if (fchdir(outside) < 0 || chroot(".") < 0)
        fail("leave the root of the run", "");
    errno = reason;
    return result;
}

int as_caller(const struct waiting_call *call, int directory, const char *path, int (*action)(void *), void *argument)
{
    int root = open_in_proc(call, "root", O_PATH | O_DIRECTORY);
    if (root < 0)
        return -1;
    int result = -1;
    int start = open_start(call, directory, path);
    if (start >= 0) {
        errno = ESRCH;
        if (is_still_waiting(call))
            result = enter_and_act(root, start, action, argument);
        int reason = errno;
        close(start);
        errno = reason;
    }
    int reason = errno;
    close(root);
    errno = reason;
    return result;
}

struct opening {
    const char *path;
    int flags;
};

static int open_path(void *argument)
{
    const struct opening *opening = argument;
    return open(opening->path, O_PATH | O_CLOEXEC | opening->flags);
}

/* A field of the caller's /proc/PID/status, named with the end of line before it. */
static int read_status(const struct waiting_call *call, const char *field, char value[NAME_LIMIT])
{
    char text[8192];
    int fd = open_in_proc(call, "status", O_RDONLY);
    ssize_t count = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    text[count > 0 ? count : 0] = '\0';
    const char *found = strstr(text, field);
    if (!found)
        return -1;
    found += strlen(field);
    size_t length = strcspn(found, "\n");
    if (length >= NAME_LIMIT)
        return -1;
    memcpy(value, found, length);
    value[length] = '\0';
    return 0;
}

mode_t umask_of_caller(const struct waiting_call *call)
{
    char value[NAME_LIMIT];
    return read_status(call, "\nUmask:\t", value) < 0 ? 022 : (mode_t)strtoul(value, NULL, 8);
}

static const char *const OWN_LINKS[][2] = {
    {"/dev/stdin", "/proc/self/fd/0"},
    {"/dev/stdout", "/proc/self/fd/1"},
    {"/dev/stderr", "/proc/self/fd/2"},
    {"/dev/fd/", "/proc/self/fd/"},
};

/* What "/proc/self" is to the caller it is not to this process: then its number stands there. */
static int name_caller(const struct waiting_call *call, char path[PATH_MAX])
{
    char value[NAME_LIMIT];
    struct buffer named = {0};
    const char *rest = path;
    for (size_t i = 0; i < sizeof OWN_LINKS / sizeof OWN_LINKS[0]; i++) {
        size_t length = strlen(OWN_LINKS[i][0]);
        if (strncmp(path, OWN_LINKS[i][0], length) || (OWN_LINKS[i][0][length - 1] != '/' && path[length] != '\0'))
            continue;
        buffer_text(&named, OWN_LINKS[i][1]);
        rest = path + length;
        break;
    }
    buffer_text(&named, rest);
    buffer_add(&named, "", 1);
    int is_own = !strncmp(named.data, "/proc/self/", 11) && read_status(call, "\nNStgid:\t", value) == 0;
    if (is_own) {
        const char *number = strrchr(value, '\t') ? strrchr(value, '\t') + 1 : value;
        is_own = strlen(number) + named.length < PATH_MAX;
        if (is_own) {
            strcpy(path, "/proc/");
            strcat(path, number);
            strcat(path, named.data + 10);
        }
    }
    free(named.data);
    return is_own;
}

/* Puts what a link says in the place of the link's own name. 0, or -1 with errno. */
static int follow_text(int link, char path[PATH_MAX])
{
    char text[PATH_MAX];
    ssize_t length = readlinkat(link, "", text, sizeof text - 1);
    char *slash = strrchr(path, '/');
    size_t kept = length > 0 && text[0] != '/' && slash ? (size_t)(slash - path) + 1 : 0;
    if (length < 0)
        return -1;
    if (kept + (size_t)length >= PATH_MAX) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(path + kept, text, (size_t)length);
    path[kept + (size_t)length] = '\0';
    return 0;
}

/* Link by link, as the last one may lead to the caller's own descriptors. */
static int open_through_links(const struct waiting_call *call, int directory, const char *asked, int follow)
{
    char path[PATH_MAX];
    strcpy(path, asked);
    for (int links = 0; links < LINK_LIMIT; links++) {
        struct stat status;
        int is_own = name_caller(call, path);
        struct opening opening = {.path = path, .flags = is_own && follow ? 0 : O_NOFOLLOW};
        int fd = as_caller(call, directory, path, open_path, &opening);
        if (fd < 0 || is_own || !follow || fstat(fd, &status) < 0 || !S_ISLNK(status.st_mode))
            return fd;
        int result = follow_text(fd, path);
        int reason = errno;
        close(fd);
        errno = reason;
        if (result < 0)
            return -1;
    }
    errno = ELOOP;
    return -1;
}

int open_of_caller(const struct waiting_call *call, int directory, const char *path, int follow)
{
    struct opening opening = {.path = path, .flags = follow ? 0 : O_NOFOLLOW};
    if (path[0] == '\0') {
        errno = ENOENT;
        return -1;
    }
    if (call->open)
        return call->open(call, directory, path, follow);
    int fd = as_caller(call, directory, path, open_path, &opening);
    return fd < 0 && errno == ENOENT ? open_through_links(call, directory, path, follow) : fd;
}
