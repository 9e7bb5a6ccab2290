/* Calls on other processes, where a run has no pid namespace of its own: as if there were none but those of the run. */
#include <errno.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <unistd.h>

#include "chroot.h"
#include "emulate.h"

struct group {
    pid_t id;
    size_t of_run;
    pid_t caller;
    int number;
};

static int is_of_run(pid_t process)
{
    return descends_from(process, served_tree()->supervisor);
}

/* Its own group, or one that has a member in the run: groups do not reach beyond a session, and the run has its own. */
static void count_member(pid_t process, void *context)
{
    struct group *group = context;
    if (getpgid(process) == group->id)
        group->of_run++;
}

static int64_t signal_group(pid_t id)
{
    struct group group = {.id = id};
    visit_descendants(served_tree()->supervisor, count_member, &group);
    return group.of_run > 0 ? CALL_GOES_ON : -ESRCH;
}

static void signal_member(pid_t process, void *context)
{
    struct group *group = context;
    if (process != group->caller && kill(process, group->number) == 0)
        group->of_run++;
}

/* All that the caller may signal but itself: root's is done here, as the kernel would go beyond the run. */
static int64_t signal_all(const struct waiting_call *call, int number)
{
    struct group group = {.number = number, .caller = (pid_t)status_number((pid_t)call->notice->pid, "\nTgid:\t")};
    struct stat caller;
    if (stat_of_caller(call, &caller) < 0 || caller.st_uid != 0)
        return -EPERM;
    visit_descendants(served_tree()->supervisor, signal_member, &group);
    return group.of_run > 0 ? 0 : -ESRCH;
}

int64_t emulate_signal(const struct waiting_call *call, enum emulation emulation)
{
    const __u64 *a = call->notice->data.args;
    pid_t process = (pid_t)a[emulation == EMULATE_PTRACE ? 1 : 0];
    if (emulation == EMULATE_PTRACE && a[0] == PTRACE_TRACEME)
        return CALL_GOES_ON;
    if (emulation == EMULATE_KILL && process == -1)
        return signal_all(call, (int)a[1]);
    if (emulation == EMULATE_KILL && process < 0)
        return signal_group(-process);
    return process == 0 || is_of_run(process) ? CALL_GOES_ON : -ESRCH;
}
