#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "owner.h"
#include "run.h"

enum { LINK_LIMIT = 40 };

/* A walk from the root of this process down a path. `rest` is what is still to be walked, `path` what has been. */
struct walk {
    const char *wanted;
    char *rest;
    struct buffer path;
    int directory;
    int links;
};

static _Noreturn void walk_failed(const struct walk *walk, const char *step, int reason)
{
    errno = reason;
    fail(step, walk->wanted);
}

static void start_at_root(struct walk *walk)
{
    if (walk->directory >= 0)
        close(walk->directory);
    walk->directory = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (walk->directory < 0)
        walk_failed(walk, "open the root", errno);
    walk->path.length = 0;
}

/* Cuts the next component off `rest`; NULL at the end. */
static char *next_component(struct walk *walk)
{
    char *component = walk->rest + strspn(walk->rest, "/");
    if (*component == '\0')
        return NULL;
    char *end = component + strcspn(component, "/");
    walk->rest = end + (*end == '/');
    *end = '\0';
    return component;
}

static int is_last(const struct walk *walk)
{
    return walk->rest[strspn(walk->rest, "/")] == '\0';
}

/* The link's own text is walked, never the kernel's idea of it: the links in /proc lead out of any root. */
static void follow_link(struct walk *walk, int link)
{
    struct buffer rest = {0};
    buffer_reserve(&rest, PATH_MAX);
    ssize_t length = readlinkat(link, "", rest.data, PATH_MAX);
    if (length < 0)
        walk_failed(walk, "read a symbolic link of", errno);
    if (++walk->links > LINK_LIMIT)
        walk_failed(walk, "find mount point", ELOOP);
    rest.length = (size_t)length;
    buffer_text(&rest, "/");
    buffer_text(&rest, walk->rest);
    buffer_add(&rest, "", 1);
    close(link);
    if (rest.data[0] == '/')
        start_at_root(walk);
    walk->rest = rest.data;
}

static void go_up(struct walk *walk)
{
    int parent = openat(walk->directory, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (parent < 0)
        walk_failed(walk, "find mount point", errno);
    close(walk->directory);
    walk->directory = parent;
    while (walk->path.length > 0 && walk->path.data[--walk->path.length] != '/')
        ;
}

static int make(struct walk *walk, const char *name, int as_file)
{
    if (!as_file) {
        if (mkdirat(walk->directory, name, 0755) < 0)
            walk_failed(walk, "make directory for mount point", errno);
    } else {
        int fd = openat(walk->directory, name, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0644);
        if (fd < 0)
            walk_failed(walk, "make file for mount point", errno);
        close(fd);
    }
    int fd = openat(walk->directory, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        walk_failed(walk, "open mount point", errno);
    return fd;
}

/* What stays is root's, whoever the run's user is. */
static void record_root_as_owner(const struct walk *walk, const char *name)
{
    const struct owner owner = {.device = 0};
    int fd = has_one_id() ? openat(walk->directory, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC) : -1;
    if (fd < 0)
        return;
    write_open_owner(fd, &owner);
    close(fd);
}

/* Makes what is missing, gives the directory above its time back, and tells the one who will clean up. */
static int make_stub(struct walk *walk, const char *name, int as_file, int channel)
{
    struct stat above, made;
    if (fstatat(walk->directory, ".", &above, 0) < 0)
        walk_failed(walk, "read status above mount point", errno);
    int fd = make(walk, name, as_file);
    if (channel < 0) {
        record_root_as_owner(walk, name);
        return fd;
    }
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, above.st_mtim};
    if (utimensat(walk->directory, ".", times, 0) < 0 || fstat(fd, &made) < 0)
        walk_failed(walk, "set time above mount point", errno);
    struct stub stub = {
        .dev = made.st_dev,
        .ino = made.st_ino,
        .mode = made.st_mode,
        .mtime_seconds = made.st_mtim.tv_sec,
        .mtime_nanoseconds = made.st_mtim.tv_nsec,
    };
    size_t length = walk->path.length < PATH_MAX - NAME_MAX - 2 ? walk->path.length : 0;
    if (length > 0)
        memcpy(stub.path, walk->path.data, length);
    stub.path[length] = '/';
    strcpy(stub.path + length + 1, name);
    strcpy(stub.name, name);
    send_stub(channel, &stub, walk->directory);
    return fd;
}

static void check_kind(const struct walk *walk, const struct stat *status, enum target_kind kind)
{
    if (kind == TARGET_DIRECTORY && !S_ISDIR(status->st_mode))
        walk_failed(walk, "find mount point", ENOTDIR);
    if (kind == TARGET_FILE && S_ISDIR(status->st_mode))
        walk_failed(walk, "find mount point", EISDIR);
}

/* One component further. 1 when the target was reached, 0 when there is more to walk. */
static int step(struct walk *walk, char *name, enum target_kind kind, int channel, struct target *target)
{
    struct stat status;
    if (strlen(name) > NAME_MAX)
        walk_failed(walk, "find mount point", ENAMETOOLONG);
    int fd = openat(walk->directory, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && errno != ENOENT)
        walk_failed(walk, "find mount point", errno);
    if (fd < 0)
        fd = make_stub(walk, name, is_last(walk) && kind == TARGET_FILE, channel);
    if (fstat(fd, &status) < 0)
        walk_failed(walk, "find mount point", errno);
    if (S_ISLNK(status.st_mode)) {
        follow_link(walk, fd);
        return 0;
    }
    if (is_last(walk)) {
        check_kind(walk, &status, kind);
        target->fd = fd;
        target->parent = walk->directory;
        strcpy(target->name, name);
        return 1;
    }
    if (!S_ISDIR(status.st_mode))
        walk_failed(walk, "find mount point", ENOTDIR);
    close(walk->directory);
    walk->directory = fd;
    buffer_text(&walk->path, "/");
    buffer_text(&walk->path, name);
    return 0;
}

void find_target(const char *path, enum target_kind kind, int stub_channel, struct target *target)
{
    struct walk walk = {.wanted = path, .rest = copy_text(path), .directory = -1};
    start_at_root(&walk);
    for (;;) {
        char *name = next_component(&walk);
        if (!name)
            break;
        if (!strcmp(name, "."))
            continue;
        if (!strcmp(name, ".."))
            go_up(&walk);
        else if (step(&walk, name, kind, stub_channel, target))
            return;
    }
    /* The path is the root itself, or ends in "..". */
    target->parent = walk.directory;
    target->fd = openat(walk.directory, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    strcpy(target->name, ".");
    if (target->fd < 0 || kind == TARGET_FILE)
        walk_failed(&walk, "find mount point", EISDIR);
}

int reopen_target(const struct target *target)
{
    return openat(target->parent, target->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
}

void close_target(struct target *target)
{
    close(target->fd);
    close(target->parent);
}
