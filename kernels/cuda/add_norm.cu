/* add_norm: x + residual read once, the sum and its norm (or the norm's 8-bit integers) written
 * once: a block a row, which stays in shared memory between the passes. */
#include "device.h"

struct add_norm {
    struct tm_tensor out, sum, x, residual;
    float *scales;
    struct tm_norm norm;
};

static __global__ void add_norm_kernel(struct add_norm a)
{
    SHARED_MEMORY(shared);
    const struct row row = row_at(shared, a.x.cols);
    const int64_t r = blockIdx.x;
    FOR_WIDE(c, row.cols)
    {
        float v[WIDE], more[WIDE];
        get_wide(a.x, r, c, v);
        if (a.residual.data != NULL) {
            get_wide(a.residual, r, c, more);
            for (int i = 0; i < WIDE; i++)
                v[i] += more[i];
        }
        if (a.sum.data != NULL)
            put_wide(a.sum, r, c, v);
        for (int i = 0; i < WIDE; i++)
            row.v[c + i] = v[i];
    }
    row_norm(row, a.norm);
    if (a.out.dtype == TM_I8) {
        const float scale = row_quantize(row, (int8_t *)a.out.data + r * a.out.stride, TM_I8);
        if (threadIdx.x == 0)
            a.scales[r] = scale;
        return;
    }
    FOR_WIDE(c, row.cols)
    put_wide(a.out, r, c, row.v + c);
}

enum tm_status cuda_add_norm(struct tm_stream *stream, struct tm_tensor *out, struct tm_tensor *sum,
                             const struct tm_tensor *x, const struct tm_tensor *residual,
                             const struct tm_norm *norm)
{
    if (x->rows == 0 || x->cols == 0)
        return TM_OK;
    if (x->cols > ROW_MOST || out->dtype == TM_F8E4M3)
        return TM_UNSUPPORTED;
    const struct add_norm a = {*out,
                               tensor_or_none(sum),
                               *x,
                               tensor_or_none(residual),
                               kern_scales(out),
                               norm_or_none(norm)};
    LAUNCH(cuda_handle(stream), (unsigned)x->rows, row_threads(x->cols), row_shared(x->cols),
           add_norm_kernel, a);
    return cuda_launched();
}
