/* What the threads of one call share, as numbers that need no lock: src/_parallel.pyx says who changes them when.
 *
 * No mutex and no condition: a process may be forked while others are at it, and its child would find one locked. */
#ifndef FASTMMAP_CREW_H
#define FASTMMAP_CREW_H

#include <stdint.h>
#include <time.h>

typedef struct {
    int64_t next;    /* the part that is taken next */
    int64_t last;    /* only parts before this one are wanted; it never rises */
    int64_t inside;  /* twice the number of helpers that are at work, plus one when no more may begin */
} fm_crew;

/* The next part, or -1 where no more are wanted. Each is given out once, in order. */
static inline int64_t fm_take(fm_crew *crew) {
    int64_t part = __atomic_fetch_add(&crew->next, 1, __ATOMIC_ACQ_REL);
    return part < __atomic_load_n(&crew->last, __ATOMIC_ACQUIRE) ? part : -1;
}

static inline int64_t fm_last(fm_crew *crew) {
    return __atomic_load_n(&crew->last, __ATOMIC_ACQUIRE);
}

/* Parts from `last` on aren't wanted any more. */
static inline void fm_lower(fm_crew *crew, int64_t last) {
    int64_t now = fm_last(crew);
    while (last < now && !__atomic_compare_exchange_n(&crew->last, &now, last, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
        ;
}

/* Lets a helper begin, unless the call is over. */
static inline int fm_enter(fm_crew *crew) {
    int64_t now = __atomic_load_n(&crew->inside, __ATOMIC_ACQUIRE);
    while (!(now & 1))
        if (__atomic_compare_exchange_n(&crew->inside, &now, now + 2, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
            return 1;
    return 0;
}

/* The helper's last step: from here on the call may be over. */
static inline void fm_leave(fm_crew *crew) {
    __atomic_fetch_sub(&crew->inside, 2, __ATOMIC_ACQ_REL);
}

/* No helper may begin any more. */
static inline void fm_close(fm_crew *crew) {
    __atomic_fetch_or(&crew->inside, 1, __ATOMIC_ACQ_REL);
}

static inline int fm_is_empty(fm_crew *crew) {
    return __atomic_load_n(&crew->inside, __ATOMIC_ACQUIRE) <= 1;
}

/* Waits until no helper is inside, or some 50 ms are over. Most have left within a block's time, so it looks often. */
static inline void fm_await(fm_crew *crew) {
    for (int looks = 0; looks < 600 && !fm_is_empty(crew); looks++) {
        struct timespec pause = {0, looks < 50 ? 10000 : 80000};
        nanosleep(&pause, 0);
    }
}

#endif
