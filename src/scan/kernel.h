/* A kernel: the search by one instruction set. It tells the candidates of a needle in a block of memory.
 *
 * A candidate is a start at which the needle's probe bytes stand. A needle of at most FM_PROBES bytes is all probes, so
 * its candidates are its matches. Of a longer one, starts may be listed as well at which only those stand that are looked
 * at everywhere. src/walk.pxd finds out whether all of it stands there, and how many are wanted.
 */
#ifndef FASTMMAP_KERNEL_H
#define FASTMMAP_KERNEL_H

#include "../memory/agree.h"

#include <stddef.h>
#include <stdint.h>

#define FM_PROBES 16

/* How many of them are looked at everywhere at most: in a text of four letters fewer hold nearly everywhere. */
#define FM_MOST_LOOKS 5

/* A needle made ready for scanning. */
typedef struct {
    const uint8_t *bytes;    /* lower case when fold is set */
    size_t length;           /* at least 1 */
    size_t probes;           /* how many probes there are: 1 to FM_PROBES */
    size_t looks;            /* how many of them are looked at everywhere: 1, 2, 3 or FM_MOST_LOOKS */
    size_t probe[FM_PROBES]; /* offsets in the needle. The first `looks` should stand together rarely */
    int fold;                /* ASCII letters match in either case */
    int apart;      /* a candidate that overlaps the one before it isn't listed; only where all bytes are probes */
    size_t periods; /* where apart is set: at how many distances the needle overlaps itself, and which */
    size_t period[FM_PROBES];
} fm_needle;

/* Room for the candidates that are written between two looks at how much is left: four vectors of the widest set. */
#define FM_STEP 256

/* How far a scan has got. */
typedef struct {
    size_t scanned; /* how many starts it has done with */
    size_t closer;  /* how many groups of starts, as large as four vectors, the first look didn't rule out */
} fm_progress;

/* Many needles: how many bytes of each are looked at, and what they may be, in eight buckets of a bit each, or
 * in two or four sets of eight. With one set three bytes are looked at, with more four. */
#define FM_WINDOW 4
#define FM_SETS 4

typedef struct {
    int sets;
    uint8_t low[FM_SETS][FM_WINDOW][16];  /* by the lower four bits of a byte */
    uint8_t high[FM_SETS][FM_WINDOW][16]; /* by the upper four: the buckets are those that both have */
} fm_buckets;

static inline int fm_window(const fm_buckets *tables)
{
    return tables->sets == 1 ? FM_WINDOW - 1 : FM_WINDOW;
}

/* A window that some buckets' needles may stand around. */
typedef struct {
    uint32_t window;
    uint32_t buckets;
} fm_candidate;

/* Room for the candidates that are written between two looks at how much is left: two vectors of the widest set. */
#define FM_MANY_STEP 128

typedef struct {
    const char *name;

    /* Writes the candidate starts in [0, starts) to out, ascending, until the block is done or fewer than FM_STEP
     * places are left. Returns how many were written; `scanned` is the first start that the next call has to look at:
     * beyond `starts` where the last candidate excludes starts of the next block. Places beyond those written may be
     * overwritten as well.
     * Reads exactly hay[p .. starts - 1 + q], p the lowest and q the highest probe. Precondition: 0 < starts < 2^32,
     * capacity >= FM_STEP. */
    size_t (*forward)(const uint8_t *hay, size_t starts, const fm_needle *needle, uint32_t *out, size_t capacity,
                      fm_progress *progress);

    /* The mirror: looks from starts - 1 downwards until there is a candidate, and writes some of the last ones to out,
     * ascending, which has room for FM_STEP. `scanned` counts the starts that were looked at, from the top. Pays no
     * attention to `apart`. */
    size_t (*backward)(const uint8_t *hay, size_t starts, const fm_needle *needle, uint32_t *out,
                       fm_progress *progress);

    /* As forward, but how many candidates there are is all that is wanted. */
    size_t (*count)(const uint8_t *hay, size_t starts, const fm_needle *needle, fm_progress *progress);

    /* Writes the candidates among the windows [0, windows) to out, ascending, until all are done or fewer than
     * FM_MANY_STEP places are left. Returns how many; *scanned windows are done. Reads exactly
     * hay[0 .. windows - 1 + fm_window(tables) - 1]. NULL where there is no such instruction. */
    size_t (*many)(const uint8_t *hay, size_t windows, const fm_buckets *tables, fm_candidate *out, size_t capacity,
                   size_t *scanned);
} fm_kernel;

typedef enum { FM_READY, FM_NOT_BUILT, FM_NOT_ON_THIS_CPU } fm_status;

/* Looks a kernel up by name. NULL with the reason in *status where it can't be had. */
const fm_kernel *fm_kernel_named(const char *name, fm_status *status);

/* The instances; each is declared on every machine and defined where its compiler target exists. */
extern const fm_kernel fm_scalar, fm_sse2, fm_avx2, fm_avx512, fm_neon;

/* The fold of a probe: letters are compared with bit 0x20 set, and no other byte equals a lower-case letter then
 * than the letter's own two cases. */
static inline uint8_t fm_case_bit(const fm_needle *needle, size_t offset)
{
    uint8_t byte = needle->bytes[offset];
    return needle->fold && byte >= 'a' && byte <= 'z' ? 0x20 : 0;
}

/* The scan for many needles, byte by byte. */
static inline size_t fm_many_bytewise(const uint8_t *hay, size_t windows, const fm_buckets *tables, fm_candidate *out,
                                      size_t capacity, size_t *scanned)
{
    size_t i = 0, listed = 0;
    for (; i < windows && listed + FM_MANY_STEP <= capacity; i++) {
        uint32_t bits = 0;
        for (int set = 0; set < tables->sets; set++) {
            uint32_t left = 0xff;
            for (int k = 0; k < fm_window(tables); k++)
                left &= tables->low[set][k][hay[i + k] & 15] & tables->high[set][k][hay[i + k] >> 4];
            bits |= left << 8 * set;
        }
        if (bits)
            out[listed++] = (fm_candidate){(uint32_t)i, bits};
    }
    *scanned = i;
    return listed;
}

/* Whether the start at hay is a candidate, byte by byte. */
static inline int fm_is_candidate(const uint8_t *hay, const fm_needle *needle)
{
    for (size_t k = 0; k < needle->probes; k++) {
        size_t offset = needle->probe[k];
        if ((hay[offset] | fm_case_bit(needle, offset)) != needle->bytes[offset])
            return 0;
    }
    return 1;
}

#endif
