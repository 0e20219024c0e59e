/* Layer norm and RMS norm of one row, in place; and the operation add_norm.
 * Two passes, sums in double: the mean first, then the squares of what is left. */
#include "ref.h"

#include <math.h>

void ref_norm(float *row, int64_t n, const struct tm_norm *norm)
{
    double mean = 0, square = 0;
    if (norm == NULL || norm->kind == TM_NORM_NONE || n == 0)
        return;
    if (norm->kind == TM_NORM_LAYER) {
        for (int64_t i = 0; i < n; i++)
            mean += row[i];
        mean /= (double)n;
    }
    for (int64_t i = 0; i < n; i++)
        square += (row[i] - mean) * (row[i] - mean);
    double inv = 1 / sqrt(square / (double)n + (double)norm->eps);
    for (int64_t i = 0; i < n; i++) {
        double v = (row[i] - mean) * inv;
        if (norm->weight != NULL)
            v *= norm->weight[i];
        if (norm->bias != NULL && norm->kind == TM_NORM_LAYER)
            v += norm->bias[i];
        row[i] = (float)v;
    }
}

/* The row is gathered in scratch first, so that out and sum may be x or residual. */
enum tm_status ref_add_norm(struct tm_stream *stream, struct tm_tensor *out, struct tm_tensor *sum,
                            const struct tm_tensor *x, const struct tm_tensor *residual,
                            const struct tm_norm *norm)
{
    size_t mark = stream->used;
    float *row = kern_scratch(stream, (size_t)x->cols * sizeof *row);
    for (int64_t r = 0; r < x->rows; r++) {
        for (int64_t c = 0; c < x->cols; c++)
            row[c] = kern_get(x, r, c) + (residual != NULL ? kern_get(residual, r, c) : 0);
        for (int64_t c = 0; sum != NULL && c < x->cols; c++)
            kern_put(sum, r, c, row[c]);
        ref_norm(row, x->cols, norm);
        if (out->dtype == TM_I8)
            kern_scales(out)[r] =
                kern_quantize_row((int8_t *)out->data + r * out->stride, row, x->cols);
        for (int64_t c = 0; out->dtype != TM_I8 && c < x->cols; c++)
            kern_put(out, r, c, row[c]);
    }
    stream->used = mark;
    return TM_OK;
}
