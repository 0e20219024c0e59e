/* Between the files that run sequences: queue, batches of a worker, decoding. */
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

#include "model.h"
#include <pthread.h>

struct decoder;

enum {
    /* Ids that a prompt begins with and that run at once, each against those before it; what is
     * behind them follows in chunks, against the cache. Where a chunk begins changes no bit, but
     * the first must end at the same id whatever else is in the batch. */
    PROMPT_FIRST = 8192,
    PROMPT_CHUNK = 256,
};

struct entry { /* one sequence inside the engine */
    struct tm_sequence seq;
    uint64_t cookie, step_ns;
    enum tm_status status;
    int32_t n_new;
    bool decoding, cancelled; /* a worker has it in a slot, and shall drop it: under the lock */
    int32_t next;             /* in the list it is in; -1: last */
};

struct list {           /* first in, first out */
    int32_t head, tail; /* -1: empty */
    size_t n;
};

struct queue {
    pthread_mutex_t lock;
    struct entry *entries; /* (room); each is in one of the lists or in a running batch */
    int32_t room;
    struct list free, waiting, done;
    int64_t waiting_ids; /* of all that wait */
    int64_t running;     /* sequences that workers decode */
};

/* What one thread works with; only that thread touches it. */
struct worker {
    struct tm_stream *stream;
    char *slab;        /* device: activations */
    char *inputs;      /* device: ids, positions … of a batch */
    char *host_inputs; /* the same, being filled */
    float *host_out;
    int32_t *entries;        /* (rows) entries of the batch */
    uint64_t *cookies;       /* (rows) */
    struct decoder *decoder; /* NULL unless the model generates */
    struct spent *spent;     /* NULL unless tm_engine_measure was called */
};

struct tm_engine {
    struct model model;
    struct tm_engine_info info;
    struct tm_engine_limits limits; /* resolved */
    size_t slab_bytes;              /* of a worker's activations */
    int32_t rows;      /* most tokens of a batch, so that the longest sequence fits too */
    int32_t positions; /* decoding: most ids of one sequence */
    int32_t pages;     /* decoding: K/V pages of a worker */
    struct queue queue;
    struct worker *workers; /* (limits.threads) */
};

/* --- queue.c --- */
enum tm_status queue_init(struct queue *q, int32_t room, struct tm_err *err);
void queue_finish(struct queue *q); /* zeroed or initialised */
/* The oldest sequences that make up to `tokens` ids, at least one; returns how many. */
int32_t queue_take(struct queue *q, int32_t tokens, int32_t *entries);
void queue_done(struct queue *q, const int32_t *entries, int32_t n);
/* The oldest, with the lock held; there is one. */
int32_t queue_pop(struct queue *q);
/* Back to where it will be taken first. */
void queue_restart(struct queue *q, int32_t entry);

/* --- inputs.c: the arrays of a batch, in one block, so that they go to the device at once --- */
struct inputs {
    int32_t *ids, *positions, *types, *starts, *count, *gather; /* as of struct batch */
    int32_t *decoder_ids, *decoder_positions, *append_rows, *append_positions;
    int32_t *slot_of_row, *beam_of_row, *slot, *first_row; /* as of struct tm_step */
    int32_t *lengths; /* of struct tm_kv_cache, where each row is a slot of its own */
    uint8_t *skip;
    int32_t *taps;
};
size_t inputs_bytes(int32_t rows, int32_t taps);
struct inputs inputs_at(char *block, int32_t rows);
/* Packs n sequences, those of the entries; returns how many rows they have. */
int32_t inputs_fill(const struct tm_engine *e, const int32_t *entries, int32_t n, char *block);
/* A batch over a block of the device. */
struct batch inputs_batch(struct worker *w, int32_t rows, int32_t n);

/* --- worker.c --- */
enum tm_status worker_init(struct worker *w, struct tm_engine *e, struct tm_err *err);
void worker_finish(struct worker *w, struct tm_engine *e); /* zeroed or initialised */
/* Runs entries of the queue as one batch and writes their results; sets their status. */
enum tm_status worker_run(struct worker *w, struct tm_engine *e, int32_t n);

/* --- decoding.c --- */
/* How a sequence is decoded, its lengths resolved; what does not fit is refused by name. */
enum tm_status decoding_plan(const struct tm_engine *e, const struct tm_sequence *seq,
                             struct tm_decoding *ret_decoding, struct tm_err *err);
/* What the decoder begins with. one: room for a single id. */
const int32_t *decoding_prompt(const struct tm_engine *e, const struct tm_sequence *seq,
                               int32_t *one);
/* K/V pages that it needs at most. */
int64_t decoding_pages(const struct tm_engine *e, const struct tm_sequence *seq,
                       const struct tm_decoding *d);

/* --- schedule.c --- */
/* One position of every sequence of the worker, those that come in new included. */
enum tm_status schedule_step(struct tm_engine *e, struct worker *w, tm_engine_report_fn *report,
                             void *arg);

/* --- cores.c --- */
/* What a cgroup v2 lets a process use: cores, rounded up, or bytes; 0: no limit. mount:
 * "/sys/fs/cgroup", path: the process's group below it ("/user.slice/…"). The groups above count
 * too. */
enum limit { LIMIT_CORES, LIMIT_MEMORY };
int64_t limit_of_cgroup(enum limit which, const char *mount, const char *path);

#endif
