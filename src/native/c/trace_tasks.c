#include <stdlib.h>
#include <string.h>

#include "trace.h"

enum { BUCKETS = 1024, PAGES = 256 };

static struct task *buckets[BUCKETS];

struct task *find_task(pid_t tid)
{
    struct task *task = buckets[(unsigned)tid % BUCKETS];
    while (task && task->tid != tid)
        task = task->next;
    return task;
}

struct task *add_task(pid_t tid)
{
    struct task **bucket = &buckets[(unsigned)tid % BUCKETS];
    struct task *task = allocate(sizeof *task);
    *task = (struct task){.tid = tid, .page = -1, .next = *bucket};
    *bucket = task;
    return task;
}

static void leave_process(struct task *task)
{
    struct traced_process *process = task->process;
    if (!process)
        return;
    if (task->page >= 0)
        process->used_pages[task->page / 64] &= ~(1ULL << task->page % 64);
    task->page = -1;
    task->process = NULL;
    if (--process->threads > 0)
        return;
    free(process->program);
    free(process->ids.groups);
    free(process);
}

void remove_task(struct task *task)
{
    struct task **at = &buckets[(unsigned)task->tid % BUCKETS];
    while (*at != task)
        at = &(*at)->next;
    *at = task->next;
    leave_process(task);
    forget_loading(task);
    free(task);
}

void join_process(struct task *task, struct traced_process *process)
{
    process->threads++;
    leave_process(task);
    task->process = process;
    for (int page = 0; page < PAGES; page++) {
        if (process->used_pages[page / 64] >> page % 64 & 1)
            continue;
        process->used_pages[page / 64] |= 1ULL << page % 64;
        task->page = page;
        return;
    }
}

struct traced_process *fork_process(const struct traced_process *parent, pid_t pid)
{
    struct traced_process *process = allocate(sizeof *process);
    *process = *parent;
    process->threads = 0;
    process->pid = pid;
    process->program = copy_text(parent->program);
    memset(process->used_pages, 0, sizeof process->used_pages);
    size_t size = parent->ids.group_count * sizeof *parent->ids.groups;
    process->ids.groups = allocate(size);
    if (size > 0)
        memcpy(process->ids.groups, parent->ids.groups, size);
    return process;
}

static struct task *first_from(size_t bucket)
{
    for (; bucket < BUCKETS; bucket++)
        if (buckets[bucket])
            return buckets[bucket];
    return NULL;
}

struct task *first_task(void)
{
    return first_from(0);
}

struct task *next_task(struct task *task)
{
    return task->next ? task->next : first_from((unsigned)task->tid % BUCKETS + 1);
}

int is_traced(pid_t pid)
{
    return find_task(pid) != NULL;
}
