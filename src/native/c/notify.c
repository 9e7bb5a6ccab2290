#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "emulate.h"

#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, uint64_t)
#endif
/* Linux 6.6: the answer wakes the caller on this processor. */
enum { WAKE_ON_THIS_PROCESSOR = 1 };

static int listener = -1;
static const struct run_spec *spec;
static struct seccomp_notif *notice;
static struct seccomp_notif_resp *response;
static struct seccomp_notif_sizes sizes;

typedef int64_t (*handler)(const struct waiting_call *call, enum emulation emulation);

static const handler FOR_ONE_ID[] = {
    [EMULATE_CHOWN] = emulate_chown,           [EMULATE_LCHOWN] = emulate_chown,
    [EMULATE_FCHOWN] = emulate_chown,          [EMULATE_FCHOWNAT] = emulate_chown,
    [EMULATE_CHOWN16] = emulate_chown,         [EMULATE_LCHOWN16] = emulate_chown,
    [EMULATE_FCHOWN16] = emulate_chown,        [EMULATE_MKNOD] = emulate_mknod,
    [EMULATE_MKNODAT] = emulate_mknod,         [EMULATE_UTIMENSAT] = emulate_utimensat,
    [EMULATE_UTIMENSAT32] = emulate_utimensat, [EMULATE_STAT] = emulate_stat,
    [EMULATE_LSTAT] = emulate_stat,            [EMULATE_FSTAT] = emulate_stat,
    [EMULATE_FSTATAT] = emulate_stat,          [EMULATE_STATX] = emulate_stat,
};

static const handler WHERE_FILES_ARE_SERVED[] = {
    [EMULATE_OPEN] = emulate_path,       [EMULATE_OPENAT] = emulate_path,     [EMULATE_STAT] = emulate_path,
    [EMULATE_LSTAT] = emulate_path,      [EMULATE_FSTATAT] = emulate_path,    [EMULATE_STATX] = emulate_path,
    [EMULATE_ACCESS] = emulate_path,     [EMULATE_FACCESSAT] = emulate_path,  [EMULATE_FACCESSAT2] = emulate_path,
    [EMULATE_READLINK] = emulate_path,   [EMULATE_READLINKAT] = emulate_path, [EMULATE_STATFS] = emulate_path,
    [EMULATE_CHDIR] = emulate_path,      [EMULATE_EXECVE] = emulate_path,     [EMULATE_EXECVEAT] = emulate_path,
    [EMULATE_ATTRIBUTE] = emulate_path,  [EMULATE_LINK_ATTRIBUTE] = emulate_path,
    [EMULATE_UNAME] = emulate_uname,     [EMULATE_KILL] = emulate_signal,     [EMULATE_SIGNAL] = emulate_signal,
    [EMULATE_PTRACE] = emulate_signal,
};

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

int listener_fd(void)
{
    return listener;
}

void end_answering(void)
{
    close(listener);
    listener = -1;
}

int when_answered(const struct run_spec *of)
{
    return (of->one_id && !of->is_traced ? WITH_ONE_ID : 0) | (of->holding ? WHERE_SERVED : 0);
}

int can_let_calls_go_on(void)
{
    struct utsname system;
    char *rest;
    if (uname(&system) < 0)
        return -1;
    unsigned long major = strtoul(system.release, &rest, 10), minor = strtoul(rest + (*rest == '.'), NULL, 10);
    errno = ENOSYS;
    return major > 5 || (major == 5 && minor >= 5) ? 0 : -1;
}

void begin_answering(int fd, const struct run_spec *of)
{
    listener = fd;
    spec = of;
    if (syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes) < 0)
        fail("supervise system calls", "");
    if (sizes.seccomp_notif < sizeof *notice)
        sizes.seccomp_notif = sizeof *notice;
    if (sizes.seccomp_notif_resp < sizeof *response)
        sizes.seccomp_notif_resp = sizeof *response;
    notice = allocate(sizes.seccomp_notif);
    response = allocate(sizes.seccomp_notif_resp);
    ioctl(listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, WAKE_ON_THIS_PROCESSOR);
}

static int64_t answer_by(const handler handlers[], size_t count, const struct waiting_call *call,
                         enum emulation emulation)
{
    return emulation < count && handlers[emulation] ? handlers[emulation](call, emulation) : CALL_GOES_ON;
}

/* What is served comes first: it has no owner on record. */
static int64_t answer_for(const struct waiting_call *call)
{
    size_t count;
    const struct emulated_call *calls = emulated_calls(&count);
    for (size_t i = 0; i < count; i++) {
        if (calls[i].audit_arch != call->notice->data.arch || calls[i].number != (uint32_t)call->notice->data.nr ||
            !(calls[i].when & when_answered(spec)))
            continue;
        int64_t answer = CALL_GOES_ON;
        if (calls[i].when & WHERE_SERVED && spec->holding)
            answer = answer_by(WHERE_FILES_ARE_SERVED, COUNT(WHERE_FILES_ARE_SERVED), call, calls[i].emulation);
        if (answer == CALL_GOES_ON && calls[i].when & WITH_ONE_ID && spec->one_id)
            answer = answer_by(FOR_ONE_ID, COUNT(FOR_ONE_ID), call, calls[i].emulation);
        return answer;
    }
    return -ENOSYS;
}

int answer_call(short events)
{
    if (!(events & POLLIN))
        return 0;
    memset(notice, 0, sizes.seccomp_notif);
    /* ENOENT: the caller was killed meanwhile. */
    if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, notice) < 0)
        return 1;
    struct waiting_call call = {
        .notice = notice,
        .spec = spec,
        .caller = {.uid = spec->uid, .gid = spec->gid, .groups = spec->groups, .group_count = spec->group_count},
    };
    int64_t answer = answer_for(&call);
    memset(response, 0, sizes.seccomp_notif_resp);
    response->id = notice->id;
    if (answer == CALL_GOES_ON)
        response->flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
    else if (answer < 0)
        response->error = (int32_t)answer;
    else
        response->val = answer;
    ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, response);
    return 1;
}
