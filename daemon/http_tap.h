/* /tap: documents as they flow, a stream of JSON lines. Part of the status server (http.h), on its
 * thread. */
#ifndef HTTP_TAP_H
#define HTTP_TAP_H

#include "tm_pipeline.h"
#include "token.h"

#include <microhttpd.h>

/* Who may see documents: who sends the token; without a token, who is on this machine. */
struct tap_rule {
    char token[TOKEN_MOST]; /* "": none is set */
    bool local;             /* listening on loopback or a unix socket */
    bool unix_socket;
};

struct http_tap {
    struct tm_runner *runner;
    struct MHD_Connection *client;
    int tap; /* the runner's number + 1; 0: free */
    bool suspended, ending;
    uint64_t said_ns; /* when something was last sent */
};

/* NULL: they may; else why not. */
const char *tap_refuses(const struct tap_rule *rule, struct MHD_Connection *c);
/* The response that streams; NULL: all taps are taken. taps has TM_TAPS_MOST. */
struct MHD_Response *tap_begin(struct http_tap *taps, struct tm_runner *runner,
                               struct MHD_Connection *c);
/* Before each turn of the server: wakes those that have something to send. */
void tap_wake(struct http_tap *taps);
void tap_end_all(struct http_tap *taps); /* before the server stops */

#endif
