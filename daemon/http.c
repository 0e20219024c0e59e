/* The status server (http.h): listening, limits and the table of pages. On the main thread. */
#include "http.h"
#include "http_tap.h"
#include "status_page.h"
#include "supervise.h"
#include "token.h"

#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    CLIENTS_MOST = 32,
    CLIENT_MEMORY = 16384, /* request line and headers of one client */
    CLIENT_SECONDS = 10,   /* without a byte */
    BACKLOG = 16,
};

struct http {
    struct http_view view;
    struct MHD_Daemon *daemon;
    char *unix_path; /* removed at the end */
    int fd;
    struct tap_rule rule;
    struct http_tap taps[TM_TAPS_MOST];
};

/* ---- pages ---- */

static bool write_page(const struct http_view *v, struct tm_buf *out)
{
    (void)v;
    return tm_buf_append(out, status_page, sizeof status_page);
}

/* Alive: the thread that watches over all others answers. */
static bool write_live(const struct http_view *v, struct tm_buf *out)
{
    (void)v;
    return tm_buf_puts(out, "live\n");
}

static bool write_ready(const struct http_view *v, struct tm_buf *out)
{
    struct tm_runner_status s;
    tm_runner_status(v->runner, &s);
    return tm_buf_puts(out, s.draining ? "draining\n" : "ready\n");
}

static unsigned code_ready(const struct http_view *v)
{
    struct tm_runner_status s;
    tm_runner_status(v->runner, &s);
    return s.draining ? MHD_HTTP_SERVICE_UNAVAILABLE : MHD_HTTP_OK;
}

static const struct page {
    const char *path, *type;
    bool (*write)(const struct http_view *v, struct tm_buf *out);
    unsigned (*code)(const struct http_view *v); /* NULL: always 200 */
} pages[] = {
    {"/", "text/html; charset=utf-8", write_page, NULL},
    {"/live", "text/plain; charset=utf-8", write_live, NULL},
    {"/ready", "text/plain; charset=utf-8", write_ready, code_ready},
    {"/status", "application/json", http_write_status, NULL},
    {"/metrics", "text/plain; version=0.0.4; charset=utf-8", http_write_metrics, NULL},
};

/* Takes the response. */
static enum MHD_Result send_off(struct MHD_Connection *c, unsigned code, const char *type,
                                struct MHD_Response *r)
{
    if (r == NULL)
        return MHD_NO;
    MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    MHD_add_response_header(r, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    MHD_add_response_header(r, "X-Content-Type-Options", "nosniff");
    MHD_add_response_header(r, "Content-Security-Policy",
                            "default-src 'none'; style-src 'unsafe-inline'; script-src "
                            "'unsafe-inline'; connect-src 'self'; img-src data:");
    if (code == MHD_HTTP_METHOD_NOT_ALLOWED)
        MHD_add_response_header(r, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
    enum MHD_Result sent = MHD_queue_response(c, code, r);
    MHD_destroy_response(r);
    return sent;
}

static enum MHD_Result reply(struct MHD_Connection *c, unsigned code, const char *type,
                             const char *body, size_t n)
{
    return send_off(
        c, code, type,
        MHD_create_response_from_buffer(n, (void *)(uintptr_t)body, MHD_RESPMEM_MUST_COPY));
}

static enum MHD_Result reply_text(struct MHD_Connection *c, unsigned code, const char *text)
{
    return reply(c, code, "text/plain; charset=utf-8", text, strlen(text));
}

static enum MHD_Result answer_tap(struct http *h, struct MHD_Connection *c)
{
    const char *why = tap_refuses(&h->rule, c);
    if (why != NULL)
        return reply_text(c, MHD_HTTP_FORBIDDEN, why);
    struct MHD_Response *r = tap_begin(h->taps, h->view.runner, c);
    if (r == NULL)
        return reply_text(c, MHD_HTTP_SERVICE_UNAVAILABLE, "all taps are taken\n");
    return send_off(c, MHD_HTTP_OK, "application/x-ndjson", r);
}

/* Called once for the headers and once for the end of the request; answered at once, so that a
 * body is never read. */
static enum MHD_Result answer(void *arg, struct MHD_Connection *c, const char *url,
                              const char *method, const char *version, const char *body,
                              size_t *body_size, void **state)
{
    struct http *h = arg;
    (void)version, (void)body, (void)body_size, (void)state;
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
        return reply_text(c, MHD_HTTP_METHOD_NOT_ALLOWED, "this server is read-only\n");
    if (strcmp(url, "/tap") == 0)
        return answer_tap(h, c);
    for (size_t i = 0; i < TM_COUNTOF(pages); i++) {
        const struct page *p = &pages[i];
        if (strcmp(p->path, url) != 0)
            continue;
        TM_CLEANUP(tm_buf_finish) struct tm_buf out = {.cap = 0};
        if (!p->write(&h->view, &out))
            return reply_text(c, MHD_HTTP_INTERNAL_SERVER_ERROR, "out of memory\n");
        return reply(c, p->code != NULL ? p->code(&h->view) : MHD_HTTP_OK, p->type, out.data,
                     out.len);
    }
    return reply_text(c, MHD_HTTP_NOT_FOUND,
                      "here are /, /status, /metrics, /tap, /live and /ready\n");
}

/* ---- listening ---- */

static enum tm_status listen_unix(struct http *h, const char *path, struct tm_err *err)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    struct stat st;
    if ((size_t)snprintf(a.sun_path, sizeof a.sun_path, "%s", path) >= sizeof a.sun_path)
        return tm_err_set(err, TM_CONFIG, "http.listen: a socket's path has at most %zu bytes",
                          sizeof a.sun_path - 1);
    if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode))
        unlink(path); /* of a process that is gone: the instance's lock is ours */
    h->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (h->fd < 0 || bind(h->fd, (struct sockaddr *)&a, sizeof a) != 0 || chmod(path, 0660) != 0 ||
        listen(h->fd, BACKLOG) != 0)
        return tm_err_errno(err, errno, "http.listen: unix:%s", path);
    h->unix_path = strdup(path);
    h->rule.local = h->rule.unix_socket = true;
    return TM_OK;
}

static bool is_loopback(const struct sockaddr *a)
{
    if (a->sa_family == AF_INET6)
        return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)(const void *)a)->sin6_addr);
    return a->sa_family == AF_INET &&
           ntohl(((const struct sockaddr_in *)(const void *)a)->sin_addr.s_addr) >> 24 == 127;
}

static enum tm_status listen_tcp(struct http *h, const char *address, struct tm_err *err)
{
    const char *colon = strrchr(address, ':');
    char host[256];
    const int on = 1;
    if (colon == NULL || colon == address || colon - address >= (ptrdiff_t)sizeof host)
        return tm_err_set(err, TM_CONFIG, "http.listen: %s is not HOST:PORT, unix:PATH or off",
                          address);
    bool brackets = address[0] == '[' && colon[-1] == ']';
    snprintf(host, sizeof host, "%.*s", (int)(colon - address) - (brackets ? 2 : 0),
             address + brackets);
    struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV,
                             .ai_socktype = SOCK_STREAM},
                    *found = NULL;
    if (getaddrinfo(host, colon + 1, &hints, &found) != 0)
        return tm_err_set(err, TM_CONFIG,
                          "http.listen: %s: the host must be a number like 127.0.0.1 or [::1]",
                          address);
    h->fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool ok = h->fd >= 0 && setsockopt(h->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
              bind(h->fd, found->ai_addr, found->ai_addrlen) == 0 && listen(h->fd, BACKLOG) == 0;
    int why = errno;
    h->rule.local = is_loopback(found->ai_addr);
    freeaddrinfo(found);
    return ok ? TM_OK : tm_err_errno(err, why, "http.listen: %s", address);
}

static void stopp(struct http **h)
{
    http_stop(*h);
}

enum tm_status http_start(const char *listen_at, const struct http_view *view,
                          struct http **ret_http, struct tm_err *err)
{
    TM_CLEANUP(stopp) struct http *h = calloc(1, sizeof *h);
    if (h == NULL)
        return tm_err_set(err, TM_NOMEM, "status server");
    h->view = *view;
    h->fd = -1;
    enum tm_status s = strncmp(listen_at, "unix:", 5) == 0 ? listen_unix(h, listen_at + 5, err)
                                                           : listen_tcp(h, listen_at, err);
    if (s == TM_OK && view->conf->http_token_file[0] != '\0')
        s = token_read(view->conf->http_token_file, h->rule.token, err);
    if (s != TM_OK)
        return s;
    h->daemon = MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, answer, h,
                                 MHD_OPTION_LISTEN_SOCKET, h->fd, MHD_OPTION_CONNECTION_LIMIT,
                                 (unsigned)CLIENTS_MOST, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                                 (size_t)CLIENT_MEMORY, MHD_OPTION_CONNECTION_TIMEOUT,
                                 (unsigned)CLIENT_SECONDS, MHD_OPTION_END);
    if (h->daemon == NULL)
        return tm_err_set(err, TM_INTERNAL, "http.listen: the server does not start");
    h->fd = -1; /* the daemon's now */
    *ret_http = TM_TAKE(h);
    return TM_OK;
}

int http_fd(const struct http *h)
{
    return MHD_get_daemon_info(h->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
}

void http_serve(struct http *h)
{
    tap_wake(h->taps);
    MHD_run(h->daemon);
}

void http_stop(struct http *h)
{
    if (h == NULL)
        return;
    if (h->daemon != NULL) {
        tap_end_all(h->taps);
        MHD_run(h->daemon);
        MHD_stop_daemon(h->daemon);
    }
    if (h->fd >= 0)
        close(h->fd);
    if (h->unix_path != NULL)
        unlink(h->unix_path);
    free(h->unix_path);
    free(h);
}
