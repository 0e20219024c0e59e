/* Record formats: which file has which, and what they share (records.h). JSONL lines are given as
 * they are; every other format makes a JSON envelope of each document, so that nothing behind has
 * to know it. Called by reader.c on the source thread, and by `extract`. */
#include "records.h"
#include "names.h"

#include <string.h>

/* ---- formats -----------------------------------------------------------------------------------
 */

static enum jsonl_result lines_next(struct records *r, size_t *budget, struct tm_err *err)
{
    enum jsonl_result got = jsonl_next(&r->lines, budget, err);
    r->text = r->lines.text;
    r->len = r->lines.len;
    r->number = r->lines.number;
    r->end = r->lines.end;
    if (got == JSONL_LONG)
        tm_err_set(&r->why, r->lines.line.failed ? TM_NOMEM : TM_TOOLARGE,
                   "line %lld has more than %zu bytes", (long long)r->number, r->cap);
    return got;
}

/* Reads all of a file that can only be taken apart as a whole. */
static enum tm_status read_whole(struct records *r, struct tm_err *err)
{
    size_t have = 0;
    enum tm_status s = window_fill(&r->window, r->cap + 1, &have, err);
    if (s != TM_OK)
        return s;
    if (have > r->cap)
        return tm_err_set(err, TM_TOOLARGE,
                          "has more than %zu bytes, which a file of this format may not", r->cap);
    if (have == 0)
        return tm_err_set(err, TM_EMPTY, "the file is empty");
    s = tm_split_create(window_data(&r->window), have, &r->split, err);
    tm_buf_finish(&r->window.buf);
    return s;
}

static enum jsonl_result split_next(struct records *r, size_t *budget, struct tm_err *err)
{
    (void)budget;
    if (r->split == NULL && read_whole(r, err) != TM_OK) {
        r->number++;
        return JSONL_ERROR;
    }
    if (r->split_at >= tm_split_count(r->split))
        return JSONL_END;
    r->text = tm_split_record(r->split, r->split_at++, &r->len);
    r->number = (int64_t)r->split_at;
    r->end = r->split_at;
    if (r->text == NULL)
        return records_bad(r, r->end, TM_NOMEM, "no memory for a document");
    return r->len > r->cap ? records_bad(r, r->end, TM_TOOLARGE, "the document is too large")
                           : JSONL_LINE;
}

static const struct format formats[] = {
    {"jsonl", {".jsonl", ".ndjson"}, lines_next},
    {"feed", {".rss", ".atom", ".rdf", ".feed"}, split_next},
    {"warc", {".warc"}, warc_next},
    {"csv", {".csv", ".tsv"}, csv_next},
    {"mail", {".mbox", ".eml"}, mail_next},
};

const struct format *format_of_name(const char *path)
{
    size_t n = strlen(path);
    n -= name_compressed_suffix(path);
    for (size_t i = 0; i < TM_COUNTOF(formats); i++)
        for (size_t k = 0; k < SUFFIXES && formats[i].suffixes[k] != NULL; k++)
            if (tm_name_ends(path, n, formats[i].suffixes[k]))
                return &formats[i];
    return NULL;
}

const struct format *format_named(const char *name)
{
    for (size_t i = 0; i < TM_COUNTOF(formats); i++)
        if (strcmp(formats[i].name, name) == 0)
            return &formats[i];
    return NULL;
}

const struct format *format_of_bytes(const char *data, size_t len)
{
    if (len > 5 && memcmp(data, "WARC/", 5) == 0)
        return format_named("warc");
    return tm_split_looks(data, len) ? format_named("feed") : NULL;
}

/* ---- reading -----------------------------------------------------------------------------------
 */

void records_init(struct records *r, const struct format *f, struct stream *in, size_t cap)
{
    *r = (struct records){.format = f, .in = in, .cap = cap};
    jsonl_init(&r->lines, in, cap);
    window_init(&r->window, in);
}

void records_finish(struct records *r)
{
    struct tm_buf *bufs[] = {&r->out, &r->scratch, &r->body, &r->columns, &r->members};
    if (r->in == NULL)
        return;
    jsonl_finish(&r->lines);
    window_finish(&r->window);
    tm_split_destroy(r->split);
    for (size_t i = 0; i < TM_COUNTOF(bufs); i++)
        tm_buf_finish(bufs[i]);
    r->in = NULL;
}

enum jsonl_result records_next(struct records *r, size_t *budget, struct tm_err *err)
{
    r->why = (struct tm_err){0};
    return r->format->next(r, budget, err);
}

enum jsonl_result records_skip(struct records *r, uint64_t offset, uint64_t done, size_t *budget,
                               struct tm_err *err)
{
    if (r->format->next == lines_next)
        return jsonl_skip(&r->lines, offset, budget, err);
    /* The others are read again up to there: their state and numbers come with that. */
    while (r->end < offset && (uint64_t)r->number < done) {
        enum jsonl_result got = records_next(r, budget, err);
        if (got != JSONL_LINE && got != JSONL_LONG)
            return got;
    }
    return r->end >= offset ? JSONL_LINE : JSONL_END;
}

/* ---- envelopes ---------------------------------------------------------------------------------
 */

void records_begin(struct records *r)
{
    tm_buf_clear(&r->out);
    tm_buf_putc(&r->out, '{');
}

static void put_key(struct records *r, const char *key)
{
    tm_buf_printf(&r->out, "%s\"%s\":", r->out.len > 1 ? "," : "", key);
}

void records_put(struct records *r, const char *key, const char *value, size_t n)
{
    if (value == NULL || n == 0)
        return;
    put_key(r, key);
    tm_buf_json_string(&r->out, value, n);
}

void records_put_body(struct records *r, const char *data, size_t n, const char *type,
                      const char *charset)
{
    put_key(r, "body_base64");
    tm_buf_putc(&r->out, '"');
    tm_buf_base64(&r->out, data, n);
    tm_buf_putc(&r->out, '"');
    records_put(r, "content_type", type, type == NULL ? 0 : strlen(type));
    records_put(r, "charset", charset, charset == NULL ? 0 : strlen(charset));
}

enum jsonl_result records_bad(struct records *r, uint64_t end, enum tm_status status,
                              const char *text)
{
    r->end = end;
    tm_err_set(&r->why, status, "record %lld: %s", (long long)r->number, text);
    return JSONL_LONG;
}

enum jsonl_result records_end(struct records *r, uint64_t end)
{
    tm_buf_putc(&r->out, '}');
    if (r->out.failed)
        return records_bad(r, end, TM_NOMEM, "no memory for it");
    r->text = r->out.data;
    r->len = r->out.len;
    r->end = end;
    return JSONL_LINE;
}
