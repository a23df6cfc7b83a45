/* A fuzz target for what is plain C: the scans of every instruction set, the flags of windows, and comparisons.
 *
 * Each byte of a case decides something: a case is a needle with its probes, and a text that is made of the needle, of
 * what nearly is the needle, and of neither. What a kernel may read ends, or begins, at a page that nobody may touch. All
 * it answers is compared with a loop over single bytes.
 *
 * tools/fuzz/scan.py builds it, with libFuzzer where clang has it, else with alone.c.
 */
#include "scan/kernel.h"
#include "scan/windows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { MOST = 16384, LONGEST = 40 };

static const char *const names[] = {"scalar", "sse2", "avx2", "avx512", "neon"};

#define CHECK(truth) \
    do { \
        if (!(truth)) { \
            fprintf(stderr, "line %d: not so: %s\n", __LINE__, #truth); \
            abort(); \
        } \
    } while (0)

/* --- the case --- */

static const uint8_t *drawn;
static size_t left;

static unsigned draw(unsigned below)
{
    unsigned value = 0;
    for (unsigned top = below - 1; top && left; top >>= 8, left--)
        value = value << 8 | *drawn++;
    return value % below;
}

/* Memory between two pages that kill who touches them. */
static uint8_t *inner;
static size_t page;

static void fence(void)
{
    page = (size_t)sysconf(_SC_PAGESIZE);
    uint8_t *all = mmap(NULL, MOST + 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(all != MAP_FAILED && MOST % page == 0);
    CHECK(mprotect(all, page, PROT_NONE) == 0 && mprotect(all + page + MOST, page, PROT_NONE) == 0);
    inner = all + page;
}

/* Where bytes stand: up to the last one that may be read, or from the first. */
static uint8_t *place(const uint8_t *bytes, size_t size, int at_end)
{
    uint8_t *start = at_end ? inner + MOST - size : inner;
    memcpy(start, bytes, size);
    return start;
}

/* A text of at most `most` bytes that has something to do with a needle. */
static size_t make_text(uint8_t *text, size_t most, const uint8_t *needle, size_t length)
{
    size_t size = 0;
    while (left && size < most) {
        const unsigned kind = draw(8), before = (unsigned)size;
        if (kind < 2) {
            for (unsigned number = 1 + draw(64); number && left && size < most; number--, left--)
                text[size++] = *drawn++;
        } else if (kind < 6) {
            for (size_t k = 0; k < length && size < most; k++)
                text[size++] = needle[k];
            if (kind == 3)
                text[before + draw((unsigned)(size - before))] ^= (uint8_t)(1 << draw(8));
            if (kind == 4)
                size -= draw((unsigned)(size - before));
            if (kind == 5)
                text[before + draw((unsigned)(size - before))] ^= 0x20;
        } else if (size) {
            const size_t again = 1 + draw(size < 200 ? (unsigned)size : 200);
            for (unsigned number = 1 + draw(kind == 6 ? 16 : 4000); number && size < most; number--, size++)
                text[size] = text[size - again];
        }
    }
    return size;
}

/* --- by single bytes --- */

static uint8_t lower(uint8_t byte)
{
    return byte >= 'A' && byte <= 'Z' ? (uint8_t)(byte | 0x20) : byte;
}

/* Whether the first probes hold: `number` of them. */
static int stands(const uint8_t *hay, const fm_needle *needle, size_t number)
{
    for (size_t k = 0; k < number; k++) {
        const uint8_t byte = hay[needle->probe[k]];
        if ((needle->fold ? lower(byte) : byte) != needle->bytes[needle->probe[k]])
            return 0;
    }
    return 1;
}

/* What a start is: a candidate if all probes hold. Where only those hold that are looked at everywhere, one of a needle
 * with further bytes, which are compared anyway, may be listed as well. */
enum { NEITHER, PERHAPS, CANDIDATE };

static int what_is(const uint8_t *hay, const fm_needle *needle)
{
    if (stands(hay, needle, needle->probes))
        return CANDIDATE;
    return needle->probes < needle->length && stands(hay, needle, needle->looks) ? PERHAPS : NEITHER;
}

/* What each start of a text is; those that overlap the candidate before are none where needle->apart. */
static void mark(uint8_t *marks, const uint8_t *hay, size_t starts, const fm_needle *needle)
{
    size_t next = 0;
    for (size_t i = 0; i < starts; i++) {
        marks[i] = i >= next ? (uint8_t)what_is(hay + i, needle) : NEITHER;
        if (marks[i] && needle->apart)
            next = i + needle->length;
    }
}

/* Whether the candidates among [low, high) are listed, by their distances from `base`, and nothing else is. */
static void check_list(const uint8_t *marks, size_t low, size_t high, size_t base, const uint32_t *out, size_t listed)
{
    size_t found = 0;
    for (size_t i = low; i < high; i++) {
        const int is_next = found < listed && out[found] == i - base;
        CHECK(is_next ? marks[i] != NEITHER : marks[i] != CANDIDATE);
        found += (size_t)is_next;
    }
    CHECK(found == listed);
}

/* --- the scans for one needle --- */

static void check_forward(const fm_kernel *kernel, const uint8_t *hay, size_t starts, const fm_needle *needle,
                          const uint8_t *marks, size_t capacity)
{
    uint32_t *out = malloc(capacity * sizeof *out);
    size_t at = 0;
    while (at < starts) {
        fm_progress progress;
        const size_t listed = kernel->forward(hay + at, starts - at, needle, out, capacity, &progress);
        const size_t behind = at + progress.scanned, done = behind < starts ? behind : starts;
        CHECK(listed <= capacity && progress.scanned > 0 && behind < starts + needle->length);
        check_list(marks, at, done, at, out, listed);
        CHECK(behind >= starts || listed + FM_STEP > capacity || needle->apart);
        at = behind;
    }
    free(out);
}

static void check_backward(const fm_kernel *kernel, const uint8_t *hay, size_t starts, const fm_needle *needle,
                           const uint8_t *marks)
{
    uint32_t *out = malloc(FM_STEP * sizeof *out);
    while (starts) {
        fm_progress progress;
        const size_t listed = kernel->backward(hay, starts, needle, out, &progress);
        CHECK(listed <= FM_STEP && progress.scanned > 0 && progress.scanned <= starts);
        CHECK(listed || progress.scanned == starts);
        check_list(marks, starts - progress.scanned, starts, 0, out, listed);
        starts -= progress.scanned;
    }
    free(out);
}

static void choose_probes(fm_needle *needle)
{
    size_t order[LONGEST];
    for (size_t k = 0; k < needle->length; k++) {
        const size_t other = draw((unsigned)k + 1);
        order[k] = order[other];
        order[other] = k;
    }
    needle->probes = needle->length <= FM_PROBES ? needle->length : 2 + draw(FM_PROBES - 1);
    memcpy(needle->probe, order, needle->probes * sizeof *order);
    static const size_t looks[] = {2, 3, FM_MOST_LOOKS};
    needle->looks = needle->probes == 1 ? 1 : looks[draw(3)];
    if (needle->looks > needle->probes)
        needle->looks = 2;
    needle->periods = 0;
    for (size_t period = 1; needle->length <= FM_PROBES && period < needle->length; period++)
        if (memcmp(needle->bytes, needle->bytes + period, needle->length - period) == 0)
            needle->period[needle->periods++] = period;
    needle->apart = needle->periods && draw(2);
}

static void one_needle(const fm_kernel *kernel)
{
    static uint8_t text[MOST], marks[MOST];
    uint8_t bytes[LONGEST];
    fm_needle needle = {bytes, 1 + draw(draw(3) ? 9 : LONGEST), 0, 0, {0}, (int)draw(2), 0, 0, {0}};
    const unsigned letters = draw(4);
    for (size_t k = 0; k < needle.length; k++) {
        bytes[k] = (uint8_t)(letters == 0 ? draw(256) : 'a' + draw(letters));
        bytes[k] = needle.fold ? lower(bytes[k]) : bytes[k];
    }
    choose_probes(&needle);
    size_t first = LONGEST, last = 0;
    for (size_t k = 0; k < needle.probes; k++) {
        first = needle.probe[k] < first ? needle.probe[k] : first;
        last = needle.probe[k] > last ? needle.probe[k] : last;
    }
    const int at_end = (int)draw(2);
    const size_t capacity = FM_STEP + draw(300);
    /* What may be read is hay[first .. starts - 1 + last], and nothing else is there. */
    const size_t size = make_text(text, MOST, bytes, needle.length), around = last - first;
    if (size <= around)
        return;
    const size_t starts = size - around;
    const uint8_t *hay = place(text, size, at_end) - first;
    mark(marks, hay, starts, &needle);
    check_forward(kernel, hay, starts, &needle, marks, capacity);
    if (needle.probes == needle.length) {
        size_t number = 0;
        for (size_t i = 0; i < starts; i++)
            number += marks[i] == CANDIDATE;
        fm_progress progress;
        CHECK(kernel->count(hay, starts, &needle, &progress) == number);
        CHECK(progress.scanned >= starts && progress.scanned < starts + needle.length);
    }
    needle.apart = 0; /* which the way back pays no attention to */
    mark(marks, hay, starts, &needle);
    needle.apart = needle.periods > 0;
    check_backward(kernel, hay, starts, &needle, marks);
}

/* --- comparisons --- */

static void comparisons(void)
{
    static uint8_t text[MOST];
    uint8_t needle[LONGEST];
    const size_t length = draw(LONGEST + 1);
    const int fold = (int)draw(2);
    for (size_t k = 0; k < length; k++)
        needle[k] = fold ? lower((uint8_t)draw(256)) : (uint8_t)draw(256);
    memcpy(text, needle, length);
    for (unsigned number = draw(4); length && number; number--)
        text[draw((unsigned)length)] ^= (uint8_t)(1 << draw(8));
    const int at_end = (int)draw(2);
    const uint8_t *hay = place(text, length, at_end);
    size_t agree = 0, back = 0;
    while (agree < length && (fold ? lower(hay[agree]) : hay[agree]) == needle[agree])
        agree++;
    while (back < length
           && (fold ? lower(hay[length - 1 - back]) : hay[length - 1 - back]) == needle[length - 1 - back])
        back++;
    CHECK(fm_agree(hay, needle, length, fold) == agree);
    CHECK(fm_agree_back(hay + length, needle + length, length, fold) == back);
}

/* --- many needles --- */

static void many_needles(const fm_kernel *kernel)
{
    static uint8_t text[MOST];
    fm_buckets tables = {0};
    tables.sets = 1 << draw(3);
    const int window = fm_window(&tables);
    uint8_t bytes[FM_WINDOW] = {0};
    const unsigned letters = 1 + draw(255);
    for (unsigned number = draw(40); number; number--) {
        const unsigned bucket = draw(8), set = draw((unsigned)tables.sets);
        for (int k = 0; k < window; k++) {
            bytes[k] = (uint8_t)('a' + draw(letters));
            tables.low[set][k][bytes[k] & 15] |= (uint8_t)(1 << bucket);
            tables.high[set][k][bytes[k] >> 4] |= (uint8_t)(1 << bucket);
        }
    }
    const size_t capacity = FM_MANY_STEP + draw(300);
    const int at_end = (int)draw(2);
    const size_t size = make_text(text, MOST, bytes, (size_t)window);
    if (size < (size_t)window)
        return;
    const size_t windows = size - (size_t)window + 1;
    const uint8_t *hay = place(text, size, at_end);
    fm_candidate *out = malloc(capacity * sizeof *out);
    size_t at = 0;
    while (at < windows) {
        size_t scanned, found = 0;
        const size_t listed = kernel->many(hay + at, windows - at, &tables, out, capacity, &scanned);
        CHECK(listed <= capacity && scanned > 0 && scanned <= windows - at);
        CHECK(at + scanned == windows || listed + FM_MANY_STEP > capacity);
        for (size_t i = 0; i < scanned; i++) {
            uint32_t buckets = 0;
            for (unsigned bit = 0; bit < 8 * (unsigned)tables.sets; bit++) {
                int all = 1;
                for (int k = 0; k < window; k++) {
                    const uint8_t byte = hay[at + i + (size_t)k];
                    all &= tables.low[bit / 8][k][byte & 15] >> bit % 8 & tables.high[bit / 8][k][byte >> 4] >> bit % 8;
                }
                buckets |= (uint32_t)(all & 1) << bit;
            }
            if (buckets) {
                CHECK(found < listed && out[found].window == i && out[found].buckets == buckets);
                found++;
            }
        }
        CHECK(found == listed);
        at += scanned;
    }
    free(out);
}

static void flags(void)
{
    static uint8_t text[MOST], flagged[1 << 16];
    fm_flags table = {flagged, (int)draw(2), 0, 16, 1 + (ptrdiff_t)draw(6)};
    if (table.hashed) {
        table.fold = draw(2) ? 0x20202020u : 0;
        table.shift = 16 + (int)draw(8);
    }
    uint32_t state = 1 + draw(65535);
    const unsigned share = draw(4);
    for (size_t k = 0; k < sizeof flagged; k++) {
        state = state * 1664525u + 1013904223u;
        flagged[k] = share ? (state >> 16) % (1u << 4 * share) == 0 : 1;
    }
    const size_t reads = table.hashed ? 4 : 2, capacity = FM_TOGETHER + draw(100);
    const int at_end = (int)draw(2);
    const size_t bytes = make_text(text, MOST, (const uint8_t *)"the", 3);
    if (bytes < reads)
        return;
    const ptrdiff_t size = (ptrdiff_t)(bytes - reads + 1);
    const uint8_t *hay = place(text, bytes, at_end);
    uint32_t *out = malloc(capacity * sizeof *out);
    ptrdiff_t at = 0;
    while (at < size) {
        ptrdiff_t scanned;
        size_t found = 0;
        const size_t listed = fm_list_flags(&table, hay + at, size - at, out, capacity, &scanned);
        CHECK(listed <= capacity && scanned > 0 && scanned % table.stride == 0);
        CHECK(at + scanned >= size || listed + FM_TOGETHER > capacity);
        for (ptrdiff_t i = 0; i < scanned && at + i < size; i += table.stride) {
            uint32_t where = (uint32_t)hay[at + i] | (uint32_t)hay[at + i + 1] << 8;
            if (table.hashed) {
                where |= (uint32_t)hay[at + i + 2] << 16 | (uint32_t)hay[at + i + 3] << 24;
                where = (where | table.fold) * 0x9E3779B1u >> table.shift;
            }
            if (flagged[where])
                CHECK(found < listed && out[found++] == (uint32_t)i);
        }
        CHECK(found == listed);
        at += scanned;
    }
    free(out);
}

/* What both engines call. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!inner)
        fence();
    drawn = data;
    left = size;
    const unsigned kind = draw(8), number = draw(sizeof names / sizeof *names);
    fm_status status;
    const fm_kernel *kernel = fm_kernel_named(names[number], &status);
    if (!kernel)
        kernel = fm_kernel_named("scalar", &status);
    if (kind < 4)
        one_needle(kernel);
    else if (kind < 6 && kernel->many)
        many_needles(kernel);
    else if (kind == 6)
        comparisons();
    else
        flags();
    return 0;
}
