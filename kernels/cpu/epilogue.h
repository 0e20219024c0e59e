/* What happens to sums on their way out of gemm. Instantiated by each file that has a gemm, so that
 * it runs with that file's instruction set. */
#ifndef TM_EPILOGUE_H
#define TM_EPILOGUE_H

#include "simd_math.h"

/* rows x cols sums at c: out = act(c + bias) + residual; c may be out. */
struct simd_sums {
    const float *c; /* with `scale`: 32-bit integers, times row_scale[r] times scale[i] */
    int64_t ldc, rows, cols;
    const float *row_scale, *scale;
    float *out;
    int64_t ldo;
    const float *bias, *residual; /* or NULL */
    int64_t ldr;
};

/* n of VL outputs from column i of row r on. */
SIMD_INLINE void simd_finish(const struct simd_sums *s, const enum tm_act act, const bool integers,
                             const bool whole, int64_t r, int64_t i, int64_t n)
{
#define SIMD_SOME(p) (whole ? v_load(p) : v_loadn(p, n))
    vf v = SIMD_SOME(s->c + r * s->ldc + i);
    if (integers)
        v = v_mul(v_mul(v_from_int(v), v_set1(s->row_scale[r])), SIMD_SOME(s->scale + i));
    if (s->bias != NULL)
        v = v_add(v, SIMD_SOME(s->bias + i));
    v = v_act(act, v);
    if (s->residual != NULL)
        v = v_add(v, SIMD_SOME(s->residual + r * s->ldr + i));
    if (whole)
        v_store(s->out + r * s->ldo + i, v);
    else
        v_storen(s->out + r * s->ldo + i, n, v);
#undef SIMD_SOME
}

SIMD_INLINE void simd_finish_all(const struct simd_sums *s, const enum tm_act act,
                                 const bool integers)
{
    for (int64_t r = 0; r < s->rows; r++) {
        int64_t i = 0;
        for (; i + VL <= s->cols; i += VL)
            simd_finish(s, act, integers, true, r, i, VL);
        if (i < s->cols)
            simd_finish(s, act, integers, false, r, i, s->cols - i);
    }
}

SIMD_INLINE void simd_epilogue(const struct simd_sums *s, enum tm_act act, const bool integers)
{
    switch (act) { /* one loop an activation, so that none asks per vector */
#define CASE(a)                                                                                    \
    case a:                                                                                        \
        simd_finish_all(s, a, integers);                                                           \
        break;
        SIMD_ACTS(CASE)
#undef CASE
    default:
        tm_assert(false); /* not an activation */
    }
}

#endif
