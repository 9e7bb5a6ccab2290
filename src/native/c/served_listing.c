#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "served.h"

static void add_item(struct listing *listing, const char *name, const char *link, int is_directory)
{
    listing->items = reallocate(listing->items, (listing->count + 1) * sizeof *listing->items);
    listing->items[listing->count++] = (struct listed){
        .name = copy_text(name),
        .link = link ? copy_text(link) : NULL,
        .is_directory = is_directory,
    };
}

/* The text of a link as it is shown, by the name that it has below `path`. NULL where it is no link that can be shown. */
static const char *text_of(const struct served_tree *tree, const char *path, char text[PATH_MAX])
{
    struct found found = {.kind = FOUND_SERVED};
    strcpy(found.path, path);
    ssize_t length = read_served_link(tree, &found, text);
    return length > 0 ? text : "?";
}

/* Links that are another for each who asks. */
static void add_own(pid_t thread, struct listing *listing)
{
    struct buffer text = {0};
    buffer_number(&text, status_number(thread, "\nTgid:\t"));
    buffer_add(&text, "", 1);
    add_item(listing, "self", text.data, 0);
    text.length--;
    buffer_text(&text, "/task/");
    buffer_number(&text, thread);
    buffer_add(&text, "", 1);
    add_item(listing, "thread-self", text.data, 0);
    free(text.data);
}

static void add_entry(const struct served_tree *tree, const char *directory, const struct dirent *entry,
                      struct listing *listing)
{
    char path[PATH_MAX], text[PATH_MAX];
    struct stat status;
    unsigned long long process;
    if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..") || !strcmp(entry->d_name, "self") ||
        !strcmp(entry->d_name, "thread-self"))
        return;
    if (!strcmp(directory, "/proc") && parse_number(entry->d_name, INT_MAX, &process) == 0 &&
        !descends_from((pid_t)process, tree->supervisor))
        return;
    if (strlen(directory) + strlen(entry->d_name) + 2 > sizeof path)
        return;
    strcpy(path, directory);
    strcat(path, "/");
    strcat(path, entry->d_name);
    if (!is_hidden(path) && lstat(path, &status) == 0)
        add_item(listing, entry->d_name, S_ISLNK(status.st_mode) ? text_of(tree, path, text) : NULL,
                 S_ISDIR(status.st_mode));
}

int read_listing(const struct served_tree *tree, pid_t thread, const char *path, struct listing *listing)
{
    DIR *directory = opendir(path);
    *listing = (struct listing){.count = 0};
    if (!directory)
        return -1;
    for (struct dirent *entry = readdir(directory); entry; entry = readdir(directory))
        add_entry(tree, path, entry, listing);
    closedir(directory);
    if (!strcmp(path, "/proc"))
        add_own(thread, listing);
    return 0;
}

static const struct listed *find_item(const struct listing *listing, const char *name)
{
    for (size_t i = 0; i < listing->count; i++)
        if (!strcmp(listing->items[i].name, name))
            return &listing->items[i];
    return NULL;
}

/* Directories of processes that are gone hold nothing but such names themselves. */
static void remove_below(int directory, const char *name)
{
    if (unlinkat(directory, name, 0) == 0 || errno == ENOENT)
        return;
    int fd = openat(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *stream = fd < 0 ? NULL : fdopendir(fd);
    for (struct dirent *entry = stream ? readdir(stream) : NULL; entry; entry = readdir(stream))
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            remove_below(fd, entry->d_name);
    if (stream)
        closedir(stream);
    unlinkat(directory, name, AT_REMOVEDIR);
}

static void remove_others(int directory, const struct listing *listing)
{
    int copy = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *stream = copy < 0 ? NULL : fdopendir(copy);
    for (struct dirent *entry = stream ? readdir(stream) : NULL; entry; entry = readdir(stream)) {
        const struct listed *item = find_item(listing, entry->d_name);
        if (entry->d_name[0] != '.' && (!item || item->link))
            remove_below(directory, entry->d_name);
    }
    if (stream)
        closedir(stream);
}

static void make_item(int directory, const struct listed *item)
{
    if (item->link)
        symlinkat(item->link, directory, item->name);
    else if (item->is_directory)
        mkdirat(directory, item->name, 0755);
    else
        mknodat(directory, item->name, S_IFREG | 0444, 0);
}

/* Each part is a directory of ours, or is made to be one. */
static int make_directories(const char *path)
{
    char above[PATH_MAX];
    struct stat status;
    strcpy(above, path);
    for (char *slash = strchr(above + 1, '/');; slash = strchr(slash + 1, '/')) {
        if (slash)
            *slash = '\0';
        if (lstat(above, &status) < 0 || !S_ISDIR(status.st_mode)) {
            unlink(above);
            if (mkdir(above, 0755) < 0)
                return -1;
        }
        if (!slash)
            return 0;
        *slash = '/';
    }
}

int write_listing(const char *path, const struct listing *listing)
{
    if (make_directories(path) < 0)
        return -1;
    int directory = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (directory < 0)
        return -1;
    remove_others(directory, listing);
    for (size_t i = 0; i < listing->count; i++)
        make_item(directory, &listing->items[i]);
    close(directory);
    return 0;
}

void free_listing(struct listing *listing)
{
    for (size_t i = 0; i < listing->count; i++) {
        free(listing->items[i].name);
        free(listing->items[i].link);
    }
    free(listing->items);
    *listing = (struct listing){.count = 0};
}
