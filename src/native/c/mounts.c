#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel.h"
#include "ossb.h"

const char *self_fd(char text[PROC_SELF_FD_SIZE], int fd)
{
    char digits[12];
    size_t count = 0;
    do
        digits[count++] = (char)('0' + fd % 10);
    while ((fd /= 10) != 0);
    char *at = text + 8;
    memcpy(text, "self/fd/", 8);
    while (count > 0)
        *at++ = digits[--count];
    *at = '\0';
    return text;
}

/* For kernels before 5.12: the one mount only, its other flags kept (a user namespace may not drop them). */
static int remount(int proc_fd, int fd, unsigned long flags)
{
    char path[PROC_SELF_FD_SIZE];
    struct statvfs now;
    if (fstatvfs(fd, &now) < 0 || fchdir(proc_fd) < 0)
        return -1;
    unsigned long kept = now.f_flag & (MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC);
    return mount(NULL, self_fd(path, fd), NULL, MS_REMOUNT | MS_BIND | kept | flags, NULL);
}

int add_mount_attributes(int proc_fd, int fd, uint64_t attributes)
{
    struct mount_attr change = {.attr_set = attributes};
    if (syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH | AT_RECURSIVE, &change, sizeof change) == 0)
        return 0;
    if (errno != ENOSYS)
        return -1;
    /* MOUNT_ATTR_RDONLY, _NOSUID, _NODEV and _NOEXEC have the values of their MS_ flags. */
    return remount(proc_fd, fd, (unsigned long)attributes);
}

int bind_mount(int proc_fd, int source, int target)
{
    char from[PROC_SELF_FD_SIZE], to[PROC_SELF_FD_SIZE];
    if (fchdir(proc_fd) < 0)
        return -1;
    return mount(self_fd(from, source), self_fd(to, target), NULL, MS_BIND | MS_REC, NULL);
}

int make_mounts_private(void)
{
    return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
}
