/* The runner's delivery thread: the only caller of sink.deliver and source.commit (runner.h).
 *
 * It takes what the ledger releases, gives it to the sink until the sink has it, tells the source,
 * and only then lets go of the documents. Nothing here drops a result except a cut, after which
 * everything not committed is done again at the next start. */
#include "runner.h"

enum { PAUSE_FIRST_MS = 100, PAUSE_MOST_MS = 5000 };

/* Waits for so long, or until cut: true when the run goes on. */
static bool pause_for(struct tm_runner *r, unsigned *pause_ms)
{
    uint64_t until = tm_clock_ns() + *pause_ms * 1000000ull;
    *pause_ms = TM_MIN(*pause_ms * 2, (unsigned)PAUSE_MOST_MS);
    pthread_mutex_lock(&r->lock);
    for (uint64_t now; runner_phase(r) != PHASE_CUT && (now = tm_clock_ns()) < until;)
        cond_wait_ms(&r->delivery_cond, &r->lock, (unsigned)((until - now) / 1000000) + 1);
    pthread_mutex_unlock(&r->lock);
    return runner_phase(r) != PHASE_CUT;
}

static bool is_partial(const struct tm_doc *doc)
{
    for (size_t i = 0; i < doc->n_task_runs; i++)
        if (doc->task_runs[i].err.status != TM_OK)
            return true;
    return false;
}

static void account(struct tm_runner *r, const struct tm_release *release)
{
    struct tm_metrics *m = r->config.metrics;
    const uint64_t now = tm_clock_ns();
    uint64_t dead = 0, partial = 0, tokens = 0;
    for (size_t i = 0; i < release->n_docs; i++) {
        const struct tm_doc *doc = release->docs[i];
        bool failed = doc->err.status != TM_OK;
        dead += failed;
        partial += !failed && is_partial(doc);
        tokens += doc->tokens_in;
        tm_metric_observe(m, TM_HISTOGRAM_DOCUMENT, (int64_t)(now - doc->taken_ns));
        if (failed)
            atomic_fetch_add(&m->dead[doc->err.status], 1);
        if (failed && doc->attempts > 0)
            journal_clear(r->journal, &doc->rec); /* it never comes again */
    }
    tm_metric_add(m, TM_METRIC_DELIVERIES, 1);
    tm_metric_add(m, TM_METRIC_DOCS_DEAD, (int64_t)dead);
    tm_metric_add(m, TM_METRIC_DOCS_OUT, (int64_t)(release->n_docs - dead));
    tm_metric_add(m, TM_METRIC_DOCS_IN_FLIGHT, -(int64_t)release->n_docs);
    pthread_mutex_lock(&r->lock);
    r->summary.delivered += release->n_docs - dead;
    r->summary.dead += dead;
    r->summary.partial += partial;
    r->summary.tokens += tokens;
    ledger_delivered(r->ledger, release->progress, release->n_progress);
    pthread_cond_signal(&r->source_cond);
    pthread_mutex_unlock(&r->lock);
}

static void commit(struct tm_runner *r, const struct tm_release *release)
{
    unsigned pause_ms = PAUSE_FIRST_MS;
    for (;;) {
        struct tm_err err = {0};
        TM_FAULT("before-commit");
        enum tm_status s = r->config.source->commit(r->source, release, &err);
        if (s == TM_OK) {
            account(r, release);
            return;
        }
        if (!tm_status_retry(s)) {
            runner_fatal(r, s, "commit", &err);
            return;
        }
        runner_trouble(r, NULL, "commit", &err);
        if (!pause_for(r, &pause_ms))
            return;
    }
}

/* The source thread does it: service and take must not run meanwhile. */
static void ask_for_rewind(struct tm_runner *r, const struct tm_err *err)
{
    if (r->config.source->rewind == NULL) {
        runner_fatal(r, TM_INTERNAL, r->config.sink->name, err);
        return;
    }
    runner_trouble(r, NULL, r->config.sink->name, err);
    pthread_mutex_lock(&r->lock);
    r->rewind = true;
    pthread_cond_signal(&r->source_cond);
    while (r->rewind && runner_phase(r) != PHASE_CUT)
        cond_wait_ms(&r->delivery_cond, &r->lock, TICK_MS);
    pthread_mutex_unlock(&r->lock);
}

static void deliver(struct tm_runner *r, const struct tm_release *release)
{
    unsigned pause_ms = PAUSE_FIRST_MS;
    for (;;) {
        struct tm_err err = {0};
        TM_FAULT("before-deliver");
        enum tm_delivered d = r->config.sink->deliver(r->sink, release, &err);
        TM_FAULT("after-deliver");
        switch (d) {
        case TM_STORED:
            commit(r, release);
            return;
        case TM_COMMITTED:
            account(r, release);
            return;
        case TM_FENCED:
            tm_err_set(&err, TM_CLOSED, "another instance owns this work");
            runner_fatal(r, TM_CLOSED, r->config.sink->name, &err);
            return;
        case TM_ABORTED:
        case TM_UNKNOWN:
            tm_err_set(&err, TM_CANCELLED, "a release was not accepted; its source is rewound");
            ask_for_rewind(r, &err);
            return;
        case TM_RETRY_LATER:
            break;
        }
        tm_err_set(&err, TM_AGAIN, "the sink cannot take results now");
        tm_metric_add(r->config.metrics, TM_METRIC_DELIVERY_RETRIES, 1);
        runner_trouble(r, NULL, r->config.sink->name, &err);
        if (!pause_for(r, &pause_ms))
            return;
    }
}

void runner_deliver(struct worker *w)
{
    struct tm_runner *r = w->r;
    struct tm_doc *docs[RELEASE_DOCS];
    struct tm_progress progress[RELEASE_DOCS];
    while (runner_phase(r) != PHASE_CUT) {
        struct tm_release release = {.docs = docs, .progress = progress};
        pthread_mutex_lock(&r->lock);
        while (!ledger_ready(r->ledger) && runner_phase(r) != PHASE_CUT)
            pthread_cond_wait(&r->delivery_cond, &r->lock);
        release.n_docs =
            ledger_collect(r->ledger, docs, progress, &release.n_progress, RELEASE_DOCS);
        pthread_mutex_unlock(&r->lock);
        if (release.n_docs > 0 && runner_phase(r) != PHASE_CUT) {
            deliver(r, &release);
            runner_post(r);
        }
        for (size_t i = 0; i < release.n_docs; i++)
            tm_doc_destroy(docs[i]);
    }
}
