/*
 * execve: the kernel would look for a program's loader, and for the interpreter of a script, in the wrong root. So a
 * script's interpreter is put before it here, and of a program that needs a loader the loader is started, at whose
 * first instruction the program is put where the kernel would have put it, and the loader told so.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "trace.h"

#ifdef __x86_64__
enum { OWN_MACHINE = EM_X86_64 };
#else
enum { OWN_MACHINE = EM_AARCH64 };
#endif

enum { SCRIPT_LIMIT = 5, LINE_LIMIT = 256, PROGRAM_HEADERS = 128, PAGE = 4096, PAGES = 256 };

/* A program file, and what is to become of a call that starts it. */
struct loading {
    /* As the call names it. */
    char name[PATH_MAX];
    char program[PATH_MAX];
    char host[PATH_MAX];
    char loader[PATH_MAX];
    Elf64_Ehdr head;
    Elf64_Phdr segments[PROGRAM_HEADERS];
    Elf64_Ehdr loader_head;
    uint32_t mode;
    struct owner owner;
    /* What a script puts before the arguments, in place of the first. */
    struct buffer words;
    size_t word_count;
};

void forget_loading(struct task *task)
{
    if (!task->loading)
        return;
    free(task->loading->words.data);
    free(task->loading);
    task->loading = NULL;
}

/* Opens a program for reading, if it may be started. A descriptor, or a negative error number. */
static int open_program(const struct task *task, const struct run_spec *spec, const struct located *found)
{
    struct stat status;
    if (!found->exists)
        return -ENOENT;
    if (stat(found->host, &status) < 0)
        return -errno;
    if (!S_ISREG(status.st_mode))
        return -EACCES;
    if (access(found->host, X_OK) < 0)
        return -errno;
    int result = may_use(task, spec, found->host, X_OK);
    if (result < 0)
        return result;
    int fd = open(found->host, O_RDONLY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

static int read_head(int fd, Elf64_Ehdr *head)
{
    ssize_t count = pread(fd, head, sizeof *head, 0);
    if (count != (ssize_t)sizeof *head || memcmp(head->e_ident, ELFMAG, SELFMAG) ||
        head->e_ident[EI_CLASS] != ELFCLASS64 || head->e_machine != OWN_MACHINE ||
        head->e_phentsize != sizeof(Elf64_Phdr) || head->e_phnum > PROGRAM_HEADERS)
        return -ENOEXEC;
    return 0;
}

/* "#!INTERPRETER ARGUMENT". The words go before those that are there, and the interpreter is the program now. */
static int put_interpreter(struct loading *loading, char *line, const char *script, char interpreter[PATH_MAX])
{
    struct buffer words = {0};
    char *name = line + strspn(line, " \t");
    char *end = name + strcspn(name, " \t");
    char *argument = end + strspn(end, " \t");
    if (*name == '\0')
        return -ENOEXEC;
    *end = '\0';
    size_t length = strlen(argument);
    while (length > 0 && (argument[length - 1] == ' ' || argument[length - 1] == '\t'))
        argument[--length] = '\0';
    buffer_add(&words, name, strlen(name) + 1);
    size_t count = 1;
    if (length > 0) {
        buffer_add(&words, argument, length + 1);
        count++;
    }
    buffer_add(&words, script, strlen(script) + 1);
    count++;
    /* The words of a script whose interpreter this is, but for the first, which its own path takes the place of. */
    if (loading->word_count > 0) {
        size_t first = strlen(loading->words.data) + 1;
        buffer_add(&words, loading->words.data + first, loading->words.length - first);
        count += loading->word_count - 1;
    }
    free(loading->words.data);
    loading->words = words;
    loading->word_count = count;
    strcpy(interpreter, name);
    return 0;
}

/* 1 when the file is a script. */
static int read_script(struct loading *loading, int fd, const char *script, char interpreter[PATH_MAX])
{
    char line[LINE_LIMIT + 1];
    ssize_t count = pread(fd, line, LINE_LIMIT, 0);
    if (count < 2 || line[0] != '#' || line[1] != '!')
        return 0;
    line[count] = '\0';
    line[strcspn(line, "\n")] = '\0';
    int result = put_interpreter(loading, line + 2, script, interpreter);
    return result < 0 ? result : 1;
}

static int read_loader(struct loading *loading, const struct traced_call *call, int fd)
{
    size_t size = loading->head.e_phnum * sizeof(Elf64_Phdr);
    if (pread(fd, loading->segments, size, (off_t)loading->head.e_phoff) != (ssize_t)size)
        return -ENOEXEC;
    for (size_t i = 0; i < loading->head.e_phnum; i++) {
        char name[PATH_MAX];
        struct located found;
        const Elf64_Phdr *segment = &loading->segments[i];
        if (segment->p_type != PT_INTERP)
            continue;
        if (segment->p_filesz >= sizeof name ||
            pread(fd, name, segment->p_filesz, (off_t)segment->p_offset) != (ssize_t)segment->p_filesz)
            return -ENOEXEC;
        name[segment->p_filesz] = '\0';
        int result = locate(call->task, AT_FDCWD, name, FOLLOW_LINK, &found);
        int loader = result < 0 ? result : open_program(call->task, &call->spec, &found);
        if (loader < 0)
            return loader == -EACCES ? -ELIBBAD : loader;
        result = read_head(loader, &loading->loader_head);
        close(loader);
        strcpy(loading->loader, found.host);
        return result < 0 ? -ELIBBAD : 0;
    }
    return 0;
}

static void read_rights(struct traced_call *call, struct loading *loading)
{
    struct statx status;
    int fd = open(loading->host, O_PATH | O_CLOEXEC);
    loading->mode = 0;
    if (fd >= 0 && record_of(call, fd, &status, &loading->owner) == 0)
        loading->mode = loading->owner.has_mode ? loading->owner.mode : status.stx_mode & 01777;
    if (fd >= 0)
        close(fd);
}

/* Finds out what is to be started. 0, or a negative error number. */
static int prepare(struct traced_call *call, struct located *found, const char *named, struct loading *loading)
{
    char name[PATH_MAX];
    strcpy(name, named);
    for (int scripts = 0; scripts < SCRIPT_LIMIT; scripts++) {
        char interpreter[PATH_MAX];
        int fd = open_program(call->task, &call->spec, found);
        if (fd < 0)
            return fd;
        int result = read_script(loading, fd, name, interpreter);
        if (result == 0) {
            strcpy(loading->program, found->path);
            strcpy(loading->host, found->host);
            result = read_head(fd, &loading->head);
            if (result == 0)
                result = read_loader(loading, call, fd);
            if (result == 0 && loading->word_count == 0)
                read_rights(call, loading);
            close(fd);
            return result;
        }
        close(fd);
        if (result > 0)
            result = locate(call->task, AT_FDCWD, interpreter, FOLLOW_LINK, found);
        if (result < 0)
            return result;
        strcpy(name, interpreter);
    }
    return -ELOOP;
}

/* The number of words before the NULL that ends a list of the task, or -1. Page by page: the next need not be there. */
static int64_t count_words(const struct waiting_call *waiting, uint64_t list)
{
    uint64_t pointers[PAGE / sizeof(uint64_t)];
    int64_t count = 0;
    for (;;) {
        uint64_t address = list + (uint64_t)count * sizeof *pointers;
        size_t piece = (PAGE - address % PAGE) / sizeof *pointers;
        piece = piece > 0 ? piece : 1;
        if (read_caller_bytes(waiting, address, pointers, piece * sizeof *pointers) < 0)
            return -1;
        for (size_t i = 0; i < piece; i++, count++)
            if (pointers[i] == 0)
                return count;
    }
}

/* The arguments of a script's interpreter, below the stack: their words, then the list. Its address, or 0. */
static uint64_t lend_arguments(struct traced_call *call, const struct loading *loading, uint64_t list)
{
    struct waiting_call *waiting = &call->waiting;
    int64_t count = list == 0 ? 0 : count_words(waiting, list);
    if (count < 0)
        return 0;
    size_t kept = count > 0 ? (size_t)count - 1 : 0, total = loading->word_count + kept + 1;
    uint64_t words = (stack_pointer(&call->registers) - 256 - 2 * PATH_MAX - loading->words.length) & ~15ULL;
    uint64_t place = words - ((total * 8 + 15) & ~15ULL);
    uint64_t *pointers = allocate(total * sizeof *pointers);
    const char *word = loading->words.data;
    for (size_t i = 0; i < loading->word_count; i++, word += strlen(word) + 1)
        pointers[i] = words + (uint64_t)(word - loading->words.data);
    int result = kept > 0 ? read_caller_bytes(waiting, list + 8, pointers + loading->word_count, kept * 8) : 0;
    pointers[total - 1] = 0;
    if (result == 0)
        result = write_caller_bytes(waiting, words, loading->words.data, loading->words.length);
    if (result == 0)
        result = write_caller_bytes(waiting, place, pointers, total * 8);
    free(pointers);
    return result < 0 ? 0 : place;
}

static void explain_foreign(const char *path)
{
    struct buffer text = {0};
    buffer_text(&text, "ossb: ");
    buffer_text(&text, path);
    buffer_text(&text, ": a program of another architecture or of 32 bits can't run by tracing\n");
    write_all(2, text.data, text.length);
    free(text.data);
}

static int is_foreign(const struct loading *loading)
{
    return !memcmp(loading->head.e_ident, ELFMAG, SELFMAG) &&
           (loading->head.e_ident[EI_CLASS] != ELFCLASS64 || loading->head.e_machine != OWN_MACHINE);
}

/* Of execveat only what a path names; a file without one can have no loader here. */
int64_t trace_exec(struct traced_call *call)
{
    char text[PATH_MAX];
    struct located found;
    int with_directory = call->entry->directory >= 0;
    size_t list = (size_t)call->entry->path + 1;
    int directory = with_directory ? (int)(uint32_t)call->notice.data.args[0] : AT_FDCWD;
    if (read_caller_text(&call->waiting, call->notice.data.args[call->entry->path], text, sizeof text) < 0)
        return -errno;
    if (with_directory && text[0] == '\0' && (call->notice.data.args[4] & AT_EMPTY_PATH)) {
        struct buffer name = {0};
        buffer_text(&name, "/proc/self/fd/");
        buffer_number(&name, directory);
        buffer_add(&name, "", 1);
        strcpy(text, name.data);
        free(name.data);
    }
    int64_t result = locate(call->task, directory, text, FOLLOW_LINK, &found);
    if (result < 0)
        return result;
    struct loading *loading = allocate(sizeof *loading);
    memset(loading, 0, sizeof *loading);
    forget_loading(call->task);
    call->task->loading = loading;
    strcpy(loading->name, text);
    result = prepare(call, &found, text, loading);
    if (result == -ENOEXEC && is_foreign(loading))
        explain_foreign(loading->program);
    if (result < 0)
        return result;
    if (loading->word_count > 0) {
        uint64_t arguments = lend_arguments(call, loading, call->notice.data.args[list]);
        if (arguments == 0)
            return -EFAULT;
        set_call_argument(&call->registers, list, arguments);
    }
    const char *start = loading->loader[0] ? loading->loader : loading->host;
    uint64_t address = lend_text(call, start, strlen(start) + 1);
    if (address == 0)
        return -EFAULT;
    set_call_argument(&call->registers, (size_t)call->entry->path, address);
    if (with_directory)
        set_call_argument(&call->registers, 4, 0);
    return CALL_REWRITTEN;
}

struct layout {
    /* What is added to the addresses in the file. */
    uint64_t bias;
    uint64_t headers;
};

static uint64_t page_down(uint64_t address)
{
    return address & ~(uint64_t)(PAGE - 1);
}

static uint64_t page_up(uint64_t address)
{
    return page_down(address + PAGE - 1);
}

static int64_t map(struct injection *injection, uint64_t address, uint64_t size, int protection, int flags, int fd,
                   uint64_t offset)
{
    const uint64_t arguments[6] = {address, size, (uint64_t)protection, (uint64_t)flags, (uint64_t)(int64_t)fd, offset};
    int64_t result = inject(injection, SYS_mmap, arguments);
    return result < 0 && result > -PAGE ? -1 : result;
}

/* Room for all segments, where the program may lie anywhere. */
static int reserve(struct injection *injection, const struct loading *loading, struct layout *layout)
{
    uint64_t low = UINT64_MAX, high = 0;
    for (size_t i = 0; i < loading->head.e_phnum; i++) {
        const Elf64_Phdr *segment = &loading->segments[i];
        if (segment->p_type != PT_LOAD)
            continue;
        if (segment->p_vaddr < low)
            low = page_down(segment->p_vaddr);
        if (segment->p_vaddr + segment->p_memsz > high)
            high = page_up(segment->p_vaddr + segment->p_memsz);
    }
    layout->bias = 0;
    if (loading->head.e_type != ET_DYN)
        return 0;
    if (high <= low)
        return -1;
    int64_t start = map(injection, 0, high - low, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    layout->bias = (uint64_t)start - low;
    return start < 0 ? -1 : 0;
}

static int clear(const struct waiting_call *waiting, uint64_t address, uint64_t size)
{
    static const char zeros[PAGE];
    return size == 0 ? 0 : write_caller_bytes(waiting, address, zeros, (size_t)size);
}

static int map_segment(struct injection *injection, const struct waiting_call *waiting, const Elf64_Phdr *segment,
                       uint64_t bias, int fd)
{
    int protection = (segment->p_flags & PF_R ? PROT_READ : 0) | (segment->p_flags & PF_W ? PROT_WRITE : 0) |
                     (segment->p_flags & PF_X ? PROT_EXEC : 0);
    uint64_t start = page_down(segment->p_vaddr + bias), skew = segment->p_vaddr + bias - start;
    uint64_t file_end = segment->p_vaddr + bias + segment->p_filesz;
    uint64_t memory_end = page_up(segment->p_vaddr + bias + segment->p_memsz);
    if (segment->p_filesz > 0 && map(injection, start, page_up(segment->p_filesz + skew), protection,
                                     MAP_PRIVATE | MAP_FIXED, fd, segment->p_offset - skew) < 0)
        return -1;
    if (segment->p_memsz <= segment->p_filesz)
        return 0;
    uint64_t whole = segment->p_filesz > 0 ? page_up(file_end) : start;
    if (segment->p_filesz > 0 && (protection & PROT_WRITE) && clear(waiting, file_end, whole - file_end) < 0)
        return -1;
    return memory_end > whole &&
                   map(injection, whole, memory_end - whole, protection, MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS, -1, 0) < 0
               ? -1
               : 0;
}

static int load_program(struct injection *injection, const struct waiting_call *waiting, struct loading *loading,
                        uint64_t page, struct layout *layout)
{
    const uint64_t opening[6] = {(uint64_t)(int64_t)AT_FDCWD, page, O_RDONLY | O_CLOEXEC};
    if (write_caller_bytes(waiting, page, loading->host, strlen(loading->host) + 1) < 0)
        return -1;
    int64_t fd = inject(injection, SYS_openat, opening);
    if (fd < 0 || reserve(injection, loading, layout) < 0)
        return -1;
    for (size_t i = 0; i < loading->head.e_phnum; i++) {
        const Elf64_Phdr *segment = &loading->segments[i];
        if (segment->p_type == PT_LOAD) {
            if (map_segment(injection, waiting, segment, layout->bias, (int)fd) < 0)
                return -1;
            if (segment->p_offset <= loading->head.e_phoff &&
                loading->head.e_phoff < segment->p_offset + segment->p_filesz)
                layout->headers = segment->p_vaddr + layout->bias + loading->head.e_phoff - segment->p_offset;
        }
    }
    const uint64_t closing[6] = {(uint64_t)fd};
    inject(injection, SYS_close, closing);
    return 0;
}

/* Where the auxiliary vector begins: behind the arguments and the environment. 0 when it can't be read. */
static uint64_t find_vector(const struct waiting_call *waiting, uint64_t stack)
{
    uint64_t count;
    if (read_caller_bytes(waiting, stack, &count, sizeof count) < 0)
        return 0;
    uint64_t environment = stack + 8 + (count + 1) * 8;
    int64_t entries = count_words(waiting, environment);
    return entries < 0 ? 0 : environment + ((uint64_t)entries + 1) * 8;
}

/* A value of the vector as the kernel would have set it for the program, if it is another. */
static int correct(const struct task *task, const struct loading *loading, const struct layout *layout, uint64_t base,
                   Elf64_auxv_t *entry)
{
    const struct traced_ids *ids = &task->process->ids;
    int is_loaded = loading->loader[0] != '\0';
    switch (entry->a_type) {
    case AT_UID: entry->a_un.a_val = ids->uid[REAL_ID]; return 1;
    case AT_EUID: entry->a_un.a_val = ids->uid[EFFECTIVE_ID]; return 1;
    case AT_GID: entry->a_un.a_val = ids->gid[REAL_ID]; return 1;
    case AT_EGID: entry->a_un.a_val = ids->gid[EFFECTIVE_ID]; return 1;
    case AT_EXECFN: entry->a_un.a_val = task->process->pages; return 1;
    case AT_PHDR: entry->a_un.a_val = layout->headers; return is_loaded;
    case AT_PHNUM: entry->a_un.a_val = loading->head.e_phnum; return is_loaded;
    case AT_PHENT: entry->a_un.a_val = loading->head.e_phentsize; return is_loaded;
    case AT_ENTRY: entry->a_un.a_val = loading->head.e_entry + layout->bias; return is_loaded;
    case AT_BASE: entry->a_un.a_val = base; return is_loaded;
    default: return 0;
    }
}

static int correct_vector(const struct task *task, const struct waiting_call *waiting, const struct layout *layout,
                          const struct registers *registers)
{
    uint64_t address = find_vector(waiting, stack_pointer(registers));
    uint64_t base = instruction_pointer(registers) - task->loading->loader_head.e_entry;
    Elf64_auxv_t entry;
    if (address == 0)
        return -1;
    for (;; address += sizeof entry) {
        if (read_caller_bytes(waiting, address, &entry, sizeof entry) < 0)
            return -1;
        if (entry.a_type == AT_NULL)
            return 0;
        if (correct(task, task->loading, layout, base, &entry) &&
            write_caller_bytes(waiting, address, &entry, sizeof entry) < 0)
            return -1;
    }
}

static void name_process(struct injection *injection, const struct waiting_call *waiting, const char *program,
                         uint64_t page)
{
    const char *name = strrchr(program, '/');
    const uint64_t naming[6] = {PR_SET_NAME, page};
    name = name ? name + 1 : program;
    if (write_caller_bytes(waiting, page, name, strlen(name) + 1) == 0)
        inject(injection, SYS_prctl, naming);
}

void take_program_ids(struct traced_process *process, uint32_t mode, const struct owner *owner)
{
    struct traced_ids *ids = &process->ids;
    if (mode & S_ISUID)
        ids->uid[EFFECTIVE_ID] = owner->uid;
    if ((mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP))
        ids->gid[EFFECTIVE_ID] = owner->gid;
    ids->uid[SAVED_ID] = ids->fsuid = ids->uid[EFFECTIVE_ID];
    ids->gid[SAVED_ID] = ids->fsgid = ids->gid[EFFECTIVE_ID];
}

int finish_exec(struct task *task)
{
    struct loading *loading = task->loading;
    struct traced_process *process = task->process;
    struct injection injection;
    struct layout layout = {0};
    struct seccomp_notif notice = {.pid = (uint32_t)task->tid};
    struct waiting_call waiting = {.notice = &notice};
    free(process->program);
    process->program = copy_text(loading->program);
    take_program_ids(process, loading->mode, &loading->owner);
    if (begin_injection(&injection, task->tid) < 0)
        return -1;
    int64_t pages = map(&injection, 0, (PAGES + 1) * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    process->pages = pages < 0 ? 0 : (uint64_t)pages;
    uint64_t page = process->pages + PAGE;
    const char *name = loading->name;
    int result = pages < 0 || write_caller_bytes(&waiting, process->pages, name, strlen(name) + 1) < 0 ? -1 : 0;
    if (result == 0)
        name_process(&injection, &waiting, name, page);
    if (result == 0 && loading->loader[0])
        result = load_program(&injection, &waiting, loading, page, &layout);
    if (result == 0)
        result = correct_vector(task, &waiting, &layout, &injection.before);
    end_injection(&injection);
    forget_loading(task);
    return result;
}
