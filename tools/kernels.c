/* Each vector kernel against the scalar one, for machines that have no Python: random blocks between two pages that
 * can't be touched, needles made of what is in them.
 *
 *   aarch64-linux-gnu-gcc -O2 -static -Isrc/scan -o kernels tools/kernels.c src/scan/*.c
 *   qemu-aarch64 ./kernels 100000
 */
#define _GNU_SOURCE
#include "kernel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define LONGEST 6000
#define LISTED (LONGEST + 2 * FM_STEP)

static uint64_t state = 88172645463325252u;

static size_t below(size_t limit)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (size_t)(state % limit);
}

/* Lists all candidates, with calls of little room. */
static size_t all_forward(const fm_kernel *kernel, const uint8_t *hay, size_t starts, const fm_needle *needle,
                          size_t room, uint32_t *out)
{
    size_t at = 0, number = 0, scanned;
    uint32_t part[LISTED];
    while (at < starts) {
        const size_t listed = kernel->forward(hay + at, starts - at, needle, part, room, &scanned);
        for (size_t i = 0; i < listed; i++)
            out[number++] = (uint32_t)at + part[i];
        at += scanned;
    }
    return number;
}

static size_t last_backward(const fm_kernel *kernel, const uint8_t *hay, size_t starts, const fm_needle *needle)
{
    size_t scanned;
    uint32_t part[FM_STEP + 4];
    while (starts > 0) {
        const size_t listed = kernel->backward(hay, starts, needle, part, &scanned);
        if (listed)
            return part[listed - 1];
        starts -= scanned;
    }
    return (size_t)-1;
}

static void fail(const char *what, const fm_kernel *kernel, size_t starts, size_t length, long number)
{
    printf("%s of %s differs: case %ld, %zu starts, needle of %zu\n", what, kernel->name, number, starts, length);
    exit(1);
}

static void check(const fm_kernel *kernel, uint8_t *page, size_t size, long number)
{
    static uint32_t expected[LISTED], got[LISTED];
    const size_t length = 1 + below(number % 3 ? 4 : FM_PROBES), letters = 1 + below(4);
    const size_t starts = 1 + below(number % 16 ? 300 : LONGEST - FM_PROBES), whole = starts + length - 1;
    uint8_t *hay = number & 1 ? page : page + size - whole, own[FM_PROBES];
    fm_needle needle;
    size_t scanned, scanned_too;
    for (size_t i = 0; i < whole; i++)
        hay[i] = (uint8_t)"aAb\xff"[below(letters)];
    memcpy(own, hay + below(starts), length);
    memset(&needle, 0, sizeof needle);
    needle.fold = number % 5 == 0;
    for (size_t i = 0; i < length; i++)
        own[i] |= needle.fold && own[i] == 'A' ? 0x20 : 0;
    needle.bytes = own;
    needle.length = needle.probes = length;
    for (size_t i = 0; i < length; i++)
        needle.probe[i] = (i + (size_t)number) % length;
    for (size_t period = 1; number % 7 && period < length; period++)
        if (memcmp(own, own + period, length - period) == 0)
            needle.period[needle.periods++] = period;
    needle.apart = needle.periods > 0;

    const size_t room = FM_STEP + below(FM_STEP);
    const size_t many = all_forward(&fm_scalar, hay, starts, &needle, LISTED, expected);
    if (all_forward(kernel, hay, starts, &needle, room, got) != many || memcmp(expected, got, many * sizeof *got) != 0)
        fail("forward", kernel, starts, length, number);
    if (kernel->count(hay, starts, &needle, &scanned) != fm_scalar.count(hay, starts, &needle, &scanned_too))
        fail("count", kernel, starts, length, number);
    if ((scanned > starts ? scanned : starts) != (scanned_too > starts ? scanned_too : starts))
        fail("the end of count", kernel, starts, length, number);
    if (last_backward(kernel, hay, starts, &needle) != last_backward(&fm_scalar, hay, starts, &needle))
        fail("backward", kernel, starts, length, number);
}

int main(int count, char **arguments)
{
    static const char *const names[] = {"sse2", "avx2", "avx512", "neon"};
    const long cases = count > 1 ? atol(arguments[1]) : 20000;
    const size_t guard = (size_t)sysconf(_SC_PAGESIZE), size = (LONGEST / guard + 1) * guard;
    uint8_t *memory = mmap(NULL, size + 2 * guard, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED || mprotect(memory, guard, PROT_NONE) || mprotect(memory + guard + size, guard, PROT_NONE))
        return 2;
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        fm_status status;
        const fm_kernel *kernel = fm_kernel_named(names[k], &status);
        if (kernel == NULL)
            continue;
        for (long number = 0; number < cases; number++)
            check(kernel, memory + guard, size, number);
        printf("%s: %ld cases\n", names[k], cases);
    }
    return 0;
}
