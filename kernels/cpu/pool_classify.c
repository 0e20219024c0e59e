/* pool_classify: one vector a sequence, up to three dense layers by the backend's gemm, L2 norm.
 * Sequences are taken in blocks, so that the vectors between layers fit the scratch. */
#include "simd.h"

#include <math.h>

enum { BLOCK = 64 };

static bool taken(const struct tm_pool_args *args, int64_t r)
{
    return args->skip == NULL || args->skip[r] == 0;
}

/* Sum (or greatest) of the taken rows, column by column in the order of the rows. */
static void reduce(float *vector, const struct tm_tensor *x, int64_t begin, int64_t end,
                   const struct tm_pool_args *args, bool most, float times)
{
    for (int64_t c = 0; c < x->cols; c += VL) {
        int64_t left = TM_MIN(VL, x->cols - c);
        vf v = most ? v_set1(-INFINITY) : v_zero();
        for (int64_t r = begin; r < end; r++) {
            if (!taken(args, r))
                continue;
            vf row = v_loadn(kern_row(x, r) + c, left);
            v = most ? v_max(v, row) : v_add(v, row);
        }
        v_storen(vector + c, left, v_mul(v, v_set1(times)));
    }
}

static void copy_row(float *to, const float *from, int64_t n)
{
    for (int64_t c = 0; c < n; c += VL) {
        int64_t left = TM_MIN(VL, n - c);
        v_storen(to + c, left, from != NULL ? v_loadn(from + c, left) : v_zero());
    }
}

static void pool(float *vector, const struct tm_tensor *x, int64_t begin, int64_t end,
                 const struct tm_pool_args *args)
{
    int64_t count = 0, last = -1;
    for (int64_t r = begin; r < end; r++) {
        if (taken(args, r)) {
            count++;
            last = r;
        }
    }
    if (args->kind == TM_POOL_FIRST)
        copy_row(vector, begin < end ? kern_row(x, begin) : NULL, x->cols);
    else if (count == 0)
        copy_row(vector, NULL, x->cols);
    else if (args->kind == TM_POOL_LAST)
        copy_row(vector, kern_row(x, last), x->cols);
    else if (args->kind == TM_POOL_MAX)
        reduce(vector, x, begin, end, args, true, 1);
    else if (args->kind == TM_POOL_MEAN)
        reduce(vector, x, begin, end, args, false, 1 / (float)count);
    else
        reduce(vector, x, begin, end, args, false, 1 / sqrtf((float)count));
}

static void unit_length(float *out, const float *x, int64_t n)
{
    vf square = v_zero();
    for (int64_t i = 0; i < n; i += VL) {
        vf v = v_loadn(x + i, TM_MIN(VL, n - i));
        square = v_fma(v, v, square);
    }
    vf inv = v_set1(1 / fmaxf(sqrtf(v_sum(square)), 1e-12f));
    for (int64_t i = 0; i < n; i += VL) {
        int64_t left = TM_MIN(VL, n - i);
        v_storen(out + i, left, v_mul(v_loadn(x + i, left), inv));
    }
}

/* rows vectors of *width floats from *a to *b, which then change places. */
static enum tm_status dense(struct tm_stream *stream, const struct tm_dense *layer, float **a,
                            float **b, int64_t rows, int64_t *width, int64_t stride)
{
    struct tm_tensor in = {*a, TM_F32, rows, *width, stride, NULL};
    struct tm_tensor out = {*b, TM_F32, rows, layer->weight->n, stride, NULL};
    struct tm_epilogue epilogue = {layer->bias, layer->act, NULL};
    enum tm_status s = stream->backend->ops.gemm(stream, &out, &in, layer->weight, &epilogue);
    if (s != TM_OK)
        return s;
    for (int64_t r = 0; r < rows && layer->norm != NULL && layer->norm->kind != TM_NORM_NONE; r++)
        SIMD(norm_row)(*b + r * stride, *b + r * stride, out.cols, layer->norm);
    *b = *a;
    *a = out.data;
    *width = out.cols;
    return TM_OK;
}

enum tm_status SIMD(pool_classify)(struct tm_stream *stream, struct tm_tensor *out,
                                   const struct tm_tensor *x, const struct tm_pool_args *args)
{
    enum tm_status s = TM_OK;
    size_t mark = stream->used;
    int64_t stride = x->cols;
    if (x->dtype != TM_F32 || out->dtype != TM_F32)
        return TM_UNSUPPORTED;
    for (int32_t l = 0; l < args->n_dense; l++)
        stride = TM_MAX(stride, args->dense[l].weight->n);
    int64_t block = TM_MAX(1, TM_MIN(BLOCK, (int64_t)(1 << 18) / TM_MAX(stride, 1)));
    float *a = kern_scratch(stream, (size_t)(block * stride) * sizeof *a);
    float *b = kern_scratch(stream, (size_t)(block * stride) * sizeof *b);
    for (int64_t from = 0; from < args->n && s == TM_OK; from += block) {
        int64_t rows = TM_MIN(block, args->n - from), width = x->cols;
        for (int64_t r = 0; r < rows; r++)
            pool(a + r * stride, x, args->starts[from + r], args->starts[from + r + 1], args);
        for (int32_t l = 0; l < args->n_dense && s == TM_OK; l++)
            s = dense(stream, &args->dense[l], &a, &b, rows, &width, stride);
        for (int64_t r = 0; r < rows && s == TM_OK; r++) {
            if (args->normalize)
                unit_length(kern_row(out, from + r), a + r * stride, width);
            else
                copy_row(kern_row(out, from + r), a + r * stride, width);
        }
    }
    stream->used = mark;
    return s;
}
