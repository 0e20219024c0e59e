/* embed: the sum of a row of each table, the word's row scaled first, then a norm. */
#include "ref.h"

enum tm_status ref_embed(struct tm_stream *stream, struct tm_tensor *out,
                         const struct tm_embed_args *args)
{
    size_t mark = stream->used;
    float *row = kern_scratch(stream, (size_t)out->cols * sizeof *row);
    for (int64_t r = 0; r < out->rows; r++) {
        tm_dassert(args->ids[r] >= 0 && args->ids[r] < args->word->rows);
        for (int64_t c = 0; c < out->cols; c++) {
            float v = kern_get(args->word, args->ids[r], c) * args->scale;
            if (args->position != NULL && args->positions != NULL)
                v += kern_get(args->position, args->positions[r], c);
            if (args->type != NULL)
                v += kern_get(args->type, args->types != NULL ? args->types[r] : 0, c);
            row[c] = v;
        }
        ref_norm(row, out->cols, args->norm);
        for (int64_t c = 0; c < out->cols; c++)
            kern_put(out, r, c, row[c]);
    }
    stream->used = mark;
    return TM_OK;
}
