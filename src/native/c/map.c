/*
 * map: runs a command in a mount namespace of its own and, for an ordinary user, as root of a new user namespace
 * in which the subordinate ids follow the user's own, or which has that one id alone; or as it is. The command takes
 * the place of this process.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/mount.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel.h"
#include "ossb.h"

enum { RANGE_LIMIT = 340, MESSAGE_LIMIT = 1000 };

struct arguments {
    char **items;
    size_t count;
};

static void add_argument(struct arguments *arguments, unsigned long long number)
{
    struct buffer text = {0};
    buffer_number(&text, (long long)number);
    buffer_add(&text, "", 1);
    arguments->items[arguments->count++] = text.data;
}

/* "first:count,first:count" as the triples of newuidmap: own id as 0, then the ranges from 1 on. */
static void add_ranges(struct arguments *arguments, unsigned own, char *ranges)
{
    unsigned long long inside = 1, first, count;
    add_argument(arguments, 0);
    add_argument(arguments, own);
    add_argument(arguments, 1);
    for (char *range = strtok(ranges, ","); range; range = strtok(NULL, ",")) {
        char *colon = strchr(range, ':');
        if (colon)
            *colon++ = '\0';
        errno = EINVAL;
        if (!colon || arguments->count > RANGE_LIMIT * 3 || parse_number(range, UINT32_MAX, &first) < 0 ||
            parse_number(colon, UINT32_MAX, &count) < 0)
            fail("read id ranges", range);
        add_argument(arguments, inside);
        add_argument(arguments, first);
        add_argument(arguments, count);
        inside += count;
    }
}

static _Noreturn void exec_mapper(const char *program, char **items, int errors)
{
    char fallback[32] = "/usr/bin/";
    if (dup2(errors, 2) < 0)
        _exit(EXIT_HELPER_FAILURE);
    execvp(program, items);
    int reason = errno;
    strcat(fallback, program);
    execv(fallback, items);
    errno = reason;
    fail(program, "cannot be started");
}

/* What the program said, its status, and its name become one event. */
static void report_mapper(const char *program, const struct buffer *said)
{
    char text[MESSAGE_LIMIT + 1];
    size_t length = said->length < MESSAGE_LIMIT ? said->length : MESSAGE_LIMIT;
    memcpy(text, said->data, length);
    while (length > 0 && text[length - 1] == '\n')
        length--;
    text[length] = '\0';
    report_failure("error", program, text, EPERM);
}

/* Runs newuidmap or newgidmap for the process `target`. 0, or -1 after it reported why not. */
static int run_mapper(const char *program, pid_t target, unsigned own, char *ranges)
{
    int errors[2], status;
    struct buffer said = {0};
    struct arguments arguments = {.items = allocate((RANGE_LIMIT * 3 + 10) * sizeof(char *))};
    arguments.items[arguments.count++] = copy_text(program);
    add_argument(&arguments, (unsigned long long)target);
    add_ranges(&arguments, own, ranges);
    arguments.items[arguments.count] = NULL;
    if (pipe2(errors, O_CLOEXEC) < 0)
        fail("pipe", "");
    pid_t child = fork();
    if (child < 0)
        fail("fork", program);
    if (child == 0)
        exec_mapper(program, arguments.items, errors[1]);
    close(errors[1]);
    read_to_end(errors[0], &said, 65536);
    close(errors[0]);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_HELPER_FAILURE)
        return -1;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    report_mapper(program, &said);
    return -1;
}

/* The ids are written from outside the namespace, by a child that stayed there. */
static void enter_user_namespace(char *uid_ranges, char *gid_ranges)
{
    int go[2], status;
    char byte = 0;
    pid_t self = getpid();
    unsigned uid = getuid(), gid = getgid();
    if (pipe2(go, O_CLOEXEC) < 0)
        fail("pipe", "");
    pid_t mapper = fork();
    if (mapper < 0)
        fail("fork", "");
    if (mapper == 0) {
        close(go[1]);
        if (read(go[0], &byte, 1) != 1)
            _exit(1);
        _exit(run_mapper("newuidmap", self, uid, uid_ranges) < 0 || run_mapper("newgidmap", self, gid, gid_ranges) < 0);
    }
    close(go[0]);
    if (unshare(CLONE_NEWUSER) < 0)
        fail("unshare", "user namespace");
    if (write(go[1], &byte, 1) != 1)
        fail("write", "pipe");
    close(go[1]);
    while (waitpid(mapper, &status, 0) < 0 && errno == EINTR)
        ;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        _exit(EXIT_HELPER_FAILURE);
    if (setgroups(0, NULL) < 0)
        fail("setgroups", "");
    if (setresgid(0, 0, 0) < 0)
        fail("setresgid", "0");
    if (setresuid(0, 0, 0) < 0)
        fail("setresuid", "0");
}

static void write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, text, strlen(text)) < 0)
        fail("write", path);
    close(fd);
}

static void write_own_id(const char *path, unsigned id)
{
    struct buffer map = {0};
    buffer_text(&map, "0 ");
    buffer_number(&map, id);
    buffer_text(&map, " 1");
    buffer_add(&map, "", 1);
    write_file(path, map.data);
    free(map.data);
}

/* What needs nobody's help. Groups can't be shed then, as some deny what others may. */
static void enter_namespace_of_one_id(void)
{
    unsigned uid = geteuid(), gid = getegid();
    if (unshare(CLONE_NEWUSER) < 0)
        fail("unshare", "user namespace");
    if (access("/proc/self/setgroups", F_OK) == 0)
        write_file("/proc/self/setgroups", "deny");
    write_own_id("/proc/self/uid_map", uid);
    write_own_id("/proc/self/gid_map", gid);
}

/* The child stays outside, where it may write about more than one id. The last number stands for none. */
void enter_namespace_of_all_ids(void)
{
    static const char ALL[] = "0 0 4294967294";
    int go[2], status;
    char byte = 0, path[64] = "";
    struct buffer directory = {0};
    buffer_text(&directory, "/proc/");
    buffer_number(&directory, getpid());
    buffer_add(&directory, "", 1);
    if (pipe2(go, O_CLOEXEC) < 0)
        fail("pipe", "");
    pid_t writer = fork();
    if (writer < 0)
        fail("fork", "");
    if (writer == 0) {
        close(go[1]);
        if (read(go[0], &byte, 1) != 1)
            _exit(1);
        strcat(strcpy(path, directory.data), "/uid_map");
        write_file(path, ALL);
        strcat(strcpy(path, directory.data), "/gid_map");
        write_file(path, ALL);
        _exit(0);
    }
    close(go[0]);
    if (unshare(CLONE_NEWUSER) < 0)
        fail("unshare", "user namespace");
    if (write(go[1], &byte, 1) != 1)
        fail("write", "pipe");
    close(go[1]);
    while (waitpid(writer, &status, 0) < 0 && errno == EINTR)
        ;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        _exit(EXIT_HELPER_FAILURE);
    if (unshare(CLONE_NEWNS) < 0)
        fail("unshare", "mount namespace");
    if (make_mounts_private() < 0)
        fail("make mounts private", "/");
    free(directory.data);
}

/*
 * Read-only in this mount namespace, as what runs as root later on may reach the program of its process 1 through /proc.
 * One that has no path any more has none for anybody else either.
 */
static void protect_own_program(void)
{
    char path[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    path[length < 0 ? 0 : length] = '\0';
    if (access(path, F_OK) < 0)
        return;
    if (mount(path, path, NULL, MS_BIND, NULL) < 0)
        fail("mount bind", path);
    int here = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
    int program = open(path, O_PATH | O_CLOEXEC);
    if (here < 0 || proc < 0 || program < 0 || add_mount_attributes(proc, program, MOUNT_ATTR_RDONLY) < 0 ||
        fchdir(here) < 0)
        fail("make read-only", path);
    close(here);
    close(proc);
    close(program);
}

int command_map(int argc, char **argv)
{
    unsigned long long fd;
    if (argc < 3 || parse_number(argv[0], 1023, &fd) < 0)
        return EXIT_HELPER_FAILURE;
    event_fd = (int)fd;
    fcntl(event_fd, F_SETFD, FD_CLOEXEC);
    int as_user = !strcmp(argv[1], "user");
    char **command = argv + (as_user ? 4 : 2);
    if (argc < (as_user ? 5 : 3))
        return EXIT_HELPER_FAILURE;
    if (as_user)
        enter_user_namespace(argv[2], argv[3]);
    else if (!strcmp(argv[1], "one-id"))
        enter_namespace_of_one_id();
    if (strcmp(argv[1], "none") != 0) {
        if (unshare(CLONE_NEWNS) < 0)
            fail("unshare", "mount namespace");
        if (make_mounts_private() < 0)
            fail("make mounts private", "/");
        protect_own_program();
    }
    /* A change of ids clears the death signal: it comes last. */
    die_with_parent(event_fd);
    execvp(command[0], command);
    fail("exec", command[0]);
}
