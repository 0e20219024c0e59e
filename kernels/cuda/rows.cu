/* The operations that touch each element once: glu, gather_rows, convert; and quantize_rows, a
 * block a row. */
#include "device.h"

/* Threads of a row's elements, WIDE each: x goes along the row, y over the rows. */
enum { ELEMENT_THREADS = 128 };

static dim3 element_grid(int64_t rows, int64_t cols)
{
    const int64_t each = ELEMENT_THREADS * WIDE;
    return dim3((unsigned)rows, (unsigned)((cols + each - 1) / each));
}

static __device__ inline int64_t element_column()
{
    return ((int64_t)blockIdx.y * blockDim.x + threadIdx.x) * WIDE;
}

/* ---- glu ---- */

static __global__ void glu_kernel(struct tm_tensor out, struct tm_tensor x, enum tm_act act)
{
    const int64_t r = blockIdx.x, c = element_column();
    float gate[WIDE], v[WIDE];
    if (c >= out.cols)
        return;
    struct tm_tensor left = x, right = x;
    left.cols = right.cols = out.cols;
    right.data = (char *)x.data + out.cols * (x.dtype == TM_F32 ? 4 : 2);
    get_wide(left, r, c, gate);
    get_wide(right, r, c, v);
    for (int i = 0; i < WIDE; i++)
        v[i] *= activate(act, gate[i]);
    put_wide(out, r, c, v);
}

enum tm_status cuda_glu(struct tm_stream *stream, struct tm_tensor *out, const struct tm_tensor *x,
                        enum tm_act act)
{
    if (out->rows == 0 || out->cols == 0)
        return TM_OK;
    LAUNCH(cuda_handle(stream), element_grid(out->rows, out->cols), ELEMENT_THREADS, 0, glu_kernel,
           *out, *x, act);
    return cuda_launched();
}

/* ---- convert ---- */

static __global__ void convert_kernel(struct tm_tensor out, struct tm_tensor x)
{
    const int64_t r = blockIdx.x, c = element_column();
    float v[WIDE];
    if (c >= out.cols)
        return;
    get_wide(x, r, c, v);
    put_wide(out, r, c, v);
}

enum tm_status cuda_convert(struct tm_stream *stream, struct tm_tensor *out,
                            const struct tm_tensor *x)
{
    if (!kern_is_float(out->dtype) || x->dtype == TM_I32 || x->dtype == TM_U8)
        return TM_UNSUPPORTED;
    if (out->rows == 0 || out->cols == 0)
        return TM_OK;
    LAUNCH(cuda_handle(stream), element_grid(out->rows, out->cols), ELEMENT_THREADS, 0,
           convert_kernel, *out, *x);
    return cuda_launched();
}

/* ---- gather_rows: bytes as they are, 16 at a time where both sides lie so ---- */

struct gather {
    unsigned char *out;
    const unsigned char *x;
    const int32_t *index;
    int64_t out_pitch, x_pitch, bytes;
};

static __global__ void gather_kernel(struct gather g)
{
    enum { CHUNK = 16 };
    const int64_t r = blockIdx.x;
    const int64_t at = ((int64_t)blockIdx.y * blockDim.x + threadIdx.x) * CHUNK;
    const int32_t from = g.index[r];
    if (at >= g.bytes)
        return;
    unsigned char *to = g.out + r * g.out_pitch + at;
    const unsigned char *x = from >= 0 ? g.x + from * g.x_pitch + at : NULL;
    if (at + CHUNK <= g.bytes && aligned(to) && aligned(x)) {
        const uint4 zeros = {0, 0, 0, 0};
        *(uint4 *)to = x != NULL ? *(const uint4 *)x : zeros;
        return;
    }
    for (int64_t i = 0; i < CHUNK && at + i < g.bytes; i++)
        to[i] = x != NULL ? x[i] : 0;
}

enum tm_status cuda_gather_rows(struct tm_stream *stream, struct tm_tensor *out,
                                const struct tm_tensor *x, const int32_t *index)
{
    if (out->dtype != x->dtype)
        return TM_UNSUPPORTED;
    if (out->rows == 0 || out->cols == 0)
        return TM_OK;
    const int64_t size = (int64_t)tm_dtype_size(x->dtype);
    const struct gather g = {(unsigned char *)out->data,
                             (const unsigned char *)x->data,
                             index,
                             out->stride * size,
                             x->stride * size,
                             out->cols * size};
    const int64_t each = ELEMENT_THREADS * 16;
    LAUNCH(cuda_handle(stream), dim3((unsigned)out->rows, (unsigned)((g.bytes + each - 1) / each)),
           ELEMENT_THREADS, 0, gather_kernel, g);
    return cuda_launched();
}

/* ---- quantize_rows ---- */

static __global__ void quantize_kernel(struct tm_tensor out, float *scales, struct tm_tensor x)
{
    SHARED_MEMORY(shared);
    const struct row row = row_at(shared, x.cols);
    const int64_t r = blockIdx.x;
    FOR_WIDE(c, row.cols)
    get_wide(x, r, c, row.v + c);
    const float scale = row_quantize(row, (char *)out.data + r * out.stride, out.dtype);
    if (threadIdx.x == 0)
        scales[r] = scale;
}

enum tm_status cuda_quantize_rows(struct tm_stream *stream, struct tm_tensor *out, float *ret_scale,
                                  const struct tm_tensor *x)
{
    if ((out->dtype != TM_I8 && out->dtype != TM_F8E4M3) || x->cols > ROW_MOST)
        return TM_UNSUPPORTED;
    if (out->rows == 0)
        return TM_OK;
    LAUNCH(cuda_handle(stream), (unsigned)out->rows, row_threads(out->cols), row_shared(out->cols),
           quantize_kernel, *out, ret_scale, *x);
    return cuda_launched();
}
