/* The interpreter of layer programs: one operation of the backend a step.
 *
 * Called by worker.c and decode.c on a worker's thread, several at once over one program;
 * everything that changes lies in the batch. build.c makes the steps. */
#include "program.h"

#include <time.h>

/* ---- where time goes ---- */

/* Of this thread: what else runs on the machine does not count. */
double spent_now(const struct batch *batch)
{
    struct timespec t = {0};
    if (batch->spent != NULL)
        (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

void spent_add(const struct batch *batch, enum tm_spent on, double since)
{
    if (batch->spent != NULL)
        batch->spent->seconds[on] += spent_now(batch) - since;
}

static const enum tm_spent spent_on[] = {
    [STEP_EMBED] = TM_SPENT_OTHER,      [STEP_GEMM] = TM_SPENT_MATRICES,
    [STEP_ADD_NORM] = TM_SPENT_NORMS,   [STEP_GLU] = TM_SPENT_OTHER,
    [STEP_QK] = TM_SPENT_ATTENTION,     [STEP_ATTENTION] = TM_SPENT_ATTENTION,
    [STEP_CACHED] = TM_SPENT_ATTENTION, [STEP_GATHER] = TM_SPENT_OTHER,
    [STEP_TAPS] = TM_SPENT_OTHER,       [STEP_POOL] = TM_SPENT_OTHER,
};

/* ---- steps ---- */

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
    const struct embed *e = s->embed;
    struct tm_tensor out = view(p, b, s->out);
    struct tm_embed_args args = {
        .ids = e->decoder ? b->decoder_ids : b->ids,
        .positions = e->decoder ? b->decoder_positions : b->positions,
        .types = b->types,
        .word = e->word,
        .position = e->position,
        .type = e->type,
        .scale = e->scale,
        .norm = e->norm,
    };
    return p->weights->backend->ops.embed(b->stream, &out, &args);
}

static enum tm_status run_gemm(const struct program *p, const struct step *s, const struct batch *b)
{
    struct tm_tensor in = view(p, b, s->in), out = view(p, b, s->out);
    struct tm_epilogue epilogue = {s->linear->bias, s->act, NULL};
    if (b->spent != NULL)
        b->spent->operations += 2.0 * (double)in.rows * (double)in.cols * (double)out.cols;
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

/* Queries, keys and values of a step's buffers. */
struct qkv {
    struct tm_tensor q, k, v;
};

static struct qkv split(const struct program *p, const struct step *s, const struct batch *b)
{
    const struct tm_attn_args *a = &s->attn->args;
    int64_t width = (int64_t)a->heads * a->head_dim, kv = (int64_t)a->kv_heads * a->head_dim;
    int64_t at = s->in == s->other ? width : 0;
    struct qkv x = {.q = {.data = NULL}};
    if (s->in >= 0) {
        struct tm_tensor in = view(p, b, s->in);
        x.q = columns(&in, 0, width);
    }
    if (s->other >= 0) {
        struct tm_tensor other = view(p, b, s->other);
        x.k = columns(&other, at, kv);
        x.v = columns(&other, at + kv, kv);
    }
    return x;
}

static enum tm_status run_qk(const struct program *p, const struct step *s, const struct batch *b)
{
    struct qkv x = split(p, s, b);
    struct tm_qk_args args = {
        .heads = s->attn->args.heads,
        .kv_heads = s->attn->args.kv_heads,
        .head_dim = s->attn->args.head_dim,
        .positions = b->positions,
        .rope = s->attn->rope,
        .q_norm = s->attn->q_norm,
        .k_norm = s->attn->k_norm,
        .append = !s->append       ? NULL
                  : s->attn->cross ? b->cross
                                   : b->self,
        .append_rows = b->append_rows,
        .append_positions = b->append_positions,
        .layer = s->attn->layer,
    };
    return p->weights->backend->ops.qk_prep(b->stream, s->in >= 0 ? &x.q : NULL, &x.k, &x.v, &args);
}

static enum tm_status run_attention(const struct program *p, const struct step *s,
                                    const struct batch *b)
{
    struct tm_tensor out = view(p, b, s->out);
    struct qkv x = split(p, s, b);
    return p->weights->backend->ops.attn_varlen(b->stream, &out, &x.q, &x.k, &x.v, b->starts, b->n,
                                                &s->attn->args);
}

static enum tm_status run_cached(const struct program *p, const struct step *s,
                                 const struct batch *b)
{
    struct tm_tensor out = view(p, b, s->out);
    struct qkv x = split(p, s, b);
    struct tm_cached_args args = {
        .attn = s->attn->args,
        .cache = s->attn->cross ? b->cross : b->self,
        .step = b->step,
        .layer = s->attn->layer,
    };
    return p->weights->backend->ops.attn_cached(b->stream, &out, &x.q, &args);
}

static enum tm_status run_taps(const struct program *p, const struct step *s, const struct batch *b)
{
    struct tm_tensor in = view(p, b, s->in), out = view(p, b, s->out);
    enum tm_status status = TM_OK;
    for (int32_t t = 0; status == TM_OK && t < s->taps; t++) {
        struct tm_tensor part = columns(&out, t * in.cols, in.cols);
        status = p->weights->backend->ops.gather_rows(b->stream, &part, &in,
                                                      b->taps + (int64_t)t * b->rows);
    }
    return status;
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
        double since = spent_now(b);
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
        case STEP_QK:
            status = run_qk(p, s, b);
            break;
        case STEP_ATTENTION:
            status = run_attention(p, s, b);
            break;
        case STEP_CACHED:
            status = run_cached(p, s, b);
            break;
        case STEP_TAPS:
            status = run_taps(p, s, b);
            break;
        case STEP_POOL:
            status = run_pool(p, s, b);
            break;
        case STEP_GLU:
        case STEP_GATHER:
            in = view(p, b, s->in);
            out = view(p, b, s->out);
            status = s->op == STEP_GLU ? ops->glu(b->stream, &out, &in, s->act)
                                       : ops->gather_rows(b->stream, &out, &in, b->gather);
            break;
        }
        spent_add(b, spent_on[s->op], since);
    }
    return status;
}

const float *program_out(const struct program *p, const struct batch *b)
{
    return (const float *)(b->slab + p->buffers[p->out].offset);
}
