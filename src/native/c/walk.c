/*
 * walk ROOT [SINCE]: every file of a tree on standard output, a directory before what it holds and names in byte order.
 * One little-endian record a file (struct record, then name, link target and capability); depth 0 is the root.
 * Where this process has one id, owners are those on record (owner.h). What a run made has none yet: it gets its owner
 * here, from the mark that the run left at the root, and from then on has it on record like the rest.
 * Capabilities are not looked for in files whose change time is SINCE (nanoseconds) or earlier: that would be near half of
 * the time that all takes.
 * A record of type RECORD_END closes the stream; one of type RECORD_FAILED (error in `size`, step as name, path
 * as link) ends it early.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/stat.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "ossb.h"
#include "owner.h"

enum { RECORD_END = 0, RECORD_FAILED = 255 };
enum { FLAG_ASCII = 1, FLAG_NOT_UTF8 = 2, FLAG_OPAQUE = 4 };
enum { OUTPUT_BLOCK = 256 * 1024, DIRECTORY_BLOCK = 128 * 1024, OPEN_ANCESTORS = 128, CAPABILITY_LIMIT = 64 };

struct record {
    uint32_t length;
    uint8_t type;
    uint8_t flags;
    uint16_t name_length;
    uint32_t depth;
    uint32_t mode;
    uint32_t uid;
    uint32_t gid;
    uint32_t nlink;
    uint32_t capability_length;
    uint32_t rdev_major;
    uint32_t rdev_minor;
    uint32_t link_length;
    uint32_t reserved;
    uint64_t size;
    uint64_t dev;
    uint64_t ino;
    int64_t mtime;
    int64_t ctime;
};

/* A directory on the way from the root to where the walk is; `fd` is -1 while it is closed to spare descriptors. */
struct level {
    int fd;
    uint64_t ino;
    uint32_t dev_major;
    uint32_t dev_minor;
    /* Where the directory hands its group on to what is made in it, that group, else ID_OF_MAKER */
    uint32_t gid_for_new;
    struct buffer text;
    const char **names;
    size_t count;
    size_t next;
};

struct linux_dirent64 {
    uint64_t ino;
    int64_t offset;
    uint16_t length;
    uint8_t type;
    char name[];
};

static struct buffer output;
static struct level *levels;
static size_t level_count;
static size_t level_capacity;
/* Who made what has no owner on record; only where `has_maker`. */
static struct owner maker;
static int has_maker;
static int64_t capabilities_since = INT64_MIN;

static void flush_output(void)
{
    if (write_all(1, output.data, output.length) < 0)
        _exit(EXIT_HELPER_FAILURE);
    output.length = 0;
}

/* The path of `name` in the innermost directory, as far as the walk knows it: for messages. */
static void add_path(struct buffer *path, const char *name)
{
    for (size_t i = 0; i + 1 < level_count; i++) {
        buffer_text(path, levels[i].names[levels[i].next - 1]);
        buffer_text(path, "/");
    }
    buffer_text(path, name);
}

static _Noreturn void walk_failed(const char *step, const char *name)
{
    struct record record = {.type = RECORD_FAILED, .size = (uint64_t)errno};
    struct buffer path = {0};
    add_path(&path, name);
    record.name_length = (uint16_t)strlen(step);
    record.link_length = (uint32_t)path.length;
    record.length = (uint32_t)(sizeof record + record.name_length + record.link_length);
    buffer_add(&output, &record, sizeof record);
    buffer_text(&output, step);
    buffer_add(&output, path.data, path.length);
    flush_output();
    _exit(1);
}

/* FLAG_ASCII, FLAG_NOT_UTF8 or 0. Overlong forms, surrogates and values above U+10FFFF are not UTF-8. */
static uint8_t text_flags(const char *text, size_t length)
{
    const unsigned char *at = (const unsigned char *)text, *end = at + length;
    while (at < end && *at < 0x80)
        at++;
    if (at == end)
        return FLAG_ASCII;
    while (at < end) {
        unsigned first = *at++;
        if (first < 0x80)
            continue;
        unsigned more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : 1;
        if (first < 0xc2 || first > 0xf4 || (size_t)(end - at) < more)
            return FLAG_NOT_UTF8;
        unsigned second = at[0];
        if ((first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f) ||
            (first == 0xf0 && second < 0x90) || (first == 0xf4 && second > 0x8f))
            return FLAG_NOT_UTF8;
        for (; more > 0; more--)
            if ((*at++ & 0xc0) != 0x80)
                return FLAG_NOT_UTF8;
    }
    return 0;
}

static int64_t nanoseconds(const struct statx_timestamp *time)
{
    if (time->tv_sec > INT64_MAX / 1000000000 - 1)
        return INT64_MAX;
    if (time->tv_sec < INT64_MIN / 1000000000 + 1)
        return INT64_MIN;
    return time->tv_sec * 1000000000 + time->tv_nsec;
}

static uint8_t record_type(uint32_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFREG: return 1;
    case S_IFDIR: return 2;
    case S_IFLNK: return 3;
    case S_IFCHR: return 4;
    case S_IFBLK: return 5;
    case S_IFIFO: return 6;
    default: return 7;
    }
}

static size_t read_link(const char *name, size_t size_hint)
{
    static struct buffer target;
    size_t room = size_hint + 1;
    for (;;) {
        target.length = 0;
        buffer_reserve(&target, room);
        ssize_t count = readlinkat(AT_FDCWD, name, target.data, room);
        if (count < 0)
            walk_failed("readlink", name);
        if ((size_t)count < room) {
            buffer_add(&output, target.data, (size_t)count);
            return (size_t)count;
        }
        room *= 2;
    }
}

/* Where an attribute does not exist, is not supported, or belongs to ids outside this user namespace: 0. */
static size_t read_attribute(const char *name, const char *attribute, char *value, size_t size)
{
    ssize_t count = lgetxattr(name, attribute, value, size);
    if (count >= 0)
        return (size_t)count;
    if (errno == ENODATA || errno == ENOTSUP || errno == EOVERFLOW || errno == EPERM)
        return 0;
    walk_failed("getxattr", name);
}

static int is_opaque(const char *name)
{
    char value[2];
    return (read_attribute(name, "user.overlay.opaque", value, sizeof value) == 1 && value[0] == 'y') ||
           (geteuid() == 0 && read_attribute(name, "trusted.overlay.opaque", value, sizeof value) == 1 &&
            value[0] == 'y');
}

/* A file without an owner on record, or with half of one: completes it and writes it down. */
static void settle_owner(struct place place, struct statx *status, struct owner *owner)
{
    uint32_t inherited = level_count > 0 ? levels[level_count - 1].gid_for_new : ID_OF_MAKER;
    if (owner->uid == ID_OF_MAKER)
        owner->uid = maker.uid;
    if (owner->gid == ID_OF_MAKER)
        owner->gid = inherited != ID_OF_MAKER ? inherited : maker.gid;
    /* No layer holds a socket; a device that is none of ours marks a deletion. */
    if (S_ISSOCK(status->stx_mode) || S_ISCHR(status->stx_mode) || S_ISBLK(status->stx_mode))
        return;
    if (write_owner(place, status->stx_mode, owner) < 0 && errno != EROFS)
        walk_failed("record the owner", place.path);
    /* The file as it is from now on: who compares it with this record later must not see a change in that. */
    struct statx settled;
    if (syscall(SYS_statx, AT_FDCWD, place.path, AT_SYMLINK_NOFOLLOW, STATX_CTIME, &settled) == 0)
        status->stx_ctime = settled.stx_ctime;
}

/* What has no record and no maker, as the files of a cache before a run used it. */
static void take_own_for_root(struct statx *status)
{
    if (status->stx_uid == geteuid())
        status->stx_uid = status->stx_gid = 0;
}

/* Puts what is on record in the place of what the file system says. */
static void apply_owner(const char *name, struct statx *status)
{
    struct owner owner = {.uid = ID_OF_MAKER, .gid = ID_OF_MAKER};
    struct place place = {.path = name};
    int found = read_owner(place, status, &owner);
    if (found < 0)
        walk_failed("read the owner", name);
    if (records_modes())
        take_own_for_root(status);
    if (has_maker && (owner.uid == ID_OF_MAKER || owner.gid == ID_OF_MAKER))
        settle_owner(place, status, &owner);
    if (owner.uid != ID_OF_MAKER)
        status->stx_uid = owner.uid;
    if (owner.gid != ID_OF_MAKER)
        status->stx_gid = owner.gid;
    if (found && owner.has_mode)
        status->stx_mode = (uint16_t)((status->stx_mode & S_IFMT) | owner.mode);
    if (!found || !owner.device)
        return;
    status->stx_mode = (uint16_t)((status->stx_mode & 07777) | (owner.device == 'c' ? S_IFCHR : S_IFBLK));
    status->stx_rdev_major = owner.major;
    status->stx_rdev_minor = owner.minor;
}

/* Adds the record of `name` in the working directory. 0 when it is gone, else its mode. */
static uint32_t add_record(const char *name, const char *shown, struct statx *status)
{
    if (syscall(SYS_statx, AT_FDCWD, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_BASIC_STATS, status) < 0) {
        if (errno == ENOENT && level_count > 0)
            return 0;
        walk_failed("stat", name);
    }
    if (has_one_id())
        apply_owner(name, status);
    size_t start = output.length, name_length = strlen(shown);
    struct record record = {
        .type = record_type(status->stx_mode),
        .flags = text_flags(shown, name_length),
        .name_length = (uint16_t)name_length,
        .depth = (uint32_t)level_count,
        .mode = status->stx_mode & 07777,
        .uid = status->stx_uid,
        .gid = status->stx_gid,
        .nlink = status->stx_nlink,
        .rdev_major = status->stx_rdev_major,
        .rdev_minor = status->stx_rdev_minor,
        .size = status->stx_size,
        .dev = makedev(status->stx_dev_major, status->stx_dev_minor),
        .ino = status->stx_ino,
        .mtime = nanoseconds(&status->stx_mtime),
        .ctime = nanoseconds(&status->stx_ctime),
    };
    buffer_add(&output, &record, sizeof record);
    buffer_add(&output, shown, name_length);
    if (S_ISLNK(status->stx_mode)) {
        record.link_length = (uint32_t)read_link(name, (size_t)status->stx_size);
        if (text_flags(output.data + output.length - record.link_length, record.link_length) == FLAG_NOT_UTF8)
            record.flags |= FLAG_NOT_UTF8;
    } else if (S_ISREG(status->stx_mode) && record.ctime > capabilities_since) {
        char value[CAPABILITY_LIMIT];
        record.capability_length = (uint32_t)read_attribute(name, records_modes() ? CAPABILITY_RECORD : "security.capability", value, sizeof value);
        buffer_add(&output, value, record.capability_length);
    } else if (S_ISDIR(status->stx_mode) && is_opaque(name)) {
        record.flags |= FLAG_OPAQUE;
    }
    record.length = (uint32_t)(output.length - start);
    memcpy(output.data + start, &record, sizeof record);
    if (output.length >= OUTPUT_BLOCK)
        flush_output();
    return status->stx_mode;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void read_names(struct level *level, const char *shown)
{
    static char *block;
    if (!block)
        block = allocate(DIRECTORY_BLOCK);
    for (;;) {
        long count = syscall(SYS_getdents64, level->fd, block, DIRECTORY_BLOCK);
        if (count < 0)
            walk_failed("getdents", shown);
        if (count == 0)
            break;
        for (long at = 0; at < count;) {
            const struct linux_dirent64 *entry = (const struct linux_dirent64 *)(block + at);
            at += entry->length;
            if (!strcmp(entry->name, ".") || !strcmp(entry->name, ".."))
                continue;
            buffer_add(&level->text, entry->name, strlen(entry->name) + 1);
            level->count++;
        }
    }
    level->names = allocate(level->count * sizeof *level->names);
    const char *name = level->text.data;
    for (size_t i = 0; i < level->count; i++, name += strlen(name) + 1)
        level->names[i] = name;
    qsort(level->names, level->count, sizeof *level->names, compare_names);
}

/* Steps into the directory `name`, which `status` describes. */
static void descend(const char *name, const struct statx *status)
{
    int fd = open(name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fchdir(fd) < 0)
        walk_failed("open directory", name);
    if (level_count == level_capacity) {
        level_capacity = level_capacity ? level_capacity * 2 : 64;
        levels = reallocate(levels, level_capacity * sizeof *levels);
    }
    if (level_count >= OPEN_ANCESTORS && levels[level_count - OPEN_ANCESTORS].fd >= 0) {
        close(levels[level_count - OPEN_ANCESTORS].fd);
        levels[level_count - OPEN_ANCESTORS].fd = -1;
    }
    levels[level_count++] = (struct level){
        .fd = fd,
        .ino = status->stx_ino,
        .dev_major = status->stx_dev_major,
        .dev_minor = status->stx_dev_minor,
        .gid_for_new = status->stx_mode & S_ISGID ? status->stx_gid : ID_OF_MAKER,
    };
    read_names(&levels[level_count - 1], "");
}

/* Back to the directory above; one that was closed is found again through "..", and must be the same. */
static void ascend(void)
{
    struct level *from = &levels[level_count - 1];
    struct level *to = from - 1;
    if (level_count > 1 && to->fd < 0) {
        struct statx status;
        to->fd = openat(from->fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (to->fd < 0 || syscall(SYS_statx, to->fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &status) < 0)
            walk_failed("open directory", "..");
        if (status.stx_ino != to->ino || status.stx_dev_major != to->dev_major ||
            status.stx_dev_minor != to->dev_minor) {
            errno = ESTALE;
            walk_failed("open directory", "..");
        }
    }
    close(from->fd);
    free(from->text.data);
    free(from->names);
    level_count--;
    if (level_count > 0 && fchdir(to->fd) < 0)
        walk_failed("enter directory", "..");
}

int command_walk(int argc, char **argv)
{
    struct statx status;
    if (argc != 1 && argc != 2)
        return EXIT_HELPER_FAILURE;
    if (argc == 2) {
        char *end;
        errno = 0;
        capabilities_since = strtoll(argv[1], &end, 10);
        if (errno || end == argv[1] || *end)
            return EXIT_HELPER_FAILURE;
    }
    buffer_reserve(&output, OUTPUT_BLOCK + 64 * 1024);
    if (chdir(argv[0]) < 0)
        walk_failed("open directory", argv[0]);
    if (has_one_id())
        has_maker = read_maker(".", &maker);
    add_record(".", "", &status);
    descend(".", &status);
    while (level_count > 0) {
        struct level *level = &levels[level_count - 1];
        if (level->next == level->count) {
            ascend();
            continue;
        }
        const char *name = level->names[level->next++];
        if (S_ISDIR(add_record(name, name, &status)))
            descend(name, &status);
    }
    if (has_maker)
        remove_maker(".");
    struct record end = {.length = sizeof end, .type = RECORD_END};
    buffer_add(&output, &end, sizeof end);
    flush_output();
    return 0;
}
