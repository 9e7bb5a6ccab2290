/* run, where nothing can be mounted and no namespace can be made: by chroot. See chroot.c. */
#ifndef OSSB_CHROOT_H
#define OSSB_CHROOT_H

#include "run.h"
#include "served.h"

/* The status of the command, as wait() gives it. `streams` are standard output and standard error. */
int run_in_chroot(struct run_spec *spec, struct stream streams[2]);
/* What the run sees of the kernel; NULL where that is mounted. */
const struct served_tree *served_tree(void);
/* find_target() from outside the root. */
void find_in_root(const char *path, enum target_kind kind, struct target *target);

/* chroot_devices.c: fills the directory that stands for /dev. 1 where devices have to be served. */
int fill_devices(int directory);

/* substitutes.c */
/* An empty directory of that mode at a path of the root. */
void substitute_directory(const struct run_spec *spec, const char *path, mode_t mode);
/* A file of that text. */
void substitute_file(const struct run_spec *spec, const char *path, const char *text);
void substitute_mount(const struct run_spec *spec, const struct run_mount *asked);
/* When nothing of the run is left. The target of one that the run moved away, or NULL. */
const char *remove_substitutes(void);

#endif
