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

static int64_t (*const HANDLERS[])(const struct waiting_call *call, enum emulation emulation) = {
    [EMULATE_CHOWN] = emulate_chown,           [EMULATE_LCHOWN] = emulate_chown,
    [EMULATE_FCHOWN] = emulate_chown,          [EMULATE_FCHOWNAT] = emulate_chown,
    [EMULATE_CHOWN16] = emulate_chown,         [EMULATE_LCHOWN16] = emulate_chown,
    [EMULATE_FCHOWN16] = emulate_chown,        [EMULATE_MKNOD] = emulate_mknod,
    [EMULATE_MKNODAT] = emulate_mknod,         [EMULATE_UTIMENSAT] = emulate_utimensat,
    [EMULATE_UTIMENSAT32] = emulate_utimensat, [EMULATE_STAT] = emulate_stat,
    [EMULATE_LSTAT] = emulate_stat,            [EMULATE_FSTAT] = emulate_stat,
    [EMULATE_FSTATAT] = emulate_stat,          [EMULATE_STATX] = emulate_stat,
};

int listener_fd(void)
{
    return listener;
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

static int64_t answer_for(const struct waiting_call *call)
{
    size_t count;
    const struct emulated_call *calls = emulated_calls(&count);
    for (size_t i = 0; i < count; i++)
        if (calls[i].audit_arch == call->notice->data.arch && calls[i].number == (uint32_t)call->notice->data.nr &&
            calls[i].emulation != EMULATE_SUCCESS)
            return HANDLERS[calls[i].emulation](call, calls[i].emulation);
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
    else
        response->error = (int32_t)answer;
    ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, response);
    return 1;
}
