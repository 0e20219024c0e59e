/* gemm: out = act(x * W^T + bias) + residual, each sum in double over k in order. */
#include "ref.h"

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

enum tm_status ref_gemm(struct tm_stream *stream, struct tm_tensor *out, const struct tm_tensor *x,
                        const struct tm_weight *w, const struct tm_epilogue *epilogue)
{
    (void)stream;
    tm_assert(w->panel == 0); /* packed for the reference */
    for (int64_t m = 0; m < x->rows; m++) {
        for (int64_t n = 0; n < w->n; n++) {
            double sum = 0;
            for (int64_t k = 0; k < w->k; k++)
                sum += (double)kern_get(x, m, k) * (double)w->data[n * w->k + k];
            float v = (float)sum;
            if (epilogue != NULL) {
                v = ref_act(epilogue->act, v + (epilogue->bias != NULL ? epilogue->bias[n] : 0));
                if (epilogue->residual != NULL)
                    v += kern_get(epilogue->residual, m, n);
            }
            kern_put(out, m, n, v);
        }
    }
    return TM_OK;
}
