/* /status: one JSON object about the running pipeline; the page and `top` draw from it. */
#include "http.h"
#include "supervise.h"
#include "tm_engine.h"
#include "version.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static json_t *stages(const struct tm_runner_status *s)
{
    json_t *list = json_array();
    for (size_t i = 0; i < s->n_stages; i++) {
        const struct tm_stage_status *st = &s->stages[i];
        json_array_append_new(
            list, json_pack("{s:s,s:I,s:I,s:I,s:I,s:f}", "name", st->name, "documents",
                            (json_int_t)st->documents, "queued", (json_int_t)st->queued,
                            "queue_room", (json_int_t)st->queue_room, "threads",
                            (json_int_t)st->threads, "busy_seconds", (double)st->busy_ns / 1e9));
    }
    return list;
}

static json_t *models(struct tm_models *ms)
{
    json_t *list = json_array();
    for (size_t i = 0; i < tm_models_count(ms); i++) {
        const struct tm_model *m = tm_models_get(ms, i);
        const struct tm_engine_info *info = tm_engine_info(m->engine);
        json_array_append_new(
            list, json_pack("{s:s,s:s,s:s,s:s,s:s,s:i,s:I,s:I,s:s}", "name", m->name,
                            "architecture", info->architecture, "device", info->device, "precision",
                            info->precision, "isa", info->isa, "threads", info->threads,
                            "weight_bytes", (json_int_t)info->weight_bytes, "waiting",
                            (json_int_t)tm_engine_waiting(m->engine), "sha256", m->sha256));
    }
    return list;
}

static json_t *dead_letters(struct tm_metrics *m)
{
    json_t *codes = json_object();
    for (enum tm_status s = TM_OK + 1; s < TM_STATUS_COUNT; s++) {
        int64_t n = atomic_load(&m->dead[s]);
        if (n > 0)
            json_object_set_new(codes, tm_status_code(s), json_integer(n));
    }
    return codes;
}

static json_t *counters(struct tm_metrics *m)
{
    json_t *all = json_object();
    for (enum tm_metric i = 0; i < TM_METRIC_COUNT; i++)
        json_object_set_new(all, tm_metric_name(i), json_integer(tm_metric_get(m, i)));
    return all;
}

static json_t *reloads(void)
{
    const struct supervise_page *p = tm_supervise_page;
    json_t *o = json_object();
    if (p == NULL)
        return o;
    int64_t at = atomic_load(&p->reloaded_at);
    char text[32];
    tm_clock_iso(at * 1000, text);
    json_object_set_new(o, "taken", json_integer((json_int_t)atomic_load(&p->reloads)));
    json_object_set_new(o, "refused", json_integer((json_int_t)atomic_load(&p->reloads_failed)));
    json_object_set_new(o, "last", at != 0 ? json_string(text) : json_null());
    return o;
}

/* Names come from files and topics, and may have been cut: what is valid UTF-8 of it. */
static json_t *valid_text(const char *s)
{
    return json_stringn(s, tm_utf8_valid(s, strlen(s)));
}

static json_t *lanes(const struct tm_runner_status *s)
{
    const uint64_t now = tm_clock_ns();
    json_t *list = json_array();
    for (size_t i = 0; i < s->n_lanes; i++) {
        const struct tm_lane_status *l = &s->lanes[i];
        double oldest = l->oldest_ns > 0 && now > l->oldest_ns ? (double)(now - l->oldest_ns) : 0;
        json_array_append_new(
            list, json_pack("{s:o,s:I,s:f,s:o}", "name", valid_text(l->name), "in_flight",
                            (json_int_t)l->in_flight, "oldest_seconds", oldest / 1e9, "lag",
                            l->lag >= 0 ? json_integer((json_int_t)l->lag) : json_null()));
    }
    return list;
}

/* How many batches there were and how full: against engine.batch_tokens. */
static json_t *batches(const struct http_view *v)
{
    const int h = TM_HISTOGRAM_BATCH_TOKENS;
    int64_t n = 0;
    for (int i = 0; i <= TM_HISTOGRAM_BUCKETS; i++)
        n += atomic_load(&v->metrics->histogram[h].bucket[i]);
    return json_pack("{s:I,s:I,s:I}", "count", (json_int_t)n, "tokens",
                     (json_int_t)atomic_load(&v->metrics->histogram[h].sum), "tokens_most",
                     (json_int_t)v->conf->engine_batch_tokens);
}

static json_t *samples_of(const struct http_view *v, enum tm_status code)
{
    struct sample s[SAMPLES];
    size_t n = report_samples(v->report, code, s);
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) {
        char at[32];
        tm_clock_iso(s[i].at_ms, at);
        json_array_append_new(list, json_pack("{s:o,s:I,s:s,s:o,s:s}", "document",
                                              valid_text(s[i].document), "line",
                                              (json_int_t)s[i].line, "stage", s[i].stage, "message",
                                              valid_text(s[i].message), "at", at));
    }
    return list;
}

bool http_write_dead(const struct http_view *v, const char *code, struct tm_buf *out)
{
    json_auto_t *o = json_object();
    for (enum tm_status s = TM_OK + 1; s < TM_STATUS_COUNT; s++)
        if ((code == NULL || strcmp(code, tm_status_code(s)) == 0) &&
            atomic_load(&v->metrics->dead[s]) > 0)
            json_object_set_new(o, tm_status_code(s), samples_of(v, s));
    char *text = json_dumps(o, JSON_INDENT(2));
    bool ok = text != NULL && tm_buf_puts(out, text) && tm_buf_putc(out, '\n');
    free(text);
    return ok;
}

bool http_write_status(const struct http_view *v, struct tm_buf *out)
{
    struct tm_runner_status s;
    tm_runner_status(v->runner, &s);
    json_t *o = json_pack(
        "{s:s,s:s,s:s,s:f,s:s,s:I,s:I,s:I,s:I,s:f,s:o,s:o,s:o,s:o,s:I,s:o,s:o,s:o}", "version",
        TM_VERSION, "instance", v->conf->state_instance, "config_hash", v->config_hash,
        "uptime_seconds", (double)(tm_clock_ns() - v->started_ns) / 1e9, "state",
        s.draining                                               ? "draining"
        : s.alone                                                ? "isolating"
        : tm_metric_get(v->metrics, TM_METRIC_MEMORY_SHORT) != 0 ? "short of memory"
                                                                 : "working",
        "memory_bytes", (json_int_t)tm_resident_bytes(), "in_flight", (json_int_t)s.in_flight,
        "waiting_for_delivery", (json_int_t)s.waiting_for_delivery, "waiting_in_source",
        (json_int_t)(s.total > s.summary.documents ? s.total - s.summary.documents : 0),
        "oldest_seconds", s.oldest_seconds, "stages", stages(&s), "models", models(v->models),
        "batches", batches(v), "lanes", lanes(&s), "lanes_more", (json_int_t)s.lanes_more,
        "dead_letters", dead_letters(v->metrics), "counters", counters(v->metrics), "reloads",
        reloads());
    char *text = o != NULL ? json_dumps(o, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;
    bool ok = text != NULL && tm_buf_puts(out, text) && tm_buf_putc(out, '\n');
    free(text);
    json_decref(o);
    return ok;
}
