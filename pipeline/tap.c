/* Taps (tap.h). Lines are made on the thread that owns the document, outside the lock, and wait in
 * a buffer with a cap for whoever reads: a reader that is slow misses lines, and is told how many;
 * it never holds a document up. */
#include "tap.h"

#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { BUFFER_MOST = 1 << 20, TEXT_MOST = 8192 /* bytes of a document's text in one line */ };

struct tap {
    bool open;
    unsigned every;
    uint64_t seen;   /* documents that have come since it was opened */
    size_t dropped;  /* lines that found no room since it was told */
    struct tm_buf b; /* from `read` on not yet read */
    size_t read;
};

struct taps {
    _Atomic unsigned mask; /* of those that are open */
    pthread_mutex_t lock;  /* guards the rest */
    struct tap tap[TM_TAPS_MOST];
};

struct taps *taps_create(void)
{
    struct taps *t = calloc(1, sizeof *t);
    if (t != NULL)
        pthread_mutex_init(&t->lock, NULL);
    return t;
}

void taps_destroy(struct taps *t)
{
    if (t == NULL)
        return;
    for (size_t i = 0; i < TM_TAPS_MOST; i++)
        tm_buf_finish(&t->tap[i].b);
    pthread_mutex_destroy(&t->lock);
    free(t);
}

bool taps_open(const struct taps *t)
{
    return atomic_load_explicit(&t->mask, memory_order_relaxed) != 0;
}

/* ---- lines ---- */

static void put_string(struct tm_buf *b, const char *key, const char *s, size_t n)
{
    if (s == NULL)
        return;
    tm_buf_printf(b, ",\"%s\":", key);
    tm_buf_json_string(b, s, n);
}

static void put_text(struct tm_buf *b, const char *key, const char *s, size_t n)
{
    const size_t cut = tm_utf8_cut(s, n, TEXT_MOST);
    put_string(b, key, s, cut);
    if (cut < n)
        tm_buf_printf(b, ",\"%s_bytes\":%zu", key, n);
}

static void put_head(struct tm_buf *b, const struct tm_doc *d, const char *place)
{
    const char *name = d->rec.path != NULL ? d->rec.path : d->id != NULL ? d->id : "";
    char now[32];
    tm_clock_iso(tm_clock_unix_ms(), now);
    tm_buf_puts(b, "{\"document\":");
    tm_buf_json_string(b, name, strlen(name));
    if (d->rec.line > 0)
        tm_buf_printf(b, ",\"line\":%lld", (long long)d->rec.line);
    tm_buf_printf(b, ",\"at\":\"%s\",\"place\":\"%s\"", now, place);
}

static void put_error(struct tm_buf *b, const struct tm_err *err)
{
    put_string(b, "code", tm_status_code(err->status), strlen(tm_status_code(err->status)));
    put_string(b, "error", err->text, strlen(err->text));
}

static void put_clean(struct tm_buf *b, const struct tm_doc *d)
{
    put_string(b, "title", d->title, d->title != NULL ? strlen(d->title) : 0);
    put_string(b, "lang", d->lang, d->lang != NULL ? strlen(d->lang) : 0);
    put_string(b, "method", d->cleaning.method,
               d->cleaning.method != NULL ? strlen(d->cleaning.method) : 0);
    tm_buf_printf(b, ",\"chars\":%u,\"sentences\":%zu", d->text_chars, d->n_sentences);
    put_text(b, "text", d->text, d->text_len);
}

static void put_task(struct tm_buf *b, const struct tm_task_run *run)
{
    put_string(b, "task", run->task->ops->name, strlen(run->task->ops->name));
    put_string(b, "member", run->member, run->member != NULL ? strlen(run->member) : 0);
    if (run->err.status != TM_OK) {
        put_error(b, &run->err);
        return;
    }
    char *text =
        run->result != NULL ? json_dumps(run->result, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    tm_buf_printf(b, ",\"result\":%s", text != NULL ? text : "null");
    free(text);
}

/* All lines of a document that leaves a place. */
static void put_lines(struct tm_buf *b, const struct tm_doc *d, const char *place)
{
    const bool failed = d->err.status != TM_OK;
    if (failed && d->err_stage != NULL && strcmp(d->err_stage, place) == 0) {
        put_head(b, d, place);
        put_error(b, &d->err);
        tm_buf_puts(b, "}\n");
    } else if (!failed && strcmp(place, "clean") == 0) {
        put_head(b, d, place);
        put_clean(b, d);
        tm_buf_puts(b, "}\n");
    } else if (!failed && strcmp(place, "infer") == 0) {
        for (size_t i = 0; i < d->n_task_runs; i++) {
            if (d->task_runs[i].skipped)
                continue;
            put_head(b, d, place);
            put_task(b, &d->task_runs[i]);
            tm_buf_puts(b, "}\n");
        }
    } else if (!failed && strcmp(place, "assemble") == 0 && d->output != NULL) {
        put_head(b, d, place);
        tm_buf_puts(b, ",\"result\":");
        tm_buf_append(b, d->output, d->output_len);
        tm_buf_puts(b, "}\n");
    }
}

static void hand_out(struct taps *t, unsigned mask, const struct tm_buf *lines)
{
    pthread_mutex_lock(&t->lock);
    for (size_t i = 0; i < TM_TAPS_MOST; i++) {
        struct tap *tap = &t->tap[i];
        if ((mask & 1u << i) == 0 || !tap->open || lines->len == 0)
            continue;
        if (tap->read > 0 && tap->b.len + lines->len > BUFFER_MOST) {
            memmove(tap->b.data, tap->b.data + tap->read, tap->b.len - tap->read);
            tap->b.len -= tap->read;
            tap->read = 0;
        }
        if (lines->failed || tap->b.len + lines->len > BUFFER_MOST ||
            !tm_buf_append(&tap->b, lines->data, lines->len)) {
            tap->b.failed = false;
            tap->dropped++;
        }
    }
    pthread_mutex_unlock(&t->lock);
}

/* ---- what flows ---- */

void taps_enter(struct taps *t, struct tm_doc *doc)
{
    TM_CLEANUP(tm_buf_finish) struct tm_buf b = {.cap = BUFFER_MOST};
    unsigned mask = 0;
    if (!taps_open(t) || doc->rec.kind != TM_RECORD_DOCUMENT)
        return;
    pthread_mutex_lock(&t->lock);
    for (size_t i = 0; i < TM_TAPS_MOST; i++)
        if (t->tap[i].open && t->tap[i].seen++ % t->tap[i].every == 0)
            mask |= 1u << i;
    pthread_mutex_unlock(&t->lock);
    doc->taps = mask;
    if (mask == 0)
        return;
    put_head(&b, doc, "source");
    if (doc->err.status != TM_OK)
        put_error(&b, &doc->err);
    else
        put_text(&b, "content", doc->rec.data, doc->rec.len);
    tm_buf_puts(&b, "}\n");
    hand_out(t, mask, &b);
}

void taps_leave(struct taps *t, const char *place, struct tm_doc *const *docs, size_t n)
{
    if (!taps_open(t))
        return;
    for (size_t i = 0; i < n; i++) {
        TM_CLEANUP(tm_buf_finish) struct tm_buf b = {.cap = BUFFER_MOST};
        if (docs[i]->taps == 0)
            continue;
        put_lines(&b, docs[i], place);
        hand_out(t, docs[i]->taps, &b);
    }
}

/* ---- who looks ---- */

int taps_add(struct taps *t, unsigned every)
{
    int found = -1;
    pthread_mutex_lock(&t->lock);
    for (int i = 0; i < TM_TAPS_MOST && found < 0; i++)
        if (!t->tap[i].open) {
            t->tap[i] = (struct tap){.open = true, .every = TM_MAX(every, 1u)};
            atomic_fetch_or(&t->mask, 1u << i);
            found = i;
        }
    pthread_mutex_unlock(&t->lock);
    return found;
}

size_t taps_read(struct taps *t, int number, char *out, size_t max)
{
    struct tap *tap = &t->tap[number];
    pthread_mutex_lock(&t->lock);
    if (tap->read == tap->b.len) {
        tm_buf_clear(&tap->b);
        tap->read = 0;
        if (tap->dropped > 0)
            tm_buf_printf(&tap->b, "{\"missed\":%zu}\n", tap->dropped);
        tap->dropped = 0;
    }
    size_t n = TM_MIN(max, tap->b.len - tap->read);
    if (n > 0)
        memcpy(out, tap->b.data + tap->read, n);
    tap->read += n;
    pthread_mutex_unlock(&t->lock);
    return n;
}

/* Documents that it followed may still be under way: their lines go to nobody, or to whoever has
 * the number next, who sees the end of a document without its beginning. */
void taps_remove(struct taps *t, int number)
{
    pthread_mutex_lock(&t->lock);
    tm_buf_finish(&t->tap[number].b);
    t->tap[number] = (struct tap){.open = false};
    atomic_fetch_and(&t->mask, ~(1u << number));
    pthread_mutex_unlock(&t->lock);
}
