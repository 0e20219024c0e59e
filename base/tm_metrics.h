/* Counters and gauges by name. One registry belongs to one pipeline; writers add without a lock.
 * A new metric is a row. Names follow Prometheus: base units, _total for counters. */
#ifndef TM_METRICS_H
#define TM_METRICS_H

#include "tm_err.h"

#include <stdatomic.h>
#include <stdint.h>

/*   id                 kind     name                                   help  */
#define TM_METRIC_LIST(X)                                                                          \
    X(DOCS_IN, COUNTER, "documents_in_total", "Documents taken from the source")                   \
    X(DOCS_OUT, COUNTER, "documents_out_total", "Documents delivered as results")                  \
    X(DOCS_DEAD, COUNTER, "documents_dead_total", "Documents delivered as dead letters")           \
    X(DOCS_IN_FLIGHT, GAUGE, "documents_in_flight", "Documents between source and sink")           \
    X(BYTES_IN, COUNTER, "bytes_in_total", "Bytes of documents taken")                             \
    X(TOKENS, COUNTER, "tokens_total", "Tokens the models have read")                              \
    X(SEQUENCES, COUNTER, "sequences_total", "Sequences the models have run")                      \
    X(ENGINE_BUSY_NS, COUNTER, "engine_busy_nanoseconds_total",                                    \
      "Time spent in the engine, summed over workers")                                             \
    X(DOCS_DUPLICATE, COUNTER, "documents_duplicate_total",                                        \
      "Documents that say what an earlier one said")                                               \
    X(DELIVERIES, COUNTER, "deliveries_total", "Releases the sink has accepted")                   \
    X(DELIVERY_RETRIES, COUNTER, "delivery_retries_total", "Releases the sink asked to repeat")    \
    X(OLDEST_IN_FLIGHT_MS, GAUGE, "oldest_in_flight_milliseconds",                                 \
      "Age of the oldest document between source and sink")                                        \
    X(KAFKA_LAG, GAUGE, "kafka_lag_records",                                                       \
      "Records of the assigned partitions that are not committed yet")                             \
    X(KAFKA_PARTITIONS, GAUGE, "kafka_partitions_assigned", "Partitions this instance has")        \
    X(KAFKA_REBALANCES, COUNTER, "kafka_rebalances_total",                                         \
      "Times partitions were assigned or taken away")                                              \
    X(KAFKA_COMMITS, COUNTER, "kafka_commits_total", "Transactions and offsets committed")         \
    X(KAFKA_ABORTS, COUNTER, "kafka_aborts_total", "Transactions rolled back")                     \
    X(KAFKA_UNKNOWN, COUNTER, "kafka_unknown_total",                                               \
      "Transactions whose end was not known, so that the producer was made anew")                  \
    X(KAFKA_FENCED, COUNTER, "kafka_fenced_total", "Times another instance took this one's place") \
    X(RESTARTS, COUNTER, "restarts_total", "Times the child process was started again")

enum tm_metric {
#define X(id, kind, name, help) TM_METRIC_##id,
    TM_METRIC_LIST(X)
#undef X
        TM_METRIC_COUNT
};

enum tm_metric_kind { TM_METRIC_COUNTER, TM_METRIC_GAUGE };

/* Distributions, in buckets that double from the first bound. Rows of one name differ in a label.
 *   id             name              label              first bound  scale for export  help  */
#define TM_HISTOGRAM_LIST(X)                                                                       \
    X(DOCUMENT, "document_seconds", "", 1000000, 1e-9, "From arrival to delivery of a document")   \
    X(CLEAN, "stage_seconds", "stage=\"clean\"", 1000000, 1e-9, "Time of a stage on a batch")      \
    X(DEDUP, "stage_seconds", "stage=\"dedup\"", 1000000, 1e-9, "")                                \
    X(TOKENIZE, "stage_seconds", "stage=\"tokenize\"", 1000000, 1e-9, "")                          \
    X(INFER, "stage_seconds", "stage=\"infer\"", 1000000, 1e-9, "")                                \
    X(ASSEMBLE, "stage_seconds", "stage=\"assemble\"", 1000000, 1e-9, "")                          \
    X(BATCH_TOKENS, "batch_tokens", "", 16, 1, "Tokens of a batch of sequences")                   \
    X(BATCH_SEQUENCES, "batch_sequences", "", 1, 1, "Sequences of a batch")

enum tm_histogram {
#define X(id, name, label, first, scale, help) TM_HISTOGRAM_##id,
    TM_HISTOGRAM_LIST(X)
#undef X
        TM_HISTOGRAM_COUNT
};
enum { TM_HISTOGRAM_BUCKETS = 18 }; /* and one for what is larger */

struct tm_histogram_row {
    const char *name, *label, *help;
    int64_t first;
    double scale;
};
extern const struct tm_histogram_row tm_histogram_rows[TM_HISTOGRAM_COUNT];

struct tm_metrics {
    _Atomic int64_t value[TM_METRIC_COUNT];
    _Atomic int64_t dead[TM_STATUS_COUNT]; /* documents_dead_total by the status that ended them */
    struct {
        _Atomic int64_t bucket[TM_HISTOGRAM_BUCKETS + 1], sum;
    } histogram[TM_HISTOGRAM_COUNT];
};
void tm_metric_observe(struct tm_metrics *ms, enum tm_histogram h, int64_t value);

const char *tm_metric_name(enum tm_metric m);
const char *tm_metric_help(enum tm_metric m);
enum tm_metric_kind tm_metric_kind(enum tm_metric m);

static inline void tm_metric_add(struct tm_metrics *ms, enum tm_metric m, int64_t n)
{
    atomic_fetch_add_explicit(&ms->value[m], n, memory_order_relaxed);
}

static inline void tm_metric_set(struct tm_metrics *ms, enum tm_metric m, int64_t v)
{
    atomic_store_explicit(&ms->value[m], v, memory_order_relaxed);
}

static inline int64_t tm_metric_get(struct tm_metrics *ms, enum tm_metric m)
{
    return atomic_load_explicit(&ms->value[m], memory_order_relaxed);
}

#endif
