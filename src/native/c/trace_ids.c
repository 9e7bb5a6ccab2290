/* Who a process is: kept here, as the kernel knows one id only. By the rules of credentials(7), root having its rights. */
#include <errno.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "trace.h"
#include "trace_calls.h"

enum { GROUP_LIMIT = 65536 };
static const uint32_t UNCHANGED = (uint32_t)-1;
/* Docker's default set, which root has on other rungs. */
static const uint32_t ROOT_CAPABILITIES = 0xa80425fb;

static struct traced_ids *ids_of(struct traced_call *call)
{
    return &call->task->process->ids;
}

static int64_t give(struct traced_call *call, uint64_t address, const void *bytes, size_t size)
{
    return write_caller_bytes(&call->waiting, address, bytes, size) < 0 ? -errno : 0;
}

static int64_t give_three(struct traced_call *call, const uint32_t ids[3])
{
    for (size_t i = 0; i < 3; i++)
        if (give(call, call->notice.data.args[i], &ids[i], sizeof ids[i]) < 0)
            return -EFAULT;
    return 0;
}

static int64_t give_groups(struct traced_call *call)
{
    const struct traced_ids *ids = ids_of(call);
    int room = (int)call->notice.data.args[0];
    if (room == 0)
        return (int64_t)ids->group_count;
    if (room < 0 || (size_t)room < ids->group_count)
        return -EINVAL;
    int64_t result =
        ids->group_count == 0 ? 0 : give(call, call->notice.data.args[1], ids->groups, ids->group_count * sizeof(gid_t));
    return result < 0 ? result : (int64_t)ids->group_count;
}

int64_t trace_get_ids(struct traced_call *call)
{
    const struct traced_ids *ids = ids_of(call);
    switch (call->entry->variant) {
    case GET_UID: return ids->uid[REAL_ID];
    case GET_EUID: return ids->uid[EFFECTIVE_ID];
    case GET_GID: return ids->gid[REAL_ID];
    case GET_EGID: return ids->gid[EFFECTIVE_ID];
    case GET_RESUID: return give_three(call, ids->uid);
    case GET_RESGID: return give_three(call, ids->gid);
    default: return give_groups(call);
    }
}

static int holds(const uint32_t ids[3], uint32_t id)
{
    return id == UNCHANGED || id == ids[REAL_ID] || id == ids[EFFECTIVE_ID] || id == ids[SAVED_ID];
}

static int64_t set_one(uint32_t ids[3], uint32_t *fs, uint32_t id, int is_root)
{
    if (id == UNCHANGED)
        return -EINVAL;
    if (is_root)
        ids[REAL_ID] = ids[SAVED_ID] = id;
    else if (id != ids[REAL_ID] && id != ids[SAVED_ID])
        return -EPERM;
    *fs = ids[EFFECTIVE_ID] = id;
    return 0;
}

static int64_t set_three(uint32_t ids[3], uint32_t *fs, const uint32_t asked[3], int is_root)
{
    for (size_t i = 0; i < 3; i++)
        if (!is_root && !holds(ids, asked[i]))
            return -EPERM;
    for (size_t i = 0; i < 3; i++)
        if (asked[i] != UNCHANGED)
            ids[i] = asked[i];
    *fs = ids[EFFECTIVE_ID];
    return 0;
}

static int64_t set_two(uint32_t ids[3], uint32_t *fs, uint32_t real, uint32_t effective, int is_root)
{
    uint32_t before = ids[REAL_ID];
    const uint32_t asked[3] = {real, effective, UNCHANGED};
    int64_t result = set_three(ids, fs, asked, is_root);
    if (result == 0 && (real != UNCHANGED || (effective != UNCHANGED && effective != before)))
        ids[SAVED_ID] = ids[EFFECTIVE_ID];
    return result;
}

/* Answers the id that was, whatever became of it. */
static int64_t set_fs(const uint32_t ids[3], uint32_t *fs, uint32_t id, int is_root)
{
    uint32_t before = *fs;
    if (id != UNCHANGED && (is_root || holds(ids, id)))
        *fs = id;
    return before;
}

static int64_t set_groups(struct traced_call *call)
{
    struct traced_ids *ids = ids_of(call);
    size_t count = (size_t)(uint32_t)call->notice.data.args[0];
    if (ids->uid[EFFECTIVE_ID] != 0)
        return -EPERM;
    if (count > GROUP_LIMIT)
        return -EINVAL;
    gid_t *groups = allocate(count * sizeof *groups);
    if (count > 0 && read_caller_bytes(&call->waiting, call->notice.data.args[1], groups, count * sizeof *groups) < 0) {
        free(groups);
        return -EFAULT;
    }
    free(ids->groups);
    ids->groups = groups;
    ids->group_count = count;
    return 0;
}

int64_t trace_set_ids(struct traced_call *call)
{
    struct traced_ids *ids = ids_of(call);
    const __u64 *a = call->notice.data.args;
    const uint32_t asked[3] = {(uint32_t)a[0], (uint32_t)a[1], (uint32_t)a[2]};
    int is_root = ids->uid[EFFECTIVE_ID] == 0;
    switch (call->entry->variant) {
    case SET_UID: return set_one(ids->uid, &ids->fsuid, asked[0], is_root);
    case SET_GID: return set_one(ids->gid, &ids->fsgid, asked[0], is_root);
    case SET_REUID: return set_two(ids->uid, &ids->fsuid, asked[0], asked[1], is_root);
    case SET_REGID: return set_two(ids->gid, &ids->fsgid, asked[0], asked[1], is_root);
    case SET_RESUID: return set_three(ids->uid, &ids->fsuid, asked, is_root);
    case SET_RESGID: return set_three(ids->gid, &ids->fsgid, asked, is_root);
    case SET_FSUID: return set_fs(ids->uid, &ids->fsuid, asked[0], is_root);
    case SET_FSGID: return set_fs(ids->gid, &ids->fsgid, asked[0], is_root);
    case SET_GROUPS: return set_groups(call);
    default: return 0;
    }
}

/* The kernel's own mask changes, too. */
int64_t trace_umask(struct traced_call *call)
{
    call->task->process->umask = (mode_t)call->notice.data.args[0] & 0777;
    return CALL_UNCHANGED;
}

int64_t trace_uname(struct traced_call *call)
{
    struct utsname system;
    if (uname(&system) < 0)
        return -errno;
    memset(system.nodename, 0, sizeof system.nodename);
    strncpy(system.nodename, call->spec.hostname, sizeof system.nodename - 1);
    return give(call, call->notice.data.args[0], &system, sizeof system);
}

int64_t trace_capget(struct traced_call *call)
{
    struct __user_cap_header_struct header;
    uint32_t held = ids_of(call)->uid[EFFECTIVE_ID] == 0 ? ROOT_CAPABILITIES : 0;
    struct __user_cap_data_struct data[2] = {{.effective = held, .permitted = held}};
    if (read_caller_bytes(&call->waiting, call->notice.data.args[0], &header, sizeof header) < 0)
        return -EFAULT;
    if (header.version != _LINUX_CAPABILITY_VERSION_3 || call->notice.data.args[1] == 0)
        return CALL_UNCHANGED;
    return give(call, call->notice.data.args[1], data, sizeof data);
}
