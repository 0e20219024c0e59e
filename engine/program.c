/* The interpreter of layer programs: one operation of the backend a step.
 *
 * Called by worker.c on a worker's thread, several at once over one program; everything that
 * changes lies in the batch. build.c makes the steps. */
#include "program.h"

static struct tm_tensor view(const struct program *p, const struct batch *b, int32_t buffer)
{
    const struct buffer *buf = &p->buffers[buffer];
    int64_t rows = buf->per_sequence ? b->n : b->rows;
    return (struct tm_tensor){b->slab + buf->offset, TM_F32, rows, buf->cols, buf->cols, NULL};
}

/* Columns at … at + cols - 1. */
static struct tm_tensor columns(const struct tm_tensor *t, int64_t at, int64_t cols)
{
    return (struct tm_tensor){(float *)t->data + at, TM_F32, t->rows, cols, t->stride, NULL};
}

static enum tm_status run_embed(const struct program *p, const struct step *s,
                                const struct batch *b)
{
    const struct weights *w = p->weights;
    const struct tm_tensor *position = &weights_at(w, SLOT_POSITION, 0)->table;
    const struct tm_tensor *type = &weights_at(w, SLOT_TYPE, 0)->table;
    bool absolute = p->config->position_embedding_type == POSITION_ABSOLUTE;
    struct tm_tensor out = view(p, b, s->out);
    struct tm_embed_args args = {
        .ids = b->ids,
        .positions = b->positions,
        .types = b->types,
        .word = &weights_at(w, SLOT_WORD, 0)->table,
        .position = absolute && position->data != NULL ? position : NULL,
        .type = type->data != NULL ? type : NULL,
        .scale = 1,
        .norm = s->norm,
    };
    return w->backend->ops.embed(b->stream, &out, &args);
}

static enum tm_status run_gemm(const struct program *p, const struct step *s, const struct batch *b)
{
    struct tm_tensor in = view(p, b, s->in), out = view(p, b, s->out);
    struct tm_epilogue epilogue = {s->linear->bias, s->act, NULL};
    return p->weights->backend->ops.gemm(b->stream, &out, &in, s->linear->weight, &epilogue);
}

static enum tm_status run_add_norm(const struct program *p, const struct step *s,
                                   const struct batch *b)
{
    struct tm_tensor in = view(p, b, s->in), out = view(p, b, s->out), other, sum;
    if (s->other >= 0)
        other = view(p, b, s->other);
    if (s->sum >= 0)
        sum = view(p, b, s->sum);
    return p->weights->backend->ops.add_norm(b->stream, &out, s->sum >= 0 ? &sum : NULL, &in,
                                             s->other >= 0 ? &other : NULL, s->norm);
}

static enum tm_status run_rope(const struct program *p, const struct step *s, const struct batch *b)
{
    struct tm_tensor qkv = view(p, b, s->in);
    int32_t width = p->config->hidden_size, heads = p->config->num_attention_heads;
    struct tm_tensor q = columns(&qkv, 0, width), k = columns(&qkv, width, width);
    struct tm_qk_args args = {.heads = heads,
                              .kv_heads = heads,
                              .head_dim = width / heads,
                              .positions = b->positions,
                              .rope = s->rope};
    return p->weights->backend->ops.qk_prep(b->stream, &q, &k, NULL, &args);
}

static enum tm_status run_attention(const struct program *p, const struct step *s,
                                    const struct batch *b)
{
    struct tm_tensor qkv = view(p, b, s->in), out = view(p, b, s->out);
    int32_t width = p->config->hidden_size;
    struct tm_tensor q = columns(&qkv, 0, width), k = columns(&qkv, width, width);
    struct tm_tensor v = columns(&qkv, 2 * (int64_t)width, width);
    return p->weights->backend->ops.attn_varlen(b->stream, &out, &q, &k, &v, b->starts, b->n,
                                                s->attn);
}

static enum tm_status run_pool(const struct program *p, const struct step *s, const struct batch *b)
{
    struct tm_tensor in = view(p, b, s->in), out = view(p, b, s->out);
    struct tm_pool_args args = p->pool;
    args.n = b->n;
    args.starts = p->gathered ? b->count : b->starts;
    args.skip = p->gathered ? NULL : b->skip;
    return p->weights->backend->ops.pool_classify(b->stream, &out, &in, &args);
}

enum tm_status program_run(const struct program *p, const struct batch *b)
{
    const struct tm_ops *ops = &p->weights->backend->ops;
    enum tm_status status = TM_OK;
    for (const struct step *s = p->steps; status == TM_OK && s < p->steps + p->n_steps; s++) {
        struct tm_tensor in, out;
        switch (s->op) {
        case STEP_EMBED:
            status = run_embed(p, s, b);
            break;
        case STEP_GEMM:
            status = run_gemm(p, s, b);
            break;
        case STEP_ADD_NORM:
            status = run_add_norm(p, s, b);
            break;
        case STEP_ROPE:
            status = run_rope(p, s, b);
            break;
        case STEP_ATTENTION:
            status = run_attention(p, s, b);
            break;
        case STEP_POOL:
            status = run_pool(p, s, b);
            break;
        case STEP_GLU:
        case STEP_GATHER:
            in = view(p, b, s->in);
            out = view(p, b, s->out);
            status = s->op == STEP_GLU ? ops->glu(b->stream, &out, &in, s->act)
                                       : ops->gather_rows(b->stream, &out, &in, b->starts);
            break;
        }
    }
    return status;
}

const float *program_out(const struct program *p, const struct batch *b)
{
    return (const float *)(b->slab + p->buffers[p->out].offset);
}
