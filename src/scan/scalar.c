/* The scan a byte at a time: the kernel that runs everywhere, and what the others use where a block is shorter than
 * their vector. Its contracts are those of fm_kernel in kernel.h.
 */
#include "kernel.h"

static size_t forward(const uint8_t *hay, size_t starts, const fm_needle *needle, uint32_t *out, size_t capacity,
                      fm_progress *progress)
{
    size_t i = 0, listed = 0;
    while (i < starts && listed <= capacity - FM_STEP) {
        if (fm_is_candidate(hay + i, needle)) {
            out[listed++] = (uint32_t)i;
            i += needle->apart ? needle->length : 1;
        } else {
            i++;
        }
    }
    *progress = (fm_progress){i, 0};
    return listed;
}

static size_t backward(const uint8_t *hay, size_t starts, const fm_needle *needle, uint32_t *out, fm_progress *progress)
{
    size_t i = starts;
    while (i > 0) {
        i--;
        if (fm_is_candidate(hay + i, needle)) {
            *out = (uint32_t)i;
            *progress = (fm_progress){starts - i, 0};
            return 1;
        }
    }
    *progress = (fm_progress){starts, 0};
    return 0;
}

static size_t count(const uint8_t *hay, size_t starts, const fm_needle *needle, fm_progress *progress)
{
    size_t i = 0, number = 0;
    if (needle->probes == 1 && !needle->fold) {
        /* Without a branch: the compiler may make vectors of what it may use anyway. */
        for (; i < starts; i++)
            number += hay[i] == needle->bytes[0];
    }
    while (i < starts) {
        const int found = fm_is_candidate(hay + i, needle);
        number += (size_t)found;
        i += found && needle->apart ? needle->length : 1;
    }
    *progress = (fm_progress){i, 0};
    return number;
}

const fm_kernel fm_scalar = {"scalar", forward, backward, count, NULL};
