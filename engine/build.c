/* Makes layer programs from a family's row: the only place that knows how layers are put together.
 *
 * Called by model.c while a model is opened. */
#include "builder.h"

#include <math.h>

/* ---- layers ---- */

/* The residual stream. Where norms come first, a branch's result is added together with the next
 * norm: until then it waits. */
struct flow {
    int32_t x, branch; /* -1: nothing waits */
};

/* What a branch reads. */
static int32_t begin(struct builder *b, struct flow *f, enum slot norm, int32_t layer)
{
    if (!b->c->family->pre_norm)
        return f->x;
    if (f->branch < 0)
        return weights_at(b->w, norm, layer)->norm.kind == TM_NORM_NONE
                   ? f->x
                   : emit_add_norm(b, f->x, -1, norm, layer, NULL);
    int32_t branch = f->branch;
    f->branch = -1;
    return emit_add_norm(b, branch, f->x, norm, layer, &f->x);
}

static void end(struct builder *b, struct flow *f, int32_t y, enum slot norm, int32_t layer)
{
    if (b->c->family->pre_norm)
        f->branch = y;
    else
        f->x = emit_add_norm(b, y, f->x, norm, layer, NULL);
}

/* From here on one row of each sequence is enough. */
static int32_t narrow(struct builder *b, struct flow *f, int32_t context)
{
    f->x = emit_gather(b, f->x);
    return emit_gather(b, context);
}

/* A layer's attention to its own side; -1 when its K/V were all that was wanted. */
static int32_t self_attention(struct builder *b, int32_t h, int32_t layer, enum mode mode,
                              bool last)
{
    const struct attention *a = &b->all->self[layer];
    int32_t qkv = emit_gemm(b, h, SLOT_QKV, layer, TM_ACT_NONE);
    bool append = mode != MODE_WHOLE;
    if (append || a->rope != NULL || a->q_norm != NULL || a->k_norm != NULL)
        emit_qk(b, qkv, qkv, a, append);
    if (mode == MODE_PROMPT && last)
        return -1;
    return mode == MODE_STEP ? emit_cached(b, qkv, a) : emit_attention(b, qkv, qkv, a);
}

static int32_t cross_attention(struct builder *b, int32_t h, int32_t encoded, int32_t layer,
                               const struct attention *a)
{
    int32_t q = emit_gemm(b, h, SLOT_CROSS_Q, layer, TM_ACT_NONE);
    if (encoded < 0)
        return emit_cached(b, q, a);
    return emit_attention(b, q, emit_gemm(b, encoded, SLOT_CROSS_KV, layer, TM_ACT_NONE), a);
}

/* Gemma's norm over what a branch gives. */
static int32_t post_norm(struct builder *b, int32_t y, enum slot norm, int32_t layer)
{
    return weights_at(b->w, norm, layer)->norm.kind == TM_NORM_NONE
               ? y
               : emit_add_norm(b, y, -1, norm, layer, NULL);
}

/* encoded: the encoder's result where a decoder runs whole beside it, else -1. */
static void emit_layer(struct builder *b, struct flow *f, const struct stack *s, int32_t i,
                       enum mode mode, int32_t encoded)
{
    int32_t n = s->first + config_own_layer(b->c, i), y;
    bool last = i == s->layers - 1, narrows = last && b->first_only;
    bool cross = weights_at(b->w, SLOT_CROSS_Q, n)->linear.weight != NULL;
    int32_t context = self_attention(b, begin(b, f, SLOT_ATTN_NORM, n), n, mode, last);
    if (context < 0)
        return;
    if (narrows && !cross)
        context = narrow(b, f, context);
    y = emit_gemm(b, context, SLOT_ATTN_OUT, n, TM_ACT_NONE);
    end(b, f, post_norm(b, y, SLOT_POST_ATTN_NORM, n), SLOT_ATTN_NORM, n);
    if (cross) {
        context =
            cross_attention(b, begin(b, f, SLOT_CROSS_NORM, n), encoded, n, &b->all->cross[i]);
        if (narrows)
            context = narrow(b, f, context);
        y = emit_gemm(b, context, SLOT_CROSS_OUT, n, TM_ACT_NONE);
        end(b, f, y, SLOT_CROSS_NORM, n);
    }
    int32_t h = begin(b, f, SLOT_FFN_NORM, n);
    y = b->c->gated ? emit_glu(b, emit_gemm(b, h, SLOT_UP, n, TM_ACT_NONE))
                    : emit_gemm(b, h, SLOT_UP, n, b->c->hidden_act);
    y = emit_gemm(b, y, SLOT_DOWN, n, TM_ACT_NONE);
    end(b, f, post_norm(b, y, SLOT_POST_FFN_NORM, n), SLOT_FFN_NORM, n);
}

static bool has_projection(const struct builder *b)
{
    return weights_at(b->w, SLOT_EMBED_PROJ, 0)->linear.weight != NULL;
}

/* DeBERTa: what each embedding and its neighbours add to the first layer's result. */
static int32_t emit_convolution(struct builder *b, int32_t embedded, int32_t x)
{
    int32_t y = emit_gemm(b, emit_taps(b, embedded), SLOT_CONV, 0, b->c->conv_act);
    if (b->p->buffers[x].per_sequence)
        y = emit_gather(b, y);
    return emit_add_norm(b, y, x, SLOT_CONV_NORM, 0, NULL);
}

/* A side from its ids to its last norm; -1 when what it left in the cache is all. */
static int32_t emit_stack(struct builder *b, const struct stack *s, bool decoder, enum mode mode,
                          int32_t encoded)
{
    enum slot final = decoder ? SLOT_DECODER_FINAL_NORM : SLOT_FINAL_NORM;
    struct flow f = {emit_embed(b, &b->all->embed[decoder]), -1};
    if (has_projection(b)) {
        f.x = emit_gemm(b, f.x, SLOT_EMBED_PROJ, 0, TM_ACT_NONE);
        if (b->c->family->projected_first)
            f.x = emit_add_norm(b, f.x, -1, SLOT_EMBED_NORM, 0, NULL);
    }
    int32_t embedded = f.x;
    for (int32_t i = 0; i < s->layers; i++) {
        emit_layer(b, &f, s, i, mode, encoded);
        if (i == 0 && weights_at(b->w, SLOT_CONV, 0)->linear.weight != NULL)
            f.x = emit_convolution(b, embedded, f.x);
    }
    if (mode == MODE_PROMPT)
        return -1;
    return weights_at(b->w, final, 0)->norm.kind != TM_NORM_NONE
               ? emit_add_norm(b, f.branch >= 0 ? f.branch : f.x, f.branch >= 0 ? f.x : -1, final,
                               0, NULL)
               : f.x;
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
    p->out = emit_pool(b, x, width);
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

/* ---- programs ---- */

static void make_embed(struct builder *b)
{
    bool absolute = b->c->position_embedding_type == POSITION_ABSOLUTE;
    bool late = has_projection(b) && b->c->family->projected_first;
    for (int decoder = 0; decoder < 2; decoder++) {
        const struct slot_value *word =
            weights_at(b->w, decoder ? SLOT_DECODER_WORD : SLOT_WORD, 0);
        if (word->table.data == NULL)
            word = weights_at(b->w, SLOT_WORD, 0);
        const struct tm_tensor *position =
            &weights_at(b->w, decoder ? SLOT_DECODER_POSITION : SLOT_POSITION, 0)->table;
        const struct tm_tensor *type = &weights_at(b->w, SLOT_TYPE, 0)->table;
        const struct tm_norm *norm =
            &weights_at(b->w, decoder ? SLOT_DECODER_EMBED_NORM : SLOT_EMBED_NORM, 0)->norm;
        b->all->embed[decoder] = (struct embed){
            .word = &word->table,
            .position = absolute && position->data != NULL ? position : NULL,
            .type = type->data != NULL ? type : NULL,
            .norm = norm->kind == TM_NORM_NONE || late ? NULL : norm,
            .scale = b->c->scale_embedding ? (float)sqrt(b->c->hidden_size) : 1,
            .decoder = decoder != 0 && b->c->family->shape == SHAPE_ENCODER_DECODER &&
                       b->c->head != TM_HEAD_GENERATE,
        };
    }
}

static enum tm_status start(struct builder *b, struct program *p, struct tm_arena *arena,
                            struct tm_err *err)
{
    int32_t layers = config_encoder(b->c).layers + config_decoder(b->c).layers;
    size_t most = 32 + 24 * (size_t)layers; /* steps, and buffers */
    *p = (struct program){.weights = b->w, .out = -1};
    p->steps = tm_arena_array(arena, most, sizeof *p->steps);
    p->buffers = tm_arena_array(arena, most, sizeof *p->buffers);
    b->p = p;
    return p->steps != NULL && p->buffers != NULL ? TM_OK
                                                  : tm_err_set(err, TM_NOMEM, "layer program");
}

static void finish(struct builder *b, int32_t out)
{
    b->p->out = out;
    b->p->out_cols = b->p->buffers[out].cols;
    b->p->buffers[out].last = b->p->n_steps; /* read after the last step */
}

/* Encoder, or decoder, or both, with a head that gives numbers. */
static void build_head(struct builder *b)
{
    struct program *p = b->p;
    const struct stack encoder = config_encoder(b->c), decoder = config_decoder(b->c);
    const struct head_row *head = family_head(b->c->family, b->c->head);
    int32_t x = -1;
    set_pooling(b);
    p->per_sequence = b->c->head == TM_HEAD_EMBEDDING || b->c->head == TM_HEAD_SEQUENCE;
    p->gathered = p->per_sequence && p->pool.kind == TM_POOL_FIRST;
    b->first_only = p->gathered && decoder.layers == 0;
    if (encoder.layers > 0)
        x = emit_stack(b, &encoder, false, MODE_WHOLE, -1);
    b->first_only = p->gathered;
    if (decoder.layers > 0)
        x = emit_stack(b, &decoder, true, MODE_WHOLE, x);
    b->first_only = false;
    if (p->per_sequence)
        emit_pooled(b, x, head);
    else
        emit_tokens(b, x, head);
    finish(b, p->out);
}

/* The encoder, and what the decoder's layers see of it. */
static void build_encoder(struct builder *b)
{
    const struct stack encoder = config_encoder(b->c), decoder = config_decoder(b->c);
    int32_t x = emit_stack(b, &encoder, false, MODE_WHOLE, -1);
    for (int32_t i = 0; i < decoder.layers; i++) {
        int32_t kv = emit_gemm(b, x, SLOT_CROSS_KV, decoder.first + i, TM_ACT_NONE);
        emit_qk(b, -1, kv, &b->all->cross[i], true);
    }
}

static enum tm_status build_generator(struct builder *b, struct tm_arena *arena, struct tm_err *err)
{
    const struct stack decoder = config_decoder(b->c);
    const struct slot_value *bias = weights_at(b->w, SLOT_OUTPUT_BIAS, 0);
    if (b->c->family->shape == SHAPE_ENCODER_DECODER)
        build_encoder(b);
    enum tm_status s = start(b, &b->all->prompt, arena, err);
    if (s != TM_OK)
        return s;
    emit_stack(b, &decoder, true, MODE_PROMPT, -1);
    s = start(b, &b->all->step, arena, err);
    if (s != TM_OK)
        return s;
    finish(b, emit_stack(b, &decoder, true, MODE_STEP, -1));
    b->all->output = (struct output){
        .head = weights_at(b->w, SLOT_OUTPUT, 0)->linear.weight,
        .bias = bias->table.data,
        .scale = b->c->family->scaled_output && b->c->tie_word_embeddings
                     ? (float)(1 / sqrt(b->c->hidden_size))
                     : 1,
        .softcap = (float)b->c->final_logit_softcapping,
    };
    return TM_OK;
}

static enum tm_status check_ops(const struct builder *b, struct tm_err *err)
{
    const struct tm_ops *ops = &b->w->backend->ops;
    bool generates = b->c->head == TM_HEAD_GENERATE;
    bool has = ops->embed != NULL && ops->gemm != NULL && ops->add_norm != NULL &&
               ops->attn_varlen != NULL && ops->pool_classify != NULL && ops->gather_rows != NULL &&
               (!b->c->gated || ops->glu != NULL) &&
               (!b->c->family->rotary || ops->qk_prep != NULL) &&
               (!generates ||
                (ops->qk_prep != NULL && ops->attn_cached != NULL && ops->logits_topk != NULL &&
                 ops->beam_step != NULL && ops->sample_step != NULL));
    return has ? TM_OK
               : tm_err_set(err, TM_UNSUPPORTED, "backend %s does not run %s models",
                            b->w->backend->name, b->c->family->model_type);
}

enum tm_status programs_build(const struct config *c, const struct modules *modules,
                              struct weights *w, int32_t max_length, struct tm_arena *arena,
                              struct programs *ret_programs, struct tm_err *err)
{
    struct builder b = {.all = ret_programs, .c = c, .modules = modules, .w = w};
    *ret_programs = (struct programs){.self = NULL};
    enum tm_status s = check_ops(&b, err);
    if (s == TM_OK)
        s = attention_make(&b, max_length, arena, err);
    if (s == TM_OK)
        s = start(&b, &b.all->main, arena, err);
    if (s != TM_OK)
        return s;
    make_embed(&b);
    if (c->head == TM_HEAD_GENERATE)
        return build_generator(&b, arena, err);
    build_head(&b);
    return TM_OK;
}
