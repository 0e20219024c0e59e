/* pool_classify: one vector a sequence, a thread a column; the dense layers go through gemm, their
 * norms through add_norm, a block of sequences at a time. */
#include "device.h"

enum { POOL_THREADS = 128, POOL_BLOCK = 256 /* sequences at a time */ };

struct pool {
    struct tm_tensor x, out;
    const int32_t *starts;
    const uint8_t *skip;
    int kind;
};

static __global__ void pool_kernel(struct pool p)
{
    const int64_t c = (int64_t)blockIdx.y * POOL_THREADS + threadIdx.x;
    const int32_t begin = p.starts[blockIdx.x], end = p.starts[blockIdx.x + 1];
    int32_t count = 0, last = -1;
    float sum = 0, top = -INFINITY, v = 0;
    if (c >= p.x.cols)
        return;
    for (int32_t r = begin; r < end; r++) {
        if (p.skip != NULL && p.skip[r] != 0)
            continue;
        const float each = get(p.x, r, c);
        count++;
        last = r;
        sum += each;
        top = fmaxf(top, each);
    }
    if (p.kind == tm_pool_args::TM_POOL_FIRST)
        v = begin < end ? get(p.x, begin, c) : 0;
    else if (count == 0)
        v = 0;
    else if (p.kind == tm_pool_args::TM_POOL_MEAN)
        v = sum / (float)count;
    else if (p.kind == tm_pool_args::TM_POOL_MEAN_SQRT)
        v = sum / sqrtf((float)count);
    else
        v = p.kind == tm_pool_args::TM_POOL_MAX ? top : get(p.x, last, c);
    put(p.out, blockIdx.x, c, v);
}

static __global__ void unit_kernel(struct tm_tensor out, struct tm_tensor x, bool normalize)
{
    SHARED_MEMORY(shared);
    const struct row row = row_at(shared, x.cols);
    const int64_t r = blockIdx.x;
    float square = 0;
    FOR_WIDE(c, row.cols)
    {
        get_wide(x, r, c, row.v + c);
        for (int i = 0; i < WIDE; i++)
            square += row.v[c + i] * row.v[c + i];
    }
    const float length = normalize ? fmaxf(sqrtf(block_sum(square, row.partial)), 1e-12f) : 1;
    FOR_WIDE(c, row.cols)
    {
        for (int i = 0; i < WIDE; i++)
            row.v[c + i] /= length;
        put_wide(out, r, c, row.v + c);
    }
}

static enum tm_status dense(struct tm_stream *stream, const struct tm_dense *layer,
                            struct tm_tensor *in, struct tm_tensor *out)
{
    const struct tm_epilogue epilogue = {layer->bias, layer->act, NULL};
    out->cols = layer->weight->n;
    enum tm_status s = cuda_gemm(stream, out, in, layer->weight, &epilogue);
    if (s == TM_OK && layer->norm != NULL)
        s = cuda_add_norm(stream, out, NULL, out, NULL, layer->norm);
    return s;
}

/* Sequences from … from + rows - 1; a and b have room for them. */
static enum tm_status block(struct tm_stream *stream, struct tm_tensor *out,
                            const struct tm_tensor *x, const struct tm_pool_args *args,
                            int64_t from, struct tm_tensor a, struct tm_tensor b)
{
    enum tm_status s = TM_OK;
    a.cols = x->cols;
    const struct pool p = {*x, a, args->starts + from, args->skip, args->kind};
    LAUNCH(cuda_handle(stream),
           dim3((unsigned)a.rows, (unsigned)((x->cols + POOL_THREADS - 1) / POOL_THREADS)),
           POOL_THREADS, 0, pool_kernel, p);
    for (int32_t l = 0; l < args->n_dense && s == TM_OK; l++) {
        s = dense(stream, &args->dense[l], &a, &b);
        const struct tm_tensor swap = a;
        a = b;
        b = swap;
    }
    if (s != TM_OK)
        return s;
    struct tm_tensor part = *out;
    part.data = (char *)out->data + from * out->stride * (int64_t)tm_dtype_size(out->dtype);
    part.rows = a.rows;
    LAUNCH(cuda_handle(stream), (unsigned)a.rows, row_threads(a.cols), row_shared(a.cols),
           unit_kernel, part, a, args->normalize);
    return cuda_launched();
}

enum tm_status cuda_pool_classify(struct tm_stream *stream, struct tm_tensor *out,
                                  const struct tm_tensor *x, const struct tm_pool_args *args)
{
    const size_t mark = stream->used;
    int64_t stride = x->cols;
    enum tm_status s = TM_OK;
    for (int32_t l = 0; l < args->n_dense; l++)
        stride = TM_MAX(stride, args->dense[l].weight->n);
    if (stride > ROW_MOST)
        return TM_UNSUPPORTED;
    stride = kern_round_up(stride, WIDE);
    float *a = (float *)kern_scratch(stream, (size_t)(POOL_BLOCK * stride) * sizeof *a);
    float *b = (float *)kern_scratch(stream, (size_t)(POOL_BLOCK * stride) * sizeof *b);
    for (int64_t from = 0; from < args->n && s == TM_OK; from += POOL_BLOCK) {
        const int64_t rows = TM_MIN((int64_t)POOL_BLOCK, args->n - from);
        const struct tm_tensor ta = {a, TM_F32, rows, 0, stride, NULL};
        const struct tm_tensor tb = {b, TM_F32, rows, 0, stride, NULL};
        s = block(stream, out, x, args, from, ta, tb);
    }
    stream->used = mark;
    return s;
}
