/*
 * Calls that a run's supervisor answers in place of the kernel, by one table for every calling convention. Compatibility,
 * not protection: an answer never does more than the process that asked could do itself, and a call that goes on after
 * all is one that it may make.
 */
#ifndef OSSB_EMULATE_H
#define OSSB_EMULATE_H

#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>

#include "owner.h"
#include "run.h"

enum emulation {
    /* Done without a word: ids can't change where there is one. */
    EMULATE_SUCCESS,
    EMULATE_CHOWN,
    EMULATE_LCHOWN,
    EMULATE_FCHOWN,
    EMULATE_FCHOWNAT,
    /* Ids of 16 bits, as the oldest calls have them. */
    EMULATE_CHOWN16,
    EMULATE_LCHOWN16,
    EMULATE_FCHOWN16,
    EMULATE_MKNOD,
    EMULATE_MKNODAT,
    EMULATE_UTIMENSAT,
    EMULATE_UTIMENSAT32,
    EMULATE_STAT,
    EMULATE_LSTAT,
    EMULATE_FSTAT,
    EMULATE_FSTATAT,
    EMULATE_STATX,
};

struct emulated_call {
    uint32_t audit_arch;
    uint16_t number;
    uint16_t emulation;
};

const struct emulated_call *emulated_calls(size_t *count);

/* notify.c: what the supervisor does with the listener of the filter. */
/* 0, or -1 with errno ENOSYS before Linux 5.5, where a call that was seen can't go on in the kernel. */
int can_let_calls_go_on(void);
void begin_answering(int listener, const struct run_spec *spec);
/* Answers the next call that waits, when poll says `events` of the listener. 0 when nobody is left who could ask. */
int answer_call(short events);
int listener_fd(void);

/* Who asks for something. */
struct caller_ids {
    uid_t uid;
    gid_t gid;
    const gid_t *groups;
    size_t group_count;
};

/* A call that waits for its answer. */
struct waiting_call {
    const struct seccomp_notif *notice;
    const struct run_spec *spec;
    struct caller_ids caller;
    /* Of a run that is traced: opens as open_of_caller() does. Nobody can be asked for the root of such a caller. */
    int (*open)(const struct waiting_call *call, int directory, const char *path, int follow);
};

/* In place of an answer: the kernel does the call after all. */
enum { CALL_GOES_ON = 1 };

/* owner_calls.c, stat_calls.c: 0, or a negative error number. */
int64_t emulate_chown(const struct waiting_call *call, enum emulation emulation);
int64_t emulate_mknod(const struct waiting_call *call, enum emulation emulation);
int64_t emulate_utimensat(const struct waiting_call *call, enum emulation emulation);
int64_t emulate_stat(const struct waiting_call *call, enum emulation emulation);

/*
 * What is on record of a file, with what is to come of a file that has no record yet: the run's user, or the group of a
 * directory that hands its group on. 1, or 0 where nothing is on record, or -1 with errno; `owner` is whole in any case.
 */
int owner_of_file(const struct waiting_call *call, int fd, const struct statx *status, struct owner *owner);

/* caller.c: the process that asked, and paths as it means them. */
/* The text at an address of the caller. 0, or -1 with errno. */
int read_caller_text(const struct waiting_call *call, uint64_t address, char text[], size_t size);
int read_caller_bytes(const struct waiting_call *call, uint64_t address, void *bytes, size_t size);
int write_caller_bytes(const struct waiting_call *call, uint64_t address, const void *bytes, size_t size);
int is_still_waiting(const struct waiting_call *call);
/* An O_PATH descriptor of what the caller's path names, or -1 with errno. */
int open_of_caller(const struct waiting_call *call, int directory, const char *path, int follow);
/* What the caller has open as `fd`. */
int open_descriptor_of_caller(const struct waiting_call *call, int fd);
/* Calls `action` with the caller's root and directory as this process's own. */
int as_caller(const struct waiting_call *call, int directory, const char *path, int (*action)(void *), void *argument);
mode_t umask_of_caller(const struct waiting_call *call);

#endif
