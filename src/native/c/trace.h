/*
 * trace: a run for who may make neither namespaces nor a chroot. A filter stops the calls that name files, owners,
 * users and processes (SECCOMP_RET_TRACE), and the supervisor does them itself on the files meant, or lets them go on
 * with the path of the host in place of the run's own. What the root shows is the tree of the run with redirections in
 * place of mounts. Compatibility, not protection: a hostile program can change a path between look and use.
 */
#ifndef OSSB_TRACE_H
#define OSSB_TRACE_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/user.h>

#include "emulate.h"
#include "run.h"

/* Who a process takes itself for. */
struct traced_ids {
    uid_t uid[3];
    gid_t gid[3];
    uid_t fsuid;
    gid_t fsgid;
    gid_t *groups;
    size_t group_count;
};

enum { REAL_ID, EFFECTIVE_ID, SAVED_ID };

/* What the threads of a process share. */
struct traced_process {
    size_t threads;
    pid_t pid;
    /* Its program as a path in the root: /proc/PID/exe shows the loader. */
    char *program;
    mode_t umask;
    struct traced_ids ids;
    /* Memory of the process for texts of the supervisor: a page for each thread; 0 where there is none yet. */
    uint64_t pages;
    uint64_t used_pages[4];
};

struct loading;

struct task {
    pid_t tid;
    /* NULL until its parent's own event came. */
    struct traced_process *process;
    struct task *next;
    int page;
    int is_waiting;
    /* At the end of its call: give the arguments back, then load the program. */
    int has_saved;
    uint64_t saved[6];
    struct loading *loading;
};

/* tasks */
struct task *find_task(pid_t tid);
struct task *add_task(pid_t tid);
void remove_task(struct task *task);
void join_process(struct task *task, struct traced_process *process);
struct traced_process *fork_process(const struct traced_process *parent, pid_t pid);
struct task *first_task(void);
struct task *next_task(struct task *task);
int is_traced(pid_t pid);

/* registers */
struct registers {
    struct user_regs_struct raw;
};
int read_registers(pid_t tid, struct registers *registers);
int write_registers(pid_t tid, const struct registers *registers);
long call_number(const struct registers *registers);
uint64_t call_argument(const struct registers *registers, size_t index);
void set_call_argument(struct registers *registers, size_t index, uint64_t value);
/* Answers in place of the kernel. */
void answer_in_place(pid_t tid, struct registers *registers, int64_t result);
/* At the end of a call: its arguments as they were. */
void restore_arguments(pid_t tid, const uint64_t saved[6]);
uint64_t stack_pointer(const struct registers *registers);
uint64_t instruction_pointer(const struct registers *registers);
/* Does a call in the stopped task, which is at its program's first instruction. The result, or a negative error number. */
struct injection {
    pid_t tid;
    struct registers before;
    long code;
    int signal;
};
int begin_injection(struct injection *injection, pid_t tid);
int64_t inject(struct injection *injection, long number, const uint64_t arguments[6]);
void end_injection(struct injection *injection);

/* A call that was stopped. */
struct traced_call {
    struct waiting_call waiting;
    struct seccomp_notif notice;
    struct run_spec spec;
    struct task *task;
    struct registers registers;
    const struct traced_entry *entry;
};

/* In place of a result. */
#define CALL_UNCHANGED INT64_MIN
#define CALL_REWRITTEN (INT64_MIN + 1)

/* Which argument is what; -1 where there is none. */
struct traced_entry {
    uint16_t number;
    int64_t (*handle)(struct traced_call *call);
    int8_t directory;
    int8_t path;
    int8_t flags;
    uint16_t variant;
};
const struct traced_entry *find_entry(long number);
const struct traced_entry *traced_entries(size_t *count);

/* paths */
/* A part of the root that lies elsewhere on the host. */
struct redirection {
    const char *target;
    const char *source;
    int is_readonly;
};
void begin_paths(const struct run_spec *spec, const char *scratch);
struct located {
    /* As the run and as the host name it. */
    char path[PATH_MAX];
    char host[PATH_MAX];
    int exists;
    int is_link;
    int is_readonly;
    /* A link of /proc that the kernel itself must follow. */
    int is_magic;
    int is_mount_point;
    const struct redirection *redirection;
};
enum { KEEP_LINK, FOLLOW_LINK };
/* 0, or a negative error number. The last part need not exist. */
int locate(const struct task *task, int directory, const char *path, int follow, struct located *found);
int locate_argument(struct traced_call *call, int directory, int path, int follow, struct located *found);
/* The run's name of a path of the host. 0, or -1 where it has none. */
int name_in_root(const char *host, char path[PATH_MAX]);
/* Where an open file lies, or NULL where that is the root's own tree or nowhere. */
const struct redirection *redirection_of(int fd);
/* Whether an open file is one that the run may only read. */
int is_protected(int fd);
/* What a link says, to the run. Its length, or a negative error number. */
int64_t read_link(const struct task *task, const struct located *link, char text[PATH_MAX]);
/* "/proc/TID/NAME" */
void proc_path(char path[PATH_MAX], pid_t tid, const char *name);
/* Puts a text into memory of the task. Its address, or 0. */
uint64_t lend_text(struct traced_call *call, const char *text, size_t size);

/* access: 0, or -EACCES where R_OK, W_OK, X_OK are more than the process has. */
int may_use(const struct task *task, const struct run_spec *spec, const char *host, int wanted);
/* Whether it may make, remove or rename what was located: 0, -EACCES or -EPERM. */
int may_change_names(const struct task *task, const struct run_spec *spec, const struct located *found);

int64_t trace_open(struct traced_call *call);
int64_t trace_path(struct traced_call *call);
int64_t trace_access(struct traced_call *call);
int64_t trace_stat(struct traced_call *call);
int64_t trace_statfs(struct traced_call *call);
int64_t trace_chown(struct traced_call *call);
int64_t trace_chmod(struct traced_call *call);
int64_t trace_times(struct traced_call *call);
int64_t trace_make(struct traced_call *call);
int64_t trace_remove(struct traced_call *call);
int64_t trace_rename(struct traced_call *call);
int64_t trace_link(struct traced_call *call);
int64_t trace_symlink(struct traced_call *call);
int64_t trace_readlink(struct traced_call *call);
int64_t trace_getcwd(struct traced_call *call);
int64_t trace_chroot(struct traced_call *call);
int64_t trace_attribute(struct traced_call *call);
int64_t trace_exec(struct traced_call *call);
int64_t trace_get_ids(struct traced_call *call);
int64_t trace_set_ids(struct traced_call *call);
int64_t trace_umask(struct traced_call *call);
int64_t trace_uname(struct traced_call *call);
int64_t trace_capget(struct traced_call *call);
int64_t trace_kill(struct traced_call *call);
int64_t trace_socket_address(struct traced_call *call);

/* The end of execve in the task: 0, or -1 when it is beyond help. */
int finish_exec(struct task *task);
void forget_loading(struct task *task);
/* Who a process is when a program's set-id bits count. */
void take_program_ids(struct traced_process *process, uint32_t mode, const struct owner *owner);

/* files: what is on record of a file, whole */
int record_of(const struct traced_call *call, int fd, struct statx *status, struct owner *owner);
/* Writes down who made a file where that is not the run's user. 0, or a negative error number. */
int64_t record_maker(const struct traced_call *call, const char *host);

#endif
