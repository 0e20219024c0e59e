/* embed: a block a row gathers the three tables' rows, 16 bytes at a time, and norms the sum. */
#include "device.h"

struct embed {
    struct tm_tensor out, word, position, type;
    const int32_t *ids, *positions, *types;
    float scale;
    struct tm_norm norm;
};

static __global__ void embed_kernel(struct embed e)
{
    SHARED_MEMORY(shared);
    const struct row row = row_at(shared, e.out.cols);
    const int64_t r = blockIdx.x;
    FOR_WIDE(c, row.cols)
    {
        float sum[WIDE], more[WIDE];
        get_wide(e.word, e.ids[r], c, sum);
        for (int i = 0; i < WIDE; i++)
            sum[i] *= e.scale;
        if (e.position.data != NULL && e.positions != NULL) {
            get_wide(e.position, e.positions[r], c, more);
            for (int i = 0; i < WIDE; i++)
                sum[i] += more[i];
        }
        if (e.type.data != NULL) {
            get_wide(e.type, e.types != NULL ? e.types[r] : 0, c, more);
            for (int i = 0; i < WIDE; i++)
                sum[i] += more[i];
        }
        for (int i = 0; i < WIDE; i++)
            row.v[c + i] = sum[i];
    }
    row_norm(row, e.norm);
    FOR_WIDE(c, row.cols)
    put_wide(e.out, r, c, row.v + c);
}

enum tm_status cuda_embed(struct tm_stream *stream, struct tm_tensor *out,
                          const struct tm_embed_args *args)
{
    if (out->rows == 0 || out->cols == 0)
        return TM_OK;
    if (out->cols > ROW_MOST)
        return TM_UNSUPPORTED;
    const struct embed e = {*out,
                            *args->word,
                            tensor_or_none(args->position),
                            tensor_or_none(args->type),
                            args->ids,
                            args->positions,
                            args->types,
                            args->scale,
                            norm_or_none(args->norm)};
    LAUNCH(cuda_handle(stream), (unsigned)out->rows, row_threads(out->cols), row_shared(out->cols),
           embed_kernel, e);
    return cuda_launched();
}
