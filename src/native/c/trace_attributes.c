/* Extended attributes: our own are not the run's to see, and a file capability, which only root can set, is one of them. */
#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "trace.h"
#include "trace_calls.h"

enum { VALUE_LIMIT = 65536 };

static uint64_t argument(const struct traced_call *call, size_t index)
{
    return call->notice.data.args[index];
}

/* The name that the attribute has on the host, or NULL where it is none of the run's. */
static const char *host_name(const char *name)
{
    return !strcmp(name, "security.capability") ? CAPABILITY_RECORD : strncmp(name, "user.ossb.", 10) ? name : NULL;
}

static int64_t give(struct traced_call *call, const void *bytes, size_t length, uint64_t address, uint64_t room)
{
    if (room == 0)
        return (int64_t)length;
    if (room < length)
        return -ERANGE;
    return write_caller_bytes(&call->waiting, address, bytes, length) < 0 ? -errno : (int64_t)length;
}

static int64_t get(struct traced_call *call, const char *path, int follow, const char *name)
{
    static char value[VALUE_LIMIT];
    ssize_t length = follow ? getxattr(path, name, value, sizeof value) : lgetxattr(path, name, value, sizeof value);
    if (length < 0)
        return errno == EOPNOTSUPP && !strcmp(name, CAPABILITY_RECORD) ? -ENODATA : -errno;
    return give(call, value, (size_t)length, argument(call, 2), argument(call, 3));
}

static int64_t set(struct traced_call *call, const char *path, int follow, const char *name)
{
    static char value[VALUE_LIMIT];
    size_t length = (size_t)argument(call, 3);
    int flags = (int)argument(call, 4);
    if (argument(call, 3) > sizeof value)
        return -E2BIG;
    if (length > 0 && read_caller_bytes(&call->waiting, argument(call, 2), value, length) < 0)
        return -errno;
    if (!strcmp(name, CAPABILITY_RECORD) && call->task->process->ids.uid[EFFECTIVE_ID] != 0)
        return -EPERM;
    int result = follow ? setxattr(path, name, value, length, flags) : lsetxattr(path, name, value, length, flags);
    return result < 0 ? -errno : 0;
}

static int64_t list(struct traced_call *call, const char *path, int follow)
{
    static char names[VALUE_LIMIT], shown[VALUE_LIMIT];
    size_t length = 0;
    ssize_t count = follow ? listxattr(path, names, sizeof names) : llistxattr(path, names, sizeof names);
    if (count < 0)
        return -errno;
    for (const char *name = names; name < names + count; name += strlen(name) + 1) {
        const char *own = !strcmp(name, CAPABILITY_RECORD) ? "security.capability" : host_name(name);
        if (!own || length + strlen(own) + 1 > sizeof shown)
            continue;
        strcpy(shown + length, own);
        length += strlen(own) + 1;
    }
    return give(call, shown, length, argument(call, 1), argument(call, 2));
}

static int64_t perform(struct traced_call *call, const char *path, int follow, int is_readonly)
{
    char text[XATTR_NAME_MAX + 1];
    int verb = call->entry->variant & ATTRIBUTE_VERB;
    if (verb == ATTRIBUTE_LIST)
        return list(call, path, follow);
    if (read_caller_text(&call->waiting, argument(call, 1), text, sizeof text) < 0)
        return errno == ENAMETOOLONG ? -ERANGE : -errno;
    const char *name = host_name(text);
    if (!name)
        return verb == ATTRIBUTE_SET ? -EPERM : -ENODATA;
    if (verb == ATTRIBUTE_GET)
        return get(call, path, follow, name);
    if (is_readonly)
        return -EROFS;
    if (verb == ATTRIBUTE_SET)
        return set(call, path, follow, name);
    return (follow ? removexattr(path, name) : lremovexattr(path, name)) < 0 ? -errno : 0;
}

int64_t trace_attribute(struct traced_call *call)
{
    struct located found;
    char path[6 + PROC_SELF_FD_SIZE] = "/proc/";
    if (call->entry->path < 0) {
        int fd = open_descriptor_of_caller(&call->waiting, (int)(uint32_t)argument(call, 0));
        if (fd < 0)
            return -errno;
        self_fd(path + 6, fd);
        int64_t result = perform(call, path, 1, is_protected(fd));
        close(fd);
        return result;
    }
    int keeps = (call->entry->variant & ATTRIBUTE_KEEPS_LINK) != 0;
    int64_t result = locate_argument(call, -1, 0, keeps ? KEEP_LINK : FOLLOW_LINK, &found);
    if (result < 0)
        return result;
    return perform(call, found.host, found.is_magic && !keeps, found.is_readonly);
}
