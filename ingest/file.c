/* The documents of one file, for verbs that have no pipeline: whatever a spool would make of it.
 * Called on the verb's threads, each with files of its own. */
#include "records.h"
#include "tm_folders.h"
#include "tm_ingest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct tm_file {
    int fd;
    size_t cap;
    const struct format *format; /* NULL: one document */
    struct stream stream;
    struct records records;
    struct tm_buf bytes;
    bool ended;
};

enum tm_status tm_file_open(const char *path, const struct tm_conf *conf, struct tm_file **ret_file,
                            struct tm_err *err)
{
    char head[4096];
    struct stat st;
    struct tm_file *f = calloc(1, sizeof *f);
    if (f == NULL)
        return tm_err_set(err, TM_NOMEM, "no memory to open %s", path);
    f->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (f->fd < 0 || fstat(f->fd, &st) < 0) {
        enum tm_status s = tm_err_errno(err, errno, "cannot open");
        tm_file_close(f);
        return s;
    }
    enum compression how = name_compression(path);
    f->cap = (size_t)conf->clean_max_bytes;
    f->format = format_of_name(path);
    ssize_t n = f->format == NULL && how == PLAIN ? pread(f->fd, head, sizeof head, 0) : 0;
    if (n > 0)
        f->format = format_of_bytes(head, (size_t)n);
    uint64_t most = (uint64_t)st.st_size * (uint64_t)conf->source_spool_max_expansion;
    enum tm_status s = stream_open(&f->stream, f->fd, how, TM_MAX(most, (uint64_t)1 << 20), err);
    if (s == TM_OK && f->format != NULL)
        records_init(&f->records, f->format, &f->stream, f->cap);
    f->records.fields = conf->clean_fields;
    if (s != TM_OK)
        tm_file_close(f);
    else
        *ret_file = f;
    return s;
}

void tm_file_close(struct tm_file *f)
{
    if (f == NULL)
        return;
    records_finish(&f->records);
    stream_close(&f->stream);
    tm_buf_finish(&f->bytes);
    tm_closep(&f->fd);
    free(f);
}

static enum tm_status read_one(struct tm_file *f, struct tm_file_record *ret, struct tm_err *err)
{
    enum { CHUNK = 65536 };
    size_t n = 1;
    while (n > 0 && f->bytes.len <= f->cap) {
        if (!tm_buf_reserve(&f->bytes, CHUNK))
            return tm_err_set(err, TM_NOMEM, "no memory to read it");
        enum tm_status s = stream_read(&f->stream, f->bytes.data + f->bytes.len, CHUNK, &n, err);
        if (s != TM_OK)
            return s;
        f->bytes.len += n;
    }
    if (f->bytes.len > f->cap)
        return tm_err_set(err, TM_TOOLARGE, "more than %zu bytes", f->cap);
    *ret = (struct tm_file_record){.data = f->bytes.data == NULL ? "" : f->bytes.data,
                                   .len = f->bytes.len};
    return TM_OK;
}

enum tm_status tm_file_next(struct tm_file *f, struct tm_file_record *ret, struct tm_err *err)
{
    size_t budget = SIZE_MAX;
    if (f->ended)
        return TM_CLOSED;
    if (f->format == NULL) {
        f->ended = true;
        return read_one(f, ret, err);
    }
    enum jsonl_result got = records_next(&f->records, &budget, err);
    *ret = (struct tm_file_record){
        .data = f->records.text, .len = f->records.len, .line = f->records.number};
    f->ended = got == JSONL_END || got == JSONL_ERROR;
    if (got == JSONL_ERROR)
        return err != NULL ? err->status : TM_BADINPUT;
    if (got == JSONL_LONG) {
        enum tm_status s = f->records.why.status;
        return tm_err_set(err, s, "%s", f->records.why.text);
    }
    return got == JSONL_END ? TM_CLOSED : TM_OK;
}
