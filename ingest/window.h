/* A stream seen through a buffer that grows to the record in hand. Private to ingest/. */
#ifndef WINDOW_H
#define WINDOW_H

#include "stream.h"

struct window {
    struct stream *in; /* borrowed */
    struct tm_buf buf;
    size_t at;       /* of buf: used so far */
    uint64_t offset; /* decompressed bytes used so far */
    bool ended;
};

void window_init(struct window *w, struct stream *in);
void window_finish(struct window *w);
/* Makes n bytes available, or all there are; *ret_have says how many. */
enum tm_status window_fill(struct window *w, size_t n, size_t *ret_have, struct tm_err *err);
/* Finds the end of a line within `most` bytes; *ret_len is its length with the line end, 0 at the
 * end of the stream. TM_TOOLARGE: longer. */
enum tm_status window_line(struct window *w, size_t most, size_t *ret_len, struct tm_err *err);
static inline const char *window_data(const struct window *w)
{
    return w->buf.data + w->at;
}
void window_use(struct window *w, size_t n); /* n bytes of those available */
/* Goes on by n bytes, available or not; fewer at the end. */
enum tm_status window_skip(struct window *w, uint64_t n, struct tm_err *err);

#endif
