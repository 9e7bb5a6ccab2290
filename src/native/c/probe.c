/*
 * probe DIRECTORY: tries for real, each in a process of its own, what other sub-commands or programs may need, and
 * prints one JSON object a line: {"name", "ok"} and, where it failed, "step" and "errno".
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/mount.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "emulate.h"
#include "kernel.h"
#include "ossb.h"
#include "owner.h"

struct finding {
    int error;
    char step[48];
};

static struct finding *finding;
static const char *scratch;

static int failed(const char *step)
{
    finding->error = errno ? errno : EIO;
    strncpy(finding->step, step, sizeof finding->step - 1);
    return -1;
}

static int private_mounts(void)
{
    if (unshare(CLONE_NEWNS) < 0)
        return failed("unshare mount namespace");
    if (make_mounts_private() < 0)
        return failed("make mounts private");
    return 0;
}

static int bind_scratch(void)
{
    return mount(scratch, scratch, NULL, MS_BIND | MS_REC, NULL) < 0 ? failed("mount bind") : 0;
}

static int probe_mount_namespace(void)
{
    return private_mounts() < 0 ? -1 : bind_scratch();
}

static int in_child(int (*action)(void))
{
    int status = 0;
    pid_t pid = fork();
    if (pid < 0)
        return failed("fork");
    if (pid == 0)
        _exit(action() < 0);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return status == 0 ? 0 : -1;
}

static int succeed(void)
{
    return 0;
}

static int probe_pid_namespace(void)
{
    return unshare(CLONE_NEWPID) < 0 ? failed("unshare pid namespace") : in_child(succeed);
}

static int probe_network_namespace(void)
{
    return unshare(CLONE_NEWNET) < 0 ? failed("unshare network namespace") : 0;
}

static int write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    int result = fd < 0 || write(fd, text, strlen(text)) < 0 ? failed(path) : 0;
    if (fd >= 0)
        close(fd);
    return result;
}

static int write_own_id(const char *path, unsigned id)
{
    struct buffer map = {0};
    buffer_text(&map, "0 ");
    buffer_number(&map, id);
    buffer_text(&map, " 1");
    buffer_add(&map, "", 1);
    return write_file(path, map.data);
}

static int probe_user_namespace(void)
{
    unsigned uid = geteuid(), gid = getegid();
    if (unshare(CLONE_NEWUSER) < 0)
        return failed("unshare user namespace");
    if (access("/proc/self/setgroups", F_OK) == 0 && write_file("/proc/self/setgroups", "deny") < 0)
        return -1;
    return write_own_id("/proc/self/uid_map", uid) < 0 ? -1 : write_own_id("/proc/self/gid_map", gid);
}

static int probe_user_mount(void)
{
    return probe_user_namespace() < 0 ? -1 : probe_mount_namespace();
}

static int mount_proc(void)
{
    const unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;
    return private_mounts() < 0                                   ? -1
           : mount("proc", scratch, "proc", flags, NULL) < 0 ? failed("mount proc")
                                                                  : 0;
}

static int probe_user_proc(void)
{
    if (probe_user_namespace() < 0)
        return -1;
    return unshare(CLONE_NEWPID) < 0 ? failed("unshare pid namespace") : in_child(mount_proc);
}

static int mount_overlay(void)
{
    static const char OPTIONS[] = "lowerdir=lower,upperdir=upper,workdir=work,userxattr,index=off,metacopy=off";
    if (private_mounts() < 0)
        return -1;
    if (chdir(scratch) < 0 || mkdir("lower", 0700) < 0 || mkdir("upper", 0700) < 0 || mkdir("work", 0700) < 0 ||
        mkdir("merged", 0700) < 0)
        return failed("make directories");
    if (mount("overlay", "merged", "overlay", 0, OPTIONS) < 0)
        return failed("mount overlay");
    if (mkdir("merged/made", 0700) < 0)
        return failed("write to the overlay");
    return 0;
}

static int probe_user_overlay(void)
{
    return probe_user_namespace() < 0 ? -1 : mount_overlay();
}

static int probe_binfmt(void)
{
    if (probe_user_namespace() < 0 || private_mounts() < 0)
        return -1;
    return mount("binfmt_misc", scratch, "binfmt_misc", 0, NULL) < 0 ? failed("mount binfmt_misc") : 0;
}

static int probe_chroot(void)
{
    return chroot(scratch) < 0 ? failed("chroot") : 0;
}

static int probe_mknod(void)
{
    if (chdir(scratch) < 0)
        return failed("chdir");
    if (mknod("device", S_IFCHR | 0600, makedev(1, 3)) < 0)
        return failed("mknod");
    return 0;
}

/* Both places of owner.h. */
static int probe_owner_records(void)
{
    const struct owner owner = {.uid = 1, .gid = 2};
    struct statvfs file_system;
    if (chdir(scratch) < 0 || mkdir("owned", 0700) < 0 || symlink("owned", "link") < 0)
        return failed("make directories");
    if (write_owner((struct place){.path = "owned"}, S_IFDIR, &owner) < 0)
        return failed("setxattr user.ossb.owner");
    if (write_owner((struct place){.path = "link"}, S_IFLNK, &owner) < 0)
        return failed("set the access time of a symbolic link");
    if (statvfs(".", &file_system) < 0)
        return failed("statvfs");
    /* With strictatime, reading a link would take its record away. */
    errno = EOPNOTSUPP;
    if (!(file_system.f_flag & (ST_NOATIME | ST_RELATIME)))
        return failed("keep the access time of a symbolic link");
    return 0;
}

static int be_traced(void)
{
    return raise(SIGSTOP);
}

static int probe_ptrace(void)
{
    int status = 0;
    pid_t pid = fork();
    if (pid < 0)
        return failed("fork");
    if (pid == 0)
        _exit(be_traced());
    waitpid(pid, &status, WUNTRACED);
    int result = ptrace(PTRACE_SEIZE, pid, NULL, NULL) < 0 ? failed("ptrace PTRACE_SEIZE") : 0;
    kill(pid, SIGKILL);
    waitpid(pid, &status, __WALL);
    return result;
}

static int probe_user_notify(void)
{
    struct sock_filter code[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    struct sock_fprog filter = {.len = 1, .filter = code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return failed("prctl PR_SET_NO_NEW_PRIVS");
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &filter) < 0)
        return failed("seccomp SECCOMP_FILTER_FLAG_NEW_LISTENER");
    if (can_let_calls_go_on() < 0)
        return failed("seccomp SECCOMP_USER_NOTIF_FLAG_CONTINUE");
    return 0;
}

/* A call that nobody waits for: a kernel that knows the request says just that. */
static int probe_descriptors_given(void)
{
    struct sock_filter code[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    struct sock_fprog filter = {.len = 1, .filter = code};
    struct seccomp_notif_addfd given = {.id = ~0ULL, .srcfd = 0};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return failed("prctl PR_SET_NO_NEW_PRIVS");
    int listener = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &filter);
    if (listener < 0)
        return failed("seccomp SECCOMP_FILTER_FLAG_NEW_LISTENER");
    ioctl(listener, SECCOMP_IOCTL_NOTIF_ADDFD, &given);
    return errno == ENOENT ? 0 : failed("ioctl SECCOMP_IOCTL_NOTIF_ADDFD");
}

/* Stops every getppid() of this process and of those that it starts. */
static int stop_one_call(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog filter = {.len = sizeof code / sizeof code[0], .filter = code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return failed("prctl PR_SET_NO_NEW_PRIVS");
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter) < 0)
        return failed("seccomp SECCOMP_SET_MODE_FILTER");
    raise(SIGSTOP);
    return (int)syscall(SYS_getppid) < 0 ? -1 : 0;
}

static int follow_to_stop(pid_t pid)
{
    int status;
    const unsigned long options = PTRACE_O_TRACESECCOMP | PTRACE_O_EXITKILL;
    if (waitpid(pid, &status, WUNTRACED) < 0 || !WIFSTOPPED(status))
        return -1;
    if (ptrace(PTRACE_SEIZE, pid, NULL, (void *)options) < 0)
        return failed("ptrace PTRACE_SEIZE");
    kill(pid, SIGCONT);
    while (waitpid(pid, &status, __WALL) == pid && WIFSTOPPED(status)) {
        if (status >> 16 == PTRACE_EVENT_SECCOMP)
            return 0;
        if (ptrace(PTRACE_CONT, pid, NULL, NULL) < 0)
            break;
    }
    return failed("ptrace PTRACE_EVENT_SECCOMP");
}

static int probe_trace(void)
{
    int status;
    pid_t pid = fork();
    if (pid < 0)
        return failed("fork");
    if (pid == 0)
        _exit(stop_one_call() < 0);
    int result = follow_to_stop(pid);
    kill(pid, SIGKILL);
    waitpid(pid, &status, __WALL);
    return result;
}

static const struct {
    const char *name;
    int (*probe)(void);
} PROBES[] = {
    {"mount-namespace", probe_mount_namespace},
    {"pid-namespace", probe_pid_namespace},
    {"network-namespace", probe_network_namespace},
    {"user-namespace", probe_user_namespace},
    {"user-mount", probe_user_mount},
    {"user-proc", probe_user_proc},
    {"user-overlay", probe_user_overlay},
    {"overlay", mount_overlay},
    {"binfmt-misc", probe_binfmt},
    {"chroot", probe_chroot},
    {"mknod", probe_mknod},
    {"ptrace", probe_ptrace},
    {"user-notify", probe_user_notify},
    {"descriptors-given", probe_descriptors_given},
    {"trace", probe_trace},
    {"owner-records", probe_owner_records},
};

static void remove_scratch(void)
{
    /* What overlayfs leaves in its work directory, and what a probe made. */
    static const char *const MADE[] = {"device", "upper/made", "work/work", "work", "lower", "upper", "merged",
                                       "link",   "owned"};
    if (chdir(scratch) < 0)
        return;
    chmod("work/work", 0700);
    for (size_t i = 0; i < sizeof MADE / sizeof MADE[0]; i++)
        if (unlink(MADE[i]) < 0)
            rmdir(MADE[i]);
    chdir("/");
    rmdir(scratch);
}

static void report(const char *name)
{
    struct buffer line = {0};
    buffer_text(&line, "{\"name\":");
    buffer_json(&line, name);
    buffer_text(&line, finding->error ? ",\"ok\":false,\"step\":" : ",\"ok\":true");
    if (finding->error) {
        buffer_json(&line, finding->step);
        buffer_text(&line, ",\"errno\":");
        buffer_number(&line, finding->error);
    }
    buffer_text(&line, "}\n");
    write_all(1, line.data, line.length);
    free(line.data);
}

int command_probe(int argc, char **argv)
{
    struct buffer template = {0};
    if (argc != 1)
        return EXIT_HELPER_FAILURE;
    finding = mmap(NULL, sizeof *finding, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (finding == MAP_FAILED)
        return EXIT_HELPER_FAILURE;
    buffer_text(&template, argv[0]);
    buffer_text(&template, "/ossb-probe-XXXXXX");
    buffer_add(&template, "", 1);
    for (size_t i = 0; i < sizeof PROBES / sizeof PROBES[0]; i++) {
        memset(finding, 0, sizeof *finding);
        memcpy(template.data + template.length - 7, "XXXXXX", 6);
        scratch = mkdtemp(template.data);
        errno = 0;
        if (!scratch)
            failed("make a directory");
        else if (in_child(PROBES[i].probe) < 0 && finding->error == 0)
            failed("the probe was killed");
        if (scratch)
            remove_scratch();
        report(PROBES[i].name);
    }
    return 0;
}
