/* Web archives: WARC 0.17 to 1.1. The pages among the responses and resources are documents;
 * records of other types, revisits and what is no text are passed over. A damaged record ends the
 * file with an error that says where: a WARC has no marks to go on from. Called through records.h.
 */
#include "http_body.h"
#include "records.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { HEAD_MOST = 65536 };

struct head {
    char type[24], content_type[128], target[2048], id[128], date[40];
    uint64_t length;
    bool has_length;
};

static void copy(char *to, size_t room, const char *s, size_t n)
{
    while (n > 0 && (*s == ' ' || *s == '\t' || *s == '<'))
        s++, n--;
    while (n > 0 && strchr(" \t\r\n>", s[n - 1]) != NULL)
        n--;
    n = TM_MIN(n, room - 1);
    memcpy(to, s, n);
    to[n] = '\0';
}

static void head_line(struct head *h, const char *s, size_t n)
{
    const char *colon = memchr(s, ':', n);
    if (colon == NULL)
        return;
    size_t name = (size_t)(colon - s);
    const char *value = colon + 1;
    size_t len = n - name - 1;
    const struct {
        const char *name;
        char *to;
        size_t room;
    } fields[] = {{"WARC-Type", h->type, sizeof h->type},
                  {"Content-Type", h->content_type, sizeof h->content_type},
                  {"WARC-Target-URI", h->target, sizeof h->target},
                  {"WARC-Record-ID", h->id, sizeof h->id},
                  {"WARC-Date", h->date, sizeof h->date}};
    for (size_t i = 0; i < TM_COUNTOF(fields); i++)
        if (strlen(fields[i].name) == name && strncasecmp(fields[i].name, s, name) == 0)
            copy(fields[i].to, fields[i].room, value, len);
    if (name == 14 && strncasecmp(s, "Content-Length", 14) == 0) {
        char digits[24];
        char *end;
        copy(digits, sizeof digits, value, len);
        h->length = strtoull(digits, &end, 10);
        h->has_length = end != digits && *end == '\0' && digits[0] != '-';
    }
}

/* Reads to the blank line. TM_CLOSED: the file is at its end. */
static enum tm_status read_head(struct records *r, struct head *h, struct tm_err *err)
{
    size_t n, lines = 0;
    *h = (struct head){0};
    for (uint64_t from = r->window.offset;;) {
        enum tm_status s = window_line(&r->window, HEAD_MOST, &n, err);
        if (s != TM_OK)
            return s;
        const char *line = n == 0 ? "" : window_data(&r->window);
        size_t len = n;
        while (len > 0 && (line[len - 1] == '\n' || line[len - 1] == '\r'))
            len--;
        if (n == 0)
            return lines == 0
                       ? TM_CLOSED
                       : tm_err_set(err, TM_BADINPUT,
                                    "WARC: the file ends within a record's head at byte %llu",
                                    (unsigned long long)r->window.offset);
        if (len > 0 && lines == 0 && (len < 5 || memcmp(line, "WARC/", 5) != 0))
            return tm_err_set(err, TM_BADINPUT, "WARC: no record begins at byte %llu",
                              (unsigned long long)r->window.offset);
        if (len > 0 && lines > 0)
            head_line(h, line, len);
        lines += len > 0;
        window_use(&r->window, n);
        if (len == 0 && lines > 0)
            break;
        if (r->window.offset - from > HEAD_MOST)
            return tm_err_set(err, TM_TOOLARGE, "WARC: a head of more than %d bytes", HEAD_MOST);
    }
    if (!h->has_length)
        return tm_err_set(err, TM_BADINPUT,
                          "WARC: a record without Content-Length before byte %llu",
                          (unsigned long long)r->window.offset);
    return TM_OK;
}

static bool is_text(const char *type)
{
    static const char *const types[] = {"text/html",       "application/xhtml", "text/plain",
                                        "text/xml",        "application/xml",   "application/rss",
                                        "application/atom"};
    for (size_t i = 0; i < TM_COUNTOF(types); i++)
        if (strncasecmp(type, types[i], strlen(types[i])) == 0)
            return true;
    return false;
}

/* The block in the window as a document; JSONL_AGAIN: it is none. */
static enum jsonl_result make_document(struct records *r, const struct head *h, size_t n)
{
    struct http_body body = {.data = window_data(&r->window), .len = n};
    struct tm_err why = {0};
    bool http = strncasecmp(h->content_type, "application/http", 16) == 0;
    if (http && (strcmp(h->type, "response") != 0 || http_read_head(&body) != TM_OK ||
                 body.status / 100 != 2))
        return JSONL_AGAIN;
    if (!http)
        copy(body.type, sizeof body.type, h->content_type, strlen(h->content_type));
    if (!is_text(body.type) || strncasecmp(h->target, "metadata:", 9) == 0) /* of the crawl */
        return JSONL_AGAIN;
    r->number++;
    if (http && http_decode(&body, r->cap, &r->body, &r->scratch, &why) != TM_OK)
        return records_bad(r, r->window.offset + n, why.status, why.text);
    records_begin(r);
    records_put(r, "id", h->id, strlen(h->id));
    records_put(r, "url", h->target, strlen(h->target));
    records_put_body(r, body.data, body.len, body.type,
                     body.charset[0] == '\0' ? NULL : body.charset);
    return records_end(r, r->window.offset + n);
}

enum jsonl_result warc_next(struct records *r, size_t *budget, struct tm_err *err)
{
    for (;;) {
        struct head h;
        size_t have = 0;
        uint64_t from = r->window.offset;
        enum tm_status s = read_head(r, &h, err);
        if (s == TM_CLOSED)
            return JSONL_END;
        bool wanted = strcmp(h.type, "response") == 0 || strcmp(h.type, "resource") == 0 ||
                      strcmp(h.type, "conversion") == 0;
        bool fits = h.length <= r->cap;
        if (s == TM_OK && wanted && fits)
            s = window_fill(&r->window, (size_t)h.length, &have, err);
        if (s == TM_OK && wanted && fits && have < h.length)
            s = tm_err_set(err, TM_BADINPUT,
                           "WARC: the file ends %llu bytes before the end of a record",
                           (unsigned long long)(h.length - have));
        if (s != TM_OK) {
            r->number++;
            return JSONL_ERROR;
        }
        enum jsonl_result got = JSONL_AGAIN;
        if (wanted && fits)
            got = make_document(r, &h, (size_t)h.length);
        if (window_skip(&r->window, h.length, err) != TM_OK) {
            r->number++;
            return JSONL_ERROR;
        }
        if (wanted && !fits) {
            r->number++;
            return records_bad(r, r->window.offset, TM_TOOLARGE, "its block is too large");
        }
        if (got != JSONL_AGAIN)
            return got;
        *budget -= TM_MIN(*budget, (size_t)(r->window.offset - from));
        if (*budget == 0)
            return JSONL_AGAIN;
    }
}
