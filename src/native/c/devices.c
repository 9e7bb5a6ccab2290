#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "kernel.h"
#include "run.h"

static const struct {
    const char *name;
    unsigned char major;
    unsigned char minor;
} DEVICES[] = {{"null", 1, 3}, {"zero", 1, 5}, {"full", 1, 7}, {"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0}};

enum { DEVICE_COUNT = sizeof DEVICES / sizeof DEVICES[0] };

static const char *const LINKS[][2] = {
    {"/proc/self/fd", "fd"},       {"/proc/self/fd/0", "stdin"}, {"/proc/self/fd/1", "stdout"},
    {"/proc/self/fd/2", "stderr"}, {"pts/ptmx", "ptmx"},         {"/proc/kcore", "core"},
};

/* 1 where this process may make devices that work: not in a user namespace. */
static int can_make_nodes(void)
{
    char map[64] = "";
    int fd = open("/proc/self/uid_map", O_RDONLY | O_CLOEXEC);
    ssize_t count = fd < 0 ? 0 : read(fd, map, sizeof map - 1);
    if (fd >= 0)
        close(fd);
    return count > 0 && strstr(map, "4294967295") != NULL;
}

void open_outside(struct outside *outside)
{
    char path[16] = "/dev/";
    outside->root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    outside->proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (outside->root < 0 || outside->proc < 0)
        fail("open", outside->root < 0 ? "/" : "/proc");
    outside->make_nodes = can_make_nodes();
    outside->sys = open("/sys", O_PATH | O_DIRECTORY | O_CLOEXEC);
    for (size_t i = 0; i < DEVICE_COUNT; i++) {
        strcpy(path + 5, DEVICES[i].name);
        outside->devices[i] = open(path, O_PATH | O_CLOEXEC);
    }
}

void mount_on(const struct outside *outside, int target, const char *type, unsigned long flags, const char *data)
{
    char path[PROC_SELF_FD_SIZE];
    if (fchdir(outside->proc) < 0)
        fail("enter /proc", "");
    if (mount(type, self_fd(path, target), type, flags, data) < 0)
        fail("mount", type);
}

/*
 * Nodes of our own, where this user may make some: through those of the host, which a bind mount would show, the mode
 * of the host's could be changed. They lie on a file system below the real /dev, which can then be nodev itself.
 */
static void make_nodes(struct outside *outside, struct target *target)
{
    mount_on(outside, target->fd, "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=700,size=64k");
    int directory = reopen_target(target);
    if (directory < 0)
        fail("open", "/dev");
    for (size_t i = 0; i < DEVICE_COUNT; i++) {
        dev_t number = makedev(DEVICES[i].major, DEVICES[i].minor);
        int node = -1;
        if (mknodat(directory, DEVICES[i].name, S_IFCHR | 0666, number) == 0 &&
            fchmodat(directory, DEVICES[i].name, 0666, 0) == 0)
            node = openat(directory, DEVICES[i].name, O_PATH | O_CLOEXEC);
        if (node < 0)
            break;
        close(outside->devices[i]);
        outside->devices[i] = node;
    }
    close(directory);
}

static void bind_node(const struct outside *outside, int directory, size_t index)
{
    const char *name = DEVICES[index].name;
    int file = openat(directory, name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0666);
    int place = openat(directory, name, O_PATH | O_CLOEXEC);
    if (file < 0 || place < 0 || outside->devices[index] < 0 ||
        bind_mount(outside->proc, outside->devices[index], place) < 0)
        fail("make device", name);
    close(file);
    close(place);
}

static int make_directory(int directory, const char *name)
{
    if (mkdirat(directory, name, 0755) < 0)
        fail("make directory", name);
    int fd = openat(directory, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        fail("open", name);
    return fd;
}

/* Group 5 is tty by custom; it need not exist in a user namespace. Trying in vain costs half a millisecond. */
static void mount_terminals(const struct run_spec *spec, const struct outside *outside, int directory)
{
    char path[PROC_SELF_FD_SIZE];
    int target = make_directory(directory, "pts");
    const unsigned long flags = MS_NOSUID | MS_NOEXEC;
    if (fchdir(outside->proc) < 0)
        fail("enter /proc", "");
    self_fd(path, target);
    if ((spec->one_id || mount("devpts", path, "devpts", flags, "newinstance,ptmxmode=0666,mode=620,gid=5") < 0) &&
        mount("devpts", path, "devpts", flags, "newinstance,ptmxmode=0666,mode=620") < 0)
        fail("mount", "devpts");
    close(target);
}

static void mount_shared_memory(const struct run_spec *spec, const struct outside *outside, int directory)
{
    struct buffer options = {0};
    int target = make_directory(directory, "shm");
    buffer_text(&options, "mode=1777,size=");
    buffer_text(&options, spec->shm_size);
    buffer_add(&options, "", 1);
    mount_on(outside, target, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, options.data);
    close(target);
}

void mount_devices(const struct run_spec *spec, struct outside *outside, int stub_channel)
{
    struct target target;
    find_target("/dev", TARGET_DIRECTORY, stub_channel, &target);
    if (outside->make_nodes)
        make_nodes(outside, &target);
    int below = reopen_target(&target);
    if (below < 0)
        fail("open", "/dev");
    mount_on(outside, below, "tmpfs", MS_NOSUID | MS_STRICTATIME | (spec->insecure ? 0 : MS_NODEV),
             "mode=755,size=65536k");
    int directory = reopen_target(&target);
    if (directory < 0)
        fail("open", "/dev");
    for (size_t i = 0; i < DEVICE_COUNT; i++)
        bind_node(outside, directory, i);
    for (size_t i = 0; i < sizeof LINKS / sizeof LINKS[0]; i++)
        if (symlinkat(LINKS[i][0], directory, LINKS[i][1]) < 0)
            fail("make link in /dev", LINKS[i][1]);
    mount_terminals(spec, outside, directory);
    mount_shared_memory(spec, outside, directory);
    int queues = make_directory(directory, "mqueue");
    mount_on(outside, queues, "mqueue", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
    close(queues);
    close(directory);
    close(below);
    close_target(&target);
}
