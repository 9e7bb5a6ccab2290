/* Calls that reach other processes, or sockets: none but the run's own. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "trace.h"
#include "trace_calls.h"

static int is_group_traced(pid_t group)
{
    for (struct task *task = first_task(); task; task = next_task(task))
        if (getpgid(task->tid) == group)
            return 1;
    return 0;
}

/* kill(-1): everything but the one that asks and, elsewhere, process 1. */
static int64_t kill_all(const struct traced_call *call, int number)
{
    int64_t result = -ESRCH;
    for (struct task *task = first_task(); task; task = next_task(task))
        if (task->process && task->process != call->task->process && task->tid == task->process->pid &&
            kill(task->tid, number) == 0)
            result = 0;
    return result;
}

int64_t trace_kill(struct traced_call *call)
{
    pid_t pid = (pid_t)(uint32_t)call->notice.data.args[0];
    if (call->entry->variant == KILL_PROCESS && pid == -1)
        return kill_all(call, (int)call->notice.data.args[1]);
    if (call->entry->variant == KILL_PROCESS && pid <= 0)
        return pid == 0 || is_group_traced(-pid) ? CALL_UNCHANGED : -ESRCH;
    return is_traced(pid) ? CALL_UNCHANGED : -ESRCH;
}

/*
 * A directory whose path leaves too little room in an address goes by a descriptor of the supervisor, which stays open:
 * who knows how long the socket is used.
 */
static int shorten(const char *host, char path[sizeof(((struct sockaddr_un *)0)->sun_path)])
{
    char directory[PATH_MAX];
    struct buffer text = {0};
    const char *name = strrchr(host, '/') + 1;
    memcpy(directory, host, (size_t)(name - host));
    directory[name - host] = '\0';
    int fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    buffer_text(&text, "/proc/");
    buffer_number(&text, getpid());
    buffer_text(&text, "/fd/");
    buffer_number(&text, fd);
    buffer_text(&text, "/");
    buffer_text(&text, name);
    buffer_add(&text, "", 1);
    int fits = text.length <= sizeof(((struct sockaddr_un *)0)->sun_path);
    if (fits)
        memcpy(path, text.data, text.length);
    else
        close(fd);
    free(text.data);
    return fits ? 0 : -ENAMETOOLONG;
}

static int64_t rewrite_address(struct traced_call *call, struct sockaddr_un *address)
{
    struct located found;
    int64_t result = locate(call->task, AT_FDCWD, address->sun_path, FOLLOW_LINK, &found);
    if (result < 0)
        return result;
    if (found.is_readonly && call->entry->variant)
        return -EROFS;
    size_t length = strlen(found.host);
    if (length < sizeof address->sun_path)
        strcpy(address->sun_path, found.host);
    else if ((result = shorten(found.host, address->sun_path)) < 0)
        return result;
    uint64_t place = lend_text(call, (const char *)address, sizeof *address);
    if (place == 0)
        return -EFAULT;
    set_call_argument(&call->registers, (size_t)call->entry->path, place);
    set_call_argument(&call->registers, (size_t)call->entry->path + 1,
                      offsetof(struct sockaddr_un, sun_path) + strlen(address->sun_path) + 1);
    return CALL_REWRITTEN;
}

/* bind, connect, sendto: an address may be a file. */
int64_t trace_socket_address(struct traced_call *call)
{
    struct sockaddr_un address = {0};
    uint64_t size = call->notice.data.args[call->entry->path + 1];
    if (call->notice.data.args[call->entry->path] == 0 || size < sizeof address.sun_family)
        return CALL_UNCHANGED;
    size = size > sizeof address ? sizeof address : size;
    if (read_caller_bytes(&call->waiting, call->notice.data.args[call->entry->path], &address, (size_t)size) < 0)
        return -EFAULT;
    if (address.sun_family != AF_UNIX)
        return CALL_UNCHANGED;
    if (address.sun_path[0] == '\0')
        return call->spec.new_network ? -ECONNREFUSED : CALL_UNCHANGED;
    char last = address.sun_path[sizeof address.sun_path - 1];
    return last != '\0' ? -ENAMETOOLONG : rewrite_address(call, &address);
}
