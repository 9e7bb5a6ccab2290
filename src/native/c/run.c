/*
 * run SPEC-FD EVENT-FD: one command in a root of its own, and the end of everything that it started.
 *
 *   supervisor   the process that was started: outside the new namespaces but for ipc, uts, cgroup and network; carries
 *                output and signals, cleans up, reports
 *   init         process 1 of the new pid namespace: sets up the root; when it ends, the kernel kills the rest
 *   payload      the command
 *
 * Each dies when the one before it does. SIGTERM to the supervisor goes on to the payload's process group; SIGUSR1 ends
 * all that runs. Only init enters the mount namespace: what enters it loses its old root.
 */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "chroot.h"
#include "emulate.h"
#include "owner.h"
#include "run.h"

/* Written by init and payload, read by the supervisor when they are gone. */
struct outcome {
    int failed;
    int ended;
    int status;
};

static struct outcome *outcome;
static volatile pid_t child;
static const int FORWARDED[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT};
static const int KILL_ALL = SIGUSR1;

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static void note_failure(void)
{
    outcome->failed = 1;
}

static void block_signals(int how)
{
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < COUNT(FORWARDED); i++)
        sigaddset(&set, FORWARDED[i]);
    sigaddset(&set, KILL_ALL);
    sigprocmask(how, &set, NULL);
}

static void handle_signal(int number, void (*handler)(int, siginfo_t *, void *))
{
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_RESTART};
    sigaction(number, &action, NULL);
}

static void handle_forwarded(void (*handler)(int, siginfo_t *, void *))
{
    for (size_t i = 0; i < COUNT(FORWARDED); i++)
        handle_signal(FORWARDED[i], handler);
}

static void pass_to_init(int number, siginfo_t *info, void *context)
{
    (void)info;
    (void)context;
    int saved = errno;
    kill(child, number);
    errno = saved;
}

/* Ends all of it. The kernel is done with that before the supervisor sees the end of init, unlike when it is killed. */
static void kill_init(int number, siginfo_t *info, void *context)
{
    (void)number;
    pass_to_init(SIGKILL, info, context);
}

/* Only what comes from outside the pid namespace, whose sender has no number here: not what the payload sends. */
static void pass_to_payload(int number, siginfo_t *info, void *context)
{
    (void)context;
    int saved = errno;
    if (info->si_pid == 0 && kill(-child, number) < 0)
        kill(child, number);
    errno = saved;
}

static void raise_loopback(void)
{
    struct ifreq request = {.ifr_name = "lo"};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        fail("open a socket", "lo");
    request.ifr_flags = IFF_UP | IFF_RUNNING;
    if (ioctl(fd, SIOCSIFFLAGS, &request) < 0)
        fail("bring up", "lo");
    close(fd);
}

static void enter_user_namespace(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || setns(fd, CLONE_NEWUSER) < 0)
        fail("enter the user namespace", path);
    close(fd);
    /* A change of what this process may do can have cleared it. */
    die_with_parent(event_fd);
}

static void enter_namespaces(const struct run_spec *spec)
{
    if (spec->user_namespace)
        enter_user_namespace(spec->user_namespace);
    if (unshare(CLONE_NEWIPC) < 0)
        fail("unshare", "ipc namespace");
    if (unshare(CLONE_NEWUTS) < 0)
        fail("unshare", "uts namespace");
    /* Kernels before 4.6 have none. */
    if (unshare(CLONE_NEWCGROUP) < 0 && errno != EINVAL)
        fail("unshare", "cgroup namespace");
    if (spec->new_network) {
        if (unshare(CLONE_NEWNET) < 0)
            fail("unshare", "network namespace");
        raise_loopback();
    }
    if (sethostname(spec->hostname, strlen(spec->hostname)) < 0)
        fail("sethostname", spec->hostname);
    if (unshare(CLONE_NEWPID) < 0)
        fail("unshare", "pid namespace");
}

static void wait_for_payload(void)
{
    int status;
    for (;;) {
        pid_t pid = waitpid(-1, &status, 0);
        if (pid == child) {
            outcome->status = status;
            outcome->ended = 1;
            return;
        }
        if (pid < 0 && errno != EINTR)
            return;
    }
}

/* The channel stays open to the end: that it closes tells the supervisor that this process is gone. */
static _Noreturn void run_init(struct run_spec *spec, const struct stream *streams, int channel)
{
    die_with_parent(channel);
    umask(0);
    enter_root(spec, channel);
    pid_t pid = fork();
    if (pid < 0)
        fail("fork", "");
    if (pid == 0)
        run_payload(spec, streams[0].writing, streams[1].writing, channel);
    child = pid;
    close(event_fd);
    close(streams[0].writing);
    close(streams[1].writing);
    for (int fd = 0; fd <= 2; fd++)
        close(fd);
    /* The payload may read what /proc shows of this process only with CAP_SYS_PTRACE. */
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    handle_forwarded(pass_to_payload);
    block_signals(SIG_UNBLOCK);
    wait_for_payload();
    _exit(0);
}

/* Until init is gone. */
static void supervise(const struct run_spec *spec, struct stream *streams, int channel)
{
    struct pollfd polled[4] = {{.fd = channel, .events = POLLIN}};
    int listener = -1;
    for (;;) {
        polled[3] = (struct pollfd){.fd = listener, .events = POLLIN};
        for (size_t i = 0; i < 2; i++)
            polled[i + 1] = (struct pollfd){.fd = streams[i].reading, .events = POLLIN};
        if (poll(polled, 4, -1) < 0)
            continue;
        for (size_t i = 0; i < 2; i++) {
            if (polled[i + 1].revents)
                relay_stream(&streams[i]);
        }
        if (polled[3].revents && !answer_call(polled[3].revents))
            listener = -1;
        if (!polled[0].revents)
            continue;
        int was = listener;
        if (!receive_message(channel, &listener))
            break;
        if (listener != was)
            begin_answering(listener, spec);
    }
    drain_stream(&streams[0]);
    drain_stream(&streams[1]);
}

static int report_end(int init_status)
{
    struct buffer line = {0};
    if (outcome->failed)
        return EXIT_HELPER_FAILURE;
    if (!outcome->ended) {
        errno = WIFSIGNALED(init_status) ? EINTR : EIO;
        report_failure("error", "wait for the command", "its process 1 was killed", errno);
        return EXIT_HELPER_FAILURE;
    }
    int number = WIFSIGNALED(outcome->status) ? WTERMSIG(outcome->status) : 0;
    int code = number ? 128 + number : WEXITSTATUS(outcome->status);
    buffer_text(&line, "{\"ev\":\"exit\",\"code\":");
    buffer_number(&line, code);
    buffer_text(&line, ",\"signal\":");
    buffer_number(&line, number);
    buffer_text(&line, "}\n");
    write_all(event_fd, line.data, line.length);
    return code;
}

static void read_descriptors(char **argv, int *spec_fd)
{
    unsigned long long spec, events;
    if (parse_number(argv[0], 1023, &spec) < 0 || parse_number(argv[1], 1023, &events) < 0)
        _exit(EXIT_HELPER_FAILURE);
    *spec_fd = (int)spec;
    event_fd = (int)events;
    fcntl(event_fd, F_SETFD, FD_CLOEXEC);
}

/* By namespaces: the status of init. */
static int run_in_namespaces(struct run_spec *spec, struct stream streams[2])
{
    int channel[2], status = 0;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, channel) < 0)
        fail("socketpair", "");
    enter_namespaces(spec);
    pid_t pid = fork();
    if (pid < 0)
        fail("fork", "");
    if (pid == 0) {
        close(channel[0]);
        close(streams[0].reading);
        close(streams[1].reading);
        run_init(spec, streams, channel[1]);
    }
    child = pid;
    close(channel[1]);
    close(streams[0].writing);
    close(streams[1].writing);
    handle_forwarded(pass_to_init);
    handle_signal(KILL_ALL, kill_init);
    block_signals(SIG_UNBLOCK);
    supervise(spec, streams, channel[0]);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    remove_stubs();
    return status;
}

int command_run(int argc, char **argv)
{
    struct run_spec spec;
    struct stream streams[2];
    int spec_fd;
    if (argc != 2)
        return EXIT_HELPER_FAILURE;
    read_descriptors(argv, &spec_fd);
    die_with_parent(event_fd);
    setsid();
    signal(SIGPIPE, SIG_IGN);
    block_signals(SIG_BLOCK);
    read_spec(spec_fd, &spec);
    close(spec_fd);
    spec.one_id = has_one_id();
    if (spec.one_id && write_maker(spec.root, spec.uid, spec.gid) < 0)
        fail("record the owner of new files", spec.root);
    outcome = mmap(NULL, sizeof *outcome, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (outcome == MAP_FAILED)
        fail("mmap", "");
    on_failure = note_failure;
    open_stream(&streams[0], 1);
    open_stream(&streams[1], 2);
    if (!spec.holding)
        return report_end(run_in_namespaces(&spec, streams));
    outcome->status = run_in_chroot(&spec, streams);
    outcome->ended = 1;
    return report_end(0);
}
