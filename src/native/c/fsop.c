/*
 * fsop: a co-process for what Node has no calls for. Requests on standard input, answers on standard output, in order;
 * it ends with its input, and takes with it every lock and mount that it still holds.
 *
 * request: u32 length of the rest, u8 operation, u16 number of fields, then each field as u32 length, bytes, NUL.
 * answer:  u32 length of the rest, i32 errno or 0, then the value; after an error the step that failed.
 * All little-endian; numbers within fields are decimal text.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "fsop.h"
#include "ossb.h"
#include "owner.h"

enum { REQUEST_LIMIT = 4 * 1024 * 1024, FIELD_LIMIT = 600, ATTRIBUTE_LIMIT = 65536 };

int fsop_number(const struct request *request, size_t index, unsigned long long maximum, unsigned long long *number)
{
    return parse_number(request->fields[index].bytes, maximum, number);
}

static const char *do_mknod(struct request *request)
{
    unsigned long long mode, major_number, minor_number;
    if (fsop_number(request, 2, 07777, &mode) < 0 || fsop_number(request, 3, UINT32_MAX, &major_number) < 0 ||
        fsop_number(request, 4, UINT32_MAX, &minor_number) < 0)
        return "read numbers";
    const char *path = request->fields[0].bytes;
    char kind = request->fields[1].bytes[0];
    /* 0:0 is no device but a mark of overlayfs, which anybody may make. */
    if (kind != 'f' && major_number + minor_number > 0 && has_one_id()) {
        struct owner owner = {.device = kind, .major = (uint32_t)major_number, .minor = (uint32_t)minor_number};
        return make_device_stand_in(path, (mode_t)mode, &owner) < 0 ? "mknod" : NULL;
    }
    mode_t type = kind == 'c' ? S_IFCHR : kind == 'b' ? S_IFBLK : S_IFIFO;
    return mknod(path, type | (mode_t)mode, makedev(major_number, minor_number)) < 0 ? "mknod" : NULL;
}

/* What only root can set goes by another name. */
static const char *attribute_of(const struct request *request)
{
    const char *name = request->fields[1].bytes;
    return records_modes() && !strcmp(name, "security.capability") ? CAPABILITY_RECORD : name;
}

static const char *do_set_attribute(struct request *request)
{
    const struct field *f = request->fields;
    return lsetxattr(f[0].bytes, attribute_of(request), f[2].bytes, f[2].length, 0) < 0 ? "setxattr" : NULL;
}

static const char *do_remove_attribute(struct request *request)
{
    return lremovexattr(request->fields[0].bytes, attribute_of(request)) < 0 ? "removexattr" : NULL;
}

static const char *do_get_attribute(struct request *request)
{
    buffer_reserve(request->answer, ATTRIBUTE_LIMIT);
    ssize_t count = lgetxattr(request->fields[0].bytes, attribute_of(request),
                              request->answer->data + request->answer->length, ATTRIBUTE_LIMIT);
    if (count < 0)
        return "getxattr";
    request->answer->length += (size_t)count;
    return NULL;
}

static const char *do_list_attributes(struct request *request)
{
    buffer_reserve(request->answer, ATTRIBUTE_LIMIT);
    ssize_t count = llistxattr(request->fields[0].bytes, request->answer->data + request->answer->length,
                               ATTRIBUTE_LIMIT);
    if (count < 0)
        return "listxattr";
    request->answer->length += (size_t)count;
    return NULL;
}

int fsop_time(const struct request *request, size_t index, struct timespec *time)
{
    const char *text = request->fields[index].bytes;
    unsigned long long magnitude;
    if (text[0] == '\0') {
        *time = (struct timespec){.tv_nsec = UTIME_OMIT};
        return 0;
    }
    int negative = text[0] == '-';
    if (parse_number(text + negative, INT64_MAX, &magnitude) < 0)
        return -1;
    long long value = negative ? -(long long)magnitude : (long long)magnitude;
    long long seconds = value / 1000000000, rest = value % 1000000000;
    if (rest < 0) {
        rest += 1000000000;
        seconds--;
    }
    *time = (struct timespec){.tv_sec = seconds, .tv_nsec = rest};
    return 0;
}

static const char *do_set_times(struct request *request)
{
    struct timespec times[2];
    if (fsop_time(request, 1, &times[1]) < 0 || fsop_time(request, 2, &times[0]) < 0)
        return "read times";
    return utimensat(AT_FDCWD, request->fields[0].bytes, times, AT_SYMLINK_NOFOLLOW) < 0 ? "utimensat" : NULL;
}

static int status_of(const char *path, struct statx *status)
{
    return (int)syscall(SYS_statx, AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, status);
}

/* path, uid, gid; a device's number stays on record */
static const char *do_set_owner(struct request *request)
{
    unsigned long long uid, gid;
    struct statx status;
    struct owner owner = {.device = 0};
    struct place place = {.path = request->fields[0].bytes};
    if (fsop_number(request, 1, UINT32_MAX, &uid) < 0 || fsop_number(request, 2, UINT32_MAX, &gid) < 0)
        return "read numbers";
    if (!has_one_id())
        return lchown(place.path, (uid_t)uid, (gid_t)gid) < 0 ? "lchown" : NULL;
    if (status_of(place.path, &status) < 0 || read_owner(place, &status, &owner) < 0)
        return "stat";
    owner.uid = (uint32_t)uid;
    owner.gid = (uint32_t)gid;
    return write_owner(place, status.stx_mode, &owner) < 0 ? "record the owner" : NULL;
}

/* path, mode; links are followed, as by chmod(2) */
static const char *do_set_mode(struct request *request)
{
    unsigned long long mode;
    struct statx status;
    struct place place = {.path = request->fields[0].bytes, .follow = 1};
    if (fsop_number(request, 1, 07777, &mode) < 0)
        return "read numbers";
    if (syscall(SYS_statx, AT_FDCWD, place.path, 0, STATX_BASIC_STATS, &status) < 0)
        return "stat";
    return change_mode(place, &status, (mode_t)mode) < 0 ? "chmod" : NULL;
}

/*
 * path -> the owner of the file as two u32, then the device that it stands for: type 'c', 'b' or 0, major, minor; then
 * its mode as on record, or UINT32_MAX where it has the mode that the file system says
 */
static const char *do_get_owner(struct request *request)
{
    struct statx status;
    struct owner owner = {.device = 0};
    struct place place = {.path = request->fields[0].bytes};
    if (status_of(place.path, &status) < 0)
        return "stat";
    int found = has_one_id() ? read_owner(place, &status, &owner) : 0;
    if (found < 0)
        return "read the owner";
    int is_own = records_modes() && status.stx_uid == geteuid();
    uint32_t numbers[6] = {
        found && owner.uid != ID_OF_MAKER ? owner.uid : is_own ? 0 : status.stx_uid,
        found && owner.gid != ID_OF_MAKER ? owner.gid : is_own ? 0 : status.stx_gid,
        (uint32_t)owner.device,
        owner.major,
        owner.minor,
        found && owner.has_mode ? owner.mode : UINT32_MAX,
    };
    buffer_add(request->answer, numbers, sizeof numbers);
    return NULL;
}

static const char *do_statfs(struct request *request)
{
    struct statvfs status;
    if (statvfs(request->fields[0].bytes, &status) < 0)
        return "statvfs";
    uint64_t numbers[4] = {
        (uint64_t)status.f_blocks * status.f_frsize,
        (uint64_t)status.f_bavail * status.f_frsize,
        status.f_files,
        status.f_favail,
    };
    buffer_add(request->answer, numbers, sizeof numbers);
    return NULL;
}

static const struct {
    char operation;
    uint8_t minimum_fields;
    const char *(*perform)(struct request *request);
} OPERATIONS[] = {
    {'n', 5, do_mknod},           {'s', 3, do_set_attribute},   {'d', 2, do_remove_attribute},
    {'g', 2, do_get_attribute},   {'l', 1, do_list_attributes}, {'t', 3, do_set_times},
    {'x', 3, fsop_rename},        {'f', 1, do_statfs},          {'L', 2, fsop_lock},
    {'U', 1, fsop_unlock},        {'b', 3, fsop_bind},          {'o', 5, fsop_overlay},
    {'u', 1, fsop_unmount},       {'m', 2, fsop_tmpfs},        {'c', 3, do_set_owner},
    {'w', 1, do_get_owner},       {'i', 1, fsop_interpreters}, {'p', 2, do_set_mode},
    {'F', 6, fsop_create},
};

static const char *perform(struct request *request)
{
    for (size_t i = 0; i < sizeof OPERATIONS / sizeof OPERATIONS[0]; i++) {
        if (OPERATIONS[i].operation != request->operation)
            continue;
        if (request->count < OPERATIONS[i].minimum_fields)
            break;
        return OPERATIONS[i].perform(request);
    }
    errno = ENOSYS;
    return "read request";
}

/* Splits the bytes after the length into fields. 0, or -1 when they do not add up. */
static int parse_request(char *bytes, size_t length, struct request *request, struct field *fields)
{
    uint16_t count;
    if (length < 1 + sizeof count)
        return -1;
    memcpy(&count, bytes + 1, sizeof count);
    if (count > FIELD_LIMIT)
        return -1;
    request->operation = bytes[0];
    request->count = count;
    request->fields = fields;
    size_t at = 1 + sizeof count;
    for (size_t i = 0; i < request->count; i++) {
        uint32_t size;
        if (length - at < sizeof size)
            return -1;
        memcpy(&size, bytes + at, sizeof size);
        at += sizeof size;
        if (length - at <= size || bytes[at + size] != '\0')
            return -1;
        fields[i] = (struct field){.bytes = bytes + at, .length = size};
        at += (size_t)size + 1;
    }
    return at == length ? 0 : -1;
}

static void answer_request(char *bytes, size_t length, struct buffer *answers)
{
    struct field fields[FIELD_LIMIT];
    struct request request = {.answer = answers};
    size_t start = answers->length;
    uint32_t head[2] = {0, 0};
    buffer_add(answers, head, sizeof head);
    errno = EBADMSG;
    const char *failed = parse_request(bytes, length, &request, fields) < 0 ? "read request" : perform(&request);
    if (failed) {
        head[1] = (uint32_t)(errno ? errno : EIO);
        answers->length = start + sizeof head;
        buffer_text(answers, failed);
    }
    head[0] = (uint32_t)(answers->length - start - sizeof head[0]);
    memcpy(answers->data + start, head, sizeof head);
}

/* Answers every whole request in the buffer and keeps the rest. 0, or -1 when a request is too long. */
static int answer_all(struct buffer *input, struct buffer *answers)
{
    size_t at = 0;
    uint32_t length;
    while (input->length - at >= sizeof length) {
        memcpy(&length, input->data + at, sizeof length);
        if (length > REQUEST_LIMIT)
            return -1;
        if (input->length - at - sizeof length < length)
            break;
        answer_request(input->data + at + sizeof length, length, answers);
        at += sizeof length + length;
    }
    memmove(input->data, input->data + at, input->length - at);
    input->length -= at;
    return 0;
}

int command_fsop(int argc, char **argv)
{
    struct buffer input = {0}, answers = {0};
    (void)argv;
    /* An argument asks for a user namespace of its own, for what must not be done to the one of this process. */
    if (argc > 0)
        enter_namespace_of_all_ids();
    /* An interrupt from the terminal reaches the whole group; this process ends when its client is done with it. */
    setsid();
    signal(SIGINT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    umask(0);
    for (;;) {
        buffer_reserve(&input, 65536);
        ssize_t count = read(0, input.data + input.length, 65536);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            break;
        input.length += (size_t)count;
        if (answer_all(&input, &answers) < 0 || write_all(1, answers.data, answers.length) < 0)
            break;
        answers.length = 0;
    }
    fsop_unmount_all();
    return 0;
}
