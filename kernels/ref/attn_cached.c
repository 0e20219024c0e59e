/* attn_cached: the rows of a step against the positions of their slots. Scores in float32, softmax
 * with the greatest score taken off; keys are walked twice, as in attn_varlen. */
#include "ref.h"

#include <math.h>

struct view {
    const struct tm_cached_args *args;
    int64_t slot, beam, length;
    int64_t h, kv; /* query head, key head */
};

/* Element d of the key (plane 0) or value (plane 1) that the beam sees at position t. */
static float cached(const struct view *v, int64_t plane, int64_t t, int64_t d)
{
    const struct tm_kv_cache *cache = v->args->cache;
    const struct tm_kv_pool *pool = cache->pool;
    const struct tm_ancestry *a = cache->ancestry;
    int64_t sequence = v->slot;
    if (a != NULL)
        sequence =
            v->slot * cache->beams + a->owner[(v->slot * a->beams + v->beam) * a->positions + t];
    int64_t page = cache->pages[sequence * cache->max_pages + t / pool->positions];
    int64_t row = (int64_t)v->args->layer * pool->pages + page;
    int64_t col = kern_kv_at(pool, plane, v->kv, t % pool->positions, d);
    return kern_get(&pool->data, row, col);
}

static float score(const struct view *v, const float *q, int64_t t)
{
    const struct tm_attn_args *a = &v->args->attn;
    const struct tm_attn_bias *bias = &a->bias;
    double dot = 0;
    for (int64_t d = 0; d < a->head_dim; d++)
        dot += (double)q[d] * (double)cached(v, 0, t, d);
    float s = (float)dot * a->scale;
    if (a->softcap != 0)
        s = a->softcap * tanhf(s / a->softcap);
    if (bias->kind == TM_BIAS_T5 && v->args->cache->ancestry != NULL) {
        int64_t distance = TM_MAX(-(int64_t)bias->reach, t - (v->length - 1));
        s += bias->table[bias->bucket[distance + bias->reach] * a->heads + v->h];
    }
    return s;
}

/* sum: head_dim doubles of scratch. With nothing to see the answer is zeros. */
static void attend(const struct view *v, struct tm_tensor *out, int64_t r, const float *q,
                   double *sum)
{
    const struct tm_attn_args *a = &v->args->attn;
    int64_t from = 0;
    float top = -INFINITY;
    double total = 0;
    if (a->window != 0 && v->args->cache->ancestry != NULL)
        from = TM_MAX(0, v->length - 1 - a->window);
    for (int64_t t = from; t < v->length; t++)
        top = fmaxf(top, score(v, q, t));
    for (int64_t d = 0; d < a->head_dim; d++)
        sum[d] = 0;
    for (int64_t t = from; t < v->length; t++) {
        double e = exp((double)score(v, q, t) - (double)top);
        total += e;
        for (int64_t d = 0; d < a->head_dim; d++)
            sum[d] += e * (double)cached(v, 1, t, d);
    }
    for (int64_t d = 0; d < a->head_dim; d++)
        kern_put(out, r, v->h * a->head_dim + d, total > 0 ? (float)(sum[d] / total) : 0);
}

enum tm_status ref_attn_cached(struct tm_stream *stream, struct tm_tensor *out,
                               const struct tm_tensor *q, const struct tm_cached_args *args)
{
    const struct tm_attn_args *a = &args->attn;
    const struct tm_step *step = args->step;
    if (a->bias.kind != TM_BIAS_NONE && a->bias.kind != TM_BIAS_T5)
        return TM_UNSUPPORTED;
    size_t mark = stream->used;
    double *sum = kern_scratch(stream, (size_t)a->head_dim * sizeof *sum);
    float *head = kern_scratch(stream, (size_t)a->head_dim * sizeof *head);
    for (int64_t r = 0; r < step->rows; r++) {
        struct view v = {.args = args, .slot = step->slot_of_row[r], .beam = step->beam_of_row[r]};
        v.length = args->cache->lengths[v.slot];
        for (v.h = 0; v.h < a->heads; v.h++) {
            v.kv = v.h * a->kv_heads / a->heads;
            for (int64_t d = 0; d < a->head_dim; d++)
                head[d] = kern_get(q, r, v.h * a->head_dim + d);
            attend(&v, out, r, head, sum);
        }
    }
    stream->used = mark;
    return TM_OK;
}
