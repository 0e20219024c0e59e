/* The runner's inside, shared by its files. Private to pipeline/; tests put their own stages in.
 *
 *   source thread ─► clean ×cores (─► dedup) ─► tokenize ×cores ─► infer ◄─► engine workers
 *                                                         └─► assemble ─► ledger ─► delivery thread
 *
 * Documents move through one queue a place; whoever holds a document owns it. The ledger, the list
 * of held documents and the counters are under the one lock. The journal has its own, taken only
 * while that one is free. */
#ifndef RUNNER_H
#define RUNNER_H

#include "journal.h"
#include "ledger.h"
#include "tap.h"
#include "threads.h"
#include "tm_dedup.h"

#include <string.h>

/* The asynchronous stage as the runner sees it: tm_infer_*, or what a test puts in its place. */
struct infer_ops {
    enum tm_status (*create)(struct tm_models *ms, size_t max_docs, struct tm_infer **ret_infer,
                             struct tm_err *err);
    void (*destroy)(struct tm_infer *in);
    enum tm_status (*submit)(struct tm_infer *in, struct tm_doc **owned);
    size_t (*poll)(struct tm_infer *in, struct tm_doc **out, size_t max);
    size_t (*inside)(const struct tm_infer *in);
    enum tm_status (*step)(struct tm_infer *in, int worker, tm_infer_report_fn *report, void *arg,
                           struct tm_metrics *metrics);
    int (*workers)(const struct tm_infer *in);
};

struct runner_parts {
    const struct tm_stage_ops *clean, *tokenize, *assemble;
    const struct infer_ops *infer; /* NULL: no task is configured */
    int cores;
};

enum tm_status runner_create_with(const struct runner_parts *parts,
                                  const struct tm_runner_config *config,
                                  struct tm_runner **ret_runner, struct tm_err *err);

enum {
    STAGE_BATCH = 8, /* documents a stage is given at once: as many are suspects after a death */
    INFER_BATCH = 64,
    TAKE_BATCH = 16,
    RELEASE_DOCS = 256, /* of a sink that does not gather: files, say, which are synced together */
    TICK_MS = 100,      /* longest that the source thread goes without serving its source */
};

enum place_id { PLACE_CLEAN, PLACE_DEDUP, PLACE_TOKENIZE, PLACE_INFER, PLACE_ASSEMBLE, PLACES };

/* A stage with the queue before it. */
struct place {
    const struct tm_stage_ops *ops; /* NULL: dedup and infer */
    void *self;
    struct tm_queue *in;
    struct place *next;       /* NULL: the ledger */
    bool carried;             /* has no threads: those of the place before go on with documents */
    struct wake *wake;        /* posted when documents come; NULL: they are waited for */
    _Atomic size_t waiting;   /* documents in the queue or in the stage */
    _Atomic uint64_t busy_ns; /* in the stage, all its threads together */
    const char *name, *fault;
    enum tm_histogram histogram;
    size_t time_offset; /* of tm_doc's field for the time spent here; 0: the stage sets it */
};

struct worker {
    struct tm_runner *r;
    struct place *place;
    int number;  /* of its kind */
    size_t slot; /* in the journal */
    void (*run)(struct worker *w);
    const char *name;
    struct tm_thread *thread;
};

struct memory {
    size_t cap, base, unseen; /* base: before the first document; unseen: since the last look */
    double used, came;        /* of documents at their end: memory, and bytes as they came */
    uint64_t looked_ns, trimmed_ns;
    bool is_short;
};

enum phase { PHASE_RUN, PHASE_DRAIN, PHASE_CUT }; /* CUT: whatever is left is dropped */

struct tm_runner {
    struct tm_runner_config config;
    const struct infer_ops *infer_ops;
    struct tm_infer *infer;
    struct tm_dedup *dedup; /* NULL: it is off */
    struct journal *journal;
    struct taps *taps;
    void *source, *sink;
    struct tm_source_host host;
    struct tm_pace pace;
    bool opaque; /* documents are passed on unread */
    struct place place[PLACES];
    struct worker *workers;
    size_t n_workers;
    _Atomic size_t threads_alive;
    int event_fd; /* wakes the main thread; written by the signal handler too */
    int watch_fd; /* so does this, for watch(watch_arg) */
    void (*watch)(void *arg);
    void *watch_arg;
    _Atomic int stops;
    _Atomic int phase;
    struct wake engine_wake, infer_wake, dedup_wake;

    pthread_mutex_t lock; /* guards everything below */
    pthread_cond_t source_cond, delivery_cond;
    struct ledger *ledger;
    struct tm_doc *held, **held_tail; /* to be run alone: suspects, and those short of memory */
    size_t n_held;
    uint64_t held_since_ns;
    size_t active; /* documents between the first queue and the ledger */
    bool alone;    /* one document is in quarantine */
    bool source_done, delivering, rewind;
    bool hurry;              /* the source waits for what is finished to be delivered */
    bool full;               /* the source found no room since the last release */
    uint64_t ready_since_ns; /* since when the ledger has something to release; 0: it has not */
    enum tm_status status;   /* what made it end */
    struct tm_err err;
    struct tm_summary summary;
    struct tm_lane_status lag[TM_LANES_SHOWN]; /* what the source has said: lane, name, lag */
    size_t n_lag;

    /* the source thread's */
    struct tm_doc *pending[TAKE_BATCH]; /* taken, not yet in the ledger */
    size_t n_pending, next_pending;
    bool short_of_memory; /* the ledger could not grow */
    struct memory memory;
    uint64_t tickets; /* given out */
};

static inline enum phase runner_phase(struct tm_runner *r)
{
    return (enum phase)atomic_load_explicit(&r->phase, memory_order_acquire);
}

/* runner.c */
void runner_post(struct tm_runner *r); /* wakes the main thread */
/* Ends the run: the first status wins. */
void runner_fatal(struct tm_runner *r, enum tm_status s, const char *stage,
                  const struct tm_err *err);
void runner_trouble(struct tm_runner *r, const struct tm_doc *doc, const char *stage,
                    const struct tm_err *err);
/* runner_source.c: the source thread */
void runner_source(struct worker *w);
/* tm_source_host.lag */
void runner_lag(void *arg, uint64_t lane, const char *name, int64_t records);
void runner_revoke(void *arg, const uint64_t *lanes, size_t n, bool lost, unsigned wait_ms);
/* runner_stages.c: threads of the stages, of infer and of the engine */
void runner_stage(struct worker *w);
void runner_infer(struct worker *w);
void runner_engine(struct worker *w);
/* Moves documents to a place, or to the ledger (NULL); when cut, drops them. */
void runner_push(struct tm_runner *r, struct place *to, struct tm_doc **docs, size_t n);
/* The ledger has something to release: tells the delivery thread what it waits for. Under the lock.
 */
void runner_ready(struct tm_runner *r);
/* Puts it on the list of those to be run alone; under the lock. */
void runner_hold(struct tm_runner *r, struct tm_doc *doc);
/* runner_memory.c: TM_CONFIG when there is no room for documents from the start. */
enum tm_status runner_memory_begin(struct tm_runner *r, struct tm_err *err);
/* A document is at its end: what it took. Under the lock. */
void runner_memory_learn(struct tm_runner *r, const struct tm_doc *doc);
/* Must these bytes wait while others are in flight? */
bool runner_memory_short(struct tm_runner *r, size_t bytes);
/* runner_dedup.c: its thread */
void runner_dedup(struct worker *w);
/* runner_deliver.c: the delivery thread */
void runner_deliver(struct worker *w);

#ifdef TM_FAULTS
/* runner_fault.c: TEXTMILL_FAULT_DOC="substring:action[:stage]", TEXTMILL_FAULT_SLOW="stage:ms" */
void runner_doc_fault(const char *stage, struct tm_doc *const *docs, size_t n);
#else
#define runner_doc_fault(stage, docs, n) ((void)0)
#endif

#endif
