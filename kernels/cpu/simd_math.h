/* exp, tanh, GELU and the other activations on vectors. Every lane is computed by the same
 * instructions wherever it stands; errors against the reference are in tests/kernels. */
#ifndef TM_SIMD_MATH_H
#define TM_SIMD_MATH_H

#include "simd.h"

/* e^x: x = n ln 2 + r, a polynomial in r, times 2^n. Below e^-87 (no normal float) zero; above
 * e^88 it stays there. At most 2 ulp. */
SIMD_INLINE vf v_exp(vf x)
{
    const vf low = v_set1(-87.0f);
    vf c = v_max(v_min(x, v_set1(88.0f)), low);
    vf n = v_round(v_mul(c, v_set1(1.44269504088896341f)));
    vf r = v_fnma(n, v_set1(0.693359375f), c);
    r = v_fnma(n, v_set1(-2.12194440e-4f), r);
    vf p = v_set1(1.9875691500e-4f);
    p = v_fma(p, r, v_set1(1.3981999507e-3f));
    p = v_fma(p, r, v_set1(8.3334519073e-3f));
    p = v_fma(p, r, v_set1(4.1665795894e-2f));
    p = v_fma(p, r, v_set1(1.6666665459e-1f));
    p = v_fma(p, r, v_set1(5.0000001201e-1f));
    p = v_fma(p, v_mul(r, r), v_add(r, v_set1(1.0f)));
    return v_above(v_scale2(p, n), x, low);
}

SIMD_INLINE vf v_tanh(vf x)
{
    vf e = v_exp(v_mul(v_abs(x), v_set1(-2.0f)));
    vf one = v_set1(1.0f);
    return v_sign(v_div(v_sub(one, e), v_add(one, e)), x);
}

/* x / (1 + e^-z) */
SIMD_INLINE vf v_sigmoid_times(vf x, vf z)
{
    vf one = v_set1(1.0f);
    return v_div(x, v_add(one, v_exp(v_sub(v_zero(), z))));
}

/* x Phi(x), with Phi(x) = 1/2 + x R(x^2): R is the Chebyshev interpolant of degree 14 over
 * |x| <= 5.4, written in t = 2 (x / 5.4)^2 - 1, where its powers do not cancel. Past 5.4 Phi is 0
 * or 1 to within 4e-8. Absolute error below 1e-6 (relative, from |x| = 1 up, below 6e-7). */
SIMD_INLINE vf v_gelu(vf x)
{
    static const float k[] = {
        1.309281141e-01f, -6.532812864e-02f, 4.850016162e-02f, -3.920452669e-02f,
        3.210633248e-02f, -2.576704696e-02f, 1.971358061e-02f, -1.388487592e-02f,
        9.436045773e-03f, -6.859159097e-03f, 4.003251437e-03f, -1.060889219e-03f,
        6.035845727e-04f, -1.070210594e-03f, 4.763665493e-04f,
    };
    const vf end = v_set1(5.4f), minus = v_set1(-5.4f);
    vf c = v_max(v_min(x, end), minus);
    vf t = v_fma(v_mul(c, c), v_set1((float)(2 / (5.4 * 5.4))), v_set1(-1.0f));
    vf p = v_set1(k[14]);
    SIMD_EACH(i, 14)
    {
        p = v_fma(p, t, v_set1(k[13 - i]));
    }
    p = v_fma(p, c, v_set1(0.5f));
    return v_mul(x, v_above(p, x, minus));
}

/* For loops of their own, so that none asks per vector. */
#define SIMD_ACTS(X)                                                                               \
    X(TM_ACT_NONE)                                                                                 \
    X(TM_ACT_RELU)                                                                                 \
    X(TM_ACT_GELU_ERF)                                                                             \
    X(TM_ACT_GELU_TANH)                                                                            \
    X(TM_ACT_SILU)                                                                                 \
    X(TM_ACT_QUICK_GELU)                                                                           \
    X(TM_ACT_TANH)

SIMD_INLINE vf v_act(enum tm_act act, vf x)
{
    switch (act) {
    case TM_ACT_RELU:
        return v_max(x, v_zero());
    case TM_ACT_GELU_ERF:
        return v_gelu(x);
    case TM_ACT_GELU_TANH: {
        vf cube = v_mul(v_mul(x, x), x);
        vf z = v_fma(cube, v_set1(0.044715f), x);
        return v_sigmoid_times(x, v_mul(z, v_set1(1.5957691216057308f)));
    }
    case TM_ACT_SILU:
        return v_sigmoid_times(x, x);
    case TM_ACT_QUICK_GELU:
        return v_sigmoid_times(x, v_mul(x, v_set1(1.702f)));
    case TM_ACT_TANH:
        return v_tanh(x);
    default:
        return x;
    }
}

#endif
