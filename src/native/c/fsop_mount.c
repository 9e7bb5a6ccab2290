#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fsop.h"
#include "kernel.h"

/* Mounted here and not unmounted yet, oldest first. */
static char **mounted;
static size_t mounted_count;

static void remember(const char *target)
{
    mounted = reallocate(mounted, (mounted_count + 1) * sizeof *mounted);
    mounted[mounted_count++] = copy_text(target);
}

static void forget(const char *target)
{
    for (size_t i = mounted_count; i-- > 0;) {
        if (strcmp(mounted[i], target))
            continue;
        free(mounted[i]);
        memmove(mounted + i, mounted + i + 1, (mounted_count - i - 1) * sizeof *mounted);
        mounted_count--;
        return;
    }
}

/* Closes the descriptors and keeps errno. */
static void close_all(const int *fds, size_t count)
{
    int reason = errno;
    for (size_t i = 0; i < count; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    errno = reason;
}

static const char *bind(const char *source, const char *target, int readonly)
{
    int fds[3] = {
        open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC),
        open(source, O_PATH | O_CLOEXEC),
        open(target, O_PATH | O_CLOEXEC),
    };
    const char *failed = fds[0] < 0   ? "open /proc"
                         : fds[1] < 0 ? "open bind source"
                         : fds[2] < 0 ? "open mount point"
                         : bind_mount(fds[0], fds[1], fds[2]) < 0 ? "mount bind"
                                                                  : NULL;
    if (!failed && readonly) {
        int top = open(target, O_PATH | O_CLOEXEC);
        if (top < 0 || add_mount_attributes(fds[0], top, MOUNT_ATTR_RDONLY) < 0) {
            failed = "make the bind mount read-only";
            int reason = errno;
            umount2(target, MNT_DETACH);
            errno = reason;
        }
        close_all(&top, 1);
    }
    close_all(fds, 3);
    return failed;
}

/* source, target, "ro" or "rw" */
const char *fsop_bind(struct request *request)
{
    const struct field *f = request->fields;
    const char *failed = bind(f[0].bytes, f[1].bytes, !strcmp(f[2].bytes, "ro"));
    if (!failed)
        remember(f[1].bytes);
    return failed;
}

/* target, bytes: a tmpfs that is this process's user's alone. */
const char *fsop_tmpfs(struct request *request)
{
    const struct field *f = request->fields;
    struct buffer options = {0};
    buffer_text(&options, "mode=0700,size=");
    buffer_text(&options, f[1].bytes);
    buffer_add(&options, "", 1);
    int result = mount("tmpfs", f[0].bytes, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, options.data);
    free(options.data);
    if (result < 0)
        return "mount tmpfs";
    remember(f[0].bytes);
    return NULL;
}

static int add_layer(struct buffer *options, const char *name, const char *path)
{
    int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    buffer_text(options, name);
    buffer_number(options, fd);
    return fd;
}

static int mount_overlay(const char *target, struct buffer *options, const char *extra)
{
    size_t length = options->length;
    buffer_text(options, extra);
    buffer_add(options, "", 1);
    int result = mount("overlay", target, "overlay", 0, options->data);
    options->length = length;
    return result;
}

/*
 * target, upper or "", work or "", "volatile" or "", then the lower directories, topmost first.
 * `userxattr` itself turns redirect_dir and metacopy off, and refuses to hear of them.
 * Layers are named by descriptor number from within /proc/self/fd: no character in a path needs escaping, and hundreds
 * of layers fit the one page that mount(2) takes.
 */
const char *fsop_overlay(struct request *request)
{
    const struct field *f = request->fields;
    const char *target = f[0].bytes;
    size_t lower_count = request->count - 4, used = 0;
    int writable = f[1].length > 0;
    if (!writable && lower_count == 1) {
        const char *failed = bind(f[4].bytes, target, 1);
        if (!failed)
            remember(target);
        return failed;
    }
    int *fds = allocate((lower_count + 2) * sizeof *fds);
    struct buffer options = {0};
    const char *failed = NULL;
    for (size_t i = 0; i < lower_count && !failed; i++)
        if ((fds[used++] = add_layer(&options, i == 0 ? "lowerdir=" : ":", f[4 + i].bytes)) < 0)
            failed = "open lower directory";
    if (!failed && writable && (fds[used++] = add_layer(&options, ",upperdir=", f[1].bytes)) < 0)
        failed = "open upper directory";
    if (!failed && writable && (fds[used++] = add_layer(&options, ",workdir=", f[2].bytes)) < 0)
        failed = "open work directory";
    if (!failed && chdir("/proc/self/fd") < 0)
        failed = "enter /proc/self/fd";
    if (!failed) {
        buffer_text(&options, ",index=off,xino=off");
        if (f[3].length > 0)
            buffer_text(&options, ",volatile");
        if (mount_overlay(target, &options, ",userxattr") < 0)
            failed = "mount overlay";
        else
            remember(target);
    }
    close_all(fds, used);
    int reason = errno;
    if (chdir("/") < 0 && !failed)
        failed = "enter /";
    errno = reason;
    free(options.data);
    free(fds);
    return failed;
}

/*
 * target, then lines for binfmt_misc: the registry of interpreters of this user namespace (Linux 6.7), mounted there
 * unless it is already, with an entry for each line. What is registered goes when it is unmounted.
 */
const char *fsop_interpreters(struct request *request)
{
    const char *target = request->fields[0].bytes;
    int directory = open(target, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (directory >= 0 && faccessat(directory, "register", F_OK, 0) < 0) {
        close(directory);
        if (mount("binfmt_misc", target, "binfmt_misc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
            return "mount binfmt_misc";
        remember(target);
        directory = open(target, O_PATH | O_DIRECTORY | O_CLOEXEC);
    }
    if (directory < 0)
        return "open mount point";
    const char *failed = NULL;
    for (size_t i = 1; i < request->count && !failed; i++) {
        const struct field *line = &request->fields[i];
        int fd = openat(directory, "register", O_WRONLY | O_CLOEXEC);
        if (fd < 0 || write(fd, line->bytes, line->length) < 0)
            failed = "register the interpreter";
        close_all(&fd, 1);
    }
    close_all(&directory, 1);
    return failed;
}

const char *fsop_unmount(struct request *request)
{
    const char *target = request->fields[0].bytes;
    if (umount2(target, MNT_DETACH | UMOUNT_NOFOLLOW) < 0)
        return "umount";
    forget(target);
    return NULL;
}

void fsop_unmount_all(void)
{
    while (mounted_count > 0)
        umount2(mounted[--mounted_count], MNT_DETACH | UMOUNT_NOFOLLOW);
}
