#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "ossb.h"

int event_fd = -1;
void (*on_failure)(void);

void report_failure(const char *event, const char *step, const char *argument, int error)
{
    struct buffer line = {0};
    buffer_text(&line, "{\"ev\":");
    buffer_json(&line, event);
    buffer_text(&line, ",\"step\":");
    buffer_json(&line, step);
    buffer_text(&line, ",\"arg\":");
    buffer_json(&line, argument);
    buffer_text(&line, ",\"errno\":");
    buffer_number(&line, error);
    buffer_text(&line, ",\"msg\":");
    buffer_json(&line, strerror(error));
    buffer_text(&line, "}\n");
    if (event_fd >= 0)
        write_all(event_fd, line.data, line.length);
    free(line.data);
}

_Noreturn void fail(const char *step, const char *argument)
{
    report_failure("error", step, argument, errno);
    if (on_failure)
        on_failure();
    _exit(EXIT_HELPER_FAILURE);
}

int peer_is_gone(int fd)
{
    struct pollfd peer = {.fd = fd, .events = 0};
    return poll(&peer, 1, 0) == 1 && (peer.revents & (POLLHUP | POLLERR | POLLNVAL)) != 0;
}

void die_with_parent(int peer)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
        fail("prctl PR_SET_PDEATHSIG", "");
    if (peer_is_gone(peer))
        _exit(EXIT_HELPER_FAILURE);
}
