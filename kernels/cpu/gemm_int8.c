/* gemm over 8-bit weights: per-row inputs, per-output weights, sums that are exact integers.
 *
 * With dot products of bytes (VNNI, dotprod) four inputs make a group; VNNI wants them unsigned, so
 * 128 is added to each, and what that adds is in the sums' start. Without, two inputs make a group
 * and both sides are widened to 16 bits: pairs of products never overflow. */
#include "quantize.h"
#include "simd.h"

#include <string.h>

#define INTEGERS true

#if defined(__AVX512F__)
typedef __m512i sums;
SIMD_INLINE sums sums_load(const void *p)
{
    return _mm512_loadu_si512(p);
}
SIMD_INLINE void sums_store(void *p, sums s)
{
    _mm512_storeu_si512(p, s);
}
typedef __m512i inputs;
SIMD_INLINE inputs inputs_set1(const uint32_t *p)
{
    return _mm512_set1_epi32((int)*p);
}
#elif defined(__AVX2__)
typedef __m256i sums;
SIMD_INLINE sums sums_load(const void *p)
{
    return _mm256_loadu_si256(p);
}
SIMD_INLINE void sums_store(void *p, sums s)
{
    _mm256_storeu_si256(p, s);
}
typedef __m256i inputs;
SIMD_INLINE inputs inputs_set1(const uint32_t *p)
{
    return _mm256_set1_epi32((int)*p);
}
#else
typedef int32x4_t sums;
SIMD_INLINE sums sums_load(const void *p)
{
    return vld1q_s32(p);
}
SIMD_INLINE void sums_store(void *p, sums s)
{
    vst1q_s32(p, s);
}
#endif

#if defined(__AVX512VNNI__) || defined(__AVXVNNI__)
#define BYTES  1
#define OFFSET 128
#elif defined(__ARM_FEATURE_MATMUL_INT8)
#define BYTES  1
#define OFFSET 0
#define GROUP  8
#elif defined(__ARM_FEATURE_DOTPROD)
#define BYTES  1
#define OFFSET 0
#else
#define BYTES  0
#define OFFSET 0
#endif
#ifndef GROUP
#define GROUP (BYTES ? 4 : 2)
#endif
enum { WEIGHT_BYTES = VL * GROUP };

#if defined(__AVX512VNNI__)
typedef __m512i weights;
SIMD_INLINE weights weights_load(const char *p)
{
    return _mm512_loadu_si512(p);
}
SIMD_INLINE sums dot(sums s, weights w, inputs x)
{
    return _mm512_dpbusd_epi32(s, x, w);
}
#elif defined(__AVXVNNI__)
typedef __m256i weights;
SIMD_INLINE weights weights_load(const char *p)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)p);
}
SIMD_INLINE sums dot(sums s, weights w, inputs x)
{
    return _mm256_dpbusd_avx_epi32(s, x, w);
}
#elif defined(__AVX512F__)
typedef __m512i weights;
SIMD_INLINE weights weights_load(const char *p)
{
    return _mm512_cvtepi8_epi16(_mm256_loadu_si256((const __m256i *)(const void *)p));
}
SIMD_INLINE sums dot(sums s, weights w, inputs x)
{
    return _mm512_add_epi32(s, _mm512_madd_epi16(w, x));
}
#elif defined(__AVX2__)
typedef __m256i weights;
SIMD_INLINE weights weights_load(const char *p)
{
    return _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(const void *)p));
}
SIMD_INLINE sums dot(sums s, weights w, inputs x)
{
    return _mm256_add_epi32(s, _mm256_madd_epi16(w, x));
}
#elif defined(__ARM_FEATURE_MATMUL_INT8)
#define PACKED_OWN_TILE "tile_i8mm.h"
#elif defined(__ARM_FEATURE_DOTPROD) /* signed bytes on both sides */
typedef int8x16_t weights, inputs;
SIMD_INLINE weights weights_load(const char *p)
{
    return vld1q_s8((const int8_t *)p);
}
SIMD_INLINE inputs inputs_set1(const uint32_t *p)
{
    return vreinterpretq_s8_u32(vdupq_n_u32(*p));
}
SIMD_INLINE sums dot(sums s, weights w, inputs x)
{
    return vdotq_s32(s, w, x);
}
#else
typedef int16x8_t weights, inputs;
SIMD_INLINE weights weights_load(const char *p)
{
    return vmovl_s8(vld1_s8((const int8_t *)p));
}
SIMD_INLINE inputs inputs_set1(const uint32_t *p)
{
    return vreinterpretq_s16_u32(vdupq_n_u32(*p));
}
SIMD_INLINE sums dot(sums s, weights w, inputs x)
{
    int32x4_t low = vmull_s16(vget_low_s16(w), vget_low_s16(x)), high = vmull_high_s16(w, x);
    return vaddq_s32(s, vpaddq_s32(low, high));
}
#endif

/* VL bytes as the groups want them, at place k of a row. What lies behind the row's end meets
 * weights of zero. */
SIMD_INLINE void put(uint32_t *row, int64_t k, v8 bytes)
{
#if BYTES && OFFSET != 0
    v8_store_plus128((int8_t *)row + k, bytes);
#elif BYTES
    v8_store((int8_t *)row + k, bytes);
#else
    v8_store_wide((int16_t *)(void *)row + k, bytes);
#endif
}

static void prepare_floats(uint32_t *to, const float *row, int64_t n, float *scale)
{
    float times = simd_row_scale(row, n, scale);
    int64_t k = 0;
    for (; k + VL <= n; k += VL)
        put(to, k, v_to8(simd_quantize(v_load(row + k), times)));
    if (k < n)
        put(to, k, v_to8(simd_quantize(v_loadn(row + k, n - k), times)));
}

/* Integers already: only their form changes. */
static void prepare_integers(uint32_t *to, const int8_t *row, int64_t n)
{
    int64_t k = 0;
    for (; k + VL <= n; k += VL)
        put(to, k, v8_load(row + k));
    if (k < n) {
        int8_t part[VL] = {0};
        memcpy(part, row + k, (size_t)(n - k));
        put(to, k, v8_load(part));
    }
}

static void prepare(uint32_t *to, int64_t ld, const struct tm_tensor *x, int64_t from, int64_t rows,
                    float *scale)
{
    for (int64_t r = 0; r < rows; r++, to += ld) {
        if (x->dtype == TM_F32) {
            prepare_floats(to, kern_row(x, from + r), x->cols, &scale[r]);
        } else {
            prepare_integers(to, (const int8_t *)x->data + (from + r) * x->stride, x->cols);
            scale[r] = x->scale[from + r];
        }
    }
}

#include "packed_tmpl.h"

void SIMD(kern_gemm_int8)(struct kern_cpu *cpu)
{
    cpu->gemm[TM_I8] =
        (struct kern_gemm){packed_gemm, SIMD_TEXT(TM_SIMD), TILE_COLS, VL, GROUP, OFFSET};
}
