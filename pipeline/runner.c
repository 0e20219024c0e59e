/* The runner: creates every thread, waits for the end, and watches over it meanwhile (runner.h).
 *
 * tm_runner_create and _destroy are called before and after; tm_runner_run is the main thread's
 * wait. Ends: the source is used up (once), a stop has drained or its limit is over, a second stop,
 * or something that cannot go on. In each case threads end after the batch they are in; documents
 * left in queues are dropped here and done again at the next start. */
#include "runner.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { WAIT_MS = 250, STILL_MS = 1000 };

/* ---- what the other files call ---- */

void runner_post(struct tm_runner *r)
{
    const uint64_t one = 1;
    ssize_t ignored = write(r->event_fd, &one, sizeof one); /* full: it is awake already */
    (void)ignored;
}

void tm_runner_stop(struct tm_runner *r)
{
    int saved = errno;
    atomic_fetch_add(&r->stops, 1);
    runner_post(r);
    errno = saved;
}

void runner_trouble(struct tm_runner *r, const struct tm_doc *doc, const char *stage,
                    const struct tm_err *err)
{
    if (r->config.trouble != NULL)
        r->config.trouble(r->config.arg, doc, stage, err);
}

void runner_fatal(struct tm_runner *r, enum tm_status s, const char *stage,
                  const struct tm_err *err)
{
    pthread_mutex_lock(&r->lock);
    if (r->status == TM_OK) {
        r->status = s;
        tm_err_set(&r->err, s, "%s: %s", stage,
                   err->text[0] != '\0' ? err->text : tm_status_text(s));
    }
    pthread_mutex_unlock(&r->lock);
    runner_post(r);
}

/* ---- creating ---- */

static enum tm_status create_place(struct tm_runner *r, enum place_id id,
                                   const struct tm_stage_ops *ops, struct tm_err *err)
{
    static const struct {
        const char *name, *fault;
        enum tm_histogram histogram;
        size_t time_offset;
    } row[PLACES] = {
        [PLACE_CLEAN] = {"clean", "in-clean", TM_HISTOGRAM_CLEAN,
                         offsetof(struct tm_doc, clean_ns)},
        [PLACE_DEDUP] = {"dedup", "in-dedup", TM_HISTOGRAM_DEDUP, 0},
        [PLACE_TOKENIZE] = {"tokenize", "in-tokenize", TM_HISTOGRAM_TOKENIZE,
                            offsetof(struct tm_doc, tokenize_ns)},
        [PLACE_INFER] = {"infer", "in-infer", TM_HISTOGRAM_INFER, 0},
        [PLACE_ASSEMBLE] = {"assemble", "in-assemble", TM_HISTOGRAM_ASSEMBLE, 0},
    };
    struct place *p = &r->place[id];
    p->name = row[id].name;
    p->fault = row[id].fault;
    p->histogram = row[id].histogram;
    p->time_offset = row[id].time_offset;
    /* Room for the whole window: the source thread, which must go on polling, never waits here. */
    p->in = tm_queue_create((size_t)r->config.conf->limits_documents);
    if (p->in == NULL)
        return tm_err_set(err, TM_NOMEM, "queue of %s", p->name);
    if (ops == NULL)
        return TM_OK;
    tm_assert(ops->create != NULL && ops->run != NULL && ops->destroy != NULL);
    enum tm_status s = ops->create(&p->self, r->config.conf, r->config.models, err);
    p->ops = s == TM_OK ? ops : NULL;
    return s;
}

static bool deduplicates(const struct tm_runner *r)
{
    return strcmp(r->config.conf->dedup_policy, "off") != 0;
}

static enum tm_status create_places(struct tm_runner *r, const struct runner_parts *parts,
                                    struct tm_err *err)
{
    enum tm_status s = create_place(r, PLACE_CLEAN, parts->clean, err);
    if (s == TM_OK)
        s = create_place(r, PLACE_DEDUP, NULL, err);
    if (s == TM_OK)
        s = create_place(r, PLACE_TOKENIZE, parts->tokenize, err);
    if (s == TM_OK)
        s = create_place(r, PLACE_INFER, NULL, err);
    if (s == TM_OK)
        s = create_place(r, PLACE_ASSEMBLE, parts->assemble, err);
    if (s == TM_OK && parts->infer != NULL)
        s = parts->infer->create(r->config.models, (size_t)r->config.conf->limits_documents,
                                 &r->infer, err);
    r->infer_ops = parts->infer;
    struct place *p = r->place;
    p[PLACE_INFER].wake = &r->infer_wake;
    p[PLACE_DEDUP].wake = &r->dedup_wake;
    p[PLACE_CLEAN].next = &p[deduplicates(r) ? PLACE_DEDUP : PLACE_TOKENIZE];
    p[PLACE_DEDUP].next = &p[PLACE_TOKENIZE];
    p[PLACE_TOKENIZE].next = r->infer != NULL ? &p[PLACE_INFER] : &p[PLACE_ASSEMBLE];
    p[PLACE_INFER].next = &p[PLACE_ASSEMBLE];
    /* Without a model no stage is long, and handing on would be a good part of the work. */
    p[PLACE_TOKENIZE].carried = p[PLACE_ASSEMBLE].carried = r->infer == NULL && !deduplicates(r);
    return s;
}

/* The table of threads; nothing starts yet. */
static enum tm_status plan_workers(struct tm_runner *r, const struct runner_parts *parts,
                                   struct tm_err *err)
{
    const bool infer = r->infer != NULL;
    const int cores = TM_MAX(parts->cores, 1);
    struct place *p = r->place;
    const struct {
        const char *name;
        void (*run)(struct worker *w);
        struct place *place;
        int count;
    } kind[] = {
        {"source", runner_source, NULL, 1},
        {"clean", runner_stage, &p[PLACE_CLEAN], cores},
        {"dedup", runner_dedup, &p[PLACE_DEDUP], deduplicates(r)},
        {"tokenize", runner_stage, &p[PLACE_TOKENIZE], p[PLACE_TOKENIZE].carried ? 0 : cores},
        {"infer", runner_infer, &p[PLACE_INFER], infer},
        {"engine", runner_engine, &p[PLACE_INFER], infer ? parts->infer->workers(r->infer) : 0},
        {"assemble", runner_stage, &p[PLACE_ASSEMBLE],
         p[PLACE_ASSEMBLE].carried ? 0 : (cores + 1) / 2},
        {"deliver", runner_deliver, NULL, 1},
    };
    for (size_t k = 0; k < TM_COUNTOF(kind); k++)
        r->n_workers += (size_t)kind[k].count;
    r->workers = calloc(r->n_workers, sizeof *r->workers);
    if (r->workers == NULL)
        return tm_err_set(err, TM_NOMEM, "%zu threads", r->n_workers);
    size_t n = 0;
    for (size_t k = 0; k < TM_COUNTOF(kind); k++)
        for (int i = 0; i < kind[k].count; i++, n++)
            r->workers[n] = (struct worker){.r = r,
                                            .place = kind[k].place,
                                            .number = i,
                                            .slot = n,
                                            .run = kind[k].run,
                                            .name = kind[k].name};
    return TM_OK;
}

static void init(struct tm_runner *r, const struct tm_runner_config *config)
{
    r->config = *config;
    r->event_fd = -1;
    r->held_tail = &r->held;
    r->host = (struct tm_source_host){r, runner_revoke, config->metrics, config->once, runner_lag};
    r->opaque = strcmp(config->conf->clean_kind, "none") == 0;
    pthread_mutex_init(&r->lock, NULL);
    cond_init(&r->source_cond);
    cond_init(&r->delivery_cond);
    wake_init(&r->engine_wake);
    wake_init(&r->infer_wake);
    wake_init(&r->dedup_wake);
}

static void count_restarts(struct tm_runner *r, const char *predecessor)
{
    int pid, number, restarts;
    if (predecessor != NULL && sscanf(predecessor, "%9d %9d %9d", &pid, &number, &restarts) == 3)
        tm_metric_set(r->config.metrics, TM_METRIC_RESTARTS, restarts);
}

static void destroyp(struct tm_runner **r)
{
    tm_runner_destroy(*r);
}

enum tm_status runner_create_with(const struct runner_parts *parts,
                                  const struct tm_runner_config *config,
                                  struct tm_runner **ret_runner, struct tm_err *err)
{
    const struct tm_conf *conf = config->conf;
    const char *predecessor = getenv(TM_ENV_PREDECESSOR);
    TM_CLEANUP(destroyp) struct tm_runner *r = calloc(1, sizeof *r);
    if (r == NULL)
        return tm_err_set(err, TM_NOMEM, "runner");
    init(r, config);
    count_restarts(r, predecessor);
    r->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (r->event_fd < 0)
        return tm_err_errno(err, errno, "eventfd");
    r->ledger = ledger_create((size_t)conf->limits_documents, (size_t)conf->limits_bytes,
                              parts->infer != NULL ? (size_t)conf->limits_tokens : 0);
    r->taps = taps_create();
    if (r->ledger == NULL || r->taps == NULL)
        return tm_err_set(err, TM_NOMEM, "ledger");
    enum tm_status s = create_places(r, parts, err);
    if (s == TM_OK)
        s = plan_workers(r, parts, err);
    if (s == TM_OK)
        s = journal_open(conf->state_path, conf->state_instance, r->n_workers, predecessor,
                         &r->journal, err);
    if (s == TM_OK)
        s = runner_memory_begin(r, err);
    if (s == TM_OK)
        s = tm_dedup_create(conf, &r->dedup, err);
    if (s == TM_OK)
        s = config->sink->create(&r->sink, conf, config->config_hash, err);
    if (s == TM_OK)
        s = config->source->create(&r->source, conf, config->sink->resume, r->sink, err);
    if (s != TM_OK)
        return s;
    if (config->source->attach != NULL)
        config->source->attach(r->source, &r->host);
    if (config->sink->pace != NULL)
        r->pace = config->sink->pace(r->sink);
    *ret_runner = TM_TAKE(r);
    return TM_OK;
}

static void free_doc(void *doc)
{
    tm_doc_destroy(doc);
}

void tm_runner_destroy(struct tm_runner *r)
{
    if (r == NULL)
        return;
    if (r->source != NULL)
        r->config.source->destroy(r->source);
    if (r->sink != NULL)
        r->config.sink->destroy(r->sink);
    if (r->infer != NULL)
        r->infer_ops->destroy(r->infer);
    for (size_t i = 0; i < PLACES; i++) {
        tm_queue_destroy(r->place[i].in, free_doc);
        if (r->place[i].ops != NULL)
            r->place[i].ops->destroy(r->place[i].self);
    }
    for (struct tm_doc *d = r->held, *next; d != NULL; d = next) {
        next = d->next;
        tm_doc_destroy(d);
    }
    ledger_destroy(r->ledger);
    taps_destroy(r->taps);
    tm_dedup_destroy(r->dedup);
    journal_close(r->journal);
    free(r->workers);
    if (r->event_fd >= 0)
        close(r->event_fd);
    wake_finish(&r->engine_wake);
    wake_finish(&r->infer_wake);
    wake_finish(&r->dedup_wake);
    pthread_cond_destroy(&r->source_cond);
    pthread_cond_destroy(&r->delivery_cond);
    pthread_mutex_destroy(&r->lock);
    free(r);
}

/* ---- running ---- */

static void thread_main(void *arg)
{
    struct worker *w = arg;
    struct tm_runner *r = w->r;
    w->run(w);
    atomic_fetch_sub(&r->threads_alive, 1);
    runner_post(r);
}

static void start_threads(struct tm_runner *r)
{
    for (size_t i = 0; i < r->n_workers; i++) {
        struct worker *w = &r->workers[i];
        atomic_fetch_add(&r->threads_alive, 1);
        enum tm_status s = tm_thread_start(&w->thread, w->name, thread_main, w);
        if (s != TM_OK) {
            struct tm_err err = {0};
            tm_err_set(&err, s, "thread %zu of %zu cannot be started", i + 1, r->n_workers);
            atomic_fetch_sub(&r->threads_alive, 1);
            runner_fatal(r, s, w->name, &err);
            return;
        }
    }
}

static void set_phase(struct tm_runner *r, enum phase phase)
{
    atomic_store_explicit(&r->phase, (int)phase, memory_order_release);
    if (phase == PHASE_CUT)
        for (size_t i = 0; i < PLACES; i++)
            tm_queue_close(r->place[i].in);
    pthread_mutex_lock(&r->lock);
    pthread_cond_broadcast(&r->source_cond);
    pthread_cond_broadcast(&r->delivery_cond);
    pthread_mutex_unlock(&r->lock);
    wake_post(&r->engine_wake);
    wake_post(&r->infer_wake);
    wake_post(&r->dedup_wake);
}

/* A stage that does not come back cannot be called off from outside: the process ends, the journal
 * knows why, and the supervisor starts the next one. */
static void watch(struct tm_runner *r, uint64_t *last_ns)
{
    uint64_t now = tm_clock_ns(), elapsed_ms = (now - *last_ns) / 1000000;
    char text[400], line[512];
    *last_ns += elapsed_ms * 1000000;
    /* A process that was stopped, or starved, has not let its stages run either. */
    unsigned counted = (unsigned)TM_MIN(elapsed_ms, (uint64_t)STILL_MS);
    unsigned limit_ms = (unsigned)r->config.conf->limits_stage_seconds * 1000;
    if (journal_watch(r->journal, counted, limit_ms, text, sizeof text)) {
        int n = snprintf(line, sizeof line, "textmill: %s: the process starts again\n", text);
        ssize_t ignored = write(STDERR_FILENO, line, (size_t)TM_MIN(n, (int)sizeof line - 1));
        (void)ignored;
        abort();
    }
    struct tm_err err = {0};
    if (journal_trouble(r->journal, &err))
        runner_trouble(r, NULL, "journal", &err);
}

static void wait_event(struct tm_runner *r)
{
    struct pollfd p[] = {{.fd = r->event_fd, .events = POLLIN},
                         {.fd = r->watch != NULL ? r->watch_fd : -1, .events = POLLIN}};
    uint64_t ignored;
    if (poll(p, TM_COUNTOF(p), WAIT_MS) > 0 && (p[0].revents & POLLIN) != 0 &&
        read(r->event_fd, &ignored, sizeof ignored) < 0)
        return;
    if (r->watch != NULL)
        r->watch(r->watch_arg);
}

static void tell_progress(struct tm_runner *r, uint64_t began_ns, uint64_t *told_ns)
{
    uint64_t now = tm_clock_ns();
    pthread_mutex_lock(&r->lock);
    r->summary.seconds = (double)(now - began_ns) / 1e9;
    struct tm_summary summary = r->summary;
    uint64_t oldest = ledger_oldest_ns(r->ledger);
    pthread_mutex_unlock(&r->lock);
    tm_metric_set(r->config.metrics, TM_METRIC_OLDEST_IN_FLIGHT_MS,
                  oldest > 0 && now > oldest ? (int64_t)((now - oldest) / 1000000) : 0);
    bool first = *told_ns == 0 && summary.delivered + summary.dead > 0;
    if (r->config.progress == NULL || (!first && now - *told_ns < WAIT_MS * 1000000ull))
        return;
    *told_ns = now;
    const struct tm_source_ops *source = r->config.source;
    uint64_t total = source->total != NULL ? source->total(r->source) : 0;
    r->config.progress(r->config.arg, &summary, total);
}

/* "clean 3, infer 12, deliver 1" */
static void name_rest(struct tm_runner *r, char *text, size_t size)
{
    size_t rest = ledger_count(r->ledger), used = 0;
    const size_t done = ledger_done(r->ledger);
    text[0] = '\0';
    for (size_t i = 0; i <= PLACES; i++) {
        size_t n = i == PLACES ? done : atomic_load(&r->place[i].waiting);
        if (n == 0 || used >= size)
            continue;
        rest -= TM_MIN(rest, n);
        int w = snprintf(text + used, size - used, "%s%s %zu", used > 0 ? ", " : "",
                         i == PLACES ? "deliver" : r->place[i].name, n);
        used += w > 0 ? (size_t)w : 0;
    }
    if (rest > 0 && used < size)
        snprintf(text + used, size - used, "%swaiting %zu", used > 0 ? ", " : "", rest);
}

/* A stop that leaves documents behind: under the lock. */
static void abandon(struct tm_runner *r, const char *why)
{
    char rest[128];
    size_t n = ledger_count(r->ledger);
    if (n == 0 && r->summary.abandoned == 0)
        return;
    name_rest(r, rest, sizeof rest);
    r->status = TM_AGAIN;
    tm_err_set(&r->err, TM_AGAIN, "%s: %zu documents left to the next start (%s)", why, n, rest);
}

/* Is it over? Under the lock. */
static bool ended(struct tm_runner *r, uint64_t drain_since_ns)
{
    uint64_t limit_ns = (uint64_t)r->config.conf->limits_drain_seconds * 1000000000u;
    int stops = atomic_load(&r->stops);
    if (r->status != TM_OK)
        return true;
    if (stops >= 2) {
        abandon(r, "stopped at once");
        return true;
    }
    if (ledger_count(r->ledger) == 0 && (stops > 0 || r->source_done))
        return true;
    if (stops > 0 && tm_clock_ns() - drain_since_ns >= limit_ns) {
        abandon(r, "the drain limit is over");
        return true;
    }
    return false;
}

static void wait_for_end(struct tm_runner *r, uint64_t *watched_ns)
{
    const uint64_t began_ns = *watched_ns;
    uint64_t told_ns = 0, drain_since_ns = 0;
    for (bool end = false; !end;) {
        wait_event(r);
        watch(r, watched_ns);
        if (atomic_load(&r->stops) > 0 && runner_phase(r) == PHASE_RUN) {
            drain_since_ns = tm_clock_ns();
            set_phase(r, PHASE_DRAIN);
        }
        tell_progress(r, began_ns, &told_ns);
        pthread_mutex_lock(&r->lock);
        end = ended(r, drain_since_ns);
        if (end) /* under the lock: nothing is admitted that was not counted */
            atomic_store_explicit(&r->phase, PHASE_CUT, memory_order_release);
        pthread_mutex_unlock(&r->lock);
    }
}

enum tm_status tm_runner_run(struct tm_runner *r, struct tm_summary *ret_summary,
                             struct tm_err *err)
{
    const uint64_t began_ns = tm_clock_ns();
    uint64_t watched_ns = began_ns;
    start_threads(r);
    wait_for_end(r, &watched_ns);
    set_phase(r, PHASE_CUT);
    while (atomic_load(&r->threads_alive) > 0) {
        wait_event(r);
        watch(r, &watched_ns);
    }
    for (size_t i = 0; i < r->n_workers; i++)
        tm_thread_join(TM_TAKE(r->workers[i].thread));
    r->summary.seconds = (double)(tm_clock_ns() - began_ns) / 1e9;
    r->summary.abandoned += ledger_count(r->ledger);
    *ret_summary = r->summary;
    if (r->status != TM_OK)
        return tm_err_set(err, r->status, "%s", r->err.text);
    return TM_OK;
}
