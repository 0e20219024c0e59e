/* The engine's public face: open, close, what a sequence must be, one step.
 *
 * Open and close run on one thread; the rest as tm_engine.h says. queue.c has submit, collect and
 * cancel, worker.c the batch. */
#include "decode.h"
#include "json_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct tm_engine_limits defaults = {
    .batch_tokens = 2048, .queue = 4096, .decode_rows = 64};

void tm_engine_close(struct tm_engine *e)
{
    if (e == NULL)
        return;
    for (int32_t i = 0; e->workers != NULL && i < e->limits.threads; i++)
        worker_finish(&e->workers[i], e);
    free(e->workers);
    queue_finish(&e->queue);
    model_finish(&e->model);
    free(e);
}

static void closep(struct tm_engine **e)
{
    tm_engine_close(*e);
}

static enum tm_status fill_info(struct tm_engine *e, const char *folder, struct tm_err *err)
{
    const char *name = tm_arena_strdup(e->model.arena, folder);
    if (name == NULL)
        return tm_err_set(err, TM_NOMEM, "model %s", folder);
    const struct model *m = &e->model;
    const struct config *c = &m->config;
    bool labelled = c->head == TM_HEAD_SEQUENCE || c->head == TM_HEAD_TOKEN;
    e->info = (struct tm_engine_info){
        .folder = name,
        .family = c->family->model_type,
        .architecture = c->architecture,
        .head = c->head,
        .problem = c->problem,
        .device = m->device,
        .precision = m->precision->name,
        .isa = m->isa,
        .gemm = m->backend->ops.gemm_variant,
        .threads = e->limits.threads,
        .vocab_size = c->vocab_size,
        .output_size = config_output_size(c),
        .hidden_size = c->head == TM_HEAD_EMBEDDING ? m->programs.main.out_cols : c->hidden_size,
        .max_length = m->max_length,
        .type_vocab_size = c->type_vocab_size,
        .pad_token_id = c->pad_token_id,
        .n_labels = labelled ? c->n_labels : 0,
        .labels = labelled ? c->labels : NULL,
        .weight_bytes = m->weights.bytes,
        .encoder_decoder = c->family->shape == SHAPE_ENCODER_DECODER,
        .generation = c->head == TM_HEAD_GENERATE ? &m->generation : NULL,
    };
    return TM_OK;
}

/* Pages of a worker: all that its rows can fill, within the share that there is. */
static void plan_pages(struct tm_engine *e)
{
    int64_t positions = e->positions, sources = e->info.encoder_decoder ? e->model.max_length : 0;
    int64_t each =
        (positions + TM_KV_PAGE - 1) / TM_KV_PAGE + (sources + TM_KV_PAGE - 1) / TM_KV_PAGE;
    struct tm_backend *b = e->model.backend;
    /* of a device three quarters of what the weights have left: activations are still to come */
    size_t most =
        b->dev.memory_free != NULL ? b->dev.memory_free(b) / 4 * 3 : tm_engine_memory() / 4;
    if (e->limits.kv_bytes > 0)
        most = e->limits.kv_bytes;
    int64_t room = (int64_t)(most / (size_t)e->limits.threads / kv_page_bytes(&e->model));
    e->pages = (int32_t)TM_MIN(TM_MAX(room, 1), e->limits.decode_rows * each);
}

static void plan_memory(struct tm_engine *e)
{
    struct programs *all = &e->model.programs;
    bool prompted = e->info.head == TM_HEAD_GENERATE && !e->info.encoder_decoder;
    int32_t longest = e->model.max_length;
    e->rows = TM_MAX(e->limits.batch_tokens, prompted ? TM_MIN(longest, PROMPT_FIRST) : longest);
    if (e->info.head == TM_HEAD_GENERATE) {
        e->positions = config_decoder_positions(&e->model.config);
        if (!e->info.encoder_decoder)
            e->positions = TM_MIN(e->positions, e->model.max_length);
        e->rows = TM_MAX(e->rows, prompted ? TM_MIN(e->positions, PROMPT_FIRST) : e->positions);
        e->rows = TM_MAX(e->rows, TM_MAX(e->limits.decode_rows, PROMPT_CHUNK));
        plan_pages(e);
    }
    const struct {
        struct program *p;
        int32_t rows;
    } plans[] = {{&all->main, e->rows},
                 {&all->prompt, e->rows},
                 {&all->step, TM_MAX(e->limits.decode_rows, PROMPT_CHUNK)}};
    for (size_t i = 0; i < TM_COUNTOF(plans); i++) {
        struct program *p = plans[i].p;
        if (p->n_steps > 0)
            e->slab_bytes =
                TM_MAX(e->slab_bytes, plan_place(p->buffers, p->n_buffers, plans[i].rows));
    }
}

static enum tm_status open_workers(struct tm_engine *e, struct tm_err *err)
{
    int32_t n = e->limits.threads;
    e->workers = calloc((size_t)n, sizeof *e->workers);
    if (e->workers == NULL)
        return tm_err_set(err, TM_NOMEM, "%d workers", n);
    enum tm_status s = queue_init(&e->queue, e->limits.queue, err);
    for (int32_t i = 0; s == TM_OK && i < n; i++)
        s = worker_init(&e->workers[i], e, err);
    e->info.pool_bytes =
        (size_t)n *
        (e->slab_bytes + (size_t)e->pages * (e->pages > 0 ? kv_page_bytes(&e->model) : 0));
    return s;
}

enum tm_status tm_engine_open(const char *folder, const char *base, const char *device,
                              const char *precision, const struct tm_engine_limits *limits,
                              struct tm_engine **ret_engine, struct tm_err *err)
{
    TM_CLEANUP(closep) struct tm_engine *e = calloc(1, sizeof *e);
    if (e == NULL)
        return tm_err_set(err, TM_NOMEM, "model %s", folder);
    e->limits = limits != NULL ? *limits : defaults;
    if (e->limits.threads <= 0)
        e->limits.threads = tm_engine_cores();
    if (e->limits.batch_tokens <= 0)
        e->limits.batch_tokens = defaults.batch_tokens;
    if (e->limits.queue <= 0)
        e->limits.queue = defaults.queue;
    if (e->limits.decode_rows <= 0)
        e->limits.decode_rows = defaults.decode_rows;
    enum tm_status s = model_open(folder, base, device, precision, &e->model, err);
    if (s == TM_OK && strcmp(e->model.device, "cuda") == 0)
        e->limits.threads = 1; /* one thread feeds a GPU */
    if (s == TM_OK)
        s = fill_info(e, folder, err);
    if (s == TM_OK) {
        plan_memory(e);
        s = open_workers(e, err);
    }
    if (s == TM_BADINPUT) { /* what the JSON reader says of a file; here it is the model's fault */
        s = TM_MODEL;
        if (err != NULL && err->status == TM_BADINPUT)
            err->status = s;
    }
    if (s != TM_OK)
        return s;
    *ret_engine = TM_TAKE(e);
    return TM_OK;
}

const struct tm_engine_info *tm_engine_info(const struct tm_engine *e)
{
    return &e->info;
}

enum tm_status tm_engine_adapter_base(const char *folder, char *out, size_t out_size,
                                      struct tm_err *err)
{
    struct lora lora = {.set = NULL};
    if (!lora_present(folder))
        return tm_err_set(err, TM_NOTFOUND, "%s holds no adapter_config.json", folder);
    struct tm_arena *arena = tm_arena_create(1 << 20);
    enum tm_status s = arena != NULL ? lora_read_config(folder, arena, &lora, err)
                                     : tm_err_set(err, TM_NOMEM, "adapter %s", folder);
    if (s == TM_OK && lora.base == NULL)
        s = tm_err_set(err, TM_MODEL, "adapter_config.json: no base_model_name_or_path");
    if (s == TM_OK && (size_t)snprintf(out, out_size, "%s", lora.base) >= out_size)
        s = tm_err_set(err, TM_TOOLARGE, "adapter_config.json: name of the base is too long");
    tm_arena_destroy(arena);
    return s;
}

size_t tm_engine_output_size(const struct tm_engine *e, int32_t n_ids)
{
    const struct program *p = &e->model.programs.main;
    return (size_t)p->out_cols * (p->per_sequence ? 1 : (size_t)n_ids);
}

/* A head over a decoder looks at its last eos. */
static enum tm_status check_eos(const struct tm_engine *e, const struct tm_sequence *seq,
                                struct tm_err *err)
{
    const struct config *c = &e->model.config;
    if (c->family->shape != SHAPE_ENCODER_DECODER || c->head != TM_HEAD_SEQUENCE)
        return TM_OK;
    for (int32_t i = 0; i < seq->n_ids; i++)
        if (seq->ids[i] == c->eos_token_id)
            return TM_OK;
    return tm_err_set(err, TM_BADINPUT, "no eos_token_id %d, the head looks at the last one",
                      c->eos_token_id);
}

enum tm_status tm_engine_fits(const struct tm_engine *e, const struct tm_sequence *seq,
                              struct tm_err *err)
{
    int32_t n = seq->n_ids;
    if (n < 1 || seq->ids == NULL)
        return tm_err_set(err, TM_BADINPUT, "a sequence without ids");
    if (n > e->info.max_length)
        return tm_err_set(err, TM_TOOLARGE, "%d ids, the model takes %d", n, e->info.max_length);
    if (seq->n_first < 0 || seq->n_first > n)
        return tm_err_set(err, TM_BADINPUT, "the second part begins at %d of %d ids", seq->n_first,
                          n);
    for (int32_t i = 0; i < n; i++)
        if (seq->ids[i] < 0 || seq->ids[i] >= e->info.vocab_size)
            return tm_err_set(err, TM_BADINPUT, "id %d at %d is outside the vocabulary of %d",
                              seq->ids[i], i, e->info.vocab_size);
    if (seq->guide != NULL && seq->guide->state_size > TM_GUIDE_STATE)
        return tm_err_set(err, TM_TOOLARGE, "a guide's state of %zu bytes, at most %d",
                          seq->guide->state_size, TM_GUIDE_STATE);
    if (e->info.head == TM_HEAD_GENERATE) {
        struct tm_decoding d;
        return decoding_plan(e, seq, &d, err);
    }
    return check_eos(e, seq, err);
}

/* A share of what waits, so that the last sequences keep all workers busy; results do not depend
 * on how sequences are put together. */
static int32_t budget(const struct tm_engine *e)
{
    int64_t share = e->queue.waiting_ids / e->limits.threads + 1;
    int32_t most = e->limits.batch_tokens;
    return (int32_t)TM_MIN((int64_t)most, TM_MAX(share, (int64_t)most / 8));
}

enum tm_status tm_engine_step(struct tm_engine *e, int32_t worker, tm_engine_report_fn *report,
                              void *arg)
{
    tm_assert(worker >= 0 && worker < e->limits.threads);
    struct worker *w = &e->workers[worker];
    if (w->decoder != NULL)
        return schedule_step(e, w, report, arg);
    pthread_mutex_lock(&e->queue.lock);
    int32_t n = queue_take(&e->queue, budget(e), w->entries);
    pthread_mutex_unlock(&e->queue.lock);
    if (n == 0)
        return TM_AGAIN;
    for (int32_t i = 0; i < n; i++)
        w->cookies[i] = e->queue.entries[w->entries[i]].cookie;
    if (report != NULL)
        report(arg, w->cookies, (size_t)n, false);
    enum tm_status s = worker_run(w, e, n);
    if (report != NULL)
        report(arg, w->cookies, (size_t)n, true);
    queue_done(&e->queue, w->entries, n);
    return s;
}
