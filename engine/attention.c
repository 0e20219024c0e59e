/* The facts of every layer's attention: heads, scale, window, bias, norms, rotary positions.
 *
 * Called by build.c while a model is opened. Their tables go into the weights' memory. */
#include "builder.h"
#include "relative.h"
#include "tables.h"

#include <math.h>
#include <stdlib.h>

struct maker {
    struct builder *b;
    struct tm_stream *stream;
    const int32_t *buckets[2];     /* encoder's, decoder's; NULL: none */
    struct tm_attn_bias *relative; /* DeBERTa's, by layer */
};

static struct tm_attn_bias bias_of(const struct maker *m, int32_t layer, bool decoder)
{
    const struct config *c = m->b->c;
    const struct tm_tensor *distance = &weights_at(m->b->w, SLOT_DISTANCE, layer)->table;
    enum slot relative = decoder ? SLOT_DECODER_RELATIVE_BIAS : SLOT_RELATIVE_BIAS;
    if (m->relative[layer].kind != TM_BIAS_NONE)
        return m->relative[layer];
    const struct tm_tensor *own = &weights_at(m->b->w, SLOT_OWN_BIAS, layer)->table;
    if (m->buckets[decoder] != NULL)
        return (struct tm_attn_bias){
            .kind = TM_BIAS_T5,
            .table = own->data != NULL ? own->data : weights_at(m->b->w, relative, 0)->table.data,
            .bucket = m->buckets[decoder],
            .reach = c->relative_attention_max_distance,
        };
    if (distance->data != NULL)
        return (struct tm_attn_bias){
            .kind = TM_BIAS_RELATIVE_KEY,
            .reach = c->max_position_embeddings - 1,
            .pos_k = distance,
            .pos_q = c->position_embedding_type == POSITION_RELATIVE_KEY_QUERY ? distance : NULL,
        };
    return (struct tm_attn_bias){.kind = TM_BIAS_NONE};
}

static const struct tm_norm *head_norm(const struct maker *m, enum slot slot, int32_t layer)
{
    const struct tm_norm *norm = &weights_at(m->b->w, slot, layer)->norm;
    return norm->kind != TM_NORM_NONE ? norm : NULL;
}

/* DeBERTa divides by the root of how many terms a score has as well. */
static double scale_of(const struct config *c, const struct stack *s)
{
    int32_t terms =
        1 + ((c->pos_att_type & POS_ATT_C2P) != 0) + ((c->pos_att_type & POS_ATT_P2C) != 0);
    if (c->query_pre_attn_scalar > 0)
        return 1 / sqrt(c->query_pre_attn_scalar);
    if (c->family->shape == SHAPE_DECODER && !c->family->rotary && !c->scale_attn_weights)
        return 1;
    return c->family->unscaled ? 1 : 1 / sqrt((double)s->head_dim * terms);
}

static struct tm_attn_args args_of(const struct maker *m, const struct stack *s)
{
    return (struct tm_attn_args){
        .heads = s->heads,
        .kv_heads = s->kv_heads,
        .head_dim = s->head_dim,
        .scale = (float)scale_of(m->b->c, s),
    };
}

static void make_self(const struct maker *m, const struct stack *s, bool decoder)
{
    const struct config *c = m->b->c;
    for (int32_t i = 0; i < s->own; i++) {
        int32_t n = s->first + i;
        struct attention *a = &m->b->all->self[n];
        *a = (struct attention){
            .args = args_of(m, s),
            .rope = c->family->rotary
                        ? &m->b->all->rope[config_is_local(c, i) && c->rope[1].theta > 0]
                        : NULL,
            .q_norm = head_norm(m, SLOT_Q_NORM, n),
            .k_norm = head_norm(m, SLOT_K_NORM, n),
            .layer = i,
        };
        a->args.causal = decoder;
        a->args.window = config_window(c, decoder, i);
        a->args.softcap = (float)c->attn_logit_softcapping;
        if (c->scale_attn_by_inverse_layer_idx)
            a->args.scale /= (float)(i + 1);
        a->args.bias = bias_of(m, n, decoder);
    }
}

static void make_cross(const struct maker *m, const struct stack *s)
{
    for (int32_t i = 0; i < s->layers; i++)
        m->b->all->cross[i] = (struct attention){.args = args_of(m, s), .cross = true, .layer = i};
}

static enum tm_status make_buckets(struct maker *m, bool decoder, struct tm_err *err)
{
    const struct config *c = m->b->c;
    enum slot slot = decoder ? SLOT_DECODER_RELATIVE_BIAS : SLOT_RELATIVE_BIAS;
    int32_t count = c->relative_attention_num_buckets, fixed = c->family->fixed_buckets;
    int32_t reach = c->relative_attention_max_distance;
    int32_t first = decoder ? config_decoder(c).first : 0;
    if (weights_at(m->b->w, slot, 0)->table.data == NULL &&
        (first >= m->b->w->layers || weights_at(m->b->w, SLOT_OWN_BIAS, first)->table.data == NULL))
        return TM_OK;
    if (count < fixed)
        return tm_err_set(err, TM_MODEL, "relative_attention_num_buckets is %d, the class uses %d",
                          count, fixed);
    if (fixed > 0)
        count = fixed;
    if (reach <= count / 2)
        return tm_err_set(err, TM_MODEL,
                          "relative_attention_max_distance %d is too small for %d buckets", reach,
                          count);
    size_t bytes = (2 * (size_t)reach + 1) * sizeof(int32_t);
    int32_t *host = malloc(bytes);
    if (host != NULL) {
        tables_buckets(host, reach, count, !decoder);
        m->buckets[decoder] = weights_keep(m->b->w, m->stream, host, bytes);
        free(host);
    }
    return m->buckets[decoder] != NULL ? TM_OK : tm_err_set(err, TM_NOMEM, "buckets");
}

static enum tm_status make_rope(struct maker *m, int32_t positions, int32_t dims,
                                struct tm_err *err)
{
    const struct config *c = m->b->c;
    size_t half = (size_t)positions * (size_t)dims / 2;
    float *host = malloc(2 * half * sizeof *host);
    enum tm_status s = host != NULL ? TM_OK : tm_err_set(err, TM_NOMEM, "rotary positions");
    for (int local = 0; s == TM_OK && local < 2 && c->rope[local].theta > 0; local++) {
        tables_rope(host, host + half, positions, dims, &c->rope[local],
                    c->max_position_embeddings);
        const float *kept = weights_keep(m->b->w, m->stream, host, 2 * half * sizeof *host);
        if (kept == NULL)
            s = tm_err_set(err, TM_NOMEM, "rotary positions");
        else
            m->b->all->rope[local] = (struct tm_rope){kept, kept + half, dims};
    }
    free(host);
    return s;
}

enum tm_status attention_make(struct builder *b, int32_t max_length, struct tm_arena *arena,
                              struct tm_err *err)
{
    const struct stack encoder = config_encoder(b->c), decoder = config_decoder(b->c);
    struct programs *all = b->all;
    struct maker m = {.b = b};
    size_t layers = (size_t)(encoder.own + decoder.own);
    all->self = tm_arena_array(arena, layers, sizeof *all->self);
    m.relative = tm_arena_array(arena, layers, sizeof *m.relative);
    all->cross = tm_arena_array(arena, (size_t)decoder.layers + 1, sizeof *all->cross);
    if (all->self == NULL || all->cross == NULL || m.relative == NULL)
        return tm_err_set(err, TM_NOMEM, "layer programs");
    enum tm_status s = b->w->backend->dev.stream_create(b->w->backend, 0, &m.stream, err);
    if (s != TM_OK)
        return s;
    for (int decoder_side = 0; s == TM_OK && decoder_side < 2; decoder_side++)
        s = make_buckets(&m, decoder_side != 0, err);
    if (s == TM_OK && b->c->family->rotary)
        s = make_rope(&m, max_length, TM_MAX(encoder.head_dim, decoder.head_dim), err);
    if (s == TM_OK)
        s = relative_make(b->c, b->w, m.stream, max_length, arena, m.relative, err);
    b->w->backend->dev.stream_destroy(m.stream);
    if (s != TM_OK)
        return s;
    make_self(&m, &encoder, false);
    make_self(&m, &decoder, true);
    if (b->c->family->shape == SHAPE_ENCODER_DECODER)
        make_cross(&m, &decoder);
    return TM_OK;
}
