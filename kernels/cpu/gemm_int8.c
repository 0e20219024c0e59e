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
SIMD_INLINE void put(uint32_t *row, int64_t k, __m128i bytes)
{
#if BYTES /* + 128 */
    simd_store_bytes((int8_t *)row + k, _mm_xor_si128(bytes, _mm_set1_epi8((char)0x80)));
#elif defined(__AVX512F__)
    int16_t *to = (int16_t *)(void *)row + k;
    _mm256_storeu_si256((__m256i *)(void *)to, _mm256_cvtepi8_epi16(bytes));
#else
    int16_t *to = (int16_t *)(void *)row + k;
    _mm_storeu_si128((__m128i *)(void *)to, _mm_cvtepi8_epi16(bytes));
#endif
}

static void prepare_floats(uint32_t *to, const float *row, int64_t n, float *scale)
{
    float times = simd_row_scale(row, n, scale);
    int64_t k = 0;
    for (; k + VL <= n; k += VL)
        put(to, k, simd_bytes(simd_quantize(v_load(row + k), times)));
    if (k < n)
        put(to, k, simd_bytes(simd_quantize(v_loadn(row + k, n - k), times)));
}

/* Integers already: only their form changes. */
static void prepare_integers(uint32_t *to, const int8_t *row, int64_t n)
{
    int64_t k = 0;
    for (; k + VL <= n; k += VL)
        put(to, k, simd_load_bytes(row + k));
    if (k < n) {
        int8_t part[VL] = {0};
        memcpy(part, row + k, (size_t)(n - k));
        put(to, k, simd_load_bytes(part));
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
