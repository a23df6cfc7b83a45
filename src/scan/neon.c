/* The scan for AArch64, where NEON is always there.
 *
 * NEON has no movemask: narrowing each 16-bit pair of lanes by 4 bits leaves four bits a lane in 64, of which one is
 * kept, so a lane's number is its bit's number divided by four (LANE_SHIFT).
 */
#include "kernel.h"

#if defined(__aarch64__)
#include <arm_neon.h>

static inline uint64_t nibbles(uint8x16_t hit)
{
    return vget_lane_u64(vreinterpret_u64_u8(vshrn_n_u16(vreinterpretq_u16_u8(hit), 4)), 0);
}

#define NAME neon
#define TARGET
#define VECTOR uint8x16_t
#define WIDTH 16
#define SPLAT(byte) vdupq_n_u8(byte)
#define LOAD(pointer) vld1q_u8(pointer)
#define WITH(a, b) vorrq_u8(a, b)
#define HIT uint8x16_t
#define EQUAL(a, b) vceqq_u8(a, b)
#define BOTH(a, b) vandq_u8(a, b)
#define EITHER(a, b) vorrq_u8(a, b)
#define NONE(hit) (nibbles(hit) == 0)
#define MASK(hit) (nibbles(hit) & 0x1111111111111111u)
#define LANE_SHIFT 2
#define LOWEST(mask) ((size_t)FM_ZEROS_BELOW((mask) | (uint64_t)1 << 63))
#define NARROWER fm_scalar
#define TABLE(pointer) vld1q_u8(pointer)
#define LOOK_UP(table, index) vqtbl1q_u8(table, index)
#define LOW(v) vandq_u8(v, vdupq_n_u8(15))
#define HIGH(v) vshrq_n_u8(v, 4)
#define WHERE(a, b) vandq_u8(a, b)
#define OCCUPIED(v) vtstq_u8(v, v)
#define STORE(pointer, v) vst1q_u8(pointer, v)
#include "many.h"
#define MANY_SCAN many_neon
#include "scan.h"

#endif
