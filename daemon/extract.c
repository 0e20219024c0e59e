/* extract: cleaning alone. One JSON line a document, in input order; a file that yields nothing
 * still gets its line, with the error. */
#include "compare.h"
#include "verbs.h"
#include "tm_ingest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { DOCUMENT_MEMORY = 512 << 20, JOBS_MOST = 64, PIPE_ROOM = 1 << 20 };

struct state {
    const struct args *args;
    struct tm_conf conf;
    void *stage, *worker;
    struct tm_buf bytes, out;
    FILE *to;
    struct compare *compare; /* NULL: print the lines */
    bool failed;             /* some document gave nothing */
};

/* A process that works on every nth file. Its pipe brings for each file how many bytes of lines
 * follow, then those. */
struct helper {
    pid_t pid;
    FILE *from;
};

/* One line of the result, or what a helper sends of it. */
static bool put_line(struct state *st, const char *line, size_t n)
{
    if (st->compare == NULL || st->to != stdout)
        return fwrite(line, 1, n, st->to) == n;
    compare_line(st->compare, line, n);
    return true;
}

/* Cleans one record and prints its line. */
static enum exit_code extract_one(struct state *st, const char *path, int64_t line,
                                  const char *data, size_t len, const struct tm_err *read_error)
{
    struct tm_doc *doc = tm_doc_create(DOCUMENT_MEMORY);
    if (doc == NULL)
        return verb_fail(st->args, EXIT_INTERNAL, "out of memory");
    doc->rec = (struct tm_record){
        .lane_name = path, .path = path, .line = line, .many = line > 0, .data = data, .len = len};
    doc->id = path;
    if (read_error->status != TM_OK)
        tm_doc_fail(doc, "read", read_error->status, "%s", read_error->text);
    struct tm_batch batch = {&doc, 1};
    struct tm_err err = {0};
    enum exit_code code = EXIT_OK;
    if (tm_stage_clean.run(st->stage, st->worker, &batch, &err) != TM_OK)
        code = verb_fail_err(st->args, &err);
    else if (!tm_doc_extract_json(doc, &st->out))
        code = verb_fail(st->args, EXIT_INTERNAL, "out of memory");
    else if (!put_line(st, st->out.data, st->out.len))
        code = verb_fail(st->args, EXIT_IO, "the output cannot be written");
    st->failed |= doc->err.status != TM_OK;
    tm_doc_destroy(doc);
    return code;
}

static enum exit_code extract_file(struct state *st, const char *path)
{
    struct tm_file *f = NULL;
    struct tm_file_record r = {.data = ""};
    struct tm_err err = {0};
    enum exit_code code = EXIT_OK;
    if (tm_file_open(path, &st->conf, &f, &err) != TM_OK)
        return extract_one(st, path, 0, "", 0, &err);
    for (bool any = false; code == EXIT_OK; any = true) {
        err = (struct tm_err){0};
        r = (struct tm_file_record){.data = ""};
        enum tm_status s = tm_file_next(f, &r, &err);
        if (s == TM_CLOSED && any)
            break;
        if (s == TM_CLOSED)
            tm_err_set(&err, TM_EMPTY, "no document is in the file");
        code = extract_one(st, path, r.line, r.data == NULL ? "" : r.data, r.len, &err);
    }
    tm_file_close(f);
    return code;
}

static enum exit_code extract_stdin(struct state *st)
{
    char block[1 << 16];
    size_t n;
    struct tm_err err = {0};
    while (err.status == TM_OK && (n = fread(block, 1, sizeof block, stdin)) > 0)
        if (st->bytes.len + n > (size_t)st->conf.clean_max_bytes ||
            !tm_buf_append(&st->bytes, block, n))
            tm_err_set(&err, TM_TOOLARGE, "standard input is larger than clean.max_bytes");
    return extract_one(st, "-", 0, st->bytes.data != NULL ? st->bytes.data : "", st->bytes.len,
                       &err);
}

static enum exit_code open_stage(struct state *st)
{
    struct tm_err err = {0};
    if (tm_stage_clean.create(&st->stage, &st->conf, NULL, &err) != TM_OK)
        return verb_fail_err(st->args, &err);
    st->worker = tm_stage_clean.worker_create(st->stage);
    return EXIT_OK;
}

/* ---- several processes -------------------------------------------------------------------------
 */

/* In a helper: works on its files and sends their lines. */
static int help(struct state *st, size_t first, size_t step, FILE *pipe)
{
    char *lines = NULL;
    size_t n = 0;
    enum exit_code code = open_stage(st);
    for (size_t i = first; i < (size_t)st->args->n_operands && code == EXIT_OK; i += step) {
        st->to = open_memstream(&lines, &n);
        code = st->to == NULL ? EXIT_INTERNAL : extract_file(st, st->args->operands[i]);
        if (st->to != NULL)
            fclose(st->to);
        bool sent = code == EXIT_OK && fwrite(&n, sizeof n, 1, pipe) == 1 &&
                    fwrite(lines, 1, n, pipe) == n && fflush(pipe) == 0;
        free(lines);
        lines = NULL;
        if (!sent && code == EXIT_OK)
            code = EXIT_IO;
    }
    return code != EXIT_OK ? (int)code : st->failed ? EXIT_DEAD : EXIT_OK;
}

static bool start_helper(struct state *st, struct helper *h, size_t first, size_t step)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return false;
    fcntl(ends[0], F_SETPIPE_SZ, PIPE_ROOM); /* so that one slow file does not stop the others */
    h->pid = fork();
    if (h->pid == 0) {
        close(ends[0]);
        FILE *to = fdopen(ends[1], "w");
        int code = to == NULL ? EXIT_INTERNAL : help(st, first, step, to);
        _exit(code);
    }
    close(ends[1]);
    h->from = h->pid < 0 ? NULL : fdopen(ends[0], "r");
    return h->from != NULL;
}

/* Prints what a helper has to say about one file; false: it has died. */
static bool print_lines(struct state *st, struct helper *h)
{
    size_t n;
    if (fread(&n, sizeof n, 1, h->from) != 1)
        return false;
    tm_buf_clear(&st->out);
    if (!tm_buf_reserve(&st->out, n) || fread(st->out.data, 1, n, h->from) != n)
        return false;
    for (size_t at = 0; at < n;) {
        const char *line = st->out.data + at, *end = memchr(line, '\n', n - at);
        size_t len = end == NULL ? n - at : (size_t)(end - line) + 1;
        if (!put_line(st, line, len))
            return false;
        at += len;
    }
    return true;
}

/* The files go round the helpers, so their lines are there in order. A helper that dies takes the
 * file it was at with it; the rest of its files are done here. */
static enum exit_code extract_together(struct state *st, size_t jobs)
{
    struct helper helpers[JOBS_MOST] = {0};
    enum exit_code code = EXIT_OK;
    fflush(stdout);
    for (size_t i = 0; i < jobs && code == EXIT_OK; i++)
        if (!start_helper(st, &helpers[i], i, jobs))
            code =
                verb_fail(st->args, EXIT_INTERNAL, "cannot start a process: %s", strerror(errno));
    bool dead[JOBS_MOST] = {false};
    for (int i = 0; i < st->args->n_operands && code == EXIT_OK; i++) {
        struct helper *h = &helpers[(size_t)i % jobs];
        bool died = !dead[(size_t)i % jobs] && !print_lines(st, h);
        if (!died && !dead[(size_t)i % jobs])
            continue;
        struct tm_err err = {0};
        if (st->stage == NULL)
            code = open_stage(st);
        tm_err_set(&err, TM_INTERNAL, "the process that cleaned it has died");
        if (code == EXIT_OK)
            code = died ? extract_one(st, st->args->operands[i], 0, "", 0, &err)
                        : extract_file(st, st->args->operands[i]);
        dead[(size_t)i % jobs] = true;
    }
    for (size_t i = 0; i < jobs; i++) {
        int status = 0;
        if (helpers[i].from != NULL)
            fclose(helpers[i].from);
        if (helpers[i].pid > 0)
            waitpid(helpers[i].pid, &status, 0);
        st->failed |= WIFEXITED(status) && WEXITSTATUS(status) == EXIT_DEAD;
    }
    return code;
}

static enum exit_code count_jobs(const struct args *a, size_t *ret_jobs)
{
    int64_t jobs = TM_MAX(1L, sysconf(_SC_NPROCESSORS_ONLN));
    enum exit_code code =
        args_int(a, "jobs", 1, JOBS_MOST, TM_MIN(jobs, (int64_t)JOBS_MOST), &jobs);
    *ret_jobs = (size_t)TM_MAX((int64_t)1, TM_MIN(jobs, (int64_t)a->n_operands));
    return code;
}

static enum exit_code extract_all(struct state *st)
{
    const struct args *a = st->args;
    static const char *const keys[] = {"kind", "mode"};
    struct tm_err err = {0};
    size_t jobs = 1;
    for (size_t i = 0; i < TM_COUNTOF(keys); i++) {
        char path[32];
        const char *value = args_get(a, keys[i]);
        snprintf(path, sizeof path, "clean.%s", keys[i]);
        if (value != NULL &&
            tm_conf_set(&st->conf, tm_conf_find(tm_conf_keys, path), value, NULL, &err) != TM_OK)
            return verb_fail(a, EXIT_USAGE, "--%s: %s", keys[i], err.text);
    }
    const char *gold = args_get(a, "compare");
    if (gold != NULL && compare_open(gold, &st->compare, &err) != TM_OK)
        return verb_fail(a, EXIT_NOINPUT, "--compare: %s", err.text);
    enum exit_code code = count_jobs(a, &jobs);
    if (code == EXIT_OK && jobs > 1) {
        code = extract_together(st, jobs);
    } else if (code == EXIT_OK && (code = open_stage(st)) == EXIT_OK) {
        if (a->n_operands == 0)
            code = extract_stdin(st);
        for (int i = 0; i < a->n_operands && code == EXIT_OK; i++)
            code = extract_file(st, a->operands[i]);
    }
    if (st->stage != NULL) {
        tm_stage_clean.worker_destroy(st->stage, st->worker);
        tm_stage_clean.destroy(st->stage);
    }
    if (code == EXIT_OK && st->compare != NULL && compare_scores(st->compare, &st->out))
        fwrite(st->out.data, 1, st->out.len, stdout);
    compare_close(st->compare);
    if (code == EXIT_OK && fflush(stdout) != 0)
        code = verb_fail(a, EXIT_IO, "standard output: %s", strerror(errno));
    return code != EXIT_OK ? code : st->failed ? EXIT_DEAD : EXIT_OK;
}

static enum exit_code run(const struct args *a)
{
    struct state st = {.args = a, .to = stdout};
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
    {"compare", '\0', "GOLD",
     "print how near the texts come to those of GOLD (JSON), not the texts"},
    {"kind", '\0', "KIND", "auto, news, social, text or json"},
    {"jobs", 'j', "N", "processes that share the files (default: one a core)"},
    {"mode", '\0', "MODE", "fast, balanced, precision, recall or raw"},
    {0},
};

const struct verb verb_extract = {
    .name = "extract",
    .operands = "[FILE...]",
    .summary = "Clean documents and print their text, one JSON line each",
    .details = "Without files standard input is one document. Of files that hold several (JSONL, "
               "feeds, WARC, CSV,\nmail) each is a line. Exits 1 when a document gave no text; its "
               "line carries the error.",
    .options = options,
    .run = run,
};
