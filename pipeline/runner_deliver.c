/* The runner's delivery thread: the only caller of sink.deliver and source.commit (runner.h).
 *
 * It takes what the ledger releases, gives it to the sink until the sink has it, tells the source,
 * and only then lets go of the documents. Nothing here drops a result except a cut, after which
 * everything not committed is done again at the next start. */
#include "runner.h"

#include <limits.h>
#include <stdlib.h>

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
    struct tm_err err = {0};
    if (r->dedup != NULL &&
        tm_dedup_delivered(r->dedup, release->docs, release->n_docs, &err) != TM_OK)
        runner_trouble(r, NULL, "dedup", &err);
    pthread_mutex_lock(&r->lock);
    r->summary.delivered += release->n_docs - dead;
    r->summary.dead += dead;
    r->summary.partial += partial;
    r->summary.tokens += tokens;
    size_t left = ledger_delivered(r->ledger, release->progress, release->n_progress);
    pthread_cond_signal(&r->source_cond);
    pthread_mutex_unlock(&r->lock);
    tm_metric_add(m, TM_METRIC_DOCS_IN_FLIGHT, -(int64_t)left);
}

/* Takes out what belongs to lanes that were taken away meanwhile; false when nothing is left. */
static bool still_wanted(struct tm_runner *r, struct tm_release *release)
{
    struct tm_progress *progress = (struct tm_progress *)release->progress;
    size_t docs = 0, lanes = 0;
    pthread_mutex_lock(&r->lock);
    for (size_t i = 0; i < release->n_docs; i++) {
        struct tm_doc *doc = TM_TAKE(release->docs[i]);
        if (ledger_has(r->ledger, doc->rec.lane, doc->rec.epoch))
            release->docs[docs++] = doc;
        else
            tm_doc_destroy(doc);
    }
    for (size_t i = 0; i < release->n_progress; i++)
        if (ledger_has(r->ledger, progress[i].lane, progress[i].epoch))
            progress[lanes++] = progress[i];
    pthread_mutex_unlock(&r->lock);
    release->n_docs = docs;
    release->n_progress = lanes;
    return lanes > 0;
}

static void commit(struct tm_runner *r, struct tm_release *release)
{
    unsigned pause_ms = PAUSE_FIRST_MS;
    while (still_wanted(r, release)) {
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

/* The context is taken first and the lanes are looked at then, until both agree: it must not name a
 * lane whose documents were dropped. One that is taken away after the look is refused by whoever
 * the context is for, because it says who owned the lanes before. False when nothing is left. */
static bool take_context(struct tm_runner *r, struct tm_release *release)
{
    const struct tm_source_ops *source = r->config.source;
    size_t lanes;
    do {
        lanes = release->n_progress;
        if (source->context != NULL)
            release->context = source->context(r->source, release->progress, lanes);
    } while (still_wanted(r, release) && release->n_progress != lanes);
    return release->n_progress > 0;
}

static enum tm_delivered try_deliver(struct tm_runner *r, struct tm_release *release,
                                     struct tm_err *err)
{
    if (!take_context(r, release))
        return TM_STORED; /* and there is nothing to commit */
    bool ready = release->context != NULL || r->config.source->context == NULL;
    if (!ready) {
        tm_err_set(err, TM_AGAIN, "the source is between two owners");
        return TM_RETRY_LATER;
    }
    TM_FAULT("before-deliver");
    enum tm_delivered d = r->config.sink->deliver(r->sink, release, err);
    TM_FAULT("after-deliver");
    return d;
}

static void deliver(struct tm_runner *r, struct tm_release *release)
{
    unsigned pause_ms = PAUSE_FIRST_MS;
    for (;;) {
        struct tm_err err = {0};
        switch (try_deliver(r, release, &err)) {
        case TM_STORED:
            commit(r, release);
            return;
        case TM_COMMITTED:
            tm_metric_add(r->config.metrics, TM_METRIC_KAFKA_COMMITS, 1);
            account(r, release);
            return;
        case TM_FENCED:
            tm_err_set(&err, TM_CLOSED, "another instance owns this work");
            tm_metric_add(r->config.metrics, TM_METRIC_KAFKA_FENCED, 1);
            runner_fatal(r, err.status, r->config.sink->name, &err);
            return;
        case TM_UNKNOWN:
            tm_err_set(&err, TM_CANCELLED, "a release may be stored or not; its source goes back");
            tm_metric_add(r->config.metrics, TM_METRIC_KAFKA_UNKNOWN, 1);
            ask_for_rewind(r, &err);
            return;
        case TM_ABORTED:
            tm_err_set(&err, TM_AGAIN, "a release was rolled back and is tried again");
            tm_metric_add(r->config.metrics, TM_METRIC_KAFKA_ABORTS, 1);
            break;
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

/* ---- gathering ---- */

/* Milliseconds until something is to be released, 0: now. Under the lock. */
static unsigned wait_before_release(struct tm_runner *r)
{
    if (!ledger_ready(r->ledger))
        return UINT_MAX;
    if (r->pace.ms == 0 || r->hurry || r->full || r->source_done || runner_phase(r) != PHASE_RUN ||
        (r->pace.bytes > 0 && ledger_done_bytes(r->ledger) >= r->pace.bytes))
        return 0;
    uint64_t waited_ms = (tm_clock_ns() - r->ready_since_ns) / 1000000;
    return waited_ms >= r->pace.ms ? 0 : r->pace.ms - (unsigned)waited_ms;
}

/* Gaps have done their part when they are collected: only progress is left of them. */
static size_t drop_gaps(struct tm_doc **docs, size_t n)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        struct tm_doc *doc = TM_TAKE(docs[i]);
        if (doc->rec.kind == TM_RECORD_GAP)
            tm_doc_destroy(doc);
        else
            docs[kept++] = doc;
    }
    return kept;
}

/* A run that cannot go on delivers nothing more, from that moment: a release that was not stored
 * may have gone before, and the progress of the next one would cover it. Under the lock. */
static bool is_over(struct tm_runner *r)
{
    return runner_phase(r) == PHASE_CUT || r->status != TM_OK;
}

/* Waits for a release that is due; false: there will be none. */
static bool collect(struct tm_runner *r, struct tm_release *release, struct tm_progress *progress,
                    size_t most)
{
    unsigned wait_ms;
    pthread_mutex_lock(&r->lock);
    while (!is_over(r) && (wait_ms = wait_before_release(r)) > 0)
        cond_wait_ms(&r->delivery_cond, &r->lock, wait_ms);
    if (is_over(r)) {
        pthread_mutex_unlock(&r->lock);
        return false;
    }
    release->n_docs =
        ledger_collect(r->ledger, release->docs, progress, &release->n_progress, most);
    r->ready_since_ns = ledger_ready(r->ledger) ? tm_clock_ns() : 0;
    r->full = false;
    r->delivering = release->n_progress > 0;
    pthread_mutex_unlock(&r->lock);
    release->n_docs = drop_gaps(release->docs, release->n_docs);
    return true;
}

void runner_deliver(struct worker *w)
{
    struct tm_runner *r = w->r;
    const size_t window = (size_t)r->config.conf->limits_documents + 1; /* one is always let in */
    const size_t most = r->pace.ms > 0 ? window : RELEASE_DOCS;
    struct tm_doc **docs = calloc(most, sizeof *docs);
    struct tm_progress *progress = calloc(most, sizeof *progress);
    if (docs == NULL || progress == NULL) {
        struct tm_err err = {0};
        tm_err_set(&err, TM_NOMEM, "a release of %zu documents", most);
        runner_fatal(r, TM_NOMEM, w->name, &err);
    }
    struct tm_release release = {.docs = docs, .progress = progress};
    while (docs != NULL && progress != NULL && collect(r, &release, progress, most)) {
        if (release.n_progress > 0) {
            deliver(r, &release);
            runner_post(r);
        }
        for (size_t i = 0; i < release.n_docs; i++)
            tm_doc_destroy(docs[i]);
        pthread_mutex_lock(&r->lock);
        r->delivering = false;
        pthread_cond_signal(&r->source_cond);
        pthread_mutex_unlock(&r->lock);
        release = (struct tm_release){.docs = docs, .progress = progress};
    }
    free(docs);
    free(progress);
}
