/* The signals by which a system reports a fault on mapped memory, and what guard.c and earlier.c do with them together.
 *
 * guard.c has the handler and the steps, earlier.c the handlers that had a signal before. Both have state, so each is
 * linked into one module alone: see guard.h.
 */
#ifndef FASTMMAP_SIGNALS_H
#define FASTMMAP_SIGNALS_H

#include <signal.h>
#include <stddef.h>

/* Linux and most others report a page without a file behind it by SIGBUS; macOS by either. */
#ifdef __APPLE__
static const int SIGNALS[] = {SIGBUS, SIGSEGV};
#else
static const int SIGNALS[] = {SIGBUS};
#endif
#define SIGNAL_COUNT (sizeof SIGNALS / sizeof *SIGNALS)

/* The index in SIGNALS of one of them. */
static inline size_t slot_of(int number)
{
    return SIGNAL_COUNT > 1 && number != SIGNALS[0] ? SIGNAL_COUNT - 1 : 0;
}

/* Whether a process sent the signal, rather than an access of this thread causing it. */
static inline int was_sent(const siginfo_t *info)
{
    return info->si_code <= 0;
}

/* State of one thread that a handler uses. The model keeps it from allocating: with the default one, the first use in a
 * thread may call malloc. musl has no room for the model in a library that is loaded later, and allocates for every
 * thread at once. */
#if defined(__GLIBC__)
#define IN_EACH_THREAD _Thread_local __attribute__((tls_model("initial-exec")))
#else
#define IN_EACH_THREAD _Thread_local
#endif

/* Remembers who had a signal before us. */
void fm_remember(size_t slot, const struct sigaction *action);

/* Gives a signal that isn't ours to the handler that had it before us, with the siginfo that the system made. */
void fm_pass_on(int number, siginfo_t *info, void *machine);

#endif
