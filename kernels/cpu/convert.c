/* convert and quantize_rows. What is not between float32 and a 16-bit float, or to int8, goes to
 * the reference: nothing hot on a CPU. */
#include "quantize.h"
#include "simd.h"

static bool is_half(enum tm_dtype t)
{
    return t == TM_BF16 || t == TM_F16;
}

enum tm_status SIMD(convert)(struct tm_stream *stream, struct tm_tensor *out,
                             const struct tm_tensor *x)
{
    bool up = is_half(x->dtype) && out->dtype == TM_F32;
    bool down = x->dtype == TM_F32 && is_half(out->dtype);
    int64_t whole = out->cols - out->cols % VL;
    if (!up && !down)
        return kern_ref_ops.convert(stream, out, x);
    for (int64_t r = 0; r < out->rows; r++) {
        for (int64_t c = 0; up && c < whole; c += VL)
            v_store(kern_row(out, r) + c,
                    v_load16(x->dtype, (const uint16_t *)x->data + r * x->stride + c));
        for (int64_t c = 0; down && c < whole; c += VL)
            v_store16(out->dtype, (uint16_t *)out->data + r * out->stride + c,
                      v_load(kern_row(x, r) + c));
        for (int64_t c = whole; c < out->cols; c++) /* the same to the bit */
            kern_put(out, r, c, kern_get(x, r, c));
    }
    return TM_OK;
}

enum tm_status SIMD(quantize_rows)(struct tm_stream *stream, struct tm_tensor *out,
                                   float *ret_scale, const struct tm_tensor *x)
{
    if (x->dtype != TM_F32 || out->dtype != TM_I8)
        return kern_ref_ops.quantize_rows(stream, out, ret_scale, x);
    for (int64_t r = 0; r < out->rows; r++) {
        int8_t *to = (int8_t *)out->data + r * out->stride;
        ret_scale[r] = simd_quantize_row(to, kern_row(x, r), out->cols);
    }
    return TM_OK;
}
