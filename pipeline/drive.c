/* Sequences through one engine without a pipeline: for the verbs infer and models bench. Each
 * worker submits what it can of the rest, steps, and collects whatever is finished; the caller
 * is worker 0. */
#include "tm_engine.h"
#include "tm_pipeline.h"

#include "threads.h"

#include <stdatomic.h>
#include <stdlib.h>

enum { COLLECT = 64 };

struct drive {
    struct tm_engine *engine;
    struct tm_seq *seqs;
    size_t n;
    _Atomic size_t next, answered;
    _Atomic int status; /* of a step that failed */
};

struct drive_worker {
    struct drive *drive;
    int number;
};

/* Hands over sequences until the engine is full; false when none is left. Numbers are drawn one at
 * a time: one that the engine refuses is held by this worker and tried again. */
static void hand_over(struct drive *d, size_t *held)
{
    for (;;) {
        if (*held == d->n)
            *held = atomic_fetch_add(&d->next, 1);
        if (*held >= d->n) {
            *held = d->n;
            return;
        }
        const struct tm_seq *q = &d->seqs[*held];
        const struct tm_sequence seq = tm_seq_sequence(q);
        if (tm_engine_submit(d->engine, &seq, *held) != TM_OK)
            return;
        *held = d->n;
    }
}

static void drive_worker(void *arg)
{
    struct drive_worker *w = arg;
    struct drive *d = w->drive;
    struct tm_answer answers[COLLECT];
    size_t held = d->n;
    while (atomic_load(&d->answered) < d->n && atomic_load(&d->status) == TM_OK) {
        hand_over(d, &held);
        enum tm_status s = tm_engine_step(d->engine, w->number, NULL, NULL);
        if (s != TM_OK && s != TM_AGAIN)
            atomic_store(&d->status, (int)s);
        size_t n = tm_engine_collect(d->engine, answers, COLLECT);
        for (size_t i = 0; i < n; i++)
            d->seqs[answers[i].cookie].status = answers[i].status;
        atomic_fetch_add(&d->answered, n);
        /* Nothing left to start: the others' batches end without this worker. */
        if (s == TM_AGAIN && n == 0 && atomic_load(&d->next) >= d->n && held == d->n &&
            w->number != 0)
            return;
        if (s == TM_AGAIN && n == 0)
            tm_thread_yield();
    }
}

struct tm_sequence tm_seq_sequence(const struct tm_seq *q)
{
    return (struct tm_sequence){.ids = q->ids,
                                .n_ids = q->n_ids,
                                .n_first = q->n_first,
                                .skip = q->skip,
                                .key = {q->key[0], q->key[1]},
                                .out = q->out,
                                .out_size = q->out_size,
                                .decoder_ids = q->decoder_ids,
                                .n_decoder_ids = q->n_decoder_ids,
                                .generation = q->generation,
                                .guide = q->guide,
                                .generated = q->generated};
}

enum tm_status tm_drive(struct tm_engine *engine, struct tm_seq *seqs, size_t n, uint64_t *ret_ns,
                        struct tm_err *err)
{
    struct drive d = {.engine = engine, .seqs = seqs, .n = n};
    int threads = tm_engine_info(engine)->threads;
    struct drive_worker *workers = calloc((size_t)threads, sizeof *workers);
    struct tm_thread **thread = calloc((size_t)threads, sizeof *thread);
    enum tm_status s =
        workers != NULL && thread != NULL ? TM_OK : tm_err_set(err, TM_NOMEM, "workers");
    uint64_t since = tm_clock_ns();
    if (s == TM_OK) {
        for (int i = 0; i < threads; i++)
            workers[i] = (struct drive_worker){&d, i};
        for (int i = 1; i < threads; i++)
            tm_thread_start(&thread[i], "engine", drive_worker, &workers[i]);
        drive_worker(&workers[0]);
        for (int i = 1; i < threads; i++)
            tm_thread_join(thread[i]);
        s = (enum tm_status)atomic_load(&d.status);
        if (s != TM_OK)
            tm_err_set(err, s, "the engine failed in a batch");
    }
    if (s == TM_OK && ret_ns != NULL)
        *ret_ns = tm_clock_ns() - since;
    free(workers);
    free(thread);
    return s;
}
