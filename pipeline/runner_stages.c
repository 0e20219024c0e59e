/* The runner's stage threads, its infer thread and the engine workers (runner.h).
 *
 * A stage thread takes a batch from its queue, runs the stage over the documents that have not
 * failed, goes on with the stages that it carries for (place.carried), and hands all of them on.
 * Every run stands in the attempt journal while it lasts. */
#include "runner.h"
#include "tm_engine.h"

#include <limits.h>

/* ---- from place to place ---- */

static void drop(struct tm_doc **docs, size_t n)
{
    for (size_t i = 0; i < n; i++)
        tm_doc_destroy(TM_TAKE(docs[i]));
}

/* A process short of memory is often the doing of another document: this one is tried again when
 * nothing else is in flight, and only then has it failed. */
static bool wants_to_be_alone(const struct tm_runner *r, const struct tm_doc *doc)
{
    return doc->err.status == TM_NOMEM && !r->alone && doc->rec.data != NULL;
}

void runner_hold(struct tm_runner *r, struct tm_doc *doc)
{
    doc->next = NULL;
    *r->held_tail = doc;
    r->held_tail = &doc->next;
    if (r->n_held++ == 0)
        r->held_since_ns = tm_clock_ns();
}

/* Woken at every document, the delivery thread of a sink that gathers would do little else. */
void runner_ready(struct tm_runner *r)
{
    bool first = r->ready_since_ns == 0;
    if (!ledger_ready(r->ledger))
        return;
    if (first)
        r->ready_since_ns = tm_clock_ns();
    if (first || r->pace.ms == 0 || r->hurry ||
        (r->pace.bytes > 0 && ledger_done_bytes(r->ledger) >= r->pace.bytes))
        pthread_cond_signal(&r->delivery_cond);
}

static void finish(struct tm_runner *r, struct tm_doc **docs, size_t n)
{
    bool again[INFER_BATCH], well[INFER_BATCH], waited = false;
    pthread_mutex_lock(&r->lock);
    for (size_t i = 0; i < n; i++) {
        again[i] = wants_to_be_alone(r, docs[i]);
        well[i] = docs[i]->err.status == TM_OK &&
                  ledger_has(r->ledger, docs[i]->rec.lane, docs[i]->rec.epoch);
    }
    pthread_mutex_unlock(&r->lock);
    for (size_t i = 0; r->dedup != NULL && i < n; i++)
        waited |= tm_dedup_ended(r->dedup, docs[i], well[i]);
    if (waited)
        wake_post(&r->dedup_wake);
    for (size_t i = 0; i < n; i++)
        if (docs[i]->err.status != TM_OK && !again[i])
            runner_trouble(r, docs[i], docs[i]->err_stage, &docs[i]->err);
    pthread_mutex_lock(&r->lock);
    for (size_t i = 0; i < n; i++) {
        runner_memory_learn(r, docs[i]);
        if (again[i])
            runner_hold(r, TM_TAKE(docs[i]));
        else
            ledger_finish(r->ledger, &docs[i]);
    }
    r->active -= n;
    runner_ready(r);
    if (r->active == 0 || r->n_held > 0)
        pthread_cond_signal(&r->source_cond);
    pthread_mutex_unlock(&r->lock);
    drop(docs, n); /* late results of an old epoch */
}

void runner_push(struct tm_runner *r, struct place *to, struct tm_doc **docs, size_t n)
{
    if (n == 0)
        return;
    if (runner_phase(r) == PHASE_CUT) {
        drop(docs, n);
        return;
    }
    if (to == NULL) {
        finish(r, docs, n);
        return;
    }
    atomic_fetch_add(&to->waiting, n);
    size_t taken = tm_queue_push_batch(to->in, (void **)docs, n);
    drop(docs + taken, n - taken); /* cut */
    if (to->wake != NULL)
        wake_post(to->wake);
}

static void pass_on(struct tm_runner *r, struct place *from, struct tm_doc **docs, size_t n)
{
    taps_leave(r->taps, from->name, docs, n);
    runner_push(r, from->next, docs, n);
    atomic_fetch_sub(&from->waiting, n);
}

/* ---- synchronous stages ---- */

static void add_time(struct place *p, struct tm_doc *doc, uint64_t ns)
{
    if (p->time_offset != 0)
        *(uint64_t *)((char *)doc + p->time_offset) += ns;
}

/* What the tasks have planned counts against the window. */
static void count_tokens(struct tm_runner *r, struct tm_doc *const *docs, size_t n)
{
    size_t tokens[STAGE_BATCH] = {0};
    for (size_t i = 0; i < n; i++)
        for (size_t t = 0; t < docs[i]->n_task_runs; t++) {
            const struct tm_task_run *run = &docs[i]->task_runs[t];
            for (size_t s = 0; s < run->n_seqs; s++)
                tokens[i] += (size_t)run->seqs[s].n_ids;
        }
    pthread_mutex_lock(&r->lock);
    for (size_t i = 0; i < n; i++)
        ledger_tokens(r->ledger, &docs[i]->rec, tokens[i]);
    pthread_mutex_unlock(&r->lock);
}

/* false: the stage cannot go on. The run ends, and these documents must not get any further. */
static bool run_batch(struct worker *w, struct place *p, void *state, struct tm_doc **docs,
                      size_t n)
{
    struct tm_runner *r = w->r;
    struct tm_doc *good[STAGE_BATCH];
    struct tm_batch batch = {good, 0};
    for (size_t i = 0; i < n; i++)
        if (docs[i]->err.status == TM_OK)
            good[batch.n++] = docs[i];
    if (batch.n == 0)
        return true;
    const size_t n_good = batch.n;
    journal_enter(r->journal, w->slot, p->name, good, n_good);
    TM_FAULT(p->fault);
    runner_doc_fault(p->name, good, n_good);
    struct tm_err err = {0};
    uint64_t since = tm_clock_ns();
    enum tm_status s = p->ops->run(p->self, state, &batch, &err);
    uint64_t took = tm_clock_ns() - since, each = took / n_good;
    atomic_fetch_add_explicit(&p->busy_ns, took, memory_order_relaxed);
    tm_metric_observe(r->config.metrics, p->histogram, (int64_t)took);
    journal_leave(r->journal, w->slot);
    if (p == &r->place[PLACE_TOKENIZE] && r->infer != NULL)
        count_tokens(r, good, n_good);
    for (size_t i = 0; i < n_good; i++) {
        add_time(p, good[i], each);
        if (s == TM_NOMEM && good[i]->err.status == TM_OK)
            tm_doc_nomem(good[i], p->name);
    }
    if (s == TM_OK || s == TM_NOMEM)
        return true;
    runner_fatal(r, s, p->name, &err);
    return false;
}

/* The place after p that this thread goes on to; NULL: there is none. */
static struct place *carries_to(const struct place *p)
{
    return p->next != NULL && p->next->carried ? p->next : NULL;
}

/* states: of the thread's places, in their order. */
static void carry(struct worker *w, void *const *states, struct tm_doc **docs, size_t n)
{
    struct tm_runner *r = w->r;
    for (struct place *p = w->place, *next;; p = next, states++) {
        if (runner_phase(r) == PHASE_CUT || !run_batch(w, p, *states, docs, n)) {
            drop(docs, n);
            return;
        }
        next = carries_to(p);
        if (next == NULL) {
            pass_on(r, p, docs, n);
            return;
        }
        taps_leave(r->taps, p->name, docs, n);
        atomic_fetch_sub(&p->waiting, n);
        atomic_fetch_add(&next->waiting, n);
    }
}

void runner_stage(struct worker *w)
{
    struct tm_doc *docs[STAGE_BATCH];
    void *states[PLACES] = {0};
    size_t n, i = 0;
    for (struct place *p = w->place; p != NULL; p = carries_to(p), i++)
        states[i] = p->ops->worker_create != NULL ? p->ops->worker_create(p->self) : NULL;
    while ((n = tm_queue_pop_batch(w->place->in, (void **)docs, STAGE_BATCH, UINT_MAX)) > 0)
        carry(w, states, docs, n);
    i = 0;
    for (struct place *p = w->place; p != NULL; p = carries_to(p), i++)
        if (p->ops->worker_destroy != NULL)
            p->ops->worker_destroy(p->self, states[i]);
}

/* ---- infer ---- */

/* Hands queued documents to the stage; those that it cannot take yet stay in waiting[]. Failed ones
 * go past it. Returns how many are left. */
static size_t submit(struct tm_runner *r, struct place *p, struct tm_doc **waiting, size_t n)
{
    size_t left = 0;
    for (size_t i = 0; i < n; i++) {
        if (waiting[i]->err.status != TM_OK)
            pass_on(r, p, &waiting[i], 1);
        else if (left > 0 || r->infer_ops->submit(r->infer, &waiting[i]) != TM_OK)
            waiting[left++] = waiting[i];
    }
    return left;
}

void runner_infer(struct worker *w)
{
    struct tm_runner *r = w->r;
    struct place *p = w->place;
    struct tm_doc *waiting[INFER_BATCH], *out[INFER_BATCH];
    size_t n_waiting = 0;
    while (runner_phase(r) != PHASE_CUT && !tm_queue_done(p->in)) {
        uint64_t seen = wake_read(&r->infer_wake);
        size_t n_new =
            tm_queue_pop_batch(p->in, (void **)waiting + n_waiting, INFER_BATCH - n_waiting, 0);
        n_waiting = submit(r, p, waiting, n_waiting + n_new);
        size_t n_out = r->infer_ops->poll(r->infer, out, INFER_BATCH);
        wake_post(&r->engine_wake); /* new documents, or further rounds of old ones */
        pass_on(r, p, out, n_out);
        if (n_new == 0 && n_out == 0)
            wake_wait(&r->infer_wake, seen, UINT_MAX);
    }
    drop(waiting, n_waiting);
}

/* Around each engine batch, on the worker's thread. */
static void report(void *arg, struct tm_doc *const *docs, size_t n, bool ran)
{
    struct worker *w = arg;
    if (ran) {
        journal_leave(w->r->journal, w->slot);
        return;
    }
    journal_enter(w->r->journal, w->slot, w->place->name, docs, n);
    TM_FAULT(w->place->fault);
    runner_doc_fault(w->place->name, docs, n);
}

void runner_engine(struct worker *w)
{
    struct tm_runner *r = w->r;
    tm_engine_pin(w->number, r->infer_ops->workers(r->infer));
    while (runner_phase(r) != PHASE_CUT && !tm_queue_done(w->place->in)) {
        uint64_t seen = wake_read(&r->engine_wake);
        uint64_t since = tm_clock_ns();
        enum tm_status s = r->infer_ops->step(r->infer, w->number, report, w, r->config.metrics);
        if (s != TM_AGAIN) {
            uint64_t took = tm_clock_ns() - since;
            atomic_fetch_add_explicit(&w->place->busy_ns, took, memory_order_relaxed);
            tm_metric_observe(r->config.metrics, w->place->histogram, (int64_t)took);
        }
        journal_leave(r->journal, w->slot); /* a batch that failed may not have been reported */
        if (s == TM_DEVICE) {
            struct tm_err err = {0};
            tm_err_set(&err, s,
                       "the device that models run on is broken; what is not delivered "
                       "will be done again");
            runner_fatal(r, s, w->place->name, &err);
            return;
        }
        if (s == TM_AGAIN)
            wake_wait(&r->engine_wake, seen, UINT_MAX);
        else
            wake_post(&r->infer_wake);
    }
}
