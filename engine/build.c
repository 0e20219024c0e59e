/* Makes a layer program from a family's row: the only place that knows how layers are put together.
 *
 * Called by model.c while a model is opened. Each emit_ function appends one step, notes which
 * buffers live on, and returns the number of the buffer it writes. */
#include "program.h"
#include "tables.h"

#include <math.h>
#include <stdlib.h>

struct builder {
    struct program *p;
    const struct config *c;
    const struct modules *modules;
    struct weights *w;
    bool first_only; /* only the first row of a sequence is looked at after the layers */
};

/* ---- emitting ---- */

static int32_t new_buffer(struct builder *b, int32_t cols, bool per_sequence)
{
    struct program *p = b->p;
    p->buffers[p->n_buffers] = (struct buffer){
        .cols = cols, .per_sequence = per_sequence, .first = p->n_steps, .last = p->n_steps};
    return p->n_buffers++;
}

static void emit(struct builder *b, const struct step *s)
{
    struct program *p = b->p;
    const int32_t read[] = {s->in, s->other};
    for (size_t i = 0; i < TM_COUNTOF(read); i++)
        if (read[i] >= 0)
            p->buffers[read[i]].last = p->n_steps;
    p->steps[p->n_steps++] = *s;
}

static int32_t emit_gemm(struct builder *b, int32_t in, enum slot slot, int32_t layer,
                         enum tm_act act)
{
    const struct linear *lin = &weights_at(b->w, slot, layer)->linear;
    int32_t out = new_buffer(b, lin->rows, b->p->buffers[in].per_sequence);
    emit(b, &(struct step){STEP_GEMM, in, -1, out, -1, .linear = lin, .act = act});
    return out;
}

/* norm(in + other); *ret_sum (or NULL) is the sum itself. */
static int32_t emit_add_norm(struct builder *b, int32_t in, int32_t other, enum slot slot,
                             int32_t layer, int32_t *ret_sum)
{
    const struct buffer *buf = &b->p->buffers[in];
    int32_t cols = buf->cols;
    bool per_sequence = buf->per_sequence;
    int32_t out = new_buffer(b, cols, per_sequence);
    int32_t sum = ret_sum != NULL ? new_buffer(b, cols, per_sequence) : -1;
    emit(b, &(struct step){STEP_ADD_NORM, in, other, out, sum,
                           .norm = &weights_at(b->w, slot, layer)->norm});
    if (ret_sum != NULL)
        *ret_sum = sum;
    return out;
}

static int32_t emit_glu(struct builder *b, int32_t in)
{
    int32_t out = new_buffer(b, b->p->buffers[in].cols / 2, b->p->buffers[in].per_sequence);
    emit(b, &(struct step){STEP_GLU, in, -1, out, -1, .act = b->c->hidden_act});
    return out;
}

static int32_t emit_gather(struct builder *b, int32_t in)
{
    int32_t out = new_buffer(b, b->p->buffers[in].cols, true);
    emit(b, &(struct step){STEP_GATHER, in, -1, out, -1});
    return out;
}

/* ---- attention ---- */

static bool is_local(const struct config *c, int32_t layer)
{
    return c->family->rope && layer % c->global_attn_every_n_layers != 0;
}

static int32_t emit_attention(struct builder *b, int32_t x, int32_t layer)
{
    int32_t qkv = emit_gemm(b, x, SLOT_QKV, layer, TM_ACT_NONE);
    if (b->c->family->rope)
        emit(b, &(struct step){STEP_ROPE, qkv, -1, -1, -1,
                               .rope = &b->p->rope[is_local(b->c, layer)]});
    int32_t out = new_buffer(b, b->c->hidden_size, false);
    emit(b, &(struct step){STEP_ATTENTION, qkv, -1, out, -1, .attn = &b->p->attn[layer]});
    return out;
}

static struct tm_attn_bias attention_bias(const struct builder *b, const int32_t *buckets,
                                          int32_t layer)
{
    const struct tm_tensor *relative = &weights_at(b->w, SLOT_RELATIVE_BIAS, 0)->table;
    const struct tm_tensor *distance = &weights_at(b->w, SLOT_DISTANCE, layer)->table;
    if (relative->data != NULL)
        return (struct tm_attn_bias){
            .kind = TM_BIAS_T5, .table = relative->data, .bucket = buckets, .reach = BUCKET_REACH};
    if (distance->data != NULL)
        return (struct tm_attn_bias){
            .kind = TM_BIAS_RELATIVE_KEY,
            .reach = b->c->max_position_embeddings - 1,
            .pos_k = distance,
            .pos_q =
                b->c->position_embedding_type == POSITION_RELATIVE_KEY_QUERY ? distance : NULL};
    return (struct tm_attn_bias){.kind = TM_BIAS_NONE};
}

static enum tm_status make_attention(struct builder *b, struct tm_stream *stream,
                                     struct tm_err *err)
{
    const struct config *c = b->c;
    int32_t width = c->hidden_size / c->num_attention_heads;
    const int32_t *buckets = NULL;
    if (weights_at(b->w, SLOT_RELATIVE_BIAS, 0)->table.data != NULL) {
        int32_t host[2 * BUCKET_REACH + 1];
        if (c->relative_attention_num_buckets < BUCKET_COUNT)
            return tm_err_set(err, TM_MODEL,
                              "relative_attention_num_buckets is %d, the class uses %d",
                              c->relative_attention_num_buckets, BUCKET_COUNT);
        tables_buckets(host);
        buckets = weights_keep(b->w, stream, host, sizeof host);
        if (buckets == NULL)
            return tm_err_set(err, TM_NOMEM, "buckets");
    }
    for (int32_t i = 0; i < c->num_hidden_layers; i++)
        b->p->attn[i] = (struct tm_attn_args){.heads = c->num_attention_heads,
                                              .kv_heads = c->num_attention_heads,
                                              .head_dim = width,
                                              .scale = (float)(1 / sqrt(width)),
                                              .window = is_local(c, i) ? c->local_attention / 2 : 0,
                                              .bias = attention_bias(b, buckets, i)};
    return TM_OK;
}

static enum tm_status make_rope(struct builder *b, struct tm_stream *stream, int32_t positions,
                                struct tm_err *err)
{
    int32_t dims = b->c->hidden_size / b->c->num_attention_heads;
    size_t half = (size_t)positions * (size_t)dims / 2;
    float *host = malloc(2 * half * sizeof *host);
    for (int local = 0; host != NULL && local < 2; local++) {
        tables_rope(host, host + half, positions, dims,
                    local != 0 ? b->c->local_rope_theta : b->c->global_rope_theta);
        const float *kept = weights_keep(b->w, stream, host, 2 * half * sizeof *host);
        if (kept == NULL) {
            free(host);
            host = NULL;
            break;
        }
        b->p->rope[local] = (struct tm_rope){kept, kept + half, dims};
    }
    if (host == NULL)
        return tm_err_set(err, TM_NOMEM, "rotary positions");
    free(host);
    return TM_OK;
}

/* ---- layers ---- */

/* Norm behind each residual sum (BERT and its kin). */
static int32_t post_norm_layer(struct builder *b, int32_t x, int32_t layer, bool last)
{
    int32_t context = emit_attention(b, x, layer);
    if (last && b->first_only) {
        context = emit_gather(b, context);
        x = emit_gather(b, x);
    }
    int32_t y = emit_gemm(b, context, SLOT_ATTN_OUT, layer, TM_ACT_NONE);
    x = emit_add_norm(b, y, x, SLOT_ATTN_NORM, layer, NULL);
    y = emit_gemm(b, x, SLOT_UP, layer, b->c->hidden_act);
    y = emit_gemm(b, y, SLOT_DOWN, layer, TM_ACT_NONE);
    return emit_add_norm(b, y, x, SLOT_FFN_NORM, layer, NULL);
}

/* Norm before each branch. *x is the residual stream; the last branch's result is added to it
 * together with the next norm, so that it is returned and not yet added. */
static int32_t pre_norm_layer(struct builder *b, int32_t *x, int32_t branch, int32_t layer,
                              bool last)
{
    int32_t h = *x;
    if (branch >= 0)
        h = emit_add_norm(b, branch, *x, SLOT_ATTN_NORM, layer, x);
    else if (weights_at(b->w, SLOT_ATTN_NORM, layer)->norm.kind != TM_NORM_NONE)
        h = emit_add_norm(b, *x, -1, SLOT_ATTN_NORM, layer, NULL);
    int32_t context = emit_attention(b, h, layer);
    if (last && b->first_only) {
        context = emit_gather(b, context);
        *x = emit_gather(b, *x);
    }
    int32_t y = emit_gemm(b, context, SLOT_ATTN_OUT, layer, TM_ACT_NONE);
    h = emit_add_norm(b, y, *x, SLOT_FFN_NORM, layer, x);
    y = b->c->family->gated ? emit_glu(b, emit_gemm(b, h, SLOT_UP, layer, TM_ACT_NONE))
                            : emit_gemm(b, h, SLOT_UP, layer, b->c->hidden_act);
    return emit_gemm(b, y, SLOT_DOWN, layer, TM_ACT_NONE);
}

static int32_t emit_layers(struct builder *b)
{
    int32_t n = b->c->num_hidden_layers, branch = -1;
    int32_t x = new_buffer(b, b->c->hidden_size, false);
    emit(b, &(struct step){STEP_EMBED, -1, -1, x, -1,
                           .norm = &weights_at(b->w, SLOT_EMBED_NORM, 0)->norm});
    for (int32_t i = 0; i < n; i++) {
        if (b->c->family->pre_norm)
            branch = pre_norm_layer(b, &x, branch, i, i == n - 1);
        else
            x = post_norm_layer(b, x, i, i == n - 1);
    }
    return b->c->family->pre_norm ? emit_add_norm(b, branch, x, SLOT_FINAL_NORM, 0, NULL) : x;
}

/* ---- heads ---- */

static enum tm_act head_act(const struct builder *b, const struct head_row *head, int i)
{
    if (b->c->head == TM_HEAD_EMBEDDING)
        return b->modules->dense[i].act;
    return head->act[i] == ACT_CLASSIFIER ? b->c->classifier_activation : head->act[i];
}

static int head_layers(const struct builder *b)
{
    int n = 0;
    while (n < MODULES_DENSE && weights_at(b->w, SLOT_HEAD_0 + (enum slot)n, 0)->linear.weight)
        n++;
    return n;
}

static const struct tm_norm *head_norm(const struct builder *b, int i)
{
    const struct tm_norm *norm = &weights_at(b->w, SLOT_HEAD_NORM_0, 0)->norm;
    return i == 0 && norm->kind != TM_NORM_NONE ? norm : NULL;
}

/* One vector a sequence. */
static void emit_pooled(struct builder *b, int32_t x, const struct head_row *head)
{
    struct program *p = b->p;
    int32_t width = p->buffers[x].cols;
    p->pool.n_dense = head_layers(b);
    for (int i = 0; i < p->pool.n_dense; i++) {
        const struct linear *lin = &weights_at(b->w, SLOT_HEAD_0 + (enum slot)i, 0)->linear;
        p->pool.dense[i] =
            (struct tm_dense){lin->weight, lin->bias, head_act(b, head, i), head_norm(b, i)};
        width = lin->rows;
    }
    p->out = new_buffer(b, width, true);
    emit(b, &(struct step){STEP_POOL, x, -1, p->out, -1});
}

/* One vector a token. */
static void emit_tokens(struct builder *b, int32_t x, const struct head_row *head)
{
    int n = head_layers(b);
    for (int i = 0; i < n; i++) {
        x = emit_gemm(b, x, SLOT_HEAD_0 + (enum slot)i, 0, head_act(b, head, i));
        if (head_norm(b, i) != NULL)
            x = emit_add_norm(b, x, -1, SLOT_HEAD_NORM_0, 0, NULL);
    }
    b->p->out = x;
}

static void set_pooling(struct builder *b)
{
    struct tm_pool_args *pool = &b->p->pool;
    if (b->c->head == TM_HEAD_EMBEDDING) {
        pool->kind = (__typeof__(pool->kind))b->modules->pool;
        pool->normalize = b->modules->normalize;
    } else if (b->c->classifier_mean) {
        pool->kind = TM_POOL_MEAN;
    } else {
        pool->kind = TM_POOL_FIRST;
    }
}

static enum tm_status check_ops(const struct builder *b, struct tm_err *err)
{
    const struct tm_ops *ops = &b->w->backend->ops;
    bool has = ops->embed != NULL && ops->gemm != NULL && ops->add_norm != NULL &&
               ops->attn_varlen != NULL && ops->pool_classify != NULL && ops->gather_rows != NULL &&
               (!b->c->family->gated || ops->glu != NULL) &&
               (!b->c->family->rope || ops->qk_prep != NULL);
    return has ? TM_OK
               : tm_err_set(err, TM_UNSUPPORTED, "backend %s does not run %s models",
                            b->w->backend->name, b->c->family->model_type);
}

static enum tm_status build(struct builder *b, int32_t max_length, struct tm_err *err)
{
    struct tm_stream *stream = NULL;
    struct tm_backend *backend = b->w->backend;
    enum tm_status s = check_ops(b, err);
    if (s == TM_OK)
        s = backend->dev.stream_create(backend, 0, &stream, err);
    if (s != TM_OK)
        return s;
    s = make_attention(b, stream, err);
    if (s == TM_OK && b->c->family->rope)
        s = make_rope(b, stream, max_length, err);
    backend->dev.stream_destroy(stream);
    return s;
}

enum tm_status program_build(const struct config *c, const struct modules *modules,
                             struct weights *w, int32_t max_length, struct tm_arena *arena,
                             struct program *ret_program, struct tm_err *err)
{
    struct program *p = ret_program;
    struct builder b = {p, c, modules, w, false};
    size_t most = 16 + 16 * (size_t)c->num_hidden_layers; /* steps, and buffers, of all layers */
    tm_assert(most <= PLAN_BUFFERS);
    *p = (struct program){.config = c, .weights = w};
    p->steps = tm_arena_array(arena, most, sizeof *p->steps);
    p->buffers = tm_arena_array(arena, most, sizeof *p->buffers);
    p->attn = tm_arena_array(arena, (size_t)c->num_hidden_layers, sizeof *p->attn);
    if (p->steps == NULL || p->buffers == NULL || p->attn == NULL)
        return tm_err_set(err, TM_NOMEM, "layer program");
    enum tm_status s = build(&b, max_length, err);
    if (s != TM_OK)
        return s;
    set_pooling(&b);
    p->per_sequence = c->head == TM_HEAD_EMBEDDING || c->head == TM_HEAD_SEQUENCE;
    b.first_only = p->gathered = p->per_sequence && p->pool.kind == TM_POOL_FIRST;
    int32_t x = emit_layers(&b);
    const struct head_row *head = family_head(c->family, c->head);
    if (p->per_sequence)
        emit_pooled(&b, x, head);
    else
        emit_tokens(&b, x, head);
    p->out_cols = p->buffers[p->out].cols;
    p->buffers[p->out].last = p->n_steps; /* read after the last step */
    return TM_OK;
}
