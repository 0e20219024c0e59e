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

static void head(struct tm_buf *out, const char *name, const char *type, const char *help)
{
    tm_buf_printf(out, "# HELP " PREFIX "%s %s\n# TYPE " PREFIX "%s %s\n", name, help, name, type);
}

static void gauge(struct tm_buf *out, const char *name, const char *help, double value)
{
    head(out, name, "gauge", help);
    tm_buf_printf(out, PREFIX "%s %.17g\n", name, value);
}

static void write_registry(struct tm_metrics *m, struct tm_buf *out)
{
    for (enum tm_metric i = 0; i < TM_METRIC_COUNT; i++) {
        head(out, tm_metric_name(i), tm_metric_kind(i) == TM_METRIC_COUNTER ? "counter" : "gauge",
             tm_metric_help(i));
        tm_buf_printf(out, PREFIX "%s %lld\n", tm_metric_name(i), (long long)tm_metric_get(m, i));
    }
    head(out, "dead_letters_total", "counter", "Documents delivered as dead letters, by code");
    for (enum tm_status s = TM_OK + 1; s < TM_STATUS_COUNT; s++)
        tm_buf_printf(out, PREFIX "dead_letters_total{code=\"%s\"} %lld\n", tm_status_code(s),
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
    static const struct {
        const char *name, *type, *help;
    } rows[] = {
        {"stage_documents", "gauge", "Documents in a stage and the queue before it"},
        {"stage_queue_ratio", "gauge", "How full the queue before a stage is, 0 to 1"},
        {"stage_threads", "gauge", "Threads of a stage"},
        {"stage_busy_seconds_total", "counter", "Time the threads of a stage have worked"},
    };
    for (size_t row = 0; row < TM_COUNTOF(rows); row++) {
        head(out, rows[row].name, rows[row].type, rows[row].help);
        for (size_t i = 0; i < s->n_stages; i++) {
            const struct tm_stage_status *st = &s->stages[i];
            const double values[TM_COUNTOF(rows)] = {
                (double)st->documents, (double)st->queued / (double)st->queue_room,
                (double)st->threads, (double)st->busy_ns / 1e9};
            tm_buf_printf(out, PREFIX "%s{stage=\"%s\"} %.9g\n", rows[row].name, st->name,
                          values[row]);
        }
    }
}

static void write_reloads(struct tm_buf *out)
{
    const struct supervise_page *p = tm_supervise_page;
    if (p == NULL)
        return;
    head(out, "reloads_total", "counter", "Configurations taken over on SIGHUP");
    tm_buf_printf(out, PREFIX "reloads_total %llu\n", (unsigned long long)atomic_load(&p->reloads));
    head(out, "reload_failures_total", "counter", "Configurations that were not taken over");
    tm_buf_printf(out, PREFIX "reload_failures_total %llu\n",
                  (unsigned long long)atomic_load(&p->reloads_failed));
    gauge(out, "last_reload_success_timestamp_seconds",
          "When the last one was taken over; 0: never", (double)atomic_load(&p->reloaded_at));
}

int64_t http_resident_bytes(void)
{
    long pages = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    if (f == NULL)
        return 0;
    if (fscanf(f, "%ld %ld", &pages, &resident) != 2)
        resident = 0;
    fclose(f);
    return (int64_t)resident * sysconf(_SC_PAGESIZE);
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
                  (long long)http_resident_bytes(), (double)cpu.tv_sec + (double)cpu.tv_nsec / 1e9,
                  TM_MAX(descriptors - 3, 0));
}

bool http_write_metrics(const struct http_view *v, struct tm_buf *out)
{
    struct tm_runner_status s;
    tm_runner_status(v->runner, &s);
    head(out, "build_info", "gauge", "Always 1; what is running");
    tm_buf_printf(out, PREFIX "build_info{version=\"%s\",isa=\"%s\",config_hash=\"%.12s\"} 1\n",
                  TM_VERSION, tm_engine_isa(), v->config_hash);
    gauge(out, "oldest_in_flight_seconds", "How long the oldest document has been in flight",
          s.oldest_seconds);
    gauge(out, "uptime_seconds", "Since this working process took documents",
          (double)(tm_clock_ns() - v->started_ns) / 1e9);
    write_registry(v->metrics, out);
    for (enum tm_histogram h = 0; h < TM_HISTOGRAM_COUNT; h++)
        write_histogram(v->metrics, h, out);
    write_stages(&s, out);
    write_reloads(out);
    write_process(out);
    return !out->failed;
}
