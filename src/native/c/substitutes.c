/*
 * What stands in the place of mounts where nothing can be mounted: the source itself is moved to the mount point, what
 * was there is moved aside, and both go back after the run. Directories are held open throughout, so that nothing that
 * the run does to the way there has a say in it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "chroot.h"

struct substitute {
    const char *target;
    /* Where it came from and goes back to; NULL: it is thrown away. */
    const char *source;
    /* What was at the mount point, by its name in the holding directory. */
    char *aside;
    char *name;
    int parent;
    dev_t dev;
    ino_t ino;
};

static struct substitute *substitutes;
static size_t substitute_count;
static int holding = -1;

static int open_holding(const struct run_spec *spec)
{
    if (holding < 0 && (holding = open(spec->holding, O_PATH | O_DIRECTORY | O_CLOEXEC)) < 0)
        fail("open", spec->holding);
    return holding;
}

static char *numbered(const char *prefix, size_t number)
{
    struct buffer text = {0};
    buffer_text(&text, prefix);
    buffer_number(&text, (long long)number);
    buffer_add(&text, "", 1);
    return text.data;
}

/* The time of the directory stays, whatever is moved into it or out of it. */
static void move(int from, const char *name, int to, const char *new_name, int directory)
{
    struct stat status;
    if (fstatat(directory, "", &status, AT_EMPTY_PATH) < 0 || renameat(from, name, to, new_name) < 0)
        fail("move for a mount point", name);
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, status.st_mtim};
    utimensat(directory, ".", times, 0);
}

static void put(const struct run_spec *spec, const char *source, struct target *target, struct substitute *made)
{
    struct stat status;
    int from = source[0] == '/' ? AT_FDCWD : open_holding(spec);
    made->parent = target->parent;
    made->name = copy_text(target->name);
    made->aside = numbered("aside-", substitute_count);
    errno = EBUSY;
    if (!strcmp(target->name, "."))
        fail("mount on", made->target);
    move(target->parent, target->name, open_holding(spec), made->aside, target->parent);
    move(from, source, target->parent, target->name, target->parent);
    if (fstatat(target->parent, target->name, &status, AT_SYMLINK_NOFOLLOW) < 0)
        fail("mount on", made->target);
    made->dev = status.st_dev;
    made->ino = status.st_ino;
    substitutes = reallocate(substitutes, (substitute_count + 1) * sizeof *substitutes);
    substitutes[substitute_count++] = *made;
    close(target->fd);
}

void substitute_directory(const struct run_spec *spec, const char *path, mode_t mode)
{
    struct target target;
    struct substitute made = {.target = path};
    char *name = numbered("empty-", substitute_count);
    if (mkdirat(open_holding(spec), name, 0700) < 0 || fchmodat(holding, name, mode, 0) < 0)
        fail("make directory", name);
    find_in_root(path, TARGET_DIRECTORY, &target);
    put(spec, name, &target, &made);
    free(name);
}

void substitute_file(const struct run_spec *spec, const char *path, const char *text)
{
    struct target target;
    struct substitute made = {.target = path};
    char *name = numbered("file-", substitute_count);
    int file = openat(open_holding(spec), name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0444);
    if (file < 0 || write_all(file, text, strlen(text)) < 0)
        fail("write", name);
    close(file);
    find_in_root(path, TARGET_FILE, &target);
    put(spec, name, &target, &made);
    free(name);
}

/* The same directory is there already, under another path: a link leads to it. */
static void link_to_first(const struct run_spec *spec, const struct substitute *first, const struct run_mount *asked)
{
    struct target target;
    struct substitute made = {.target = asked->target};
    char *name = numbered("link-", substitute_count);
    if (symlinkat(first->target, open_holding(spec), name) < 0)
        fail("make a link to", first->target);
    find_in_root(asked->target, TARGET_ANY, &target);
    put(spec, name, &target, &made);
    free(name);
}

void substitute_mount(const struct run_spec *spec, const struct run_mount *asked)
{
    struct target target;
    struct stat status;
    for (size_t i = 0; i < substitute_count; i++)
        if (substitutes[i].source && !strcmp(substitutes[i].source, asked->source)) {
            link_to_first(spec, &substitutes[i], asked);
            return;
        }
    if (lstat(asked->source, &status) < 0)
        fail("read status of bind source", asked->source);
    find_in_root(asked->target, S_ISDIR(status.st_mode) ? TARGET_DIRECTORY : TARGET_FILE, &target);
    struct substitute made = {.target = asked->target, .source = asked->source};
    put(spec, asked->source, &target, &made);
}

static int is_still_there(const struct substitute *one)
{
    struct stat status;
    return fstatat(one->parent, one->name, &status, AT_SYMLINK_NOFOLLOW) == 0 && status.st_dev == one->dev &&
           status.st_ino == one->ino;
}

/* What is thrown away stays in the holding directory, and goes with it. 0, or -1 where the run moved it elsewhere. */
static int take_back(const struct substitute *one, size_t number)
{
    char *gone = numbered("used-", number);
    if (!is_still_there(one))
        return -1;
    move(one->parent, one->name, one->source ? AT_FDCWD : holding, one->source ? one->source : gone, one->parent);
    move(holding, one->aside, one->parent, one->name, one->parent);
    close(one->parent);
    free(gone);
    return 0;
}

const char *remove_substitutes(void)
{
    const char *lost = NULL;
    while (substitute_count > 0) {
        substitute_count--;
        if (take_back(&substitutes[substitute_count], substitute_count) < 0)
            lost = substitutes[substitute_count].target;
    }
    return lost;
}
