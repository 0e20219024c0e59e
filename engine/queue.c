/* The queue of sequences: submit, collect, cancel, and what a worker takes.
 *
 * Any thread. One lock, held for list operations only. Entries move between three lists (free,
 * waiting, done) and the batches that run; none is allocated after open. */
#include "engine.h"

#include <stdlib.h>

static void append(struct queue *q, struct list *list, int32_t i)
{
    q->entries[i].next = -1;
    if (list->tail >= 0)
        q->entries[list->tail].next = i;
    else
        list->head = i;
    list->tail = i;
    list->n++;
}

static void prepend(struct queue *q, struct list *list, int32_t i)
{
    q->entries[i].next = list->head;
    list->head = i;
    if (list->tail < 0)
        list->tail = i;
    list->n++;
}

static int32_t remove_first(struct queue *q, struct list *list)
{
    int32_t i = list->head;
    list->head = q->entries[i].next;
    if (list->head < 0)
        list->tail = -1;
    list->n--;
    return i;
}

enum tm_status queue_init(struct queue *q, int32_t room, struct tm_err *err)
{
    struct list empty = {-1, -1, 0};
    q->entries = calloc((size_t)room, sizeof *q->entries);
    if (q->entries == NULL)
        return tm_err_set(err, TM_NOMEM, "queue of %d sequences", room);
    pthread_mutex_init(&q->lock, NULL);
    q->room = room;
    q->free = q->waiting = q->done = empty;
    for (int32_t i = 0; i < room; i++)
        append(q, &q->free, i);
    return TM_OK;
}

void queue_finish(struct queue *q)
{
    if (q->entries == NULL)
        return;
    pthread_mutex_destroy(&q->lock);
    free(q->entries);
    q->entries = NULL;
}

int32_t queue_pop(struct queue *q)
{
    int32_t i = remove_first(q, &q->waiting);
    q->waiting_ids -= q->entries[i].seq.n_ids;
    return i;
}

void queue_restart(struct queue *q, int32_t entry)
{
    pthread_mutex_lock(&q->lock);
    prepend(q, &q->waiting, entry);
    q->waiting_ids += q->entries[entry].seq.n_ids;
    pthread_mutex_unlock(&q->lock);
}

int32_t queue_take(struct queue *q, int32_t tokens, int32_t *entries)
{
    int32_t n = 0, used = 0;
    while (q->waiting.n > 0) {
        int32_t len = q->entries[q->waiting.head].seq.n_ids;
        if (n > 0 && len > tokens - used)
            break;
        entries[n++] = queue_pop(q);
        used += len;
    }
    return n;
}

void queue_done(struct queue *q, const int32_t *entries, int32_t n)
{
    pthread_mutex_lock(&q->lock);
    for (int32_t i = 0; i < n; i++)
        append(q, &q->done, entries[i]);
    pthread_mutex_unlock(&q->lock);
}

enum tm_status tm_engine_submit(struct tm_engine *e, const struct tm_sequence *seq, uint64_t cookie)
{
    struct queue *q = &e->queue;
    tm_assert(tm_engine_fits(e, seq, NULL) == TM_OK);
    if (e->info.head == TM_HEAD_GENERATE)
        tm_assert(seq->generated != NULL);
    else
        tm_assert(seq->out != NULL && seq->out_size >= tm_engine_output_size(e, seq->n_ids));
    pthread_mutex_lock(&q->lock);
    enum tm_status s = q->free.n > 0 ? TM_OK : TM_AGAIN;
    if (s == TM_OK) {
        int32_t i = remove_first(q, &q->free);
        q->entries[i] = (struct entry){.seq = *seq, .cookie = cookie};
        append(q, &q->waiting, i);
        q->waiting_ids += seq->n_ids;
    }
    pthread_mutex_unlock(&q->lock);
    return s;
}

size_t tm_engine_collect(struct tm_engine *e, struct tm_answer *out, size_t max)
{
    struct queue *q = &e->queue;
    size_t n = 0;
    pthread_mutex_lock(&q->lock);
    for (; n < max && q->done.n > 0; n++) {
        int32_t i = remove_first(q, &q->done);
        const struct entry *done = &q->entries[i];
        out[n] = (struct tm_answer){.cookie = done->cookie,
                                    .status = done->status,
                                    .n_ids = done->seq.n_ids,
                                    .n_new = done->n_new,
                                    .step_ns = done->step_ns};
        append(q, &q->free, i);
    }
    pthread_mutex_unlock(&q->lock);
    return n;
}

void tm_engine_cancel(struct tm_engine *e, uint64_t cookie)
{
    struct queue *q = &e->queue;
    pthread_mutex_lock(&q->lock);
    for (int32_t i = 0; i < q->room; i++)
        if (q->entries[i].decoding && q->entries[i].cookie == cookie)
            q->entries[i].cancelled = true;
    for (size_t n = q->waiting.n; n > 0; n--) { /* once round: the order stays */
        int32_t i = remove_first(q, &q->waiting);
        if (q->entries[i].cookie != cookie) {
            append(q, &q->waiting, i);
            continue;
        }
        q->waiting_ids -= q->entries[i].seq.n_ids;
        q->entries[i].status = TM_CANCELLED;
        append(q, &q->done, i);
    }
    pthread_mutex_unlock(&q->lock);
}

size_t tm_engine_waiting(const struct tm_engine *e)
{
    struct queue *q = (struct queue *)&e->queue; /* the lock alone is written */
    pthread_mutex_lock(&q->lock);
    size_t n = q->waiting.n;
    pthread_mutex_unlock(&q->lock);
    return n;
}
