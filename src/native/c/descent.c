#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "served.h"

enum { DEPTH_LIMIT = 4096, STATUS_SIZE = 4096, PATH_SIZE = 40 };

static int read_proc_file(pid_t process, const char *name, char *text, size_t size)
{
    struct buffer path = {0};
    buffer_text(&path, "/proc/");
    buffer_number(&path, process);
    buffer_text(&path, name);
    buffer_add(&path, "", 1);
    int fd = open(path.data, O_RDONLY | O_CLOEXEC);
    free(path.data);
    if (fd < 0)
        return -1;
    ssize_t count = read(fd, text, size - 1);
    close(fd);
    text[count > 0 ? count : 0] = '\0';
    return count > 0 ? 0 : -1;
}

long long status_number(pid_t process, const char *field)
{
    char text[STATUS_SIZE];
    if (read_proc_file(process, "/status", text, sizeof text) < 0)
        return -1;
    const char *line = strstr(text, field);
    if (!line)
        return -1;
    line += strlen(field);
    const char *last = line;
    for (const char *c = line; *c && *c != '\n'; c++)
        if (*c == '\t')
            last = c + 1;
    return strtoll(last, NULL, 10);
}

/* The fourth field; the second is a name that may hold anything. */
static pid_t parent_of(pid_t process)
{
    char text[512];
    if (read_proc_file(process, "/stat", text, sizeof text) < 0)
        return -1;
    const char *end = strrchr(text, ')');
    return end && strlen(end) > 4 ? (pid_t)strtol(end + 4, NULL, 10) : -1;
}

int descends_from(pid_t process, pid_t ancestor)
{
    for (int depth = 0; depth < DEPTH_LIMIT && process > 1; depth++) {
        process = parent_of(process);
        if (process == ancestor)
            return 1;
    }
    return 0;
}

void visit_descendants(pid_t ancestor, void (*visit)(pid_t process, void *context), void *context)
{
    DIR *all = opendir("/proc");
    if (!all)
        return;
    for (struct dirent *entry = readdir(all); entry; entry = readdir(all)) {
        unsigned long long process;
        if (parse_number(entry->d_name, INT_MAX, &process) == 0 && descends_from((pid_t)process, ancestor))
            visit((pid_t)process, context);
    }
    closedir(all);
}
