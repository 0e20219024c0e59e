/* The runner's source thread: serves the source, admits its documents to the ledger, and runs those
 * that must be alone (runner.h).
 *
 * A document is held back when the attempt journal suspects it, or when the process was out of
 * memory while it was one of many. Held documents run when nothing else is in flight: suspects in
 * the groups of the bisection, the others one by one. */
#include "runner.h"

#include <string.h>

enum {
    HOLD_MS = 2000,   /* held documents wait this long at most while others keep coming */
    SERVICE_MS = 50,  /* an idle source waits this long for something new */
    FAILED_MS = 1000, /* pause after the source's upkeep failed */
    HURRY_MS = 20,
};

static bool drain(struct tm_runner *r)
{
    return runner_phase(r) != PHASE_RUN;
}

static bool cut(struct tm_runner *r)
{
    return runner_phase(r) == PHASE_CUT;
}

static void service(struct tm_runner *r, unsigned wait_ms)
{
    struct tm_err err = {0};
    enum tm_status s = r->config.source->service(r->source, wait_ms, &err);
    if (s == TM_OK || s == TM_AGAIN)
        return;
    if (!tm_status_retry(s)) {
        runner_fatal(r, s, r->config.source->name, &err);
        return;
    }
    runner_trouble(r, NULL, r->config.source->name, &err);
    pthread_mutex_lock(&r->lock);
    cond_wait_ms(&r->source_cond, &r->lock, FAILED_MS);
    pthread_mutex_unlock(&r->lock);
}

/* ---- quarantine ---- */

static char *copy(struct tm_arena *a, const char *s)
{
    return s == NULL ? NULL : tm_arena_strdup(a, s);
}

/* false: no memory. */
static bool copy_bytes(struct tm_arena *a, const char *s, size_t n, const char **ret)
{
    *ret = s == NULL ? NULL : tm_arena_strndup(a, s, n);
    return s == NULL || *ret != NULL;
}

/* The document as it was when it came: what stages added to it is left behind. NULL: no memory. */
static struct tm_doc *begin_again(const struct tm_runner *r, const struct tm_doc *old)
{
    const struct tm_record *from = &old->rec;
    struct tm_doc *d = tm_doc_create((size_t)r->config.conf->limits_document_memory);
    if (d == NULL)
        return NULL;
    d->rec = *from;
    d->attempts = old->attempts;
    d->taken_ns = old->taken_ns;
    d->taps = old->taps;
    d->rec.lane_name = copy(d->arena, from->lane_name);
    d->rec.path = copy(d->arena, from->path);
    d->rec.sha256 = copy(d->arena, from->sha256);
    d->rec.content_type = copy(d->arena, from->content_type);
    d->rec.charset = copy(d->arena, from->charset);
    d->rec.topic = copy(d->arena, from->topic);
    d->id = d->rec.id = copy(d->arena, from->id);
    d->source = d->rec.source = copy(d->arena, from->source);
    d->published_at = d->rec.published_at = copy(d->arena, from->published_at);
    bool ok = copy_bytes(d->arena, from->data, from->len, &d->rec.data) &&
              copy_bytes(d->arena, from->original, from->original_len, &d->rec.original) &&
              copy_bytes(d->arena, from->key, from->key_len, &d->rec.key);
    struct tm_header *headers = tm_arena_array(d->arena, from->n_headers, sizeof *headers);
    ok = ok && (headers != NULL || from->n_headers == 0);
    for (size_t i = 0; ok && i < from->n_headers; i++) {
        const struct tm_header *h = &from->headers[i];
        headers[i] = (struct tm_header){.name = copy(d->arena, h->name), .len = h->len};
        ok = copy_bytes(d->arena, h->value, h->len, &headers[i].value);
    }
    d->rec.headers = headers;
    if (ok)
        return d;
    tm_doc_destroy(d);
    return NULL;
}

/* Waits until no document is in a stage or a queue; false when cut. */
static bool wait_inactive(struct tm_runner *r)
{
    for (;;) {
        pthread_mutex_lock(&r->lock);
        if (r->active > 0 && !cut(r))
            cond_wait_ms(&r->source_cond, &r->lock, TICK_MS);
        bool inactive = r->active == 0;
        pthread_mutex_unlock(&r->lock);
        if (inactive || cut(r))
            return !cut(r);
        service(r, 0);
    }
}

/* Takes the first held document and the others of its group out of the list. */
static struct tm_doc *take_group(struct tm_runner *r, uint32_t *ret_group, size_t *ret_n)
{
    struct tm_doc *list, *group = NULL, **tail = &group, *next;
    struct suspect s = {0};
    pthread_mutex_lock(&r->lock);
    list = TM_TAKE(r->held);
    r->held_tail = &r->held;
    r->n_held = 0;
    pthread_mutex_unlock(&r->lock);
    *ret_n = 0;
    *ret_group = list != NULL && journal_suspect(r->journal, &list->rec, &s) ? s.group : 0;
    for (struct tm_doc *d = list; d != NULL; d = next) {
        next = d->next;
        d->next = NULL;
        bool with = d == list || (*ret_group != 0 && journal_suspect(r->journal, &d->rec, &s) &&
                                  s.group == *ret_group);
        if (with) {
            *tail = d;
            tail = &d->next;
            ++*ret_n;
            continue;
        }
        pthread_mutex_lock(&r->lock);
        runner_hold(r, d);
        pthread_mutex_unlock(&r->lock);
    }
    return group;
}

static void activate(struct tm_runner *r, struct tm_doc *doc)
{
    bool for_stages = doc->err.status == TM_OK;
    doc->ticket = for_stages ? ++r->tickets : 0;
    pthread_mutex_lock(&r->lock);
    r->active++;
    pthread_mutex_unlock(&r->lock);
    runner_push(r, for_stages ? &r->place[PLACE_CLEAN] : NULL, &doc, 1);
}

static void run_group(struct tm_runner *r, struct tm_doc *group, uint32_t number, size_t n)
{
    pthread_mutex_lock(&r->lock);
    r->alone = n == 1;
    pthread_mutex_unlock(&r->lock);
    if (number != 0)
        journal_quarantine(r->journal, number);
    for (struct tm_doc *d = group, *next; d != NULL; d = next) {
        next = d->next;
        d->next = NULL;
        if (d->err.status != TM_OK) { /* out of memory the first time */
            struct tm_doc *fresh = begin_again(r, d);
            if (fresh != NULL) {
                tm_doc_destroy(d);
                d = fresh;
            }
        }
        activate(r, d);
    }
    wait_inactive(r);
    pthread_mutex_lock(&r->lock);
    r->alone = false;
    bool passed = r->active == 0; /* the run may be over by now: they have passed all the same */
    pthread_mutex_unlock(&r->lock);
    if (passed && number != 0)
        journal_passed(r->journal, number);
}

static void run_quarantine(struct tm_runner *r)
{
    struct tm_doc *group;
    uint32_t number;
    size_t n;
    while (wait_inactive(r) && (group = take_group(r, &number, &n)) != NULL)
        run_group(r, group, number, n);
}

/* ---- admission ---- */

/* What no stage has to see: tombstones, gaps, and everything when documents are passed on unread.
 */
static bool is_opaque(const struct tm_runner *r, const struct tm_doc *doc)
{
    return doc->err.status == TM_OK && (r->opaque || doc->rec.kind != TM_RECORD_DOCUMENT);
}

/* Straight to its end, under the lock. */
static void pass_on_unread(struct tm_runner *r, struct tm_doc *doc)
{
    doc->output = doc->rec.data != NULL ? doc->rec.data : "";
    doc->output_len = doc->rec.len;
    ledger_finish(r->ledger, &doc);
    tm_assert(doc == NULL); /* it was admitted a moment ago */
    runner_ready(r);
}

/* Where a document that has just been admitted goes. */
static void route(struct tm_runner *r, struct tm_doc *doc)
{
    struct suspect s;
    bool suspected = journal_suspect(r->journal, &doc->rec, &s);
    if (suspected)
        doc->attempts = s.deaths;
    if (suspected && s.deaths >= (uint64_t)r->config.conf->limits_attempts) {
        const char *stage = "pipeline";
        for (size_t i = 0; i < PLACES; i++)
            if (strcmp(r->place[i].name, s.stage) == 0)
                stage = r->place[i].name;
        tm_doc_fail(doc, stage, s.timeout ? TM_TIMEOUT : TM_CRASH,
                    s.timeout ? "took longer than limits.stage_seconds each of %u times, alone"
                              : "the process died on it each of %u times, alone",
                    s.deaths);
    } else if (suspected && doc->err.status == TM_OK) {
        pthread_mutex_lock(&r->lock);
        runner_hold(r, doc);
        pthread_mutex_unlock(&r->lock);
        return;
    }
    if (doc->err.status != TM_OK && doc->err_stage == NULL)
        doc->err_stage = r->config.source->name;
    activate(r, doc);
}

/* Documents whose lane was taken away count too while they are in a stage. Under the lock. */
static bool has_room(const struct tm_runner *r, size_t bytes)
{
    return ledger_room(r->ledger, bytes) && r->active < (size_t)r->config.conf->limits_documents;
}

/* false: no room. */
static bool admit(struct tm_runner *r, struct tm_doc *doc)
{
    struct tm_err err = {0};
    size_t bytes = doc->rec.len;
    pthread_mutex_lock(&r->lock);
    bool room = !cut(r) && has_room(r, bytes);
    bool counts = doc->rec.kind != TM_RECORD_GAP;
    enum tm_status s = room ? ledger_admit(r->ledger, &doc->rec, &err) : TM_AGAIN;
    if (s == TM_OK) {
        r->summary.documents += counts;
        r->summary.bytes += bytes;
        if (is_opaque(r, doc))
            pass_on_unread(r, TM_TAKE(doc));
    } else if (!r->full) {
        r->full = true;
        pthread_cond_signal(&r->delivery_cond);
    }
    pthread_mutex_unlock(&r->lock);
    r->short_of_memory = s == TM_NOMEM;
    if (s == TM_AGAIN || s == TM_NOMEM)
        return false;
    if (s == TM_OK) {
        tm_metric_add(r->config.metrics, TM_METRIC_DOCS_IN, counts);
        tm_metric_add(r->config.metrics, TM_METRIC_BYTES_IN, (int64_t)bytes);
        tm_metric_add(r->config.metrics, TM_METRIC_DOCS_IN_FLIGHT, 1);
        if (doc == NULL)
            return true;
        doc->taken_ns = tm_clock_ns();
        taps_enter(r->taps, doc);
        route(r, doc);
        return true;
    }
    if (s != TM_CANCELLED)
        runner_fatal(r, s, "source", &err);
    tm_doc_destroy(doc);
    return true;
}

enum fed { FED_SOME, FED_NOTHING, FED_FULL };

static enum fed feed(struct tm_runner *r)
{
    if (r->next_pending == r->n_pending) {
        r->next_pending = 0;
        r->n_pending = r->config.source->take(r->source, r->pending, TAKE_BATCH);
        if (r->n_pending == 0)
            return FED_NOTHING;
    }
    while (r->next_pending < r->n_pending) {
        if (drain(r))
            return FED_FULL;
        if (!admit(r, r->pending[r->next_pending]))
            return FED_FULL;
        r->pending[r->next_pending++] = NULL;
    }
    return FED_SOME;
}

static void drop_pending(struct tm_runner *r)
{
    for (; r->next_pending < r->n_pending; r->next_pending++)
        tm_doc_destroy(TM_TAKE(r->pending[r->next_pending]));
}

/* ---- lanes that go away ---- */

static bool is_one_of(const uint64_t *lanes, size_t n, uint64_t lane)
{
    for (size_t i = 0; i < n; i++)
        if (lanes[i] == lane)
            return true;
    return false;
}

/* What is finished, is delivered: else somebody else does it again. */
static void let_deliver(struct tm_runner *r, unsigned wait_ms)
{
    uint64_t until = tm_clock_ns() + wait_ms * 1000000ull;
    pthread_mutex_lock(&r->lock);
    r->hurry = true;
    pthread_cond_signal(&r->delivery_cond);
    while (!cut(r) && (r->delivering || ledger_ready(r->ledger)) && tm_clock_ns() < until)
        cond_wait_ms(&r->source_cond, &r->lock, HURRY_MS);
    r->hurry = false;
    pthread_mutex_unlock(&r->lock);
}

static void drop_pending_of(struct tm_runner *r, const uint64_t *lanes, size_t n)
{
    size_t kept = r->next_pending;
    for (size_t i = r->next_pending; i < r->n_pending; i++) {
        struct tm_doc *doc = TM_TAKE(r->pending[i]);
        if (is_one_of(lanes, n, doc->rec.lane))
            tm_doc_destroy(doc);
        else
            r->pending[kept++] = doc;
    }
    r->n_pending = kept;
}

/* tm_source_host.revoke. Documents inside a stage stay there: nobody waits for them any more. */
void runner_revoke(void *arg, const uint64_t *lanes, size_t n, bool lost, unsigned wait_ms)
{
    struct tm_runner *r = arg;
    struct tm_doc *held, *next;
    int64_t forgotten = 0;
    if (!lost)
        let_deliver(r, wait_ms);
    drop_pending_of(r, lanes, n);
    pthread_mutex_lock(&r->lock);
    for (size_t i = 0; i < n; i++)
        forgotten += (int64_t)ledger_forget_lane(r->ledger, lanes[i]);
    held = TM_TAKE(r->held);
    r->held_tail = &r->held;
    r->n_held = 0;
    for (struct tm_doc *d = held; d != NULL; d = next) {
        next = d->next;
        if (is_one_of(lanes, n, d->rec.lane))
            tm_doc_destroy(d);
        else
            runner_hold(r, d);
    }
    pthread_mutex_unlock(&r->lock);
    tm_metric_add(r->config.metrics, TM_METRIC_DOCS_IN_FLIGHT, -forgotten);
}

/* ---- the thread ---- */

/* The sink has lost its place: everything not committed comes again, in a higher epoch. */
static void rewind_source(struct tm_runner *r)
{
    struct tm_doc *held, *next;
    struct tm_err err = {0};
    drop_pending(r);
    enum tm_status s = drain(r) ? TM_OK : r->config.source->rewind(r->source, &err);
    if (s != TM_OK && tm_status_retry(s)) {
        runner_trouble(r, NULL, r->config.source->name, &err);
        service(r, TICK_MS);
        return;
    }
    if (s != TM_OK)
        runner_fatal(r, s, r->config.source->name, &err);
    pthread_mutex_lock(&r->lock);
    int64_t forgotten = (int64_t)ledger_count(r->ledger);
    ledger_forget(r->ledger);
    r->summary.abandoned += drain(r) ? (uint64_t)forgotten : 0;
    held = TM_TAKE(r->held);
    r->held_tail = &r->held;
    r->n_held = 0;
    r->source_done = r->rewind = false;
    pthread_cond_signal(&r->delivery_cond);
    pthread_mutex_unlock(&r->lock);
    tm_metric_add(r->config.metrics, TM_METRIC_DOCS_IN_FLIGHT, -forgotten);
    for (; held != NULL; held = next) {
        next = held->next;
        tm_doc_destroy(held);
    }
}

static bool may_admit(const struct tm_runner *r)
{
    return r->next_pending < r->n_pending && !r->short_of_memory &&
           has_room(r, r->pending[r->next_pending]->rec.len);
}

/* Waits until the main thread, the ledger or a held document has something for this thread. */
static void pause_source(struct tm_runner *r)
{
    pthread_mutex_lock(&r->lock);
    bool feeding = !drain(r) && may_admit(r);
    if (r->n_held == 0 && !r->rewind && !feeding && !cut(r))
        cond_wait_ms(&r->source_cond, &r->lock, TICK_MS);
    pthread_mutex_unlock(&r->lock);
}

static void set_source_done(struct tm_runner *r)
{
    pthread_mutex_lock(&r->lock);
    r->source_done = true;
    pthread_cond_signal(&r->delivery_cond);
    pthread_mutex_unlock(&r->lock);
    runner_post(r);
}

/* One turn: what there is to do, else a wait. */
static void turn(struct tm_runner *r, enum fed *fed)
{
    pthread_mutex_lock(&r->lock);
    bool rewind = r->rewind;
    bool due = r->n_held > 0 && (*fed != FED_SOME || drain(r) || r->source_done ||
                                 tm_clock_ns() - r->held_since_ns > HOLD_MS * 1000000ull);
    bool done = r->source_done || drain(r);
    pthread_mutex_unlock(&r->lock);
    if (rewind) {
        rewind_source(r);
    } else if (due) {
        run_quarantine(r);
    } else if (done) {
        service(r, 0);
        pause_source(r);
    } else if ((*fed = feed(r)) == FED_SOME) {
        service(r, 0);
    } else if (*fed == FED_FULL) {
        service(r, 0);
        pause_source(r);
    } else if (r->config.once && r->config.source->at_end(r->source)) {
        set_source_done(r);
    } else {
        service(r, SERVICE_MS);
    }
}

void runner_source(struct worker *w)
{
    enum fed fed = FED_SOME;
    while (!cut(w->r))
        turn(w->r, &fed);
    drop_pending(w->r);
}
