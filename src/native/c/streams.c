#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "run.h"

void open_stream(struct stream *stream, int destination)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        fail("pipe", "");
    *stream = (struct stream){.reading = ends[0], .writing = ends[1], .destination = destination};
}

/* Hands on what is there. 0 at the end of the stream. */
static int relay(const struct stream *stream)
{
    static char bytes[65536];
    ssize_t count = read(stream->reading, bytes, sizeof bytes);
    if (count < 0)
        return errno == EINTR;
    /* A reader that is gone does not stop the command. */
    if (count > 0)
        write_all(stream->destination, bytes, (size_t)count);
    return count > 0;
}

void relay_stream(struct stream *stream)
{
    if (relay(stream))
        return;
    close(stream->reading);
    stream->reading = -1;
}

void drain_stream(const struct stream *stream)
{
    if (stream->reading < 0)
        return;
    fcntl(stream->reading, F_SETFL, O_NONBLOCK);
    while (relay(stream))
        ;
}
