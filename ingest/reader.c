/* The records of one file, one at a time. Called by spool.c on the source thread.
 *
 * First the file's SHA-256, which names the lane; then, for a file left over from an earlier run,
 * what the sink holds of it already; then the records. Large files are worked on in slices, so that
 * the source thread stays responsive. Of a many-document file one record is held back, because the
 * last one must say that it is the last. */
#include "spool.h"
#include "names.h"
#include "records.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SLICE = 64 << 20, CHUNK = 65536, ID_DIGITS = 16 };

enum phase { PHASE_HASH, PHASE_RESUME, PHASE_SKIP, PHASE_READ, PHASE_END };

struct reader {
    const struct tm_conf *conf;
    struct lane *lane;
    int fd;
    enum phase phase;
    struct tm_err err; /* why the file cannot be read */
    struct stat st;
    struct tm_sha256 *sha;
    off_t hashed;
    char id[65];     /* hex digits that name the lane */
    char sha256[65]; /* the same; empty when the bytes were not read */
    char *display;   /* path for people, always UTF-8 */
    struct tm_resume resume;
    uint64_t seq; /* of the next record */
    struct tm_doc *held;
    enum jsonl_result ready; /* a line is waiting for memory, unless JSONL_AGAIN */
    struct stream stream;
    const struct format *format; /* of a file of several documents */
    struct records records;
};

static const char stage_name[] = "source";

/* The path as it is, unless people or JSON could not take it. */
static char *displayed(const char *path)
{
    size_t n = strlen(path);
    bool plain = tm_utf8_valid(path, n) == n;
    for (size_t i = 0; plain && i < n; i++)
        plain = (unsigned char)path[i] >= 0x20 && path[i] != 0x7f;
    struct tm_buf b = {0};
    if (plain ? tm_buf_puts(&b, path) : name_put_safe(&b, path))
        return b.data;
    tm_buf_finish(&b);
    return NULL;
}

/* The format of a file of several documents: as configured, by its name, or by how it begins. */
static const struct format *find_format(const struct tm_conf *conf, const char *path, int fd)
{
    char head[4096];
    const char *named = conf->source_spool_format;
    if (strcmp(named, "auto") != 0)
        return format_named(named);
    const struct format *f = format_of_name(path);
    ssize_t n = f == NULL && fd >= 0 && name_compression(path) == PLAIN
                    ? pread(fd, head, sizeof head, 0)
                    : 0;
    return n > 0 ? format_of_bytes(head, (size_t)n) : f;
}

struct reader *reader_create(const struct tm_conf *conf, struct lane *lane, int fd,
                             const struct stat *st, const struct tm_err *err)
{
    struct reader *r = calloc(1, sizeof *r);
    if (r == NULL) {
        tm_closep(&fd);
        return NULL;
    }
    r->conf = conf;
    r->lane = lane;
    r->fd = fd;
    r->st = *st;
    r->err = *err;
    r->ready = JSONL_AGAIN;
    r->format = find_format(conf, lane->path, fd);
    lane->many = r->format != NULL;
    r->display = displayed(lane->path);
    r->sha = tm_sha256_create();
    if (r->display == NULL || r->sha == NULL) {
        reader_destroy(r);
        return NULL;
    }
    /* Compression adds a little to what it cannot shrink; beyond that such a file is too large as
     * well. */
    int64_t most = conf->clean_max_bytes;
    if (name_compression(lane->path) != PLAIN)
        most += most / 1000 + 4096;
    if (fd >= 0 && !lane->many && r->st.st_size > most)
        tm_err_set(&r->err, TM_TOOLARGE, "has %lld bytes, more than %lld", (long long)r->st.st_size,
                   (long long)conf->clean_max_bytes);
    return r;
}

void reader_destroy(struct reader *r)
{
    if (r == NULL)
        return;
    char unused[65];
    if (r->sha != NULL)
        tm_sha256_finish(r->sha, unused);
    tm_doc_destroy(r->held);
    if (r->records.in != NULL) {
        records_finish(&r->records);
        stream_close(&r->stream);
    }
    tm_closep(&r->fd);
    free(r->display);
    free(r);
}

/* The lane's delivery identity; false when memory is short. */
static bool name_lane(struct reader *r)
{
    struct tm_buf b = {0};
    name_put_safe(&b, r->lane->path);
    tm_buf_printf(&b, "-%.*s", ID_DIGITS, r->id);
    if (b.failed) {
        tm_buf_finish(&b);
        return false;
    }
    r->lane->name = b.data;
    return true;
}

/* Hashes a slice of the file. What cannot or may not be read is named by its size and time. */
static enum step hash_step(struct reader *r)
{
    unsigned char bytes[CHUNK];
    for (size_t budget = SLICE; r->err.status == TM_OK; budget -= TM_MIN(budget, sizeof bytes)) {
        if (budget == 0)
            return STEP_AGAIN;
        ssize_t n = pread(r->fd, bytes, sizeof bytes, r->hashed);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            tm_err_errno(&r->err, errno, "cannot read at byte %lld", (long long)r->hashed);
        if (n <= 0)
            break;
        tm_sha256_update(r->sha, bytes, (size_t)n);
        r->hashed += n;
    }
    if (r->err.status != TM_OK) {
        int64_t key[] = {r->st.st_size, r->st.st_mtim.tv_sec, r->st.st_mtim.tv_nsec};
        tm_sha256_update(r->sha, key, sizeof key);
        tm_sha256_update(r->sha, r->lane->path, strlen(r->lane->path));
    }
    tm_sha256_finish(TM_TAKE(r->sha), r->id);
    if (r->err.status == TM_OK)
        memcpy(r->sha256, r->id, sizeof r->id);
    r->phase = PHASE_RESUME;
    return STEP_GO;
}

/* Somebody has written to the file since it was claimed: what was read is not what was hashed. */
static bool has_changed(struct reader *r)
{
    struct stat now;
    return fstat(r->fd, &now) < 0 || now.st_size != r->st.st_size ||
           now.st_mtim.tv_sec != r->st.st_mtim.tv_sec ||
           now.st_mtim.tv_nsec != r->st.st_mtim.tv_nsec;
}

static const char changed_text[] =
    "changed while it was read: write under a name like .x and rename, or raise "
    "source.spool.settle_ms";

static struct tm_doc *make_doc(struct reader *r)
{
    struct tm_doc *d = tm_doc_create((size_t)r->conf->limits_document_memory);
    if (d == NULL)
        return NULL;
    struct tm_record *rec = &d->rec;
    rec->lane = r->lane->id;
    rec->seq = r->seq;
    rec->lane_name = tm_arena_strdup(d->arena, r->lane->name);
    rec->path = tm_arena_strdup(d->arena, r->display);
    rec->sha256 = tm_arena_strdup(d->arena, r->sha256);
    rec->many = r->lane->many;
    rec->last = true;
    rec->mtime_ms = (int64_t)r->st.st_mtim.tv_sec * 1000 + r->st.st_mtim.tv_nsec / 1000000;
    rec->data = "";
    if (rec->lane_name == NULL || rec->path == NULL || rec->sha256 == NULL) {
        tm_doc_destroy(d);
        return NULL;
    }
    return d;
}

static uint64_t expansion_limit(const struct reader *r)
{
    uint64_t most = (uint64_t)r->st.st_size * (uint64_t)r->conf->source_spool_max_expansion;
    return TM_MAX(most, (uint64_t)1 << 20);
}

/* All of a compressed file into the document. */
static void read_packed(struct reader *r, struct tm_doc *d)
{
    struct tm_err err = {0};
    struct tm_buf b = {0};
    uint64_t most = TM_MIN(expansion_limit(r), (uint64_t)r->conf->clean_max_bytes);
    enum tm_status s = stream_open(&r->stream, r->fd, name_compression(r->lane->path), most, &err);
    for (bool more = true; s == TM_OK && more;) {
        size_t n = 0;
        s = tm_buf_reserve(&b, CHUNK) ? stream_read(&r->stream, b.data + b.len, CHUNK, &n, &err)
                                      : tm_err_set(&err, TM_NOMEM, "no memory to decompress");
        b.len += n;
        more = n > 0;
    }
    stream_close(&r->stream);
    if (s != TM_OK)
        tm_doc_fail(d, stage_name, s, "%s", err.text);
    else if ((d->rec.data = tm_arena_strndup(d->arena, b.data, b.len)) == NULL)
        tm_doc_nomem(d, stage_name);
    else
        d->rec.len = b.len;
    tm_buf_finish(&b);
}

/* All of a plain file into the document. */
static void read_plain(struct reader *r, struct tm_doc *d)
{
    size_t size = (size_t)r->st.st_size, len = 0;
    char *data = tm_arena_alloc(d->arena, size + 1);
    if (data == NULL) {
        tm_doc_nomem(d, stage_name);
        return;
    }
    while (len < size) {
        ssize_t n = pread(r->fd, data + len, size - len, (off_t)len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            tm_doc_fail(d, stage_name, tm_status_from_errno(errno), "cannot read at byte %zu", len);
            return;
        }
        if (n == 0)
            break;
        len += (size_t)n;
    }
    d->rec.data = data;
    d->rec.len = len;
}

static enum step read_document(struct reader *r, struct tm_doc **ret_doc)
{
    struct tm_doc *d = make_doc(r);
    if (d == NULL)
        return STEP_NOMEM;
    if (r->err.status != TM_OK)
        tm_doc_fail(d, stage_name, r->err.status, "%s", r->err.text);
    else if (name_compression(r->lane->path) != PLAIN)
        read_packed(r, d);
    else
        read_plain(r, d);
    if (r->err.status == TM_OK && has_changed(r))
        tm_doc_fail(d, stage_name, TM_BADINPUT, "%s", changed_text);
    if (d->rec.data == NULL)
        d->rec.data = "";
    d->rec.end_offset = d->rec.len;
    r->phase = PHASE_END;
    *ret_doc = d;
    return STEP_DOC;
}

/* The document of the line that was read last, or of the trouble that ends the file. */
static struct tm_doc *line_doc(struct reader *r, enum jsonl_result what)
{
    struct records *j = &r->records;
    struct tm_doc *d = make_doc(r);
    if (d == NULL)
        return NULL;
    d->rec.last = false;
    d->rec.line = j->number;
    d->rec.end_offset = j->end;
    d->rec.content_type = "application/json";
    if (what == JSONL_ERROR)
        tm_doc_fail(d, stage_name, r->err.status, "%s", r->err.text);
    else if (what == JSONL_LONG)
        tm_doc_fail(d, stage_name, j->why.status, "%s", j->why.text);
    else if ((d->rec.data = tm_arena_strndup(d->arena, j->text, j->len)) == NULL)
        tm_doc_nomem(d, stage_name);
    else
        d->rec.len = j->len;
    if (d->rec.data == NULL)
        d->rec.data = "";
    r->seq++;
    return d;
}

/* The end of the file: gives the record held back, or the empty one of a file without any. */
static enum step last_line(struct reader *r, struct tm_doc **ret_doc)
{
    if (r->held == NULL) {
        r->held = make_doc(r);
        if (r->held == NULL)
            return STEP_NOMEM;
        r->held->rec.line = 1;
        r->held->rec.end_offset = r->records.lines.offset;
    }
    r->held->rec.last = true;
    *ret_doc = TM_TAKE(r->held);
    r->phase = PHASE_END;
    return STEP_DOC;
}

static enum step read_line(struct reader *r, struct tm_doc **ret_doc)
{
    size_t budget = SLICE;
    for (;;) {
        if (r->ready == JSONL_AGAIN && r->err.status != TM_OK)
            r->ready = JSONL_ERROR;
        if (r->ready == JSONL_AGAIN)
            r->ready = records_next(&r->records, &budget, &r->err);
        if (r->ready == JSONL_AGAIN)
            return STEP_AGAIN;
        if (r->ready == JSONL_END && r->err.status == TM_OK && has_changed(r)) {
            tm_err_set(&r->err, TM_BADINPUT, "%s", changed_text);
            r->ready = JSONL_ERROR;
        }
        if (r->ready == JSONL_END)
            return last_line(r, ret_doc);
        struct tm_doc *d = line_doc(r, r->ready);
        if (d == NULL)
            return STEP_NOMEM;
        r->ready = r->ready == JSONL_ERROR ? JSONL_END : JSONL_AGAIN;
        struct tm_doc *before = r->held;
        r->held = d;
        if (before != NULL) {
            *ret_doc = before;
            return STEP_DOC;
        }
    }
}

/* Prepares reading from the beginning. */
static void rewind_lines(struct reader *r)
{
    if (r->records.in != NULL) {
        records_finish(&r->records);
        stream_close(&r->stream);
    }
    stream_open(&r->stream, r->fd, name_compression(r->lane->path), expansion_limit(r), &r->err);
    records_init(&r->records, r->format, &r->stream, (size_t)r->conf->clean_max_bytes);
    r->records.fields = r->conf->clean_fields;
}

static enum step resume_step(struct reader *r, tm_resume_fn *resume, void *arg, bool *ret_dead)
{
    if (r->lane->name == NULL && !name_lane(r))
        return STEP_NOMEM;
    /* A sink that cannot tell is asked to store everything again, under the same names. */
    if (r->lane->leftover && resume != NULL &&
        resume(arg, r->lane->name, r->lane->many, &r->resume, NULL) != TM_OK)
        r->resume = (struct tm_resume){0};
    if (r->resume.done) {
        *ret_dead = r->resume.dead;
        r->phase = PHASE_END;
        return STEP_RESUMED;
    }
    r->phase = PHASE_READ;
    if (r->lane->many && r->err.status == TM_OK) {
        rewind_lines(r);
        r->phase = PHASE_SKIP;
    }
    return STEP_GO;
}

static enum step skip_step(struct reader *r)
{
    size_t budget = SLICE;
    enum jsonl_result at =
        records_skip(&r->records, r->resume.input_offset, r->resume.next, &budget, &r->err);
    if (at == JSONL_AGAIN)
        return STEP_AGAIN;
    if (at == JSONL_LINE) {
        r->seq = r->resume.next;
    } else {
        /* Shorter than what the sink has seen of it: not the same reading, so start again. */
        r->err = (struct tm_err){0};
        rewind_lines(r);
    }
    r->phase = PHASE_READ;
    return STEP_GO;
}

enum step reader_step(struct reader *r, tm_resume_fn *resume, void *arg, struct tm_doc **ret_doc,
                      bool *ret_dead)
{
    switch (r->phase) {
    case PHASE_HASH:
        return hash_step(r);
    case PHASE_RESUME:
        return resume_step(r, resume, arg, ret_dead);
    case PHASE_SKIP:
        return skip_step(r);
    case PHASE_READ:
        return r->lane->many ? read_line(r, ret_doc) : read_document(r, ret_doc);
    case PHASE_END:
        break;
    }
    tm_assert(false); /* no record after the last */
    return STEP_NOMEM;
}
