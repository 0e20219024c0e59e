/* gemm: out = act(x * W^T + bias) + residual, each sum in double over k in order, or exact. */
#include "ref.h"

#include <string.h>

void ref_epilogue(const float *c, int64_t ldc, float *out, int64_t ldo, int64_t rows, int64_t cols,
                  const float *bias, enum tm_act act, const float *residual, int64_t ldr)
{
    for (int64_t r = 0; r < rows; r++) {
        for (int64_t i = 0; i < cols; i++) {
            float v = c[r * ldc + i] + (bias != NULL ? bias[i] : 0);
            v = ref_act(act, v);
            out[r * ldo + i] = v + (residual != NULL ? residual[r * ldr + i] : 0);
        }
    }
}

/* One output of floats, or of 16-bit weights: the inputs stay what they are. */
static float sum_float(const float *x, const struct tm_weight *w, int64_t n)
{
    double sum = 0;
    for (int64_t k = 0; k < w->k; k++) {
        float weight = w->dtype == TM_F32
                           ? ((const float *)w->data)[n * w->k + k]
                           : kern_from_bf16(((const uint16_t *)w->data)[n * w->k + k]);
        sum += (double)x[k] * (double)weight;
    }
    return (float)sum;
}

/* Exact; the two scales are multiplied in turn. */
static float sum_int8(const int8_t *x, float scale, const struct tm_weight *w, int64_t n)
{
    int64_t sum = 0;
    for (int64_t k = 0; k < w->k; k++)
        sum += x[k] * ((const int8_t *)w->data)[n * w->k + k];
    return (float)sum * scale * w->scale[n];
}

enum tm_status ref_gemm(struct tm_stream *stream, struct tm_tensor *out, const struct tm_tensor *x,
                        const struct tm_weight *w, const struct tm_epilogue *epilogue)
{
    tm_assert(w->panel == 0); /* packed for the reference */
    if (x->dtype == TM_I8 && w->dtype != TM_I8)
        return TM_UNSUPPORTED;
    size_t mark = stream->used;
    float *row = kern_scratch(stream, (size_t)w->k * sizeof *row), scale = 0;
    int8_t *ints = kern_scratch(stream, (size_t)w->k);
    for (int64_t m = 0; m < x->rows; m++) {
        for (int64_t k = 0; k < w->k; k++)
            row[k] = kern_get(x, m, k);
        if (x->dtype == TM_I8) {
            memcpy(ints, (const int8_t *)x->data + m * x->stride, (size_t)w->k);
            scale = x->scale[m];
        } else if (w->dtype == TM_I8) {
            scale = kern_quantize_row(ints, row, w->k);
        }
        for (int64_t n = 0; n < w->n; n++) {
            float v = w->dtype == TM_I8 ? sum_int8(ints, scale, w, n) : sum_float(row, w, n);
            if (epilogue != NULL) {
                v = ref_act(epilogue->act, v + (epilogue->bias != NULL ? epilogue->bias[n] : 0));
                if (epilogue->residual != NULL)
                    v += kern_get(epilogue->residual, m, n);
            }
            kern_put(out, m, n, v);
        }
    }
    stream->used = mark;
    return TM_OK;
}
