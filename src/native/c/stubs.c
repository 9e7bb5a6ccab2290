#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "run.h"

struct kept_stub {
    struct stub stub;
    int parent;
};

static struct kept_stub *kept;
static size_t kept_count;

union control {
    struct cmsghdr header;
    char space[CMSG_SPACE(sizeof(int))];
};

/* 0, or -1 with errno */
static int send_with(int channel, const void *bytes, size_t size, int fd)
{
    union control control = {0};
    struct iovec content = {.iov_base = (void *)bytes, .iov_len = size};
    struct msghdr message = {
        .msg_iov = &content,
        .msg_iovlen = 1,
        .msg_control = &control,
        .msg_controllen = sizeof control.space,
    };
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(header), &fd, sizeof fd);
    ssize_t sent;
    while ((sent = sendmsg(channel, &message, MSG_NOSIGNAL)) < 0 && errno == EINTR)
        ;
    return sent < 0 ? -1 : 0;
}

void send_stub(int channel, const struct stub *stub, int parent)
{
    if (send_with(channel, stub, sizeof *stub, parent) < 0)
        fail("report a mount point", stub->path);
}

/* A message of one byte: no stub is that short. */
void send_listener(int channel, int listener)
{
    if (send_with(channel, "", 1, listener) < 0)
        fail("supervise system calls", "");
}

static void report_stub(const char *path)
{
    struct buffer line = {0};
    buffer_text(&line, "{\"ev\":\"stub\",\"path\":");
    buffer_json(&line, path);
    buffer_text(&line, "}\n");
    write_all(event_fd, line.data, line.length);
    free(line.data);
}

int receive_message(int channel, int *listener)
{
    union control control = {0};
    struct kept_stub one = {.parent = -1};
    struct iovec content = {.iov_base = &one.stub, .iov_len = sizeof one.stub};
    struct msghdr message = {
        .msg_iov = &content,
        .msg_iovlen = 1,
        .msg_control = &control,
        .msg_controllen = sizeof control.space,
    };
    ssize_t count = recvmsg(channel, &message, MSG_CMSG_CLOEXEC);
    if (count < 0 && errno == EINTR)
        return 1;
    if (count != (ssize_t)sizeof one.stub && count != 1)
        return 0;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (!header || header->cmsg_type != SCM_RIGHTS)
        return 0;
    memcpy(&one.parent, CMSG_DATA(header), sizeof one.parent);
    if (count == 1) {
        *listener = one.parent;
        return 1;
    }
    kept = reallocate(kept, (kept_count + 1) * sizeof *kept);
    kept[kept_count++] = one;
    report_stub(one.stub.path);
    return 1;
}

/* Still what was made, by owner and mode too, and with nothing written to it. */
static int is_unchanged(const struct kept_stub *one, const struct stat *now)
{
    if (now->st_dev != one->stub.dev || now->st_ino != one->stub.ino || now->st_mode != one->stub.mode ||
        now->st_uid != 0 || now->st_gid != 0)
        return 0;
    return S_ISDIR(now->st_mode) ||
           (now->st_size == 0 && now->st_nlink == 1 && now->st_mtim.tv_sec == one->stub.mtime_seconds &&
            now->st_mtim.tv_nsec == one->stub.mtime_nanoseconds);
}

static void remove_stub(const struct kept_stub *one)
{
    struct stat now, parent;
    if (fstatat(one->parent, one->stub.name, &now, AT_SYMLINK_NOFOLLOW) < 0 || !is_unchanged(one, &now) ||
        fstatat(one->parent, ".", &parent, 0) < 0)
        return;
    if (unlinkat(one->parent, one->stub.name, S_ISDIR(now.st_mode) ? AT_REMOVEDIR : 0) < 0)
        return;
    /* The time is what the payload left there: making the stub set it back at once. */
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, parent.st_mtim};
    utimensat(one->parent, ".", times, 0);
}

void remove_stubs(void)
{
    while (kept_count > 0) {
        kept_count--;
        remove_stub(&kept[kept_count]);
        close(kept[kept_count].parent);
    }
}
