/* The one way into a kernel: fm_guarded runs a step over memory that may stop existing while it is read.
 *
 * The state behind it must exist once in a process, so guard.c is linked into _mapping alone; the other modules
 * take the function's address from a capsule (import_guard in kernel.pxd).
 */
#ifndef FASTMMAP_GUARD_H
#define FASTMMAP_GUARD_H

#include <stddef.h>

/* One stretch of mapped memory that a step touches. */
typedef struct {
    const void *address;
    size_t length;
} fm_range;

/* A step of a kernel. It holds no Python object, lock or allocation; all it leaves behind is in its context. */
typedef int (*fm_step)(void *context);

typedef int (*fm_guard)(fm_step step, void *context, const fm_range *ranges, int count);

/* Runs step(context) and returns what it returned. For now it passes through; a fault in one of the ranges will
 * become an error code here. */
int fm_guarded(fm_step step, void *context, const fm_range *ranges, int count);

#endif
