/* A row of floats as 8-bit integers, by the rule of ref/quantize_rows.c: the same bits. */
#ifndef TM_QUANTIZE_H
#define TM_QUANTIZE_H

#include "simd.h"

#include <float.h>
#include <string.h>

/* What the numbers are multiplied by; *ret_scale: what the integers mean. */
SIMD_INLINE float simd_row_scale(const float *row, int64_t n, float *ret_scale)
{
    vf most[2] = {v_zero(), v_zero()};
    int64_t i = 0;
    for (; i + 2 * VL <= n; i += 2 * VL) {
        most[0] = v_max(most[0], v_abs(v_load(row + i)));
        most[1] = v_max(most[1], v_abs(v_load(row + i + VL)));
    }
    for (; i < n; i += VL)
        most[0] = v_max(most[0], v_abs(v_loadn(row + i, TM_MIN(VL, n - i))));
    float top = v_top(v_max(most[0], most[1]));
    *ret_scale = top / 127;
    return top > 0 ? TM_MIN(127 / top, FLT_MAX) : 0;
}

/* -127 … 127, still floats */
SIMD_INLINE vf simd_quantize(vf v, float times)
{
    v = v_mul(v, v_set1(times));
    return v_max(v_min(v, v_set1(127)), v_set1(-127));
}

/* All of a row; returns its scale. */
SIMD_INLINE float simd_quantize_row(int8_t *to, const float *row, int64_t n)
{
    float scale, times = simd_row_scale(row, n, &scale);
    int64_t i = 0;
    for (; i + VL <= n; i += VL)
        v8_store(to + i, v_to8(simd_quantize(v_load(row + i), times)));
    if (i < n) {
        int8_t part[VL];
        v8_store(part, v_to8(simd_quantize(v_loadn(row + i, n - i), times)));
        memcpy(to + i, part, (size_t)(n - i));
    }
    return scale;
}

#endif
