/*
 * Who owns a file, where this process has one id only and chown could give it to nobody: written down beside the file.
 *
 * Regular files and directories carry it as the attribute user.ossb.owner, "uid gid" and for a device node, in whose
 * place an empty file stands, " c major minor" or " b major minor". Links, fifos and whatever has no such attributes
 * carry it in their access time: seconds from OWNER_EPOCH (in the year 2286) on, which no clock gives and which relatime
 * leaves alone. Both go where the file goes: renames, hard links, copies of overlayfs; both end with it.
 *
 * A process that is not even root of a namespace has all files as its own and no way past their modes. What it can't
 * open, as a mode of 0, or can't keep, as set-id bits, is on record as well, " m mode", and file capabilities are the
 * attribute user.ossb.capability.
 */
#ifndef OSSB_OWNER_H
#define OSSB_OWNER_H

#include <linux/stat.h>

#include "ossb.h"

/* An id that is still to be found: that of whoever made the file. */
#define ID_OF_MAKER ((uint32_t)-1)

struct owner {
    uint32_t uid;
    uint32_t gid;
    /* 'c' or 'b' where the file stands for a device, else 0 */
    char device;
    uint32_t major;
    uint32_t minor;
    /* The mode of a file whose own one would keep this process out, or lose its set-id bits to it. */
    int has_mode;
    uint32_t mode;
};

/* A file: a name in the working directory, or one in /proc/self/fd, which is to be followed. */
struct place {
    const char *path;
    int follow;
};

/*
 * Whether this process has one id: as root of a user namespace, or as OSSB_RECORDS says where it is no root at all.
 * Asked first where /proc is that of this process.
 */
int has_one_id(void);
/* The latter. */
int records_modes(void);
/* The name that a file capability goes by then. */
#define CAPABILITY_RECORD "user.ossb.capability"
/* Seconds of the access time from which on it is an owner, and whether one is. */
#define OWNER_EPOCH 10000000000
int is_owner_time(const struct statx_timestamp *time);
/* 1, or 0 where nothing is written down, or -1 with errno. `status` has the basic fields of statx. */
int read_owner(struct place place, const struct statx *status, struct owner *owner);
/* 0, or -1 with errno; EOPNOTSUPP where the file system can't hold it. */
int write_owner(struct place place, mode_t mode, const struct owner *owner);
/* The same for an open file or directory. */
int write_open_owner(int fd, const struct owner *owner);
/* chmod, on record where need be. 0, or -1 with errno. */
int change_mode(struct place place, const struct statx *status, mode_t mode);
/* A file that stands for a device. 0, or -1 with errno. */
int make_device_stand_in(const char *path, mode_t mode, const struct owner *owner);

/* The owner of what a run makes: on the root of its tree, from its start until a walk has written it on each file. */
int write_maker(const char *root, uint32_t uid, uint32_t gid);
int read_maker(const char *root, struct owner *owner);
void remove_maker(const char *root);

#endif
