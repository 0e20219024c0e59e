/* quantize_rows: I8 or F8 with a scale a row. The scale is absmax / limit and the number stored is
 * x * (limit / absmax) in float32, rounded to nearest even: variants agree to the bit. A row of
 * zeros has the scale 0. */
#include "ref.h"

#include <float.h>
#include <math.h>

enum tm_status ref_quantize_rows(struct tm_stream *stream, struct tm_tensor *out, float *ret_scale,
                                 const struct tm_tensor *x)
{
    (void)stream;
    if (out->dtype != TM_I8 && out->dtype != TM_F8E4M3)
        return TM_UNSUPPORTED;
    float limit = out->dtype == TM_I8 ? 127 : 448;
    for (int64_t r = 0; r < out->rows; r++) {
        float top = 0;
        for (int64_t c = 0; c < out->cols; c++)
            top = fmaxf(top, fabsf(kern_get(x, r, c)));
        float inv = top > 0 ? fminf(limit / top, FLT_MAX) : 0;
        ret_scale[r] = top / limit;
        for (int64_t c = 0; c < out->cols; c++) {
            float v = kern_get(x, r, c) * inv;
            if (out->dtype == TM_I8)
                ((int8_t *)out->data)[r * out->stride + c] =
                    (int8_t)fmaxf(-127, fminf(127, rintf(v)));
            else
                ((uint8_t *)out->data)[r * out->stride + c] = kern_to_f8(v);
        }
    }
    return TM_OK;
}
