/* run: what its parts share. See run.c for how the processes fit together. */
#ifndef OSSB_RUN_H
#define OSSB_RUN_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "ossb.h"

struct text_list {
    char **items;
    size_t count;
};

enum mount_kind { MOUNT_BIND, MOUNT_BIND_READONLY, MOUNT_TMPFS };

struct run_mount {
    enum mount_kind kind;
    const char *source;
    const char *target;
    /* For MOUNT_TMPFS: bytes, or "" for the kernel's own limit. */
    const char *size;
    int source_fd;
};

struct run_limit {
    int resource;
    struct rlimit values;
};

struct run_spec {
    const char *root;
    const char *cwd;
    const char *hostname;
    const char *shm_size;
    /* Where to enter one that lies below that of this process; NULL is none. */
    const char *user_namespace;
    struct text_list args;
    struct text_list env;
    struct run_mount *mounts;
    size_t mount_count;
    gid_t *groups;
    size_t group_count;
    struct run_limit *limits;
    size_t limit_count;
    uid_t uid;
    gid_t gid;
    int new_network;
    int insecure;
    /* Nothing can have another owner than this process: owners are recorded (owner.h). */
    int one_id;
    /* Not NULL: nothing can be mounted (chroot.h); an empty directory beside the root, for what is moved out of the way. */
    const char *holding;
    /* The run is traced (trace.h): neither namespaces nor a root of its own. */
    int is_traced;
};

/* Reads `fd` to its end; fails on anything that it does not know. */
void read_spec(int fd, struct run_spec *spec);

/* A mount point, or a directory above one, that was not in the root before. */
struct stub {
    uint64_t dev;
    uint64_t ino;
    uint32_t mode;
    int64_t mtime_seconds;
    int64_t mtime_nanoseconds;
    char name[NAME_MAX + 1];
    char path[PATH_MAX];
};

/* stubs.c: sent from the process that makes them to the one that removes them. */
void send_stub(int channel, const struct stub *stub, int parent);
/* Hands the listener of a filter to the one who answers. */
void send_listener(int channel, int listener);
/* Takes one message; a listener goes to `*listener`. 1, or 0 at the end of the channel. */
int receive_message(int channel, int *listener);
void remove_stubs(void);

/* target.c: a path inside the root, found as the kernel would from within, and made where it is missing. */
enum target_kind { TARGET_ANY, TARGET_DIRECTORY, TARGET_FILE };
struct target {
    int fd;
    int parent;
    char name[NAME_MAX + 1];
};
/* `stub_channel` is where to tell of what was made; -1: what was made is to stay. The process is chrooted. */
void find_target(const char *path, enum target_kind kind, int stub_channel, struct target *target);
/* What is mounted at the target now. */
int reopen_target(const struct target *target);
void close_target(struct target *target);

/* A setting by which apt does not become another user, and the file that is to hold it. */
#define APT_STAYS_ROOT "APT::Sandbox::User \"root\";\n"
#define APT_SETTING "/etc/apt/apt.conf.d/zz-ossb"

/* rootfs.c: leaves this process in the new root, with nothing of the old one in reach. */
void enter_root(struct run_spec *spec, int stub_channel);

/* devices.c, called while chrooted */
struct outside {
    int root;
    int proc;
    /* -1 where there is none */
    int sys;
    int make_nodes;
    int devices[6];
};
void open_outside(struct outside *outside);
void mount_devices(const struct run_spec *spec, struct outside *outside, int stub_channel);
void mount_on(const struct outside *outside, int target, const char *type, unsigned long flags, const char *data);
/* Index of /dev/null in `devices`. */
enum { DEVICE_NULL = 0 };

/* One stream of the payload: where it writes, where that is read, and where it goes. */
struct stream {
    int reading;
    int writing;
    int destination;
};

/* streams.c */
void open_stream(struct stream *stream, int destination);
/* Hands on what is there; at its end the stream is closed, and `reading` is -1. */
void relay_stream(struct stream *stream);
/* What is in the pipe now: something outside may hold its other end for ever. */
void drain_stream(const struct stream *stream);

/* payload.c */
/* `channel` is where the listener of its filter goes, if there is one. */
_Noreturn void run_payload(const struct run_spec *spec, int stdout_fd, int stderr_fd, int channel);

/* seccomp.c */
/* The listener for calls that are to be answered, or -1 where none are. */
int install_filter(const struct run_spec *spec);

#endif
