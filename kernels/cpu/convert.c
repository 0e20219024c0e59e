/* convert and quantize_rows. What is not between float32 and a 16-bit float, or to int8, goes to
 * the reference: nothing hot on a CPU. */
#include "simd.h"

#include <float.h>

#ifdef __AVX512F__
static void to_int8(int8_t *p, vf v)
{
    _mm_storeu_si128((__m128i *)p, _mm512_cvtsepi32_epi8(_mm512_cvtps_epi32(v)));
}
#else
static void to_int8(int8_t *p, vf v)
{
    __m256i w = _mm256_cvtps_epi32(v);
    __m128i h = _mm_packs_epi32(_mm256_castsi256_si128(w), _mm256_extracti128_si256(w, 1));
    _mm_storel_epi64((__m128i *)p, _mm_packs_epi16(h, h));
}
#endif

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
        const float *row = kern_row(x, r);
        int8_t *to = (int8_t *)out->data + r * out->stride;
        vf most = v_zero();
        for (int64_t c = 0; c < out->cols; c += VL)
            most = v_max(most, v_abs(v_loadn(row + c, TM_MIN(VL, out->cols - c))));
        float top = v_top(most), inv = top > 0 ? TM_MIN(127 / top, FLT_MAX) : 0;
        ret_scale[r] = top / 127;
        for (int64_t c = 0; c < out->cols; c += VL) {
            int64_t left = TM_MIN(VL, out->cols - c);
            vf v = v_mul(v_loadn(row + c, left), v_set1(inv));
            v = v_max(v_min(v, v_set1(127)), v_set1(-127));
            int8_t bytes[VL];
            to_int8(bytes, v);
            for (int64_t i = 0; i < left; i++)
                to[c + i] = bytes[i];
        }
    }
    return TM_OK;
}
