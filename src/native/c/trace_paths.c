/* Paths as the run means them: walked part by part inside its root, its redirections and what /proc is to it. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "trace.h"

enum { LINK_LIMIT = 40 };

static const struct run_spec *spec;
static struct redirection *redirections;
static size_t redirection_count;
static char mounts_file[PATH_MAX];

static void add_redirection(const char *target, const char *source, int is_readonly)
{
    char real[PATH_MAX];
    if (!realpath(source, real))
        return;
    redirections = reallocate(redirections, (redirection_count + 1) * sizeof *redirections);
    redirections[redirection_count++] =
        (struct redirection){.target = copy_text(target), .source = copy_text(real), .is_readonly = is_readonly};
}

static char *join(const char *directory, const char *name)
{
    struct buffer path = {0};
    buffer_text(&path, directory);
    buffer_text(&path, name);
    buffer_add(&path, "", 1);
    return path.data;
}

/* A file or directory of the supervisor's own, shown in the root. */
static const char *make_own(const char *scratch, const char *name, int is_directory, mode_t mode)
{
    char *path = join(scratch, name);
    int fd = is_directory ? mkdir(path, mode) : open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, mode);
    if (fd < 0)
        fail("make", path);
    if (!is_directory)
        close(fd);
    if (chmod(path, mode) < 0)
        fail("make", path);
    return path;
}

static void add_devices(const char *scratch)
{
    static const char *const NAMES[] = {"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty", "/dev/ptmx"};
    static const char *const LINKS[][2] = {
        {"/proc/self/fd", "/dev/fd"},       {"/proc/self/fd/0", "/dev/stdin"}, {"/proc/self/fd/1", "/dev/stdout"},
        {"/proc/self/fd/2", "/dev/stderr"}, {"/proc/kcore", "/dev/core"},
    };
    add_redirection("/dev", make_own(scratch, "/dev", 1, 0755), 0);
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++) {
        make_own(scratch, NAMES[i], 0, 0666);
        add_redirection(NAMES[i], NAMES[i], 0);
    }
    for (size_t i = 0; i < sizeof LINKS / sizeof LINKS[0]; i++)
        if (symlink(LINKS[i][0], join(scratch, LINKS[i][1])) < 0)
            fail("make", LINKS[i][1]);
    make_own(scratch, "/dev/pts", 1, 0755);
    add_redirection("/dev/pts", "/dev/pts", 0);
    make_own(scratch, "/dev/shm", 1, 01777);
    make_own(scratch, "/dev/mqueue", 1, 01777);
}

/* What Docker hides of the kernel, too; a container may show it. */
static void hide(const char *scratch)
{
    static const char *const HIDDEN[] = {
        "/proc/acpi",       "/proc/asound",     "/proc/interrupts", "/proc/kcore",         "/proc/keys",
        "/proc/latency_stats", "/proc/sched_debug", "/proc/scsi",   "/proc/timer_list",    "/proc/timer_stats",
        "/sys/firmware",    "/sys/devices/virtual/powercap",
    };
    struct stat status;
    const char *nothing = make_own(scratch, "/nothing", 1, 0555);
    for (size_t i = 0; i < sizeof HIDDEN / sizeof HIDDEN[0]; i++)
        if (stat(HIDDEN[i], &status) == 0)
            add_redirection(HIDDEN[i], S_ISDIR(status.st_mode) ? nothing : "/dev/null", 1);
}

static void add_mount_line(struct buffer *mounts, struct buffer *info, const char *target, const char *type)
{
    static int number = 20;
    buffer_text(mounts, type);
    buffer_text(mounts, " ");
    buffer_text(mounts, target);
    buffer_text(mounts, " ");
    buffer_text(mounts, type);
    buffer_text(mounts, " rw 0 0\n");
    buffer_number(info, ++number);
    buffer_text(info, " 20 0:");
    buffer_number(info, number);
    buffer_text(info, " / ");
    buffer_text(info, target);
    buffer_text(info, " rw - ");
    buffer_text(info, type);
    buffer_text(info, " ");
    buffer_text(info, type);
    buffer_text(info, " rw\n");
}

static void write_own(const char *scratch, const char *name, const struct buffer *text)
{
    const char *path = make_own(scratch, name, 0, 0600);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write_all(fd, text->data, text->length) < 0)
        fail("write", path);
    close(fd);
}

static void write_mounts(const char *scratch)
{
    struct buffer mounts = {0}, info = {0};
    add_mount_line(&mounts, &info, "/", "rootfs");
    for (size_t i = 0; i < redirection_count; i++) {
        const char *target = redirections[i].target;
        add_mount_line(&mounts, &info, target, !strcmp(target, "/proc") ? "proc" : !strcmp(target, "/sys") ? "sysfs" : "bind");
    }
    write_own(scratch, "/mounts", &mounts);
    write_own(scratch, "/mountinfo", &info);
    strcpy(mounts_file, scratch);
}

static void add_asked(const struct run_mount *asked, const char *scratch, size_t index)
{
    char name[32] = "/tmpfs";
    const char *source = asked->source;
    if (asked->kind == MOUNT_TMPFS) {
        struct buffer text = {0};
        buffer_text(&text, name);
        buffer_number(&text, (long long)index);
        buffer_add(&text, "", 1);
        source = make_own(scratch, text.data, 1, 01777);
    }
    if (access(source, F_OK) < 0)
        fail("open bind source", source);
    add_redirection(asked->target, source, asked->kind == MOUNT_BIND_READONLY);
}

void begin_paths(const struct run_spec *of, const char *scratch)
{
    spec = of;
    add_redirection("/proc", "/proc", 0);
    add_redirection("/sys", "/sys", 1);
    add_devices(scratch);
    hide(scratch);
    for (size_t i = 0; i < spec->mount_count; i++)
        add_asked(&spec->mounts[i], scratch, i);
    write_mounts(scratch);
}

/* What follows `prefix` in the path as whole parts, or NULL. */
static const char *below(const char *path, const char *prefix)
{
    size_t length = strlen(prefix);
    if (strncmp(path, prefix, length))
        return NULL;
    return path[length] == '/' || path[length] == '\0' ? path + length : NULL;
}

static int put_together(char path[PATH_MAX], const char *first, const char *second)
{
    size_t length = strlen(first), more = strlen(second);
    if (length + more >= PATH_MAX)
        return -ENAMETOOLONG;
    memmove(path + length, second, more + 1);
    memcpy(path, first, length);
    return 0;
}

/* Where a path without links lies on the host. */
static int place(struct located *found)
{
    found->is_readonly = found->is_mount_point = 0;
    found->redirection = NULL;
    for (size_t i = redirection_count; i-- > 0;) {
        const char *rest = below(found->path, redirections[i].target);
        if (!rest)
            continue;
        found->redirection = &redirections[i];
        found->is_readonly = redirections[i].is_readonly;
        found->is_mount_point = *rest == '\0';
        return put_together(found->host, redirections[i].source, rest);
    }
    return put_together(found->host, spec->root, found->path);
}

static int leads_to_redirection(const char *path)
{
    for (size_t i = 0; i < redirection_count; i++)
        if (below(redirections[i].target, path))
            return 1;
    return 0;
}

int name_in_root(const char *host, char path[PATH_MAX])
{
    const struct redirection *best = NULL;
    size_t best_length = 0;
    for (size_t i = 0; i < redirection_count; i++) {
        size_t length = strlen(redirections[i].source);
        if (below(host, redirections[i].source) && length > best_length) {
            best = &redirections[i];
            best_length = length;
        }
    }
    const char *rest = below(host, spec->root);
    if (rest && strlen(spec->root) > best_length) {
        strcpy(path, *rest ? rest : "/");
        return 0;
    }
    if (!best)
        return -1;
    return put_together(path, best->target, host + best_length) < 0 ? -1 : 0;
}

const struct redirection *redirection_of(int fd)
{
    char path[6 + PROC_SELF_FD_SIZE] = "/proc/", host[PATH_MAX];
    self_fd(path + 6, fd);
    ssize_t length = readlink(path, host, sizeof host - 1);
    host[length > 0 ? length : 0] = '\0';
    for (size_t i = 0; i < redirection_count; i++)
        if (below(host, redirections[i].source))
            return &redirections[i];
    return NULL;
}

int is_protected(int fd)
{
    const struct redirection *redirection = redirection_of(fd);
    return redirection && redirection->is_readonly;
}

void proc_path(char path[PATH_MAX], pid_t tid, const char *name)
{
    struct buffer text = {0};
    buffer_text(&text, "/proc/");
    buffer_number(&text, tid);
    buffer_text(&text, "/");
    buffer_text(&text, name);
    buffer_add(&text, "", 1);
    strcpy(path, text.data);
    free(text.data);
}

static ssize_t read_proc_link(pid_t tid, const char *name, char text[PATH_MAX])
{
    char path[PATH_MAX];
    proc_path(path, tid, name);
    ssize_t length = readlink(path, text, PATH_MAX - 1);
    if (length >= 0)
        text[length] = '\0';
    return length;
}

enum proc_kind { PROC_PLAIN, PROC_MISSING, PROC_TEXT, PROC_MAGIC, PROC_MOUNTS };

static const char *skip_number(const char *text)
{
    while (isdigit((unsigned char)*text))
        text++;
    return text;
}

/* What the run sees as the directory or the program of one of its processes. */
static enum proc_kind process_link(pid_t pid, const char *name, char text[PATH_MAX])
{
    char host[PATH_MAX];
    const struct task *task = find_task(pid);
    if (!strcmp(name, "/root"))
        strcpy(text, "/");
    else if (!strcmp(name, "/exe"))
        strcpy(text, task->process ? task->process->program : "/");
    else if (read_proc_link(pid, "cwd", host) < 0 || name_in_root(host, text) < 0)
        return PROC_MISSING;
    return PROC_TEXT;
}

/* Elsewhere process 1 is the run's own, and its root the run's. Here nothing else is there of it. */
static enum proc_kind judge_first_process(pid_t pid, const char *rest, char text[PATH_MAX])
{
    if (pid != 1 || (*rest != '\0' && strcmp(rest, "/root") != 0))
        return PROC_MISSING;
    strcpy(text, "/");
    return *rest == '\0' ? PROC_PLAIN : PROC_TEXT;
}

/* What a path below /proc is, where that is not what the kernel shows to the supervisor. */
static enum proc_kind judge_proc(const struct task *task, const char *path, char text[PATH_MAX])
{
    const char *rest = path + 6;
    struct buffer number = {0};
    if (!strcmp(rest, "self") || !strcmp(rest, "thread-self")) {
        buffer_number(&number, task->process->pid);
        if (rest[0] == 't') {
            buffer_text(&number, "/task/");
            buffer_number(&number, task->tid);
        }
        buffer_add(&number, "", 1);
        strcpy(text, number.data);
        free(number.data);
        return PROC_TEXT;
    }
    const char *end = skip_number(rest);
    if (end == rest || (*end != '/' && *end != '\0'))
        return PROC_PLAIN;
    pid_t pid = (pid_t)strtol(rest, NULL, 10);
    if (!is_traced(pid))
        return judge_first_process(pid, end, text);
    if (!strncmp(end, "/task/", 6))
        end = skip_number(end + 6);
    if (!strcmp(end, "/exe") || !strcmp(end, "/cwd") || !strcmp(end, "/root"))
        return process_link(pid, end, text);
    if (!strcmp(end, "/mounts") || !strcmp(end, "/mountinfo"))
        return PROC_MOUNTS;
    if ((!strncmp(end, "/fd/", 4) && end[4]) || !strncmp(end, "/ns/", 4) || !strncmp(end, "/map_files/", 11))
        return PROC_MAGIC;
    return PROC_PLAIN;
}

static void go_up(char path[PATH_MAX])
{
    char *slash = strrchr(path, '/');
    if (slash)
        *slash = '\0';
}

struct walking {
    const struct task *task;
    struct located *found;
    char rest[2 * PATH_MAX];
    char *at;
    int links;
};

/* The text of a link takes its place. */
static int follow_text(struct walking *walking, const char *text)
{
    char joined[2 * PATH_MAX];
    if (++walking->links > LINK_LIMIT)
        return -ELOOP;
    if (strlen(text) + strlen(walking->at) + 2 > sizeof joined)
        return -ENAMETOOLONG;
    strcpy(joined, text);
    strcat(joined, walking->at);
    strcpy(walking->rest, joined);
    walking->at = walking->rest;
    if (text[0] == '/')
        walking->found->path[0] = '\0';
    else
        go_up(walking->found->path);
    return 0;
}

/* Looks at the part that was just added. 1: a link was followed; 0: it stands; negative: an error number. */
static int look(struct walking *walking, int is_last, int follow)
{
    struct located *found = walking->found;
    char text[PATH_MAX];
    int result = place(found);
    if (result < 0)
        return result;
    if (!strncmp(found->path, "/proc/", 6)) {
        switch (judge_proc(walking->task, found->path, text)) {
        case PROC_MISSING: return -ENOENT;
        case PROC_MOUNTS:
            found->exists = 1;
            return put_together(found->host, mounts_file, strrchr(found->path, '/'));
        case PROC_TEXT:
            found->exists = 1;
            found->is_link = is_last && !follow;
            if (found->is_link)
                return 0;
            result = follow_text(walking, text);
            return result < 0 ? result : 1;
        case PROC_MAGIC:
            found->is_magic = found->exists = is_last;
            found->is_link = is_last && !follow;
            if (is_last)
                return access(found->host, F_OK) < 0 && readlink(found->host, text, 1) < 0 ? -ENOENT : 0;
            break;
        default: break;
        }
    }
    ssize_t length = readlink(found->host, text, sizeof text - 1);
    if (length < 0) {
        found->exists = errno == EINVAL;
        if (found->exists && !is_last)
            return may_use(walking->task, spec, found->host, X_OK);
        if (errno == EINVAL || (errno == ENOENT && (is_last || leads_to_redirection(found->path))))
            return 0;
        return -errno;
    }
    text[length] = '\0';
    if (is_last && !follow) {
        found->exists = found->is_link = 1;
        return 0;
    }
    if (!strncmp(found->path, "/proc/", 6) && text[0] == '/' && strncmp(text, "/proc/", 6)) {
        char host[PATH_MAX];
        strcpy(host, text);
        if (name_in_root(host, text) < 0)
            return -ENOENT;
    }
    result = follow_text(walking, text);
    return result < 0 ? result : 1;
}

static int walk_path(struct walking *walking, int follow)
{
    struct located *found = walking->found;
    for (;;) {
        char *part = walking->at + strspn(walking->at, "/");
        size_t length = strcspn(part, "/");
        if (length == 0)
            break;
        char *next = part + length;
        int is_last = next[strspn(next, "/")] == '\0';
        walking->at = next;
        if (length > NAME_MAX)
            return -ENAMETOOLONG;
        if (length == 1 && part[0] == '.')
            continue;
        if (length == 2 && part[0] == '.' && part[1] == '.') {
            go_up(found->path);
            found->exists = 1;
            continue;
        }
        size_t above = strlen(found->path);
        if (above + length + 2 > PATH_MAX)
            return -ENAMETOOLONG;
        found->path[above] = '/';
        memcpy(found->path + above + 1, part, length);
        found->path[above + 1 + length] = '\0';
        found->is_link = found->exists = 0;
        int result = look(walking, is_last, follow || *next == '/');
        if (result < 0)
            return result;
    }
    return 0;
}

static int start_of(const struct task *task, int directory, char path[PATH_MAX])
{
    char name[32] = "cwd", host[PATH_MAX];
    struct stat status;
    if (directory != AT_FDCWD) {
        struct buffer text = {0};
        buffer_text(&text, "fd/");
        buffer_number(&text, directory);
        buffer_add(&text, "", 1);
        strncpy(name, text.data, sizeof name - 1);
        free(text.data);
    }
    if (read_proc_link(task->tid, name, host) < 0)
        return directory == AT_FDCWD ? -ENOENT : -EBADF;
    if (stat(host, &status) < 0)
        return directory != AT_FDCWD && host[0] != '/' ? -ENOTDIR : -ENOENT;
    if (!S_ISDIR(status.st_mode))
        return -ENOTDIR;
    return name_in_root(host, path) < 0 ? -ENOENT : 0;
}

int locate(const struct task *task, int directory, const char *path, int follow, struct located *found)
{
    struct walking walking = {.task = task, .found = found};
    if (path[0] == '\0')
        return -ENOENT;
    memset(found, 0, offsetof(struct located, host));
    found->exists = 1;
    found->is_link = found->is_magic = 0;
    if (path[0] != '/') {
        int result = start_of(task, directory, found->path);
        if (result < 0)
            return result;
        if (!strcmp(found->path, "/"))
            found->path[0] = '\0';
    }
    strcpy(walking.rest, path);
    walking.at = walking.rest;
    int result = walk_path(&walking, follow);
    if (result < 0)
        return result;
    int is_mounts = found->exists && !strncmp(found->path, "/proc/", 6) && below(found->host, mounts_file);
    if (!is_mounts && (result = place(found)) < 0)
        return result;
    if (path[strlen(path) - 1] == '/' && strlen(found->host) + 1 < PATH_MAX && !found->is_magic)
        strcat(found->host, "/");
    if (found->path[0] == '\0')
        strcpy(found->path, "/");
    return 0;
}

int locate_argument(struct traced_call *call, int directory, int path, int follow, struct located *found)
{
    char text[PATH_MAX];
    int start = directory < 0 ? AT_FDCWD : (int)(uint32_t)call->notice.data.args[directory];
    if (read_caller_text(&call->waiting, call->notice.data.args[path], text, sizeof text) < 0)
        return -errno;
    return locate(call->task, start, text, follow, found);
}

int64_t read_link(const struct task *task, const struct located *link, char text[PATH_MAX])
{
    char host[PATH_MAX];
    if (!strncmp(link->path, "/proc/", 6) && judge_proc(task, link->path, text) == PROC_TEXT)
        return (int64_t)strlen(text);
    ssize_t length = readlink(link->host, text, PATH_MAX - 1);
    if (length < 0)
        return -errno;
    text[length] = '\0';
    if (!link->is_magic || text[0] != '/')
        return length;
    strcpy(host, text);
    return name_in_root(host, text) < 0 ? length : (int64_t)strlen(text);
}
