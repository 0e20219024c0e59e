/* The stream of /tap (http_tap.h). A client that waits is suspended, so that the server's wait
 * costs nothing; each turn of the main thread wakes it when there are lines, and now and then for
 * an empty one, by which a client that has gone is noticed. */
#include "http_tap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { PIECE = 32768, SILENCE_MS = 3000 };

static bool same_token(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b);
    unsigned differ = n != m;
    for (size_t i = 0; i < n; i++) /* takes as long wherever they differ */
        differ |= (unsigned)(a[i] ^ b[m > 0 ? i % m : 0]);
    return differ == 0;
}

/* A page of another site that has its name point here says that name. */
static bool says_this_machine(const char *host)
{
    return host != NULL && (strncmp(host, "localhost", 9) == 0 || strncmp(host, "127.", 4) == 0 ||
                            strncmp(host, "[::1]", 5) == 0);
}

const char *tap_refuses(const struct tap_rule *rule, struct MHD_Connection *c)
{
    const char *said = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Authorization");
    const char *host = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Host");
    if (rule->token[0] != '\0') {
        bool good =
            said != NULL && strncmp(said, "Bearer ", 7) == 0 && same_token(said + 7, rule->token);
        return good ? NULL : "documents are shown to those who send the token of http.token_file\n";
    }
    if (!rule->local)
        return "documents are not shown over the network without a token; set http.token_file\n";
    if (!rule->unix_socket && !says_this_machine(host))
        return "ask for it as localhost or 127.0.0.1\n";
    return NULL;
}

static ssize_t read_tap(void *arg, uint64_t position, char *out, size_t max)
{
    struct http_tap *t = arg;
    uint64_t now = tm_clock_ns();
    (void)position;
    if (t->ending)
        return MHD_CONTENT_READER_END_OF_STREAM;
    size_t n = tm_runner_tap_read(t->runner, t->tap - 1, out, max);
    if (n == 0 && now - t->said_ns >= SILENCE_MS * 1000000ull) {
        out[0] = '\n';
        n = 1;
    }
    if (n > 0) {
        t->said_ns = now;
        return (ssize_t)n;
    }
    t->suspended = true;
    MHD_suspend_connection(t->client);
    return 0;
}

static void close_tap(void *arg)
{
    struct http_tap *t = arg;
    tm_runner_tap_close(t->runner, t->tap - 1);
    *t = (struct http_tap){0};
}

struct MHD_Response *tap_begin(struct http_tap *taps, struct tm_runner *runner,
                               struct MHD_Connection *c)
{
    const char *every = MHD_lookup_connection_value(c, MHD_GET_ARGUMENT_KIND, "every");
    int64_t n = 1;
    if (every != NULL && (!tm_json_number_i64(every, strlen(every), &n) || n < 1 || n > UINT32_MAX))
        n = 1;
    for (size_t i = 0; i < TM_TAPS_MOST; i++) {
        struct http_tap *t = &taps[i];
        int tap = t->tap == 0 ? tm_runner_tap_open(runner, (unsigned)n) : -1;
        if (tap < 0)
            continue;
        *t = (struct http_tap){
            .runner = runner, .client = c, .tap = tap + 1, .said_ns = tm_clock_ns()};
        struct MHD_Response *r =
            MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, PIECE, read_tap, t, close_tap);
        if (r == NULL)
            close_tap(t);
        return r;
    }
    return NULL;
}

void tap_wake(struct http_tap *taps)
{
    for (size_t i = 0; i < TM_TAPS_MOST; i++)
        if (taps[i].suspended) {
            taps[i].suspended = false;
            MHD_resume_connection(taps[i].client);
        }
}

void tap_end_all(struct http_tap *taps)
{
    for (size_t i = 0; i < TM_TAPS_MOST; i++)
        taps[i].ending = true;
    tap_wake(taps);
}
