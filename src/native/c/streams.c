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

int relay(const struct stream *stream)
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
