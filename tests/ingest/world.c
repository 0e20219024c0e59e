/* A spool in a temporary folder and a stand-in for the runner (world.h). */
#include "world.h"
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

enum { RELEASE_MOST = 8192 };

void world_init(struct world *w)
{
    /* Nothing here asks for a disk, and in memory a sync costs nothing. TMPDIR overrules. */
    const char *tmp = getenv("TMPDIR");
    if (tmp == NULL && access("/dev/shm", W_OK) == 0)
        tmp = "/dev/shm";
    *w = (struct world){.sink_ops = &tm_sink_files, .release_docs = 16};
    snprintf(w->root, sizeof w->root, "%s/textmill-XXXXXX", tmp != NULL ? tmp : "/tmp");
    assert_non_null(mkdtemp(w->root));
    snprintf(w->hash, sizeof w->hash, "c0ffee");
    struct tm_err err = {0};
    assert_int_equal(tm_conf_init(&w->conf, &err), TM_OK);
    free(w->conf.source_spool_path);
    w->conf.source_spool_path = strdup(world_path(w, "in"));
    free(w->conf.sink_files_path);
    w->conf.sink_files_path = strdup(world_path(w, "out"));
    w->conf.source_spool_settle_ms = 0;
    w->conf.source_spool_rescan_ms = 10;
    assert_int_equal(mkdir(world_path(w, "in"), 0777), 0);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

void world_finish(struct world *w)
{
    world_close(w);
    nftw(w->root, remove_one, 32, FTW_DEPTH | FTW_PHYS);
    tm_conf_finish(&w->conf);
}

const char *world_path(const struct world *w, const char *path)
{
    static char full[4][4096];
    static unsigned turn;
    char *out = full[turn++ % 4];
    int n = snprintf(out, sizeof full[0], "%s/%s", w->root, path);
    assert_true(n > 0 && (size_t)n < sizeof full[0]);
    return out;
}

static void make_parents(const struct world *w, const char *path)
{
    char part[4096];
    for (const char *p = strchr(path, '/'); p != NULL; p = strchr(p + 1, '/')) {
        int n = snprintf(part, sizeof part, "%.*s", (int)(p - path), path);
        assert_true(n > 0 && (size_t)n < sizeof part);
        assert_true(mkdir(world_path(w, part), 0777) == 0 || errno == EEXIST);
    }
}

void world_put(const struct world *w, const char *path, const void *bytes, size_t n)
{
    make_parents(w, path);
    FILE *f = fopen(world_path(w, path), "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

void world_puts(const struct world *w, const char *path, const char *text)
{
    world_put(w, path, text, strlen(text));
}

void world_gzip(const struct world *w, const char *path, const void *bytes, size_t n)
{
    make_parents(w, path);
    gzFile f = gzopen(world_path(w, path), "wb");
    assert_non_null(f);
    assert_int_equal(gzwrite(f, bytes, (unsigned)n), (int)n);
    assert_int_equal(gzclose(f), Z_OK);
}

char *world_get(const struct world *w, const char *path)
{
    struct tm_buf b = {0};
    if (tm_read_file(world_path(w, path), (size_t)1 << 30, &b, NULL) != TM_OK)
        return NULL;
    return b.data;
}

bool world_has(const struct world *w, const char *path)
{
    return access(world_path(w, path), F_OK) == 0;
}

static const char *count_part;
static size_t counted;

static int count_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    counted += type == FTW_F && strstr(path + ftw->base, count_part) != NULL;
    return 0;
}

size_t world_count(const struct world *w, const char *path, const char *part)
{
    count_part = part;
    counted = 0;
    nftw(world_path(w, path), count_one, 32, FTW_PHYS);
    return counted;
}

const char *world_lane(const char *path, const void *bytes, size_t n)
{
    static char name[4][4096];
    static unsigned turn;
    char *out = name[turn++ % 4], hash[65];
    tm_sha256_hex(bytes, n, hash);
    int len = snprintf(out, sizeof name[0], "%s-%.16s", path, hash);
    assert_true(len > 0 && (size_t)len < sizeof name[0]);
    return out;
}

enum tm_status world_try_open(struct world *w, struct tm_err *err)
{
    w->taken = w->delivered = w->dead = 0;
    enum tm_status s = w->sink_ops->create(&w->sink, &w->conf, w->hash, err);
    if (s != TM_OK)
        return s;
    return tm_source_spool.create(&w->source, &w->conf, w->sink_ops->resume, w->sink, err);
}

void world_open(struct world *w)
{
    struct tm_err err = {0};
    if (world_try_open(w, &err) != TM_OK)
        fail_msg("%s", err.text);
}

void world_close(struct world *w)
{
    if (w->source != NULL)
        tm_source_spool.destroy(w->source);
    if (w->sink != NULL)
        w->sink_ops->destroy(w->sink);
    w->source = w->sink = NULL;
}

const char *world_pad = "";

void world_process(struct tm_doc *doc)
{
    struct tm_record *rec = &doc->rec;
    struct tm_buf b = {0};
    if (doc->err.status != TM_OK)
        return;
    if (rec->len == 0) {
        tm_doc_fail(doc, "clean", TM_EMPTY, "no text");
        return;
    }
    if (memmem(rec->data, rec->len, "BAD", 3) != NULL) {
        tm_doc_fail(doc, "clean", TM_BADINPUT, "it says so itself");
        return;
    }
    tm_buf_puts(&b, "{\"file\":");
    tm_buf_json_string(&b, rec->path, strlen(rec->path));
    tm_buf_printf(&b, ",\"line\":%" PRId64 ",\"seq\":%" PRIu64 ",\"text\":", rec->line, rec->seq);
    tm_buf_json_string(&b, rec->data, TM_MIN(rec->len, (size_t)1000));
    tm_buf_printf(&b, "%s}", world_pad);
    doc->output = tm_arena_strndup(doc->arena, b.data, b.len);
    doc->output_len = b.len;
    assert_non_null(doc->output);
    tm_buf_finish(&b);
}

size_t world_take(struct world *w, struct tm_doc **out, size_t want)
{
    size_t n = 0;
    struct tm_err err = {0};
    while (n < want) {
        if (tm_source_spool.service(w->source, n > 0 ? 0 : 20, &err) != TM_OK)
            fail_msg("service: %s", err.text);
        size_t got = tm_source_spool.take(w->source, out + n, want - n);
        if (got == 0 && tm_source_spool.at_end(w->source))
            break;
        n += got;
    }
    w->taken += n;
    return n;
}

static void add_progress(struct tm_progress *p, size_t *n, const struct tm_doc *doc)
{
    size_t i = 0;
    while (i < *n && p[i].lane != doc->rec.lane)
        i++;
    if (i == *n)
        p[(*n)++] = (struct tm_progress){.lane = doc->rec.lane};
    p[i].next = doc->rec.seq + 1;
    p[i].ended = doc->rec.last;
}

enum tm_delivered world_deliver(struct world *w, struct tm_doc **docs, size_t n, struct tm_err *err)
{
    static struct tm_progress progress[RELEASE_MOST];
    struct tm_release release = {.docs = docs, .n_docs = n, .progress = progress};
    assert_true(n <= RELEASE_MOST);
    for (size_t i = 0; i < n; i++)
        add_progress(progress, &release.n_progress, docs[i]);
    enum tm_delivered d = w->sink_ops->deliver(w->sink, &release, err);
    if (d != TM_STORED)
        return d;
    struct tm_err commit = {0};
    if (tm_source_spool.commit(w->source, &release, &commit) != TM_OK)
        fail_msg("commit: %s", commit.text);
    w->last = progress[release.n_progress - 1];
    for (size_t i = 0; i < n; i++) {
        w->delivered += docs[i]->err.status == TM_OK;
        w->dead += docs[i]->err.status != TM_OK;
        w->input_offset = docs[i]->rec.end_offset;
        tm_doc_destroy(docs[i]);
    }
    return d;
}

void world_run(struct world *w)
{
    static struct tm_doc *docs[RELEASE_MOST];
    for (;;) {
        size_t want = w->release_docs;
        if (w->stop_after > 0)
            want = TM_MIN(want, w->stop_after - w->taken);
        size_t n = want > 0 ? world_take(w, docs, want) : 0;
        if (n == 0)
            return;
        for (size_t i = 0; i < n; i++)
            world_process(docs[i]);
        struct tm_err err = {0};
        if (world_deliver(w, docs, n, &err) != TM_STORED)
            fail_msg("deliver: %s", err.text);
    }
}

void world_once(struct world *w)
{
    world_open(w);
    world_run(w);
    world_close(w);
}
