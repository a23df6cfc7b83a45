/* The scan for x86-64: SSE2, which every such CPU has, AVX2, and AVX-512 with its byte instructions.
 *
 * The instructions are enabled function by function (TARGET), never for the file: a compiler that may use AVX2
 * anywhere puts it where a CPU without it will meet it. dispatch.c asks the CPU before any of these is called, for what
 * instructions.h lists.
 */
#include "instructions.h"
#include "kernel.h"

#if defined(__x86_64__) || defined(_M_X64)
#include <immintrin.h>

#define NAME sse2
#define TARGET
#define VECTOR __m128i
#define WIDTH 16
#define SPLAT(byte) _mm_set1_epi8((char)(byte))
#define LOAD(pointer) _mm_loadu_si128((const __m128i *)(pointer))
#define WITH(a, b) _mm_or_si128(a, b)
#define HIT __m128i
#define EQUAL(a, b) _mm_cmpeq_epi8(a, b)
#define BOTH(a, b) _mm_and_si128(a, b)
#define EITHER(a, b) _mm_or_si128(a, b)
#define NONE(hit) (_mm_movemask_epi8(hit) == 0)
#define MASK(hit) ((uint64_t)(uint32_t)_mm_movemask_epi8(hit))
#define LANE_SHIFT 0
#define LOWEST(mask) ((size_t)FM_ZEROS_BELOW((mask) | (uint64_t)1 << 63))
#define NARROWER fm_scalar
#define MANY_SCAN NULL
#include "scan.h"

#define NAME avx2
#define TARGET FM_TARGET(FM_AVX2_FEATURES)
#define VECTOR __m256i
#define WIDTH 32
#define SPLAT(byte) _mm256_set1_epi8((char)(byte))
#define LOAD(pointer) _mm256_loadu_si256((const __m256i *)(pointer))
#define WITH(a, b) _mm256_or_si256(a, b)
#define HIT __m256i
#define EQUAL(a, b) _mm256_cmpeq_epi8(a, b)
#define BOTH(a, b) _mm256_and_si256(a, b)
#define EITHER(a, b) _mm256_or_si256(a, b)
#define NONE(hit) _mm256_testz_si256(hit, hit)
#define MASK(hit) ((uint64_t)(uint32_t)_mm256_movemask_epi8(hit))
#define LANE_SHIFT 0
#define LOWEST(mask) ((size_t)_tzcnt_u64(mask))
#define NARROWER fm_sse2
#define TABLE(pointer) _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(pointer)))
#define LOOK_UP(table, index) _mm256_shuffle_epi8(table, index)
#define LOW(v) _mm256_and_si256(v, _mm256_set1_epi8(15))
#define HIGH(v) _mm256_and_si256(_mm256_srli_epi16(v, 4), _mm256_set1_epi8(15))
#define WHERE(a, b) _mm256_and_si256(a, b)
#define OCCUPIED(v) _mm256_xor_si256(_mm256_cmpeq_epi8(v, _mm256_setzero_si256()), _mm256_set1_epi8(-1))
#define STORE(pointer, v) _mm256_storeu_si256((__m256i *)(pointer), v)
#include "many.h"
#define MANY_SCAN many_avx2
#include "scan.h"

#define NAME avx512
#define TARGET FM_TARGET(FM_AVX512_FEATURES)
#define VECTOR __m512i
#define WIDTH 64
#define SPLAT(byte) _mm512_set1_epi8((char)(byte))
#define LOAD(pointer) _mm512_loadu_si512(pointer)
#define WITH(a, b) _mm512_or_si512(a, b)
#define HIT __mmask64
#define EQUAL(a, b) _mm512_cmpeq_epi8_mask(a, b)
#define BOTH(a, b) ((a) & (b))
#define EITHER(a, b) ((a) | (b))
#define NONE(hit) ((hit) == 0)
#define MASK(hit) ((uint64_t)(hit))
#define LANE_SHIFT 0
#define LOWEST(mask) ((size_t)_tzcnt_u64(mask))
#define NARROWER fm_avx2
#define TABLE(pointer) _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)(pointer)))
#define LOOK_UP(table, index) _mm512_shuffle_epi8(table, index)
#define LOW(v) _mm512_and_si512(v, _mm512_set1_epi8(15))
#define HIGH(v) _mm512_and_si512(_mm512_srli_epi16(v, 4), _mm512_set1_epi8(15))
#define WHERE(a, b) _mm512_and_si512(a, b)
#define OCCUPIED(v) _mm512_test_epi8_mask(v, v)
#define STORE(pointer, v) _mm512_storeu_si512(pointer, v)
#include "many.h"
#define MANY_SCAN many_avx512
#include "scan.h"

#endif
