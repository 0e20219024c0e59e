/* The spool source: a folder that files are put into (tm_source_ops).
 *
 * service, take and at_end run on the source thread; commit runs on the delivery thread. They share
 * the table of lanes, under its lock, and nothing else: each thread has a mover of its own. Files
 * of an earlier run, found in active/INSTANCE, come first; then what the scans find, by path, one
 * file after the other. */
#include "spool.h"
#include "names.h"
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct spool {
    const struct tm_conf *conf;
    tm_resume_fn *resume;
    void *resume_arg;
    char *active; /* "active/INSTANCE" */
    int lock_fd;
    struct mover hands;        /* source thread */
    struct mover commit_hands; /* delivery thread */

    /* source thread */
    struct scan scan;
    char **leftovers;
    size_t n_leftovers, next_leftover;
    struct lane *lane; /* being read; in the table once `published` */
    struct reader *reader;
    bool published;
    struct tm_err lane_err; /* why it cannot be read */
    struct tm_err trouble;  /* told by the next service */
    bool starved;           /* the last take stopped for want of memory */
    uint64_t taken;         /* records handed out */
    int64_t lane_size;      /* bytes of the present lane's file */
    _Atomic uint64_t total; /* taken and still to come, as far as known; read by any thread */

    /* lanes[i] is lane first_id + i; NULL: ended */
    pthread_mutex_t lock;
    struct lane **lanes;
    size_t n_lanes, room;
    uint64_t first_id;
};

static void lane_free(struct lane *l)
{
    if (l == NULL)
        return;
    free(l->path);
    free(l->name);
    free(l);
}

/* ---- the table of lanes ---- */

/* Gives the lane its number; false when memory is short. */
static bool lanes_add(struct spool *sp, struct lane *l)
{
    pthread_mutex_lock(&sp->lock);
    size_t gone = 0;
    while (gone < sp->n_lanes && sp->lanes[gone] == NULL)
        gone++;
    if (gone > sp->n_lanes / 2) {
        sp->n_lanes -= gone;
        sp->first_id += gone;
        memmove(sp->lanes, sp->lanes + gone, sp->n_lanes * sizeof *sp->lanes);
    }
    if (sp->n_lanes == sp->room) {
        size_t room = sp->room == 0 ? 256 : sp->room * 2;
        struct lane **more = reallocarray(sp->lanes, room, sizeof(struct lane *));
        if (more != NULL) {
            sp->lanes = more;
            sp->room = room;
        }
    }
    bool fits = sp->n_lanes < sp->room;
    if (fits) {
        l->id = sp->first_id + sp->n_lanes;
        sp->lanes[sp->n_lanes++] = l;
    }
    pthread_mutex_unlock(&sp->lock);
    return fits;
}

/* NULL when it is not there (any more). Only commit and drop_lane remove, each its own lanes. */
static struct lane *lanes_find(struct spool *sp, uint64_t id)
{
    struct lane *l = NULL;
    pthread_mutex_lock(&sp->lock);
    if (id >= sp->first_id && id - sp->first_id < sp->n_lanes)
        l = sp->lanes[id - sp->first_id];
    pthread_mutex_unlock(&sp->lock);
    return l;
}

static void lanes_remove(struct spool *sp, struct lane *l)
{
    pthread_mutex_lock(&sp->lock);
    sp->lanes[l->id - sp->first_id] = NULL;
    pthread_mutex_unlock(&sp->lock);
    lane_free(l);
}

/* ---- life ---- */

static void spool_destroy(void *self)
{
    struct spool *sp = self;
    if (sp == NULL)
        return;
    reader_destroy(sp->reader);
    if (!sp->published)
        lane_free(sp->lane);
    for (size_t i = 0; i < sp->n_lanes; i++)
        lane_free(sp->lanes[i]);
    free(sp->lanes);
    for (size_t i = 0; i < sp->n_leftovers; i++)
        free(sp->leftovers[i]);
    free(sp->leftovers);
    scan_finish(&sp->scan);
    mover_finish(&sp->hands);
    mover_finish(&sp->commit_hands);
    tm_closep(&sp->lock_fd);
    pthread_mutex_destroy(&sp->lock);
    free(sp->active);
    free(sp);
}

static void spool_destroyp(struct spool **sp)
{
    spool_destroy(*sp);
}

static enum tm_status open_folders(struct spool *sp, struct tm_err *err)
{
    const char *path = sp->conf->source_spool_path;
    enum tm_status s = mover_init(&sp->hands, path, sp->active, err);
    if (s == TM_OK)
        s = mover_init(&sp->commit_hands, path, sp->active, err);
    if (s != TM_OK)
        return s;
    s = mover_lock(&sp->hands, &sp->lock_fd, err);
    struct tm_folder *folder;
    if (s == TM_OK)
        s = tm_folders_get(sp->hands.fs, sp->active, false, &folder, err);
    if (s == TM_OK)
        s = scan_leftovers(folder->fd, &sp->leftovers, &sp->n_leftovers, err);
    tm_folders_forget(sp->hands.fs);
    return s;
}

static enum tm_status spool_create(void **ret_self, const struct tm_conf *conf,
                                   tm_resume_fn *resume, void *arg, struct tm_err *err)
{
    const char *instance = conf->state_instance;
    if (name_is_temporary(instance) || strchr(instance, '/') != NULL || strlen(instance) > 64)
        return tm_err_set(err, TM_CONFIG, "state.instance '%s' cannot be the name of a folder",
                          instance);
    TM_CLEANUP(spool_destroyp) struct spool *sp = calloc(1, sizeof *sp);
    if (sp == NULL)
        return tm_err_set(err, TM_NOMEM, "spool %s", conf->source_spool_path);
    sp->conf = conf;
    sp->resume = resume;
    sp->resume_arg = arg;
    sp->lock_fd = sp->scan.inotify = -1;
    sp->first_id = 1;
    pthread_mutex_init(&sp->lock, NULL);
    struct tm_buf active = {0};
    if (!tm_buf_printf(&active, "active/%s", instance))
        return tm_err_set(err, TM_NOMEM, "spool %s", conf->source_spool_path);
    sp->active = active.data;
    enum tm_status s = open_folders(sp, err);
    if (s != TM_OK)
        return s;
    scan_init(&sp->scan, conf);
    *ret_self = TM_TAKE(sp);
    return TM_OK;
}

/* ---- the next file ---- */

/* Makes path the present lane; false when memory is short. */
static bool begin_lane(struct spool *sp, const char *path, bool claimed, bool leftover)
{
    struct lane *l = calloc(1, sizeof *l);
    if (l == NULL || (l->path = strdup(path)) == NULL) {
        lane_free(l);
        return false;
    }
    l->claimed = claimed;
    l->leftover = leftover;
    sp->lane = l;
    sp->published = false;
    return true;
}

/* What came between a look and the claim: true when the file is to be read now. */
static bool still_the_same(struct spool *sp, const struct found *f, const struct stat *st)
{
    int64_t mtime_ns = (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
    return sp->conf->source_spool_settle_ms == 0 ||
           (st->st_size == f->size && mtime_ns == f->mtime_ns);
}

static const struct reason link_reason = {.code = "E_UNSUPPORTED",
                                          .stage = "source",
                                          .message = "is a symbolic link; it was not followed"};

/* Looks whether the claimed file is the one the scan saw. If not it goes back and is found again.
 */
static bool claimed_in_time(struct spool *sp, struct found *f)
{
    struct tm_folder *folder;
    const char *name;
    struct stat st;
    struct tm_buf full = {0};
    bool same = true;
    if (tm_buf_printf(&full, "%s/%s", sp->active, f->path) &&
        tm_folders_of(sp->hands.fs, full.data, false, &folder, &name, NULL) == TM_OK &&
        fstatat(folder->fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
        same = still_the_same(sp, f, &st);
    tm_buf_finish(&full);
    return same || !mover_unclaim(&sp->hands, f->path);
}

/* Claims one file of the scan; true when it became the present lane. */
static bool claim_found(struct spool *sp, struct found *f)
{
    struct tm_err err = {0};
    if (f->link) {
        f->gone = true;
        if (mover_end(&sp->hands, f->path, false, &link_reason, &err) == TM_OK)
            return false;
        f->gone = f->stuck = true;
        tm_err_set(&sp->trouble, err.status, "%s", err.text);
        return false;
    }
    switch (mover_claim(&sp->hands, f->path, &err)) {
    case CLAIM_GONE:
        f->gone = true;
        return false;
    case CLAIM_BUSY: /* the next look finds it again */
        if (err.status != TM_OK)
            tm_err_set(&sp->trouble, err.status, "%s: %s", f->path, err.text);
        return false;
    case CLAIM_FAILED:
        f->gone = f->stuck = true;
        sp->lane_err = err;
        return begin_lane(sp, f->path, false, false);
    case CLAIM_OK:
        break;
    }
    if (!claimed_in_time(sp, f))
        return false;
    f->gone = true;
    /* Without memory the file stays claimed; a later start finds it as a leftover. */
    if (begin_lane(sp, f->path, true, false))
        return true;
    f->gone = !mover_unclaim(&sp->hands, f->path);
    return false;
}

/* Chooses the next file; false when there is none for now. */
static bool next_lane(struct spool *sp)
{
    sp->lane_err = (struct tm_err){0};
    if (sp->next_leftover < sp->n_leftovers) {
        if (!begin_lane(sp, sp->leftovers[sp->next_leftover], true, true))
            return false;
        sp->next_leftover++;
        return true;
    }
    for (struct found *f; (f = scan_next(&sp->scan)) != NULL;)
        if (claim_found(sp, f))
            return true;
    return false;
}

/* Ends the present lane without a record: removed in the meantime, or delivered already. */
static void drop_lane(struct spool *sp)
{
    reader_destroy(TM_TAKE(sp->reader));
    if (sp->published)
        lanes_remove(sp, sp->lane);
    else
        lane_free(sp->lane);
    sp->lane = NULL;
}

/* Opens the present lane's file; false when it is not to be read (now). */
static bool open_lane(struct spool *sp)
{
    struct stat st = {0};
    int fd = -1;
    struct lane *l = sp->lane;
    if (l->claimed && sp->lane_err.status == TM_OK) {
        enum tm_status s = mover_open(&sp->hands, l->path, &fd, &st, &sp->lane_err);
        if (s == TM_NOTFOUND) {
            drop_lane(sp);
            return false;
        }
        if (s == TM_NOMEM) {
            sp->lane_err = (struct tm_err){0};
            return false;
        }
        if (s == TM_UNSUPPORTED) {
            mover_end(&sp->hands, l->path, true, &link_reason, &sp->trouble);
            drop_lane(sp);
            return false;
        }
    }
    sp->reader = reader_create(sp->conf, l, fd, &st, &sp->lane_err);
    if (sp->reader == NULL)
        return false;
    sp->lane_size = st.st_size;
    if (!sp->published && !lanes_add(sp, l)) {
        reader_destroy(TM_TAKE(sp->reader));
        return false;
    }
    sp->published = true;
    return true;
}

/* A leftover whose results are in place: finishes the move that the crash prevented. */
static void finish_leftover(struct spool *sp, bool dead)
{
    static const struct reason reason = {
        .message = "failed in an earlier run; its dead letter has the reason"};
    struct lane *l = sp->lane;
    if (mover_end(&sp->hands, l->path, true, dead && !l->many ? &reason : NULL, &sp->trouble) ==
        TM_OK)
        mover_sync(&sp->hands, &sp->trouble);
    drop_lane(sp);
}

/* What is known after this record: files not yet opened count one each, and the rest of a file of
 * lines goes by its bytes so far. Compressed lines cannot be foreseen: 0, not known. */
static void set_total(struct spool *sp, const struct tm_record *rec)
{
    uint64_t left = sp->scan.n - sp->scan.next + sp->n_leftovers - sp->next_leftover;
    uint64_t read = rec->end_offset, size = (uint64_t)sp->lane_size;
    bool known = rec->last || name_compression(rec->path) == PLAIN;
    if (!rec->last && read > 0 && size > read)
        left += (size - read) * (rec->seq + 1) / read;
    atomic_store_explicit(&sp->total, known ? sp->taken + left : 0, memory_order_relaxed);
}

static uint64_t spool_total(void *self)
{
    struct spool *sp = self;
    return atomic_load_explicit(&sp->total, memory_order_relaxed);
}

static size_t spool_take(void *self, struct tm_doc **out, size_t max)
{
    struct spool *sp = self;
    size_t n = 0;
    while (n < max) {
        if (sp->lane == NULL && !next_lane(sp))
            break;
        if (sp->reader == NULL && !open_lane(sp)) {
            if (sp->lane == NULL)
                continue;
            sp->starved = true;
            break;
        }
        bool dead = false;
        switch (reader_step(sp->reader, sp->resume, sp->resume_arg, &out[n], &dead)) {
        case STEP_DOC:
            sp->taken++;
            set_total(sp, &out[n]->rec);
            if (out[n++]->rec.last) {
                reader_destroy(TM_TAKE(sp->reader));
                sp->lane = NULL; /* from here on commit's, through the table */
            }
            break;
        case STEP_GO:
            break;
        case STEP_NOMEM:
            sp->starved = true;
            return n;
        case STEP_AGAIN:
            return n;
        case STEP_RESUMED:
            finish_leftover(sp, dead);
            break;
        }
    }
    return n;
}

static bool has_work(struct spool *sp)
{
    return sp->lane != NULL || sp->next_leftover < sp->n_leftovers || sp->scan.next < sp->scan.n;
}

/* One file's trouble is to be told, not to end the run: its status is made one that passes. */
static enum tm_status tell_trouble(struct spool *sp, struct tm_err *err)
{
    enum tm_status s = tm_status_retry(sp->trouble.status) ? sp->trouble.status : TM_IO;
    tm_err_set(err, s, "%s", sp->trouble.text);
    sp->trouble = (struct tm_err){0};
    return s;
}

static enum tm_status spool_service(void *self, unsigned wait_ms, struct tm_err *err)
{
    struct spool *sp = self;
    if (sp->trouble.status != TM_OK)
        return tell_trouble(sp, err);
    if (sp->starved)
        poll(NULL, 0, (int)TM_MIN(wait_ms, 50u));
    sp->starved = false;
    if (has_work(sp))
        return TM_OK;
    scan_wait(&sp->scan, wait_ms);
    if (!scan_is_due(&sp->scan))
        return TM_OK;
    enum tm_status synced = mover_sync(&sp->hands, err);
    enum tm_status s = scan_run(&sp->scan, sp->hands.fs, err);
    return s != TM_OK ? s : synced;
}

static bool spool_at_end(void *self)
{
    struct spool *sp = self;
    return sp->lane == NULL && sp->next_leftover == sp->n_leftovers && scan_at_end(&sp->scan);
}

/* ---- commit ---- */

/* The dead letter of a one-document lane in this release; docs come in the order of the progress
 * more often than not, so *hint makes the search short. */
static const struct tm_doc *dead_doc(const struct tm_release *release, uint64_t lane, size_t *hint)
{
    for (size_t i = 0; i < release->n_docs; i++) {
        size_t k = (*hint + i) % release->n_docs;
        const struct tm_doc *d = release->docs[k];
        if (d->rec.lane != lane)
            continue;
        *hint = k + 1;
        return d->err.status != TM_OK ? d : NULL;
    }
    return NULL;
}

static enum tm_status end_lane(struct spool *sp, const struct lane *l, const struct tm_doc *dead,
                               struct tm_err *err)
{
    if (!l->claimed)
        return TM_OK;
    if (dead == NULL)
        return mover_end(&sp->commit_hands, l->path, true, NULL, err);
    struct reason reason = {.code = tm_status_code(dead->err.status),
                            .stage = dead->err_stage,
                            .message = dead->err.text};
    return mover_end(&sp->commit_hands, l->path, true, &reason, err);
}

static enum tm_status spool_commit(void *self, const struct tm_release *release, struct tm_err *err)
{
    struct spool *sp = self;
    enum tm_status s = TM_OK;
    size_t hint = 0;
    for (size_t i = 0; s == TM_OK && i < release->n_progress; i++) {
        const struct tm_progress *p = &release->progress[i];
        struct lane *l = p->ended ? lanes_find(sp, p->lane) : NULL;
        if (l == NULL)
            continue; /* goes on, or was committed by an earlier try */
        const struct tm_doc *dead = l->many ? NULL : dead_doc(release, p->lane, &hint);
        s = end_lane(sp, l, dead, err);
        if (s == TM_OK)
            lanes_remove(sp, l);
    }
    enum tm_status synced = mover_sync(&sp->commit_hands, err);
    return s != TM_OK ? s : synced;
}

const struct tm_source_ops tm_source_spool = {
    .name = "spool",
    .create = spool_create,
    .service = spool_service,
    .take = spool_take,
    .commit = spool_commit,
    .at_end = spool_at_end,
    .total = spool_total,
    .destroy = spool_destroy,
};
