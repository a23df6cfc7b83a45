/* Which kernels this build has and this CPU can run. */
#include "instructions.h"
#include "kernel.h"

#include <string.h>

#if defined(__x86_64__) || defined(_M_X64)
#define ON_X86 1
#else
#define ON_X86 0
#endif

#if defined(__aarch64__)
#define ON_ARM64 1
#else
#define ON_ARM64 0
#endif

const fm_kernel *fm_kernel_named(const char *name, fm_status *status)
{
    *status = FM_READY;
    if (strcmp(name, "scalar") == 0)
        return &fm_scalar;
#if ON_X86
    if (strcmp(name, "sse2") == 0)
        return &fm_sse2;
    if (strcmp(name, "avx2") == 0) {
        if (fm_cpu_has(FM_AVX2_FEATURES, FM_YMM_STATE))
            return &fm_avx2;
        *status = FM_NOT_ON_THIS_CPU;
        return NULL;
    }
    if (strcmp(name, "avx512") == 0) {
        if (fm_cpu_has(FM_AVX512_FEATURES, FM_ZMM_STATE))
            return &fm_avx512;
        *status = FM_NOT_ON_THIS_CPU;
        return NULL;
    }
#endif
#if ON_ARM64
    if (strcmp(name, "neon") == 0)
        return &fm_neon;
#endif
    *status = FM_NOT_BUILT;
    return NULL;
}
