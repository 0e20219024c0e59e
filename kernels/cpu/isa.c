/* Which instruction sets this machine and its operating system have, and may be used. */
#include "../kern.h"

#include <stdlib.h>
#include <string.h>

/* Of each architecture, best first. */
static const struct {
    const char *name;
    uint32_t bit, mask; /* its own; with all that it allows beside */
} sets[] = {
    {"avx512bf16", TM_ISA_AVX512BF16, UINT32_MAX},
    {"avx512vnni", TM_ISA_AVX512VNNI, UINT32_MAX & ~(uint32_t)TM_ISA_AVX512BF16},
    {"avx512", TM_ISA_AVX512, TM_ISA_AVX2 | TM_ISA_AVX512},
    {"avxvnni", TM_ISA_AVXVNNI, TM_ISA_AVX2 | TM_ISA_AVXVNNI},
    {"avx2", TM_ISA_AVX2, TM_ISA_AVX2},
    {"bf16", TM_ISA_BF16, UINT32_MAX},
    {"i8mm", TM_ISA_I8MM, TM_ISA_NEON | TM_ISA_DOTPROD | TM_ISA_I8MM},
    {"dotprod", TM_ISA_DOTPROD, TM_ISA_NEON | TM_ISA_DOTPROD},
    {"neon", TM_ISA_NEON, TM_ISA_NEON},
    {"ref", 0, 0},
};

#ifdef TM_HAVE_X86
#include <cpuid.h>

/* Compilers name these late: clang 14 knows none of them. */
static bool has(unsigned leaf, unsigned sub, char reg, unsigned bit)
{
    unsigned a, b, c, d;
    if (__get_cpuid_count(leaf, sub, &a, &b, &c, &d) == 0)
        return false;
    return ((reg == 'a' ? a : c) >> bit & 1) != 0;
}

static uint32_t detect(void)
{
    uint32_t isa = 0;
    /* The compiler's run time reads cpuid and xgetbv: a bit is set only where the operating system
     * saves the registers too. */
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma") || !has(1, 0, 'c', 29))
        return 0;
    isa |= TM_ISA_AVX2;
    if (has(7, 1, 'a', 4))
        isa |= TM_ISA_AVXVNNI;
    if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
        !__builtin_cpu_supports("avx512dq") || !__builtin_cpu_supports("avx512vl"))
        return isa;
    isa |= TM_ISA_AVX512;
    if (has(7, 0, 'c', 11))
        isa |= TM_ISA_AVX512VNNI;
    if ((isa & TM_ISA_AVX512VNNI) && has(7, 1, 'a', 5))
        isa |= TM_ISA_AVX512BF16;
    return isa;
}

/* By vendor and family (Intel's CPUID chapter, AMD's "Processor Programming Reference"): where
 * vdpbf16ps was measured to do twice the products of a float32 multiply-add in the same time. A
 * Sapphire Rapids core needs twice the time for half of them. */
static const struct {
    char vendor[13];
    unsigned first, last; /* families */
} fast_bf16[] = {
    {"AuthenticAMD", 0x19, 0x1a}, /* Zen 4, Zen 5 */
};

bool tm_cpu_fast_bf16(uint32_t mask)
{
    unsigned a, name[3], family;
    char vendor[13] = "";
    if ((mask & tm_cpu_isa() & TM_ISA_AVX512BF16) == 0 ||
        __get_cpuid(0, &a, &name[0], &name[2], &name[1]) == 0)
        return false;
    memcpy(vendor, name, sizeof name);
    if (__get_cpuid(1, &a, &name[0], &name[1], &name[2]) == 0)
        return false;
    family = a >> 8 & 15;
    family += family == 15 ? a >> 20 & 255 : 0;
    for (size_t i = 0; i < TM_COUNTOF(fast_bf16); i++)
        if (strcmp(vendor, fast_bf16[i].vendor) == 0 && family >= fast_bf16[i].first &&
            family <= fast_bf16[i].last)
            return true;
    return false;
}
#elif defined(TM_HAVE_AARCH64)
#include <asm/hwcap.h>
#include <sys/auxv.h>

static uint32_t detect(void)
{
    uint32_t isa = TM_ISA_NEON; /* of every aarch64 */
    if (getauxval(AT_HWCAP) & HWCAP_ASIMDDP)
        isa |= TM_ISA_DOTPROD;
    if ((isa & TM_ISA_DOTPROD) && (getauxval(AT_HWCAP2) & HWCAP2_I8MM))
        isa |= TM_ISA_I8MM;
    if ((isa & TM_ISA_I8MM) && (getauxval(AT_HWCAP2) & HWCAP2_BF16))
        isa |= TM_ISA_BF16;
    return isa;
}
#else
static uint32_t detect(void)
{
    return 0;
}
#endif

#ifndef TM_HAVE_X86
bool tm_cpu_fast_bf16(uint32_t mask)
{
    (void)mask; /* no processor was measured yet */
    return false;
}
#endif

uint32_t tm_cpu_isa(void)
{
    const char *limit = getenv("TEXTMILL_ISA");
    uint32_t isa = detect();
    for (size_t i = 0; limit != NULL && i < TM_COUNTOF(sets); i++)
        if (strcmp(limit, sets[i].name) == 0)
            return isa & sets[i].mask;
    return isa;
}

const char *tm_isa_name(uint32_t mask)
{
    size_t i = 0;
    while (sets[i].bit != 0 && (mask & sets[i].bit) == 0)
        i++;
    return sets[i].name;
}
