/* Steps and buffers of a layer program. Called by build.c while a model is opened. */
#include "builder.h"

static int32_t new_buffer(struct builder *b, int32_t cols, bool per_sequence)
{
    struct program *p = b->p;
    tm_assert(p->n_buffers < PLAN_BUFFERS);
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

int32_t emit_embed(struct builder *b, const struct embed *e)
{
    int32_t out = new_buffer(b, (int32_t)e->word->cols, false);
    emit(b, &(struct step){STEP_EMBED, -1, -1, out, -1, .embed = e});
    return out;
}

int32_t emit_gemm(struct builder *b, int32_t in, enum slot slot, int32_t layer, enum tm_act act)
{
    const struct linear *lin = &weights_at(b->w, slot, layer)->linear;
    int32_t out = new_buffer(b, lin->rows, b->p->buffers[in].per_sequence);
    emit(b, &(struct step){STEP_GEMM, in, -1, out, -1, .linear = lin, .act = act});
    return out;
}

int32_t emit_add_norm(struct builder *b, int32_t in, int32_t other, enum slot slot, int32_t layer,
                      int32_t *ret_sum)
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

int32_t emit_glu(struct builder *b, int32_t in)
{
    int32_t out = new_buffer(b, b->p->buffers[in].cols / 2, b->p->buffers[in].per_sequence);
    emit(b, &(struct step){STEP_GLU, in, -1, out, -1, .act = b->c->hidden_act});
    return out;
}

int32_t emit_taps(struct builder *b, int32_t in)
{
    int32_t out = new_buffer(b, b->p->buffers[in].cols * b->c->conv_kernel_size, false);
    emit(b, &(struct step){STEP_TAPS, in, -1, out, -1, .taps = b->c->conv_kernel_size});
    return out;
}

int32_t emit_gather(struct builder *b, int32_t in)
{
    int32_t out = new_buffer(b, b->p->buffers[in].cols, true);
    emit(b, &(struct step){STEP_GATHER, in, -1, out, -1});
    return out;
}

void emit_qk(struct builder *b, int32_t q, int32_t kv, const struct attention *a, bool append)
{
    emit(b, &(struct step){STEP_QK, q, kv, -1, -1, .attn = a, .append = append});
}

static int32_t attended(struct builder *b, const struct attention *a)
{
    return new_buffer(b, a->args.heads * a->args.head_dim, false);
}

int32_t emit_attention(struct builder *b, int32_t q, int32_t kv, const struct attention *a)
{
    int32_t out = attended(b, a);
    emit(b, &(struct step){STEP_ATTENTION, q, kv, out, -1, .attn = a});
    return out;
}

int32_t emit_cached(struct builder *b, int32_t q, const struct attention *a)
{
    int32_t out = attended(b, a);
    emit(b, &(struct step){STEP_CACHED, q, -1, out, -1, .attn = a});
    return out;
}

int32_t emit_pool(struct builder *b, int32_t in, int32_t cols)
{
    int32_t out = new_buffer(b, cols, true);
    emit(b, &(struct step){STEP_POOL, in, -1, out, -1});
    return out;
}
