/*
 * run where nothing can be mounted and no namespace can be made, as in a container of Docker's defaults:
 *
 *   supervisor   the process that was started, and the subreaper of all that the run starts: fills /proc, /dev and
 *                mount points, answers calls, ends what is left
 *   payload      the command, by chroot, without the capability to chroot again: nothing leads out of its root
 *
 * Signals to processes that are not of the run are answered as if there were none (signal_calls.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "chroot.h"
#include "emulate.h"

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

static struct served_tree tree;
static int is_set_up;
/* Both ends of a channel to this process itself, and to the payload later. */
static int channel[2];
static int listener = -1;
static volatile pid_t payload;
static volatile sig_atomic_t must_end;
static volatile sig_atomic_t has_child_ended;

const struct served_tree *served_tree(void)
{
    return is_set_up ? &tree : NULL;
}

/* What was made on the way is remembered before anything else is done. */
static void receive_stubs(void)
{
    struct pollfd waiting = {.fd = channel[0], .events = POLLIN};
    while (poll(&waiting, 1, 0) == 1 && receive_message(channel[0], &listener))
        ;
}

void find_in_root(const char *path, enum target_kind kind, struct target *target)
{
    int outside = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (outside < 0 || fchdir(tree.root) < 0 || chroot(".") < 0)
        fail("chroot", tree.root_path);
    find_target(path, kind, channel[1], target);
    if (fchdir(outside) < 0 || chroot(".") < 0)
        fail("chroot", "back");
    close(outside);
    receive_stubs();
}

static void open_root(const struct run_spec *spec)
{
    char *path = realpath(spec->root, NULL);
    int root = path ? open(path, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
    if (root < 0)
        fail("open", spec->root);
    tree = (struct served_tree){
        .root_path = path,
        .root = root,
        .supervisor = getpid(),
        .hostname = spec->hostname,
    };
}

static void refuse_other(const char *path)
{
    struct stat status;
    if (fstatat(tree.root, path + 1, &status, AT_SYMLINK_NOFOLLOW) < 0 || S_ISDIR(status.st_mode))
        return;
    errno = S_ISLNK(status.st_mode) ? ELOOP : ENOTDIR;
    fail("use a path of the image that must be a directory", path);
}

/*
 * apt changes its effective user for a moment, after which the kernel shows its memory, and with it the paths that it
 * asks for, to nobody but who may trace everything.
 */
static void keep_apt_root(const struct run_spec *spec)
{
    struct stat status;
    if (spec->uid == 0 && fstatat(tree.root, "etc/apt/apt.conf.d", &status, AT_SYMLINK_NOFOLLOW) == 0 &&
        S_ISDIR(status.st_mode))
        substitute_file(spec, APT_SETTING, APT_STAYS_ROOT);
}

static void fill_root(struct run_spec *spec)
{
    static const char *const KERNEL[] = {"/proc", "/sys", "/dev"};
    for (size_t i = 0; i < 3; i++)
        refuse_other(KERNEL[i]);
    for (size_t i = 0; i < 3; i++)
        substitute_directory(spec, KERNEL[i], 0755);
    int devices = openat(tree.root, "dev", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (devices < 0)
        fail("open", "/dev");
    tree.serves_devices = fill_devices(devices);
    close(devices);
    keep_apt_root(spec);
    for (size_t i = 0; i < spec->mount_count; i++)
        if (spec->mounts[i].kind == MOUNT_TMPFS)
            substitute_directory(spec, spec->mounts[i].target, 01777);
        else
            substitute_mount(spec, &spec->mounts[i]);
    is_set_up = 1;
}

static void enter_working_directory(const struct run_spec *spec)
{
    struct target cwd;
    if (fchdir(tree.root) < 0 || chroot(".") < 0)
        fail("chroot", spec->root);
    find_target(spec->cwd, TARGET_DIRECTORY, -1, &cwd);
    if (fchdir(cwd.fd) < 0)
        fail("chdir", spec->cwd);
    close_target(&cwd);
}

static void end_run(int number)
{
    (void)number;
    must_end = 1;
}

static void pass_on(int number)
{
    int saved = errno;
    if (payload > 0 && kill(-payload, number) < 0)
        kill(payload, number);
    errno = saved;
}

static void take_notice(int number)
{
    (void)number;
    has_child_ended = 1;
}

/* All are blocked but while the supervisor waits (ppoll). */
static void handle_signals(void)
{
    static const int FORWARDED[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT};
    struct sigaction action = {.sa_handler = pass_on};
    sigset_t ends;
    for (size_t i = 0; i < sizeof FORWARDED / sizeof FORWARDED[0]; i++)
        sigaction(FORWARDED[i], &action, NULL);
    action.sa_handler = end_run;
    sigaction(SIGUSR1, &action, NULL);
    action.sa_handler = take_notice;
    sigaction(SIGCHLD, &action, NULL);
    sigemptyset(&ends);
    sigaddset(&ends, SIGCHLD);
    sigprocmask(SIG_BLOCK, &ends, NULL);
}

/* Takes notice of all that ended. 1 when the payload is one of them. */
static int reap(int *status)
{
    int ended = 0, one;
    pid_t process;
    has_child_ended = 0;
    while ((process = waitpid(-1, &one, WNOHANG | __WALL)) > 0)
        if (process == payload) {
            *status = one;
            ended = 1;
        }
    return ended;
}

static void kill_one(pid_t process, void *context)
{
    *(size_t *)context += 1;
    kill(process, SIGKILL);
}

/* As often as something is left: what was just being started was not seen. */
static void kill_rest(void)
{
    for (;;) {
        size_t left = 0;
        int status;
        visit_descendants(tree.supervisor, kill_one, &left);
        while (waitpid(-1, &status, left > 0 ? __WALL : WNOHANG | __WALL) > 0 && left > 0)
            left--;
        if (left == 0 && waitpid(-1, &status, WNOHANG | __WALL) < 0 && errno == ECHILD)
            return;
    }
}

/* Until the payload has ended; its status. A channel, a listener and the streams may end earlier. */
static int supervise(const struct run_spec *spec, struct stream streams[2])
{
    int status = 0;
    int was_killed = 0;
    sigset_t none;
    sigemptyset(&none);
    for (;;) {
        struct pollfd polled[4] = {
            {.fd = channel[0], .events = POLLIN},
            {.fd = streams[0].reading, .events = POLLIN},
            {.fd = streams[1].reading, .events = POLLIN},
            {.fd = listener_fd(), .events = POLLIN},
        };
        if (must_end && !was_killed) {
            was_killed = 1;
            kill(payload, SIGKILL);
        }
        if (has_child_ended && reap(&status))
            return status;
        if (ppoll(polled, 4, NULL, &none) < 0)
            continue;
        for (size_t i = 0; i < 2; i++)
            if (polled[i + 1].revents)
                relay_stream(&streams[i]);
        if (polled[3].revents && !answer_call(polled[3].revents))
            end_answering();
        if (!polled[0].revents)
            continue;
        if (receive_message(channel[0], &listener) && listener >= 0)
            begin_answering(listener, spec);
        close(channel[0]);
        channel[0] = -1;
    }
}

/* Calls are answered until the last process is gone: one that waits for an answer can be killed all the same. */
int run_in_chroot(struct run_spec *spec, struct stream streams[2])
{
    umask(0);
    /* SIGKILL would leave the run alone: it has no namespace that ends with this process. */
    if (prctl(PR_SET_PDEATHSIG, SIGUSR1) < 0)
        fail("prctl PR_SET_PDEATHSIG", "");
    if (peer_is_gone(event_fd))
        _exit(EXIT_HELPER_FAILURE);
    open_root(spec);
    if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
        fail("prctl PR_SET_CHILD_SUBREAPER", "");
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, channel) < 0)
        fail("socketpair", "");
    fill_root(spec);
    payload = fork();
    if (payload < 0)
        fail("fork", "");
    if (payload == 0) {
        close(channel[0]);
        enter_working_directory(spec);
        run_payload(spec, streams[0].writing, streams[1].writing, channel[1]);
    }
    close(channel[1]);
    close(streams[0].writing);
    close(streams[1].writing);
    handle_signals();
    int status = supervise(spec, streams);
    kill_rest();
    drain_stream(&streams[0]);
    drain_stream(&streams[1]);
    const char *lost = remove_substitutes();
    remove_stubs();
    errno = EBUSY;
    if (lost)
        fail("find what was mounted where the command moved or removed it", lost);
    return status;
}
