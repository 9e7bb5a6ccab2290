/* Operations of the co-process: each returns NULL, or the step that failed with the reason in errno. */
#ifndef OSSB_FSOP_H
#define OSSB_FSOP_H

#include <stddef.h>
#include <time.h>

#include "ossb.h"

/* Bytes with a NUL after them. */
struct field {
    const char *bytes;
    size_t length;
};

struct request {
    char operation;
    size_t count;
    const struct field *fields;
    struct buffer *answer;
};

/* A field as a number, and as nanoseconds since the epoch (empty: left as it is). 0, or -1 when it is none. */
int fsop_number(const struct request *request, size_t index, unsigned long long maximum, unsigned long long *number);
int fsop_time(const struct request *request, size_t index, struct timespec *time);

const char *fsop_create(struct request *request);
const char *fsop_rename(struct request *request);
const char *fsop_lock(struct request *request);
const char *fsop_unlock(struct request *request);
const char *fsop_bind(struct request *request);
const char *fsop_overlay(struct request *request);
const char *fsop_tmpfs(struct request *request);
const char *fsop_interpreters(struct request *request);
const char *fsop_unmount(struct request *request);
void fsop_unmount_all(void);

#endif
