/* The specification of a run: NUL-terminated words, a key and then as many values as the key takes. */
#include <errno.h>
#include <string.h>

#include "run.h"

enum { SPEC_LIMIT = 32 * 1024 * 1024, LAST_ID = UINT32_MAX - 1 };

struct words {
    char *at;
    char *end;
};

static char *next_word(struct words *words)
{
    if (words->at >= words->end) {
        errno = EBADMSG;
        fail("read the specification", "it ends early");
    }
    char *word = words->at;
    words->at += strlen(word) + 1;
    return word;
}

static unsigned next_id(struct words *words, const char *key)
{
    unsigned long long id;
    if (parse_number(next_word(words), LAST_ID, &id) < 0)
        fail("read the specification", key);
    return (unsigned)id;
}

static void add_text(struct text_list *list, char *text)
{
    list->items = reallocate(list->items, (list->count + 2) * sizeof *list->items);
    list->items[list->count++] = text;
    list->items[list->count] = NULL;
}

static void add_mount(struct run_spec *spec, struct words *words, enum mount_kind kind)
{
    struct run_mount mount = {.kind = kind, .source_fd = -1};
    if (kind != MOUNT_TMPFS)
        mount.source = next_word(words);
    mount.target = next_word(words);
    if (kind == MOUNT_TMPFS)
        mount.size = next_word(words);
    spec->mounts = reallocate(spec->mounts, (spec->mount_count + 1) * sizeof *spec->mounts);
    spec->mounts[spec->mount_count++] = mount;
}

static void add_group(struct run_spec *spec, gid_t group)
{
    spec->groups = reallocate(spec->groups, (spec->group_count + 1) * sizeof *spec->groups);
    spec->groups[spec->group_count++] = group;
}

static rlim_t next_limit(struct words *words, const char *key)
{
    unsigned long long value;
    char *word = next_word(words);
    if (word[0] == '\0')
        return RLIM_INFINITY;
    if (parse_number(word, INT64_MAX, &value) < 0)
        fail("read the specification", key);
    return (rlim_t)value;
}

/* The number of the resource, then both limits; "" is none. */
static void add_limit(struct run_spec *spec, struct words *words, const char *key)
{
    struct run_limit limit = {.resource = (int)next_id(words, key)};
    limit.values.rlim_cur = next_limit(words, key);
    limit.values.rlim_max = next_limit(words, key);
    spec->limits = reallocate(spec->limits, (spec->limit_count + 1) * sizeof *spec->limits);
    spec->limits[spec->limit_count++] = limit;
}

static void read_entry(struct run_spec *spec, const char *key, struct words *words)
{
    if (!strcmp(key, "root"))
        spec->root = next_word(words);
    else if (!strcmp(key, "cwd"))
        spec->cwd = next_word(words);
    else if (!strcmp(key, "arg"))
        add_text(&spec->args, next_word(words));
    else if (!strcmp(key, "env"))
        add_text(&spec->env, next_word(words));
    else if (!strcmp(key, "uid"))
        spec->uid = next_id(words, key);
    else if (!strcmp(key, "gid"))
        spec->gid = next_id(words, key);
    else if (!strcmp(key, "group"))
        add_group(spec, next_id(words, key));
    else if (!strcmp(key, "limit"))
        add_limit(spec, words, key);
    else if (!strcmp(key, "hostname"))
        spec->hostname = next_word(words);
    else if (!strcmp(key, "shm"))
        spec->shm_size = next_word(words);
    else if (!strcmp(key, "chroot"))
        spec->holding = next_word(words);
    else if (!strcmp(key, "user-namespace"))
        spec->user_namespace = next_word(words);
    else if (!strcmp(key, "no-network"))
        spec->new_network = 1;
    else if (!strcmp(key, "insecure"))
        spec->insecure = 1;
    else if (!strcmp(key, "bind"))
        add_mount(spec, words, MOUNT_BIND);
    else if (!strcmp(key, "ro-bind"))
        add_mount(spec, words, MOUNT_BIND_READONLY);
    else if (!strcmp(key, "tmpfs"))
        add_mount(spec, words, MOUNT_TMPFS);
    else
        fail("read the specification", key);
}

void read_spec(int fd, struct run_spec *spec)
{
    static char *no_text[] = {NULL};
    struct buffer input = {0};
    *spec = (struct run_spec){.cwd = "/", .hostname = "", .shm_size = "67108864", .env = {.items = no_text}};
    if (read_to_end(fd, &input, SPEC_LIMIT) < 0)
        fail("read the specification", "");
    buffer_add(&input, "", 1);
    struct words words = {.at = input.data, .end = input.data + input.length - 1};
    errno = EBADMSG;
    int complete = 0;
    spec->env.items = NULL;
    while (words.at < words.end && !complete) {
        const char *key = next_word(&words);
        complete = !strcmp(key, "end");
        if (!complete)
            read_entry(spec, key, &words);
    }
    if (!spec->env.items)
        spec->env.items = no_text;
    errno = EBADMSG;
    if (!complete || !spec->root || spec->args.count == 0)
        fail("read the specification", "it is not complete");
}
