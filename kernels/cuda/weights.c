/* Weights into device memory: converted on the host, a block of rows at a time. At load only. */
#include "backend.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 4 << 20 /* bytes converted at a time */ };

static float to_f8(uint8_t *out, const float *x, int64_t n)
{
    float top = 0;
    for (int64_t i = 0; i < n; i++)
        top = fmaxf(top, fabsf(x[i]));
    const float times = top > 0 ? fminf(448 / top, 0x1.fffffep127F) : 0;
    for (int64_t i = 0; i < n; i++)
        out[i] = kern_to_f8(x[i] * times);
    return top / 448;
}

static void convert(const struct tm_weight *w, char *to, float *scale, const float *row)
{
    if (w->dtype == TM_F32)
        memcpy(to, row, (size_t)w->k * sizeof *row);
    else if (w->dtype == TM_I8)
        *scale = kern_quantize_row((int8_t *)to, row, w->k);
    else if (w->dtype == TM_F8E4M3)
        *scale = to_f8((uint8_t *)to, row, w->k);
    else
        for (int64_t k = 0; k < w->k; k++)
            ((uint16_t *)to)[k] = kern_to_bf16(row[k]);
}

/* host: (rows, pitch), zeros; scale (n) or NULL. */
static cudaError_t fill(const struct tm_weight *w, const struct tm_tensor *from, char *host,
                        int64_t rows, float *scale, float *row)
{
    const size_t pitch = (size_t)kern_round_up(w->k, w->group) * tm_dtype_size(w->dtype);
    cudaError_t e = cudaSuccess;
    for (int64_t n = 0; e == cudaSuccess && n < w->n; n += rows) {
        const int64_t some = TM_MIN(rows, w->n - n);
        for (int64_t i = 0; i < some; i++) {
            kern_read_row(row, from, n + i);
            convert(w, host + (size_t)i * pitch, scale + n + i, row);
        }
        e = cudaMemcpy((char *)w->data + (size_t)n * pitch, host, (size_t)some * pitch,
                       cudaMemcpyHostToDevice);
    }
    if (e == cudaSuccess && w->scale != NULL)
        e = cudaMemcpy(w->scale, scale, (size_t)w->n * sizeof *scale, cudaMemcpyHostToDevice);
    return e;
}

static cudaError_t load(struct tm_weight *w, const struct tm_tensor *from)
{
    const size_t pitch = (size_t)kern_round_up(w->k, w->group) * tm_dtype_size(w->dtype);
    const int64_t rows = TM_MAX(1, TM_MIN(w->n, (int64_t)(BLOCK / TM_MAX(pitch, 1))));
    void *data = NULL, *scales = NULL;
    char *host = calloc((size_t)rows, pitch + 1);
    float *scale = calloc((size_t)w->n + 1, sizeof *scale);
    float *row = calloc((size_t)w->k + 1, sizeof *row);
    cudaError_t e =
        host == NULL || scale == NULL || row == NULL ? cudaErrorMemoryAllocation : cudaSuccess;
    if (e == cudaSuccess)
        e = cudaMalloc(&data, (size_t)w->n * pitch + 1);
    if (e == cudaSuccess && w->dtype != TM_F32 && w->dtype != TM_BF16)
        e = cudaMalloc(&scales, (size_t)w->n * sizeof *scale + 1);
    w->data = data;
    w->scale = scales;
    w->bytes = (size_t)w->n * (pitch + (scales != NULL ? sizeof *scale : 0));
    if (e == cudaSuccess)
        e = fill(w, from, host, rows, scale, row);
    free(host);
    free(scale);
    free(row);
    return e;
}

enum tm_status cuda_pack(struct tm_backend *b, const struct tm_tensor *from, enum tm_dtype as,
                         struct tm_weight **ret_weight, struct tm_err *err)
{
    const struct cuda *c = b->self;
    if (!kern_is_float(from->dtype) ||
        (as != TM_F32 && as != TM_BF16 && as != TM_I8 && as != TM_F8E4M3))
        return tm_err_set(err, TM_UNSUPPORTED, "weights of %s as %s on a GPU",
                          tm_dtype_name(from->dtype), tm_dtype_name(as));
    struct tm_weight *w = calloc(1, sizeof *w);
    if (w == NULL)
        return tm_err_set(err, TM_NOMEM, "weight");
    *w = (struct tm_weight){.dtype = as,
                            .n = from->rows,
                            .k = from->cols,
                            .lanes = 1,
                            .group = (int32_t)(16 / tm_dtype_size(as))};
    cudaError_t e = cudaSetDevice(c->device);
    if (e == cudaSuccess)
        e = load(w, from);
    if (e != cudaSuccess) {
        cuda_weight_free(b, w);
        return cuda_failed(err, "weights", e);
    }
    *ret_weight = w;
    return TM_OK;
}

void cuda_weight_free(struct tm_backend *b, struct tm_weight *w)
{
    if (w == NULL)
        return;
    b->dev.free(b, w->data);
    b->dev.free(b, w->scale);
    free(w);
}
