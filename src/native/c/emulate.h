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
    /* Where /proc is served (served_calls.c). */
    EMULATE_OPEN,
    EMULATE_OPENAT,
    EMULATE_ACCESS,
    EMULATE_FACCESSAT,
    EMULATE_FACCESSAT2,
    EMULATE_READLINK,
    EMULATE_READLINKAT,
    EMULATE_STATFS,
    /* Extended attributes, of which served files have none. */
    EMULATE_ATTRIBUTE,
    EMULATE_LINK_ATTRIBUTE,
    EMULATE_CHDIR,
    EMULATE_EXECVE,
    EMULATE_EXECVEAT,
    EMULATE_UNAME,
    /* On the process that is the first argument, or of ptrace the second (signal_calls.c). */
    EMULATE_KILL,
    EMULATE_SIGNAL,
    EMULATE_PTRACE,
};

/* When a call is to be answered. */
enum { WITH_ONE_ID = 1, WHERE_SERVED = 2 };

struct emulated_call {
    uint32_t audit_arch;
    uint16_t number;
    uint8_t emulation;
    uint8_t when;
};

const struct emulated_call *emulated_calls(size_t *count);

/* notify.c: what the supervisor does with the listener of the filter. */
/* 0, or -1 with errno ENOSYS before Linux 5.5, where a call that was seen can't go on in the kernel. */
int can_let_calls_go_on(void);
void begin_answering(int listener, const struct run_spec *spec);
/* Answers the next call that waits, when poll says `events` of the listener. 0 when nobody is left who could ask. */
int answer_call(short events);
int listener_fd(void);
void end_answering(void);
/* Which rows of the table apply to a run. */
int when_answered(const struct run_spec *spec);

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
#define CALL_GOES_ON INT64_MIN

/* owner_calls.c, stat_calls.c, served_calls.c, signal_calls.c: what the call gives, or a negative error number. */
int64_t emulate_chown(const struct waiting_call *call, enum emulation emulation);
int64_t emulate_mknod(const struct waiting_call *call, enum emulation emulation);
int64_t emulate_utimensat(const struct waiting_call *call, enum emulation emulation);
int64_t emulate_stat(const struct waiting_call *call, enum emulation emulation);
int64_t emulate_path(const struct waiting_call *call, enum emulation emulation);
int64_t emulate_uname(const struct waiting_call *call, enum emulation emulation);
int64_t emulate_signal(const struct waiting_call *call, enum emulation emulation);

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
/* The path, as this process sees it, of where the caller's relative path starts; its length, or -1. */
ssize_t read_start_of_caller(const struct waiting_call *call, int directory, char path[PATH_MAX]);
/* The status of the caller's directory in /proc: its owner is the caller's. 0, or -1 with errno. */
int stat_of_caller(const struct waiting_call *call, struct stat *status);
/* What the caller has open as `fd`. */
int open_descriptor_of_caller(const struct waiting_call *call, int fd);
/* Calls `action` with the caller's root and directory as this process's own. */
int as_caller(const struct waiting_call *call, int directory, const char *path, int (*action)(void *), void *argument);
mode_t umask_of_caller(const struct waiting_call *call);

#endif
