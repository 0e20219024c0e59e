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
