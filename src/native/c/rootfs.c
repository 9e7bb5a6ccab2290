#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel.h"
#include "run.h"

/* What a process must not see of the kernel, and what it may see but not change. Docker hides and protects the same. */
static const char *const HIDDEN[] = {
    "/proc/acpi",         "/proc/asound",      "/proc/interrupts",   "/proc/kcore",
    "/proc/keys",         "/proc/latency_stats", "/proc/sched_debug", "/proc/scsi",
    "/proc/timer_list",   "/proc/timer_stats", "/sys/firmware",      "/sys/devices/virtual/powercap",
};
/* File systems by which the machine's root looks into the kernel; where they are mounted, a bind of /sys brings them. */
static const char *const HIDDEN_MOUNTS[] = {
    "/sys/kernel/debug", "/sys/kernel/tracing", "/sys/kernel/security", "/sys/fs/bpf", "/sys/fs/pstore",
};
static const char *const PROTECTED[] = {
    "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger",
};

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static void open_sources(struct run_spec *spec)
{
    for (size_t i = 0; i < spec->mount_count; i++) {
        if (spec->mounts[i].kind == MOUNT_TMPFS)
            continue;
        spec->mounts[i].source_fd = open(spec->mounts[i].source, O_PATH | O_CLOEXEC);
        if (spec->mounts[i].source_fd < 0)
            fail("open bind source", spec->mounts[i].source);
    }
}

/* Makes the root a mount, so that it can be entered for good, and goes there. Returns its descriptor. */
static int bind_root(const struct run_spec *spec, const struct outside *outside)
{
    if (mount(spec->root, spec->root, NULL, MS_BIND | MS_REC, NULL) < 0)
        fail("mount bind", spec->root);
    int root = open(spec->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0)
        fail("open", spec->root);
    if (!spec->insecure && add_mount_attributes(outside->proc, root, MOUNT_ATTR_NODEV) < 0)
        fail("make the root nodev", spec->root);
    if (fchdir(root) < 0 || chroot(".") < 0)
        fail("chroot", spec->root);
    return root;
}

/* A link here could put our own file systems, and what hides them, anywhere in the image. */
static void refuse_link(const char *path)
{
    struct stat status;
    if (lstat(path, &status) < 0)
        return;
    errno = S_ISLNK(status.st_mode) ? ELOOP : ENOTDIR;
    if (!S_ISDIR(status.st_mode))
        fail("use a path of the image that must be a directory", path);
}

static void mount_proc(const struct outside *outside, int stub_channel)
{
    struct target target;
    find_target("/proc", TARGET_DIRECTORY, stub_channel, &target);
    mount_on(outside, target.fd, "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
    close_target(&target);
}

/*
 * Read-only with all that is mounted below: a read-only /sys alone leaves the cgroups writable. Where the kernel can't
 * do that (before 5.12), /sys comes without what is mounted below, and not at all where a user namespace forbids that.
 */
static void mount_sys(const struct run_spec *spec, const struct outside *outside, int stub_channel)
{
    struct target target;
    char from[PROC_SELF_FD_SIZE], to[PROC_SELF_FD_SIZE];
    if (outside->sys < 0)
        return;
    find_target("/sys", TARGET_DIRECTORY, stub_channel, &target);
    if (bind_mount(outside->proc, outside->sys, target.fd) < 0)
        fail("mount bind", "/sys");
    int top = reopen_target(&target);
    struct mount_attr readonly = {.attr_set = MOUNT_ATTR_RDONLY};
    if (!spec->insecure &&
        (top < 0 || syscall(SYS_mount_setattr, top, "", AT_EMPTY_PATH | AT_RECURSIVE, &readonly, sizeof readonly) < 0)) {
        if (errno != ENOSYS || umount2(self_fd(to, top), MNT_DETACH) < 0)
            fail("make read-only", "/sys");
        if (mount(self_fd(from, outside->sys), self_fd(to, target.fd), NULL, MS_BIND, NULL) == 0) {
            int alone = reopen_target(&target);
            if (alone < 0 || add_mount_attributes(outside->proc, alone, MOUNT_ATTR_RDONLY) < 0)
                fail("make read-only", "/sys");
            close(alone);
        }
    }
    close(top);
    close_target(&target);
}

static void hide(const struct outside *outside, const char *path)
{
    struct stat status;
    int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return;
    if (fstat(fd, &status) < 0)
        fail("hide", path);
    if (S_ISDIR(status.st_mode))
        mount_on(outside, fd, "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=0k,nr_inodes=1");
    else if (bind_mount(outside->proc, outside->devices[DEVICE_NULL], fd) < 0)
        fail("hide", path);
    close(fd);
}

static void hide_mounts(const struct outside *outside)
{
    struct stat above, status;
    if (stat("/sys", &above) < 0)
        return;
    for (size_t i = 0; i < COUNT(HIDDEN_MOUNTS); i++)
        if (lstat(HIDDEN_MOUNTS[i], &status) == 0 && status.st_dev != above.st_dev)
            hide(outside, HIDDEN_MOUNTS[i]);
}

static void protect(const struct outside *outside, const char *path)
{
    int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return;
    int bound = bind_mount(outside->proc, fd, fd);
    int top = bound < 0 ? -1 : open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (top < 0 || add_mount_attributes(outside->proc, top, MOUNT_ATTR_RDONLY) < 0)
        fail("make read-only", path);
    close(top);
    close(fd);
}

static void mount_asked_tmpfs(const struct outside *outside, const struct run_mount *asked, int stub_channel)
{
    struct target target;
    struct buffer options = {0};
    find_target(asked->target, TARGET_DIRECTORY, stub_channel, &target);
    buffer_text(&options, "mode=1777");
    if (asked->size[0] != '\0') {
        buffer_text(&options, ",size=");
        buffer_text(&options, asked->size);
    }
    buffer_add(&options, "", 1);
    mount_on(outside, target.fd, "tmpfs", MS_NOSUID | MS_NODEV, options.data);
    close_target(&target);
}

/* nodev: root in a RUN may make device nodes, and on a real root's machine they would work. */
static void mount_asked_bind(const struct run_spec *spec, const struct outside *outside,
                             const struct run_mount *asked, int stub_channel)
{
    struct target target;
    struct stat source;
    uint64_t attributes = spec->insecure ? 0 : MOUNT_ATTR_NODEV;
    if (fstat(asked->source_fd, &source) < 0)
        fail("read status of bind source", asked->source);
    find_target(asked->target, S_ISDIR(source.st_mode) ? TARGET_DIRECTORY : TARGET_FILE, stub_channel, &target);
    if (bind_mount(outside->proc, asked->source_fd, target.fd) < 0)
        fail("mount bind", asked->target);
    if (asked->kind == MOUNT_BIND_READONLY)
        attributes |= MOUNT_ATTR_RDONLY;
    int top = reopen_target(&target);
    if (top < 0 || (attributes != 0 && add_mount_attributes(outside->proc, top, attributes) < 0))
        fail("set mount flags", asked->target);
    close(top);
    close_target(&target);
    close(asked->source_fd);
}

/*
 * apt becomes another user for its downloads and makes sure that it did, which can't be where there is one id. The file
 * that says so is memory of /dev, and its name in the image is a mount point like others: nothing of it stays.
 */
static void keep_apt_root(const struct outside *outside, int stub_channel)
{
    static const char SOURCE[] = "/dev/ossb-apt";
    struct target target;
    struct stat status;
    if (lstat("/etc/apt/apt.conf.d", &status) < 0 || !S_ISDIR(status.st_mode))
        return;
    int file = open(SOURCE, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0444);
    if (file < 0 || write_all(file, APT_STAYS_ROOT, sizeof APT_STAYS_ROOT - 1) < 0)
        fail("write", SOURCE);
    find_target(APT_SETTING, TARGET_FILE, stub_channel, &target);
    if (bind_mount(outside->proc, file, target.fd) < 0)
        fail("mount bind", SOURCE);
    close_target(&target);
    close(file);
    unlink(SOURCE);
}

static void mount_all(struct run_spec *spec, struct outside *outside, int stub_channel)
{
    refuse_link("/proc");
    refuse_link("/dev");
    refuse_link("/sys");
    mount_proc(outside, stub_channel);
    mount_devices(spec, outside, stub_channel);
    mount_sys(spec, outside, stub_channel);
    for (size_t i = 0; i < COUNT(HIDDEN) && !spec->insecure; i++)
        hide(outside, HIDDEN[i]);
    if (!spec->insecure)
        hide_mounts(outside);
    for (size_t i = 0; i < COUNT(PROTECTED) && !spec->insecure; i++)
        protect(outside, PROTECTED[i]);
    if (spec->one_id && spec->uid == 0)
        keep_apt_root(outside, stub_channel);
    for (size_t i = 0; i < spec->mount_count; i++) {
        if (spec->mounts[i].kind == MOUNT_TMPFS)
            mount_asked_tmpfs(outside, &spec->mounts[i], stub_channel);
        else
            mount_asked_bind(spec, outside, &spec->mounts[i], stub_channel);
    }
}

/* The old root goes out of reach. Where pivot_root is forbidden, the new root is moved over it instead. */
static void leave_old_root(const struct outside *outside, int root)
{
    if (fchdir(outside->root) < 0 || chroot(".") < 0 || fchdir(root) < 0)
        fail("chroot", "back");
    if (syscall(SYS_pivot_root, ".", ".") == 0) {
        if (umount2(".", MNT_DETACH) < 0)
            fail("unmount the old root", "");
    } else if (mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0) {
        fail("pivot_root", "");
    }
    if (chdir("/") < 0)
        fail("chdir", "/");
}

static void close_outside(struct outside *outside, int root)
{
    close(outside->root);
    close(outside->proc);
    close(outside->sys);
    for (size_t i = 0; i < COUNT(outside->devices); i++)
        close(outside->devices[i]);
    close(root);
}

void enter_root(struct run_spec *spec, int stub_channel)
{
    struct outside outside;
    struct target cwd;
    if (unshare(CLONE_NEWNS) < 0)
        fail("unshare", "mount namespace");
    if (make_mounts_private() < 0)
        fail("make mounts private", "/");
    open_outside(&outside);
    open_sources(spec);
    int root = bind_root(spec, &outside);
    mount_all(spec, &outside, stub_channel);
    leave_old_root(&outside, root);
    close_outside(&outside, root);
    find_target(spec->cwd, TARGET_DIRECTORY, -1, &cwd);
    if (fchdir(cwd.fd) < 0)
        fail("chdir", spec->cwd);
    close_target(&cwd);
}
