/* A row of floats as 8-bit integers, by the rule of ref/quantize_rows.c: the same bits. */
#ifndef TM_QUANTIZE_H
#define TM_QUANTIZE_H

#include "simd.h"

#include <float.h>

/* What the numbers are multiplied by; *ret_scale: what the integers mean. */
SIMD_INLINE float simd_row_scale(const float *row, int64_t n, float *ret_scale)
{
    vf most = v_zero();
    for (int64_t i = 0; i < n; i += VL)
        most = v_max(most, v_abs(v_loadn(row + i, TM_MIN(VL, n - i))));
    float top = v_top(most);
    *ret_scale = top / 127;
    return top > 0 ? TM_MIN(127 / top, FLT_MAX) : 0;
}

/* -127 … 127, still floats */
SIMD_INLINE vf simd_quantize(vf v, float times)
{
    v = v_mul(v, v_set1(times));
    return v_max(v_min(v, v_set1(127)), v_set1(-127));
}

/* VL of them, rounded to nearest even, as bytes. */
SIMD_INLINE void simd_store8(int8_t *p, vf v)
{
#ifdef __AVX512F__
    _mm_storeu_si128((__m128i *)p, _mm512_cvtsepi32_epi8(_mm512_cvtps_epi32(v)));
#else
    __m256i w = _mm256_cvtps_epi32(v);
    __m128i h = _mm_packs_epi32(_mm256_castsi256_si128(w), _mm256_extracti128_si256(w, 1));
    _mm_storel_epi64((__m128i *)p, _mm_packs_epi16(h, h));
#endif
}

#endif
