/* Many-document files (many.h). Called by files.c under its lock.
 *
 * While a lane goes on, its results grow in NAME.jsonl.part and its dead letters likewise; the
 * final names appear when it has ended. Order: append and sync both, then the checkpoint {next
 * record, input offset, both lengths, ended}, then (ended) the two renames. The checkpoint decides:
 * whatever the files hold beyond it is overwritten or cut off, and a checkpoint that says `ended`
 * makes a restart finish the renames. With one file a result there is no NAME.jsonl, all else is
 * the same. */
#include "many.h"
#include "deadletter.h"
#include "place.h"
#include "sweep.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The files of one lane; dead and results are without ".part". */
struct names {
    char *results, *dead, *checkpoint;
};

struct many {
    uint64_t lane;
    char *name;
    struct names names;
    struct checkpoint stored, coming;
    bool fresh;   /* nothing is stored yet: leftovers of earlier runs are to be removed */
    bool touched; /* by this release */
    struct tm_buf results, dead;
};

static const char part[] = ".part";

static void names_finish(struct names *n)
{
    free(n->results);
    free(n->dead);
    free(n->checkpoint);
    *n = (struct names){0};
}

static bool names_init(struct names *n, const struct output *o, const char *lane)
{
    struct tm_buf b = {0};
    tm_buf_puts(&b, ".textmill/");
    place_put(&b, lane, ".checkpoint", NULL);
    n->checkpoint = b.failed ? NULL : TM_TAKE(b.data);
    tm_buf_finish(&b);
    n->results = place_make(lane, ".jsonl", o->reserved);
    n->dead = place_make(lane, ".jsonl", NULL);
    return n->checkpoint != NULL && n->results != NULL && n->dead != NULL;
}

static void many_free(struct many *m)
{
    if (m == NULL)
        return;
    names_finish(&m->names);
    tm_buf_finish(&m->results);
    tm_buf_finish(&m->dead);
    free(m->name);
    free(m);
}

static void many_freep(struct many **m)
{
    many_free(*m);
}

void many_set_finish(struct many_set *ms)
{
    for (size_t i = 0; i < ms->n; i++)
        many_free(ms->lanes[i]);
    free(ms->lanes);
    for (size_t i = 0; i < ms->n_spent; i++)
        free(ms->spent[i]);
    free(ms->spent);
    *ms = (struct many_set){0};
}

void many_set_reset(struct many_set *ms)
{
    for (size_t i = 0; i < ms->n; i++) {
        struct many *m = ms->lanes[i];
        m->coming = m->stored;
        m->touched = false;
        tm_buf_clear(&m->results);
        tm_buf_clear(&m->dead);
    }
}

/* ---- files ---- */

static void unlink_at(struct tm_folders *fs, const char *path, const char *suffix)
{
    struct tm_folder *folder;
    const char *name;
    char full[NAME_MAX + 1];
    if (tm_folders_of(fs, path, false, &folder, &name, NULL) != TM_OK)
        return;
    snprintf(full, sizeof full, "%s%s", name, suffix);
    if (unlinkat(folder->fd, full, 0) == 0)
        folder->dirty = true;
}

/* Opens PATH.part for writing; a new one marks its folder dirty. */
static enum tm_status open_part(struct tm_folders *fs, const char *path, bool make, int *ret_fd,
                                struct tm_err *err)
{
    struct tm_folder *folder;
    const char *name;
    char full[NAME_MAX + 1];
    enum tm_status s = tm_folders_of(fs, path, make, &folder, &name, err);
    if (s != TM_OK)
        return s;
    snprintf(full, sizeof full, "%s%s", name, part);
    int flags = O_RDWR | O_NOFOLLOW | O_CLOEXEC | (make ? O_CREAT : 0);
    int fd = openat(folder->fd, full, flags, 0666);
    if (fd < 0)
        return tm_err_errno(err, errno, "cannot open %s/%s%s", tm_folders_path(fs), path, part);
    folder->dirty = folder->dirty || make;
    *ret_fd = fd;
    return TM_OK;
}

/* Writes b at the end of what is stored, cuts off anything beyond. */
static enum tm_status append(struct output *o, struct tm_folders *fs, const char *path,
                             const struct tm_buf *b, uint64_t at, struct tm_err *err)
{
    TM_CLEANUP(tm_closep) int fd = -1;
    enum tm_status s = open_part(fs, path, true, &fd, err);
    if (s != TM_OK)
        return s;
    int e = tm_write_all(fd, b->data, b->len, (off_t)at);
    if (e == 0 && ftruncate(fd, (off_t)(at + b->len)) < 0)
        e = errno;
    if (e != 0)
        return tm_err_errno(err, e, "cannot write %s/%s%s", tm_folders_path(fs), path, part);
    return group_add(o->group, fs, &fd, err);
}

/* Cuts PATH.part to n bytes; false when it has fewer. */
static bool cut_part(struct tm_folders *fs, const char *path, uint64_t n)
{
    TM_CLEANUP(tm_closep) int fd = -1;
    struct stat st;
    if (open_part(fs, path, false, &fd, NULL) != TM_OK)
        return n == 0;
    return fstat(fd, &st) == 0 && (uint64_t)st.st_size >= n && ftruncate(fd, (off_t)n) == 0;
}

/* PATH.part becomes PATH; no harm when that has happened before. */
static enum tm_status finish_part(struct tm_folders *fs, const char *path, struct tm_err *err)
{
    struct tm_folder *folder;
    const char *name;
    char full[NAME_MAX + 1];
    enum tm_status s = tm_folders_of(fs, path, false, &folder, &name, err);
    if (s != TM_OK)
        return s;
    snprintf(full, sizeof full, "%s%s", name, part);
    if (renameat(folder->fd, full, folder->fd, name) < 0 &&
        (errno != ENOENT || faccessat(folder->fd, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0))
        return tm_err_errno(err, errno, "cannot rename %s/%s%s", tm_folders_path(fs), path, part);
    folder->dirty = true;
    return TM_OK;
}

/* The final names of a lane whose checkpoint says `ended`. */
static enum tm_status finish_names(struct output *o, const struct names *n,
                                   const struct checkpoint *c, struct tm_err *err)
{
    enum tm_status s = o->document_always ? TM_OK : finish_part(o->out, n->results, err);
    if (s == TM_OK && c->dead_bytes > 0)
        s = finish_part(o->dead, n->dead, err);
    if (c->dead_bytes == 0) { /* those of an earlier run of the same file */
        unlink_at(o->dead, n->dead, part);
        unlink_at(o->dead, n->dead, "");
    }
    if (s == TM_OK)
        s = tm_folders_sync(o->out, err);
    return s == TM_OK ? tm_folders_sync(o->dead, err) : s;
}

/* ---- a release ---- */

static struct many *find(const struct many_set *ms, uint64_t lane)
{
    for (size_t i = ms->n; i-- > 0;)
        if (ms->lanes[i]->lane == lane)
            return ms->lanes[i];
    return NULL;
}

/* A lane met for the first time in this process: new, or gone on with from its checkpoint. */
static enum tm_status add(struct many_set *ms, struct output *o, const struct tm_doc *doc,
                          struct many **ret, struct tm_err *err)
{
    if (ms->n == ms->room) {
        size_t room = ms->room == 0 ? 16 : ms->room * 2;
        struct many **more = reallocarray(ms->lanes, room, sizeof(struct many *));
        if (more == NULL)
            return tm_err_set(err, TM_NOMEM, "no memory for output %s", doc->rec.lane_name);
        ms->lanes = more;
        ms->room = room;
    }
    TM_CLEANUP(many_freep) struct many *m = calloc(1, sizeof *m);
    if (m == NULL || !names_init(&m->names, o, doc->rec.lane_name) ||
        (m->name = strdup(doc->rec.lane_name)) == NULL)
        return tm_err_set(err, TM_NOMEM, "no memory for output %s", doc->rec.lane_name);
    m->lane = doc->rec.lane;
    m->fresh = doc->rec.seq == 0;
    if (!m->fresh) {
        struct tm_err why = {0};
        enum tm_status s =
            checkpoint_load(o->out, m->names.checkpoint, o->checkpoint_hash, &m->stored, &why);
        if (s != TM_OK && s != TM_NOTFOUND)
            return tm_err_set(err, s, "%s", why.text);
    }
    m->coming = m->stored;
    ms->lanes[ms->n++] = m;
    *ret = TM_TAKE(m);
    return TM_OK;
}

static enum tm_status gather_result(struct many *m, struct output *o, const struct tm_doc *doc,
                                    struct tm_err *err)
{
    if (!o->document_always) {
        tm_buf_append(&m->results, doc->output, doc->output_len);
        tm_buf_putc(&m->results, '\n');
        return TM_OK;
    }
    char suffix[40];
    snprintf(suffix, sizeof suffix, "-%llu.json", (unsigned long long)doc->rec.seq);
    struct tm_buf path = {0};
    enum tm_status s =
        place_put(&path, doc->rec.lane_name, suffix, o->reserved)
            ? group_put(o->group, o->out, path.data, doc->output, doc->output_len, err)
            : tm_err_set(err, TM_NOMEM, "no memory for output %s", m->name);
    tm_buf_finish(&path);
    return s;
}

enum tm_status many_gather(struct many_set *ms, struct output *o, const struct tm_doc *doc,
                           struct tm_err *err)
{
    enum tm_status s = TM_OK;
    struct many *m = find(ms, doc->rec.lane);
    if (m == NULL)
        s = add(ms, o, doc, &m, err);
    if (s != TM_OK)
        return s;
    m->touched = true;
    if (doc->rec.seq < m->coming.next)
        return TM_OK; /* stored by an earlier try at this release */
    if (doc->rec.seq != m->coming.next)
        return tm_err_set(err, TM_CANCELLED, "record %llu of %s does not follow %llu",
                          (unsigned long long)doc->rec.seq, m->name,
                          (unsigned long long)m->coming.next);
    if (doc->err.status == TM_OK) {
        s = gather_result(m, o, doc, err);
    } else {
        deadletter_put(&m->dead, doc, o->config_hash, true);
        tm_buf_putc(&m->dead, '\n');
    }
    m->coming.next = doc->rec.seq + 1;
    m->coming.input_offset = doc->rec.end_offset;
    m->coming.ended = doc->rec.last;
    if (s == TM_OK && (m->results.failed || m->dead.failed))
        s = tm_err_set(err, TM_NOMEM, "no memory for output %s", m->name);
    return s;
}

static enum tm_status write_one(struct many *m, struct output *o, struct tm_err *err)
{
    if (m->fresh) { /* its lengths must never meet the new files */
        unlink_at(o->out, m->names.checkpoint, "");
        m->fresh = false;
    }
    enum tm_status s = TM_OK;
    if (!o->document_always && (m->results.len > 0 || m->coming.ended))
        s = append(o, o->out, m->names.results, &m->results, m->stored.result_bytes, err);
    if (s == TM_OK && m->dead.len > 0)
        s = append(o, o->dead, m->names.dead, &m->dead, m->stored.dead_bytes, err);
    m->coming.result_bytes = m->stored.result_bytes + m->results.len;
    m->coming.dead_bytes = m->stored.dead_bytes + m->dead.len;
    return s;
}

/* Has this release something new for the lane? Else an earlier try has stored it. */
static bool is_new(const struct many *m)
{
    return m->touched && m->coming.next != m->stored.next;
}

enum tm_status many_write(struct many_set *ms, struct output *o, struct tm_err *err)
{
    enum tm_status s = TM_OK;
    for (size_t i = 0; s == TM_OK && i < ms->n; i++)
        if (is_new(ms->lanes[i]))
            s = write_one(ms->lanes[i], o, err);
    return s;
}

static enum tm_status put_checkpoints(struct many_set *ms, struct output *o, size_t *ret_n,
                                      struct tm_err *err)
{
    struct tm_buf b = {0};
    enum tm_status s = TM_OK;
    size_t n = 0;
    for (size_t i = 0; s == TM_OK && i < ms->n; i++) {
        const struct many *m = ms->lanes[i];
        if (!is_new(m))
            continue;
        tm_buf_clear(&b);
        s = checkpoint_put(&b, &m->coming, o->checkpoint_hash)
                ? group_put(o->group, o->out, m->names.checkpoint, b.data, b.len, err)
                : tm_err_set(err, TM_NOMEM, "no memory for checkpoint %s", m->name);
        n++;
    }
    tm_buf_finish(&b);
    *ret_n = n;
    return s;
}

/* Remembers a checkpoint that is of no more use once the source file has moved. Failing to is
 * harmless: the file stays. */
static void add_spent(struct many_set *ms, char **checkpoint)
{
    if (ms->n_spent == ms->room_spent) {
        size_t room = ms->room_spent == 0 ? 16 : ms->room_spent * 2;
        char **more = reallocarray(ms->spent, room, sizeof(char *));
        if (more == NULL)
            return;
        ms->spent = more;
        ms->room_spent = room;
    }
    ms->spent[ms->n_spent++] = TM_TAKE(*checkpoint);
}

static enum tm_status end_lanes(struct many_set *ms, struct output *o, struct tm_err *err)
{
    enum tm_status s = TM_OK;
    for (size_t i = 0; s == TM_OK && i < ms->n; i++)
        if (ms->lanes[i]->stored.ended)
            s = finish_names(o, &ms->lanes[i]->names, &ms->lanes[i]->stored, err);
    if (s != TM_OK)
        return s;
    size_t kept = 0;
    for (size_t i = 0; i < ms->n; i++) {
        struct many *m = ms->lanes[i];
        if (m->stored.ended) {
            add_spent(ms, &m->names.checkpoint);
            many_free(m);
        } else {
            ms->lanes[kept++] = m;
        }
    }
    ms->n = kept;
    return TM_OK;
}

enum tm_status many_store(struct many_set *ms, struct output *o, struct tm_err *err)
{
    size_t n = 0;
    TM_FAULT("before-checkpoint");
    enum tm_status s = put_checkpoints(ms, o, &n, err);
    if (s == TM_OK && n > 0)
        s = group_publish(o->group, err);
    TM_FAULT("after-checkpoint");
    if (s != TM_OK)
        return s;
    for (size_t i = 0; i < ms->n; i++)
        ms->lanes[i]->stored = ms->lanes[i]->coming;
    return end_lanes(ms, o, err);
}

void many_undo(struct many_set *ms, struct output *o)
{
    for (size_t i = 0; i < ms->n; i++) {
        const struct many *m = ms->lanes[i];
        if (!is_new(m))
            continue;
        cut_part(o->out, m->names.results, m->stored.result_bytes);
        cut_part(o->dead, m->names.dead, m->stored.dead_bytes);
    }
}

void many_drop_spent(struct many_set *ms, struct output *o)
{
    while (ms->n_spent > 0) {
        char *path = ms->spent[--ms->n_spent];
        unlink_at(o->out, path, "");
        free(path);
    }
}

/* ---- restart ---- */

static bool is_file(struct tm_folders *fs, const char *path, const char *suffix)
{
    struct tm_folder *folder;
    const char *name;
    struct stat st;
    char full[NAME_MAX + 1];
    if (tm_folders_of(fs, path, false, &folder, &name, NULL) != TM_OK)
        return false;
    snprintf(full, sizeof full, "%s%s", name, suffix);
    return fstatat(folder->fd, full, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode);
}

enum tm_status many_resume(struct many_set *ms, struct output *o, const char *name,
                           struct tm_resume *ret_resume, struct tm_err *err)
{
    struct names names = {0};
    struct checkpoint c = {0};
    struct tm_resume r = {0};
    enum tm_status s = TM_OK;
    if (!names_init(&names, o, name)) {
        names_finish(&names);
        return tm_err_set(err, TM_NOMEM, "no memory for output %s", name);
    }
    if (checkpoint_load(o->out, names.checkpoint, o->checkpoint_hash, &c, NULL) != TM_OK) {
        /* The checkpoint goes away after the end; the final name then is the witness. */
        r.done = !o->document_always && !is_file(o->out, names.checkpoint, "") &&
                 is_file(o->out, names.results, "") && !is_file(o->out, names.results, part);
    } else if (c.ended) {
        s = finish_names(o, &names, &c, err);
        r.done = s == TM_OK;
        add_spent(ms, &names.checkpoint);
    } else if (cut_part(o->out, names.results, c.result_bytes) &&
               cut_part(o->dead, names.dead, c.dead_bytes)) {
        r.next = c.next;
        r.input_offset = c.input_offset;
    }
    names_finish(&names);
    if (s == TM_OK)
        *ret_resume = r;
    return s;
}

static bool is_finished(struct tm_folders *fs, const char *path)
{
    return is_file(fs, path, "") && !is_file(fs, path, part);
}

/* The process ended between the last record of a lane and the removal of its checkpoint. Whether
 * the source file has moved is not known here, but the final names say enough (see many_resume).
 * With one file a result there is no such name, and the few bytes stay. */
static void drop_if_ended(void *arg, const char *path, int fd, const char *name)
{
    static const char suffix[] = ".checkpoint";
    struct output *o = arg;
    struct names names = {0};
    struct checkpoint c = {0};
    size_t n = strlen(path), k = strlen(suffix);
    char *lane = n > k && strcmp(path + n - k, suffix) == 0 ? strndup(path, n - k) : NULL;
    if (lane != NULL && names_init(&names, o, lane) &&
        checkpoint_load(o->out, names.checkpoint, o->checkpoint_hash, &c, NULL) == TM_OK &&
        c.ended && is_finished(o->out, names.results) &&
        (c.dead_bytes == 0 || is_finished(o->dead, names.dead)))
        unlinkat(fd, name, 0);
    names_finish(&names);
    free(lane);
}

void many_sweep(struct output *o)
{
    sweep_walk(o->out, ".textmill", drop_if_ended, o);
}
