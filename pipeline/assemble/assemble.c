/* The result of a document as one line of JSON: schema textmill.result/1.
 *
 * Written straight into a buffer in a fixed order of keys, so that equal input gives equal bytes;
 * only the tasks' own values and the echoed meta are JSON trees. Runs on the assemble threads. The
 * text is UTF-8 already; names from outside (paths) may not be, and are mended while writing. */
#include "tree.h"
#include "tm_dedup.h"
#include "tm_engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct assemble {
    bool with_text;
};

/* ---- writing ---- */

static char last(const struct tm_buf *b)
{
    return b->len > 0 ? b->data[b->len - 1] : '\0';
}

/* The comma and the key of a member. */
static void put_key(struct tm_buf *b, const char *key)
{
    if (last(b) != '{')
        tm_buf_putc(b, ',');
    tm_buf_json_string(b, key, strlen(key));
    tm_buf_putc(b, ':');
}

static void put_string(struct tm_buf *b, const char *key, const char *value)
{
    if (value == NULL)
        return;
    put_key(b, key);
    tm_buf_json_string(b, value, strlen(value));
}

static void put_int(struct tm_buf *b, const char *key, int64_t value)
{
    put_key(b, key);
    if (value < 0)
        tm_buf_putc(b, '-');
    tm_buf_put_uint(b, value < 0 ? -(uint64_t)value : (uint64_t)value);
}

static void open_object(struct tm_buf *b, const char *key)
{
    put_key(b, key);
    tm_buf_putc(b, '{');
}

static void put_strings(struct tm_buf *b, const char *key, const char *const *list, size_t n)
{
    put_key(b, key);
    tm_buf_putc(b, '[');
    for (size_t i = 0; i < n; i++) {
        tm_buf_puts(b, i > 0 ? "," : "");
        tm_buf_json_string(b, list[i], strlen(list[i]));
    }
    tm_buf_putc(b, ']');
}

/* ---- parts of the schema, in order ---- */

static void put_input(struct tm_buf *b, const struct tm_record *rec)
{
    open_object(b, "input");
    if (rec->topic != NULL) {
        put_string(b, "topic", rec->topic);
        put_int(b, "partition", rec->partition);
        put_int(b, "offset", (int64_t)rec->seq);
    } else {
        put_string(b, "file", rec->path);
    }
    if (rec->line > 0)
        put_int(b, "line", rec->line);
    put_int(b, "bytes", (int64_t)rec->len);
    put_string(b, "sha256", rec->sha256);
    tm_buf_putc(b, '}');
}

static void put_lang(struct tm_buf *b, const struct tm_doc *d)
{
    if (d->lang_from == NULL)
        return;
    open_object(b, "lang");
    put_string(b, "code", d->lang != NULL ? d->lang : "und");
    put_string(b, "from", d->lang_from);
    if (d->lang_score > 0)
        tm_buf_printf(b, ",\"score\":%.6g", d->lang_score);
    for (size_t i = 0; i < d->n_lang_alternatives; i++) {
        const struct tm_lang_alternative *a = &d->lang_alternatives[i];
        tm_buf_printf(b, "%s{\"code\":\"%s\",\"score\":%.6g}%s",
                      i == 0 ? ",\"alternatives\":[" : ",", a->code, a->score,
                      i + 1 == d->n_lang_alternatives ? "]" : "");
    }
    tm_buf_putc(b, '}');
}

static void put_document(struct tm_buf *b, const struct tm_doc *d)
{
    open_object(b, "document");
    put_string(b, "title", d->title);
    if (d->n_authors > 0)
        put_strings(b, "authors", d->authors, d->n_authors);
    put_string(b, "published_at", d->published_at);
    put_string(b, "modified_at", d->modified_at);
    put_string(b, "source", d->source);
    put_string(b, "url", d->url);
    put_lang(b, d);
    put_string(b, "kind", d->kind);
    put_string(b, "page_type", d->page_type);
    tm_buf_putc(b, '}');
}

static void put_paragraphs(struct tm_buf *b, const struct tm_doc *d)
{
    put_key(b, "paragraphs");
    for (size_t i = 0; i < d->n_paragraphs; i++) {
        const struct tm_paragraph *p = &d->paragraphs[i];
        tm_buf_puts(b, i == 0 ? "[{" : ",{");
        put_int(b, "start", p->span.cp_start);
        put_int(b, "end", p->span.cp_end);
        put_string(b, "kind", tm_block_name(p->kind));
        put_string(b, "path", p->path);
        if (p->lang != NULL)
            tm_buf_printf(b, ",\"lang\":{\"code\":\"%s\",\"score\":%.6g}", p->lang, p->lang_score);
        tm_buf_putc(b, '}');
    }
    tm_buf_puts(b, d->n_paragraphs == 0 ? "[]" : "]");
}

static void put_sentences(struct tm_buf *b, const struct tm_doc *d)
{
    put_key(b, "sentences");
    tm_buf_putc(b, '[');
    for (size_t i = 0; i < d->n_sentences; i++) {
        tm_buf_puts(b, i == 0 ? "[" : ",[");
        tm_buf_put_uint(b, d->sentences[i].cp_start);
        tm_buf_putc(b, ',');
        tm_buf_put_uint(b, d->sentences[i].cp_end);
        tm_buf_putc(b, ']');
    }
    tm_buf_putc(b, ']');
}

static void put_cleaning(struct tm_buf *b, const struct tm_cleaning *c)
{
    open_object(b, "cleaning");
    put_string(b, "method", c->method);
    if (c->confidence >= 0) {
        put_key(b, "confidence");
        tm_buf_printf(b, "%.6g", c->confidence);
    }
    put_int(b, "chars_in", (int64_t)c->chars_in);
    put_int(b, "chars_out", (int64_t)c->chars_out);
    put_string(b, "encoding", c->encoding);
    put_string(b, "encoding_source", c->encoding_source);
    put_int(b, "replaced_chars", c->replaced_chars);
    if (c->mojibake_fixed > 0)
        put_int(b, "mojibake_fixed", c->mojibake_fixed);
    put_key(b, "removed");
    tm_buf_putc(b, '[');
    for (size_t i = 0; i < c->n_removed; i++) {
        tm_buf_puts(b, i > 0 ? ",{" : "{");
        put_string(b, "rule", c->removed[i].rule);
        put_int(b, "count", c->removed[i].count);
        tm_buf_putc(b, '}');
    }
    tm_buf_putc(b, ']');
    put_strings(b, "flags", c->flags, c->n_flags);
    for (size_t i = 0; i < c->n_pii; i++) {
        const struct tm_pii *p = &c->pii[i];
        tm_buf_printf(b, "%s{\"type\":\"%s\",\"start\":%u,\"end\":%u,\"score\":%.6g}%s",
                      i == 0 ? ",\"pii\":[" : ",", p->type, p->span.cp_start, p->span.cp_end,
                      p->score, i + 1 == c->n_pii ? "]" : "");
    }
    tm_buf_putc(b, '}');
}

static void put_value(struct tm_buf *b, const struct tm_task_run *run)
{
    if (run->result != NULL)
        tree_put(b, run->result);
    else
        tm_buf_puts(b, "null");
}

/* The first run before i, not skipped, with the same key (or name): NULL when i is the first. */
static const struct tm_task_run *earlier(const struct tm_doc *d, size_t i, bool by_name)
{
    const struct tm_task_ops *ops = d->task_runs[i].task->ops;
    for (size_t k = 0; k < i; k++) {
        const struct tm_task_ops *other = d->task_runs[k].task->ops;
        if (!d->task_runs[k].skipped &&
            strcmp(by_name ? other->name : other->key, by_name ? ops->name : ops->key) == 0)
            return &d->task_runs[k];
    }
    return NULL;
}

/* The values of all tasks that share the key of run i. */
static void put_shared(struct tm_buf *b, const struct tm_doc *d, size_t i, bool list)
{
    const char *key = d->task_runs[i].task->ops->key;
    tm_buf_putc(b, list ? '[' : '{');
    for (; i < d->n_task_runs; i++) {
        const struct tm_task_run *run = &d->task_runs[i];
        if (run->skipped || strcmp(run->task->ops->key, key) != 0)
            continue;
        if (!list)
            put_key(b, run->member != NULL ? run->member : run->task->ops->name);
        else if (last(b) != '[')
            tm_buf_putc(b, ',');
        put_value(b, run);
    }
    tm_buf_putc(b, list ? ']' : '}');
}

static void put_tasks(struct tm_buf *b, const struct tm_doc *d)
{
    for (size_t i = 0; i < d->n_task_runs; i++) {
        const struct tm_task_run *run = &d->task_runs[i];
        const struct tm_task_ops *ops = run->task->ops;
        bool one = ops->shape == TM_RESULT_ONE;
        if (run->skipped || (!one && earlier(d, i, false) != NULL))
            continue;
        put_key(b, ops->key);
        if (one)
            put_value(b, run);
        else
            put_shared(b, d, i, ops->shape == TM_RESULT_LIST);
    }
}

static void put_models(struct tm_buf *b, const struct tm_doc *d)
{
    open_object(b, "models");
    for (size_t i = 0; i < d->n_task_runs; i++) {
        const struct tm_task_run *run = &d->task_runs[i];
        if (run->skipped)
            continue;
        const struct tm_model *m = run->task->model;
        const struct tm_engine_info *info = tm_engine_info(m->engine);
        char name[128];
        bool again = earlier(d, i, true) != NULL;
        snprintf(name, sizeof name, "%s%s%s", run->task->ops->name, again ? "." : "",
                 again && run->member != NULL ? run->member : "");
        open_object(b, name);
        put_string(b, "name", m->name);
        put_string(b, "sha256", m->sha256);
        put_string(b, "precision", info->precision);
        put_string(b, "device", info->device);
        tm_buf_putc(b, '}');
    }
    tm_buf_putc(b, '}');
}

static char digit(uint64_t v, uint64_t place)
{
    return (char)('0' + v / place % 10);
}

static void put_timing(struct tm_buf *b, const struct tm_doc *d)
{
    const struct {
        const char *key;
        uint64_t ns;
    } times[] = {{"clean", d->clean_ns},
                 {"tokenize", d->tokenize_ns},
                 {"infer", d->infer_ns},
                 {"total", tm_clock_ns() - d->taken_ns}};
    open_object(b, "timing_ms");
    for (size_t i = 0; i < TM_COUNTOF(times); i++) {
        put_key(b, times[i].key);
        uint64_t us = (times[i].ns + 500) / 1000;
        tm_buf_put_uint(b, us / 1000);
        tm_buf_append(b, (const char[]){'.', digit(us, 100), digit(us, 10), digit(us, 1)}, 4);
    }
    tm_buf_puts(b, "}");
    open_object(b, "usage");
    put_int(b, "tokens_in", d->tokens_in);
    put_int(b, "tokens_out", d->tokens_out);
    tm_buf_putc(b, '}');
}

static void put_duplicate(struct tm_buf *b, const struct tm_duplicate *dup)
{
    open_object(b, "duplicate");
    put_string(b, "of", dup->of);
    put_key(b, "similarity");
    tm_buf_printf(b, "%.6g", dup->similarity);
    put_string(b, "policy", dup->policy);
    tm_buf_putc(b, '}');
}

static void put_notice(struct tm_buf *b, const char *code, const char *stage, const char *task,
                       const char *message)
{
    tm_buf_puts(b, last(b) == '[' ? "{" : ",{");
    put_string(b, "code", code);
    put_string(b, "stage", stage);
    put_string(b, "task", task);
    put_string(b, "message", message);
}

static void put_notices(struct tm_buf *b, const struct tm_doc *d)
{
    put_key(b, "warnings");
    tm_buf_putc(b, '[');
    for (size_t i = 0; i < d->n_warnings; i++) {
        const struct tm_warning *w = &d->warnings[i];
        put_notice(b, w->code, w->stage, w->task, w->message);
        tm_buf_putc(b, '}');
    }
    tm_buf_putc(b, ']');
    put_key(b, "errors");
    tm_buf_putc(b, '[');
    for (size_t i = 0; i < d->n_task_runs; i++) {
        const struct tm_task_run *run = &d->task_runs[i];
        if (run->err.status == TM_OK)
            continue;
        put_notice(b, tm_status_code(run->err.status), "infer", run->task->ops->name,
                   run->err.text);
        put_key(b, "retryable");
        tm_buf_puts(b, tm_status_retry(run->err.status) ? "true}" : "false}");
    }
    tm_buf_putc(b, ']');
}

/* ---- the stage ---- */

static bool is_partial(const struct tm_doc *d)
{
    for (size_t i = 0; i < d->n_task_runs; i++)
        if (d->task_runs[i].err.status != TM_OK)
            return true;
    return false;
}

/* Every task that was asked for has failed: nothing to deliver but the reason. */
static const struct tm_task_run *all_failed(const struct tm_doc *d)
{
    const struct tm_task_run *first = NULL;
    for (size_t i = 0; i < d->n_task_runs; i++) {
        const struct tm_task_run *run = &d->task_runs[i];
        if (!run->skipped && run->err.status == TM_OK)
            return NULL;
        if (!run->skipped && first == NULL)
            first = run;
    }
    return first;
}

/* The text and what was found in it, to the end of the errors. */
static void put_found(struct tm_buf *b, const struct assemble *self, const struct tm_doc *d)
{
    if (self->with_text) {
        put_key(b, "text");
        tm_buf_json_string(b, d->text, d->text_len);
    }
    put_string(b, "offset_unit", "codepoint");
    put_paragraphs(b, d);
    put_sentences(b, d);
    put_cleaning(b, &d->cleaning);
    put_tasks(b, d);
    put_models(b, d);
    put_notices(b, d);
}

static const char *status_of(const struct tm_doc *d)
{
    if (d->duplicate != NULL && strcmp(d->duplicate->policy, "skip") == 0)
        return "skipped";
    return is_partial(d) ? "partial" : "ok";
}

static void put_result(struct tm_buf *b, const struct assemble *self, struct tm_doc *d)
{
    tm_buf_clear(b);
    tm_buf_putc(b, '{');
    put_string(b, "schema", "textmill.result/1");
    put_string(b, "id", d->id);
    put_string(b, "status", status_of(d));
    put_input(b, &d->rec);
    put_document(b, d);
    if (d->duplicate != NULL)
        put_duplicate(b, d->duplicate);
    size_t start = b->len;
    if (d->duplicate != NULL && d->duplicate->shared != NULL)
        tm_buf_append(b, d->duplicate->shared, d->duplicate->shared_len);
    else
        put_found(b, self, d);
    if (!is_partial(d)) { /* and its comma */
        d->shared_start = start;
        d->shared_end = b->len;
    }
    put_timing(b, d);
    if (d->meta != NULL) {
        put_key(b, "meta");
        tree_put(b, d->meta);
    }
    tm_buf_putc(b, '}');
}

bool tm_doc_extract_json(const struct tm_doc *d, struct tm_buf *out)
{
    tm_buf_clear(out);
    tm_buf_putc(out, '{');
    put_string(out, "source", d->rec.path);
    if (d->rec.line > 0)
        put_int(out, "line", d->rec.line);
    put_string(out, "id", d->id);
    if (d->err.status != TM_OK) {
        open_object(out, "error");
        put_string(out, "code", tm_status_code(d->err.status));
        put_string(out, "stage", d->err_stage);
        put_string(out, "message", d->err.text);
        tm_buf_putc(out, '}');
        if (d->cleaning.encoding != NULL) /* how far it came */
            put_cleaning(out, &d->cleaning);
    } else {
        put_string(out, "title", d->title);
        put_key(out, "text");
        tm_buf_json_string(out, d->text, d->text_len);
        put_string(out, "lang", d->lang);
        if (d->n_authors > 0)
            put_strings(out, "authors", d->authors, d->n_authors);
        put_string(out, "published_at", d->published_at);
        put_string(out, "site", d->source);
        put_string(out, "url", d->url);
        put_cleaning(out, &d->cleaning);
    }
    tm_buf_puts(out, "}\n");
    return !out->failed;
}

static void assemble_doc(const struct assemble *self, struct tm_buf *b, struct tm_doc *d)
{
    const struct tm_task_run *failed = all_failed(d);
    if (failed != NULL) {
        tm_doc_fail(d, "infer", failed->err.status, "%s: %s", failed->task->ops->name,
                    failed->err.text);
        return;
    }
    put_result(b, self, d);
    char *line = b->failed ? NULL : tm_arena_strndup(d->arena, b->data, b->len);
    if (line == NULL) {
        tm_doc_nomem(d, "assemble");
        return;
    }
    d->output = line;
    d->output_len = b->len;
}

static enum tm_status create(void **ret_self, const struct tm_conf *conf, void *arg,
                             struct tm_err *err)
{
    (void)arg;
    struct assemble *self = calloc(1, sizeof *self);
    if (self == NULL)
        return tm_err_set(err, TM_NOMEM, "assemble stage");
    self->with_text = conf->sink_text;
    *ret_self = self;
    return TM_OK;
}

static void *worker_create(void *self)
{
    (void)self;
    return calloc(1, sizeof(struct tm_buf));
}

static void worker_destroy(void *self, void *worker)
{
    (void)self;
    if (worker != NULL)
        tm_buf_finish(worker);
    free(worker);
}

static enum tm_status run(void *self, void *worker, struct tm_batch *batch, struct tm_err *err)
{
    if (worker == NULL)
        return tm_err_set(err, TM_NOMEM, "assemble worker");
    for (size_t i = 0; i < batch->n; i++)
        if (batch->docs[i]->err.status == TM_OK)
            assemble_doc(self, worker, batch->docs[i]);
    return TM_OK;
}

const struct tm_stage_ops tm_stage_assemble = {
    .name = "assemble",
    .create = create,
    .worker_create = worker_create,
    .run = run,
    .worker_destroy = worker_destroy,
    .destroy = free,
};
