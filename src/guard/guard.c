/* The guard: a fault on mapped memory ends the step, not the process.
 *
 * A truncated file, a disk that can't be read, a hole that can't be filled on a full disk: the system reports each by
 * SIGBUS, at the instruction that touched the page. The handler here leaves the step by a jump, if the thread is in
 * one and the address lies in its ranges. Every other fault goes on to the handler that had the signal before us
 * (earlier.c), with the siginfo that the system made.
 *
 * Nothing is installed before the first step over mapped memory, and nothing is ever uninstalled: another handler may
 * have ours as the one to go on to. Others install theirs over ours (faulthandler, a runtime that is embedded), so
 * a step first asks whose the signal is, and takes it back.
 *
 * Windows has no such signal: see windows.c.
 */
#include "guard.h"

#ifndef _WIN32

#include "signals.h"

#include <errno.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#ifdef __APPLE__
#include <mach/thread_status.h>
#include <sys/ucontext.h>
#endif

/* A step that runs. It stands on the stack of its thread. */
struct frame {
    sigjmp_buf back;
    const fm_watch *watch;
    const void *volatile fault;
    volatile sig_atomic_t faulted;
    volatile sig_atomic_t sent; /* a signal that came without being caused by an access: see on_fault */
};

static IN_EACH_THREAD struct {
    struct frame *volatile frame; /* NULL: no step runs */
    uint64_t asked;               /* ticks at which it was last asked whose the signal is */
    int blocked;                  /* whether this thread blocked it then */
} here;

static atomic_uintptr_t page_mask; /* sysconf isn't safe in a handler */

/* --- in the handler --- */

/* In which of the frame's ranges a fault is that a file made: in one of its pages. -1: in none. */
static int range_of(const struct frame *frame, int number, const siginfo_t *info)
{
    const uintptr_t mask = atomic_load_explicit(&page_mask, memory_order_relaxed);
    const uintptr_t page = (uintptr_t)info->si_addr & mask;
#ifdef __APPLE__
    (void)number;
#else
    /* BUS_ADRALN is a program's mistake, BUS_MCEERR_* broken memory. */
    if (number != SIGBUS || info->si_code != BUS_ADRERR)
        return -1;
#endif
    for (int i = 0; i < frame->watch->ranges; i++) {
        const fm_range *range = &frame->watch->range[i];
        const uintptr_t first = (uintptr_t)range->address & mask;
        const uintptr_t last = ((uintptr_t)range->address + range->length - 1) & mask;
        if (range->length && page >= first && page <= last)
            return i;
    }
    return -1;
}

static void jump_back(struct frame *frame)
{
    siglongjmp(frame->back, 1);
}

/* Leaves the step. The frame's mask wasn't saved, because the handler runs with the mask of the step (SA_NODEFER). */
static void leave(struct frame *frame, void *machine)
{
#if defined(__APPLE__) && defined(__x86_64__)
    /* A jump out of a handler leaves macOS believing that the alternate stack is in use. So the handler returns, to
     * the jump instead of the access: aligned as after a call, below the red zone. */
    _STRUCT_MCONTEXT *registers = ((ucontext_t *)machine)->uc_mcontext;
    registers->__ss.__rsp = ((registers->__ss.__rsp - 128) & ~(uint64_t)15) - 8;
    registers->__ss.__rdi = (uint64_t)frame;
    registers->__ss.__rip = (uint64_t)jump_back;
#elif defined(__APPLE__) && defined(__aarch64__)
    _STRUCT_MCONTEXT *registers = ((ucontext_t *)machine)->uc_mcontext;
    registers->__ss.__x[0] = (uint64_t)frame;
    arm_thread_state64_set_sp(registers->__ss, (arm_thread_state64_get_sp(registers->__ss) - 128) & ~(uint64_t)15);
    arm_thread_state64_set_pc_fptr(registers->__ss, jump_back);
#else
    (void)machine;
    jump_back(frame);
#endif
}

static void on_fault(int number, siginfo_t *info, void *machine)
{
    const int saved = errno;
    struct frame *frame = here.frame;
    int faulted;
    if (frame != NULL && was_sent(info) && info->si_pid == getpid() && frame->sent == 0) {
        /* faulthandler, and others, raise the signal again when they have had their say, and the address is lost. If
         * an access was at fault it faults again, and then the address is there; if not, fm_guarded sends it on. */
        frame->sent = number;
    } else if (frame != NULL && !was_sent(info) && (faulted = range_of(frame, number, info)) >= 0) {
        frame->fault = info->si_addr;
        frame->faulted = faulted;
        here.frame = NULL;
        errno = saved;
        leave(frame, machine);
    } else {
        fm_pass_on(number, info, machine);
    }
    errno = saved;
}

/* --- whose the signal is --- */

static int is_handler(const struct sigaction *action)
{
    return action->sa_flags & SA_SIGINFO && action->sa_sigaction == on_fault;
}

/* Ticks of a clock that can be read in a few nanoseconds, and how many may pass between two steps that ask.
 *
 * Asking whose the signal is, and whether it is blocked, takes 300 ns in two system calls, too much for each step
 * that searches a few bytes. Seven microseconds are less than any program needs to give the signal away and truncate
 * a file (12 from Python, on tmpfs), and make it a twentieth. */
#if defined(__x86_64__) || defined(__i386__)
static uint64_t ticks(void)
{
    return __builtin_ia32_rdtsc();
}

static uint64_t ticks_between(void)
{
    return 1 << 14; /* at 2 GHz and more */
}
#elif defined(__aarch64__)
static uint64_t ticks(void)
{
    uint64_t count;
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(count));
    return count;
}

static uint64_t ticks_between(void)
{
    uint64_t a_second;
    __asm__ volatile("mrs %0, cntfrq_el0" : "=r"(a_second));
    return a_second >> 17;
}
#else
static uint64_t ticks(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static uint64_t ticks_between(void)
{
    return 7000;
}
#endif

/* When the signal was taken, and how often it was lost again soon, within a quarter of a second: somebody who installs a
 * handler once or twice doesn't come to CONTESTED times, which are enough to give it up. A second without a loss is
 * enough to rely on it again. */
static atomic_uint_fast64_t taken_at;
static atomic_int lost;
#define CONTESTED 8
#define PEACE 131072
#define SOON (PEACE / 4)

/* Makes sure that our handler has a signal, above any other. */
static void hold_signal(size_t slot, uint64_t now)
{
    struct sigaction ours, before;
    const uint64_t held = now - atomic_load(&taken_at);
    if (sigaction(SIGNALS[slot], NULL, &before) != 0 || is_handler(&before)) {
        if (held > PEACE * ticks_between())
            atomic_store(&lost, 0);
        return;
    }
    if (held < SOON * ticks_between())
        atomic_fetch_add(&lost, 1);
    atomic_store(&taken_at, now);
    /* Remembered before ours is there, because a fault may come at once; and again if another came between. */
    atomic_store_explicit(&page_mask, ~((uintptr_t)sysconf(_SC_PAGESIZE) - 1), memory_order_relaxed);
    fm_remember(slot, &before);
    memset(&ours, 0, sizeof ours);
    ours.sa_sigaction = on_fault;
    ours.sa_flags = SA_SIGINFO | SA_NODEFER;
#ifndef __APPLE__
    ours.sa_flags |= SA_ONSTACK; /* for hosts whose threads have small stacks and another for signals, as Go's */
#endif
    sigemptyset(&ours.sa_mask);
    if (sigaction(SIGNALS[slot], &ours, &before) != 0)
        atomic_store(&lost, CONTESTED);
    else if (!is_handler(&before))
        fm_remember(slot, &before);
}

static void file_faults(sigset_t *signals)
{
    sigemptyset(signals);
    for (size_t slot = 0; slot < SIGNAL_COUNT; slot++)
        sigaddset(signals, SIGNALS[slot]);
}

static void hold_signals(void)
{
    const uint64_t now = ticks();
    sigset_t mask;
    if (now - here.asked < ticks_between())
        return;
    for (size_t slot = 0; slot < SIGNAL_COUNT; slot++)
        hold_signal(slot, now);
    pthread_sigmask(SIG_BLOCK, NULL, &mask);
    here.blocked = 0;
    for (size_t slot = 0; slot < SIGNAL_COUNT; slot++)
        here.blocked |= sigismember(&mask, SIGNALS[slot]);
    here.asked = now;
}

int fm_guarded(fm_step step, void *context, fm_watch *watch)
{
    struct frame frame;
    sigset_t faults, before;
    int answer;
    if (watch->ranges == 0)
        return step(context);
    hold_signals();
    /* A fault whose signal is blocked kills without asking any handler. */
    const int blocked = here.blocked;
    if (blocked) {
        file_faults(&faults);
        pthread_sigmask(SIG_UNBLOCK, &faults, &before);
    }
    frame.watch = watch;
    frame.sent = 0;
    /* Without the mask, which would take a system call. Nothing that is used after the jump changes before it. */
    if (sigsetjmp(frame.back, 0) == 0) {
        here.frame = &frame;
        atomic_signal_fence(memory_order_seq_cst);
        answer = step(context);
        atomic_signal_fence(memory_order_seq_cst);
        here.frame = NULL;
        if (frame.sent)
            raise(frame.sent);
    } else { /* the handler has set them */
        /* cppcheck-suppress uninitStructMember */
        watch->fault = frame.fault;
        /* cppcheck-suppress uninitStructMember */
        watch->faulted = frame.faulted;
        answer = FM_FAULT;
    }
    if (blocked)
        pthread_sigmask(SIG_SETMASK, &before, NULL);
    return answer;
}

int fm_contested(void)
{
    if (atomic_load_explicit(&lost, memory_order_relaxed) < CONTESTED)
        return 0;
    hold_signals(); /* which forgets it when there was peace for a while */
    return atomic_load(&lost) >= CONTESTED;
}

#endif
