/* What the kernels for x86-64 are compiled for, written once: the compiler is told it (FM_TARGET), and the CPU is asked
 * for it (fm_cpu_has).
 *
 * The CPU is asked here, because __builtin_cpu_supports answers no to everything where the compiler's runtime isn't
 * linked, as in builds by zig cc.
 */
#ifndef FASTMMAP_INSTRUCTIONS_H
#define FASTMMAP_INSTRUCTIONS_H

#if defined(__x86_64__) || defined(_M_X64)

#include "../system/compiler.h"

#include <stdint.h>

/* A feature: the compiler's name, Linux's name in /proc/cpuinfo, and where cpuid answers: leaf, register, bit. The
 * first is apart, for commas stand between. A target implies others; those with instructions on bytes are listed too. */
#define FM_AVX2_FEATURES(FIRST, NEXT) \
    FIRST("avx2", "avx2", 7, EBX, 5) \
    NEXT("avx", "avx", 1, ECX, 28) \
    NEXT("sse4.2", "sse4_2", 1, ECX, 20) \
    NEXT("sse4.1", "sse4_1", 1, ECX, 19) \
    NEXT("ssse3", "ssse3", 1, ECX, 9) \
    NEXT("sse3", "pni", 1, ECX, 0) \
    NEXT("popcnt", "popcnt", 1, ECX, 23) \
    NEXT("bmi", "bmi1", 7, EBX, 3) \
    NEXT("bmi2", "bmi2", 7, EBX, 8) \
    NEXT("lzcnt", "abm", 0x80000001u, ECX, 5)
#define FM_AVX512_FEATURES(FIRST, NEXT) \
    FM_AVX2_FEATURES(FIRST, NEXT) \
    NEXT("avx512f", "avx512f", 7, EBX, 16) \
    NEXT("avx512bw", "avx512bw", 7, EBX, 30)

#define FM_NAME(name, linux_name, leaf, reg, bit) name
#define FM_COMMA_NAME(name, linux_name, leaf, reg, bit) "," name

/* A function that may be compiled to the instructions of a list. */
#define FM_TARGET(FEATURES) FM_FOR_INSTRUCTIONS(FEATURES(FM_NAME, FM_COMMA_NAME))

/* Which registers the system keeps for each thread, bits of XCR0: those of SSE and AVX, and of AVX-512 besides. macOS
 * sets the latter for a thread that has used them: there AVX-512 is never chosen. */
#define FM_YMM_STATE 0x06u
#define FM_ZMM_STATE 0xe6u

enum fm_register { FM_EAX, FM_EBX, FM_ECX, FM_EDX };

static inline int fm_cpuid_bit(uint32_t leaf, enum fm_register reg, int bit)
{
    uint32_t registers[4];
    fm_cpuid(leaf & 0x80000000u, registers); /* the last leaf of this kind: those beyond answer anything */
    if (registers[FM_EAX] < leaf)
        return 0;
    fm_cpuid(leaf, registers);
    return registers[reg] >> bit & 1;
}

static inline int fm_system_keeps(uint32_t state)
{
    if (!fm_cpuid_bit(1, FM_ECX, 27)) /* OSXSAVE: whether xgetbv may be asked */
        return 0;
    return (fm_xcr0() & state) == state;
}

#define FM_ASK(name, linux_name, leaf, reg, bit) fm_cpuid_bit(leaf, FM_##reg, bit)
/* clang-format off */
#define FM_AND_ASK(name, linux_name, leaf, reg, bit) && fm_cpuid_bit(leaf, FM_##reg, bit)
/* clang-format on */

/* Whether the CPU has all of a list, and the system keeps the registers. */
#define fm_cpu_has(FEATURES, state) (fm_system_keeps(state) && FEATURES(FM_ASK, FM_AND_ASK))

#endif
#endif
