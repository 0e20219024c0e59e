/* HTTP GET over libcurl, with the patience that a hub asks for.
 *
 * Called by hub.c and pull.c on the main thread. A redirect never leads from https to http, and
 * libcurl drops the token where the host changes. */
#include "fetch.h"
#include "token.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

enum {
    TRIES = 5, /* one after another without a byte of progress */
    WAIT_MOST = 300,
    CONNECT_SECONDS = 30,
    STALL_SECONDS = 60,
    REDIRECTS = 10,
};

struct fetch {
    CURL *curl;
    struct curl_slist *headers;
};

struct transfer {
    CURL *curl;
    const struct fetch_sink *sink;
    int64_t at;                 /* of the next byte in the whole */
    int64_t range_start;        /* of Content-Range; -1: none */
    int64_t retry_after;        /* seconds; -1: not said */
    bool heard, begun, stopped; /* heard: a server has answered, if only to say no */
};

enum tm_status fetch_create(const char *token, struct fetch **ret_fetch, struct tm_err *err)
{
    TM_CLEANUP(fetch_destroyp) struct fetch *h = calloc(1, sizeof *h);
    if (h == NULL || (h->curl = curl_easy_init()) == NULL)
        return tm_err_set(err, TM_NOMEM, "libcurl");
    enum tm_status s = token_header(token, &h->headers, err);
    if (s == TM_OK)
        *ret_fetch = TM_TAKE(h);
    return s;
}

void fetch_destroy(struct fetch *h)
{
    if (h == NULL)
        return;
    curl_slist_free_all(h->headers);
    curl_easy_cleanup(h->curl);
    free(h);
}

void fetch_destroyp(struct fetch **h)
{
    fetch_destroy(*h);
}

/* ---- what curl calls ---- */

/* The number after the header's name and, if it is there, a unit. */
static void header_number(const char *line, const char *name, const char *unit, int64_t *ret)
{
    size_t n = strlen(name);
    if (strncasecmp(line, name, n) != 0)
        return;
    const char *p = line + n + strspn(line + n, " \t");
    if (strncasecmp(p, unit, strlen(unit)) == 0)
        p += strlen(unit);
    char *end;
    errno = 0;
    long long value = strtoll(p, &end, 10);
    if (errno == 0 && end != p && value >= 0)
        *ret = value;
}

static size_t on_header(char *bytes, size_t size, size_t count, void *arg)
{
    struct transfer *t = arg;
    char line[256];
    snprintf(line, sizeof line, "%.*s", (int)TM_MIN(size * count, sizeof line - 1), bytes);
    t->heard = true;
    if (strncmp(line, "HTTP/", 5) == 0) /* the next answer after a redirect */
        t->range_start = t->retry_after = -1;
    header_number(line, "content-range:", "bytes ", &t->range_start);
    header_number(line, "retry-after:", "", &t->retry_after);
    return size * count;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *arg)
{
    struct transfer *t = arg;
    size_t n = size * count;
    long status = 0;
    curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status);
    if (status != 200 && status != 206) /* pages about errors */
        return n;
    if (!t->begun) {
        t->begun = true;
        t->at = status == 206 ? t->range_start : 0;
        if (t->at < 0 || !t->sink->begin(t->sink->arg, t->at)) {
            t->stopped = true;
            return 0;
        }
    }
    if (!t->sink->write(t->sink->arg, bytes, n)) {
        t->stopped = true;
        return 0;
    }
    t->at += (int64_t)n;
    return n;
}

/* ---- one try ---- */

static CURLcode perform(struct fetch *h, const char *url, int64_t from, struct transfer *t)
{
    char range[32];
    CURL *c = h->curl;
    t->curl = c;
    t->begun = false;
    t->range_start = t->retry_after = -1;
    curl_easy_reset(c);
    curl_easy_setopt(c, CURLOPT_URL, url);
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, h->headers);
    curl_easy_setopt(c, CURLOPT_USERAGENT, "textmill");
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(c, CURLOPT_MAXREDIRS, (long)REDIRECTS);
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c, CURLOPT_REDIR_PROTOCOLS_STR,
                     strncmp(url, "https:", 6) == 0 ? "https" : "http,https");
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_SECONDS);
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, (long)STALL_SECONDS);
    curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(c, CURLOPT_HEADERDATA, t);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, t);
    if (from > 0) {
        snprintf(range, sizeof range, "%lld-", (long long)from);
        curl_easy_setopt(c, CURLOPT_RANGE, range);
    }
    return curl_easy_perform(c);
}

static void wait_for(int64_t seconds)
{
    struct timespec left = {.tv_sec = (time_t)seconds};
    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        ;
}

/* What an answer means; TM_AGAIN: another try may help. */
static enum tm_status judge(CURLcode code, long status, const struct transfer *t, const char *url,
                            struct tm_err *err)
{
    if (t->stopped)
        return TM_CANCELLED;
    if (code == CURLE_TOO_MANY_REDIRECTS || code == CURLE_UNSUPPORTED_PROTOCOL ||
        code == CURLE_URL_MALFORMAT || code == CURLE_PEER_FAILED_VERIFICATION)
        return tm_err_set(err, TM_IO, "%s: %s", url, curl_easy_strerror(code));
    if (code == CURLE_COULDNT_RESOLVE_HOST || code == CURLE_COULDNT_CONNECT) {
        if (!t->heard) /* a wrong name rather than a bad moment */
            return tm_err_set(err, TM_UNAVAILABLE, "%s: %s", url, curl_easy_strerror(code));
        return TM_AGAIN;
    }
    if (code != CURLE_OK)
        return TM_AGAIN;
    if (status == 200 || status == 206 || status == 416)
        return TM_OK;
    if (status == 401 || status == 403)
        return tm_err_set(err, TM_PERM, "%s: the server answers %ld", url, status);
    if (status == 404 || status == 410)
        return tm_err_set(err, TM_NOTFOUND, "%s: the server answers %ld", url, status);
    if (status == 408 || status == 429 || status >= 500)
        return TM_AGAIN;
    return tm_err_set(err, TM_IO, "%s: the server answers %ld", url, status);
}

static enum tm_status give_up(CURLcode code, long status, const char *url, struct tm_err *err)
{
    if (code != CURLE_OK)
        return tm_err_set(err, TM_AGAIN, "%s: %s", url, curl_easy_strerror(code));
    return tm_err_set(err, TM_AGAIN, "%s: the server answers %ld, again and again", url, status);
}

enum tm_status fetch_get(struct fetch *h, const char *url, int64_t from,
                         const struct fetch_sink *sink, struct tm_err *err)
{
    struct transfer t = {.sink = sink, .at = from};
    for (int tries = 1;; tries++) {
        long status = 0;
        int64_t before = t.at;
        CURLcode code = perform(h, url, t.at, &t);
        curl_easy_getinfo(h->curl, CURLINFO_RESPONSE_CODE, &status);
        enum tm_status s = judge(code, status, &t, url, err);
        if (s != TM_AGAIN)
            return s;
        if (t.begun && t.at > before) { /* it goes forward: no reason to wait */
            tries = 0;
            continue;
        }
        if (tries == TRIES)
            return give_up(code, status, url, err);
        if (t.retry_after > WAIT_MOST)
            return tm_err_set(err, TM_AGAIN, "%s: the server asks to come back in %lld s", url,
                              (long long)t.retry_after);
        wait_for(t.retry_after >= 0 ? t.retry_after : (int64_t)1 << (tries - 1));
    }
}
