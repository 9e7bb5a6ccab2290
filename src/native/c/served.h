/*
 * What a run sees below /proc and /sys, and of /dev what can't be made there, where nothing can be mounted: the real
 * files, one by one, handed over by its supervisor. Directories are never handed over, as ".." in one would lead out of
 * the run's root: in their place stand directories inside the root whose names are kept up to date ("listings").
 *
 * A path is walked as the run means it, every link on the way followed inside its root; nothing here knows how a call
 * came to be seen.
 */
#ifndef OSSB_SERVED_H
#define OSSB_SERVED_H

#include <limits.h>
#include <sys/types.h>

#include "ossb.h"

struct served_tree {
    /* The run's root: its path as /proc shows it, without a slash at the end, and a descriptor. */
    const char *root_path;
    int root;
    /* Only what descends from this process is seen. */
    pid_t supervisor;
    const char *hostname;
    /* Whether device files are served too, where none could be made. */
    int serves_devices;
};

enum found_kind {
    /* Nothing on the way was served: the kernel finds it, or says why not. */
    FOUND_BY_KERNEL,
    /* A path of the real /proc, /sys or /dev. */
    FOUND_SERVED,
    /* A path inside the root, reached through what is served ("/proc/self/cwd/file"). */
    FOUND_INSIDE,
};

struct found {
    enum found_kind kind;
    char path[PATH_MAX];
    /* The last part is a link of /proc that has no path, as a pipe's in /proc/PID/fd: to be followed by the kernel. */
    int is_handle;
    /* The text of a link that is another for each who asks, or "". */
    char own_link[48];
};

/* served_walk.c */
/*
 * Follows `path`, absolute inside the root, for a thread of the run; the last part too where `follow` is set.
 * 0, or -1 with errno.
 */
int find_served(const struct served_tree *tree, pid_t thread, const char *path, int follow, struct found *found);
/* Whether a path without links or dots is one that is served. */
int is_served(const struct served_tree *tree, const char *path);
/* Whether it is there in the real tree only. */
int is_hidden(const char *path);
/* The path, inside the root, of what a link of /proc names. 0, or -1 with errno. */
int path_inside(const struct served_tree *tree, const char *text, char path[PATH_MAX]);

/* served_files.c: with the ids of whoever asks as this process's own (setfsuid). -1 with errno. */
int open_served(const struct served_tree *tree, const struct found *found, int flags);
/* Whether a terminal, by its number, was opened by the run. */
int is_terminal_of_run(const char *number);
/* The text of a link; its length. */
ssize_t read_served_link(const struct served_tree *tree, const struct found *found, char text[PATH_MAX]);

/* served_listing.c: a copy of the names of a directory that is served. */
struct listing {
    struct listed {
        char *name;
        /* Of a symbolic link, else NULL. */
        char *link;
        int is_directory;
    } *items;
    size_t count;
};
/* As `thread` sees it. 0, or -1 with errno. */
int read_listing(const struct served_tree *tree, pid_t thread, const char *path, struct listing *listing);
/* Makes the directory `path` hold these names, called where the run's root is this process's own. 0, or -1 with errno. */
int write_listing(const char *path, const struct listing *listing);
void free_listing(struct listing *listing);

/* descent.c */
/* Whether a process or thread descends from `ancestor`. */
int descends_from(pid_t process, pid_t ancestor);
/* Calls `visit` with each process that does. */
void visit_descendants(pid_t ancestor, void (*visit)(pid_t process, void *context), void *context);
/* A field of /proc/PID/status, named with the end of line before it and the tab after it: its last number, or -1. */
long long status_number(pid_t process, const char *field);

#endif
