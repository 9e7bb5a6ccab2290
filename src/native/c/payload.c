#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel.h"
#include "run.h"

/*
 * Docker's default set: CHOWN DAC_OVERRIDE FOWNER FSETID KILL SETGID SETUID SETPCAP NET_BIND_SERVICE NET_RAW
 * SYS_CHROOT MKNOD AUDIT_WRITE SETFCAP.
 */
static const uint64_t KEPT_CAPABILITIES = 0xa80425fb;

static const char DEFAULT_PATH[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

static void reset_signals(void)
{
    sigset_t none;
    for (int number = 1; number < 65; number++)
        signal(number, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* An id that the user namespace has no place for gives EINVAL. */
static _Noreturn void fail_id(const char *step, unsigned id)
{
    struct buffer text = {0};
    int reason = errno;
    buffer_number(&text, id);
    buffer_add(&text, "", 1);
    errno = reason;
    fail(step, text.data);
}

/* Without the chown, opening /dev/stdout or /dev/stderr is refused to any USER but root. */
static void set_standard_streams(const struct run_spec *spec, int stdout_fd, int stderr_fd)
{
    /* Without mounts it is the real one already. */
    int input = spec->holding ? 0 : open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (input < 0 || dup2(input, 0) < 0)
        fail("open", "/dev/null");
    if (!spec->one_id && (fchown(stdout_fd, spec->uid, (gid_t)-1) < 0 || fchown(stderr_fd, spec->uid, (gid_t)-1) < 0))
        fail_id("give the output to user", spec->uid);
    if (dup2(stdout_fd, 1) < 0 || dup2(stderr_fd, 2) < 0)
        fail("dup2", "");
}

/* A chroot in a chroot leads out of both. */
static uint64_t kept_capabilities(const struct run_spec *spec)
{
    return spec->holding ? KEPT_CAPABILITIES & ~(1ULL << CAP_SYS_CHROOT) : KEPT_CAPABILITIES;
}

static void drop_bounding_set(const struct run_spec *spec)
{
    uint64_t kept = kept_capabilities(spec);
    for (unsigned long capability = 0; capability < 64; capability++) {
        if (kept >> capability & 1)
            continue;
        int had = prctl(PR_CAPBSET_READ, capability, 0, 0, 0);
        if (had < 0)
            break;
        if (had == 0)
            continue;
        /* With no_new_privs, which comes with `holding`, nothing is gained by starting a program. */
        if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0 && !(spec->holding && errno == EPERM))
            fail("prctl PR_CAPBSET_DROP", "");
    }
}

/* Those of `kept` that this process has. */
static void set_capabilities(uint64_t kept)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2];
    if (syscall(SYS_capget, &header, data) < 0)
        fail("capget", "");
    for (size_t i = 0; i < 2; i++) {
        data[i].permitted &= (uint32_t)(kept >> (32 * i));
        data[i].effective = data[i].permitted;
        data[i].inheritable = 0;
    }
    if (syscall(SYS_capset, &header, data) < 0)
        fail("capset", "");
}

static void write_map(const char *path, unsigned id)
{
    struct buffer map = {0};
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    buffer_number(&map, id);
    buffer_text(&map, " 0 1");
    if (fd < 0 || write(fd, map.data, map.length) < 0)
        fail("write", path);
    close(fd);
    free(map.data);
}

/* Where there is one id, it goes by another name in a namespace of the process's own: it sees itself as that user. */
static void name_user(const struct run_spec *spec)
{
    if (unshare(CLONE_NEWUSER) < 0)
        fail("unshare", "user namespace of the user");
    write_map("/proc/self/uid_map", spec->uid);
    write_map("/proc/self/gid_map", spec->gid);
}

static void install_and_send(const struct run_spec *spec, int channel)
{
    int listener = install_filter(spec);
    if (listener < 0)
        return;
    send_listener(channel, listener);
    close(listener);
}

/* There is nobody to become. The bounding set does what capset does, which the filter answers, when the program starts. */
static void drop_privileges_of_one_id(const struct run_spec *spec, int channel)
{
    if (spec->uid != 0)
        name_user(spec);
    if (!spec->insecure) {
        drop_bounding_set(spec);
        prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    }
    install_and_send(spec, channel);
}

/* Waits until it is, on the channel, before the first call that the filter stops. */
static void become_traced(const struct run_spec *spec, int channel)
{
    char byte;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        fail("prctl PR_SET_NO_NEW_PRIVS", "");
    if (read(channel, &byte, 1) != 1)
        _exit(EXIT_HELPER_FAILURE);
    install_filter(spec);
}

/*
 * The filter goes in while CAP_SYS_ADMIN is held, so that no_new_privs need not be set and sudo keeps working; what it
 * forbids comes before it, and the ids, whose change drops the capability, after it.
 */
static void drop_privileges(const struct run_spec *spec, int channel)
{
    if (spec->is_traced) {
        become_traced(spec, channel);
        return;
    }
    /* Not all kernels have keyrings, and a quota may be used up: then the old ones are out of reach by the filter. */
    syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL);
    if (spec->one_id) {
        drop_privileges_of_one_id(spec, channel);
        return;
    }
    if (!spec->insecure) {
        drop_bounding_set(spec);
        prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    }
    if (setgroups(spec->group_count, spec->groups) < 0)
        fail_id("set supplementary groups of user", spec->uid);
    if (setresgid(spec->gid, spec->gid, spec->gid) < 0)
        fail_id("become group", spec->gid);
    if (!spec->insecure || spec->holding)
        install_and_send(spec, channel);
    if (setresuid(spec->uid, spec->uid, spec->uid) < 0)
        fail_id("become user", spec->uid);
    if (!spec->insecure)
        set_capabilities(spec->uid == 0 ? kept_capabilities(spec) : 0);
    /* The change of ids took it away. */
    if (spec->holding && prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
        fail("prctl PR_SET_PDEATHSIG", "");
}

/* Raising a hard limit takes CAP_SYS_RESOURCE, so this comes before privileges go. */
static void set_limits(const struct run_spec *spec)
{
    for (size_t i = 0; i < spec->limit_count; i++)
        if (setrlimit(spec->limits[i].resource, &spec->limits[i].values) < 0)
            fail_id("set resource limit", (unsigned)spec->limits[i].resource);
}

static void close_inherited(void)
{
    if (syscall(SYS_close_range, 3, ~0U, CLOSE_RANGE_WITH_CLOEXEC) == 0)
        return;
    for (int fd = 3; fd < 4096; fd++)
        fcntl(fd, F_SETFD, FD_CLOEXEC);
}

static const char *search_path(char **env)
{
    for (; *env; env++)
        if (!strncmp(*env, "PATH=", 5))
            return *env + 5;
    return DEFAULT_PATH;
}

/* Tries each directory of the search path. The reason that counts is the first one that is not "not there". */
static int exec_on_path(const char *path, const struct run_spec *spec)
{
    int reason = ENOENT;
    for (;;) {
        size_t length = strcspn(path, ":");
        struct buffer file = {0};
        buffer_add(&file, length ? path : ".", length ? length : 1);
        buffer_text(&file, "/");
        buffer_text(&file, spec->args.items[0]);
        buffer_add(&file, "", 1);
        execve(file.data, spec->args.items, spec->env.items);
        if (errno != ENOENT && errno != ENOTDIR && reason == ENOENT)
            reason = errno;
        if (path[length] == '\0')
            return reason;
        path += length + 1;
    }
}

_Noreturn void run_payload(const struct run_spec *spec, int stdout_fd, int stderr_fd, int channel)
{
    const char *file = spec->args.items[0];
    reset_signals();
    setsid();
    set_standard_streams(spec, stdout_fd, stderr_fd);
    umask(022);
    set_limits(spec);
    drop_privileges(spec, channel);
    close_inherited();
    int reason = ENOENT;
    if (strchr(file, '/')) {
        execve(file, spec->args.items, spec->env.items);
        reason = errno;
    } else if (file[0] != '\0') {
        reason = exec_on_path(search_path(spec->env.items), spec);
    }
    report_failure("execfail", "exec", file, reason);
    _exit(reason == ENOENT || reason == ENOTDIR ? 127 : 126);
}
