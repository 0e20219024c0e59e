/* /status: one JSON object about the running pipeline; the page and `top` draw from it. */
#include "http.h"
#include "supervise.h"
#include "tm_engine.h"
#include "version.h"

#include <jansson.h>
#include <stdlib.h>
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

bool http_write_status(const struct http_view *v, struct tm_buf *out)
{
    struct tm_runner_status s;
    tm_runner_status(v->runner, &s);
    json_t *o = json_pack(
        "{s:s,s:s,s:s,s:f,s:s,s:I,s:I,s:I,s:f,s:o,s:o,s:o,s:o,s:o}", "version", TM_VERSION,
        "instance", v->conf->state_instance, "config_hash", v->config_hash, "uptime_seconds",
        (double)(tm_clock_ns() - v->started_ns) / 1e9, "state",
        s.draining ? "draining"
        : s.alone  ? "isolating"
                   : "working",
        "memory_bytes", (json_int_t)http_resident_bytes(), "in_flight", (json_int_t)s.in_flight,
        "waiting_for_delivery", (json_int_t)s.waiting_for_delivery, "oldest_seconds",
        s.oldest_seconds, "stages", stages(&s), "models", models(v->models), "dead_letters",
        dead_letters(v->metrics), "counters", counters(v->metrics), "reloads", reloads());
    char *text = o != NULL ? json_dumps(o, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;
    bool ok = text != NULL && tm_buf_puts(out, text) && tm_buf_putc(out, '\n');
    free(text);
    json_decref(o);
    return ok;
}
