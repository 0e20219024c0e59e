/* beam_step: the beam search of transformers 4.57 (GenerationMixin._beam_search) for one batch of
 * one, slot by slot; greedy slots take their best id. The arithmetic is float32 as there.
 *
 * Candidates are ordered by their sums; among equal sums the lower beam first, then the order of
 * logits_topk. What "has stopped" carries -1e9, as there, so that it is last but still in order. */
#include "decoded.h"
#include "processors.h"
#include "ref.h"

#include <math.h>

static const float FAR_OFF = -1e9F;

struct candidate {
    float sum;
    int32_t beam, id;
    bool stopped;
};

/* A slot at work. */
struct search {
    const struct tm_beam_args *args;
    const struct tm_decoding *how;
    struct tm_decoded *d;
    int64_t slot, state; /* its number; where its beams begin in (slots, beams) */
    int32_t row, rows;   /* in the step */
    int32_t keep;        /* candidates */
    struct candidate *candidates;
};

static bool stops(const struct search *s, int64_t at)
{
    return kern_is_eos(s->how, s->args->ids[at]) ||
           (s->args->stops != NULL && s->args->stops[at] != 0);
}

/* The best `keep` of all rows, by merging: each row is in order already. A slot at its first step
 * has one row for all its beams. Missing candidates are -inf. */
static void merge(const struct search *s)
{
    int32_t next[DECODED_BEAMS] = {0}, beams = s->how->beams, k = s->args->k;
    for (int32_t i = 0; i < s->keep; i++) {
        struct candidate *best = &s->candidates[i];
        *best = (struct candidate){.sum = -INFINITY};
        int32_t from = -1;
        for (int32_t b = 0; b < beams; b++) {
            int64_t at = (int64_t)(s->row + (b < s->rows ? b : 0)) * k + next[b];
            if (next[b] == k || s->args->ids[at] < 0)
                continue;
            float sum = s->args->scores[at] + s->d->running[s->state + b];
            if (from >= 0 && !(sum > best->sum))
                continue;
            *best = (struct candidate){sum, b, s->args->ids[at], stops(s, at)};
            from = b;
        }
        if (from >= 0)
            next[from]++;
        best->stopped |= s->d->lengths[s->slot] + 1 >= s->how->max_length;
    }
}

static float penalty(const struct tm_decoding *how, int32_t length)
{
    return (float)pow(length - how->prompt, (double)how->length_penalty);
}

/* Candidates of rank < beams that stopped join the finished ones; the best `beams` stay. Entries
 * only ever move down, so they are moved from the last on. */
static void finish(const struct search *s)
{
    struct tm_decoded *d = s->d;
    int32_t beams = s->how->beams, length = d->lengths[s->slot];
    float *scores = d->finished_scores + s->state;
    int32_t *lengths = d->finished_lengths + s->state;
    int32_t *ids = d->finished_ids + s->state * d->positions;
    for (int32_t c = 0; c < beams; c++) {
        const struct candidate *new = &s->candidates[c];
        float score = new->sum / penalty(s->how, length + 1);
        if (!new->stopped || !(score > scores[beams - 1]))
            continue;
        int32_t at = beams - 1;
        for (; at > 0 && score > scores[at - 1]; at--) {
            scores[at] = scores[at - 1];
            lengths[at] = lengths[at - 1];
            for (int32_t t = 0; t < lengths[at]; t++)
                ids[(int64_t)at * d->positions + t] = ids[(int64_t)(at - 1) * d->positions + t];
        }
        scores[at] = score;
        lengths[at] = length + 1;
        int32_t *to = ids + (int64_t)at * d->positions;
        for (int32_t t = 0; t < length; t++)
            to[t] = kern_beam_ids(d, s->slot, new->beam)[t];
        to[length] = new->id;
    }
}

/* The best `beams` candidates that go on become the beams. */
static void go_on(const struct search *s)
{
    struct tm_decoded *d = s->d;
    int32_t beams = s->how->beams, *parent = d->parent + s->state;
    int32_t ids[DECODED_BEAMS];
    float *running = d->running + s->state;
    for (int32_t c = 0; c < s->keep; c++)
        if (s->candidates[c].stopped)
            s->candidates[c].sum += FAR_OFF;
    for (int32_t b = 0; b < beams; b++) {
        int32_t best = -1;
        for (int32_t c = 0; c < s->keep; c++)
            if (s->candidates[c].beam >= 0 &&
                (best < 0 || s->candidates[c].sum > s->candidates[best].sum))
                best = c;
        struct candidate *taken = &s->candidates[best];
        parent[b] = s->rows == 1 ? 0 : taken->beam; /* one row: only beam 0 has K and V */
        running[b] = taken->sum;
        ids[b] = taken->id;
        taken->beam = -1;
    }
    kern_reorder(d, s->args->ancestry, s->slot, parent, beams);
    for (int32_t b = 0; b < beams; b++)
        kern_append_id(d, s->args->ancestry, s->slot, b, ids[b]);
}

/* Is there any use in going on? Everything here is after the step. */
static bool over(const struct search *s, bool all_stopped)
{
    const struct tm_decoding *how = s->how;
    const struct tm_decoded *d = s->d;
    bool full = true;
    float worst = FAR_OFF;
    for (int32_t b = 0; b < how->beams; b++)
        full &= d->finished_lengths[s->state + b] != 0;
    if (full)
        worst = d->finished_scores[s->state + how->beams - 1];
    int32_t length = how->early_stopping == TM_EARLY_NEVER && how->length_penalty > 0
                         ? how->max_length
                         : d->lengths[s->slot];
    return all_stopped || (full && how->early_stopping == TM_EARLY_TRUE) ||
           !(d->running[s->state] / penalty(how, length) > worst);
}

static void search(const struct search *s)
{
    bool all = true;
    merge(s);
    for (int32_t c = 0; c < s->keep; c++)
        all &= s->candidates[c].stopped;
    finish(s);
    go_on(s);
    s->d->lengths[s->slot]++;
    s->d->done[s->slot] = over(s, all);
}

enum tm_status ref_beam_step(struct tm_stream *stream, const struct tm_beam_args *args)
{
    const struct tm_step *step = args->step;
    struct tm_decoded *d = args->decoded;
    size_t mark = stream->used;
    struct search s = {.args = args, .d = d};
    s.candidates = kern_scratch(stream, (size_t)args->k * sizeof *s.candidates);
    for (int32_t i = 0; i < step->slots; i++) {
        s.slot = step->slot[i];
        s.how = &args->decoding[s.slot];
        if (d->done[s.slot] != 0 || s.how->do_sample)
            continue;
        s.state = s.slot * d->beams;
        s.row = step->first_row[i];
        s.rows = step->first_row[i + 1] - s.row;
        s.keep = TM_MAX(2, 1 + s.how->n_eos) * s.how->beams;
        if (s.how->beams == 1) {
            kern_take(d, args->ancestry, s.how, s.slot, 0, args->ids[(int64_t)s.row * args->k]);
            d->parent[s.state] = 0;
            d->lengths[s.slot]++;
            d->done[s.slot] = d->ended[s.state];
            continue;
        }
        tm_assert(s.how->beams <= DECODED_BEAMS && s.keep <= args->k);
        tm_dassert(s.rows == 1 || s.rows == s.how->beams);
        search(&s);
    }
    stream->used = mark;
    return TM_OK;
}
