/* quantize_rows: I8 or F8 with a scale a row. The scale is absmax / limit and the number stored is
 * x * (limit / absmax) in float32, rounded to nearest even: variants agree to the bit. A row of
 * zeros has the scale 0. */
#include "ref.h"

#include <float.h>
#include <math.h>

static float inverse(float top, float limit)
{
    return top > 0 ? fminf(limit / top, FLT_MAX) : 0;
}

/* Written so that compilers make vectors of it: weights of a whole model pass through at a load. */
float kern_quantize_row(int8_t *out, const float *x, int64_t n)
{
    enum { LANES = 16 };
    const float round = 0x1.8p23f; /* added and taken off: to the nearest even integer */
    float most[LANES] = {0}, top = 0;
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int l = 0; l < LANES; l++)
            most[l] = fabsf(x[i + l]) > most[l] ? fabsf(x[i + l]) : most[l];
    for (; i < n; i++)
        top = fmaxf(top, fabsf(x[i]));
    for (int l = 0; l < LANES; l++)
        top = fmaxf(top, most[l]);
    const float times = inverse(top, 127);
    for (i = 0; i < n; i++) {
        float v = x[i] * times;
        v = v < 127 ? v : 127;
        v = v > -127 ? v : -127;
        out[i] = (int8_t)(int32_t)(v + round - round);
    }
    return top / 127;
}

static float to_f8(uint8_t *out, const float *x, int64_t n)
{
    float top = 0;
    for (int64_t i = 0; i < n; i++)
        top = fmaxf(top, fabsf(x[i]));
    for (int64_t i = 0; i < n; i++)
        out[i] = kern_to_f8(x[i] * inverse(top, 448));
    return top / 448;
}

enum tm_status ref_quantize_rows(struct tm_stream *stream, struct tm_tensor *out, float *ret_scale,
                                 const struct tm_tensor *x)
{
    if (out->dtype != TM_I8 && out->dtype != TM_F8E4M3)
        return TM_UNSUPPORTED;
    size_t mark = stream->used;
    float *row = kern_scratch(stream, (size_t)out->cols * sizeof *row);
    for (int64_t r = 0; r < out->rows; r++) {
        for (int64_t c = 0; c < out->cols; c++)
            row[c] = kern_get(x, r, c);
        if (out->dtype == TM_I8)
            ret_scale[r] = kern_quantize_row((int8_t *)out->data + r * out->stride, row, out->cols);
        else
            ret_scale[r] = to_f8((uint8_t *)out->data + r * out->stride, row, out->cols);
    }
    stream->used = mark;
    return TM_OK;
}
