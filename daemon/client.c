/* The client side of the status server (client.h), over libcurl. */
#include "client.h"
#include "conf_file.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CONNECT_SECONDS = 5, SAID_MOST = 200 };

struct client {
    CURL *curl;
    struct curl_slist *headers;
    char address[CLIENT_ADDRESS_MOST];
};

struct transfer {
    CURL *curl;
    bool (*write)(void *arg, const char *bytes, size_t n);
    void *arg;
    bool stopped;
    char said[SAID_MOST]; /* the body of a refusal */
};

static enum exit_code keep_address(const struct args *a, const char *from,
                                   char out[CLIENT_ADDRESS_MOST])
{
    if (strcmp(from, "off") == 0)
        return verb_fail(a, EXIT_CONFIG, "http.listen is off: this pipeline has no status server");
    if ((size_t)snprintf(out, CLIENT_ADDRESS_MOST, "%s", from) >= CLIENT_ADDRESS_MOST)
        return verb_fail(a, EXIT_USAGE, "the address is too long");
    return EXIT_OK;
}

enum exit_code client_address(const struct args *a, char out[CLIENT_ADDRESS_MOST])
{
    struct tm_conf conf;
    if (a->n_operands > 1)
        return verb_fail(a, EXIT_USAGE, "give one address");
    if (a->n_operands == 1)
        return keep_address(a, a->operands[0], out);
    if (!args_has(a, "config"))
        return keep_address(a, tm_conf_find(tm_conf_keys, "http.listen")->def, out);
    enum exit_code code = conf_file_of(a, &conf);
    if (code != EXIT_OK)
        return code;
    code = keep_address(a, conf.http_listen, out);
    tm_conf_finish(&conf);
    return code;
}

enum tm_status client_create(const char *address, const char *token, struct client **ret_client,
                             struct tm_err *err)
{
    TM_CLEANUP(client_destroyp) struct client *c = calloc(1, sizeof *c);
    TM_CLEANUP(tm_buf_finish) struct tm_buf header = {.cap = 0};
    if (c == NULL || (c->curl = curl_easy_init()) == NULL)
        return tm_err_set(err, TM_NOMEM, "libcurl");
    snprintf(c->address, sizeof c->address, "%s", address);
    if (token != NULL) {
        tm_buf_printf(&header, "Authorization: Bearer %s", token);
        c->headers = header.failed ? NULL : curl_slist_append(NULL, header.data);
        if (c->headers == NULL)
            return tm_err_set(err, TM_NOMEM, "libcurl");
    }
    *ret_client = TM_TAKE(c);
    return TM_OK;
}

void client_destroyp(struct client **c)
{
    if (*c == NULL)
        return;
    curl_slist_free_all((*c)->headers);
    curl_easy_cleanup((*c)->curl);
    free(*c);
}

static size_t on_body(char *bytes, size_t size, size_t n, void *arg)
{
    struct transfer *t = arg;
    long code = 0;
    curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &code);
    n *= size;
    if (code >= 400) {
        size_t used = strlen(t->said);
        snprintf(t->said + used, sizeof t->said - used, "%.*s", (int)n, bytes);
        return n;
    }
    t->stopped = !t->write(t->arg, bytes, n);
    return t->stopped ? 0 : n;
}

static enum tm_status refused(const struct client *c, long code, struct transfer *t,
                              struct tm_err *err)
{
    t->said[strcspn(t->said, "\n")] = '\0';
    enum tm_status s = code == 401 || code == 403 ? TM_PERM : code == 404 ? TM_NOTFOUND : TM_AGAIN;
    return tm_err_set(err, s, "%s: %ld: %s", c->address, code, t->said);
}

enum tm_status client_get(struct client *c, const char *path, long seconds,
                          bool (*write)(void *arg, const char *bytes, size_t n), void *arg,
                          struct tm_err *err)
{
    char url[CLIENT_ADDRESS_MOST + 512];
    struct transfer t = {.curl = c->curl, .write = write, .arg = arg};
    bool is_unix = strncmp(c->address, "unix:", 5) == 0;
    snprintf(url, sizeof url, "http://%s%s", is_unix ? "localhost" : c->address, path);
    curl_easy_reset(c->curl);
    curl_easy_setopt(c->curl, CURLOPT_URL, url);
    curl_easy_setopt(c->curl, CURLOPT_PROTOCOLS_STR, "http");
    curl_easy_setopt(c->curl, CURLOPT_PROXY, ""); /* whatever the environment says */
    curl_easy_setopt(c->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c->curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_SECONDS);
    curl_easy_setopt(c->curl, CURLOPT_TIMEOUT, seconds);
    curl_easy_setopt(c->curl, CURLOPT_HTTPHEADER, c->headers);
    curl_easy_setopt(c->curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(c->curl, CURLOPT_WRITEDATA, &t);
    if (is_unix)
        curl_easy_setopt(c->curl, CURLOPT_UNIX_SOCKET_PATH, c->address + 5);
    CURLcode done = curl_easy_perform(c->curl);
    long code = 0;
    curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &code);
    if (done == CURLE_OK && code >= 400)
        return refused(c, code, &t, err);
    if (done == CURLE_OK || t.stopped)
        return TM_OK;
    if (code == 0)
        return tm_err_set(err, TM_UNAVAILABLE,
                          "%s: %s; is `textmill run` at work there? Its http.listen is the address",
                          c->address, curl_easy_strerror(done));
    return tm_err_set(err, TM_AGAIN, "%s: %s", c->address, curl_easy_strerror(done));
}
