/* pool_classify: one vector a sequence, then up to three dense layers, then the L2 norm.
 * The dense layers go through the backend's own gemm, whose weights they hold; sequences are taken
 * in blocks, so that the vectors between layers fit the scratch. */
#include "ref.h"

#include <math.h>

enum { BLOCK = 4 };

static void pool(float *vector, const struct tm_tensor *x, int64_t begin, int64_t end,
                 const struct tm_pool_args *args)
{
    double count = 0, sum = 0;
    int64_t last = -1;
    for (int64_t r = begin; r < end; r++) {
        if (args->skip == NULL || args->skip[r] == 0) {
            count++;
            last = r;
        }
    }
    for (int64_t c = 0; c < x->cols; c++) {
        float top = -INFINITY;
        sum = 0;
        for (int64_t r = begin; r < end; r++) {
            if (args->skip != NULL && args->skip[r] != 0)
                continue;
            sum += kern_get(x, r, c);
            top = fmaxf(top, kern_get(x, r, c));
        }
        float v = 0;
        if (args->kind == TM_POOL_FIRST)
            v = begin < end ? kern_get(x, begin, c) : 0;
        else if (count == 0)
            v = 0;
        else if (args->kind == TM_POOL_MEAN)
            v = (float)(sum / count);
        else if (args->kind == TM_POOL_MEAN_SQRT)
            v = (float)(sum / sqrt(count));
        else if (args->kind == TM_POOL_MAX)
            v = top;
        else
            v = kern_get(x, last, c);
        vector[c] = v;
    }
}

static void unit_length(float *v, int64_t n)
{
    double square = 0;
    for (int64_t i = 0; i < n; i++)
        square += (double)v[i] * (double)v[i];
    double length = fmax(sqrt(square), 1e-12);
    for (int64_t i = 0; i < n; i++)
        v[i] = (float)(v[i] / length);
}

/* rows vectors in a, width floats each; the result ends up in a. b is as large. */
static enum tm_status dense(struct tm_stream *stream, const struct tm_dense *layer, float *a,
                            float *b, int64_t rows, int64_t *width, int64_t stride)
{
    struct tm_tensor in = {a, TM_F32, rows, *width, stride, NULL};
    struct tm_tensor out = {b, TM_F32, rows, layer->weight->n, stride, NULL};
    struct tm_epilogue epilogue = {layer->bias, layer->act, NULL};
    enum tm_status s = stream->backend->ops.gemm(stream, &out, &in, layer->weight, &epilogue);
    if (s != TM_OK)
        return s;
    *width = out.cols;
    for (int64_t r = 0; r < rows; r++) {
        ref_norm(b + r * stride, *width, layer->norm);
        for (int64_t c = 0; c < *width; c++)
            a[r * stride + c] = b[r * stride + c];
    }
    return TM_OK;
}

enum tm_status ref_pool_classify(struct tm_stream *stream, struct tm_tensor *out,
                                 const struct tm_tensor *x, const struct tm_pool_args *args)
{
    enum tm_status s = TM_OK;
    size_t mark = stream->used;
    int64_t stride = x->cols;
    for (int32_t l = 0; l < args->n_dense; l++)
        stride = TM_MAX(stride, args->dense[l].weight->n);
    float *a = kern_scratch(stream, (size_t)(BLOCK * stride) * sizeof *a);
    float *b = kern_scratch(stream, (size_t)(BLOCK * stride) * sizeof *b);
    for (int64_t from = 0; from < args->n && s == TM_OK; from += BLOCK) {
        int64_t rows = TM_MIN(BLOCK, args->n - from), width = x->cols;
        for (int64_t r = 0; r < rows; r++)
            pool(a + r * stride, x, args->starts[from + r], args->starts[from + r + 1], args);
        for (int32_t l = 0; l < args->n_dense && s == TM_OK; l++)
            s = dense(stream, &args->dense[l], a, b, rows, &width, stride);
        for (int64_t r = 0; r < rows && s == TM_OK; r++) {
            if (args->normalize)
                unit_length(a + r * stride, width);
            for (int64_t c = 0; c < width; c++)
                kern_put(out, from + r, c, a[r * stride + c]);
        }
    }
    stream->used = mark;
    return s;
}
