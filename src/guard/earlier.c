/* The handlers that had a signal before the guard: a list of them, and the way on to them for what isn't ours. */
#ifndef _WIN32

#include "signals.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* A handler that had the signal before us. Once it is in the list it stays, and all but `spent` stays as it is. */
struct earlier {
    struct sigaction action;
    struct earlier *before; /* who had the signal when this one took it, if that was us */
    atomic_int spent;       /* it asked to be called once (SA_RESETHAND), and was */
};

/* A pass of a signal to an earlier handler, on the stack of the thread that makes it. */
struct pass {
    uintptr_t mark; /* its own address, inverted: a stack that was left by a jump and used again hardly holds that */
    struct earlier *to;
    size_t slot; /* of the signal */
};

static _Atomic(struct earlier *) newest[SIGNAL_COUNT];

/* The innermost pass of this thread. It may have been left by a jump. */
static IN_EACH_THREAD const struct pass *volatile innermost;

/* --- passing on, in the handler --- */

static int is_default(const struct sigaction *action)
{
    return !(action->sa_flags & SA_SIGINFO) && action->sa_handler == SIG_DFL;
}

static int is_ignored(const struct sigaction *action)
{
    return !(action->sa_flags & SA_SIGINFO) && action->sa_handler == SIG_IGN;
}

/* How far apart on a stack two passes of one signal are at most. A signal's own frame takes up to 12 KiB of it. */
#define PASS_REACH (1 << 18)

/* A handler that took the signal while it was ours passes on to us what isn't its own; since we took the signal back,
 * we pass to that handler first. So while a pass goes on in this thread, the next goes to the handler before that one.
 * A pass that was left by a jump doesn't count: it isn't above us on the stack, or its mark is gone. */
static struct earlier *next_to_call(size_t slot, const struct pass *own)
{
    const struct pass *outer = innermost;
    const uintptr_t above = (uintptr_t)outer - (uintptr_t)own;
    if (outer != NULL && above - 1 < PASS_REACH && outer->mark == ~(uintptr_t)outer && outer->slot == slot)
        return outer->to->before;
    return atomic_load_explicit(&newest[slot], memory_order_acquire);
}

/* Ends the process by the signal: at once if it was sent, else when the access is made again, so that the siginfo
 * which the system keeps is the true one. */
static void end_process(int number, int sent)
{
    struct sigaction fatal;
    memset(&fatal, 0, sizeof fatal);
    fatal.sa_handler = SIG_DFL;
    sigemptyset(&fatal.sa_mask);
    sigaction(number, &fatal, NULL);
    if (sent)
        raise(number);
}

void fm_pass_on(int number, siginfo_t *info, void *machine)
{
    const size_t slot = slot_of(number);
    struct pass pass = {.slot = slot};
    const struct pass *const outer = innermost;
    struct earlier *const to = next_to_call(slot, &pass);
    sigset_t mask, before;

    if (to == NULL || is_default(&to->action) || is_ignored(&to->action)
        || (to->action.sa_flags & SA_RESETHAND && atomic_exchange(&to->spent, 1))) {
        if (to == NULL || !is_ignored(&to->action) || !was_sent(info))
            end_process(number, was_sent(info));
        return;
    }
    pass.mark = ~(uintptr_t)&pass;
    pass.to = to;
    innermost = &pass;
    /* What the system would have done for it. */
    mask = to->action.sa_mask;
    if (!(to->action.sa_flags & SA_NODEFER))
        sigaddset(&mask, number);
    pthread_sigmask(SIG_BLOCK, &mask, &before);
    if (to->action.sa_flags & SA_SIGINFO)
        to->action.sa_sigaction(number, info, machine);
    else
        to->action.sa_handler(number);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    innermost = outer;
}

/* --- remembering --- */

static int same_action(const struct sigaction *one, const struct sigaction *other)
{
    if (one->sa_flags != other->sa_flags)
        return 0;
    return one->sa_flags & SA_SIGINFO ? one->sa_sigaction == other->sa_sigaction : one->sa_handler == other->sa_handler;
}

/* Two that take the signal from each other for ever come back to where they stood in the list, so it stays finite. */
void fm_remember(size_t slot, const struct sigaction *action)
{
    struct earlier *added = NULL, *first, *known;
    do {
        first = atomic_load(&newest[slot]);
        for (known = first; known != NULL && !same_action(&known->action, action);)
            known = known->before;
        if (known != NULL) {
            atomic_store(&known->spent, 0);
        } else {
            if (added == NULL && (added = malloc(sizeof *added)) == NULL)
                return; /* then what isn't ours goes to the one before */
            added->action = *action;
            added->before = first;
            atomic_init(&added->spent, 0);
        }
    } while (!atomic_compare_exchange_weak(&newest[slot], &first, known != NULL ? known : added));
    if (known != NULL)
        free(added);
}

#endif
