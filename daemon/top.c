/* top: a running pipeline's figures, live, on a terminal. Reads /status of its server now and then;
 * rates are what changed between two answers of one working process. One thread. */
#include "verbs.h"
#include "client.h"
#include "screen.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { ANSWER_MOST = 4 << 20, ANSWER_SECONDS = 10, BAR = 20, LANES_SHOWN = 16 };

struct top {
    struct client *client;
    struct screen screen;
    json_t *now, *before; /* answers; NULL: none */
    struct tm_err err;    /* why now is NULL */
};

/* ---- reading ---- */

static bool gather(void *arg, const char *bytes, size_t n)
{
    return tm_buf_append(arg, bytes, n);
}

static double number(const json_t *o, const char *key)
{
    return json_number_value(json_object_get(o, key));
}

static const char *string(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s != NULL ? s : "";
}

/* Stages count from 0 in a process that has taken over. */
static bool same_process(const struct top *t)
{
    return t->before != NULL && t->now != NULL &&
           number(t->now, "uptime_seconds") > number(t->before, "uptime_seconds");
}

static enum tm_status ask(struct top *t, struct tm_err *err)
{
    TM_CLEANUP(tm_buf_finish) struct tm_buf body = {.cap = ANSWER_MOST};
    json_decref(t->before);
    t->before = TM_TAKE(t->now);
    enum tm_status s = client_get(t->client, "/status", ANSWER_SECONDS, gather, &body, err);
    if (s != TM_OK)
        return s;
    t->now = json_loadb(body.data != NULL ? body.data : "", body.len, 0, NULL);
    if (!json_is_object(t->now)) {
        json_decref(t->now);
        t->now = NULL;
        return tm_err_set(err, TM_BADINPUT, "what answers there is no textmill");
    }
    return TM_OK;
}

/* ---- rates ---- */

static double elapsed(const struct top *t)
{
    return number(t->now, "uptime_seconds") - number(t->before, "uptime_seconds");
}

static double rate(const struct top *t, const char *counter)
{
    if (!same_process(t))
        return 0;
    return (number(json_object_get(t->now, "counters"), counter) -
            number(json_object_get(t->before, "counters"), counter)) /
           elapsed(t);
}

static double busy_share(const struct top *t, size_t stage)
{
    const json_t *now = json_array_get(json_object_get(t->now, "stages"), stage);
    const json_t *before = json_array_get(json_object_get(t->before, "stages"), stage);
    double threads = number(now, "threads");
    if (!same_process(t) || before == NULL || threads < 1)
        return 0;
    double busy = number(now, "busy_seconds") - number(before, "busy_seconds");
    return TM_MIN(busy / elapsed(t) / threads, 1.0);
}

/* ---- the frame ---- */

static const char *span(double seconds, char out[32])
{
    if (seconds >= 3600)
        snprintf(out, 32, "%d h %02d min", (int)(seconds / 3600), (int)seconds % 3600 / 60);
    else if (seconds >= 60)
        snprintf(out, 32, "%d min %02d s", (int)(seconds / 60), (int)seconds % 60);
    else
        snprintf(out, 32, "%.1f s", seconds);
    return out;
}

static void draw_head(struct top *t)
{
    struct screen *s = &t->screen;
    char up[32];
    const char *state = string(t->now, "state");
    screen_put(s, STYLE_HEAD, "textmill %s", string(t->now, "version"));
    screen_put(s, STYLE_PLAIN, "  %s  ", string(t->now, "instance"));
    screen_put(s, strcmp(state, "working") == 0 ? STYLE_GOOD : STYLE_BAD, "%s", state);
    screen_put(s, STYLE_SOFT, "  up %s", span(number(t->now, "uptime_seconds"), up));
    const char *reloaded = string(json_object_get(t->now, "reloads"), "last");
    if (reloaded[0] != '\0')
        screen_put(s, STYLE_SOFT, "  reloaded %s", reloaded);
    screen_line(s);
}

static void draw_figures(struct top *t)
{
    struct screen *s = &t->screen;
    const json_t *c = json_object_get(t->now, "counters");
    char oldest[32];
    screen_put(s, STYLE_PLAIN, "%.1f documents/s  %.0f tokens/s  %.2f MB/s  memory %.0f MB",
               rate(t, "documents_out_total") + rate(t, "documents_dead_total"),
               rate(t, "tokens_total"), rate(t, "bytes_in_total") / 1e6,
               number(t->now, "memory_bytes") / 1e6);
    screen_line(s);
    double dead = number(c, "documents_dead_total");
    screen_put(s, STYLE_PLAIN, "%.0f delivered  ", number(c, "documents_out_total"));
    screen_put(s, dead > 0 ? STYLE_BAD : STYLE_PLAIN, "%.0f dead", dead);
    screen_put(s, STYLE_PLAIN, "  %.0f in flight, the oldest for %s", number(t->now, "in_flight"),
               span(number(t->now, "oldest_seconds"), oldest));
    screen_line(s);
    screen_line(s);
}

static void draw_stages(struct top *t)
{
    struct screen *s = &t->screen;
    const json_t *stage;
    size_t i;
    screen_put(s, STYLE_HEAD, "%-10s %-*s %-*s %9s %8s", "STAGE", BAR + 6, "BUSY", BAR + 6, "QUEUE",
               "DOCUMENTS", "THREADS");
    screen_line(s);
    json_array_foreach(json_object_get(t->now, "stages"), i, stage)
    {
        double busy = busy_share(t, i), room = number(stage, "queue_room");
        double queue = room > 0 ? number(stage, "queued") / room : 0;
        screen_put(s, STYLE_PLAIN, "%-10s ", string(stage, "name"));
        screen_bar(s, busy, BAR);
        screen_put(s, STYLE_PLAIN, " %3.0f %% ", 100 * busy);
        screen_bar(s, queue, BAR);
        screen_put(s, STYLE_PLAIN, " %3.0f %% %9.0f %8.0f", 100 * queue, number(stage, "documents"),
                   number(stage, "threads"));
        screen_line(s);
    }
    screen_line(s);
}

static void draw_models(struct top *t)
{
    struct screen *s = &t->screen;
    const json_t *model;
    size_t i;
    if (json_array_size(json_object_get(t->now, "models")) == 0)
        return;
    screen_put(s, STYLE_HEAD, "%-30s %-34s %-9s %8s", "MODEL", "ARCHITECTURE", "PRECISION",
               "WAITING");
    screen_line(s);
    json_array_foreach(json_object_get(t->now, "models"), i, model)
    {
        screen_put(s, STYLE_PLAIN, "%-30s %-34s %-9s %8.0f", string(model, "name"),
                   string(model, "architecture"), string(model, "precision"),
                   number(model, "waiting"));
        screen_line(s);
    }
    screen_line(s);
}

static void draw_lanes(struct top *t)
{
    struct screen *s = &t->screen;
    const json_t *lane, *lanes = json_object_get(t->now, "lanes");
    size_t i;
    if (json_array_size(lanes) == 0)
        return;
    screen_put(s, STYLE_HEAD, "%-48s %10s %9s %10s", "LANE", "LAG", "IN FLIGHT", "OLDEST");
    screen_line(s);
    json_array_foreach(lanes, i, lane)
    {
        char oldest[32], lag[24] = "";
        if (i == LANES_SHOWN)
            break;
        if (json_is_number(json_object_get(lane, "lag")))
            snprintf(lag, sizeof lag, "%.0f", number(lane, "lag"));
        screen_put(s, STYLE_PLAIN, "%-48.48s %10s %9.0f %10s", string(lane, "name"), lag,
                   number(lane, "in_flight"), span(number(lane, "oldest_seconds"), oldest));
        screen_line(s);
    }
    double more = number(t->now, "lanes_more") +
                  (double)(json_array_size(lanes) - TM_MIN(json_array_size(lanes), LANES_SHOWN));
    if (more > 0) {
        screen_put(s, STYLE_SOFT, "and %.0f more", more);
        screen_line(s);
    }
    screen_line(s);
}

static void draw_dead(struct top *t)
{
    struct screen *s = &t->screen;
    json_t *dead = json_object_get(t->now, "dead_letters"), *n;
    const char *code;
    if (json_object_size(dead) == 0)
        return;
    screen_put(s, STYLE_HEAD, "%-20s %10s", "DEAD LETTERS", "DOCUMENTS");
    screen_line(s);
    json_object_foreach(dead, code, n)
    {
        screen_put(s, STYLE_BAD, "%-20s %10.0f", code, json_number_value(n));
        screen_line(s);
    }
}

static void draw_error(struct top *t)
{
    const int width = t->screen.columns;
    for (const char *rest = t->err.text; *rest != '\0';
         rest += TM_MIN(strlen(rest), (size_t)width)) {
        screen_put(&t->screen, STYLE_BAD, "%.*s", width, rest);
        screen_line(&t->screen);
    }
}

static bool draw(struct top *t)
{
    screen_begin(&t->screen);
    if (t->now == NULL) {
        draw_error(t);
    } else {
        draw_head(t);
        draw_figures(t);
        draw_stages(t);
        draw_models(t);
        draw_lanes(t);
        draw_dead(t);
    }
    return screen_end(&t->screen);
}

/* ---- JSON ---- */

static json_t *rates(const struct top *t)
{
    json_t *o = json_object(), *shares = json_object(), *stage;
    static const char *const counters[] = {"documents_out_total", "documents_dead_total",
                                           "tokens_total", "bytes_in_total"};
    size_t i;
    for (i = 0; i < TM_COUNTOF(counters); i++)
        json_object_set_new(o, counters[i], json_real(rate(t, counters[i])));
    json_array_foreach(json_object_get(t->now, "stages"), i, stage)
        json_object_set_new(shares, string(stage, "name"), json_real(busy_share(t, i)));
    json_object_set_new(o, "busy_share", shares);
    return o;
}

static bool print_json(struct top *t)
{
    json_auto_t *o = json_copy(t->now);
    json_object_set_new(o, "per_second", rates(t));
    bool ok = json_dumpf(o, stdout, JSON_COMPACT | JSON_REAL_PRECISION(9)) == 0;
    return ok && putchar('\n') != EOF && fflush(stdout) == 0;
}

/* ---- the verb ---- */

/* Rates need two answers: the first frame comes after a short moment. */
static enum exit_code watch(const struct args *a, struct top *t, int interval_ms, int64_t count)
{
    const int first_ms = TM_MIN(interval_ms, 500);
    const bool json = args_has(a, "json");
    if (ask(t, &t->err) != TM_OK)
        return verb_fail_err(a, &t->err);
    if (!json && screen_open(&t->screen, &t->err) != TM_OK)
        return verb_fail_err(a, &t->err);
    bool go_on = true;
    for (int64_t shown = 0; go_on && (count == 0 || shown < count); shown++) {
        int ms = shown == 0 ? first_ms : interval_ms;
        if (json) {
            nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000L}, NULL);
            go_on = ask(t, &t->err) != TM_OK || print_json(t);
            continue;
        }
        go_on = screen_wait(&t->screen, ms);
        if (go_on) {
            t->err = (struct tm_err){0};
            ask(t, &t->err); /* while it reloads nobody answers: the frame says so */
            go_on = draw(t);
        }
    }
    if (!json)
        screen_close(&t->screen);
    return EXIT_OK;
}

static enum exit_code run(const struct args *a)
{
    char address[CLIENT_ADDRESS_MOST];
    int64_t interval, count;
    struct top t = {.screen.signals = -1};
    enum exit_code code = client_address(a, address);
    if (code == EXIT_OK)
        code = args_int(a, "interval-ms", 100, 3600000, 1000, &interval);
    if (code == EXIT_OK)
        code = args_int(a, "count", 1, INT32_MAX, 0, &count);
    if (code != EXIT_OK)
        return code;
    TM_CLEANUP(client_destroyp) struct client *client = NULL;
    if (client_create(address, NULL, &client, &t.err) != TM_OK)
        return verb_fail_err(a, &t.err);
    t.client = client;
    code = watch(a, &t, (int)interval, count);
    json_decref(t.now);
    json_decref(t.before);
    return code;
}

static const struct verb_option options[] = {
    {"config", 'c', "FILE", "Configuration of the pipeline, whose http.listen is the address"},
    {"interval-ms", '\0', "N", "Time between two looks; 1000 when not given"},
    {"count", '\0', "N", "End after so many"},
    {"json", '\0', NULL, "Print /status with rates, a line a look"},
    {0},
};

const struct verb verb_top = {
    .name = "top",
    .operands = "[ADDRESS]",
    .summary = "Show a running pipeline's rates, stages, lanes and dead letters, live",
    .details = "ADDRESS is the pipeline's http.listen: HOST:PORT or unix:PATH; 127.0.0.1:9464 when "
               "neither it\n"
               "nor -c is given. q or Ctrl-C ends. Colour only on a terminal, and not when "
               "NO_COLOR is set.",
    .options = options,
    .run = run,
};
