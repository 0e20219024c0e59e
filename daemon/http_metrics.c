/* /metrics in Prometheus' text format 0.0.4: the registry's rows, stages, models and the process.
 * Every label has a bounded set of values. */
#include "http.h"
#include "supervise.h"
#include "tm_engine.h"
#include "version.h"

#include <dirent.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define PREFIX "textmill_"

enum row {
    BUILD_INFO,
    OLDEST,
    UPTIME,
    DEAD_LETTERS,
    STAGE_DOCUMENTS,
    STAGE_QUEUE,
    STAGE_THREADS,
    STAGE_BUSY,
    RELOADS,
    RELOADS_FAILED,
    RELOADED_AT,
    ROWS
};
const struct http_metric http_metric_rows[ROWS + 1] = {
    [BUILD_INFO] = {"build_info", "gauge", "Always 1; labels say what is running"},
    [OLDEST] = {"oldest_in_flight_seconds", "gauge",
                "How long the oldest document has been in flight"},
    [UPTIME] = {"uptime_seconds", "gauge", "Since this working process takes documents"},
    [DEAD_LETTERS] = {"dead_letters_total", "counter",
                      "Documents delivered as dead letters, by code"},
    [STAGE_DOCUMENTS] = {"stage_documents", "gauge",
                         "Documents in a stage and the queue before it"},
    [STAGE_QUEUE] = {"stage_queue_ratio", "gauge", "How full the queue before a stage is, 0 to 1"},
    [STAGE_THREADS] = {"stage_threads", "gauge", "Threads of a stage"},
    [STAGE_BUSY] = {"stage_busy_seconds_total", "counter",
                    "Time the threads of a stage have worked"},
    [RELOADS] = {"reloads_total", "counter", "Configurations taken over on SIGHUP"},
    [RELOADS_FAILED] = {"reload_failures_total", "counter",
                        "Configurations that were not taken over"},
    [RELOADED_AT] = {"last_reload_success_timestamp_seconds", "gauge",
                     "When the last one was taken over, Unix time; 0: never"},
};

static void head(struct tm_buf *out, const char *name, const char *kind, const char *help)
{
    tm_buf_printf(out, "# HELP " PREFIX "%s %s\n# TYPE " PREFIX "%s %s\n", name, help, name, kind);
}

static const char *head_of(struct tm_buf *out, enum row row)
{
    const struct http_metric *m = &http_metric_rows[row];
    head(out, m->name, m->kind, m->help);
    return m->name;
}

static void single(struct tm_buf *out, enum row row, double value)
{
    tm_buf_printf(out, PREFIX "%s %.17g\n", head_of(out, row), value);
}

static void write_registry(struct tm_metrics *m, struct tm_buf *out)
{
    for (enum tm_metric i = 0; i < TM_METRIC_COUNT; i++) {
        head(out, tm_metric_name(i), tm_metric_kind(i) == TM_METRIC_COUNTER ? "counter" : "gauge",
             tm_metric_help(i));
        tm_buf_printf(out, PREFIX "%s %lld\n", tm_metric_name(i), (long long)tm_metric_get(m, i));
    }
    const char *name = head_of(out, DEAD_LETTERS);
    for (enum tm_status s = TM_OK + 1; s < TM_STATUS_COUNT; s++)
        tm_buf_printf(out, PREFIX "%s{code=\"%s\"} %lld\n", name, tm_status_code(s),
                      (long long)atomic_load(&m->dead[s]));
}

static void write_histogram(struct tm_metrics *m, enum tm_histogram h, struct tm_buf *out)
{
    const struct tm_histogram_row *row = &tm_histogram_rows[h];
    const char *comma = row->label[0] != '\0' ? "," : "";
    int64_t bound = row->first, total = 0;
    if (row->help[0] != '\0') /* the first row of its name */
        head(out, row->name, "histogram", row->help);
    for (int i = 0; i <= TM_HISTOGRAM_BUCKETS; i++, bound *= 2) {
        total += atomic_load(&m->histogram[h].bucket[i]);
        tm_buf_printf(out, PREFIX "%s_bucket{%s%sle=\"", row->name, row->label, comma);
        if (i < TM_HISTOGRAM_BUCKETS)
            tm_buf_printf(out, "%.9g\"} %lld\n", (double)bound * row->scale, (long long)total);
        else
            tm_buf_printf(out, "+Inf\"} %lld\n", (long long)total);
    }
    const char *open = row->label[0] != '\0' ? "{" : "", *close = open[0] != '\0' ? "}" : "";
    tm_buf_printf(out, PREFIX "%s_sum%s%s%s %.9g\n" PREFIX "%s_count%s%s%s %lld\n", row->name, open,
                  row->label, close, (double)atomic_load(&m->histogram[h].sum) * row->scale,
                  row->name, open, row->label, close, (long long)total);
}

static void write_stages(const struct tm_runner_status *s, struct tm_buf *out)
{
    for (enum row row = STAGE_DOCUMENTS; row <= STAGE_BUSY; row++) {
        const char *name = head_of(out, row);
        for (size_t i = 0; i < s->n_stages; i++) {
            const struct tm_stage_status *st = &s->stages[i];
            const double value[] = {
                [STAGE_DOCUMENTS] = (double)st->documents,
                [STAGE_QUEUE] = (double)st->queued / (double)st->queue_room,
                [STAGE_THREADS] = (double)st->threads,
                [STAGE_BUSY] = (double)st->busy_ns / 1e9,
            };
            tm_buf_printf(out, PREFIX "%s{stage=\"%s\"} %.9g\n", name, st->name, value[row]);
        }
    }
}

static void write_reloads(struct tm_buf *out)
{
    const struct supervise_page *p = tm_supervise_page;
    if (p == NULL)
        return;
    single(out, RELOADS, (double)atomic_load(&p->reloads));
    single(out, RELOADS_FAILED, (double)atomic_load(&p->reloads_failed));
    single(out, RELOADED_AT, (double)atomic_load(&p->reloaded_at));
}

/* As the client libraries name them. */
static void write_process(struct tm_buf *out)
{
    struct timespec cpu = {0};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
    int descriptors = 0;
    DIR *d = opendir("/proc/self/fd");
    while (d != NULL && readdir(d) != NULL)
        descriptors++;
    if (d != NULL)
        closedir(d);
    tm_buf_printf(out,
                  "# TYPE process_resident_memory_bytes gauge\n"
                  "process_resident_memory_bytes %lld\n"
                  "# TYPE process_cpu_seconds_total counter\n"
                  "process_cpu_seconds_total %.3f\n"
                  "# TYPE process_open_fds gauge\n"
                  "process_open_fds %d\n",
                  (long long)tm_resident_bytes(), (double)cpu.tv_sec + (double)cpu.tv_nsec / 1e9,
                  TM_MAX(descriptors - 3, 0));
}

bool http_write_metrics(const struct http_view *v, struct tm_buf *out)
{
    struct tm_runner_status s;
    tm_runner_status(v->runner, &s);
    tm_buf_printf(out, PREFIX "%s{version=\"%s\",isa=\"%s\",config_hash=\"%.12s\"} 1\n",
                  head_of(out, BUILD_INFO), TM_VERSION, tm_engine_isa(), v->config_hash);
    single(out, OLDEST, s.oldest_seconds);
    single(out, UPTIME, (double)(tm_clock_ns() - v->started_ns) / 1e9);
    write_registry(v->metrics, out);
    for (enum tm_histogram h = 0; h < TM_HISTOGRAM_COUNT; h++)
        write_histogram(v->metrics, h, out);
    write_stages(&s, out);
    write_reloads(out);
    write_process(out);
    return !out->failed;
}
