/* Which instruction sets this machine and its operating system have. */
#include "../kern.h"

#ifdef TM_HAVE_X86
#include <cpuid.h>

/* clang 14 does not know this one by name. */
static bool has_f16c(void)
{
    unsigned a, b, c, d;
    return __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_F16C) != 0;
}
#endif

uint32_t tm_cpu_isa(void)
{
    uint32_t isa = 0;
#ifdef TM_HAVE_X86
    /* The compiler's run time reads cpuid and xgetbv: a bit is set only where the operating system
     * saves the registers too. */
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c())
        isa |= TM_ISA_AVX2;
    if (isa != 0 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
        isa |= TM_ISA_AVX512;
#endif
    return isa;
}

const char *tm_isa_name(uint32_t mask)
{
    if (mask & TM_ISA_AVX512)
        return "avx512";
    return mask & TM_ISA_AVX2 ? "avx2" : "ref";
}
