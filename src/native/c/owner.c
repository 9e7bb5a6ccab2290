#include "owner.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

static const char OWNER[] = "user.ossb.owner";
static const char MAKER[] = "user.ossb.maker";

enum { TEXT_LIMIT = 64 };
/* Ids of 31 bits each, the last of them for ID_OF_MAKER; the latest time, in 2433, fits into ext4. */
static const int64_t NANOSECONDS = 1000000000;
static const uint32_t ID_IN_TIME_LIMIT = 0x7fffffff;

int records_modes(void)
{
    static int known = -1;
    if (known < 0)
        known = getenv("OSSB_RECORDS") != NULL && geteuid() != 0;
    return known;
}

int has_one_id(void)
{
    static int known = -1;
    char text[256] = "";
    if (known >= 0)
        return known;
    if (records_modes())
        return known = 1;
    int fd = open("/proc/self/uid_map", O_RDONLY | O_CLOEXEC);
    ssize_t count = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    unsigned long long length = 0;
    char *end = strchr(text, '\n');
    if (count > 0 && end && end[1] == '\0') {
        *end = '\0';
        char *last = strrchr(text, ' ');
        known = last && parse_number(last + 1, UINT32_MAX, &length) == 0 && length == 1;
    } else {
        known = 0;
    }
    return known;
}

static int parse_owner(char *text, struct owner *owner)
{
    unsigned long long numbers[4] = {0}, mode = 0;
    size_t count = 0;
    *owner = (struct owner){.device = 0};
    for (char *word = strtok(text, " "); word; word = strtok(NULL, " ")) {
        if (count == 2 && !owner->device && (!strcmp(word, "c") || !strcmp(word, "b")))
            owner->device = word[0];
        else if (!strcmp(word, "m")) {
            word = strtok(NULL, " ");
            owner->has_mode = 1;
            if (!word || parse_number(word, 07777, &mode) < 0)
                return -1;
        } else if (count == 4 || parse_number(word, UINT32_MAX, &numbers[count++]) < 0)
            return -1;
    }
    owner->uid = (uint32_t)numbers[0];
    owner->gid = (uint32_t)numbers[1];
    owner->major = (uint32_t)numbers[2];
    owner->minor = (uint32_t)numbers[3];
    owner->mode = (uint32_t)mode;
    return count == (owner->device ? 4 : 2) ? 0 : -1;
}

static size_t format_owner(char text[TEXT_LIMIT], const struct owner *owner)
{
    struct buffer words = {0};
    buffer_number(&words, owner->uid);
    buffer_text(&words, " ");
    buffer_number(&words, owner->gid);
    if (owner->device) {
        char letter[] = {' ', owner->device, ' '};
        buffer_add(&words, letter, sizeof letter);
        buffer_number(&words, owner->major);
        buffer_text(&words, " ");
        buffer_number(&words, owner->minor);
    }
    if (owner->has_mode) {
        buffer_text(&words, " m ");
        buffer_number(&words, owner->mode);
    }
    size_t length = words.length;
    memcpy(text, words.data, length);
    free(words.data);
    return length;
}

/* 1 or 0. What is not in our form, as only the image itself can have left it, counts for nothing. */
static int read_attribute(struct place place, const char *name, struct owner *owner)
{
    char text[TEXT_LIMIT];
    ssize_t count = place.follow ? getxattr(place.path, name, text, sizeof text - 1)
                                 : lgetxattr(place.path, name, text, sizeof text - 1);
    if (count < 0)
        return errno == ENODATA || errno == ENOTSUP || errno == ERANGE || errno == EPERM ? 0 : -1;
    text[count] = '\0';
    return parse_owner(text, owner) == 0;
}

static int owner_in_time(const struct statx_timestamp *time, struct owner *owner)
{
    if (time->tv_sec < OWNER_EPOCH || time->tv_sec - OWNER_EPOCH > INT64_MAX / 2 / NANOSECONDS)
        return 0;
    uint64_t both = (uint64_t)(time->tv_sec - OWNER_EPOCH) * (uint64_t)NANOSECONDS + time->tv_nsec;
    if (both >> 62)
        return 0;
    uint32_t uid = (uint32_t)(both >> 31), gid = (uint32_t)(both & ID_IN_TIME_LIMIT);
    *owner = (struct owner){
        .uid = uid == ID_IN_TIME_LIMIT ? ID_OF_MAKER : uid,
        .gid = gid == ID_IN_TIME_LIMIT ? ID_OF_MAKER : gid,
    };
    return 1;
}

int is_owner_time(const struct statx_timestamp *time)
{
    struct owner ignored;
    return owner_in_time(time, &ignored);
}

static int has_attributes(mode_t mode)
{
    return S_ISREG(mode) || S_ISDIR(mode);
}

int read_owner(struct place place, const struct statx *status, struct owner *owner)
{
    int found = has_attributes(status->stx_mode) ? read_attribute(place, OWNER, owner) : 0;
    return found != 0 ? found : owner_in_time(&status->stx_atime, owner);
}

static int write_time(struct place place, const struct owner *owner)
{
    struct statx status;
    int flags = place.follow ? 0 : AT_SYMLINK_NOFOLLOW;
    uint64_t uid = owner->uid == ID_OF_MAKER ? ID_IN_TIME_LIMIT : owner->uid;
    uint64_t gid = owner->gid == ID_OF_MAKER ? ID_IN_TIME_LIMIT : owner->gid;
    uint64_t both = uid << 31 | gid;
    if (uid > ID_IN_TIME_LIMIT || gid > ID_IN_TIME_LIMIT || owner->device) {
        errno = EOPNOTSUPP;
        return -1;
    }
    struct timespec times[2] = {
        {.tv_sec = OWNER_EPOCH + (int64_t)(both / (uint64_t)NANOSECONDS), .tv_nsec = (long)(both % (uint64_t)NANOSECONDS)},
        {.tv_nsec = UTIME_OMIT},
    };
    if (utimensat(AT_FDCWD, place.path, times, flags) < 0 ||
        syscall(SYS_statx, AT_FDCWD, place.path, flags, STATX_ATIME, &status) < 0)
        return -1;
    /* A file system whose times end earlier takes the last one that it has. */
    if (status.stx_atime.tv_sec == times[0].tv_sec && status.stx_atime.tv_nsec == times[0].tv_nsec)
        return 0;
    errno = EOPNOTSUPP;
    return -1;
}

int write_owner(struct place place, mode_t mode, const struct owner *owner)
{
    char text[TEXT_LIMIT];
    size_t length = format_owner(text, owner);
    if (has_attributes(mode)) {
        int result = place.follow ? setxattr(place.path, OWNER, text, length, 0)
                                  : lsetxattr(place.path, OWNER, text, length, 0);
        if (result == 0 || errno != ENOTSUP)
            return result;
    }
    return write_time(place, owner);
}

int write_open_owner(int fd, const struct owner *owner)
{
    char text[TEXT_LIMIT];
    return fsetxattr(fd, OWNER, text, format_owner(text, owner), 0);
}

/* What the file itself gets of the mode: never without the rights that its owner needs. */
static mode_t mode_of_file(mode_t type, mode_t mode)
{
    return S_ISDIR(type) ? mode | 0700 : S_ISREG(type) ? (mode & 01777) | 0600 : mode;
}

int change_mode(struct place place, const struct statx *status, mode_t mode)
{
    struct owner owner = {.uid = ID_OF_MAKER, .gid = ID_OF_MAKER};
    mode_t real = records_modes() ? mode_of_file(status->stx_mode, mode) : mode;
    if (chmod(place.path, real) < 0)
        return -1;
    if (!records_modes() || !has_attributes(status->stx_mode) || read_owner(place, status, &owner) < 0)
        return 0;
    if (real == mode && !owner.has_mode)
        return 0;
    owner.has_mode = real != mode;
    owner.mode = mode;
    return write_owner(place, status->stx_mode, &owner);
}

int make_device_stand_in(const char *path, mode_t mode, const struct owner *owner)
{
    int fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return -1;
    int result = fchmod(fd, mode) < 0 ? -1 : write_open_owner(fd, owner);
    int reason = errno;
    close(fd);
    if (result < 0)
        unlink(path);
    errno = reason;
    return result;
}

int write_maker(const char *root, uint32_t uid, uint32_t gid)
{
    char text[TEXT_LIMIT];
    struct owner owner = {.uid = uid, .gid = gid};
    return setxattr(root, MAKER, text, format_owner(text, &owner), 0);
}

int read_maker(const char *root, struct owner *owner)
{
    return read_attribute((struct place){.path = root, .follow = 1}, MAKER, owner) == 1;
}

void remove_maker(const char *root)
{
    removexattr(root, MAKER);
}
