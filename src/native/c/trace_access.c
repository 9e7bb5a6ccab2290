/* What a process that is not root may do with a file: by owner and mode as on record, as the kernel goes by its own. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "trace.h"

static int is_member(const struct traced_ids *ids, gid_t group)
{
    for (size_t i = 0; i < ids->group_count; i++)
        if (ids->groups[i] == group)
            return 1;
    return ids->fsgid == group;
}

/* 0 where the kernel's own judgement is enough: of files that are not this user's, which have no records. */
static int read_rights(const char *host, const struct run_spec *spec, struct owner *owner)
{
    struct statx status;
    *owner = (struct owner){.uid = ID_OF_MAKER, .gid = ID_OF_MAKER};
    if (syscall(SYS_statx, AT_FDCWD, host, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &status) < 0 ||
        status.stx_uid != geteuid() || read_owner((struct place){.path = host}, &status, owner) < 0)
        return 0;
    if (owner->uid == ID_OF_MAKER)
        owner->uid = spec->uid;
    if (owner->gid == ID_OF_MAKER)
        owner->gid = spec->gid;
    if (!owner->has_mode)
        owner->mode = status.stx_mode;
    return !S_ISLNK(status.stx_mode);
}

int may_use(const struct task *task, const struct run_spec *spec, const char *host, int wanted)
{
    struct owner owner;
    const struct traced_process *process = task->process;
    if (wanted == 0 || !process || process->ids.fsuid == 0 || !read_rights(host, spec, &owner))
        return 0;
    int shift = owner.uid == process->ids.fsuid ? 6 : is_member(&process->ids, owner.gid) ? 3 : 0;
    return ((int)(owner.mode >> shift) & wanted) == wanted ? 0 : -EACCES;
}

static void name_parent(const char *host, char parent[PATH_MAX])
{
    size_t length = strlen(host);
    while (length > 1 && host[length - 1] == '/')
        length--;
    while (length > 1 && host[length - 1] != '/')
        length--;
    memcpy(parent, host, length);
    parent[length] = '\0';
}

int may_change_names(const struct task *task, const struct run_spec *spec, const struct located *found)
{
    char parent[PATH_MAX];
    struct owner above, own;
    const struct traced_process *process = task->process;
    if (process->ids.fsuid == 0)
        return 0;
    name_parent(found->host, parent);
    int result = may_use(task, spec, parent, W_OK | X_OK);
    if (result < 0 || !found->exists || !read_rights(parent, spec, &above) || !(above.mode & S_ISVTX))
        return result;
    /* A link has an owner, too. */
    read_rights(found->host, spec, &own);
    return above.uid == process->ids.fsuid || own.uid == process->ids.fsuid ? 0 : -EPERM;
}
