/* The files sink: results and dead letters as files (tm_sink_ops).
 *
 * One JSON file a document, NAME.json, or one JSONL file an input file, NAME.jsonl (many.c); dead
 * letters beside them in their own folder. NAME is the lane's delivery identity, so that a repeat
 * overwrites itself. deliver runs on the delivery thread, resume on the source thread; a lock makes
 * them take turns. A release either becomes durable as a whole or is asked for again: temporary
 * files are removed, and writing it twice gives the same names. */
#include "tm_sinks.h"
#include "deadletter.h"
#include "many.h"
#include "place.h"
#include "segments.h"
#include "sweep.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct files {
    pthread_mutex_t lock;
    struct output o;
    struct many_set many;
    const struct tm_conf *conf;
    bool segments; /* documents of topics, whose results share files */
    char *prefix;  /* of temporary names: ".tm-INSTANCE." */
    char *marker;  /* ".textmill/INSTANCE.running" */
};

static void files_destroy(void *self)
{
    struct files *f = self;
    if (f == NULL)
        return;
    group_destroy(f->o.group);
    if (f->o.out != NULL)
        many_drop_spent(&f->many, &f->o);
    many_set_finish(&f->many);
    if (f->marker != NULL && f->o.out != NULL)
        sweep_end(f->o.out, f->marker);
    tm_folders_destroy(f->o.out);
    tm_folders_destroy(f->o.dead);
    free(f->o.config_hash);
    free(f->o.checkpoint_hash);
    free(f->o.reserved);
    free(f->prefix);
    free(f->marker);
    pthread_mutex_destroy(&f->lock);
    free(f);
}

static void files_destroyp(struct files **f)
{
    files_destroy(*f);
}

/* The dead letters' own name below the results' folder, if that is where they lie. */
static char *reserved_name(const char *out, const char *dead)
{
    size_t n = strlen(out);
    if (dead[0] == '\0')
        return strdup("dead");
    if (strncmp(dead, out, n) != 0 || (dead[n] != '/' && (n == 0 || out[n - 1] != '/')))
        return NULL;
    const char *rest = dead + n + strspn(dead + n, "/");
    return rest[0] != '\0' ? strndup(rest, strcspn(rest, "/")) : NULL;
}

static char *joined(const char *a, const char *b, const char *c)
{
    struct tm_buf out = {0};
    tm_buf_puts(&out, a);
    tm_buf_puts(&out, b);
    tm_buf_puts(&out, c);
    if (out.failed)
        tm_buf_finish(&out);
    return out.data;
}

static enum tm_status open_folders(struct files *f, const struct tm_conf *conf, struct tm_err *err)
{
    const char *dead = conf->sink_dead_letters_path;
    enum tm_status s = tm_folders_create(conf->sink_files_path, &f->o.out, err);
    if (s != TM_OK)
        return s;
    char *path = dead[0] != '\0' ? strdup(dead) : joined(conf->sink_files_path, "/", "dead");
    if (path == NULL)
        return tm_err_set(err, TM_NOMEM, "folder for dead letters");
    s = tm_folders_create(path, &f->o.dead, err);
    if (s == TM_OK && faccessat(AT_FDCWD, path, W_OK | X_OK, AT_EACCESS) < 0)
        s = tm_err_errno(err, errno, "cannot write in %s", path);
    free(path);
    return s;
}

/* Claims the folder, and cleans up when the process before this one did not. */
static enum tm_status begin(struct files *f, const struct tm_conf *conf, struct tm_err *err)
{
    bool crashed = false;
    char *marker = joined(".textmill/", conf->state_instance, ".running");
    if (marker == NULL)
        return tm_err_set(err, TM_NOMEM, "sink for %s", conf->sink_files_path);
    enum tm_status s = sweep_begin(f->o.out, marker, &crashed, err);
    if (s != TM_OK) {
        free(marker);
        return s;
    }
    f->marker = marker;
    if (crashed) {
        sweep_walk(f->o.out, "", sweep_temporary, f->prefix);
        sweep_walk(f->o.dead, "", sweep_temporary, f->prefix);
        many_sweep(&f->o);
    }
    return TM_OK;
}

static enum tm_status files_create(void **ret_self, const struct tm_conf *conf,
                                   const char *config_hash, struct tm_err *err)
{
    TM_CLEANUP(files_destroyp) struct files *f = calloc(1, sizeof *f);
    if (f == NULL)
        return tm_err_set(err, TM_NOMEM, "sink for %s", conf->sink_files_path);
    pthread_mutex_init(&f->lock, NULL);
    f->conf = conf;
    f->segments =
        conf->source_kafka_brokers[0] != '\0' && strcmp(conf->sink_files_layout, "document") != 0;
    f->o.jsonl_always = strcmp(conf->sink_files_layout, "jsonl") == 0;
    f->o.document_always = strcmp(conf->sink_files_layout, "document") == 0;
    f->o.config_hash = strdup(config_hash);
    f->o.checkpoint_hash = joined(config_hash, f->o.document_always ? "/document" : "", "");
    f->o.reserved = reserved_name(conf->sink_files_path, conf->sink_dead_letters_path);
    f->prefix = joined(".tm-", conf->state_instance, ".");
    if (f->o.config_hash == NULL || f->o.checkpoint_hash == NULL || f->prefix == NULL ||
        (f->o.group = group_create(f->prefix)) == NULL)
        return tm_err_set(err, TM_NOMEM, "sink for %s", conf->sink_files_path);
    enum tm_status s = open_folders(f, conf, err);
    if (s != TM_OK)
        return s;
    s = begin(f, conf, err);
    if (s != TM_OK)
        return s;
    *ret_self = TM_TAKE(f);
    return TM_OK;
}

/* ---- one document, one file ---- */

static const char *result_suffix(const struct files *f)
{
    return f->o.jsonl_always ? ".jsonl" : ".json";
}

static enum tm_status put_single(struct files *f, const struct tm_doc *doc, struct tm_err *err)
{
    bool dead = doc->err.status != TM_OK;
    struct tm_buf path = {0}, letter = {0};
    bool fits = dead ? place_put(&path, doc->rec.lane_name, ".json", NULL) &&
                           deadletter_put(&letter, doc, f->o.config_hash, doc->rec.topic != NULL)
                     : place_put(&path, doc->rec.lane_name, result_suffix(f), f->o.reserved);
    enum tm_status s;
    if (!fits)
        s = tm_err_set(err, TM_NOMEM, "no memory for output %s", doc->rec.lane_name);
    else if (dead)
        s = group_put(f->o.group, f->o.dead, path.data, letter.data, letter.len, err);
    else
        s = group_put(f->o.group, f->o.out, path.data, doc->output, doc->output_len, err);
    tm_buf_finish(&path);
    tm_buf_finish(&letter);
    return s;
}

/* A document has one end: what an earlier run of the same file left on the other side goes. */
static void remove_other(struct files *f, const struct tm_doc *doc)
{
    bool dead = doc->err.status != TM_OK;
    struct tm_folders *fs = dead ? f->o.out : f->o.dead;
    char *path = dead ? place_make(doc->rec.lane_name, result_suffix(f), f->o.reserved)
                      : place_make(doc->rec.lane_name, ".json", NULL);
    struct tm_folder *folder;
    const char *name;
    if (path != NULL && tm_folders_of(fs, path, false, &folder, &name, NULL) == TM_OK &&
        unlinkat(folder->fd, name, 0) == 0)
        folder->dirty = true;
    free(path);
}

static bool exists(struct tm_folders *fs, const char *path)
{
    struct tm_folder *folder;
    const char *name;
    struct stat st;
    return path != NULL && tm_folders_of(fs, path, false, &folder, &name, NULL) == TM_OK &&
           fstatat(folder->fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode);
}

/* A file of that name is complete, because it came by rename. Both: the process died between the
 * new end and the removal of the old one, and only doing it again tells which is which. */
static void resume_single(struct files *f, const char *lane, struct tm_resume *ret)
{
    char *result = place_make(lane, result_suffix(f), f->o.reserved);
    char *letter = place_make(lane, ".json", NULL);
    bool good = exists(f->o.out, result), dead = exists(f->o.dead, letter);
    *ret = (struct tm_resume){.done = good != dead, .dead = dead && !good};
    free(result);
    free(letter);
}

/* ---- the contract ---- */

/* Everything but the checkpoints and what follows from them. */
static enum tm_status write_outputs(struct files *f, const struct tm_release *release,
                                    struct tm_err *err)
{
    enum tm_status s = f->segments ? segments_put(&f->o, release, err) : TM_OK;
    for (size_t i = 0; !f->segments && s == TM_OK && i < release->n_docs; i++) {
        const struct tm_doc *doc = release->docs[i];
        if (doc->rec.kind == TM_RECORD_TOMBSTONE)
            continue;
        tm_assert(doc->err.status != TM_OK || doc->output != NULL);
        s = doc->rec.many ? many_gather(&f->many, &f->o, doc, err) : put_single(f, doc, err);
    }
    if (s == TM_OK)
        s = many_write(&f->many, &f->o, err);
    if (s == TM_OK)
        s = group_publish(f->o.group, err);
    if (s == TM_OK)
        return TM_OK;
    group_abandon(f->o.group);
    many_undo(&f->many, &f->o);
    return s;
}

static enum tm_status store(struct files *f, const struct tm_release *release, struct tm_err *err)
{
    enum tm_status s = write_outputs(f, release, err);
    if (s != TM_OK)
        return s;
    for (size_t i = 0; i < release->n_docs; i++)
        if (!release->docs[i]->rec.many && !f->segments)
            remove_other(f, release->docs[i]);
    s = tm_folders_sync(f->o.out, err);
    if (s == TM_OK)
        s = tm_folders_sync(f->o.dead, err);
    if (s == TM_OK)
        s = many_store(&f->many, &f->o, err);
    if (s != TM_OK)
        group_abandon(f->o.group);
    return s;
}

static enum tm_delivered files_deliver(void *self, const struct tm_release *release,
                                       struct tm_err *err)
{
    struct files *f = self;
    pthread_mutex_lock(&f->lock);
    many_drop_spent(&f->many, &f->o);
    many_set_reset(&f->many);
    enum tm_status s = store(f, release, err);
    /* Folders may be moved or removed between releases: they are looked up anew. */
    tm_folders_forget(f->o.out);
    tm_folders_forget(f->o.dead);
    pthread_mutex_unlock(&f->lock);
    if (s == TM_CANCELLED)
        return TM_FENCED;
    return s == TM_OK ? TM_STORED : TM_RETRY_LATER;
}

static struct tm_pace files_pace(void *self)
{
    const struct files *f = self;
    if (!f->segments)
        return (struct tm_pace){0};
    return (struct tm_pace){(unsigned)f->conf->sink_files_segment_ms,
                            (size_t)f->conf->sink_files_segment_bytes};
}

static enum tm_status files_resume(void *self, const char *name, bool many,
                                   struct tm_resume *ret_resume, struct tm_err *err)
{
    struct files *f = self;
    enum tm_status s = TM_OK;
    pthread_mutex_lock(&f->lock);
    if (many)
        s = many_resume(&f->many, &f->o, name, ret_resume, err);
    else
        resume_single(f, name, ret_resume);
    tm_folders_forget(f->o.out);
    tm_folders_forget(f->o.dead);
    pthread_mutex_unlock(&f->lock);
    return s;
}

const struct tm_sink_ops tm_sink_files = {
    .name = "files",
    .create = files_create,
    .pace = files_pace,
    .deliver = files_deliver,
    .resume = files_resume,
    .destroy = files_destroy,
};
