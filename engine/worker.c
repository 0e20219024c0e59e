/* One batch on one worker: inputs packed without padding, the program, results scattered.
 *
 * Called by tm_engine_step on the worker's own thread. All memory is there from the start. */
#include "engine.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Arrays of a batch, one behind the other, copied to the device at once. */
struct layout {
    size_t ids, positions, types, starts, count, skip, total;
};

static struct layout layout_of(int32_t rows)
{
    size_t n = (size_t)rows * sizeof(int32_t), n1 = n + sizeof(int32_t);
    struct layout l = {.ids = 0, .positions = n, .types = 2 * n, .starts = 3 * n};
    l.count = l.starts + n1;
    l.skip = l.count + n1;
    l.total = l.skip + (size_t)rows;
    return l;
}

enum tm_status worker_init(struct worker *w, struct tm_engine *e, struct tm_err *err)
{
    struct program *p = &e->model.program;
    struct tm_backend *b = e->model.backend;
    size_t rows = (size_t)e->rows;
    enum tm_status s = b->dev.stream_create(b, 0, &w->stream, err);
    if (s != TM_OK)
        return s;
    w->slab = b->dev.alloc(b, e->slab_bytes);
    w->inputs = b->dev.alloc(b, layout_of(e->rows).total);
    w->host_inputs = calloc(1, layout_of(e->rows).total);
    w->host_out = calloc(rows * (size_t)p->out_cols, sizeof *w->host_out);
    w->entries = calloc(rows, sizeof *w->entries);
    w->cookies = calloc(rows, sizeof *w->cookies);
    bool all = w->slab != NULL && w->inputs != NULL && w->host_inputs != NULL &&
               w->host_out != NULL && w->entries != NULL && w->cookies != NULL;
    return all ? TM_OK : tm_err_set(err, TM_NOMEM, "a worker's memory for %d tokens", e->rows);
}

void worker_finish(struct worker *w, struct tm_engine *e)
{
    struct tm_backend *b = e->model.backend;
    if (w->slab != NULL)
        b->dev.free(b, w->slab);
    if (w->inputs != NULL)
        b->dev.free(b, w->inputs);
    if (w->stream != NULL)
        b->dev.stream_destroy(w->stream);
    free(w->host_inputs);
    free(w->host_out);
    free(w->entries);
    free(w->cookies);
}

/* RoBERTa's: ids that are not padding count up from pad + 1, padding stays at pad. */
static void fill_positions(const struct config *c, const struct tm_sequence *seq, int32_t *out)
{
    const struct family *f = c->family;
    int32_t pad = f->fixed_pad >= 0 ? f->fixed_pad : c->pad_token_id, at = pad;
    for (int32_t i = 0; i < seq->n_ids; i++)
        out[i] = !f->pad_offset ? i : seq->ids[i] == pad ? pad : ++at;
}

/* Packs the batch's sequences; returns how many tokens they have. */
static int32_t fill(struct worker *w, const struct tm_engine *e, int32_t n)
{
    const struct layout l = layout_of(e->rows);
    const struct config *c = &e->model.config;
    int32_t *ids = (int32_t *)(w->host_inputs + l.ids);
    int32_t *positions = (int32_t *)(w->host_inputs + l.positions);
    int32_t *types = (int32_t *)(w->host_inputs + l.types);
    int32_t *starts = (int32_t *)(w->host_inputs + l.starts);
    int32_t *count = (int32_t *)(w->host_inputs + l.count);
    uint8_t *skip = (uint8_t *)(w->host_inputs + l.skip);
    int32_t at = 0;
    for (int32_t k = 0; k < n; k++) {
        const struct tm_sequence *seq = &e->queue.entries[w->entries[k]].seq;
        starts[k] = at;
        count[k] = k;
        bool paired = c->family->types && c->type_vocab_size > 1 && seq->n_first > 0;
        memcpy(ids + at, seq->ids, (size_t)seq->n_ids * sizeof *ids);
        fill_positions(c, seq, positions + at);
        for (int32_t i = 0; i < seq->n_ids; i++) {
            types[at + i] = paired && i >= seq->n_first;
            skip[at + i] = seq->skip != NULL && seq->skip[i] != 0;
        }
        at += seq->n_ids;
    }
    starts[n] = at;
    count[n] = n;
    return at;
}

static enum tm_status run(struct worker *w, struct tm_engine *e, int32_t n)
{
    const struct layout l = layout_of(e->rows);
    const struct program *p = &e->model.program;
    const struct tm_device_ops *dev = &e->model.backend->dev;
    int32_t rows = fill(w, e, n);
    struct batch batch = {
        .rows = rows,
        .n = n,
        .ids = (int32_t *)(w->inputs + l.ids),
        .positions = (int32_t *)(w->inputs + l.positions),
        .types = (int32_t *)(w->inputs + l.types),
        .starts = (int32_t *)(w->inputs + l.starts),
        .count = (int32_t *)(w->inputs + l.count),
        .skip = (uint8_t *)(w->inputs + l.skip),
        .slab = w->slab,
        .stream = w->stream,
    };
    size_t floats = (size_t)(p->per_sequence ? n : rows) * (size_t)p->out_cols;
    enum tm_status s = dev->copy_in(w->stream, w->inputs, w->host_inputs, l.total);
    if (s == TM_OK)
        s = program_run(p, &batch);
    if (s == TM_OK)
        s = dev->copy_out(w->stream, w->host_out, program_out(p, &batch), floats * sizeof(float));
    return s == TM_OK ? dev->stream_sync(w->stream) : s;
}

/* from: the sequence's rows of the result. Something that is no number is the model's fault and
 * must not become a label. */
static enum tm_status deliver(const struct tm_engine *e, const float *from,
                              const struct tm_sequence *seq)
{
    size_t n = tm_engine_output_size(e, seq->n_ids);
    for (size_t i = 0; i < n; i++)
        if (!isfinite(from[i]))
            return TM_MODEL;
    if (e->info.head != TM_HEAD_SPAN) {
        memcpy(seq->out, from, n * sizeof *from);
        return TM_OK;
    }
    for (int32_t i = 0; i < seq->n_ids; i++) { /* (ids, 2) → all starts, all ends */
        seq->out[i] = from[2 * i];
        seq->out[seq->n_ids + i] = from[2 * i + 1];
    }
    return TM_OK;
}

enum tm_status worker_run(struct worker *w, struct tm_engine *e, int32_t n)
{
    const struct program *p = &e->model.program;
    const int32_t *starts = (int32_t *)(w->host_inputs + layout_of(e->rows).starts);
    uint64_t begun = tm_clock_ns();
    enum tm_status s = run(w, e, n);
    uint64_t took = tm_clock_ns() - begun;
    for (int32_t k = 0; k < n; k++) {
        struct entry *entry = &e->queue.entries[w->entries[k]];
        int64_t row = p->per_sequence ? k : starts[k];
        entry->step_ns = took;
        entry->status = s != TM_OK ? s : deliver(e, w->host_out + row * p->out_cols, &entry->seq);
    }
    return s;
}
