/* Rate of spool and files sink alone: files from in/ to out/ and done/, with nothing in between.
 *
 *   bench_spool FOLDER [FILES [BYTES [RELEASE]]]
 *
 * FOLDER must not exist; it decides which disk is measured, and is left for inspection. The bare
 * cost of a sync there, which bounds all else, is printed first. */
#include "tm_ingest.h"
#include "tm_sinks.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void check(enum tm_status s, const struct tm_err *err)
{
    if (s == TM_OK)
        return;
    fprintf(stderr, "bench_spool: %s\n", err->text);
    exit(1);
}

static void put(const char *path, const char *bytes, size_t n)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0 || write(fd, bytes, n) != (ssize_t)n) {
        fprintf(stderr, "bench_spool: %s: %s\n", path, strerror(errno));
        exit(1);
    }
    close(fd);
}

/* One file a document, and one JSONL file with as many lines. */
static void fill(const char *folder, size_t files, size_t bytes)
{
    char path[4096];
    char *text = malloc(bytes + 1);
    struct tm_buf lines = {0};
    memset(text, 'x', bytes);
    text[bytes] = '\n';
    for (size_t i = 0; i < files; i++) {
        snprintf(path, sizeof path, "%s/documents/%06zu.txt", folder, i);
        put(path, text, bytes);
        tm_buf_append(&lines, text, bytes + 1);
    }
    snprintf(path, sizeof path, "%s/lines/a.jsonl", folder);
    put(path, lines.data, lines.len);
    tm_buf_finish(&lines);
    free(text);
}

static void sync_cost(const char *folder)
{
    char path[4096], bytes[3000] = {0};
    enum { N = 50 };
    uint64_t began = tm_clock_ns();
    for (int i = 0; i < N; i++) {
        snprintf(path, sizeof path, "%s/sync%d", folder, i);
        int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
        if (fd < 0 || write(fd, bytes, sizeof bytes) < 0 || fdatasync(fd) < 0)
            fprintf(stderr, "bench_spool: %s: %s\n", path, strerror(errno));
        close(fd);
        unlink(path);
    }
    printf("write and fdatasync of one 3 kB file: %.2f ms\n",
           (double)(tm_clock_ns() - began) / 1e6 / N);
}

static void release_add(struct tm_release *r, struct tm_progress *progress, const struct tm_doc *d)
{
    struct tm_progress *p = r->n_progress > 0 ? &progress[r->n_progress - 1] : NULL;
    if (p == NULL || p->lane != d->rec.lane)
        p = &progress[r->n_progress++];
    *p = (struct tm_progress){.lane = d->rec.lane, .next = d->rec.seq + 1, .ended = d->rec.last};
}

static size_t release_once(void *source, void *sink, struct tm_doc **docs,
                           struct tm_progress *progress, size_t most)
{
    struct tm_err err = {0};
    struct tm_release r = {.docs = docs, .progress = progress};
    while (r.n_docs < most) {
        check(tm_source_spool.service(source, 10, &err), &err);
        size_t got = tm_source_spool.take(source, docs + r.n_docs, most - r.n_docs);
        if (got == 0 && tm_source_spool.at_end(source))
            break;
        for (size_t i = r.n_docs; i < r.n_docs + got; i++) {
            docs[i]->output = docs[i]->rec.data;
            docs[i]->output_len = docs[i]->rec.len;
            release_add(&r, progress, docs[i]);
        }
        r.n_docs += got;
    }
    if (r.n_docs == 0)
        return 0;
    if (tm_sink_files.deliver(sink, &r, &err) != TM_STORED)
        check(TM_IO, &err);
    check(tm_source_spool.commit(source, &r, &err), &err);
    for (size_t i = 0; i < r.n_docs; i++)
        tm_doc_destroy(docs[i]);
    return r.n_docs;
}

static void measure(const char *what, const char *folder, size_t most)
{
    char in[4096], out[4096];
    struct tm_conf conf;
    struct tm_err err = {0};
    void *source = NULL, *sink = NULL;
    struct tm_doc **docs = calloc(most, sizeof(struct tm_doc *));
    struct tm_progress *progress = calloc(most, sizeof *progress);
    snprintf(in, sizeof in, "%s/%s", folder, what);
    snprintf(out, sizeof out, "%s/out-%s", folder, what);
    check(tm_conf_init(&conf, &err), &err);
    free(conf.source_spool_path);
    free(conf.sink_files_path);
    conf.source_spool_path = strdup(in);
    conf.sink_files_path = strdup(out);
    conf.source_spool_settle_ms = 0;
    check(tm_sink_files.create(&sink, &conf, "bench", &err), &err);
    check(tm_source_spool.create(&source, &conf, tm_sink_files.resume, sink, &err), &err);
    uint64_t began = tm_clock_ns();
    size_t docs_total = 0, releases = 0;
    for (size_t n; (n = release_once(source, sink, docs, progress, most)) > 0; releases++)
        docs_total += n;
    double seconds = (double)(tm_clock_ns() - began) / 1e9;
    printf("%-10s %zu documents in %zu releases, %.2f s: %.0f documents a second\n", what,
           docs_total, releases, seconds, (double)docs_total / seconds);
    tm_source_spool.destroy(source);
    tm_sink_files.destroy(sink);
    tm_conf_finish(&conf);
    free(docs);
    free(progress);
}

static size_t number(const char *text, size_t fallback)
{
    int64_t n = 0;
    if (text == NULL)
        return fallback;
    return tm_json_number_i64(text, strlen(text), &n) && n > 0 ? (size_t)n : fallback;
}

int main(int argc, char **argv)
{
    char path[4096];
    if (argc < 2 || mkdir(argv[1], 0777) < 0) {
        fprintf(stderr, "usage: bench_spool NEW-FOLDER [FILES [BYTES [RELEASE]]]\n");
        return 64;
    }
    snprintf(path, sizeof path, "%s/documents", argv[1]);
    mkdir(path, 0777);
    snprintf(path, sizeof path, "%s/lines", argv[1]);
    mkdir(path, 0777);
    size_t files = number(argc > 2 ? argv[2] : NULL, 10000);
    size_t bytes = number(argc > 3 ? argv[3] : NULL, 3000);
    size_t release = number(argc > 4 ? argv[4] : NULL, 512);
    sync_cost(argv[1]);
    fill(argv[1], files, bytes);
    measure("documents", argv[1], release);
    measure("lines", argv[1], release);
    return 0;
}
