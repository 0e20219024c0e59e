/* run, once, check: from a configuration file to a running pipeline.
 *
 * run and once work in a child of the supervisor (supervise.h): the child opens the models, creates
 * the runner and waits; the parent restarts it when it dies. */
#include "verbs.h"
#include "conf_file.h"
#include "http.h"
#include "report.h"
#include "supervise.h"
#include "tm_engine.h"
#include "tm_ingest.h"
#include "tm_kafka.h"
#include "tm_pipeline.h"
#include "tm_sinks.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct verb_option options[] = {
    {"config", 'c', "FILE", "Configuration of the pipeline"},
    {"no-progress", '\0', NULL, "No progress bar, whatever stderr is"},
    {0},
};

/* ---- configuration ---- */

/* Keys that decide what a document's result is; others may change between restarts. */
static bool is_result_key(const char *path)
{
    return strncmp(path, "clean.", 6) == 0 || strncmp(path, "engine.pre", 10) == 0 ||
           strcmp(path, "engine.device") == 0 || strcmp(path, "sink.text") == 0;
}

/* Of what decides results: configuration and models. Part of results and checkpoints. */
static void hash_config(const struct tm_conf *conf, struct tm_models *ms, char out[65])
{
    TM_CLEANUP(tm_buf_finish) struct tm_buf text = {.cap = 0};
    for (const struct tm_conf_key *k = tm_conf_keys; k->path != NULL; k++)
        if (is_result_key(k->path)) {
            tm_buf_printf(&text, "%s=", k->path);
            tm_conf_get(conf, k, &text);
            tm_buf_putc(&text, '\n');
        }
    for (size_t i = 0; i < conf->n_tasks; i++)
        for (const struct tm_conf_key *k = tm_conf_task_keys; k->path != NULL; k++) {
            tm_buf_printf(&text, "tasks[%zu].%s=", i, k->path);
            tm_conf_get(&conf->tasks[i], k, &text);
            tm_buf_putc(&text, '\n');
        }
    for (size_t i = 0; i < tm_models_count(ms); i++)
        tm_buf_printf(&text, "%s\n", tm_models_get(ms, i)->sha256);
    tm_sha256_hex(text.data, text.len, out);
}

/* ---- the child ---- */

static struct tm_runner *_Atomic running; /* for the signal handler */

static void on_signal(int number)
{
    (void)number;
    struct tm_runner *r = running;
    if (r != NULL)
        tm_runner_stop(r);
    else
        _exit(EXIT_AGAIN); /* models are still being opened: nothing was touched */
}

static void catch_signals(void)
{
    struct sigaction act = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigemptyset(&act.sa_mask);
    sigaction(SIGTERM, &act, NULL);
    sigaction(SIGINT, &act, NULL);
}

static void set_up_process(const struct tm_conf *conf)
{
    static const char *const levels[] = {"error", "warning", "notice", "info", "debug"};
    enum tm_log_level level = TM_LOG_INFO;
    for (size_t i = 0; i < TM_COUNTOF(levels); i++)
        if (strcmp(conf->log_level, levels[i]) == 0)
            level = (enum tm_log_level)i;
    tm_log_setup(level, strcmp(conf->log_format, "json") == 0 ? TM_LOG_JSON : TM_LOG_LOGFMT);
    if (conf->limits_process_memory > 0) {
        struct rlimit limit = {(rlim_t)conf->limits_process_memory,
                               (rlim_t)conf->limits_process_memory};
        setrlimit(RLIMIT_AS, &limit);
    }
}

static void log_models(struct tm_models *ms)
{
    for (size_t i = 0; i < tm_models_count(ms); i++) {
        const struct tm_model *m = tm_models_get(ms, i);
        const struct tm_engine_info *info = tm_engine_info(m->engine);
        tm_log(TM_LOG_INFO, "model opened", TM_S("model", m->name),
               TM_S("architecture", info->architecture), TM_S("device", info->device),
               TM_S("precision", info->precision), TM_S("isa", info->isa), TM_S("gemm", info->gemm),
               TM_I("workers", info->threads), TM_S("sha256", m->sha256));
    }
}

/* conf is the present configuration; candidate is put aside by a reload until it is settled. */
struct job {
    const struct args *args;
    struct tm_conf conf, candidate;
    bool once;
};

static void on_progress(void *arg, const struct tm_summary *now, uint64_t total)
{
    struct supervise_page *page = tm_supervise_page;
    atomic_fetch_add(&page->beats, 1);
    if (now->delivered + now->dead > 0)
        atomic_fetch_add(&page->progress, 1);
    atomic_store(&page->documents, now->delivered + now->dead);
    atomic_store(&page->dead, now->dead);
    report_minute(arg, now);
    report_progress(arg, now, total);
}

static void serve(void *arg)
{
    http_serve(arg);
}

/* The default address may be another pipeline's; one that was asked for must be had. */
static enum tm_status start_http(const struct http_view *view, struct http **ret_http,
                                 struct tm_err *err)
{
    const char *listen = view->conf->http_listen;
    if (strcmp(listen, "off") == 0)
        return TM_OK;
    enum tm_status s = http_start(listen, view, ret_http, err);
    if (s == TM_OK) {
        tm_runner_watch(view->runner, http_fd(*ret_http), serve, *ret_http);
        tm_log(TM_LOG_INFO, "status page", TM_S("listen", listen));
    } else if (strcmp(listen, tm_conf_find(tm_conf_keys, "http.listen")->def) == 0) {
        tm_log_err(TM_LOG_WARNING, "no status page", err, "set http.listen to another address");
        *err = (struct tm_err){0};
        s = TM_OK;
    }
    return s;
}

static const struct tm_source_ops *source_of(const struct tm_conf *conf)
{
#ifdef TM_KAFKA
    if (conf->source_kafka_brokers[0] != '\0')
        return &tm_source_kafka;
#endif
    (void)conf;
    return &tm_source_spool;
}

static const struct tm_sink_ops *sink_of(const struct tm_conf *conf)
{
#ifdef TM_KAFKA
    if (conf->sink_kafka_topic[0] != '\0')
        return &tm_sink_kafka;
#endif
    return conf->sink_stdout_enabled ? &tm_sink_stdout : &tm_sink_files;
}

/* Of the life before; its counters go on. */
static void reset_gauges(struct tm_metrics *ms)
{
    for (enum tm_metric m = 0; m < TM_METRIC_COUNT; m++)
        if (tm_metric_kind(m) == TM_METRIC_GAUGE)
            tm_metric_set(ms, m, 0);
}

/* A mistyped path is made like any other: somebody must be told. */
static void say_new_spool(const struct tm_conf *conf)
{
    struct stat st;
    if (conf->source_spool_path[0] != '\0' && stat(conf->source_spool_path, &st) != 0 &&
        errno == ENOENT)
        tm_log(TM_LOG_WARNING, "the spool was not there and is made now",
               TM_S("path", conf->source_spool_path),
               TM_S("next", "check source.spool.path if documents should be there already"));
}

static enum exit_code run_pipeline(const struct job *job, const struct tm_conf *conf,
                                   struct tm_models *ms)
{
    struct tm_metrics *metrics = &tm_supervise_page->metrics;
    char config_hash[65];
    hash_config(conf, ms, config_hash);
    reset_gauges(metrics);
    struct report report;
    report_init(&report, job->once && !args_has(job->args, "no-progress") && isatty(STDERR_FILENO));
    const struct tm_runner_config config = {
        .conf = conf,
        .source = source_of(conf),
        .sink = sink_of(conf),
        .models = ms,
        .metrics = metrics,
        .config_hash = config_hash,
        .once = job->once,
        .trouble = report_trouble,
        .progress = on_progress,
        .arg = &report,
    };
    say_new_spool(conf);
    struct tm_runner *r = NULL;
    struct http *http = NULL;
    struct tm_summary summary = {0};
    struct tm_err err = {0};
    enum tm_status s = tm_runner_create(&config, &r, &err);
    const struct http_view view = {r, metrics, ms, conf, &report, config_hash, tm_clock_ns()};
    if (s == TM_OK && !job->once)
        s = start_http(&view, &http, &err);
    if (s == TM_OK) {
        running = r;
        tm_supervise_ready();
        s = tm_runner_run(r, &summary, &err);
        running = NULL;
        report_summary(&report, &summary);
    }
    http_stop(http);
    tm_runner_destroy(r);
    if (s != TM_OK)
        return verb_fail_err(job->args, &err);
    return job->once && summary.dead > 0 ? EXIT_DEAD : EXIT_OK;
}

static int child(void *arg, bool candidate)
{
    const struct job *job = arg;
    const struct tm_conf *conf = candidate ? &job->candidate : &job->conf;
    struct tm_models *ms = NULL;
    struct tm_err err = {0};
    catch_signals();
    set_up_process(conf);
    if (tm_models_open(conf, &ms, &err) != TM_OK)
        return verb_fail_err(job->args, &err);
    log_models(ms);
    enum exit_code code = run_pipeline(job, conf, ms);
    tm_models_close(ms);
    return code;
}

/* ---- reload ---- */

static enum tm_status read_candidate(void *arg)
{
    struct job *job = arg;
    return conf_file_of(job->args, &job->candidate) == EXIT_OK ? TM_OK : TM_CONFIG;
}

static int probe_candidate(void *arg)
{
    const struct job *job = arg;
    struct tm_models *ms = NULL;
    struct tm_err err = {0};
    if (tm_models_open(&job->candidate, &ms, &err) != TM_OK)
        return verb_fail_err(job->args, &err);
    tm_models_close(ms);
    return EXIT_OK;
}

static void settle_candidate(void *arg, bool taken)
{
    struct job *job = arg;
    tm_conf_finish(taken ? &job->conf : &job->candidate);
    if (taken)
        job->conf = job->candidate;
    job->candidate = (struct tm_conf){0};
}

static const struct supervise_ops run_ops = {child, read_candidate, probe_candidate,
                                             settle_candidate};
static const struct supervise_ops once_ops = {.child = child};

static enum exit_code run_job(const struct args *a, bool once)
{
    struct job job = {.args = a, .once = once};
    enum exit_code code = conf_file_of(a, &job.conf);
    if (code != EXIT_OK)
        return code;
    if (!once && job.conf.sink_stdout_enabled)
        code = verb_fail(a, EXIT_CONFIG,
                         "sink.stdout.enabled is for textmill once; set sink.files.path");
    else
        code = (enum exit_code)tm_supervise(once ? &once_ops : &run_ops, &job);
    tm_conf_finish(&job.conf);
    return code;
}

/* ---- verbs ---- */

static enum exit_code run(const struct args *a)
{
    return run_job(a, false);
}

static enum exit_code once(const struct args *a)
{
    return run_job(a, true);
}

static void print_finding(void *arg, const char *path, const char *text)
{
    fprintf(stderr, "%s: %s: %s\n", (const char *)arg, path, text);
}

static enum exit_code check(const struct args *a)
{
    struct tm_conf conf;
    struct tm_models *ms = NULL;
    struct tm_err err = {0};
    enum exit_code code = conf_file_of(a, &conf);
    if (code != EXIT_OK)
        return code;
    if (args_has(a, "online") && tm_models_open(&conf, &ms, &err) != TM_OK)
        code = verb_fail_err(a, &err);
    else if (args_has(a, "online") &&
             tm_kafka_check_online(&conf, print_finding, (void *)args_get(a, "config")) > 0)
        code = EXIT_CONFIG;
    else
        printf("%s: ok\n", args_get(a, "config"));
    tm_models_close(ms);
    tm_conf_finish(&conf);
    return code;
}

const struct verb verb_run = {
    .name = "run",
    .summary = "Process documents as they come, until SIGTERM",
    .details =
        "SIGTERM or SIGINT drains within limits.drain_seconds and says what is left; a second one "
        "stops at\n"
        "once. Nothing is lost either way: what was not delivered is done again at the next "
        "start.\n"
        "SIGHUP reads the file again: when it is good and its models open, the pipeline drains and "
        "goes on\n"
        "with it; otherwise the old one goes on and the log says why.",
    .options = options,
    .run = run,
};

const struct verb verb_once = {
    .name = "once",
    .summary = "Process what is there, print a summary, exit",
    .details = "Exits 0, or 1 when documents were dead-lettered.",
    .options = options,
    .run = once,
};

static const struct verb_option check_options[] = {
    {"config", 'c', "FILE", "Configuration of the pipeline"},
    {"online", '\0', NULL, "Open the models too, and ask the Kafka cluster"},
    {0},
};

const struct verb verb_check = {
    .name = "check",
    .summary = "Check a configuration: every finding as file:line:col: message",
    .options = check_options,
    .run = check,
};
