/*
 * ossb-helper: what Node has no calls for. One static program with sub-commands that share this header:
 * run (a process in its own root), map (enter a user namespace), probe, walk, fsop.
 */
#ifndef OSSB_H
#define OSSB_H

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#define EXIT_HELPER_FAILURE 125

/* A growable byte buffer. Running out of memory ends the program. */
struct buffer {
    char *data;
    size_t length;
    size_t capacity;
};

void *allocate(size_t size);
void *reallocate(void *memory, size_t size);
char *copy_text(const char *text);
void buffer_reserve(struct buffer *buffer, size_t more);
void buffer_add(struct buffer *buffer, const void *bytes, size_t count);
void buffer_text(struct buffer *buffer, const char *text);
void buffer_number(struct buffer *buffer, long long number);
void buffer_json(struct buffer *buffer, const char *text);

/* Writes everything, waiting where the descriptor does not block. 0, or -1 with errno. */
int write_all(int fd, const void *bytes, size_t count);
/* Reads until the end of the file, at most `limit` bytes. 0, or -1 with errno. */
int read_to_end(int fd, struct buffer *buffer, size_t limit);
/* A decimal number that fills the text and is at most `maximum`. 0, or -1 with errno EINVAL. */
int parse_number(const char *text, unsigned long long maximum, unsigned long long *number);

/* Events: one JSON object a line on `event_fd` (-1: nowhere). */
extern int event_fd;
void report_failure(const char *event, const char *step, const char *argument, int error);
_Noreturn void fail(const char *step, const char *argument);
/* Called by fail() before it exits: a child's way to tell its parent. */
extern void (*on_failure)(void);

/* True when the process at the other end of a socket or pipe is gone. */
int peer_is_gone(int fd);
/* SIGKILL for this process when its parent dies; fails when the holder of `peer` is dead already. */
void die_with_parent(int peer);

/* mounts.c */
#define PROC_SELF_FD_SIZE 24
/* "self/fd/N", to be used with /proc as the working directory. */
const char *self_fd(char text[PROC_SELF_FD_SIZE], int fd);
/* Adds MOUNT_ATTR_* to the mount that `fd` is the root of and, where the kernel can, to those below it. */
int add_mount_attributes(int proc_fd, int fd, uint64_t attributes);
/* A recursive bind mount between two descriptors. Changes the working directory to /proc. */
int bind_mount(int proc_fd, int source, int target);
int make_mounts_private(void);

/* A user namespace with all ids as they are, and a mount namespace in it. */
void enter_namespace_of_all_ids(void);

int command_run(int argc, char **argv);
int command_map(int argc, char **argv);
int command_probe(int argc, char **argv);
int command_walk(int argc, char **argv);
int command_fsop(int argc, char **argv);

#endif
