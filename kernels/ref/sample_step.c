/* sample_step: scores as logits_topk has them, then temperature, top_k, top_p, min_p and typical_p
 * in that order (transformers 4.57), then one draw a beam from what is left. */
#include "sample.h"

#include "decoded.h"
#include "philox.h"
#include "processors.h"
#include "ref.h"

#include <math.h>

enum { VOCABULARY_MAX = 300000 }; /* whose scores and ranks fit the scratch */
_Static_assert(VOCABULARY_MAX *(sizeof(struct kern_ranked) + sizeof(float) + 1) <
                   KERN_SCRATCH - (1 << 20),
               "room for the rest");

/* Best first, the lower id first among equals. */
static int by_score(const void *a, const void *b)
{
    const struct kern_ranked *x = a, *y = b;
    if (x->score != y->score)
        return x->score < y->score ? 1 : -1;
    return (x->id > y->id) - (x->id < y->id);
}

static int by_distance(const void *a, const void *b)
{
    const struct kern_ranked *x = a, *y = b;
    if (x->distance != y->distance)
        return x->distance > y->distance ? 1 : -1;
    return (x->id > y->id) - (x->id < y->id);
}

/* Probabilities of the first n. */
static void softmax(struct kern_ranked *r, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += exp((double)r[i].score - (double)r[0].score);
    for (int64_t i = 0; i < n; i++)
        r[i].p = (float)(exp((double)r[i].score - (double)r[0].score) / sum);
}

/* How many of the n best remain: those from the top down whose tail holds more than 1 - top_p. */
static int64_t top_p(struct kern_ranked *r, int64_t n, float p)
{
    double tail = 0;
    softmax(r, n);
    for (; n > 1; n--) {
        tail += (double)r[n - 1].p;
        if (tail > 1 - (double)p)
            break;
    }
    return n;
}

static int64_t min_p(struct kern_ranked *r, int64_t n, float p)
{
    softmax(r, n);
    while (n > 1 && r[n - 1].p < p * r[0].p)
        n--;
    return n;
}

/* Those whose surprise is nearest to the expected one, until they hold the mass. */
static int64_t typical(struct kern_ranked *r, int64_t n, float mass)
{
    double entropy = 0, sum = 0;
    int64_t keep = 0;
    softmax(r, n);
    for (int64_t i = 0; i < n; i++)
        entropy -= r[i].p > 0 ? (double)r[i].p * log((double)r[i].p) : 0;
    for (int64_t i = 0; i < n; i++)
        r[i].distance = (float)fabs(-log((double)r[i].p) - entropy);
    kern_sort(r, n, sizeof *r, by_distance);
    do
        sum += (double)r[keep++].p;
    while (keep < n && sum < (double)mass);
    while (keep < n && r[keep].distance == r[keep - 1].distance) /* as typical as the last one */
        keep++;
    kern_sort(r, keep, sizeof *r, by_score);
    return keep;
}

/* How many of n ids in order remain, with their probabilities. */
static int64_t warp(const struct tm_decoding *how, struct kern_ranked *r, int64_t n)
{
    if (n == 0) /* nothing is allowed */
        return 0;
    for (int64_t i = 0; i < n; i++)
        r[i].score /= how->temperature;
    if (how->top_k > 0 && how->top_k < n) {
        int64_t k = how->top_k;
        while (k < n && r[k].score == r[k - 1].score) /* ties with the last one stay */
            k++;
        n = k;
    }
    if (how->top_p < 1)
        n = top_p(r, n, how->top_p);
    if (how->min_p > 0)
        n = min_p(r, n, how->min_p);
    if (how->typical_p < 1)
        n = typical(r, n, how->typical_p);
    softmax(r, n);
    return n;
}

static int32_t draw(const struct tm_decoding *how, const struct kern_ranked *r, int64_t n,
                    int32_t beam, int32_t position)
{
    double u = philox_uniform(how->key[0], how->key[1], (uint64_t)beam, (uint64_t)position);
    for (int64_t i = 0; i < n; i++) {
        u -= (double)r[i].p;
        if (u < 0)
            return r[i].id;
    }
    return n > 0 ? r[0].id : -1; /* what rounding left over */
}

bool kern_sampled(const struct tm_sample_args *args, int32_t s)
{
    int32_t slot = args->logits.step->slot[s];
    return args->decoded->done[slot] == 0 && args->logits.decoding[slot].do_sample;
}

void kern_sample_row(const struct tm_sample_args *args, int32_t s, int32_t row,
                     struct kern_ranked *ranked, int64_t n)
{
    const struct tm_step *step = args->logits.step;
    struct tm_decoded *d = args->decoded;
    int32_t slot = step->slot_of_row[row], beam = step->beam_of_row[row];
    const struct tm_decoding *how = &args->logits.decoding[slot];
    const bool first = kern_first_step(step, s, how, d);
    static const int32_t none[DECODED_BEAMS]; /* all beams from the first */
    n = warp(how, ranked, n);
    if (first)
        kern_reorder(d, args->ancestry, slot, none, how->beams);
    for (int32_t b = beam; b < beam + (first ? how->beams : 1); b++)
        kern_take(d, args->ancestry, how, slot, b, draw(how, ranked, n, b, d->lengths[slot]));
}

void kern_sample_end(const struct tm_sample_args *args, int32_t s)
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
    const int64_t vocabulary = args->logits.head->n;
    enum tm_status status = TM_OK;
    if (vocabulary > VOCABULARY_MAX)
        return TM_UNSUPPORTED;
    size_t mark = stream->used;
    float *scores = kern_scratch(stream, (size_t)vocabulary * sizeof *scores);
    struct kern_ranked *ranked = kern_scratch(stream, (size_t)vocabulary * sizeof *ranked);
    for (int32_t s = 0; s < step->slots && status == TM_OK; s++) {
        if (!kern_sampled(args, s))
            continue;
        for (int32_t r = step->first_row[s]; r < step->first_row[s + 1]; r++) {
            int64_t n = 0;
            status = ref_logits(stream, x, &args->logits, r, scores);
            if (status != TM_OK)
                break;
            for (int64_t i = 0; i < vocabulary; i++)
                if (scores[i] > -INFINITY)
                    ranked[n++] = (struct kern_ranked){.score = scores[i], .id = (int32_t)i};
            kern_sort(ranked, n, sizeof *ranked, by_score);
            kern_sample_row(args, s, r, ranked, n);
        }
        if (status == TM_OK)
            kern_sample_end(args, s);
    }
    stream->used = mark;
    return status;
}
