/* extract: cleaning alone. One JSON line a document, in input order; a file that yields nothing
 * still gets its line, with the error. */
#include "verbs.h"
#include "tm_pipeline.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { DOCUMENT_MEMORY = 512 << 20 };

struct state {
    const struct args *args;
    struct tm_conf conf;
    void *stage, *worker;
    struct tm_buf bytes, out;
    bool failed; /* some document gave nothing */
};

/* Cleans one record and prints its line. */
static enum exit_code extract_one(struct state *st, const char *path, int64_t line,
                                  const char *data, size_t len, enum tm_status read_status,
                                  const char *read_error)
{
    struct tm_doc *doc = tm_doc_create(DOCUMENT_MEMORY);
    if (doc == NULL)
        return verb_fail(st->args, EXIT_INTERNAL, "out of memory");
    doc->rec = (struct tm_record){
        .lane_name = path, .path = path, .line = line, .many = line > 0, .data = data, .len = len};
    doc->id = path;
    if (read_status != TM_OK)
        tm_doc_fail(doc, "read", read_status, "%s", read_error);
    struct tm_batch batch = {&doc, 1};
    struct tm_err err = {0};
    enum exit_code code = EXIT_OK;
    if (tm_stage_clean.run(st->stage, st->worker, &batch, &err) != TM_OK)
        code = verb_fail_err(st->args, &err);
    else if (!tm_doc_extract_json(doc, &st->out))
        code = verb_fail(st->args, EXIT_INTERNAL, "out of memory");
    else if (fwrite(st->out.data, 1, st->out.len, stdout) != st->out.len)
        code = verb_fail(st->args, EXIT_IO, "standard output cannot be written");
    st->failed |= doc->err.status != TM_OK;
    tm_doc_destroy(doc);
    return code;
}

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), m = strlen(end);
    return n >= m && strcmp(s + n - m, end) == 0;
}

/* A file of documents, one a line. */
static enum exit_code extract_lines(struct state *st, const char *path)
{
    enum exit_code code = EXIT_OK;
    const char *at = st->bytes.data, *end = at + st->bytes.len;
    for (int64_t line = 1; at < end && code == EXIT_OK; line++) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        size_t len = (size_t)((stop != NULL ? stop : end) - at);
        if (len > 0)
            code = extract_one(st, path, line, at, len, TM_OK, NULL);
        at += len + 1;
    }
    return code;
}

static enum exit_code extract_file(struct state *st, const char *path)
{
    struct tm_err err = {0};
    tm_buf_clear(&st->bytes);
    size_t cap = (size_t)st->conf.clean_max_bytes;
    enum tm_status s = tm_read_file(path, cap, &st->bytes, &err);
    if (s == TM_OK && (ends_with(path, ".jsonl") || ends_with(path, ".ndjson")))
        return extract_lines(st, path);
    return extract_one(st, path, 0, st->bytes.data != NULL ? st->bytes.data : "", st->bytes.len, s,
                       err.text);
}

static enum exit_code extract_stdin(struct state *st)
{
    char block[1 << 16];
    size_t n;
    enum tm_status s = TM_OK;
    while (s == TM_OK && (n = fread(block, 1, sizeof block, stdin)) > 0)
        if (st->bytes.len + n > (size_t)st->conf.clean_max_bytes ||
            !tm_buf_append(&st->bytes, block, n))
            s = TM_TOOLARGE;
    return extract_one(st, "-", 0, st->bytes.data != NULL ? st->bytes.data : "", st->bytes.len, s,
                       "standard input is larger than clean.max_bytes");
}

static enum exit_code extract_all(struct state *st)
{
    const struct args *a = st->args;
    static const char *const keys[] = {"kind", "mode"};
    struct tm_err err = {0};
    for (size_t i = 0; i < TM_COUNTOF(keys); i++) {
        char path[32];
        const char *value = args_get(a, keys[i]);
        snprintf(path, sizeof path, "clean.%s", keys[i]);
        if (value != NULL &&
            tm_conf_set(&st->conf, tm_conf_find(tm_conf_keys, path), value, NULL, &err) != TM_OK)
            return verb_fail(a, EXIT_USAGE, "--%s: %s", keys[i], err.text);
    }
    if (tm_stage_clean.create(&st->stage, &st->conf, NULL, &err) != TM_OK)
        return verb_fail_err(a, &err);
    if (tm_stage_clean.worker_create != NULL)
        st->worker = tm_stage_clean.worker_create(st->stage);
    enum exit_code code = EXIT_OK;
    if (a->n_operands == 0)
        code = extract_stdin(st);
    for (int i = 0; i < a->n_operands && code == EXIT_OK; i++)
        code = extract_file(st, a->operands[i]);
    if (tm_stage_clean.worker_destroy != NULL)
        tm_stage_clean.worker_destroy(st->stage, st->worker);
    if (tm_stage_clean.destroy != NULL)
        tm_stage_clean.destroy(st->stage);
    if (code == EXIT_OK && fflush(stdout) != 0)
        code = verb_fail(a, EXIT_IO, "standard output: %s", strerror(errno));
    return code != EXIT_OK ? code : st->failed ? EXIT_DEAD : EXIT_OK;
}

static enum exit_code run(const struct args *a)
{
    struct state st = {.args = a};
    struct tm_err err = {0};
    if (tm_conf_init(&st.conf, &err) != TM_OK)
        return verb_fail_err(a, &err);
    enum exit_code code = extract_all(&st);
    tm_conf_finish(&st.conf);
    tm_buf_finish(&st.bytes);
    tm_buf_finish(&st.out);
    return code;
}

static const struct verb_option options[] = {
    {"kind", '\0', "KIND", "auto, news, social, text or json"},
    {"mode", '\0', "MODE", "fast, balanced, precision, recall or raw"},
    {0},
};

const struct verb verb_extract = {
    .name = "extract",
    .operands = "[FILE...]",
    .summary = "Clean documents and print their text, one JSON line each",
    .details = "Without files standard input is one document. A .jsonl file holds one document a "
               "line. Exits 1\n"
               "when a document gave no text; its line carries the error.",
    .options = options,
    .run = run,
};
