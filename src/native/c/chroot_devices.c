#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "chroot.h"

/* One that works, or an empty file in whose place the real one is served. */
static int make_device(int directory, const char *name, unsigned major, unsigned minor)
{
    int fd = -1;
    if (mknodat(directory, name, S_IFCHR | 0666, makedev(major, minor)) == 0 && fchmodat(directory, name, 0666, 0) == 0)
        fd = openat(directory, name, O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    /* A process without a terminal can't open /dev/tty, whoever made it. */
    int works = fd >= 0 || errno == ENXIO;
    if (fd >= 0)
        close(fd);
    if (works)
        return 1;
    unlinkat(directory, name, 0);
    if (mknodat(directory, name, S_IFREG | 0666, 0) < 0)
        fail("make device", name);
    return 0;
}

int fill_devices(int directory)
{
    static const struct {
        const char *name;
        unsigned char major;
        unsigned char minor;
    } NODES[] = {{"null", 1, 3}, {"zero", 1, 5}, {"full", 1, 7}, {"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0}};
    static const char *const LINKS[][2] = {
        {"/proc/self/fd", "fd"},
        {"/proc/self/fd/0", "stdin"},
        {"/proc/self/fd/1", "stdout"},
        {"/proc/self/fd/2", "stderr"},
    };
    int served = 0;
    for (size_t i = 0; i < sizeof NODES / sizeof NODES[0]; i++)
        served |= !make_device(directory, NODES[i].name, NODES[i].major, NODES[i].minor);
    for (size_t i = 0; i < sizeof LINKS / sizeof LINKS[0]; i++)
        if (symlinkat(LINKS[i][0], directory, LINKS[i][1]) < 0)
            fail("make link in /dev", LINKS[i][1]);
    if (mkdirat(directory, "shm", 0) < 0 || fchmodat(directory, "shm", 01777, 0) < 0 ||
        mkdirat(directory, "pts", 0755) < 0 || mkdirat(directory, "mqueue", 0) < 0 ||
        fchmodat(directory, "mqueue", 01777, 0) < 0 || mknodat(directory, "ptmx", S_IFREG | 0666, 0) < 0)
        fail("make directories in /dev", "");
    return served;
}
