/* A stored HTTP response: its head, and its body as it was meant. Private to ingest/. */
#ifndef HTTP_BODY_H
#define HTTP_BODY_H

#include "tm_base.h"

struct http_body {
    const char *data; /* first the whole response, then its body */
    size_t len;
    int status;
    char type[128], charset[64]; /* of Content-Type, without parameters; lower case or as given */
    char encoding[32];
    bool chunked;
};

/* Reads the head and leaves the body. TM_BADINPUT: none. */
enum tm_status http_read_head(struct http_body *b);
/* Undoes chunks and compression (gzip, deflate, br) into out, at most cap bytes. scratch: any. */
enum tm_status http_decode(struct http_body *b, size_t cap, struct tm_buf *out,
                           struct tm_buf *scratch, struct tm_err *err);

#endif
