/* What compilers have under different names: GCC and clang one, MSVC another. clang-cl goes with the former.
 *
 * No other header names a compiler, but for the signal handlers in src/guard, which only systems without MSVC have.
 */
#ifndef FASTMMAP_COMPILER_H
#define FASTMMAP_COMPILER_H

#include <stddef.h>
#include <stdint.h>

/* clang --target=x86_64-pc-windows-msvc -DFM_GNU=0 compiles what MSVC does. */
#ifndef FM_GNU
#if defined(__GNUC__) || defined(__clang__)
#define FM_GNU 1
#else
#define FM_GNU 0
#endif
#endif
#if !FM_GNU
#include <intrin.h>
#endif

/* --- functions and variables --- */

#if FM_GNU
#define FM_INLINE inline __attribute__((always_inline))
#define FM_FOR_INSTRUCTIONS(list) __attribute__((target(list)))
#define FM_IN_EACH_THREAD __thread
#else
#define FM_INLINE __forceinline
#define FM_FOR_INSTRUCTIONS(list) /* intrinsics are compiled anywhere */
#define FM_IN_EACH_THREAD __declspec(thread)
#endif

/* Has the optimizer know nothing about what a variable holds here. */
#if FM_GNU
#define FM_FORGET(variable) __asm__("" : "+r"(variable))
#else
#define FM_FORGET(variable) ((void)0)
#endif

/* Asks for the bytes at an address, which will be read soon. No fault comes of it. */
#if FM_GNU
#define FM_PREFETCH(address) __builtin_prefetch((const void *)(address))
#elif defined(_M_X64)
#define FM_PREFETCH(address) _mm_prefetch((const char *)(address), _MM_HINT_T0)
#else
#define FM_PREFETCH(address) __prefetch((const void *)(address))
#endif

/* --- bits of a word: in macros, for an inlined function may not have the caller's instructions --- */

#if FM_GNU
#define FM_ONES(word) __builtin_popcountll(word)
#define FM_ZEROS_BELOW(word) __builtin_ctzll(word) /* of a word that isn't 0 */
#define FM_ZEROS_ABOVE(word) __builtin_clzll(word) /* likewise */
#define FM_REVERSED(word) __builtin_bswap64(word)
#else
static __forceinline int fm_ones(uint64_t word)
{
    word -= word >> 1 & 0x5555555555555555u;
    word = (word & 0x3333333333333333u) + (word >> 2 & 0x3333333333333333u);
    return (int)(((word + (word >> 4)) & 0x0f0f0f0f0f0f0f0fu) * 0x0101010101010101u >> 56);
}

static __forceinline int fm_lowest(uint64_t word)
{
    unsigned long number;
    _BitScanForward64(&number, word);
    return (int)number;
}

static __forceinline int fm_highest(uint64_t word)
{
    unsigned long number;
    _BitScanReverse64(&number, word);
    return (int)number;
}
#define FM_ONES(word) fm_ones(word)
#define FM_ZEROS_BELOW(word) fm_lowest(word)
#define FM_ZEROS_ABOVE(word) (63 - fm_highest(word))
#define FM_REVERSED(word) _byteswap_uint64(word)
#endif

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define FM_BIG_ENDIAN 1
#else
#define FM_BIG_ENDIAN 0
#endif

/* --- words that several threads, or processes, read and change: each whole, and in order --- */

#if FM_GNU

/* Reads a word before whatever is read after it. */
static inline uint64_t fm_read_word(const uint64_t *word)
{
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

/* Stores a word after whatever was stored before it. */
static inline void fm_store_word(uint64_t *word, uint64_t value)
{
    __atomic_store_n(word, value, __ATOMIC_RELEASE);
}

/* The next four answer what the word was, or whether it was as expected; else that is what it is now. */
static inline int64_t fm_add(int64_t *word, int64_t number)
{
    return __atomic_fetch_add(word, number, __ATOMIC_ACQ_REL);
}

static inline int64_t fm_set_bits(int64_t *word, int64_t bits)
{
    return __atomic_fetch_or(word, bits, __ATOMIC_ACQ_REL);
}

static inline int fm_exchange(int64_t *word, int64_t *expected, int64_t value)
{
    return __atomic_compare_exchange_n(word, expected, value, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

static inline int fm_exchange_byte(uint8_t *byte, uint8_t *expected, uint8_t value)
{
    return __atomic_compare_exchange_n(byte, expected, value, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

static inline void *fm_read_pointer(void *const *pointer)
{
    return __atomic_load_n(pointer, __ATOMIC_ACQUIRE);
}

static inline void fm_store_pointer(void **pointer, void *value)
{
    __atomic_store_n(pointer, value, __ATOMIC_RELEASE);
}

#else

/* x86-64 does it in order, if the compiler does; ARM64 has to be told. */
#if defined(_M_ARM64)
#define FM_FENCE() __dmb(_ARM64_BARRIER_ISH)
#else
#define FM_FENCE() _ReadWriteBarrier()
#endif

static inline uint64_t fm_read_word(const uint64_t *word)
{
    const uint64_t value = *(const volatile uint64_t *)word;
    FM_FENCE();
    return value;
}

static inline void fm_store_word(uint64_t *word, uint64_t value)
{
    FM_FENCE();
    *(volatile uint64_t *)word = value;
}

static inline int64_t fm_add(int64_t *word, int64_t number)
{
    return _InterlockedExchangeAdd64(word, number);
}

static inline int64_t fm_set_bits(int64_t *word, int64_t bits)
{
    return _InterlockedOr64(word, bits);
}

static inline int fm_exchange(int64_t *word, int64_t *expected, int64_t value)
{
    const int64_t before = _InterlockedCompareExchange64(word, value, *expected);
    const int same = before == *expected;
    *expected = before;
    return same;
}

static inline int fm_exchange_byte(uint8_t *byte, uint8_t *expected, uint8_t value)
{
    const uint8_t before = (uint8_t)_InterlockedCompareExchange8((char *)byte, (char)value, (char)*expected);
    const int same = before == *expected;
    *expected = before;
    return same;
}

static inline void *fm_read_pointer(void *const *pointer)
{
    void *const value = *(void *const volatile *)pointer;
    FM_FENCE();
    return value;
}

static inline void fm_store_pointer(void **pointer, void *value)
{
    FM_FENCE();
    *(void *volatile *)pointer = value;
}

#endif

/* --- what the CPU says of itself --- */

#if defined(__x86_64__) || defined(_M_X64)
#if FM_GNU
#include <cpuid.h>
#endif

/* EAX, EBX, ECX and EDX of a leaf. */
static inline void fm_cpuid(uint32_t leaf, uint32_t registers[4])
{
#if FM_GNU
    __cpuid_count(leaf, 0, registers[0], registers[1], registers[2], registers[3]);
#else
    __cpuidex((int *)registers, (int)leaf, 0);
#endif
}

/* Which registers the system keeps. Only where the CPU has the instruction. */
static inline uint64_t fm_xcr0(void)
{
#if FM_GNU
    uint32_t low, high;
    __asm__ volatile(".byte 0x0f, 0x01, 0xd0" /* xgetbv */ : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
#else
    return _xgetbv(0);
#endif
}
#endif

#endif
