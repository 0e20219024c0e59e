/* The one asynchronous stage: documents go in, their sequences run in batches mixed from many
 * documents, and each comes out as soon as its own tasks are done, so that a short answer never
 * waits for a long one.
 *
 * submit and poll belong to the infer thread; step to the engine workers. The two meet only in the
 * engines' queues: a slot is not reused before every sequence of its document has been collected,
 * so a worker may read what a cookie points at without a lock. */
#include "tm_engine.h"
#include "tm_pipeline.h"
#include "tm_tokenizer.h"

#include <stdlib.h>
#include <string.h>

enum { COLLECT = 256, MAX_TASKS = 256 };

struct slot {
    struct tm_doc *doc; /* NULL: free */
    size_t task, seq;   /* next sequence to hand to its engine */
    size_t open;        /* tasks not done */
    bool waiting;       /* in the list of slots with sequences to hand over */
    uint64_t since_ns;
    size_t next; /* of the free list or the waiting list */
};

struct tm_infer {
    struct tm_models *models;
    const struct tm_task *task;
    size_t n_tasks;
    struct slot *slot;
    size_t n_slots, inside;
    size_t free_head;                  /* n_slots: none */
    size_t waiting_head, waiting_tail; /* n_slots: none */
    struct tm_doc *done_head, **done_tail;
    struct tm_encoding enc; /* for the tasks' next() */
    int workers;
};

static uint64_t make_cookie(size_t slot, size_t task, size_t seq)
{
    return (uint64_t)slot << 40 | (uint64_t)task << 32 | (uint64_t)seq;
}

static struct tm_seq *cookie_seq(const struct tm_infer *in, uint64_t cookie,
                                 struct tm_task_run **ret_run, size_t *ret_slot)
{
    *ret_slot = (size_t)(cookie >> 40);
    struct tm_doc *doc = in->slot[*ret_slot].doc;
    *ret_run = &doc->task_runs[cookie >> 32 & 0xff];
    return &(*ret_run)->seqs[cookie & 0xffffffff];
}

enum tm_status tm_infer_create(struct tm_models *ms, size_t max_docs, struct tm_infer **ret_infer,
                               struct tm_err *err)
{
    tm_assert(max_docs > 0 && max_docs < (size_t)1 << 24);
    struct tm_infer *in = calloc(1, sizeof *in);
    if (in == NULL || (in->slot = calloc(max_docs, sizeof *in->slot)) == NULL) {
        free(in);
        return tm_err_set(err, TM_NOMEM, "infer stage for %zu documents", max_docs);
    }
    in->models = ms;
    in->n_tasks = tm_models_tasks(ms, &in->task);
    in->n_slots = max_docs;
    for (size_t i = 0; i < max_docs; i++)
        in->slot[i].next = i + 1;
    in->waiting_head = in->waiting_tail = max_docs;
    in->done_tail = &in->done_head;
    for (size_t i = 0; i < tm_models_count(ms); i++)
        in->workers = TM_MAX(in->workers, tm_engine_info(tm_models_get(ms, i)->engine)->threads);
    if (in->n_tasks > MAX_TASKS) {
        tm_infer_destroy(in);
        return tm_err_set(err, TM_CONFIG, "more than %d tasks", MAX_TASKS);
    }
    *ret_infer = in;
    return TM_OK;
}

void tm_infer_destroy(struct tm_infer *in)
{
    if (in == NULL)
        return;
    for (struct tm_doc *d = in->done_head, *next; d != NULL; d = next) {
        next = d->next;
        tm_doc_destroy(d);
    }
    for (size_t i = 0; i < in->n_slots; i++)
        tm_doc_destroy(in->slot[i].doc);
    tm_encoding_finish(&in->enc);
    free(in->slot);
    free(in);
}

size_t tm_infer_inside(const struct tm_infer *in)
{
    return in->inside;
}

int tm_infer_workers(const struct tm_infer *in)
{
    return in->workers;
}

/* ---- documents through their tasks ---- */

static void put_waiting(struct tm_infer *in, size_t s)
{
    struct slot *slot = &in->slot[s];
    slot->task = slot->seq = 0;
    if (slot->waiting)
        return; /* its cursor starts again: tasks that are in the engine are passed over */
    slot->waiting = true;
    slot->next = in->n_slots;
    if (in->waiting_head == in->n_slots)
        in->waiting_head = s;
    else
        in->slot[in->waiting_tail].next = s;
    in->waiting_tail = s;
}

static void finish_doc(struct tm_infer *in, size_t s)
{
    struct slot *slot = &in->slot[s];
    struct tm_doc *doc = slot->doc;
    doc->infer_ns = tm_clock_ns() - slot->since_ns;
    doc->next = NULL;
    *in->done_tail = doc;
    in->done_tail = &doc->next;
    slot->doc = NULL;
    slot->next = in->free_head;
    in->free_head = s;
}

/* Opens the round that a task has planned: true when there is something to wait for. */
static bool open_round(struct tm_task_run *run)
{
    if (run->done || run->skipped || run->err.status != TM_OK || run->n_seqs == 0)
        return false;
    run->n_open = run->n_seqs;
    for (size_t i = 0; i < run->n_seqs; i++)
        run->seqs[i].status = TM_AGAIN; /* not yet handed over */
    return true;
}

enum tm_status tm_infer_submit(struct tm_infer *in, struct tm_doc **owned)
{
    if (in->free_head == in->n_slots)
        return TM_AGAIN;
    struct tm_doc *doc = TM_TAKE(*owned);
    size_t s = in->free_head;
    struct slot *slot = &in->slot[s];
    in->free_head = slot->next;
    *slot = (struct slot){.doc = doc, .since_ns = tm_clock_ns()};
    in->inside++;
    for (size_t i = 0; i < doc->n_task_runs; i++)
        slot->open += open_round(&doc->task_runs[i]);
    if (slot->open == 0)
        finish_doc(in, s);
    else
        put_waiting(in, s);
    return TM_OK;
}

/* Draws depend on the document and on nothing else: not on the batch, not on the order. */
static void set_key(const struct tm_doc *doc, const struct tm_task_run *run, size_t seq,
                    uint64_t key[2])
{
    const struct tm_record *rec = &doc->rec;
    const uint64_t place[] = {rec->seq, (uint64_t)(run - doc->task_runs), run->round, seq};
    const char *lane = rec->lane_name != NULL ? rec->lane_name : "";
    key[0] = (uint64_t)run->task->conf->seed;
    key[1] = tm_hash(place, sizeof place, tm_hash(lane, strlen(lane), 0));
}

/* Hands sequences of one slot to their engines; false when an engine is full. */
static bool hand_over(struct tm_infer *in, size_t s)
{
    struct slot *slot = &in->slot[s];
    struct tm_doc *doc = slot->doc;
    for (; slot->task < doc->n_task_runs; slot->task++, slot->seq = 0) {
        struct tm_task_run *run = &doc->task_runs[slot->task];
        if (run->done || run->n_open == 0)
            continue;
        struct tm_engine *engine = run->task->model->engine;
        for (; slot->seq < run->n_seqs; slot->seq++) {
            struct tm_seq *q = &run->seqs[slot->seq];
            if (q->status != TM_AGAIN)
                continue;
            set_key(doc, run, slot->seq, q->key);
            const struct tm_sequence seq = tm_seq_sequence(q);
            q->status = TM_OK; /* written before a worker can see it */
            if (tm_engine_submit(engine, &seq, make_cookie(s, slot->task, slot->seq)) != TM_OK) {
                q->status = TM_AGAIN;
                return false;
            }
        }
    }
    return true;
}

static void hand_over_all(struct tm_infer *in)
{
    while (in->waiting_head != in->n_slots) {
        size_t s = in->waiting_head;
        if (!hand_over(in, s))
            return;
        in->waiting_head = in->slot[s].next;
        in->slot[s].waiting = false;
    }
}

/* The last sequence of a task's round is answered. */
static void next_round(struct tm_infer *in, size_t s, struct tm_task_run *run)
{
    struct tm_doc *doc = in->slot[s].doc;
    for (size_t i = 0; i < run->n_seqs; i++)
        if (run->seqs[i].status != TM_OK)
            tm_err_set(&run->err, run->seqs[i].status, "sequence %zu of %zu was not answered", i,
                       run->n_seqs);
    if (run->err.status == TM_OK) {
        struct tm_err err = {0};
        run->n_seqs = 0;
        run->round++;
        enum tm_status st = run->task->ops->next(run->task, doc, run, &in->enc, &err);
        if (st != TM_OK)
            run->err = err;
        else if (open_round(run)) {
            put_waiting(in, s);
            return;
        }
    }
    if (--in->slot[s].open == 0)
        finish_doc(in, s);
}

/* No answer of a broken device is a document's fault: what it held stays inside, and is done again
 * after the restart that tm_infer_step's caller sees to. */
static void take_answer(struct tm_infer *in, const struct tm_answer *a)
{
    if (a->status == TM_DEVICE)
        return;
    struct tm_task_run *run;
    size_t s;
    struct tm_seq *q = cookie_seq(in, a->cookie, &run, &s);
    q->status = a->status;
    in->slot[s].doc->tokens_in += (uint32_t)a->n_ids;
    in->slot[s].doc->tokens_out += (uint32_t)a->n_new;
    if (--run->n_open == 0)
        next_round(in, s, run);
}

size_t tm_infer_poll(struct tm_infer *in, struct tm_doc **out, size_t max)
{
    struct tm_answer answers[COLLECT];
    for (size_t m = 0; m < tm_models_count(in->models); m++) {
        size_t n;
        do {
            n = tm_engine_collect(tm_models_get(in->models, m)->engine, answers, COLLECT);
            for (size_t i = 0; i < n; i++)
                take_answer(in, &answers[i]);
        } while (n == COLLECT);
    }
    hand_over_all(in);
    size_t n_out = 0;
    while (n_out < max && in->done_head != NULL) {
        out[n_out] = in->done_head;
        in->done_head = in->done_head->next;
        out[n_out++]->next = NULL;
        in->inside--;
    }
    if (in->done_head == NULL)
        in->done_tail = &in->done_head;
    return n_out;
}

/* ---- on the engine workers ---- */

struct step_report {
    const struct tm_infer *in;
    tm_infer_report_fn *report;
    void *arg;
    struct tm_metrics *metrics;
};

/* From cookies to documents, each once (sequences of one document lie together). */
static void report_step(void *arg, const uint64_t *cookies, size_t n, bool ran)
{
    const struct step_report *r = arg;
    struct tm_doc *docs[COLLECT];
    size_t n_docs = 0;
    int64_t tokens = 0;
    for (size_t i = 0; i < n; i++) {
        struct tm_task_run *run;
        size_t s;
        tokens += cookie_seq(r->in, cookies[i], &run, &s)->n_ids;
        struct tm_doc *doc = r->in->slot[s].doc;
        if (n_docs > 0 && docs[n_docs - 1] == doc)
            continue;
        if (n_docs == COLLECT) {
            if (r->report != NULL)
                r->report(r->arg, docs, n_docs, ran);
            n_docs = 0;
        }
        docs[n_docs++] = doc;
    }
    if (ran && r->metrics != NULL) {
        tm_metric_observe(r->metrics, TM_HISTOGRAM_BATCH_TOKENS, tokens);
        tm_metric_observe(r->metrics, TM_HISTOGRAM_BATCH_SEQUENCES, (int64_t)n);
        tm_metric_add(r->metrics, TM_METRIC_TOKENS, tokens);
        tm_metric_add(r->metrics, TM_METRIC_SEQUENCES, (int64_t)n);
    }
    if (r->report != NULL)
        r->report(r->arg, docs, n_docs, ran);
}

enum tm_status tm_infer_step(struct tm_infer *in, int worker, tm_infer_report_fn *report, void *arg,
                             struct tm_metrics *metrics)
{
    size_t n = tm_models_count(in->models);
    struct step_report r = {in, report, arg, metrics};
    for (size_t i = 0; i < n; i++) {
        /* Workers begin at different models, so that none starves behind another's queue. */
        struct tm_engine *e = tm_models_get(in->models, (i + (size_t)worker) % n)->engine;
        if (worker >= tm_engine_info(e)->threads)
            continue;
        uint64_t since = tm_clock_ns();
        enum tm_status s = tm_engine_step(e, worker, report_step, &r);
        if (s == TM_AGAIN)
            continue;
        if (metrics != NULL)
            tm_metric_add(metrics, TM_METRIC_ENGINE_BUSY_NS, (int64_t)(tm_clock_ns() - since));
        return s;
    }
    return TM_AGAIN;
}
