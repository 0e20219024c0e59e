/* What guides say of the rows of a step: masks before the next ids are chosen, which candidates end
 * a beam, and how their states go on with the ids that were.
 *
 * Called by decode.c on the worker's thread. States lie on the host, by row; a search's beams take
 * theirs from their parents. All memory is there from the start. */
#include "decode.h"

#include <stdlib.h>
#include <string.h>

enum { CANDIDATES = (1 + DECODE_EOS) * DECODE_BEAMS }; /* most of a row */

enum tm_status guided_create(struct guided *g, int32_t rows, int32_t ids, struct tm_err *err)
{
    size_t n = (size_t)rows;
    g->words = (ids + 31) / 32;
    g->states = calloc(2 * n, TM_GUIDE_STATE);
    g->trial = calloc(1, TM_GUIDE_STATE);
    g->masks = calloc(n * (size_t)g->words, sizeof *g->masks);
    g->masked = calloc(n, 1);
    g->stops = calloc(n * CANDIDATES, 1);
    g->candidates = calloc(n * CANDIDATES, sizeof *g->candidates);
    g->parents = calloc(n, sizeof *g->parents);
    g->ended = calloc(n, 1);
    return g->states != NULL && g->trial != NULL && g->masks != NULL && g->masked != NULL &&
                   g->stops != NULL && g->candidates != NULL && g->parents != NULL &&
                   g->ended != NULL
               ? TM_OK
               : tm_err_set(err, TM_NOMEM, "guides of %d rows", rows);
}

void guided_destroy(struct guided *g)
{
    free(g->states);
    free(g->trial);
    free(g->masks);
    free(g->masked);
    free(g->stops);
    free(g->candidates);
    free(g->parents);
    free(g->ended);
}

static const struct tm_guide *guide_of(const struct decoder *d, const struct tm_engine *e,
                                       int32_t slot)
{
    int32_t entry = d->slots[slot].entry;
    return entry >= 0 ? e->queue.entries[entry].seq.guide : NULL;
}

bool guided_any(const struct decoder *d, const struct tm_engine *e)
{
    for (int32_t i = 0; i < d->rows; i++)
        if (guide_of(d, e, i) != NULL)
            return true;
    return false;
}

static char *state_of(const struct decoder *d, int32_t row)
{
    return d->guided.states + (size_t)row * TM_GUIDE_STATE;
}

/* The id behind `length` ids is not the guide's to choose. The rule is logits_topk's. */
static bool is_forced(const struct tm_decoding *how, int32_t length)
{
    return (how->forced_eos_token_id >= 0 && length == how->max_length - 1) ||
           (how->forced_bos_token_id >= 0 && length == 1);
}

static bool is_eos(const struct tm_decoding *how, int32_t id)
{
    for (int32_t i = 0; i < how->n_eos; i++)
        if (how->eos_token_ids[i] == id)
            return true;
    return false;
}

static bool searches(const struct tm_decoding *how)
{
    return how->beams > 1 && !how->do_sample;
}

static int32_t rows_of(const struct decode_slot *slot)
{
    return slot->started ? slot->rows : 1;
}

static void start(const struct tm_guide *g, const struct tm_decoding *how, const int32_t *prompt,
                  void *state)
{
    g->init(g, state);
    for (int32_t i = 0; g->reads_prompt && i < how->prompt; i++)
        (void)g->advance(g, state, prompt[i]);
}

void guided_begin(struct decoder *d, const struct tm_engine *e, int32_t slot, const int32_t *prompt)
{
    const struct tm_guide *g = guide_of(d, e, slot);
    if (g != NULL)
        start(g, &d->host_decoding[slot], prompt, state_of(d, slot));
}

/* ---- masks ---- */

enum tm_status guided_masks(struct worker *w, const struct tm_engine *e,
                            struct tm_logits_args *args)
{
    struct decoder *d = w->decoder;
    struct guided *own = &d->guided;
    const struct tm_device_ops *dev = &e->model.backend->dev;
    enum tm_status s = TM_OK;
    int32_t row = 0;
    bool any = false;
    for (int32_t i = 0; i < d->rows && s == TM_OK; i++) {
        const struct decode_slot *slot = &d->slots[i];
        const struct tm_guide *g = guide_of(d, e, i);
        if (slot->entry < 0)
            continue;
        bool masks = g != NULL && g->mask != NULL && !is_forced(&d->host_decoding[i], slot->length);
        any |= masks;
        for (int32_t b = 0; b < rows_of(slot) && s == TM_OK; b++, row++) {
            uint32_t *bits = own->masks + (size_t)row * (size_t)own->words;
            own->masked[row] = masks;
            if (!masks)
                continue;
            memset(bits, 0xff, (size_t)own->words * sizeof *bits);
            g->mask(g, state_of(d, i + b), bits);
            s = dev->copy_in(w->stream, d->masks + (size_t)row * (size_t)own->words, bits,
                             (size_t)own->words * sizeof *bits);
        }
    }
    if (!any || s != TM_OK)
        return s;
    args->masks = d->masks;
    args->masked = d->masked;
    return dev->copy_in(w->stream, d->masked, own->masked, (size_t)row);
}

/* ---- candidates of a search ---- */

/* Which of a row's first n candidates complete what the guide waits for. */
static void try_candidates(const struct decoder *d, const struct tm_guide *g, int32_t row,
                           const struct tm_decoding *how, const int32_t *ids, int32_t n,
                           uint8_t *stops)
{
    for (int32_t c = 0; c < n && ids[c] >= 0; c++) {
        if (is_eos(how, ids[c]))
            continue;
        memcpy(d->guided.trial, state_of(d, row), g->state_size);
        stops[c] = g->advance(g, d->guided.trial, ids[c]) == TM_GUIDE_STOP;
    }
}

enum tm_status guided_stops(struct worker *w, const struct tm_engine *e, int32_t rows,
                            struct tm_beam_args *args)
{
    struct decoder *d = w->decoder;
    struct guided *own = &d->guided;
    const struct tm_device_ops *dev = &e->model.backend->dev;
    size_t n = (size_t)rows * (size_t)args->k;
    int32_t row = 0;
    enum tm_status s = dev->copy_out(w->stream, own->candidates, args->ids, n * sizeof(int32_t));
    if (s == TM_OK)
        s = dev->stream_sync(w->stream);
    if (s != TM_OK)
        return s;
    memset(own->stops, 0, n);
    for (int32_t i = 0; i < d->rows; i++) {
        const struct decode_slot *slot = &d->slots[i];
        const struct tm_decoding *how = &d->host_decoding[i];
        const struct tm_guide *g = guide_of(d, e, i);
        if (slot->entry < 0)
            continue;
        for (int32_t b = 0; b < rows_of(slot); b++, row++)
            if (g != NULL && searches(how) && !is_forced(how, slot->length))
                try_candidates(d, g, i + b, how, own->candidates + (int64_t)row * args->k,
                               TM_MIN(args->k, TM_MAX(2, 1 + how->n_eos) * how->beams),
                               own->stops + (int64_t)row * args->k);
    }
    args->stops = d->stops;
    return dev->copy_in(w->stream, d->stops, own->stops, n);
}

/* ---- the ids that were chosen ---- */

/* Row r of a slot that does not search is at its end with the id that it just took. */
static enum tm_status end_row(struct worker *w, const struct tm_engine *e, int32_t r,
                              const int32_t *length)
{
    static const uint8_t yes = 1;
    const struct tm_decoded *x = &w->decoder->decoded;
    const struct tm_device_ops *dev = &e->model.backend->dev;
    enum tm_status s = dev->copy_in(w->stream, &x->ended[r], &yes, sizeof yes);
    w->decoder->guided.ended[r] = 1;
    return s == TM_OK ? dev->copy_in(w->stream, &x->finished_lengths[r], length, sizeof *length)
                      : s;
}

/* Each row's state is its parent's, moved on by its id. */
static enum tm_status go_on(struct worker *w, const struct tm_engine *e, const struct tm_guide *g,
                            int32_t slot)
{
    struct decoder *d = w->decoder;
    const struct tm_decoding *how = &d->host_decoding[slot];
    const uint8_t *ended = d->guided.ended;
    char *before = state_of(d, d->rows);
    enum tm_status s = TM_OK;
    bool forced = is_forced(how, d->slots[slot].length - 1), all = true;
    for (int32_t b = 0; b < how->beams; b++)
        memcpy(before + (size_t)b * TM_GUIDE_STATE, state_of(d, slot + b), g->state_size);
    for (int32_t r = slot; r < slot + how->beams && s == TM_OK; r++) {
        memcpy(state_of(d, r), before + (size_t)d->guided.parents[r] * TM_GUIDE_STATE,
               g->state_size);
        if (!forced && ended[r] == 0 &&
            g->advance(g, state_of(d, r), d->last[r]) == TM_GUIDE_STOP && !searches(how))
            s = end_row(w, e, r, &d->slots[slot].length);
        all &= ended[r] != 0;
    }
    if (s != TM_OK || searches(how) || !all)
        return s;
    d->done[slot] = 1;
    return e->model.backend->dev.copy_in(w->stream, &d->decoded.done[slot], &d->done[slot], 1);
}

enum tm_status guided_advance(struct worker *w, const struct tm_engine *e)
{
    struct decoder *d = w->decoder;
    const struct tm_device_ops *dev = &e->model.backend->dev;
    enum tm_status s = dev->copy_out(w->stream, d->guided.parents, d->decoded.parent,
                                     (size_t)d->rows * sizeof *d->guided.parents);
    if (s == TM_OK)
        s = dev->copy_out(w->stream, d->guided.ended, d->decoded.ended, (size_t)d->rows);
    if (s == TM_OK)
        s = dev->stream_sync(w->stream);
    for (int32_t i = 0; i < d->rows && s == TM_OK; i++) {
        const struct tm_guide *g = guide_of(d, e, i);
        if (g != NULL)
            s = go_on(w, e, g, i);
    }
    return s;
}

bool guided_completes(const struct decoder *d, const struct tm_engine *e, int32_t slot,
                      const int32_t *ids, int32_t n)
{
    const struct tm_guide *g = guide_of(d, e, slot);
    const struct tm_decoding *how = &d->host_decoding[slot];
    enum tm_guide_verdict v = TM_GUIDE_GO;
    if (g == NULL)
        return false;
    start(g, how, ids, d->guided.trial);
    for (int32_t i = how->prompt; i < n; i++)
        if (!is_forced(how, i))
            v = g->advance(g, d->guided.trial, ids[i]);
    return v == TM_GUIDE_STOP;
}
