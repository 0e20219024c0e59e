/* What a sequence that is done has to say. Called by schedule.c on the worker's thread. */
#include "decode.h"

#include <math.h>

static enum tm_finish finish_of(const struct tm_decoding *how, const int32_t *ids, int32_t n)
{
    /* At the greatest length a forced eos says nothing. */
    bool cut = n >= how->max_length && how->forced_eos_token_id >= 0;
    for (int32_t i = 0; !cut && n > how->prompt && i < how->n_eos; i++)
        if (ids[n - 1] == how->eos_token_ids[i])
            return TM_FINISH_STOP;
    return n >= how->max_length ? TM_FINISH_LENGTH : TM_FINISH_STOP;
}

/* Ids, their number and the score of row r's best from the device. */
static enum tm_status read_row(struct worker *w, const struct tm_engine *e, int32_t r, bool search,
                               struct tm_generated *to)
{
    const struct tm_decoded *x = &w->decoder->decoded;
    const struct tm_device_ops *dev = &e->model.backend->dev;
    const int32_t *ids = (search ? x->finished_ids : x->ids) + (int64_t)r * x->positions;
    enum tm_status s =
        dev->copy_out(w->stream, &to->n_ids, &x->finished_lengths[r], sizeof to->n_ids);
    if (s == TM_OK)
        s = dev->copy_out(w->stream, &to->score, &x->finished_scores[r], sizeof to->score);
    if (s == TM_OK)
        s = dev->stream_sync(w->stream);
    if (s == TM_OK && to->n_ids > 0)
        s = dev->copy_out(w->stream, to->ids, ids, (size_t)to->n_ids * sizeof *to->ids);
    return s == TM_OK ? dev->stream_sync(w->stream) : s;
}

/* A guide may leave a search with fewer answers than beams: what is missing, or went on behind an
 * end, has the sum of what is not there. */
static bool is_nothing(const struct tm_decoding *how, const struct tm_generated *x)
{
    double penalty = pow(x->n_ids - how->prompt, (double)how->length_penalty);
    return x->n_ids <= how->prompt || (double)x->score * penalty < (double)DECODE_FAR_OFF / 2;
}

enum tm_status answer_write(struct worker *w, struct tm_engine *e, int32_t slot)
{
    const struct decode_slot *at = &w->decoder->slots[slot];
    const struct tm_decoding *how = &w->decoder->host_decoding[slot];
    struct entry *entry = &e->queue.entries[at->entry];
    const struct tm_generation *g =
        entry->seq.generation != NULL ? entry->seq.generation : e->info.generation;
    bool search = how->beams > 1 && !how->do_sample;
    enum tm_status s = TM_OK;
    entry->n_new = 0;
    entry->step_ns = tm_clock_ns() - at->begun_ns;
    for (int32_t i = 0; s == TM_OK && i < g->num_return_sequences; i++) {
        struct tm_generated *to = &entry->seq.generated[i];
        s = read_row(w, e, slot + i, search, to);
        if (s == TM_OK && i > 0 && search && entry->seq.guide != NULL && is_nothing(how, to)) {
            *to = (struct tm_generated){.ids = to->ids};
            continue;
        }
        if (s == TM_OK &&
            to->n_ids <= how->prompt) /* nothing came out: no number among the scores */
            s = TM_MODEL;
        if (!search)
            to->score = 0;
        to->finish_reason = finish_of(how, to->ids, to->n_ids);
        if (to->finish_reason == TM_FINISH_LENGTH &&
            guided_completes(w->decoder, e, slot, to->ids, to->n_ids))
            to->finish_reason = TM_FINISH_STOP;
        entry->n_new += to->n_ids - how->prompt;
    }
    return s;
}
