/* What the threads of one call share, as numbers that need no lock: src/_parallel.pyx says who changes them when.
 *
 * No mutex and no condition: a process may be forked while others are at it, and its child would find one locked. */
#ifndef FASTMMAP_CREW_H
#define FASTMMAP_CREW_H

#include "../system/system.h"

typedef struct {
    int64_t next;   /* the part that is taken next */
    int64_t last;   /* only parts before this one are wanted; it never rises */
    int64_t inside; /* twice the number of helpers that are at work, plus one when no more may begin */
} fm_crew;

static inline int64_t fm_last(fm_crew *crew)
{
    return (int64_t)fm_read_word((const uint64_t *)&crew->last);
}

static inline int64_t fm_inside(fm_crew *crew)
{
    return (int64_t)fm_read_word((const uint64_t *)&crew->inside);
}

/* The next part, or -1 where no more are wanted. Each is given out once, in order. */
static inline int64_t fm_take(fm_crew *crew)
{
    int64_t part = fm_add(&crew->next, 1);
    return part < fm_last(crew) ? part : -1;
}

/* Parts from `last` on aren't wanted any more. */
static inline void fm_lower(fm_crew *crew, int64_t last)
{
    int64_t now = fm_last(crew);
    while (last < now && !fm_exchange(&crew->last, &now, last))
        ;
}

/* Lets a helper begin, unless the call is over. */
static inline int fm_enter(fm_crew *crew)
{
    int64_t now = fm_inside(crew);
    while (!(now & 1))
        if (fm_exchange(&crew->inside, &now, now + 2))
            return 1;
    return 0;
}

/* The helper's last step: from here on the call may be over. */
static inline void fm_leave(fm_crew *crew)
{
    fm_add(&crew->inside, -2);
}

/* No helper may begin any more. */
static inline void fm_close(fm_crew *crew)
{
    fm_set_bits(&crew->inside, 1);
}

static inline int fm_is_empty(fm_crew *crew)
{
    return fm_inside(crew) <= 1;
}

/* Waits until no helper is inside, or some 50 ms are over. Most have left within a block's time, so it looks often. */
static inline void fm_await(fm_crew *crew)
{
    const int64_t end = fm_now() + 50 * 1000 * 1000;
    for (int looks = 0; !fm_is_empty(crew) && fm_now() < end; looks++)
        fm_pause(looks < 50 ? 10 : 80);
}

#endif
