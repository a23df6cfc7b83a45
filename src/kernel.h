/* What an instruction set offers to the Cython kernels: the candidates of a needle in a block of memory.
 *
 * A candidate is a start at which the needle's two probe bytes stand. Whether the rest of the needle stands there
 * too, which candidates overlap, how many are wanted: all that is Cython's (src/walk.pxd). The kernel named "scalar"
 * is Cython as well; the others are instances of scan.h.
 */
#ifndef FASTMMAP_KERNEL_H
#define FASTMMAP_KERNEL_H

#include <stddef.h>
#include <stdint.h>

/* A needle made ready for scanning. Precondition everywhere: first <= second < length. */
typedef struct {
    const uint8_t *bytes; /* lower case when fold is set */
    size_t length;        /* at least 1 */
    size_t first, second; /* offsets of the probe bytes; the same one for a needle of one byte */
    int fold;             /* ASCII letters match in either case */
} fm_needle;

/* Room that `forward` and `backward` need for the candidates of one step: four vectors of the widest set. */
#define FM_STEP 256

typedef struct {
    const char *name;

    /* Writes the candidate starts in [0, starts) to out, ascending, until the block is done or fewer than FM_STEP
     * places are left. Returns how many were written; *scanned is the number of starts that were looked at.
     * Reads exactly hay[first .. starts - 1 + second]. Precondition: starts < 2^32, capacity >= FM_STEP. */
    size_t (*forward)(const uint8_t *hay, size_t starts, const fm_needle *needle, uint32_t *out, size_t capacity,
                      size_t *scanned);

    /* The mirror: descending from starts - 1; *scanned counts from the top. */
    size_t (*backward)(const uint8_t *hay, size_t starts, const fm_needle *needle, uint32_t *out, size_t capacity,
                       size_t *scanned);

    /* How often byte stands in block[0, length). */
    size_t (*count_byte)(const uint8_t *block, size_t length, uint8_t byte);
} fm_kernel;

typedef enum { FM_READY, FM_NOT_BUILT, FM_NOT_ON_THIS_CPU } fm_status;

/* Looks a vector kernel up by name. NULL with the reason in *status where it can't be had. */
const fm_kernel *fm_vector_kernel(const char *name, fm_status *status);

/* The instances; each is declared on every machine and defined where its compiler target exists. */
extern const fm_kernel fm_sse2, fm_avx2, fm_avx512, fm_neon;

/* The fold of a probe: letters are compared with bit 0x20 set, and no other byte equals a lower-case letter then
 * than the letter's own two cases. */
static inline uint8_t fm_case_bit(const fm_needle *needle, size_t offset)
{
    uint8_t byte = needle->bytes[offset];
    return needle->fold && byte >= 'a' && byte <= 'z' ? 0x20 : 0;
}

#endif
