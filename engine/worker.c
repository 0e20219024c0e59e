/* One batch on one worker: inputs packed without padding, the program, results scattered.
 *
 * Called by tm_engine_step on the worker's own thread. All memory is there from the start. */
#include "decode.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum tm_status worker_init(struct worker *w, struct tm_engine *e, struct tm_err *err)
{
    struct tm_backend *b = e->model.backend;
    size_t rows = (size_t)e->rows, out_cols = (size_t)e->model.programs.main.out_cols;
    enum tm_status s = b->dev.stream_create(b, 0, &w->stream, err);
    if (s != TM_OK)
        return s;
    w->slab = b->dev.alloc(b, e->slab_bytes);
    w->inputs = b->dev.alloc(b, inputs_bytes(e->rows, e->model.config.conv_kernel_size));
    w->host_inputs = calloc(1, inputs_bytes(e->rows, e->model.config.conv_kernel_size));
    w->host_out = calloc(rows * out_cols + 1, sizeof *w->host_out);
    w->entries = calloc(rows, sizeof *w->entries);
    w->cookies = calloc(rows, sizeof *w->cookies);
    if (w->slab == NULL || w->inputs == NULL || w->host_inputs == NULL || w->host_out == NULL ||
        w->entries == NULL || w->cookies == NULL)
        return tm_err_set(err, TM_NOMEM, "a worker's memory for %d tokens", e->rows);
    return e->model.config.head == TM_HEAD_GENERATE ? decoder_create(e, &w->decoder, err) : TM_OK;
}

void worker_finish(struct worker *w, struct tm_engine *e)
{
    struct tm_backend *b = e->model.backend;
    decoder_destroy(w->decoder, e);
    if (w->slab != NULL)
        b->dev.free(b, w->slab);
    if (w->inputs != NULL)
        b->dev.free(b, w->inputs);
    if (w->stream != NULL)
        b->dev.stream_destroy(w->stream);
    free(w->spent);
    free(w->host_inputs);
    free(w->host_out);
    free(w->entries);
    free(w->cookies);
}

static enum tm_status run(struct worker *w, struct tm_engine *e, int32_t n)
{
    const struct program *p = &e->model.programs.main;
    const struct tm_device_ops *dev = &e->model.backend->dev;
    int32_t rows = inputs_fill(e, w->entries, n, w->host_inputs);
    const struct batch batch = inputs_batch(w, rows, n);
    size_t floats = (size_t)(p->per_sequence ? n : rows) * (size_t)p->out_cols;
    enum tm_status s = dev->copy_in(w->stream, w->inputs, w->host_inputs,
                                    inputs_bytes(rows, e->model.config.conv_kernel_size));
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
    const struct program *p = &e->model.programs.main;
    int64_t row = 0;
    uint64_t begun = tm_clock_ns();
    enum tm_status s = run(w, e, n);
    uint64_t took = tm_clock_ns() - begun;
    for (int32_t k = 0; k < n; k++) {
        struct entry *entry = &e->queue.entries[w->entries[k]];
        entry->step_ns = took;
        entry->status = s != TM_OK ? s : deliver(e, w->host_out + row * p->out_cols, &entry->seq);
        row += p->per_sequence ? 1 : entry->seq.n_ids;
    }
    return s;
}
