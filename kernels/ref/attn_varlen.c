/* attn_varlen: each query against all keys of its own sequence, scores in float32, softmax with
 * the greatest score taken off. Keys are walked twice instead of keeping a row of scores. */
#include "ref.h"

#include <math.h>
#include <stdlib.h>

struct pair {
    const struct tm_attn_args *args;
    const struct tm_tensor *q, *k;
    int64_t start; /* row of the sequence's first token */
    int64_t h, kv; /* query head, key head */
};

static bool allowed(const struct pair *p, int64_t i, int64_t j)
{
    const struct tm_attn_args *a = p->args;
    if (a->causal && j > i)
        return false;
    if (a->window == 0 || llabs(i - j) <= a->window)
        return true;
    return a->global != NULL && (a->global[p->start + i] != 0 || a->global[p->start + j] != 0);
}

static int64_t clamp(int64_t d, int64_t reach)
{
    return d < -reach ? -reach : d > reach ? reach : d;
}

static float score(const struct pair *p, int64_t i, int64_t j)
{
    const struct tm_attn_args *a = p->args;
    const struct tm_attn_bias *bias = &a->bias;
    int64_t dim = a->head_dim, row = clamp(i - j, bias->reach) + bias->reach, col = 0;
    const bool relative = bias->kind == TM_BIAS_RELATIVE_KEY || bias->kind == TM_BIAS_DEBERTA;
    if (bias->kind == TM_BIAS_DEBERTA) {
        row = bias->bucket[row];
        col = p->h * dim;
    }
    double dot = 0;
    for (int64_t d = 0; d < dim; d++) {
        double x = kern_get(p->q, p->start + i, p->h * dim + d);
        double y = kern_get(p->k, p->start + j, p->kv * dim + d);
        dot += x * y;
        if (relative && bias->pos_k != NULL)
            dot += x * (double)kern_get(bias->pos_k, row, col + d);
        if (relative && bias->pos_q != NULL)
            dot += y * (double)kern_get(bias->pos_q, row, col + d);
    }
    float s = (float)dot * a->scale;
    if (a->softcap != 0)
        s = a->softcap * tanhf(s / a->softcap);
    if (bias->kind == TM_BIAS_T5) {
        int64_t bucket = bias->bucket[clamp(j - i, bias->reach) + bias->reach];
        s += bias->table[bucket * a->heads + p->h];
    }
    return s;
}

static void attend(const struct pair *p, struct tm_tensor *out, const struct tm_tensor *v,
                   int64_t i, int64_t len, double *sum)
{
    int64_t dim = p->args->head_dim;
    float top = -INFINITY;
    double total = 0;
    for (int64_t j = 0; j < len; j++)
        if (allowed(p, i, j))
            top = fmaxf(top, score(p, i, j));
    for (int64_t d = 0; d < dim; d++)
        sum[d] = 0;
    for (int64_t j = 0; j < len; j++) {
        if (!allowed(p, i, j))
            continue;
        double e = exp((double)score(p, i, j) - (double)top);
        total += e;
        for (int64_t d = 0; d < dim; d++)
            sum[d] += e * (double)kern_get(v, p->start + j, p->kv * dim + d);
    }
    for (int64_t d = 0; d < dim; d++)
        kern_put(out, p->start + i, p->h * dim + d, (float)(sum[d] / total));
}

enum tm_status ref_attn_varlen(struct tm_stream *stream, struct tm_tensor *out,
                               const struct tm_tensor *q, const struct tm_tensor *k,
                               const struct tm_tensor *v, const int32_t *starts, int32_t n,
                               const struct tm_attn_args *args)
{
    size_t mark = stream->used;
    double *sum = kern_scratch(stream, (size_t)args->head_dim * sizeof *sum);
    for (int32_t s = 0; s < n; s++) {
        int64_t len = starts[s + 1] - starts[s];
        for (int64_t h = 0; h < args->heads; h++) {
            struct pair p = {args, q, k, starts[s], h, h * args->kv_heads / args->heads};
            for (int64_t i = 0; i < len; i++)
                attend(&p, out, v, i, len, sum);
        }
    }
    stream->used = mark;
    return TM_OK;
}
