/* Counters and gauges by name. One registry belongs to one pipeline; writers add without a lock.
 * A new metric is a row. Names follow Prometheus: base units, _total for counters. */
#ifndef TM_METRICS_H
#define TM_METRICS_H

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
    X(DELIVERIES, COUNTER, "deliveries_total", "Releases the sink has accepted")                   \
    X(DELIVERY_RETRIES, COUNTER, "delivery_retries_total", "Releases the sink asked to repeat")    \
    X(RESTARTS, COUNTER, "restarts_total", "Times the child process was started again")

enum tm_metric {
#define X(id, kind, name, help) TM_METRIC_##id,
    TM_METRIC_LIST(X)
#undef X
        TM_METRIC_COUNT
};

enum tm_metric_kind { TM_METRIC_COUNTER, TM_METRIC_GAUGE };

struct tm_metrics {
    _Atomic int64_t value[TM_METRIC_COUNT];
};

const char *tm_metric_name(enum tm_metric m);
const char *tm_metric_help(enum tm_metric m);
enum tm_metric_kind tm_metric_kind(enum tm_metric m);

static inline void tm_metric_add(struct tm_metrics *ms, enum tm_metric m, int64_t n)
{
    atomic_fetch_add_explicit(&ms->value[m], n, memory_order_relaxed);
}

static inline int64_t tm_metric_get(struct tm_metrics *ms, enum tm_metric m)
{
    return atomic_load_explicit(&ms->value[m], memory_order_relaxed);
}

#endif
