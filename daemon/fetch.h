/* HTTP GET with libcurl: redirects, ranges, patience. For hub.c and pull.c; one thread. */
#ifndef FETCH_H
#define FETCH_H

#include "tm_base.h"

struct fetch; /* a connection that is used again */

/* Where a body goes. begin is told before the first byte at which offset of the whole it starts: 0
 * where a server does not know ranges. false ends the transfer. */
struct fetch_sink {
    bool (*begin)(void *arg, int64_t offset);
    bool (*write)(void *arg, const void *bytes, size_t n);
    void *arg;
};

/* token: NULL, or sent to the first host only, never where it redirects to. */
enum tm_status fetch_create(const char *token, struct fetch **ret_fetch, struct tm_err *err);
void fetch_destroy(struct fetch *h); /* NULL is fine */
void fetch_destroyp(struct fetch **h);
/* Bytes from `from` on. A connection that breaks is taken up again where it broke; 429 and 5xx are
 * waited out (Retry-After, else 1, 2, 4 … s); after several tries without a byte it is TM_AGAIN;
 * TM_UNAVAILABLE where nobody ever answered. 401 and 403 are TM_PERM, 404 is TM_NOTFOUND,
 * TM_CANCELLED when the sink ended it. A file that ends before `from` is empty. */
enum tm_status fetch_get(struct fetch *h, const char *url, int64_t from,
                         const struct fetch_sink *sink, struct tm_err *err);

#endif
