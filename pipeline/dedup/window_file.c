/* The file of the window (window_file.h). Under dedup.c's lock, in a folder whose lock the attempt
 * journal holds.
 *
 * A head, then a record an entry: its fixed part, which carries a hash of all of it, and its id. A
 * record that is cut short or does not match ends the reading; the file is written anew, with what
 * the window holds, when it is opened and when it has grown to twice the window. */
#include "window_file.h"

#include "tm_folders.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ID_MOST = 4096 };

/* The second half changes with whatever makes the numbers of another program meaningless. */
static const char magic[16] = "textmill.window";
struct file_head {
    char magic[16];
    uint64_t record_size, minima, hash_of_magic;
};

struct record {
    uint64_t check; /* hash of the rest and the id */
    uint64_t identity, words[2];
    uint32_t n_shingles, id_len;
    uint32_t minima[SIGNATURE_MINIMA];
};

struct window_file {
    int fd;
    off_t end;
    size_t records;
    char *path, *fresh_path;
    struct tm_buf noted;
};

static uint64_t check_of(const struct record *r, const char *id)
{
    const size_t skip = sizeof r->check;
    return tm_hash(id, r->id_len, tm_hash((const char *)r + skip, sizeof *r - skip, 1));
}

static struct file_head make_head(void)
{
    struct file_head h = {.record_size = sizeof(struct record),
                          .minima = SIGNATURE_MINIMA,
                          .hash_of_magic = tm_hash(magic, sizeof magic, 7)};
    memcpy(h.magic, magic, sizeof magic);
    return h;
}

/* ---- reading ---- */

static bool read_record(FILE *in, struct record *r, char id[ID_MOST + 1])
{
    if (fread(r, sizeof *r, 1, in) != 1 || r->id_len > ID_MOST ||
        (r->id_len > 0 && fread(id, r->id_len, 1, in) != 1))
        return false;
    id[r->id_len] = '\0';
    return check_of(r, id) == r->check;
}

static enum tm_status read_entries(FILE *in, struct window *w, struct tm_err *err)
{
    struct file_head head, own = make_head();
    struct record r;
    char id[ID_MOST + 1];
    if (fread(&head, sizeof head, 1, in) != 1 || memcmp(&head, &own, sizeof head) != 0)
        return TM_OK;
    while (read_record(in, &r, id)) {
        struct signature s = {.words = {r.words[0], r.words[1]}, .n_shingles = r.n_shingles};
        memcpy(s.minima, r.minima, sizeof s.minima);
        uint64_t number = window_add(w, &s, r.identity, id);
        if (number == 0)
            return tm_err_set(err, TM_NOMEM, "the window of dedup");
        window_at(w, number)->state = ENTRY_WELL;
    }
    return TM_OK;
}

static enum tm_status read_file(const char *path, struct window *w, struct tm_err *err)
{
    FILE *in = fopen(path, "rbe");
    if (in == NULL)
        return errno == ENOENT ? TM_OK : tm_err_errno(err, errno, "%s", path);
    enum tm_status s = read_entries(in, w, err);
    fclose(in);
    return s;
}

/* ---- writing ---- */

static void put_record(struct tm_buf *b, const struct entry *e)
{
    struct record r = {.identity = e->identity,
                       .words = {e->signature.words[0], e->signature.words[1]},
                       .n_shingles = e->signature.n_shingles,
                       .id_len = (uint32_t)strlen(e->id)};
    memcpy(r.minima, e->signature.minima, sizeof r.minima);
    r.check = check_of(&r, e->id);
    tm_buf_append(b, &r, sizeof r);
    tm_buf_append(b, e->id, r.id_len);
}

void window_file_note(struct window_file *f, const struct entry *e)
{
    if (strlen(e->id) > ID_MOST)
        return;
    put_record(&f->noted, e);
    f->records++;
}

static enum tm_status write_noted(struct window_file *f, struct tm_err *err)
{
    if (f->noted.failed)
        return tm_err_set(err, TM_NOMEM, "%s", f->path);
    int failed = f->noted.len > 0 ? tm_write_all(f->fd, f->noted.data, f->noted.len, f->end) : 0;
    f->end += failed == 0 ? (off_t)f->noted.len : 0;
    tm_buf_clear(&f->noted); /* what could not be written is forgotten */
    return failed == 0 ? TM_OK : tm_err_errno(err, failed, "%s", f->path);
}

/* A fresh file with the entries that have ended well takes the place of the old one. */
static enum tm_status rewrite(struct window_file *f, struct window *w, struct tm_err *err)
{
    const struct file_head head = make_head();
    int fd = open(f->fresh_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return tm_err_errno(err, errno, "%s", f->fresh_path);
    if (f->fd >= 0)
        close(f->fd);
    f->fd = fd;
    f->end = 0;
    f->records = 0;
    tm_buf_finish(&f->noted);
    tm_buf_append(&f->noted, &head, sizeof head);
    enum tm_status s = TM_OK;
    for (uint64_t i = window_oldest(w); s == TM_OK && i < window_next(w); i++) {
        if (window_at(w, i)->state == ENTRY_WELL)
            window_file_note(f, window_at(w, i));
        if (f->noted.len > (1 << 20))
            s = write_noted(f, err);
    }
    if (s == TM_OK)
        s = write_noted(f, err);
    if (s == TM_OK && rename(f->fresh_path, f->path) < 0)
        s = tm_err_errno(err, errno, "%s", f->path);
    return s;
}

enum tm_status window_file_flush(struct window_file *f, struct window *w, struct tm_err *err)
{
    uint64_t held = window_next(w) - window_oldest(w);
    if (f->records > 2 * held + 1024)
        return rewrite(f, w, err);
    return write_noted(f, err);
}

static void closep(struct window_file **f)
{
    window_file_close(*f);
}

enum tm_status window_file_open(const char *dir, const char *instance, struct window *w,
                                struct window_file **ret_file, struct tm_err *err)
{
    TM_CLEANUP(closep) struct window_file *f = calloc(1, sizeof *f);
    if (f == NULL)
        return tm_err_set(err, TM_NOMEM, "the window of dedup");
    f->fd = -1;
    if (asprintf(&f->path, "%s/%s.window", dir, instance) < 0)
        f->path = NULL;
    if (asprintf(&f->fresh_path, "%s/%s.window.new", dir, instance) < 0)
        f->fresh_path = NULL;
    if (f->path == NULL || f->fresh_path == NULL)
        return tm_err_set(err, TM_NOMEM, "the window of dedup");
    enum tm_status s = read_file(f->path, w, err);
    if (s == TM_OK)
        s = rewrite(f, w, err);
    if (s != TM_OK)
        return s;
    *ret_file = TM_TAKE(f);
    return TM_OK;
}

void window_file_close(struct window_file *f)
{
    if (f == NULL)
        return;
    if (f->fd >= 0)
        close(f->fd);
    tm_buf_finish(&f->noted);
    free(f->path);
    free(f->fresh_path);
    free(f);
}
