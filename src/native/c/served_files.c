#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "served.h"

/* As on the other ways to run: a root, and the kernel's own file systems. */
static const char MOUNTS[] = "rootfs / rootfs rw 0 0\n"
                             "proc /proc proc rw,nosuid,nodev,noexec,relatime 0 0\n"
                             "tmpfs /dev tmpfs rw,nosuid 0 0\n"
                             "sysfs /sys sysfs ro,nosuid,nodev,noexec,relatime 0 0\n";
static const char MOUNT_INFO[] = "20 1 0:20 / / rw - rootfs rootfs rw\n"
                                 "21 20 0:21 / /proc rw,nosuid,nodev,noexec,relatime - proc proc rw\n"
                                 "22 20 0:22 / /dev rw,nosuid - tmpfs tmpfs rw\n"
                                 "23 20 0:23 / /sys ro,nosuid,nodev,noexec,relatime - sysfs sysfs ro\n";
static const char MOUNT_STATISTICS[] = "device rootfs mounted on / with fstype rootfs\n"
                                       "device proc mounted on /proc with fstype proc\n"
                                       "device tmpfs mounted on /dev with fstype tmpfs\n"
                                       "device sysfs mounted on /sys with fstype sysfs\n";

enum { TERMINAL_LIMIT = 4096 };

static unsigned char terminals[TERMINAL_LIMIT / 8];

/* The number of the terminal whose other end this is, if it is one, is the run's from now on. */
static void remember_terminal(int fd)
{
    unsigned number;
    if (fd >= 0 && ioctl(fd, TIOCGPTN, &number) == 0 && number < TERMINAL_LIMIT)
        terminals[number / 8] |= (unsigned char)(1 << number % 8);
}

int is_terminal_of_run(const char *text)
{
    unsigned long long number;
    return parse_number(text, TERMINAL_LIMIT - 1, &number) == 0 && (terminals[number / 8] >> number % 8 & 1);
}

static int is_process(const char *path)
{
    return !strncmp(path, "/proc/", 6) && path[6] >= '1' && path[6] <= '9';
}

/* What stands in the place of files that tell of the outside; NULL for all others. */
static const char *text_in_place(const struct served_tree *tree, const char *path)
{
    const char *name = strrchr(path, '/');
    if (!strcmp(path, "/proc/sys/kernel/hostname"))
        return tree->hostname;
    if (!is_process(path))
        return NULL;
    return !strcmp(name, "/mounts") ? MOUNTS : !strcmp(name, "/mountinfo") ? MOUNT_INFO
           : !strcmp(name, "/mountstats") ? MOUNT_STATISTICS : NULL;
}

static int open_text(const char *text, int flags)
{
    int fd = (int)syscall(SYS_memfd_create, "text", flags & O_CLOEXEC ? MFD_CLOEXEC : 0);
    if (fd < 0)
        return -1;
    size_t length = strlen(text);
    if (write_all(fd, text, length) < 0 || (length > 0 && text[length - 1] != '\n' && write_all(fd, "\n", 1) < 0) ||
        lseek(fd, 0, SEEK_SET) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

/* What is handed over is never a directory, whatever is found at the path by now: ".." in one leads out of the root. */
static int open_file(const char *path, int flags)
{
    struct stat status;
    int fd = open(path, flags);
    if (fd < 0 || fstat(fd, &status) < 0 || !S_ISDIR(status.st_mode)) {
        remember_terminal(fd);
        return fd;
    }
    close(fd);
    errno = EISDIR;
    return -1;
}

int open_served(const struct served_tree *tree, const struct found *found, int flags)
{
    const char *text = text_in_place(tree, found->path);
    int is_kernel = !is_process(found->path) && strncmp(found->path, "/dev/", 5) != 0;
    /* Files of /proc and /sys that are no process's are the kernel's: there they are read-only. */
    if ((text || is_kernel) && (flags & O_ACCMODE) != O_RDONLY) {
        errno = EROFS;
        return -1;
    }
    if (text)
        return open_text(text, flags);
    flags = (flags & ~(O_CREAT | O_EXCL | O_TRUNC | O_NOFOLLOW)) | O_NOCTTY;
    return open_file(found->path, found->is_handle ? flags : flags | O_NOFOLLOW);
}

ssize_t read_served_link(const struct served_tree *tree, const struct found *found, char text[PATH_MAX])
{
    char outside[PATH_MAX];
    if (found->own_link[0] != '\0') {
        strcpy(text, found->own_link);
        return (ssize_t)strlen(text);
    }
    ssize_t length = readlink(found->path, outside, sizeof outside - 1);
    if (length < 0)
        return -1;
    outside[length] = '\0';
    if (!is_process(found->path) || outside[0] != '/')
        strcpy(text, outside);
    else if (path_inside(tree, outside, text) < 0)
        return -1;
    return (ssize_t)strlen(text);
}
