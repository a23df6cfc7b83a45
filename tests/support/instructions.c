/* What src/scan/instructions.h asks the CPU, by the names that /proc/cpuinfo has. What test_backend.py loads. */
#include "../../src/scan/instructions.h"

#include <stddef.h>

#ifdef FM_AVX512_FEATURES
#define ROW(name, linux_name, leaf, reg, bit) {linux_name, leaf, FM_##reg, bit},
static const struct {
    const char *name;
    uint32_t leaf;
    enum fm_register reg;
    int bit;
} rows[] = {FM_AVX512_FEATURES(ROW, ROW)};

const char *name(size_t i)
{
    return i < sizeof rows / sizeof *rows ? rows[i].name : NULL;
}

int answer(size_t i)
{
    return fm_cpuid_bit(rows[i].leaf, rows[i].reg, rows[i].bit);
}

int has_avx2(void)
{
    return fm_cpu_has(FM_AVX2_FEATURES, FM_YMM_STATE);
}

int has_avx512(void)
{
    return fm_cpu_has(FM_AVX512_FEATURES, FM_ZMM_STATE);
}
#else
const char *name(size_t i)
{
    (void)i;
    return NULL;
}
#endif
