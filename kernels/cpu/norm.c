/* add_norm and embed: rows gathered into out, then normalised in place while they are in L1.
 * Two passes in float32; sums run in four vectors that are added in one fixed order. */
#include "quantize.h"
#include "simd.h"

/* Sum over the row of x, or of (x - mean)^2. */
SIMD_INLINE float row_sum(const float *row, int64_t n, vf mean, const bool square)
{
    vf acc[4] = {v_zero(), v_zero(), v_zero(), v_zero()};
    int64_t i = 0;
    for (; i + 4 * VL <= n; i += 4 * VL) {
        SIMD_EACH(v, 4)
        {
            vf x = v_sub(v_load(row + i + v * VL), mean);
            acc[v] = square ? v_fma(x, x, acc[v]) : v_add(acc[v], x);
        }
    }
    for (; i < n; i += VL) {
        int64_t left = TM_MIN(VL, n - i);
        vf x = v_head(v_sub(v_loadn(row + i, left), mean), left, v_zero());
        acc[0] = square ? v_fma(x, x, acc[0]) : v_add(acc[0], x);
    }
    return v_sum(v_add(v_add(acc[0], acc[1]), v_add(acc[2], acc[3])));
}

void SIMD(norm_row)(float *out, const float *row, int64_t n, const struct tm_norm *norm)
{
    vf mean = v_zero();
    const float *weight = norm->weight, *bias = norm->kind == TM_NORM_LAYER ? norm->bias : NULL;
    if (n == 0)
        return;
    if (norm->kind == TM_NORM_LAYER)
        mean = v_set1(row_sum(row, n, v_zero(), false) / (float)n);
    float square = row_sum(row, n, mean, true) / (float)n + norm->eps;
    vf inv = v_div(v_set1(1.0f), v_sqrt(v_set1(square)));
    for (int64_t i = 0; i < n; i += VL) {
        int64_t left = TM_MIN(VL, n - i);
        vf x = v_mul(v_sub(v_loadn(row + i, left), mean), inv);
        if (weight != NULL)
            x = v_mul(x, v_loadn(weight + i, left));
        if (bias != NULL)
            x = v_add(x, v_loadn(bias + i, left));
        v_storen(out + i, left, x);
    }
}

static void normalise(float *row, int64_t n, const struct tm_norm *norm)
{
    if (norm != NULL && norm->kind != TM_NORM_NONE)
        SIMD(norm_row)(row, row, n, norm);
}

enum tm_status SIMD(add_norm)(struct tm_stream *stream, struct tm_tensor *out,
                              struct tm_tensor *sum, const struct tm_tensor *x,
                              const struct tm_tensor *residual, const struct tm_norm *norm)
{
    const bool quantised = out->dtype == TM_I8;
    if ((out->dtype != TM_F32 && !quantised) || x->dtype != TM_F32 ||
        (sum != NULL && sum->dtype != TM_F32) || (residual != NULL && residual->dtype != TM_F32))
        return TM_UNSUPPORTED;
    size_t mark = stream->used;
    float *row = quantised ? kern_scratch(stream, (size_t)x->cols * sizeof *row) : NULL;
    for (int64_t r = 0; r < x->rows; r++) {
        const float *a = kern_row(x, r), *b = residual != NULL ? kern_row(residual, r) : NULL;
        float *to = quantised ? row : kern_row(out, r);
        float *keep = sum != NULL ? kern_row(sum, r) : NULL;
        for (int64_t i = 0; i < x->cols; i += VL) {
            int64_t left = TM_MIN(VL, x->cols - i);
            vf v = v_loadn(a + i, left);
            if (b != NULL)
                v = v_add(v, v_loadn(b + i, left));
            if (keep != NULL)
                v_storen(keep + i, left, v);
            v_storen(to + i, left, v);
        }
        normalise(to, x->cols, norm);
        if (quantised)
            kern_scales(out)[r] =
                simd_quantize_row((int8_t *)out->data + r * out->stride, row, x->cols);
    }
    stream->used = mark;
    return TM_OK;
}

static const float *table_row(const struct tm_tensor *table, const int32_t *index, int64_t r)
{
    return table == NULL ? NULL : kern_row(table, index != NULL ? index[r] : 0);
}

enum tm_status SIMD(embed)(struct tm_stream *stream, struct tm_tensor *out,
                           const struct tm_embed_args *args)
{
    const struct tm_tensor *position = args->positions != NULL ? args->position : NULL;
    if (out->dtype != TM_F32)
        return TM_UNSUPPORTED;
    if (args->word->dtype != TM_F32 || (position != NULL && position->dtype != TM_F32) ||
        (args->type != NULL && args->type->dtype != TM_F32))
        return kern_ref_ops.embed(stream, out, args); /* 16-bit tables: rare, and bound by memory */
    vf scale = v_set1(args->scale);
    for (int64_t r = 0; r < out->rows; r++) {
        tm_dassert(args->ids[r] >= 0 && args->ids[r] < args->word->rows);
        const float *word = kern_row(args->word, args->ids[r]);
        const float *at = table_row(position, args->positions, r);
        const float *type = table_row(args->type, args->types, r);
        float *to = kern_row(out, r);
        for (int64_t i = 0; i < out->cols; i += VL) {
            int64_t left = TM_MIN(VL, out->cols - i);
            vf v = v_mul(v_loadn(word + i, left), scale);
            if (at != NULL)
                v = v_add(v, v_loadn(at + i, left));
            if (type != NULL)
                v = v_add(v, v_loadn(type + i, left));
            v_storen(to + i, left, v);
        }
        normalise(to, out->cols, args->norm);
    }
    return TM_OK;
}
