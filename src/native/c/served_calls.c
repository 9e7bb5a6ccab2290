/*
 * Calls with a path that a run makes where /proc and the like are served. Those that lead nowhere special go on in the
 * kernel, which resolves them inside the run's root, whatever was read of them here.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "chroot.h"
#include "emulate.h"

/* Where the arguments are. `result` is the address of the answer, `size` its size or the mode that is asked for. */
struct path_call {
    int directory;
    uint64_t path;
    int flags;
    uint64_t result;
    uint64_t size;
};

/* Set once a directory that is served was opened: only then can a relative path start in one. */
static int has_given_directories;

static struct path_call parse_call(const struct waiting_call *call, enum emulation emulation)
{
    const __u64 *a = call->notice->data.args;
    const int here = AT_FDCWD, link = AT_SYMLINK_NOFOLLOW;
    switch (emulation) {
    case EMULATE_OPEN: return (struct path_call){.directory = here, .path = a[0], .flags = (int)a[1]};
    case EMULATE_OPENAT: return (struct path_call){.directory = (int)a[0], .path = a[1], .flags = (int)a[2]};
    case EMULATE_STAT: return (struct path_call){.directory = here, .path = a[0], .result = a[1]};
    case EMULATE_LSTAT: return (struct path_call){.directory = here, .path = a[0], .result = a[1], .flags = link};
    case EMULATE_FSTATAT:
        return (struct path_call){.directory = (int)a[0], .path = a[1], .result = a[2], .flags = (int)a[3]};
    case EMULATE_STATX:
        return (struct path_call){
            .directory = (int)a[0], .path = a[1], .flags = (int)a[2], .size = a[3], .result = a[4]};
    case EMULATE_ACCESS: return (struct path_call){.directory = here, .path = a[0], .size = a[1]};
    case EMULATE_FACCESSAT: return (struct path_call){.directory = (int)a[0], .path = a[1], .size = a[2]};
    case EMULATE_FACCESSAT2:
        return (struct path_call){.directory = (int)a[0], .path = a[1], .size = a[2], .flags = (int)a[3]};
    case EMULATE_READLINK:
        return (struct path_call){.directory = here, .path = a[0], .result = a[1], .size = a[2], .flags = link};
    case EMULATE_READLINKAT:
        return (struct path_call){.directory = (int)a[0], .path = a[1], .result = a[2], .size = a[3], .flags = link};
    case EMULATE_LINK_ATTRIBUTE: return (struct path_call){.directory = here, .path = a[0], .flags = link};
    case EMULATE_EXECVEAT: return (struct path_call){.directory = (int)a[0], .path = a[1]};
    /* statfs, chdir, execve, attributes */
    default: return (struct path_call){.directory = here, .path = a[0], .result = a[1]};
    }
}

static int is_open(enum emulation emulation)
{
    return emulation == EMULATE_OPEN || emulation == EMULATE_OPENAT;
}

static int follows(const struct path_call *asked, enum emulation emulation)
{
    if (is_open(emulation))
        return !(asked->flags & O_NOFOLLOW) && (asked->flags & (O_CREAT | O_EXCL)) != (O_CREAT | O_EXCL);
    return !(asked->flags & AT_SYMLINK_NOFOLLOW);
}

/* Links of an image that lead to what is served, and that many have. */
static int leads_there(const char *path)
{
    return !strcmp(path, "/etc/mtab") || !strncmp(path, "/dev/", 5);
}

/* Cheap, and right about all paths but those that reach what is served by a link of the image. */
static int is_of_interest(const char *path, int opens)
{
    if (path[0] == '\0')
        return 0;
    if (strstr(path, "proc") || strstr(path, "sys") || leads_there(path))
        return 1;
    return path[0] != '/' ? has_given_directories || (opens && strstr(path, "dev/")) : opens && path[1] != '\0';
}

/* The path as an absolute one inside the root. 0, or -1 where the kernel is to say what is wrong with it. */
static int make_absolute(const struct waiting_call *call, int directory, char path[PATH_MAX])
{
    char outside[PATH_MAX], base[PATH_MAX];
    if (path[0] == '/')
        return 0;
    ssize_t length = read_start_of_caller(call, directory, outside);
    if (length < 0 || path_inside(served_tree(), outside, base) < 0)
        return -1;
    if (strlen(base) + strlen(path) + 2 > PATH_MAX)
        return -1;
    strcat(base, "/");
    strcat(base, path);
    strcpy(path, base);
    return 0;
}

static int64_t give_descriptor(const struct waiting_call *call, int fd, int flags)
{
    struct seccomp_notif_addfd given = {
        .id = call->notice->id,
        .srcfd = (uint32_t)fd,
        .newfd_flags = flags & O_CLOEXEC ? O_CLOEXEC : 0,
    };
    if (fd < 0)
        return -errno;
    int number = ioctl(listener_fd(), SECCOMP_IOCTL_NOTIF_ADDFD, &given);
    int reason = errno;
    close(fd);
    return number < 0 ? -reason : number;
}

struct directory_request {
    const char *path;
    const struct listing *listing;
    int flags;
};

static int make_and_open(void *argument)
{
    const struct directory_request *request = argument;
    uid_t uid = (uid_t)setfsuid(0);
    gid_t gid = (gid_t)setfsgid(0);
    int fd = write_listing(request->path, request->listing) < 0 ? -1 : open(request->path, request->flags);
    int reason = errno;
    setfsgid(gid);
    setfsuid(uid);
    errno = reason;
    return fd;
}

/* The directory in the root that stands for one that is served. */
static int open_directory(const struct waiting_call *call, const char *path, int flags)
{
    struct listing listing;
    if (read_listing(served_tree(), (pid_t)call->notice->pid, path, &listing) < 0)
        return -1;
    struct directory_request request = {
        .path = path,
        .listing = &listing,
        .flags = (flags & (O_PATH | O_NONBLOCK)) | O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
    };
    has_given_directories = 1;
    int fd = as_caller(call, AT_FDCWD, "/", make_and_open, &request);
    int reason = errno;
    free_listing(&listing);
    errno = reason;
    return fd;
}

struct opening {
    const char *path;
    int flags;
    mode_t mode;
};

static int open_inside(void *argument)
{
    const struct opening *opening = argument;
    /* A fifo without another end would hold up everybody. */
    int fd = open(opening->path, opening->flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, opening->mode);
    if (fd >= 0 && !(opening->flags & (O_NONBLOCK | O_PATH)))
        fcntl(fd, F_SETFL, opening->flags & ~(O_CREAT | O_EXCL | O_TRUNC));
    return fd;
}

static int64_t answer_open(const struct waiting_call *call, const struct path_call *asked, const struct found *found)
{
    struct stat status;
    if (found->kind == FOUND_INSIDE) {
        struct opening opening = {.path = found->path, .flags = asked->flags, .mode = 0666 & ~umask_of_caller(call)};
        return give_descriptor(call, as_caller(call, AT_FDCWD, "/", open_inside, &opening), asked->flags);
    }
    if (lstat(found->path, &status) < 0)
        return errno == ENOENT && asked->flags & O_CREAT ? -EACCES : -errno;
    if (S_ISDIR(status.st_mode)) {
        if ((asked->flags & O_ACCMODE) != O_RDONLY && !(asked->flags & O_PATH))
            return -EISDIR;
        return give_descriptor(call, open_directory(call, found->path, asked->flags), asked->flags);
    }
    if (asked->flags & O_DIRECTORY)
        return -ENOTDIR;
    if (S_ISLNK(status.st_mode) && !found->is_handle && !(asked->flags & O_PATH))
        return -ELOOP;
    return give_descriptor(call, open_served(served_tree(), found, asked->flags | O_CLOEXEC), asked->flags);
}

static int64_t put(const struct waiting_call *call, uint64_t address, const void *bytes, size_t size)
{
    return is_still_waiting(call) && write_caller_bytes(call, address, bytes, size) == 0 ? 0 : -EFAULT;
}

static int64_t answer_stat(const struct waiting_call *call, const struct path_call *asked, int fd)
{
    struct stat status;
    if (fstatat(fd, "", &status, AT_EMPTY_PATH) < 0)
        return -errno;
    return put(call, asked->result, &status, sizeof status);
}

static int64_t answer_statx(const struct waiting_call *call, const struct path_call *asked, int fd)
{
    struct statx status;
    if (syscall(SYS_statx, fd, "", AT_EMPTY_PATH, (unsigned)asked->size, &status) < 0)
        return -errno;
    return put(call, asked->result, &status, sizeof status);
}

static int64_t answer_statfs(const struct waiting_call *call, const struct path_call *asked, int fd)
{
    struct statfs status;
    if (syscall(SYS_fstatfs, fd, &status) < 0)
        return -errno;
    return put(call, asked->result, &status, sizeof status);
}

/* As the file system ids say, which are those of the caller. */
static int64_t answer_access(const struct path_call *asked, int fd)
{
    char path[6 + PROC_SELF_FD_SIZE] = "/proc/";
    self_fd(path + 6, fd);
    if (syscall(SYS_faccessat2, AT_FDCWD, path, (int)asked->size, AT_EACCESS) == 0)
        return 0;
    if (errno != ENOSYS && errno != EPERM)
        return -errno;
    return faccessat(AT_FDCWD, path, (int)asked->size, 0) < 0 ? -errno : 0;
}

static int64_t answer_readlink(const struct waiting_call *call, const struct path_call *asked, const struct found *found,
                               int fd)
{
    char text[PATH_MAX];
    ssize_t length = found->kind == FOUND_SERVED ? read_served_link(served_tree(), found, text)
                                                 : readlinkat(fd, "", text, sizeof text);
    if (length < 0)
        return found->kind == FOUND_INSIDE && errno == ENOENT ? -EINVAL : -errno;
    if ((uint64_t)length > asked->size)
        length = (ssize_t)asked->size;
    int64_t result = put(call, asked->result, text, (size_t)length);
    return result < 0 ? result : length;
}

/* What the kernel will look for itself is put in place: /proc/self as this caller's, and the links of its process. */
static int64_t prepare_for_kernel(const struct waiting_call *call, const struct found *found)
{
    char own[PATH_MAX] = "/proc/";
    struct buffer number = {0};
    buffer_number(&number, status_number((pid_t)call->notice->pid, "\nTgid:\t"));
    buffer_add(&number, "", 1);
    strcat(own, number.data);
    free(number.data);
    const char *const directories[] = {"/proc", own, found->kind == FOUND_SERVED ? found->path : own};
    for (size_t i = 0; i < 3; i++) {
        int fd = open_directory(call, directories[i], O_PATH);
        if (fd < 0)
            return -errno;
        close(fd);
    }
    return CALL_GOES_ON;
}

static int64_t answer_with(const struct waiting_call *call, enum emulation emulation, const struct path_call *asked,
                           const struct found *found, int fd)
{
    switch (emulation) {
    case EMULATE_STAT:
    case EMULATE_LSTAT:
    case EMULATE_FSTATAT: return answer_stat(call, asked, fd);
    case EMULATE_STATX: return answer_statx(call, asked, fd);
    case EMULATE_STATFS: return answer_statfs(call, asked, fd);
    case EMULATE_READLINK:
    case EMULATE_READLINKAT: return answer_readlink(call, asked, found, fd);
    default: return answer_access(asked, fd);
    }
}

static int64_t answer_found(const struct waiting_call *call, enum emulation emulation, const struct path_call *asked,
                            const struct found *found)
{
    if (is_open(emulation))
        return answer_open(call, asked, found);
    if (emulation == EMULATE_CHDIR || emulation == EMULATE_EXECVE || emulation == EMULATE_EXECVEAT)
        return prepare_for_kernel(call, found);
    if (emulation == EMULATE_ATTRIBUTE || emulation == EMULATE_LINK_ATTRIBUTE)
        return -EOPNOTSUPP;
    int flags = O_PATH | O_CLOEXEC | (found->is_handle && follows(asked, emulation) ? 0 : O_NOFOLLOW);
    int fd = found->kind == FOUND_INSIDE ? open_of_caller(call, AT_FDCWD, found->path, 0) : open(found->path, flags);
    if (fd < 0)
        return -errno;
    int64_t answer = answer_with(call, emulation, asked, found, fd);
    close(fd);
    return answer;
}

static int64_t answer_path(const struct waiting_call *call, enum emulation emulation, char path[PATH_MAX])
{
    struct path_call asked = parse_call(call, emulation);
    struct found found;
    if (make_absolute(call, asked.directory, path) < 0)
        return CALL_GOES_ON;
    if (find_served(served_tree(), (pid_t)call->notice->pid, path, follows(&asked, emulation), &found) < 0)
        return -errno;
    return found.kind == FOUND_BY_KERNEL ? CALL_GOES_ON : answer_found(call, emulation, &asked, &found);
}

/* Whether the file system ids of this process are the caller's. */
static int is_caller;

/* With the caller's ids, /proc shows of its process what it shows to itself. */
static int become_caller(const struct waiting_call *call)
{
    struct stat caller;
    if (stat_of_caller(call, &caller) < 0)
        return -1;
    setfsgid(caller.st_gid);
    setfsuid(caller.st_uid);
    is_caller = 1;
    return 0;
}

static int64_t emulate_as_caller(const struct waiting_call *call, enum emulation emulation)
{
    uint64_t address = parse_call(call, emulation).path;
    char path[PATH_MAX];
    int is_read = address != 0 && read_caller_text(call, address, path, sizeof path) == 0;
    if (address == 0 || (is_read && !is_of_interest(path, is_open(emulation))) || become_caller(call) < 0)
        return CALL_GOES_ON;
    if (!is_read &&
        (read_caller_text(call, address, path, sizeof path) < 0 || !is_of_interest(path, is_open(emulation))))
        return CALL_GOES_ON;
    return answer_path(call, emulation, path);
}

int64_t emulate_path(const struct waiting_call *call, enum emulation emulation)
{
    int64_t answer = emulate_as_caller(call, emulation);
    if (is_caller) {
        setfsuid(0);
        setfsgid(0);
        is_caller = 0;
    }
    return answer;
}

int64_t emulate_uname(const struct waiting_call *call, enum emulation emulation)
{
    struct utsname name;
    (void)emulation;
    if (uname(&name) < 0)
        return CALL_GOES_ON;
    memset(name.nodename, 0, sizeof name.nodename);
    strncpy(name.nodename, served_tree()->hostname, sizeof name.nodename - 1);
    return put(call, call->notice->data.args[0], &name, sizeof name);
}
