/* Between engine.c, queue.c and worker.c: the engine's parts. */
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

#include "model.h"
#include <pthread.h>

struct entry { /* one sequence inside the engine */
    struct tm_sequence seq;
    uint64_t cookie, step_ns;
    enum tm_status status;
    int32_t next; /* in the list it is in; -1: last */
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
};

/* What one thread works with; only that thread touches it. */
struct worker {
    struct tm_stream *stream;
    char *slab;        /* device: activations */
    char *inputs;      /* device: ids, positions … of a batch */
    char *host_inputs; /* the same, being filled */
    float *host_out;
    int32_t *entries;  /* (rows) entries of the batch */
    uint64_t *cookies; /* (rows) */
};

struct tm_engine {
    struct model model;
    struct tm_engine_info info;
    struct tm_engine_limits limits; /* resolved */
    size_t slab_bytes;              /* of a worker's activations */
    int32_t rows; /* most tokens of a batch, so that the longest sequence fits too */
    struct queue queue;
    struct worker *workers; /* (limits.threads) */
};

/* --- queue.c --- */
enum tm_status queue_init(struct queue *q, int32_t room, struct tm_err *err);
void queue_finish(struct queue *q); /* zeroed or initialised */
/* The oldest sequences that make up to `tokens` ids, at least one; returns how many. */
int32_t queue_take(struct queue *q, int32_t tokens, int32_t *entries);
void queue_done(struct queue *q, const int32_t *entries, int32_t n);

/* --- worker.c --- */
enum tm_status worker_init(struct worker *w, struct tm_engine *e, struct tm_err *err);
void worker_finish(struct worker *w, struct tm_engine *e); /* zeroed or initialised */
/* Runs entries of the queue as one batch and writes their results; sets their status. */
enum tm_status worker_run(struct worker *w, struct tm_engine *e, int32_t n);

/* --- cores.c --- */
/* Cores that a cgroup v2 lets a process use, rounded up; 0: no limit. mount: "/sys/fs/cgroup",
 * path: the process's group below it ("/user.slice/…"). The groups above count too. */
int32_t cores_of_cgroup(const char *mount, const char *path);

#endif
