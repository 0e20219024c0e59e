/* The running softmax that attn_varlen and attn_cached share. */
#ifndef TM_SOFTMAX_H
#define TM_SOFTMAX_H

#include "simd_math.h"

#include <math.h>

/* What a query has seen so far. */
struct simd_softmax {
    float *top, *total; /* greatest score, sum of exponentials below it */
    float *sums;        /* (padded) values times exponentials */
    int64_t padded;     /* whole vectors */
};

/* Scores s[begin … end - 1] become exponentials below the new maximum; what was summed so far is
 * scaled to it. Scores past `end` in the last vector are zeroed. */
SIMD_INLINE void simd_soften(struct simd_softmax q, float *s, int64_t begin, int64_t end)
{
    vf most = v_set1(-INFINITY), total = v_zero();
    for (int64_t j = begin; j < end; j += VL)
        most = v_max(most, v_head(v_load(s + j), TM_MIN(VL, end - j), most));
    float top = fmaxf(*q.top, v_top(most));
    if (top == -INFINITY) { /* nothing visible yet */
        for (int64_t j = begin; j < end; j += VL)
            v_store(s + j, v_zero());
        return;
    }
    vf limit = v_set1(top);
    for (int64_t j = begin; j < end; j += VL) {
        vf e = v_exp(v_sub(v_load(s + j), limit));
        e = v_head(e, TM_MIN(VL, end - j), v_zero());
        total = v_add(total, e);
        v_store(s + j, e);
    }
    if (top != *q.top) {
        float old = expf(*q.top - top);
        *q.total *= old;
        for (int64_t d = 0; d < q.padded; d += VL)
            v_store(q.sums + d, v_mul(v_load(q.sums + d), v_set1(old)));
        *q.top = top;
    }
    *q.total += v_sum(total);
}

#endif
