/* Scripted source, sink and stages for the tests of the runner (fakes.h). One fake a process: what
 * a vtable's create gets is a configuration, so the object is found through this static. */
#include "fakes.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct fake *the_fake;
static struct tm_metrics metrics;

/* ---- source ---- */

static enum tm_status source_create(void **ret_self, const struct tm_conf *conf,
                                    tm_resume_fn *resume, void *arg, struct tm_err *err)
{
    (void)conf, (void)resume, (void)arg, (void)err;
    struct fake *f = *ret_self = the_fake;
    for (size_t i = 0; i < f->lanes; i++)
        f->lane[i].give = f->lane[i].committed;
    f->outstanding = 0;
    return TM_OK;
}

static void attach(void *self, const struct tm_source_host *host)
{
    struct fake *f = self;
    f->host = host;
}

static enum tm_status service(void *self, unsigned wait_ms, struct tm_err *err)
{
    (void)err;
    struct fake *f = self;
    if (f->take_away) {
        f->host->revoke(f->host->arg, (const uint64_t[]){2}, 1, true, 0);
        f->lane[2].epoch++;
        f->lane[2].give = f->lane[2].delivered = f->lane[2].committed;
        f->take_away = false;
    }
    usleep(wait_ms * 100u);
    return TM_OK;
}

static struct tm_doc *make_doc(struct fake *f, uint64_t i)
{
    struct fake_lane *lane = &f->lane[i];
    struct tm_doc *d = tm_doc_create(4 << 20);
    if (d == NULL)
        abort();
    d->rec.lane = i;
    d->rec.epoch = lane->epoch;
    d->rec.seq = lane->give++;
    d->rec.lane_name = d->rec.path = tm_arena_printf(d->arena, "lane %d", (int)i);
    d->rec.data = tm_arena_alloc(d->arena, f->record_bytes);
    d->rec.len = f->record_bytes;
    d->rec.many = f->records != 1;
    d->rec.last = f->records != 0 && lane->give == f->records;
    return d;
}

static size_t take(void *self, struct tm_doc **out, size_t max)
{
    struct fake *f = self;
    size_t n = 0;
    for (size_t tried = 0; n < max && tried < f->lanes; f->next_lane++) {
        uint64_t i = f->next_lane % f->lanes;
        if (f->lane[i].ended || (f->records != 0 && f->lane[i].give == f->records)) {
            tried++;
            continue;
        }
        tried = 0;
        out[n++] = make_doc(f, i);
    }
    size_t now = atomic_fetch_add(&f->outstanding, n) + n;
    if (now > f->most_outstanding)
        f->most_outstanding = now;
    return n;
}

static enum tm_status commit(void *self, const struct tm_release *release, struct tm_err *err)
{
    (void)err;
    struct fake *f = self;
    for (size_t i = 0; i < release->n_progress; i++) {
        const struct tm_progress *p = &release->progress[i];
        f->disorder += p->next <= f->lane[p->lane].committed;
        f->lane[p->lane].committed = p->next;
        f->lane[p->lane].ended = p->ended;
    }
    f->outstanding -= release->n_docs;
    return TM_OK;
}

static enum tm_status rewind_lanes(void *self, struct tm_err *err)
{
    (void)err;
    struct fake *f = self;
    for (size_t i = 0; i < f->lanes; i++) {
        f->lane[i].epoch++;
        f->lane[i].give = f->lane[i].delivered = f->lane[i].committed;
    }
    f->outstanding = 0;
    return TM_OK;
}

static bool at_end(void *self)
{
    struct fake *f = self;
    for (size_t i = 0; i < f->lanes; i++)
        if (f->records == 0 || f->lane[i].give < f->records)
            return false;
    return true;
}

static void keep(void *self)
{
    (void)self;
}

const struct tm_source_ops fake_source = {
    .name = "fake source",
    .create = source_create,
    .attach = attach,
    .service = service,
    .take = take,
    .commit = commit,
    .rewind = rewind_lanes,
    .at_end = at_end,
    .destroy = keep,
};

/* ---- sink ---- */

static enum tm_status sink_create(void **ret_self, const struct tm_conf *conf,
                                  const char *config_hash, struct tm_err *err)
{
    (void)conf, (void)config_hash, (void)err;
    *ret_self = the_fake;
    for (size_t i = 0; i < the_fake->lanes; i++)
        the_fake->lane[i].delivered = the_fake->lane[i].committed;
    return TM_OK;
}

static void store(struct fake *f, const struct tm_doc *doc)
{
    struct fake_lane *lane = &f->lane[doc->rec.lane];
    f->disorder += doc->rec.seq != lane->delivered || doc->rec.epoch != lane->epoch;
    f->disorder +=
        doc->err.status == TM_OK && (doc->output == NULL || strcmp(doc->output, "{}") != 0);
    lane->delivered = doc->rec.seq + 1;
    lane->status = doc->err.status;
    lane->attempts = doc->attempts;
    f->dead += doc->err.status != TM_OK;
}

static enum tm_delivered deliver(void *self, const struct tm_release *release, struct tm_err *err)
{
    (void)err;
    struct fake *f = self;
    size_t turn = f->delivers_done++;
    if (f->on_deliver != NULL)
        f->on_deliver(f, release);
    enum tm_delivered d = turn < f->n_delivers ? f->delivers[turn] : f->always;
    if (d != TM_STORED)
        return d;
    for (size_t i = 0; i < release->n_docs; i++)
        store(f, release->docs[i]);
    return d;
}

const struct tm_sink_ops fake_sink = {
    .name = "fake sink", .create = sink_create, .deliver = deliver, .destroy = keep};

/* ---- stages ---- */

static enum tm_status stage_create(void **ret_self, const struct tm_conf *conf, void *arg,
                                   struct tm_err *err)
{
    (void)conf, (void)arg, (void)err;
    *ret_self = the_fake;
    return TM_OK;
}

static enum tm_status clean(void *self, void *worker, struct tm_batch *batch, struct tm_err *err)
{
    (void)worker;
    struct fake *f = self;
    if (f->clean_status != TM_OK)
        return tm_err_set(err, f->clean_status, "cannot go on");
    for (size_t i = 0; i < batch->n; i++)
        if (f->on_clean != NULL && batch->docs[i]->err.status == TM_OK)
            f->on_clean(f, batch->docs[i]);
    return TM_OK;
}

/* One task with one sequence, where the script says how long. */
static enum tm_status tokenize(void *self, void *worker, struct tm_batch *batch, struct tm_err *err)
{
    (void)worker, (void)err;
    const struct fake *f = self;
    for (size_t i = 0; f->record_tokens > 0 && i < batch->n; i++) {
        struct tm_doc *d = batch->docs[i];
        d->task_runs = tm_arena_array(d->arena, 1, sizeof *d->task_runs);
        d->task_runs->seqs = tm_arena_array(d->arena, 1, sizeof *d->task_runs->seqs);
        d->n_task_runs = d->task_runs->n_seqs = 1;
        d->task_runs->seqs->n_ids = (int32_t)f->record_tokens;
    }
    return TM_OK;
}

static enum tm_status assemble(void *self, void *worker, struct tm_batch *batch, struct tm_err *err)
{
    (void)self, (void)worker, (void)err;
    for (size_t i = 0; i < batch->n; i++) {
        batch->docs[i]->output = "{}";
        batch->docs[i]->output_len = 2;
    }
    return TM_OK;
}

static const struct tm_stage_ops stage_clean = {
    .name = "clean", .create = stage_create, .run = clean, .destroy = keep};
static const struct tm_stage_ops stage_tokenize = {
    .name = "tokenize", .create = stage_create, .run = tokenize, .destroy = keep};
static const struct tm_stage_ops stage_assemble = {
    .name = "assemble", .create = stage_create, .run = assemble, .destroy = keep};

/* ---- infer: a stack, so that the last document comes out first ---- */

enum { INFER_ROOM = 24, INFER_STEP = 5 };

struct tm_infer {
    pthread_mutex_t lock;
    struct tm_doc *waiting[INFER_ROOM], *done[INFER_ROOM];
    size_t n_waiting, n_done, inside;
};

static enum tm_status infer_create(struct tm_models *ms, size_t max_docs,
                                   struct tm_infer **ret_infer, struct tm_err *err)
{
    (void)ms, (void)max_docs, (void)err;
    *ret_infer = calloc(1, sizeof **ret_infer);
    pthread_mutex_init(&(*ret_infer)->lock, NULL);
    return TM_OK;
}

static void infer_destroy(struct tm_infer *in)
{
    while (in->n_waiting > 0)
        tm_doc_destroy(in->waiting[--in->n_waiting]);
    while (in->n_done > 0)
        tm_doc_destroy(in->done[--in->n_done]);
    free(in);
}

static enum tm_status infer_submit(struct tm_infer *in, struct tm_doc **owned)
{
    enum tm_status s = TM_AGAIN;
    pthread_mutex_lock(&in->lock);
    if (in->inside < INFER_ROOM) {
        in->waiting[in->n_waiting++] = TM_TAKE(*owned);
        in->inside++;
        s = TM_OK;
    }
    pthread_mutex_unlock(&in->lock);
    return s;
}

static size_t infer_poll(struct tm_infer *in, struct tm_doc **out, size_t max)
{
    pthread_mutex_lock(&in->lock);
    size_t n = TM_MIN(max, in->n_done);
    for (size_t i = 0; i < n; i++)
        out[i] = in->done[--in->n_done];
    in->inside -= n;
    pthread_mutex_unlock(&in->lock);
    return n;
}

static size_t infer_inside(const struct tm_infer *in)
{
    return in->inside;
}

static enum tm_status infer_step(struct tm_infer *in, int worker, tm_infer_report_fn *report,
                                 void *arg, struct tm_metrics *ms)
{
    (void)worker, (void)ms;
    struct tm_doc *batch[INFER_STEP];
    size_t n = 0;
    pthread_mutex_lock(&in->lock);
    while (n < INFER_STEP && in->n_waiting > 0)
        batch[n++] = in->waiting[--in->n_waiting];
    pthread_mutex_unlock(&in->lock);
    if (n == 0)
        return TM_AGAIN;
    report(arg, batch, n, false);
    report(arg, batch, n, true);
    bool broken = the_fake->device_breaks > 0 && ++the_fake->steps > the_fake->device_breaks;
    pthread_mutex_lock(&in->lock);
    for (size_t i = 0; i < n && broken; i++)
        in->waiting[in->n_waiting++] = batch[i];
    for (size_t i = 0; i < n && !broken; i++)
        in->done[in->n_done++] = batch[i];
    pthread_mutex_unlock(&in->lock);
    return broken ? TM_DEVICE : TM_OK;
}

static int infer_workers(const struct tm_infer *in)
{
    (void)in;
    return 2;
}

static const struct infer_ops infer_backwards = {
    .create = infer_create,
    .destroy = infer_destroy,
    .submit = infer_submit,
    .poll = infer_poll,
    .inside = infer_inside,
    .step = infer_step,
    .workers = infer_workers,
};

const struct runner_parts fake_parts = {.clean = &stage_clean,
                                        .tokenize = &stage_tokenize,
                                        .assemble = &stage_assemble,
                                        .infer = &infer_backwards,
                                        .cores = 2};
const struct runner_parts fake_parts_plain = {
    .clean = &stage_clean, .tokenize = &stage_tokenize, .assemble = &stage_assemble, .cores = 2};

/* ---- running ---- */

static void trouble(void *arg, const struct tm_doc *doc, const char *stage,
                    const struct tm_err *err)
{
    (void)doc, (void)stage, (void)err;
    struct fake *f = arg;
    f->troubles++;
}

void fake_conf(struct tm_conf *conf, const char *state_path)
{
    if (tm_conf_init(conf, NULL) != TM_OK)
        abort();
    free(conf->state_path);
    conf->state_path = strdup(state_path);
}

static void take_a_while(void *arg)
{
    (void)arg;
    usleep(50000);
}

enum tm_status fake_run(struct fake *f, const struct tm_conf *conf,
                        const struct runner_parts *parts, struct tm_summary *ret_summary,
                        struct tm_err *err)
{
    the_fake = f;
    metrics = (struct tm_metrics){0};
    const struct tm_runner_config config = {
        .conf = conf,
        .source = &fake_source,
        .sink = &fake_sink,
        .metrics = &metrics,
        .config_hash = "",
        .once = f->records != 0,
        .trouble = trouble,
        .arg = f,
    };
    struct tm_runner *r = NULL;
    enum tm_status s = runner_create_with(parts, &config, &r, err);
    f->runner = r;
    if (s == TM_OK && f->slow_main)
        tm_runner_watch(r, -1, take_a_while, f);
    if (s == TM_OK)
        s = tm_runner_run(r, ret_summary, err);
    tm_runner_destroy(r);
    f->runner = NULL;
    return s;
}

char *fake_folder(void)
{
    char *folder = strdup("pipeline-test-XXXXXX");
    if (folder == NULL || mkdtemp(folder) == NULL)
        abort();
    return folder;
}

void fake_folder_remove(char *folder)
{
    DIR *d = opendir(folder);
    for (struct dirent *e; d != NULL && (e = readdir(d)) != NULL;)
        unlinkat(dirfd(d), e->d_name, 0);
    if (d != NULL)
        closedir(d);
    rmdir(folder);
    free(folder);
}
