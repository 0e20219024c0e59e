/* Which sequences a worker decodes: admission, refill at every step, restart when pages run out.
 *
 * Called by tm_engine_step on the worker's thread. The oldest sequence is never restarted and fits
 * alone, so that all come to their end. What a sequence answers depends on none of this. */
#include "decode.h"

/* ---- pages ---- */

static int32_t pages_to(int32_t positions)
{
    return (positions + TM_KV_PAGE - 1) / TM_KV_PAGE;
}

/* How long a sequence will get, judged by those that ended before it. */
static int32_t expected_length(const struct decoder *d, const struct tm_decoding *how,
                               int32_t length)
{
    int32_t expected = how->prompt + (int32_t)(d->mean_new * 1.25F) + 1;
    return d->mean_new > 0 ? TM_MIN(how->max_length, TM_MAX(expected, length + TM_KV_PAGE / 2))
                           : how->max_length;
}

/* Pages that the sequences at work are still expected to ask for. */
static int64_t promised(const struct decoder *d)
{
    int64_t pages = 0;
    for (int32_t i = 0; i < d->rows; i++) {
        const struct decode_slot *slot = &d->slots[i];
        if (slot->entry < 0)
            continue;
        int32_t ends = pages_to(expected_length(d, &d->host_decoding[i], slot->length));
        for (int32_t b = 0; b < slot->rows; b++) {
            int32_t has = kv_held_self(&d->kv, i + b);
            pages += TM_MAX(0, ends - TM_MAX(has, b > 0 ? slot->length / TM_KV_PAGE : 0));
        }
    }
    return pages;
}

static bool enough_pages(const struct decoder *d, const struct tm_engine *e,
                         const struct tm_sequence *seq, const struct tm_decoding *how)
{
    struct tm_decoding expected = *how;
    expected.max_length = expected_length(d, how, how->prompt);
    return promised(d) + decoding_pages(e, seq, &expected) <= d->kv.n_free;
}

/* ---- admission ---- */

/* Sequences that this worker should decode, so that all workers have the same share. */
static int64_t share(const struct tm_engine *e)
{
    const struct queue *q = &e->queue;
    int64_t all = (int64_t)q->waiting.n + q->running, n = e->limits.threads;
    return (all + n - 1) / n;
}

/* Takes from the queue what there is room for, up to a batch of the encoder's. */
static int32_t admit(struct tm_engine *e, struct worker *w, int32_t *slots)
{
    struct decoder *d = w->decoder;
    struct queue *q = &e->queue;
    int32_t n = 0;
    int64_t tokens = 0;
    pthread_mutex_lock(&q->lock);
    while (q->waiting.n > 0 && d->n_slots < share(e)) {
        int32_t entry = q->waiting.head;
        const struct tm_sequence *seq = &q->entries[entry].seq;
        struct tm_decoding how;
        enum tm_status fits = decoding_plan(e, seq, &how, NULL);
        tm_assert(fits == TM_OK); /* or it would not be here */
        int64_t ids = TM_MAX(seq->n_ids, how.prompt);
        bool alone = d->n_slots == 0;
        if ((!alone && (d->short_of_pages || !enough_pages(d, e, seq, &how))) ||
            (n > 0 && tokens + ids > e->limits.batch_tokens))
            break;
        int32_t slot = decoder_admit(w, e, entry, &how);
        if (slot < 0)
            break;
        slots[n++] = slot;
        queue_pop(q);
        q->entries[entry].decoding = true;
        q->running++;
        tokens += ids;
    }
    pthread_mutex_unlock(&q->lock);
    return n;
}

/* ---- ends ---- */

static void release(struct decoder *d, struct tm_engine *e, int32_t slot)
{
    pthread_mutex_lock(&e->queue.lock);
    e->queue.entries[d->slots[slot].entry].decoding = false;
    e->queue.running--;
    pthread_mutex_unlock(&e->queue.lock);
    decoder_release(d, slot);
}

static void finish(struct decoder *d, struct tm_engine *e, int32_t slot, enum tm_status status)
{
    int32_t entry = d->slots[slot].entry;
    e->queue.entries[entry].status = status;
    d->finished[d->n_finished++] = entry;
    d->short_of_pages = false;
    release(d, e, slot);
}

/* The youngest begins again later: its pages go to those before it. */
static void restart_youngest(struct decoder *d, struct tm_engine *e)
{
    int32_t youngest = -1;
    for (int32_t i = 0; i < d->rows; i++)
        if (d->slots[i].entry >= 0 &&
            (youngest < 0 || d->slots[i].order > d->slots[youngest].order))
            youngest = i;
    const struct decode_slot *slot = &d->slots[youngest];
    tm_assert(d->n_slots > 1);
    d->mean_new = TM_MAX(d->mean_new, (float)(slot->length - d->host_decoding[youngest].prompt));
    d->short_of_pages = true;
    int32_t entry = slot->entry;
    release(d, e, youngest);
    queue_restart(&e->queue, entry);
}

static void drop_cancelled(struct decoder *d, struct tm_engine *e)
{
    struct queue *q = &e->queue;
    int32_t n = 0;
    pthread_mutex_lock(&q->lock);
    for (int32_t i = 0; i < d->rows; i++)
        if (d->slots[i].entry >= 0 && q->entries[d->slots[i].entry].cancelled)
            d->fresh[n++] = i;
    pthread_mutex_unlock(&q->lock);
    for (int32_t i = 0; i < n; i++)
        finish(d, e, d->fresh[i], TM_CANCELLED);
}

/* Every row has the page that the step writes to. */
static void reserve(struct tm_engine *e, struct worker *w)
{
    struct decoder *d = w->decoder;
    for (int32_t i = 0; i < d->rows; i++) {
        struct decode_slot *slot = &d->slots[i];
        for (int32_t b = 0; slot->entry >= 0 && b < (slot->started ? slot->rows : 1);) {
            if (kv_take_position(&d->kv, w->stream, e, i + b, slot->length - 1))
                b++;
            else
                restart_youngest(d, e); /* perhaps this one */
        }
    }
}

static void collect_done(struct tm_engine *e, struct worker *w)
{
    struct decoder *d = w->decoder;
    for (int32_t i = 0; i < d->rows; i++) {
        if (d->slots[i].entry < 0 || d->done[i] == 0)
            continue;
        float n = (float)(d->slots[i].length - d->host_decoding[i].prompt);
        d->mean_new = d->mean_new > 0 ? d->mean_new + (n - d->mean_new) / 16 : n;
        finish(d, e, i, answer_write(w, e, i));
    }
}

/* ---- the step ---- */

static int32_t fill_cookies(struct worker *w, const struct tm_engine *e)
{
    const struct decoder *d = w->decoder;
    int32_t n = 0;
    for (int32_t i = 0; i < d->rows; i++)
        if (d->slots[i].entry >= 0)
            w->cookies[n++] = e->queue.entries[d->slots[i].entry].cookie;
    return n;
}

static enum tm_status run(struct tm_engine *e, struct worker *w, int32_t fresh)
{
    struct decoder *d = w->decoder;
    enum tm_status s = fresh > 0 ? decoder_begin(w, e, d->fresh, fresh) : TM_OK;
    if (s == TM_OK)
        s = decoder_step(w, e);
    if (s == TM_OK)
        collect_done(e, w);
    for (int32_t i = 0; s != TM_OK && i < d->rows; i++)
        if (d->slots[i].entry >= 0)
            finish(d, e, i, s);
    return s;
}

enum tm_status schedule_step(struct tm_engine *e, struct worker *w, tm_engine_report_fn *report,
                             void *arg)
{
    struct decoder *d = w->decoder;
    enum tm_status s = TM_OK;
    drop_cancelled(d, e);
    reserve(e, w);
    int32_t fresh = admit(e, w, d->fresh), n = fill_cookies(w, e);
    if (n > 0) {
        if (report != NULL)
            report(arg, w->cookies, (size_t)n, false);
        s = run(e, w, fresh);
        if (report != NULL)
            report(arg, w->cookies, (size_t)n, true);
    } else if (d->n_finished == 0) {
        return TM_AGAIN;
    }
    queue_done(&e->queue, d->finished, d->n_finished);
    d->n_finished = 0;
    return s;
}
