#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "served.h"

enum { LINK_LIMIT = 40 };

/* `at` is what has been walked, without links and dots; `rest` is still to come. */
struct walk {
    const struct served_tree *tree;
    pid_t thread;
    char at[PATH_MAX];
    char rest[PATH_MAX];
    int links;
    int passed_served;
};

static const char *const DEVICES[] = {"null", "zero", "full", "random", "urandom", "tty"};

/* What Docker hides of the kernel; where it is hidden already there is nothing behind these names. */
static const char *const HIDDEN[] = {
    "/proc/acpi",  "/proc/asound",     "/proc/interrupts",  "/proc/kcore",   "/proc/keys", "/proc/latency_stats",
    "/proc/scsi",  "/proc/timer_list", "/proc/timer_stats", "/sys/firmware", "/proc/sched_debug",
    "/sys/devices/virtual/powercap",
};

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static int is_at_or_below(const char *path, const char *above)
{
    size_t length = strlen(above);
    return !strncmp(path, above, length) && (path[length] == '\0' || path[length] == '/');
}

static int is_device(const char *path)
{
    for (size_t i = 0; i < COUNT(DEVICES) && !strncmp(path, "/dev/", 5); i++)
        if (!strcmp(path + 5, DEVICES[i]))
            return 1;
    return 0;
}

int is_served(const struct served_tree *tree, const char *path)
{
    if (is_at_or_below(path, "/proc") || is_at_or_below(path, "/sys") || !strcmp(path, "/dev/ptmx") ||
        !strncmp(path, "/dev/pts/", 9))
        return 1;
    return tree->serves_devices && is_device(path);
}

int is_hidden(const char *path)
{
    for (size_t i = 0; i < COUNT(HIDDEN); i++)
        if (is_at_or_below(path, HIDDEN[i]))
            return 1;
    return 0;
}

static int fail_with(int reason)
{
    errno = reason;
    return -1;
}

/* Cuts the next part off `rest`. 0 at the end. */
static int next_part(struct walk *walk, char part[NAME_MAX + 1])
{
    char *start = walk->rest + strspn(walk->rest, "/");
    size_t length = strcspn(start, "/");
    if (length == 0)
        return 0;
    if (length > NAME_MAX)
        return fail_with(ENAMETOOLONG);
    memcpy(part, start, length);
    part[length] = '\0';
    memmove(walk->rest, start + length, strlen(start + length) + 1);
    return 1;
}

static int is_last(const struct walk *walk)
{
    return walk->rest[strspn(walk->rest, "/")] == '\0';
}

static void go_up(struct walk *walk)
{
    char *slash = strrchr(walk->at, '/');
    if (slash)
        *slash = '\0';
}

static int append(char path[PATH_MAX], const char *text)
{
    if (strlen(path) + strlen(text) + 2 > PATH_MAX)
        return fail_with(ENAMETOOLONG);
    strcat(path, "/");
    strcat(path, text);
    return 0;
}

static int append_number(char path[PATH_MAX], const char *above, long long number)
{
    struct buffer text = {0};
    buffer_text(&text, above);
    buffer_number(&text, number);
    buffer_add(&text, "", 1);
    int result = append(path, text.data);
    free(text.data);
    return result;
}

/* "self" is another for each who asks, and only processes of the run are there. */
static int enter_own(struct walk *walk, const char *part, int follows, struct found *found)
{
    long long own = status_number(walk->thread, "\nTgid:\t");
    int is_thread = part[0] == 't';
    if (own < 0)
        return fail_with(ESRCH);
    if (is_last(walk) && !follows) {
        char path[PATH_MAX] = "";
        append_number(path, "", own);
        if (is_thread)
            append_number(path, "task/", walk->thread);
        strcpy(found->own_link, path + 1);
        return append(walk->at, part);
    }
    return append_number(walk->at, "", own) < 0 || (is_thread && append_number(walk->at, "task/", walk->thread) < 0)
               ? -1 : 0;
}

static int enter_proc(struct walk *walk, const char *part, int follows, struct found *found)
{
    unsigned long long process;
    if (!strcmp(part, "self") || !strcmp(part, "thread-self"))
        return enter_own(walk, part, follows, found);
    if (parse_number(part, INT_MAX, &process) == 0 && !descends_from((pid_t)process, walk->tree->supervisor))
        return fail_with(ENOENT);
    return append(walk->at, part);
}

int path_inside(const struct served_tree *tree, const char *text, char path[PATH_MAX])
{
    size_t length = strlen(tree->root_path);
    if (strlen(text) >= PATH_MAX)
        return fail_with(ENAMETOOLONG);
    if (is_at_or_below(text, tree->root_path))
        strcpy(path, text[length] ? text + length : "/");
    else if (is_served(tree, text) || is_device(text))
        strcpy(path, text);
    else
        return fail_with(EACCES);
    return 0;
}

/* Puts the text of a link before what is still to be walked. */
static int follow(struct walk *walk, const char *text)
{
    char rest[PATH_MAX];
    if (++walk->links > LINK_LIMIT)
        return fail_with(ELOOP);
    if (strlen(text) + strlen(walk->rest) + 2 > PATH_MAX)
        return fail_with(ENAMETOOLONG);
    strcpy(rest, walk->rest);
    strcpy(walk->rest, text);
    strcat(walk->rest, "/");
    strcat(walk->rest, rest);
    if (text[0] == '/')
        walk->at[0] = '\0';
    else
        go_up(walk);
    return 0;
}

static int ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), wanted = strlen(end);
    return length >= wanted && !strcmp(text + length - wanted, end);
}

/* The links of /proc/PID name something by a path of this process's, or nothing that has a path. */
static int is_magic(const char *path)
{
    return path[0] == '/' && path[6] >= '1' && path[6] <= '9' && !strncmp(path, "/proc/", 6);
}

static ssize_t read_link(int directory, const char *path, char text[PATH_MAX])
{
    ssize_t length = readlinkat(directory, path, text, PATH_MAX - 1);
    if (length >= 0)
        text[length] = '\0';
    return length;
}

/* 1 where the link was followed, 0 where it is what was looked for. */
static int follow_served(struct walk *walk, struct found *found)
{
    char text[PATH_MAX], inside[PATH_MAX];
    if (read_link(AT_FDCWD, walk->at, text) < 0)
        return -1;
    if (!is_magic(walk->at))
        return follow(walk, text) < 0 ? -1 : 1;
    if (text[0] == '/' && !ends_with(text, " (deleted)"))
        return path_inside(walk->tree, text, inside) < 0 || follow(walk, inside) < 0 ? -1 : 1;
    found->is_handle = 1;
    return is_last(walk) ? 0 : fail_with(ENOTDIR);
}

/* One part further in the real tree. */
static int step_served(struct walk *walk, int follows, struct found *found)
{
    struct stat status;
    walk->passed_served = 1;
    if (is_hidden(walk->at) || (!strncmp(walk->at, "/dev/pts/", 9) && strcmp(walk->at + 9, "ptmx") != 0 &&
                                !is_terminal_of_run(walk->at + 9)))
        return fail_with(ENOENT);
    if (lstat(walk->at, &status) < 0)
        return -1;
    if (S_ISLNK(status.st_mode) && (follows || !is_last(walk)))
        return follow_served(walk, found) < 0 ? -1 : 0;
    return is_last(walk) || S_ISDIR(status.st_mode) ? 0 : fail_with(ENOTDIR);
}

/* One part further in the run's root. What is looked at here gives the way only, whoever changes it meanwhile. */
static int step_inside(struct walk *walk, int follows)
{
    struct stat status;
    char text[PATH_MAX];
    if (fstatat(walk->tree->root, walk->at + 1, &status, AT_SYMLINK_NOFOLLOW) < 0)
        return is_last(walk) && errno == ENOENT ? 0 : -1;
    if (!S_ISLNK(status.st_mode) || (is_last(walk) && !follows))
        return 0;
    return read_link(walk->tree->root, walk->at + 1, text) < 0 ? -1 : follow(walk, text);
}

static int step(struct walk *walk, const char *part, int follows, struct found *found)
{
    if (!strcmp(part, "."))
        return 0;
    if (!strcmp(part, "..")) {
        go_up(walk);
        return 0;
    }
    if (!strcmp(walk->at, "/proc") ? enter_proc(walk, part, follows, found) < 0 : append(walk->at, part) < 0)
        return -1;
    return is_served(walk->tree, walk->at) ? step_served(walk, follows, found) : step_inside(walk, follows);
}

int find_served(const struct served_tree *tree, pid_t thread, const char *path, int follows, struct found *found)
{
    struct walk walk = {.tree = tree, .thread = thread};
    char part[NAME_MAX + 1];
    int more;
    found->kind = FOUND_BY_KERNEL;
    found->is_handle = 0;
    found->own_link[0] = '\0';
    if (strlen(path) >= PATH_MAX)
        return fail_with(ENAMETOOLONG);
    strcpy(walk.rest, path);
    while ((more = next_part(&walk, part)) > 0) {
        if (step(&walk, part, follows, found) == 0)
            continue;
        /* What goes wrong before anything is served is the kernel's to say. */
        return walk.passed_served ? -1 : 0;
    }
    if (more < 0)
        return walk.passed_served ? -1 : 0;
    if (is_served(tree, walk.at))
        found->kind = FOUND_SERVED;
    else if (walk.passed_served)
        found->kind = FOUND_INSIDE;
    strcpy(found->path, walk.at[0] ? walk.at : "/");
    return 0;
}
