/* Buffered look at a stream (window.h). Called by the readers of record formats on the source
 * thread. */
#include "window.h"

#include <string.h>

enum { CHUNK = 65536 };

void window_init(struct window *w, struct stream *in)
{
    *w = (struct window){.in = in};
}

void window_finish(struct window *w)
{
    tm_buf_finish(&w->buf);
}

static enum tm_status more(struct window *w, struct tm_err *err)
{
    if (w->at > 0 && w->at >= w->buf.len / 2) { /* make room at the front */
        memmove(w->buf.data, w->buf.data + w->at, w->buf.len - w->at);
        w->buf.len -= w->at;
        w->at = 0;
    }
    if (!tm_buf_reserve(&w->buf, CHUNK))
        return tm_err_set(err, TM_NOMEM, "no memory for a record");
    size_t n = 0;
    enum tm_status s = stream_read(w->in, w->buf.data + w->buf.len, CHUNK, &n, err);
    w->buf.len += n;
    w->ended = s == TM_OK && n == 0;
    return s;
}

enum tm_status window_fill(struct window *w, size_t n, size_t *ret_have, struct tm_err *err)
{
    while (w->buf.len - w->at < n && !w->ended) {
        enum tm_status s = more(w, err);
        if (s != TM_OK)
            return s;
    }
    *ret_have = w->buf.len - w->at;
    return TM_OK;
}

enum tm_status window_line(struct window *w, size_t most, size_t *ret_len, struct tm_err *err)
{
    for (size_t seen = 0;;) {
        size_t have = w->buf.len - w->at;
        const char *data = have > seen ? window_data(w) : NULL;
        const char *end = data == NULL ? NULL : memchr(data + seen, '\n', have - seen);
        if (end != NULL || w->ended) {
            *ret_len = end != NULL ? (size_t)(end - data) + 1 : have;
            return TM_OK;
        }
        if (have > most)
            return tm_err_set(err, TM_TOOLARGE, "a line of more than %zu bytes at byte %llu", most,
                              (unsigned long long)w->offset);
        seen = have;
        enum tm_status s = more(w, err);
        if (s != TM_OK)
            return s;
    }
}

void window_use(struct window *w, size_t n)
{
    w->at += n;
    w->offset += n;
}

enum tm_status window_skip(struct window *w, uint64_t n, struct tm_err *err)
{
    while (n > 0) {
        size_t have = 0;
        enum tm_status s = window_fill(w, 1, &have, err);
        if (s != TM_OK || have == 0)
            return s;
        size_t part = (size_t)TM_MIN((uint64_t)have, n);
        window_use(w, part);
        n -= part;
    }
    return TM_OK;
}
