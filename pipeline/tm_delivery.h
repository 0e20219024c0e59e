/* Delivery: how documents come in, and how results go out so that none is lost or doubled.
 *
 * A *lane* is a file or a Kafka partition. Records of a lane have rising numbers: of a file 0, 1, 2
 * …, of a partition their offsets. *Progress* {lane, epoch, next} says that every record before
 * `next` has reached its end. The ledger (ledger.c, private) holds every record from arrival to its
 * one end and releases results in lane order; one delivery thread gives releases to the sink:
 *
 *   STORED     durable; the runner then calls source.commit with the same release
 *   COMMITTED  progress was stored together with the results (Kafka to Kafka)
 *   RETRY      nothing happened, try the same release again after a pause (full disk)
 *   ABORTED    the same, after a transaction was rolled back
 *   UNKNOWN    whether it was stored cannot be known by the sink, which has made sure that nothing
 *              of it is still under way: the source goes back to what is committed
 *   FENCED     another instance owns this work: end the process cleanly
 *
 * A lane may be taken away (a rebalance): the source tells the runner (tm_source_host), which
 * forgets its records and drops their results when they come. Given back, it has a higher epoch.
 *
 * Kafka to Kafka: results, dead letters and the new offsets are one transaction; Kafka to files:
 * the offsets are committed when the files are durable, under names that a repeat overwrites.
 *
 * Spool to files: write all results to temporary names, fsync, rename, fsync the folder; then
 * source.commit moves the source files to done/ or failed/. A crash between the two is mended at
 * the next start: the source asks tm_resume_fn for each lane it finds claimed. */
#ifndef TM_DELIVERY_H
#define TM_DELIVERY_H

#include "tm_base.h"

struct tm_doc;
struct tm_metrics;

struct tm_progress {
    uint64_t lane;
    uint32_t epoch;
    uint64_t next; /* first record that is not done */
    bool ended;    /* nothing comes after: the lane's file is used up */
};

struct tm_release {
    struct tm_doc **docs; /* in lane order; doc->err.status tells results from dead letters */
    size_t n_docs;
    const struct tm_progress *progress; /* one a lane that moved */
    size_t n_progress;
    void *context; /* opaque, from source.context (Kafka: struct tm_kafka_context) */
};

enum tm_delivered { TM_STORED, TM_COMMITTED, TM_RETRY_LATER, TM_ABORTED, TM_UNKNOWN, TM_FENCED };

/* What a sink already holds of a lane. */
struct tm_resume {
    bool done;             /* the lane's one result, or all of them, are in place */
    bool dead;             /* … and the one result is a dead letter */
    uint64_t next;         /* first record to process */
    uint64_t input_offset; /* where it begins, in decompressed bytes */
};
/* name: the lane's delivery identity ("sub/a.html" + '-' + 16 hex digits of its SHA-256). many: the
 * lane may hold more than one record. Truncates torn output. */
typedef enum tm_status tm_resume_fn(void *arg, const char *name, bool many,
                                    struct tm_resume *ret_resume, struct tm_err *err);

/* What the runner offers to a source that shares its work with other instances. */
struct tm_source_host {
    void *arg;
    /* Called on the source thread, inside service. The lanes belong to somebody else from now on.
     * lost: already, so that nothing of them can be committed; else results that are finished are
     * delivered first, for which the call waits at most wait_ms. */
    void (*revoke)(void *arg, const uint64_t *lanes, size_t n, bool lost, unsigned wait_ms);
    struct tm_metrics *metrics;
    bool once;
    /* Optional news for whoever looks: so many records of the lane are not committed yet. */
    void (*lag)(void *arg, uint64_t lane, const char *name, int64_t records);
};

struct tm_source_ops {
    const char *name;
    /* conf is borrowed for the source's life. resume(arg) answers for the sink. */
    enum tm_status (*create)(void **ret_self, const struct tm_conf *conf, tm_resume_fn *resume,
                             void *arg, struct tm_err *err);
    /* Optional, right after create; host outlives the source. */
    void (*attach)(void *self, const struct tm_source_host *host);
    /* Its own upkeep (rescan, polling), called by the source thread; waits at most wait_ms. */
    enum tm_status (*service)(void *self, unsigned wait_ms, struct tm_err *err);
    /* Up to max documents, each a new tm_doc with its record filled in, owned by the caller.
     * Returns how many; 0: nothing now. A record that cannot be read at all (too large, cannot be
     * decompressed, vanished is silent) comes as a doc with doc->err set. */
    size_t (*take)(void *self, struct tm_doc **out, size_t max);
    /* Everything in the release is durable: remember it (move the file). Called by the delivery
     * thread while service and take run on the source thread. */
    enum tm_status (*commit)(void *self, const struct tm_release *release, struct tm_err *err);
    /* Optional: what the sink needs to store this progress itself, valid until the next call; NULL:
     * not now, ask again. Delivery thread. */
    void *(*context)(void *self, const struct tm_progress *progress, size_t n);
    /* Optional: give the lanes again, in a higher epoch, from their committed position. TM_AGAIN
     * and others worth another try: it is called again. */
    enum tm_status (*rewind)(void *self, struct tm_err *err);
    /* once: nothing is left of what was there when `once` began. */
    bool (*at_end)(void *self);
    /* Optional: documents known so far, for progress; 0: unknown. Any thread. */
    uint64_t (*total)(void *self);
    void (*destroy)(void *self);
};

/* How long results may be gathered before they are delivered: until the oldest has waited so long,
 * or there are so many bytes, or the window is full, or nothing more comes. Zero: not at all. */
struct tm_pace {
    unsigned ms;
    size_t bytes;
};

struct tm_sink_ops {
    const char *name;
    enum tm_status (*create)(void **ret_self, const struct tm_conf *conf, const char *config_hash,
                             struct tm_err *err);
    /* Optional. */
    struct tm_pace (*pace)(void *self);
    enum tm_delivered (*deliver)(void *self, const struct tm_release *release, struct tm_err *err);
    tm_resume_fn *resume; /* first argument is self */
    void (*destroy)(void *self);
};

#endif
