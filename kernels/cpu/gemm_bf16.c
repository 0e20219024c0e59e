/* gemm over bfloat16 weights, sums in float32.
 *
 * With dot products of pairs (AVX512-BF16, BF16 on ARM) the inputs are rounded to bfloat16 as well.
 * Without, the weights are widened as they are read: half the memory of float32 at its speed, and
 * the inputs stay what they are. */
#include "simd.h"

#define INTEGERS false

typedef vf sums;
SIMD_INLINE sums sums_load(const void *p)
{
    return v_load(p);
}
SIMD_INLINE void sums_store(void *p, sums s)
{
    v_store(p, s);
}

#ifdef __AVX512BF16__
enum { GROUP = 2, WEIGHT_BYTES = VL * GROUP * 2 };
typedef __m512i weights;
SIMD_INLINE weights weights_load(const char *p)
{
    return _mm512_loadu_si512(p);
}
typedef __m512i inputs;
SIMD_INLINE inputs inputs_set1(const uint32_t *p)
{
    return _mm512_set1_epi32((int)*p);
}
SIMD_INLINE sums dot(sums s, weights w, inputs x)
{
    return _mm512_dpbf16_ps(s, (__m512bh)x, (__m512bh)w);
}
SIMD_INLINE void put(uint32_t *row, int64_t k, vf v)
{
    v_store16(TM_BF16, (uint16_t *)row + k, v);
}
#elif defined(__ARM_FEATURE_BF16_VECTOR_ARITHMETIC)
enum { GROUP = 2, WEIGHT_BYTES = VL * GROUP * 2 };
typedef bfloat16x8_t weights, inputs;
SIMD_INLINE weights weights_load(const char *p)
{
    return vreinterpretq_bf16_u16(vld1q_u16((const uint16_t *)(const void *)p));
}
SIMD_INLINE inputs inputs_set1(const uint32_t *p)
{
    return vreinterpretq_bf16_u32(vdupq_n_u32(*p));
}
SIMD_INLINE sums dot(sums s, weights w, inputs x)
{
    return vbfdotq_f32(s, w, x);
}
SIMD_INLINE void put(uint32_t *row, int64_t k, vf v)
{
    v_store16(TM_BF16, (uint16_t *)row + k, v);
}
#else
enum { GROUP = 1, WEIGHT_BYTES = VL * GROUP * 2 };
typedef vf weights;
SIMD_INLINE weights weights_load(const char *p)
{
    return v_load16(TM_BF16, (const uint16_t *)(const void *)p);
}
typedef vf inputs;
SIMD_INLINE inputs inputs_set1(const uint32_t *p)
{
    return v_set1(*(const float *)(const void *)p);
}
SIMD_INLINE sums dot(sums s, weights w, inputs x)
{
    return v_fma(x, w, s);
}
SIMD_INLINE void put(uint32_t *row, int64_t k, vf v)
{
    v_store((float *)(void *)row + k, v);
}
#endif

/* Behind the row's end stand zeros: a NaN there would meet weights of zero. */
static void prepare(uint32_t *to, int64_t ld, const struct tm_tensor *x, int64_t from, int64_t rows,
                    float *scale)
{
    (void)scale;
    for (int64_t r = 0; r < rows; r++, to += ld) {
        const float *row = kern_row(x, from + r);
        for (int64_t k = 0; k < x->cols; k += VL)
            put(to, k, v_loadn(row + k, TM_MIN(VL, x->cols - k)));
    }
}

#include "packed_tmpl.h"

void SIMD(kern_gemm_bf16)(struct kern_cpu *cpu)
{
    cpu->gemm[TM_BF16] =
        (struct kern_gemm){packed_gemm, SIMD_TEXT(TM_SIMD), TILE_COLS, VL, GROUP, 0};
}
