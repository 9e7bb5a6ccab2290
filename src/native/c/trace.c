/*
 * trace SPEC-FD EVENT-FD SCRATCH: a run (run.c) by tracing; see trace.h. SCRATCH is an empty directory for what the run
 * sees as /dev and as file systems in memory; whoever made it removes it.
 *
 *   supervisor   the process that was started; it traces all others, answers their calls, and ends them (PTRACE_O_EXITKILL)
 *   relay        carries the output, so that the supervisor waits for nothing but calls
 *   payload      the command, in a session of its own
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "served.h"
#include "trace.h"

#ifndef PTRACE_EVENT_STOP
#define PTRACE_EVENT_STOP 128
#endif

static struct run_spec spec;
static pid_t payload;
static volatile pid_t signalled;
static volatile sig_atomic_t must_end;
static int *has_failed;
static const int FORWARDED[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT};
static const int KILL_ALL = SIGUSR1;
static const unsigned long OPTIONS = PTRACE_O_EXITKILL | PTRACE_O_TRACESECCOMP | PTRACE_O_TRACEFORK |
                                     PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC |
                                     PTRACE_O_TRACESYSGOOD;

static void note_failure(void)
{
    *has_failed = 1;
}

static void pass_to_payload(int number)
{
    int saved = errno;
    if (signalled > 0 && kill(-signalled, number) < 0)
        kill(signalled, number);
    errno = saved;
}

/* The end of the payload is what the supervisor wakes up for, wherever it is now. */
static void end_all(int number)
{
    int saved = errno;
    (void)number;
    must_end = 1;
    if (signalled > 0)
        kill(signalled, SIGKILL);
    errno = saved;
}

/* Without SA_RESTART: the wait for the next call comes back at once. */
static void handle_signals(void)
{
    struct sigaction action = {.sa_handler = pass_to_payload};
    for (size_t i = 0; i < sizeof FORWARDED / sizeof FORWARDED[0]; i++)
        sigaction(FORWARDED[i], &action, NULL);
    action.sa_handler = end_all;
    sigaction(KILL_ALL, &action, NULL);
}

uint64_t lend_text(struct traced_call *call, const char *text, size_t size)
{
    const struct task *task = call->task;
    uint64_t pages = task->process->pages;
    /* Before its first program starts, and where there are too many threads, the memory below the stack has to do. */
    uint64_t address = pages && task->page >= 0 ? pages + (uint64_t)(task->page + 1) * PATH_MAX
                                                : (stack_pointer(&call->registers) - 256 - PATH_MAX) & ~15ULL;
    return write_caller_bytes(&call->waiting, address, text, size) < 0 ? 0 : address;
}

static int open_located(const struct waiting_call *waiting, int directory, const char *path, int follow)
{
    struct located found;
    const struct traced_call *call = (const struct traced_call *)(const void *)waiting;
    int result = locate(call->task, directory, path, follow, &found);
    errno = -result;
    return result < 0 ? -1 : open(found.host, O_PATH | O_CLOEXEC | (found.is_magic && follow ? 0 : O_NOFOLLOW));
}

static void resume(const struct task *task, int request, int number)
{
    ptrace(request, task->tid, NULL, (void *)(long)number);
}

static void begin_call(struct traced_call *call, struct task *task)
{
    call->task = task;
    call->spec = spec;
    call->notice = (struct seccomp_notif){.pid = (uint32_t)task->tid};
    for (size_t i = 0; i < 6; i++)
        call->notice.data.args[i] = call_argument(&call->registers, i);
    const struct traced_ids *ids = &task->process->ids;
    call->waiting = (struct waiting_call){
        .notice = &call->notice,
        .spec = &call->spec,
        .caller = {.uid = ids->fsuid, .gid = ids->fsgid, .groups = ids->groups, .group_count = ids->group_count},
        .open = open_located,
    };
}

/* A call that the filter stopped. */
static void answer(struct task *task)
{
    static struct traced_call call;
    if (read_registers(task->tid, &call.registers) < 0)
        return;
    call.entry = find_entry(call_number(&call.registers));
    if (!call.entry || !task->process) {
        resume(task, PTRACE_CONT, 0);
        return;
    }
    begin_call(&call, task);
    int64_t result = call.entry->handle(&call);
    if (result == CALL_REWRITTEN) {
        memcpy(task->saved, call.notice.data.args, sizeof task->saved);
        task->has_saved = 1;
        write_registers(task->tid, &call.registers);
        resume(task, PTRACE_SYSCALL, 0);
        return;
    }
    forget_loading(task);
    if (result != CALL_UNCHANGED)
        answer_in_place(task->tid, &call.registers, result);
    resume(task, PTRACE_CONT, 0);
}

/* The end of a call that was rewritten, or of the one that started a program. */
static void finish_call(struct task *task)
{
    if (task->has_saved) {
        restore_arguments(task->tid, task->saved);
        task->has_saved = 0;
        forget_loading(task);
    } else if (task->loading && finish_exec(task) < 0) {
        kill(task->tid, SIGKILL);
    }
    resume(task, PTRACE_CONT, 0);
}

static int shares_process(pid_t parent, int event)
{
    struct registers registers;
    if (event != PTRACE_EVENT_CLONE || read_registers(parent, &registers) < 0)
        return 0;
    return (call_argument(&registers, 0) & CLONE_THREAD) != 0;
}

/* A new task may stop before or after its parent says that there is one. */
static void add_child(struct task *parent, int event)
{
    unsigned long tid = 0;
    ptrace(PTRACE_GETEVENTMSG, parent->tid, NULL, &tid);
    struct task *task = find_task((pid_t)tid);
    if (!task)
        task = add_task((pid_t)tid);
    join_process(task, shares_process(parent->tid, event) ? parent->process : fork_process(parent->process, (pid_t)tid));
    if (task->is_waiting)
        resume(task, PTRACE_CONT, 0);
    task->is_waiting = 0;
    resume(parent, PTRACE_CONT, 0);
}

/* The thread that started a program has the process's number now, and is its only one. */
static void become_leader(struct task *task)
{
    unsigned long former = 0;
    ptrace(PTRACE_GETEVENTMSG, task->tid, NULL, &former);
    struct task *from = (pid_t)former == task->tid ? NULL : find_task((pid_t)former);
    if (from) {
        forget_loading(task);
        task->loading = from->loading;
        from->loading = NULL;
        remove_task(from);
    }
    task->has_saved = 0;
    task->process->pages = 0;
    resume(task, PTRACE_SYSCALL, 0);
}

static void handle_stop(struct task *task, int status)
{
    int number = WSTOPSIG(status), event = status >> 16;
    switch (event) {
    case PTRACE_EVENT_SECCOMP: answer(task); return;
    case PTRACE_EVENT_FORK:
    case PTRACE_EVENT_VFORK:
    case PTRACE_EVENT_CLONE: add_child(task, event); return;
    case PTRACE_EVENT_EXEC: become_leader(task); return;
    case PTRACE_EVENT_STOP:
        if (!task->process)
            task->is_waiting = 1;
        else
            resume(task, number == SIGTRAP ? PTRACE_CONT : PTRACE_LISTEN, 0);
        return;
    default: break;
    }
    if (number == (SIGTRAP | 0x80))
        finish_call(task);
    else
        resume(task, task->has_saved || task->loading ? PTRACE_SYSCALL : PTRACE_CONT, number);
}

static void kill_tasks(void)
{
    for (struct task *task = first_task(); task; task = next_task(task))
        kill(task->tid, SIGKILL);
}

/* Those whose parent was killed before it said that there is a child: they are the supervisor's children now. */
static void kill_orphans(void)
{
    for (struct task *task = first_task(); task; task = next_task(task))
        if (!task->process && status_number(task->tid, "\nPPid:\t") == getpid())
            kill(task->tid, SIGKILL);
}

static void end_task(struct task *task, int status, int *result)
{
    pid_t tid = task->tid;
    remove_task(task);
    kill_orphans();
    if (tid != payload)
        return;
    *result = status;
    signalled = 0;
    must_end = 1;
}

/* Until nobody is left. The status of the payload. */
static int supervise(void)
{
    int status, result = 0;
    while (first_task()) {
        pid_t tid = waitpid(-1, &status, __WALL);
        if (tid < 0 && errno == ECHILD)
            break;
        struct task *task = tid < 0 ? NULL : find_task(tid);
        if (tid >= 0 && WIFSTOPPED(status))
            handle_stop(task ? task : add_task(tid), status);
        else if (task)
            end_task(task, status, &result);
        if (must_end)
            kill_tasks();
    }
    return result;
}

static pid_t start_relay(struct stream *streams)
{
    pid_t pid = fork();
    if (pid < 0)
        fail("fork", "");
    if (pid > 0)
        return pid;
    for (size_t i = 0; i < sizeof FORWARDED / sizeof FORWARDED[0]; i++)
        signal(FORWARDED[i], SIG_IGN);
    signal(KILL_ALL, SIG_IGN);
    close(event_fd);
    for (size_t i = 0; i < 2; i++)
        close(streams[i].writing);
    while (streams[0].reading >= 0 || streams[1].reading >= 0) {
        struct pollfd polled[2];
        for (size_t i = 0; i < 2; i++)
            polled[i] = (struct pollfd){.fd = streams[i].reading, .events = POLLIN};
        if (poll(polled, 2, -1) < 0)
            continue;
        for (size_t i = 0; i < 2; i++)
            if (polled[i].revents)
                relay_stream(&streams[i]);
    }
    _exit(0);
}

static struct traced_process *first_process(void)
{
    struct traced_process *process = allocate(sizeof *process);
    *process = (struct traced_process){
        .pid = payload,
        .program = copy_text("/"),
        .umask = 022,
        .ids = {
            .uid = {spec.uid, spec.uid, spec.uid},
            .gid = {spec.gid, spec.gid, spec.gid},
            .fsuid = spec.uid,
            .fsgid = spec.gid,
            .group_count = spec.group_count,
        },
    };
    process->ids.groups = allocate(spec.group_count * sizeof(gid_t));
    if (spec.group_count > 0)
        memcpy(process->ids.groups, spec.groups, spec.group_count * sizeof(gid_t));
    return process;
}

/* Root's, whoever the run's user is. What can't be made is missed later. */
static void make_directory(const struct task *task, const char *path)
{
    const struct owner root = {.device = 0};
    struct located found;
    if (locate(task, AT_FDCWD, path, FOLLOW_LINK, &found) == 0 && !found.exists && mkdir(found.host, 0755) == 0)
        write_owner((struct place){.path = found.host}, S_IFDIR, &root);
}

static void enter_directory(void)
{
    struct located found;
    struct task none = {.tid = getpid()};
    char *path = copy_text(spec.cwd);
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        make_directory(&none, path);
        *slash = '/';
    }
    make_directory(&none, path);
    free(path);
    int result = locate(&none, AT_FDCWD, spec.cwd, FOLLOW_LINK, &found);
    errno = -result;
    if (result < 0 || chdir(found.host) < 0)
        fail("chdir", spec.cwd);
}

static void start_payload(const struct stream *streams)
{
    int channel[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, channel) < 0)
        fail("socketpair", "");
    payload = fork();
    if (payload < 0)
        fail("fork", "");
    if (payload == 0) {
        close(channel[0]);
        enter_directory();
        run_payload(&spec, streams[0].writing, streams[1].writing, channel[1]);
    }
    signalled = payload;
    close(channel[1]);
    if (ptrace(PTRACE_SEIZE, payload, NULL, (void *)OPTIONS) < 0) {
        int reason = errno;
        kill(payload, SIGKILL);
        errno = reason;
        fail("ptrace PTRACE_SEIZE", "");
    }
    join_process(add_task(payload), first_process());
    if (write(channel[0], "", 1) != 1)
        fail("start the command", "");
    close(channel[0]);
}

static int report_end(int status)
{
    struct buffer line = {0};
    int number = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    int code = number ? 128 + number : WEXITSTATUS(status);
    if (*has_failed)
        return EXIT_HELPER_FAILURE;
    buffer_text(&line, "{\"ev\":\"exit\",\"code\":");
    buffer_number(&line, code);
    buffer_text(&line, ",\"signal\":");
    buffer_number(&line, number);
    buffer_text(&line, "}\n");
    write_all(event_fd, line.data, line.length);
    return code;
}

static void read_command(int argc, char **argv)
{
    unsigned long long spec_fd, events;
    if (argc != 3 || parse_number(argv[0], 1023, &spec_fd) < 0 || parse_number(argv[1], 1023, &events) < 0)
        _exit(EXIT_HELPER_FAILURE);
    event_fd = (int)events;
    fcntl(event_fd, F_SETFD, FD_CLOEXEC);
    die_with_parent(event_fd);
    read_spec((int)spec_fd, &spec);
    close((int)spec_fd);
    spec.one_id = spec.is_traced = 1;
}

/* As /proc names it, which is what a descriptor of it is called. */
static void resolve_root(void)
{
    char *root = realpath(spec.root, NULL);
    if (!root)
        fail("open", spec.root);
    spec.root = root;
}

int command_trace(int argc, char **argv)
{
    struct stream streams[2];
    int status;
    read_command(argc, argv);
    setsid();
    signal(SIGPIPE, SIG_IGN);
    resolve_root();
    if (write_maker(spec.root, spec.uid, spec.gid) < 0)
        fail("record the owner of new files", spec.root);
    has_failed = mmap(NULL, sizeof *has_failed, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (has_failed == MAP_FAILED)
        fail("mmap", "");
    on_failure = note_failure;
    if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
        fail("prctl PR_SET_CHILD_SUBREAPER", "");
    begin_paths(&spec, argv[2]);
    open_stream(&streams[0], 1);
    open_stream(&streams[1], 2);
    pid_t carrier = start_relay(streams);
    start_payload(streams);
    for (size_t i = 0; i < 2; i++) {
        close(streams[i].reading);
        close(streams[i].writing);
    }
    umask(0);
    handle_signals();
    status = supervise();
    while (waitpid(carrier, NULL, 0) < 0 && errno == EINTR)
        ;
    return report_end(status);
}
