/* Reading standard input line by line (lines.h). */
#include "lines.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_LINE = 64 << 20 };

static void freep(char **p)
{
    free(*p);
}

enum exit_code lines_each(const struct args *a,
                          enum exit_code (*use)(void *arg, char *line, size_t len), void *arg)
{
    TM_CLEANUP(freep) char *line = NULL;
    size_t room = 0;
    ssize_t n;
    for (int64_t number = 1; (n = getline(&line, &room, stdin)) >= 0; number++) {
        if (n > MAX_LINE)
            return verb_fail(a, EXIT_DATA, "line %lld is longer than %d bytes", (long long)number,
                             (int)MAX_LINE);
        if (n > 0 && line[n - 1] == '\n')
            line[--n] = '\0';
        enum exit_code code = use(arg, line, (size_t)n);
        if (code != EXIT_OK)
            return code;
    }
    if (ferror(stdin))
        return verb_fail(a, EXIT_IO, "standard input: %s", strerror(errno));
    if (fflush(stdout) != 0)
        return verb_fail(a, EXIT_IO, "standard output: %s", strerror(errno));
    return EXIT_OK;
}

bool line_text(const struct args *a, const char *line, size_t len, struct tm_buf *text)
{
    struct tm_err err = {0};
    tm_buf_clear(text);
    if (len > 0 && line[0] == '"') {
        struct tm_json j;
        const char *s;
        size_t n;
        tm_json_init(&j, "line", line, len);
        bool ok = tm_json_string(&j, &s, &n, &err) == TM_OK && tm_buf_append(text, s, n);
        tm_json_finish(&j);
        if (!ok)
            verb_fail(a, EXIT_DATA, "%s", err.text);
        return ok;
    }
    size_t valid = tm_utf8_valid(line, len);
    if (valid != len) {
        verb_fail(a, EXIT_DATA, "a line is not UTF-8 at byte %zu", valid);
        return false;
    }
    return tm_buf_append(text, line, len);
}

enum tm_status read_ids(struct tm_json *j, struct tm_buf *ids, struct tm_err *err)
{
    struct tm_json_event e;
    enum tm_status s = tm_json_next(j, &e, err);
    if (s == TM_OK && e.type != TM_JSON_ARRAY)
        return tm_json_fail(j, TM_BADINPUT, err, "expected an array of ids");
    while (s == TM_OK && (s = tm_json_next(j, &e, err)) == TM_OK && e.type != TM_JSON_ARRAY_END) {
        int64_t id;
        if (e.type != TM_JSON_NUMBER || !tm_json_number_i64(e.text, e.len, &id) || id < INT32_MIN ||
            id > INT32_MAX)
            return tm_json_fail(j, TM_BADINPUT, err, "expected an id");
        int32_t id32 = (int32_t)id;
        if (!tm_buf_append(ids, &id32, sizeof id32))
            return tm_err_set(err, TM_NOMEM, "ids");
    }
    return s;
}
