/* Names that musl or older kernel headers lack. linux/mount.h and sys/mount.h cannot both be included. */
#ifndef OSSB_KERNEL_H
#define OSSB_KERNEL_H

int mount(const char *source, const char *target, const char *type, unsigned long flags, const void *data);
int umount2(const char *target, int flags);

#ifndef MNT_DETACH
#define MNT_DETACH 2
#define UMOUNT_NOFOLLOW 8
#endif
#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#ifndef SYS_mount_setattr
#define SYS_mount_setattr 442
#endif
#define CLOSE_RANGE_WITH_CLOEXEC 4

#endif
