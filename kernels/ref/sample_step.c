/* sample_step: scores as logits_topk has them, then temperature, top_k, top_p, min_p and typical_p
 * in that order (transformers 4.57), then one draw a beam from what is left. */
#include "decoded.h"
#include "philox.h"
#include "processors.h"
#include "ref.h"

#include <math.h>
#include <stdlib.h>

struct ranked {
    float score;
    int32_t id;
    double p;
};

/* Best first, the lower id first among equals. */
static int by_score(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    if (x->score != y->score)
        return x->score < y->score ? 1 : -1;
    return (x->id > y->id) - (x->id < y->id);
}

/* Probabilities of the first n. */
static void softmax(struct ranked *r, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += r[i].p = exp((double)r[i].score - (double)r[0].score);
    for (int64_t i = 0; i < n; i++)
        r[i].p /= sum;
}

/* How many of the n best remain: those from the top down whose tail holds more than 1 - top_p. */
static int64_t top_p(struct ranked *r, int64_t n, float p)
{
    double tail = 0;
    softmax(r, n);
    for (; n > 1; n--) {
        tail += r[n - 1].p;
        if (tail > 1 - (double)p)
            break;
    }
    return n;
}

static int64_t min_p(struct ranked *r, int64_t n, float p)
{
    softmax(r, n);
    while (n > 1 && r[n - 1].p < (double)p * r[0].p)
        n--;
    return n;
}

/* Those whose surprise is nearest to the expected one, until they hold the mass. `score` becomes
 * the distance from it for the sort, and what it was again afterwards. */
static int64_t typical(struct ranked *r, int64_t n, float mass, const float *scores)
{
    double entropy = 0, sum = 0;
    int64_t keep = 0;
    softmax(r, n);
    for (int64_t i = 0; i < n; i++)
        entropy -= r[i].p > 0 ? r[i].p * log(r[i].p) : 0;
    for (int64_t i = 0; i < n; i++)
        r[i].score = -(float)fabs(-log(r[i].p) - entropy);
    qsort(r, (size_t)n, sizeof *r, by_score);
    do
        sum += r[keep++].p;
    while (keep < n && sum < (double)mass);
    while (keep < n && r[keep].score == r[keep - 1].score) /* as typical as the last one */
        keep++;
    for (int64_t i = 0; i < keep; i++)
        r[i].score = scores[r[i].id];
    qsort(r, (size_t)keep, sizeof *r, by_score);
    return keep;
}

/* Applies the warpers to n scores; the ids that remain, best first, with their probabilities. */
static int64_t warp(const struct tm_decoding *how, float *scores, int64_t n, struct ranked *r)
{
    int64_t left = 0;
    for (int64_t i = 0; i < n; i++) {
        scores[i] /= how->temperature;
        if (scores[i] > -INFINITY)
            r[left++] = (struct ranked){scores[i], (int32_t)i, 0};
    }
    if (left == 0) /* nothing is allowed */
        return 0;
    qsort(r, (size_t)left, sizeof *r, by_score);
    if (how->top_k > 0 && how->top_k < left) {
        int64_t k = how->top_k;
        while (k < left && r[k].score == r[k - 1].score) /* ties with the last one stay */
            k++;
        left = k;
    }
    if (how->top_p < 1)
        left = top_p(r, left, how->top_p);
    if (how->min_p > 0)
        left = min_p(r, left, how->min_p);
    if (how->typical_p < 1)
        left = typical(r, left, how->typical_p, scores);
    softmax(r, left);
    return left;
}

static int32_t draw(const struct tm_decoding *how, const struct ranked *r, int64_t n, int32_t beam,
                    int32_t position)
{
    double u = philox_uniform(how->key[0], how->key[1], (uint64_t)beam, (uint64_t)position);
    for (int64_t i = 0; i < n; i++) {
        u -= r[i].p;
        if (u < 0)
            return r[i].id;
    }
    return n > 0 ? r[0].id : -1; /* what rounding left over */
}

/* One row of the step: its beam, or at a first step all beams, each with a draw of its own. */
static void take(const struct tm_sample_args *args, int32_t s, int32_t row, float *scores,
                 struct ranked *ranked)
{
    const struct tm_step *step = args->logits.step;
    struct tm_decoded *d = args->decoded;
    int32_t slot = step->slot_of_row[row], beam = step->beam_of_row[row];
    const struct tm_decoding *how = &args->logits.decoding[slot];
    int64_t n = warp(how, scores, args->logits.head->n, ranked);
    int32_t beams = kern_first_step(step, s, how, d) ? how->beams : 1;
    for (int32_t b = beam; b < beam + beams; b++)
        kern_take(d, args->ancestry, how, slot, b, draw(how, ranked, n, b, d->lengths[slot]));
}

static void one_slot(const struct tm_sample_args *args, int32_t s)
{
    struct tm_decoded *d = args->decoded;
    int64_t slot = args->logits.step->slot[s];
    const struct tm_decoding *how = &args->logits.decoding[slot];
    int32_t *parent = d->parent + slot * d->beams;
    bool all = true;
    for (int32_t b = 0; b < how->beams; b++) {
        parent[b] = d->lengths[slot] == how->prompt ? 0 : b;
        all &= d->ended[slot * d->beams + b] != 0;
    }
    d->lengths[slot]++;
    d->done[slot] = all;
}

enum tm_status ref_sample_step(struct tm_stream *stream, const struct tm_tensor *x,
                               const struct tm_sample_args *args)
{
    const struct tm_step *step = args->logits.step;
    struct tm_decoded *d = args->decoded;
    enum tm_status status = TM_OK;
    size_t mark = stream->used;
    float *scores = kern_scratch(stream, (size_t)args->logits.head->n * sizeof *scores);
    struct ranked *ranked = kern_scratch(stream, (size_t)args->logits.head->n * sizeof *ranked);
    for (int32_t s = 0; s < step->slots && status == TM_OK; s++) {
        const struct tm_decoding *how = &args->logits.decoding[step->slot[s]];
        static const int32_t none[UINT8_MAX + 1]; /* all beams from the first */
        if (d->done[step->slot[s]] != 0 || !how->do_sample)
            continue;
        if (kern_first_step(step, s, how, d))
            kern_reorder(d, args->ancestry, step->slot[s], none, how->beams);
        for (int32_t r = step->first_row[s]; r < step->first_row[s + 1] && status == TM_OK; r++) {
            status = ref_logits(stream, x, &args->logits, r, scores);
            if (status == TM_OK)
                take(args, s, r, scores, ranked);
        }
        if (status == TM_OK)
            one_slot(args, s);
    }
    stream->used = mark;
    return status;
}
