/* Splits a stream into lines (jsonl.h). Called by the reader on the source thread.
 *
 * Lines end with LF or CRLF, the last one may lack it. A byte order mark before the first line is
 * passed over. A line beyond the cap is read to its end but not kept. The budget lets the source
 * thread come up for air inside a line or a skip of many gigabytes. */
#include "jsonl.h"
#include <string.h>

enum { SLACK = 4 }; /* a line may hold a byte order mark and CR beside what counts */

void jsonl_init(struct jsonl *j, struct stream *in, size_t cap)
{
    j->in = in;
    j->cap = cap;
    j->line = (struct tm_buf){.cap = cap + SLACK};
    j->too_long = j->ended = false;
    j->offset = j->end = 0;
    j->text = NULL;
    j->len = j->at = j->have = 0;
    j->number = 0;
}

void jsonl_finish(struct jsonl *j)
{
    tm_buf_finish(&j->line);
}

/* Makes bytes available in the chunk; JSONL_LINE when there are some. */
static enum jsonl_result fill(struct jsonl *j, size_t *budget, struct tm_err *err)
{
    if (j->at < j->have)
        return JSONL_LINE;
    if (j->ended)
        return JSONL_END;
    if (*budget == 0)
        return JSONL_AGAIN;
    size_t n = 0;
    if (stream_read(j->in, j->chunk, sizeof j->chunk, &n, err) != TM_OK)
        return JSONL_ERROR;
    *budget -= TM_MIN(*budget, n);
    j->at = 0;
    j->have = n;
    j->ended = n == 0;
    return n == 0 ? JSONL_END : JSONL_LINE;
}

/* Adds to the present line what the chunk has of it; true at the line's end. */
static bool gather(struct jsonl *j)
{
    const char *from = j->chunk + j->at;
    const char *newline = memchr(from, '\n', j->have - j->at);
    size_t n = newline != NULL ? (size_t)(newline - from) : j->have - j->at;
    if (!j->too_long && j->line.len + n > j->cap + SLACK)
        j->too_long = true;
    if (!j->too_long)
        tm_buf_append(&j->line, from, n);
    n += newline != NULL;
    j->at += n;
    j->offset += n;
    return newline != NULL;
}

static bool is_blank(const char *s, size_t n)
{
    while (n > 0 && (s[n - 1] == ' ' || s[n - 1] == '\t' || s[n - 1] == '\r'))
        n--;
    return n == 0;
}

/* Judges the line that was gathered; true when it is to be given. */
static bool finish_line(struct jsonl *j)
{
    const char *s = j->line.data != NULL ? j->line.data : "";
    size_t n = j->line.len;
    if (j->number++ == 0 && n >= 3 && memcmp(s, "\xef\xbb\xbf", 3) == 0) {
        s += 3;
        n -= 3;
    }
    if (n > 0 && s[n - 1] == '\r')
        n--;
    j->too_long = j->too_long || n > j->cap || j->line.failed;
    j->text = s;
    j->len = n;
    j->end = j->offset;
    return j->too_long || !is_blank(s, n);
}

enum jsonl_result jsonl_next(struct jsonl *j, size_t *budget, struct tm_err *err)
{
    if (j->text != NULL) { /* the line given last is done with */
        tm_buf_clear(&j->line);
        j->too_long = false;
        j->text = NULL;
    }
    for (;;) {
        enum jsonl_result r = fill(j, budget, err);
        bool whole = r == JSONL_LINE && gather(j);
        if (r == JSONL_LINE && !whole)
            continue;
        if (r == JSONL_AGAIN)
            return r;
        if (r == JSONL_ERROR) {
            j->number++;
            j->end = j->offset;
            return r;
        }
        if (r == JSONL_END && j->line.len == 0 && !j->too_long)
            return r;
        if (finish_line(j))
            return j->too_long ? JSONL_LONG : JSONL_LINE;
        tm_buf_clear(&j->line);
        j->text = NULL;
    }
}

enum jsonl_result jsonl_skip(struct jsonl *j, uint64_t offset, size_t *budget, struct tm_err *err)
{
    while (j->offset < offset) {
        enum jsonl_result r = fill(j, budget, err);
        if (r != JSONL_LINE)
            return r;
        size_t n = (size_t)TM_MIN((uint64_t)(j->have - j->at), offset - j->offset);
        for (const char *p = j->chunk + j->at, *end = p + n;
             (p = memchr(p, '\n', (size_t)(end - p))) != NULL; p++)
            j->number++;
        j->at += n;
        j->offset += n;
    }
    return JSONL_LINE;
}
