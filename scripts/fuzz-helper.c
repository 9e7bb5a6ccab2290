/*
 * Feeds the parts of the helper that read what others give them with inputs that are good, nearly good, and noise: the
 * specification of a run, the requests of fsop, the ranges of map. Built by fuzz-helper.sh with the sanitizers of gcc, which
 * end it at the first wrong access; fail() and _exit() come back here. Nothing is carried out: operations are replaced.
 */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "fsop.h"
#include "ossb.h"
#include "owner.h"
#include "run.h"

static jmp_buf back;

#define _exit(status) longjmp(back, 1)
#define fail(step, argument) longjmp(back, 1)
#include "spec.c"
#include "map.c"
#include "fsop.c"
#undef fail
#undef _exit

int event_fd = -1;
void (*on_failure)(void);
/* For all that is not included above: nothing of it may be reached. */
_Noreturn void fail(const char *step, const char *argument)
{
    fprintf(stderr, "fail: %s %s\n", step, argument);
    abort();
}

void report_failure(const char *event, const char *step, const char *argument, int error)
{
    fprintf(stderr, "%s: %s %s %d\n", event, step, argument, error);
    abort();
}

int peer_is_gone(int fd)
{
    return fd < 0;
}

void die_with_parent(int peer)
{
    (void)peer;
}

static uint64_t state;
/* Inputs that were understood: without many of these, little is tested. */
static unsigned long good;

static unsigned below(unsigned limit)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return limit ? (unsigned)(state >> 11) % limit : 0;
}

static const char *const WORDS[] = {
    "root", "/", "cwd", "arg", "env", "uid", "gid", "group", "limit", "hostname", "shm", "no-network", "insecure", "bind",
    "ro-bind", "tmpfs", "end", "0", "1", "4294967294", "4294967295", "4294967296", "18446744073709551616", "-1", "", " 1",
    "A=b", "/bin/true", "9999999999999999999999", "100000:65536", "1:", ":", ",", "0:4294967295,1:1",
};

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* Words with what ends them, and some noise. */
static size_t make_words(char *bytes, size_t limit, const char *ends)
{
    size_t length = 0;
    for (unsigned rest = 1 + below(60); rest > 0; rest--) {
        const char *word = WORDS[below(COUNT(WORDS))];
        size_t size = strlen(word);
        if (length + size + 2 > limit)
            break;
        memcpy(bytes + length, word, size);
        length += size;
        bytes[length++] = ends[below((unsigned)strlen(ends) + 1)];
    }
    for (unsigned rest = below(8); rest > 0 && length > 0; rest--)
        bytes[below((unsigned)length)] = (char)below(256);
    return length;
}

static void free_spec(struct run_spec *spec)
{
    free(spec->mounts);
    free(spec->groups);
    free(spec->limits);
}

static void fuzz_spec(void)
{
    static char bytes[4096];
    struct run_spec spec = {0};
    size_t length = make_words(bytes, sizeof bytes, "");
    int fd = memfd_create("spec", 0);
    if (fd < 0 || write(fd, bytes, length) < 0 || lseek(fd, 0, SEEK_SET) < 0)
        abort();
    if (setjmp(back) == 0) {
        read_spec(fd, &spec);
        for (size_t i = 0; i < spec.args.count; i++)
            if (strlen(spec.args.items[i]) > length)
                abort();
        if (spec.args.items[spec.args.count] || !spec.root)
            abort();
        free_spec(&spec);
        good++;
    }
    close(fd);
}

static void fuzz_ranges(void)
{
    char bytes[512];
    struct arguments arguments = {.items = allocate((RANGE_LIMIT * 3 + 10) * sizeof(char *))};
    bytes[make_words(bytes, sizeof bytes - 1, ":,")] = '\0';
    if (setjmp(back) == 0) {
        add_ranges(&arguments, 1000, bytes);
        good++;
    }
    free(arguments.items);
}

/* A whole request, its lengths right or not, to be split and never carried out. */
static void fuzz_request(void)
{
    size_t length = 3, size = 512;
    char *bytes = allocate(size);
    struct field *fields = allocate(FIELD_LIMIT * sizeof *fields);
    struct request request = {0};
    uint16_t count = (uint16_t)(below(10) ? below(8) : below(65536));
    bytes[0] = (char)below(256);
    memcpy(bytes + 1, &count, sizeof count);
    for (unsigned i = 0; i < count && length + 64 < size; i++) {
        uint32_t field = below(20) ? below(40) : below(UINT32_MAX);
        memcpy(bytes + length, &field, sizeof field);
        length += sizeof field;
        if (field < 40) {
            memset(bytes + length, 'x', field);
            bytes[length + field] = below(20) ? '\0' : 'x';
            length += field + 1;
        }
    }
    /* Of exactly its length, so that every byte behind it is found out. */
    bytes = reallocate(bytes, length -= below(4) ? 0 : below((unsigned)length));
    if (parse_request(bytes, length, &request, fields) == 0) {
        good++;
        for (size_t i = 0; i < request.count; i++)
            if (strlen(request.fields[i].bytes) > request.fields[i].length)
                abort();
    }
    free(fields);
    free(bytes);
}

int main(int argc, char **argv)
{
    static void (*const TARGETS[])(void) = {fuzz_spec, fuzz_ranges, fuzz_request};
    unsigned seconds = argc > 1 ? (unsigned)atoi(argv[1]) : 10;
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : (uint64_t)time(NULL);
    time_t end = time(NULL) + seconds;
    unsigned long inputs = 0;
    printf("seed %llu\n", (unsigned long long)seed);
    fflush(stdout);
    for (; inputs % 1024 != 0 || time(NULL) < end; inputs++) {
        state = (seed + inputs + 1) * 0x9e3779b97f4a7c15ULL;
        TARGETS[inputs % COUNT(TARGETS)]();
    }
    printf("%lu inputs, %lu of them good, nothing found\n", inputs, good);
    return 0;
}
