/* gemm over 8-bit weights: per-row inputs, per-output weights, sums that are exact integers.
 *
 * With dot products of bytes (VNNI) four inputs make a group; the instruction wants them unsigned,
 * so 128 is added to each, and what that adds is in the sums' start. Without, two inputs make a
 * group and both sides are widened to 16 bits: pairs of products never overflow. */
#include "quantize.h"
#include "simd.h"

#include <string.h>

#define INTEGERS true

#ifdef __AVX512F__
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
#else
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
#endif

#if defined(__AVX512VNNI__) || defined(__AVXVNNI__)
#define BYTES true
enum { GROUP = 4, OFFSET = 128, WEIGHT_BYTES = VL * GROUP };
#else
#define BYTES false
enum { GROUP = 2, OFFSET = 0, WEIGHT_BYTES = VL * GROUP };
#endif

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
#else
typedef __m256i weights;
SIMD_INLINE weights weights_load(const char *p)
{
    return _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(const void *)p));
}
SIMD_INLINE sums dot(sums s, weights w, inputs x)
{
    return _mm256_add_epi32(s, _mm256_madd_epi16(w, x));
}
#endif

/* VL bytes as the groups want them, at place k of a row. What lies behind the row's end meets
 * weights of zero. */
SIMD_INLINE void put(uint32_t *row, int64_t k, const int8_t *bytes)
{
#if BYTES
    const __m128i top = _mm_set1_epi8((char)0x80); /* + 128 */
    char *to = (char *)row + k;
#ifdef __AVX512F__
    __m128i b = _mm_loadu_si128((const __m128i *)(const void *)bytes);
    _mm_storeu_si128((__m128i *)(void *)to, _mm_xor_si128(b, top));
#else
    __m128i b = _mm_loadl_epi64((const __m128i *)(const void *)bytes);
    _mm_storel_epi64((__m128i *)(void *)to, _mm_xor_si128(b, top));
#endif
#else
    int16_t *to = (int16_t *)(void *)row + k;
#ifdef __AVX512F__
    __m128i b = _mm_loadu_si128((const __m128i *)(const void *)bytes);
    _mm256_storeu_si256((__m256i *)(void *)to, _mm256_cvtepi8_epi16(b));
#else
    __m128i b = _mm_loadl_epi64((const __m128i *)(const void *)bytes);
    _mm_storeu_si128((__m128i *)(void *)to, _mm_cvtepi8_epi16(b));
#endif
#endif
}

/* Rows that are 8-bit already only change their form. */
static void prepare(uint32_t *to, int64_t ld, const struct tm_tensor *x, int64_t from, int64_t rows,
                    float *scale)
{
    for (int64_t r = 0; r < rows; r++, to += ld) {
        const int8_t *ready = (const int8_t *)x->data + (from + r) * x->stride;
        const float *row = x->dtype == TM_F32 ? kern_row(x, from + r) : NULL;
        float times = 0;
        if (row != NULL)
            times = simd_row_scale(row, x->cols, &scale[r]);
        else
            scale[r] = x->scale[from + r];
        for (int64_t k = 0; k < x->cols; k += VL) {
            int64_t left = TM_MIN(VL, x->cols - k);
            int8_t bytes[VL] = {0};
            if (row != NULL)
                simd_store8(bytes, simd_quantize(v_loadn(row + k, left), times));
            else
                memcpy(bytes, ready + k, (size_t)left);
            put(to, k, bytes);
        }
    }
}

#include "packed_tmpl.h"

void SIMD(kern_gemm_int8)(struct kern_cpu *cpu)
{
    cpu->gemm[TM_I8] =
        (struct kern_gemm){packed_gemm, SIMD_TEXT(TM_SIMD), TILE_COLS, VL, GROUP, OFFSET};
}
