/* The status server: /metrics, /live, /ready, /status and a page, read-only, over libmicrohttpd.
 *
 * It has no thread: the runner's main thread calls http_serve in its wait. */
#ifndef HTTP_H
#define HTTP_H

#include "tm_base.h"
#include "report.h"
#include "tm_pipeline.h"

/* What the server shows; borrowed while it is there. */
struct http_view {
    struct tm_runner *runner;
    struct tm_metrics *metrics;
    struct tm_models *models;
    const struct tm_conf *conf;
    struct report *report; /* of what failed */
    const char *config_hash;
    uint64_t started_ns;
};

struct http;
/* listen: "127.0.0.1:9464", "[::1]:9464", "unix:PATH". Nothing is served before http_serve.
 * TM_CONFIG: no address; TM_IO, TM_PERM: it cannot be listened at, with the remedy. */
enum tm_status http_start(const char *listen, const struct http_view *view, struct http **ret_http,
                          struct tm_err *err);
int http_fd(const struct http *h); /* readable when http_serve has something to do */
void http_serve(struct http *h);   /* never blocks; also call it now and then for time-outs */
void http_stop(struct http *h);    /* NULL is fine */

/* The bodies (http_status.c, http_metrics.c); false: no memory. */
bool http_write_status(const struct http_view *v, struct tm_buf *out);
/* What failed with that code last; code NULL or unknown: of each code. */
bool http_write_dead(const struct http_view *v, const char *code, struct tm_buf *out);
bool http_write_metrics(const struct http_view *v, struct tm_buf *out);
/* Metrics that are not in the registry but read off the pipeline; ends with NULL. */
struct http_metric {
    const char *name, *kind, *help;
};
extern const struct http_metric http_metric_rows[];

#endif
