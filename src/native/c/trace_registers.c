/* The registers of a stopped task, by architecture, and calls that are done in it. */
#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "trace.h"

#ifndef NT_ARM_SYSTEM_CALL
#define NT_ARM_SYSTEM_CALL 0x404
#endif

int read_registers(pid_t tid, struct registers *registers)
{
    struct iovec area = {.iov_base = &registers->raw, .iov_len = sizeof registers->raw};
    return ptrace(PTRACE_GETREGSET, tid, (void *)NT_PRSTATUS, &area) < 0 ? -1 : 0;
}

int write_registers(pid_t tid, const struct registers *registers)
{
    struct iovec area = {.iov_base = (void *)&registers->raw, .iov_len = sizeof registers->raw};
    return ptrace(PTRACE_SETREGSET, tid, (void *)NT_PRSTATUS, &area) < 0 ? -1 : 0;
}

#ifdef __x86_64__

/* syscall; int3 */
static const long CALL_AND_STOP = 0xcc050f;
static const long CALL_AND_STOP_MASK = 0xffffff;

static unsigned long long *argument_place(struct registers *registers, size_t index)
{
    struct user_regs_struct *raw = &registers->raw;
    unsigned long long *places[6] = {
        (unsigned long long *)&raw->rdi, (unsigned long long *)&raw->rsi, (unsigned long long *)&raw->rdx,
        (unsigned long long *)&raw->r10, (unsigned long long *)&raw->r8,  (unsigned long long *)&raw->r9,
    };
    return places[index];
}

long call_number(const struct registers *registers)
{
    return (long)registers->raw.orig_rax;
}

uint64_t stack_pointer(const struct registers *registers)
{
    return registers->raw.rsp;
}

uint64_t instruction_pointer(const struct registers *registers)
{
    return registers->raw.rip;
}

static void set_call(struct registers *registers, long number)
{
    registers->raw.rax = (unsigned long)number;
    /* Not in a call: the kernel has nothing to restart. */
    registers->raw.orig_rax = (unsigned long)-1;
}

static int64_t call_result(const struct registers *registers)
{
    return (int64_t)registers->raw.rax;
}

void answer_in_place(pid_t tid, struct registers *registers, int64_t result)
{
    registers->raw.orig_rax = (unsigned long)-1;
    registers->raw.rax = (unsigned long)result;
    write_registers(tid, registers);
}

static const size_t FIRST_KEPT_ARGUMENT = 0;

#else

/* svc #0; brk #0 */
static const long CALL_AND_STOP = (long)0xd4200000d4000001;
static const long CALL_AND_STOP_MASK = -1;

static unsigned long long *argument_place(struct registers *registers, size_t index)
{
    return &registers->raw.regs[index];
}

long call_number(const struct registers *registers)
{
    return (long)registers->raw.regs[8];
}

uint64_t stack_pointer(const struct registers *registers)
{
    return registers->raw.sp;
}

uint64_t instruction_pointer(const struct registers *registers)
{
    return registers->raw.pc;
}

static void set_call(struct registers *registers, long number)
{
    registers->raw.regs[8] = (unsigned long)number;
}

static int64_t call_result(const struct registers *registers)
{
    return (int64_t)registers->raw.regs[0];
}

void answer_in_place(pid_t tid, struct registers *registers, int64_t result)
{
    int none = -1;
    struct iovec area = {.iov_base = &none, .iov_len = sizeof none};
    ptrace(PTRACE_SETREGSET, tid, (void *)NT_ARM_SYSTEM_CALL, &area);
    registers->raw.regs[0] = (unsigned long long)result;
    write_registers(tid, registers);
}

/* The first argument's register has the result by then. */
static const size_t FIRST_KEPT_ARGUMENT = 1;

#endif

uint64_t call_argument(const struct registers *registers, size_t index)
{
    return *argument_place((struct registers *)registers, index);
}

void set_call_argument(struct registers *registers, size_t index, uint64_t value)
{
    *argument_place(registers, index) = value;
}

void restore_arguments(pid_t tid, const uint64_t saved[6])
{
    struct registers registers;
    if (read_registers(tid, &registers) < 0)
        return;
    for (size_t i = FIRST_KEPT_ARGUMENT; i < 6; i++)
        set_call_argument(&registers, i, saved[i]);
    write_registers(tid, &registers);
}

static void set_instruction_pointer(struct registers *registers, uint64_t address)
{
#ifdef __x86_64__
    registers->raw.rip = address;
#else
    registers->raw.pc = address;
#endif
}

int begin_injection(struct injection *injection, pid_t tid)
{
    *injection = (struct injection){.tid = tid};
    if (read_registers(tid, &injection->before) < 0)
        return -1;
    void *place = (void *)(uintptr_t)instruction_pointer(&injection->before);
    errno = 0;
    injection->code = ptrace(PTRACE_PEEKTEXT, tid, place, NULL);
    if (errno != 0)
        return -1;
    long code = (injection->code & ~CALL_AND_STOP_MASK) | CALL_AND_STOP;
    return ptrace(PTRACE_POKETEXT, tid, place, (void *)code) < 0 ? -1 : 0;
}

/* Until the trap behind the call. A signal that comes meanwhile waits for the end. */
static int wait_for_trap(struct injection *injection)
{
    int status;
    for (;;) {
        if (ptrace(PTRACE_CONT, injection->tid, NULL, NULL) < 0)
            return -1;
        while (waitpid(injection->tid, &status, __WALL) < 0)
            if (errno != EINTR)
                return -1;
        if (!WIFSTOPPED(status))
            return -1;
        if (status >> 16)
            continue;
        if (WSTOPSIG(status) == SIGTRAP)
            return 0;
        injection->signal = WSTOPSIG(status);
    }
}

int64_t inject(struct injection *injection, long number, const uint64_t arguments[6])
{
    struct registers registers = injection->before;
    set_call(&registers, number);
    for (size_t i = 0; i < 6; i++)
        set_call_argument(&registers, i, arguments[i]);
    set_instruction_pointer(&registers, instruction_pointer(&injection->before));
    if (write_registers(injection->tid, &registers) < 0 || wait_for_trap(injection) < 0 ||
        read_registers(injection->tid, &registers) < 0)
        return -ESRCH;
    return call_result(&registers);
}

void end_injection(struct injection *injection)
{
    void *place = (void *)(uintptr_t)instruction_pointer(&injection->before);
    ptrace(PTRACE_POKETEXT, injection->tid, place, (void *)injection->code);
#ifdef __x86_64__
    injection->before.raw.orig_rax = (unsigned long)-1;
#endif
    write_registers(injection->tid, &injection->before);
    if (injection->signal)
        kill(injection->tid, injection->signal);
}
