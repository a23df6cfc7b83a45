/* The guard: fm_guarded runs a step over memory that may stop existing while it is read.
 *
 * The state behind it must exist once in a process, so guard.c and earlier.c are linked into _mapping alone; the other
 * modules take the function's address from a capsule (import_guard in src/package.pxd).
 */
#ifndef FASTMMAP_GUARD_H
#define FASTMMAP_GUARD_H

#include <stddef.h>

/* A stretch of memory that may be mapped. */
typedef struct {
    const void *address;
    size_t length;
} fm_range;

/* What no step may touch more of: a haystack, and a buffer that is written. */
#define FM_RANGES 3

/* What is watched while a step runs. */
typedef struct {
    fm_range range[FM_RANGES];
    int ranges;        /* 0: nothing of it is mapped, and nothing can fault */
    int faulted;       /* after FM_FAULT: in which range, */
    const void *fault; /* and at which address. Its page may begin before the range does */
} fm_watch;

/* What fm_guarded answers when there was a fault. Steps answer 0 and more. */
#define FM_FAULT -1

/* A step. It holds no Python object, lock or allocation, because a fault leaves it where it stands. All that is wanted
 * of it afterwards is in its context. */
typedef int (*fm_step)(void *context);

typedef int (*fm_guard)(fm_step step, void *context, fm_watch *watch);

/* Runs step(context) and returns what it returned, or FM_FAULT after a fault in one of the ranges: the file behind
 * them was truncated, couldn't be read, or had no space for a page that was written to. A fault anywhere else is none
 * of ours and goes to whoever had the signal before. */
int fm_guarded(fm_step step, void *context, fm_watch *watch);

/* Whether another handler keeps taking the signal away, so that no step can rely on the guard. Whoever reads memory that
 * may be mapped reads it by fm_read then. */
int fm_contested(void);

typedef int (*fm_question)(void);

/* Copies memory by a system call, which stops where a fault would be. Returns how many bytes were copied, -1 where the
 * system has no such call. */
ptrdiff_t fm_read(void *target, const void *source, size_t length);

#endif
