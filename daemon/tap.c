/* tap: documents as they flow through a running pipeline: as they come, after cleaning, after each
 * task, at their end. Reads /tap of the status server; one thread. */
#include "verbs.h"
#include "client.h"
#include "token.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { LINE_MOST = 8 << 20, TEXT_SHOWN = 600 };

struct tap {
    struct tm_buf line; /* what has come of the next one */
    bool json, colour;
    int64_t left; /* lines to print yet; < 0: no limit */
    bool broken;  /* nobody reads what is printed */
};

/* Text from a document as a terminal may have it: no control characters but the end of a line. */
static void print_text(const char *s)
{
    const size_t n = strlen(s), cut = tm_utf8_cut(s, n, TEXT_SHOWN);
    fputs("    ", stdout);
    for (size_t i = 0; i < cut; i++) {
        unsigned char c = (unsigned char)s[i];
        if (c == '\n')
            fputs("\n    ", stdout);
        else
            putchar(c < 0x20 || c == 0x7f ? ' ' : c);
    }
    puts(cut < n ? " …" : "");
}

static void print_member(const json_t *o, const char *key)
{
    const json_t *value = json_object_get(o, key);
    if (value == NULL)
        return;
    if (json_is_string(value)) {
        print_text(json_string_value(value));
        return;
    }
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    if (text != NULL)
        print_text(text);
    free(text);
}

static void print_readable(const struct tap *t, const json_t *o)
{
    static const char *const shown[] = {"title", "error", "content", "text", "result"};
    json_t *missed = json_object_get(o, "missed"), *line = json_object_get(o, "line");
    if (missed != NULL) {
        printf("(%lld lines came too fast)\n", (long long)json_integer_value(missed));
        return;
    }
    const char *name = client_string(o, "document");
    printf("%s%s %s%s%s", t->colour ? "\033[1m" : "", client_string(o, "place"),
           client_string(o, "task"), client_string(o, "task")[0] != '\0' ? " " : "",
           client_string(o, "member"));
    printf("%s %s", t->colour ? "\033[0m" : "", name);
    if (line != NULL)
        printf(":%lld", (long long)json_integer_value(line));
    printf(" %s\n", client_string(o, "code"));
    for (size_t i = 0; i < TM_COUNTOF(shown); i++)
        print_member(o, shown[i]);
}

static bool print_line(struct tap *t)
{
    if (t->json) {
        fwrite(t->line.data, 1, t->line.len, stdout);
        putchar('\n');
    } else {
        json_auto_t *o = json_loadb(t->line.data, t->line.len, 0, NULL);
        print_readable(t, o);
    }
    t->broken = fflush(stdout) != 0;
    return !t->broken && (t->left < 0 || --t->left > 0);
}

/* client_get's write: lines, of which empty ones only say that the server is there. */
static bool take(void *arg, const char *bytes, size_t n)
{
    struct tap *t = arg;
    const char *end;
    while ((end = memchr(bytes, '\n', n)) != NULL) {
        size_t len = (size_t)(end - bytes);
        tm_buf_append(&t->line, bytes, len);
        if (t->line.len > 0 && !t->line.failed && !print_line(t))
            return false;
        tm_buf_clear(&t->line);
        t->line.failed = false;
        bytes += len + 1;
        n -= len + 1;
    }
    tm_buf_append(&t->line, bytes, n);
    return true;
}

static enum exit_code run(const struct args *a)
{
    char address[CLIENT_ADDRESS_MOST], token[TOKEN_MOST], path[64];
    int64_t every, count;
    struct tm_err err = {0};
    const char *token_file = args_get(a, "token-file");
    enum exit_code code = client_address(a, address);
    if (code == EXIT_OK)
        code = args_int(a, "every", 1, UINT32_MAX, 1, &every);
    if (code == EXIT_OK)
        code = args_int(a, "count", 1, INT64_MAX, -1, &count);
    if (code != EXIT_OK)
        return code;
    if (token_file != NULL && token_read(token_file, token, &err) != TM_OK)
        return verb_fail_err(a, &err);
    TM_CLEANUP(client_destroyp) struct client *client = NULL;
    if (client_create(address, token_file != NULL ? token : NULL, &client, &err) != TM_OK)
        return verb_fail_err(a, &err);
    struct tap t = {.line.cap = LINE_MOST, .json = args_has(a, "json"), .left = count};
    t.colour = isatty(STDOUT_FILENO) != 0;
    snprintf(path, sizeof path, "/tap?every=%lld", (long long)every);
    enum tm_status s = client_get(client, path, 0, take, &t, &err);
    tm_buf_finish(&t.line);
    return s != TM_OK ? verb_fail_err(a, &err) : t.broken ? EXIT_IO : EXIT_OK;
}

static const struct verb_option options[] = {
    {"config", 'c', "FILE", "Configuration of the pipeline, whose http.listen is the address"},
    {"every", '\0', "N", "Follow every Nth document that comes; 1 when not given"},
    {"count", '\0', "N", "End after so many lines"},
    {"json", '\0', NULL, "Print the lines as they come: JSON"},
    {"token-file", '\0', "FILE",
     "File with the token that the pipeline's http.token_file asks for"},
    {0},
};

const struct verb verb_tap = {
    .name = "tap",
    .operands = "[ADDRESS]",
    .summary = "Show documents as they flow: as they come, cleaned, after each task, at their end",
    .details = "ADDRESS is the pipeline's http.listen: HOST:PORT or unix:PATH; 127.0.0.1:9464 when "
               "neither it\n"
               "nor -c is given. A line too long is shown in part; lines that come faster than "
               "they are read\n"
               "are counted, and no document waits for them.",
    .options = options,
    .run = run,
};
