/* DeBERTa's disentangled attention (He et al., 2021, arXiv 2006.03654), the part that does not
 * depend on the input: buckets of distances and projected relative positions.
 *
 * Called by attention.c while a model is opened. */
#include "relative.h"
#include "tables.h"

#include <stdlib.h>

struct maker {
    const struct config *c;
    struct weights *w;
    struct tm_stream *stream;
    struct tm_arena *arena;
    struct tm_tensor table; /* (2 * span, hidden), normed */
};

static struct tm_tensor tensor_at(float *data, int64_t rows, int64_t cols, int64_t stride)
{
    return (struct tm_tensor){data, TM_F32, rows, cols, stride, NULL};
}

static float *kept_room(struct maker *m, int64_t floats)
{
    return weights_room(m->w, (size_t)floats * sizeof(float));
}

static enum tm_status norm_table(struct maker *m, struct tm_err *err)
{
    const struct tm_norm *norm = &weights_at(m->w, SLOT_RELATIVE_NORM, 0)->norm;
    m->table = weights_at(m->w, SLOT_RELATIVE, 0)->table;
    if (norm->kind == TM_NORM_NONE)
        return TM_OK;
    struct tm_tensor x = m->table;
    m->table.data = kept_room(m, x.rows * x.cols);
    return m->table.data == NULL
               ? tm_err_set(err, TM_NOMEM, "relative positions")
               : m->w->backend->ops.add_norm(m->stream, &m->table, NULL, &x, NULL, norm);
}

/* The table through a layer's own projection, or where layers share their keys' and queries' with
 * it, through columns at … of the fused one. */
static enum tm_status project(struct maker *m, enum slot slot, int32_t layer, int64_t at,
                              const struct tm_tensor **ret, struct tm_err *err)
{
    const struct tm_ops *ops = &m->w->backend->ops;
    const struct tm_device_ops *dev = &m->w->backend->dev;
    const struct linear *own = &weights_at(m->w, slot, layer)->linear;
    const struct linear *lin =
        own->weight != NULL ? own : &weights_at(m->w, SLOT_QKV, layer)->linear;
    int64_t rows = m->table.rows, cols = m->c->hidden_size;
    struct tm_epilogue epilogue = {.bias = lin->bias};
    float *kept = kept_room(m, rows * cols);
    struct tm_tensor *out = tm_arena_array(m->arena, 1, sizeof *out);
    if (kept == NULL || out == NULL)
        return tm_err_set(err, TM_NOMEM, "relative positions");
    *out = tensor_at(kept, rows, cols, cols);
    *ret = out;
    if (lin == own)
        return ops->gemm(m->stream, out, &m->table, lin->weight, &epilogue);
    float *fused = dev->alloc(m->w->backend, (size_t)(rows * lin->rows) * sizeof *fused);
    if (fused == NULL)
        return tm_err_set(err, TM_NOMEM, "relative positions");
    struct tm_tensor all = tensor_at(fused, rows, lin->rows, lin->rows);
    struct tm_tensor part = tensor_at(fused + at, rows, cols, lin->rows);
    enum tm_status s = ops->gemm(m->stream, &all, &m->table, lin->weight, &epilogue);
    if (s == TM_OK)
        s = ops->convert(m->stream, out, &part);
    dev->free(m->w->backend, fused);
    return s;
}

static const int32_t *make_buckets(struct maker *m, int32_t reach)
{
    size_t bytes = (2 * (size_t)reach + 1) * sizeof(int32_t);
    int32_t *host = malloc(bytes);
    if (host == NULL)
        return NULL;
    int32_t span = config_span(m->c);
    int32_t most = m->c->max_relative_positions > 0 ? m->c->max_relative_positions
                                                    : m->c->max_position_embeddings;
    tables_log_buckets(host, reach, m->c->position_buckets, most, span);
    const int32_t *kept = weights_keep(m->w, m->stream, host, bytes);
    free(host);
    return kept;
}

enum tm_status relative_make(const struct config *c, struct weights *w, struct tm_stream *stream,
                             int32_t max_length, struct tm_arena *arena, struct tm_attn_bias *ret,
                             struct tm_err *err)
{
    struct maker m = {c, w, stream, arena};
    if (weights_at(w, SLOT_RELATIVE, 0)->table.data == NULL)
        return TM_OK;
    int32_t reach = TM_MAX(max_length - 1, 1);
    const int32_t *buckets = make_buckets(&m, reach);
    enum tm_status s =
        buckets != NULL ? norm_table(&m, err) : tm_err_set(err, TM_NOMEM, "relative positions");
    for (int32_t i = 0; s == TM_OK && i < w->layers; i++) {
        ret[i] = (struct tm_attn_bias){.kind = TM_BIAS_DEBERTA, .bucket = buckets, .reach = reach};
        if ((c->pos_att_type & POS_ATT_C2P) != 0)
            s = project(&m, SLOT_POS_KEY, i, c->hidden_size, &ret[i].pos_k, err);
        if (s == TM_OK && (c->pos_att_type & POS_ATT_P2C) != 0)
            s = project(&m, SLOT_POS_QUERY, i, 0, &ret[i].pos_q, err);
    }
    return s;
}
