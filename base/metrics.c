/* Names of the metrics (tm_metrics.h); the values are plain atomics in the header. */
#include "tm_metrics.h"
#include "tm_err.h"

static const struct {
    const char *name, *help;
    enum tm_metric_kind kind;
} rows[TM_METRIC_COUNT] = {
#define X(id, kind_, name_, help_)                                                                 \
    [TM_METRIC_##id] = {.name = (name_), .help = (help_), .kind = TM_METRIC_##kind_},
    TM_METRIC_LIST(X)
#undef X
};

const char *tm_metric_name(enum tm_metric m)
{
    tm_assert((unsigned)m < TM_METRIC_COUNT);
    return rows[m].name;
}

const char *tm_metric_help(enum tm_metric m)
{
    tm_assert((unsigned)m < TM_METRIC_COUNT);
    return rows[m].help;
}

enum tm_metric_kind tm_metric_kind(enum tm_metric m)
{
    tm_assert((unsigned)m < TM_METRIC_COUNT);
    return rows[m].kind;
}

const struct tm_histogram_row tm_histogram_rows[TM_HISTOGRAM_COUNT] = {
#define X(id, name_, label_, first_, scale_, help_)                                                \
    [TM_HISTOGRAM_##id] = {.name = (name_),                                                        \
                           .label = (label_),                                                      \
                           .help = (help_),                                                        \
                           .first = (first_),                                                      \
                           .scale = (scale_)},
    TM_HISTOGRAM_LIST(X)
#undef X
};

void tm_metric_observe(struct tm_metrics *ms, enum tm_histogram h, int64_t value)
{
    tm_assert((unsigned)h < TM_HISTOGRAM_COUNT);
    int64_t bound = tm_histogram_rows[h].first;
    int i = 0;
    for (; i < TM_HISTOGRAM_BUCKETS && value > bound; i++)
        bound *= 2;
    atomic_fetch_add_explicit(&ms->histogram[h].bucket[i], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&ms->histogram[h].sum, value, memory_order_relaxed);
}
