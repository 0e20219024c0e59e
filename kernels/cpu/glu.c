/* glu: out (M, F) = act(x[:, :F]) * x[:, F:]. */
#include "simd.h"
#include "simd_math.h"

SIMD_INLINE void gate(const enum tm_act act, float *out, const float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i += VL) {
        int64_t left = TM_MIN(VL, n - i);
        v_storen(out + i, left, v_mul(v_act(act, v_loadn(x + i, left)), v_loadn(x + n + i, left)));
    }
}

enum tm_status SIMD(glu)(struct tm_stream *stream, struct tm_tensor *out, const struct tm_tensor *x,
                         enum tm_act act)
{
    (void)stream;
    if (out->dtype != TM_F32 || x->dtype != TM_F32)
        return TM_UNSUPPORTED;
    tm_dassert(x->cols == 2 * out->cols);
    for (int64_t r = 0; r < out->rows; r++) {
        float *to = kern_row(out, r);
        const float *from = kern_row(x, r);
        switch (act) { /* one loop an activation */
#define CASE(a)                                                                                    \
    case a:                                                                                        \
        gate(a, to, from, out->cols);                                                              \
        break;
            SIMD_ACTS(CASE)
#undef CASE
        default:
            tm_assert(false); /* not an activation */
        }
    }
    return TM_OK;
}
