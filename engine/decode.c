/* One step of a worker's sequences, and how they begin and end. See decode.h.
 *
 * Called by schedule.c on the worker's thread. All memory is there from the start. */
#include "decode.h"

#include <stdlib.h>

/* ---- memory ---- */

static void *carve(char *base, size_t *used, size_t bytes)
{
    char *at = base != NULL ? base + *used : NULL;
    *used += (bytes + 63) / 64 * 64;
    return at;
}

/* The arrays of the device, one behind the other; returns how many bytes they take. */
static size_t lay_out(struct decoder *d, int32_t positions, int32_t words, char *base)
{
    size_t rows = (size_t)d->rows, all = rows * (size_t)positions, used = 0;
    size_t top = rows * (1 + DECODE_EOS) * TM_MIN(rows, (size_t)DECODE_BEAMS);
    d->decoded = (struct tm_decoded){
        .slots = d->rows,
        .beams = 1, /* a stride: the rows of a slot follow it */
        .positions = positions,
        .lengths = carve(base, &used, rows * sizeof(int32_t)),
        .ids = carve(base, &used, all * sizeof(int32_t)),
        .running = carve(base, &used, rows * sizeof(float)),
        .parent = carve(base, &used, rows * sizeof(int32_t)),
        .finished_scores = carve(base, &used, rows * sizeof(float)),
        .finished_lengths = carve(base, &used, rows * sizeof(int32_t)),
        .finished_ids = carve(base, &used, all * sizeof(int32_t)),
        .ended = carve(base, &used, rows),
        .done = carve(base, &used, rows),
    };
    d->ancestry = (struct tm_ancestry){
        .owner = carve(base, &used, all), .slots = d->rows, .beams = 1, .positions = positions};
    d->decoding = carve(base, &used, rows * sizeof *d->decoding);
    d->source_lengths = carve(base, &used, rows * sizeof(int32_t));
    d->top_ids = carve(base, &used, top * sizeof(int32_t));
    d->top_scores = carve(base, &used, top * sizeof(float));
    d->masks = carve(base, &used, rows * (size_t)words * sizeof(uint32_t));
    d->masked = carve(base, &used, rows);
    d->stops = carve(base, &used, top);
    return used;
}

static enum tm_status allocate(struct decoder *d, const struct tm_engine *e, struct tm_err *err)
{
    size_t rows = (size_t)d->rows, positions = (size_t)e->positions;
    int32_t words = (e->info.output_size + 31) / 32;
    struct tm_backend *b = e->model.backend;
    d->memory = b->dev.alloc(b, lay_out(d, e->positions, words, NULL));
    d->slots = calloc(rows, sizeof *d->slots);
    d->host_decoding = calloc(rows, sizeof *d->host_decoding);
    d->last = calloc(rows, sizeof *d->last);
    d->done = calloc(rows, sizeof *d->done);
    d->zeros = calloc(positions, sizeof *d->zeros);
    d->fresh = calloc(rows, sizeof *d->fresh);
    d->finished = calloc(rows, sizeof *d->finished);
    if (d->memory == NULL || d->slots == NULL || d->host_decoding == NULL || d->last == NULL ||
        d->done == NULL || d->zeros == NULL || d->fresh == NULL || d->finished == NULL)
        return tm_err_set(err, TM_NOMEM, "memory to decode %d rows of %d ids", d->rows,
                          e->positions);
    lay_out(d, e->positions, words, d->memory);
    for (int32_t i = 0; i < d->rows; i++)
        d->slots[i].entry = -1;
    enum tm_status s = guided_create(&d->guided, d->rows, e->info.output_size, err);
    if (s == TM_OK)
        s = rules_create(d->rows, &d->rules, err);
    return s == TM_OK ? kv_create(e, &d->kv, err) : s;
}

enum tm_status decoder_create(const struct tm_engine *e, struct decoder **ret_decoder,
                              struct tm_err *err)
{
    struct decoder *d = calloc(1, sizeof *d);
    if (d == NULL)
        return tm_err_set(err, TM_NOMEM, "decoder");
    d->rows = e->limits.decode_rows;
    enum tm_status s = allocate(d, e, err);
    if (s != TM_OK) {
        decoder_destroy(d, e);
        return s;
    }
    d->kv.self.lengths = d->decoded.lengths;
    d->kv.self.ancestry = &d->ancestry;
    d->kv.cross.lengths = d->source_lengths;
    *ret_decoder = d;
    return TM_OK;
}

void decoder_destroy(struct decoder *d, const struct tm_engine *e)
{
    if (d == NULL)
        return;
    kv_destroy(&d->kv, e);
    rules_destroy(d->rules, e->model.backend);
    guided_destroy(&d->guided);
    if (d->memory != NULL)
        e->model.backend->dev.free(e->model.backend, d->memory);
    free(d->slots);
    free(d->host_decoding);
    free(d->last);
    free(d->done);
    free(d->zeros);
    free(d->fresh);
    free(d->finished);
    free(d);
}

/* ---- slots ---- */

/* The first of n free rows that follow one another; -1: there are none. */
static int32_t find_rows(const struct decoder *d, int32_t n)
{
    int32_t run = 0;
    for (int32_t r = 0; r < d->rows; r++) {
        if (d->slots[r].entry >= 0) {
            r += d->slots[r].rows - 1;
            run = 0;
        } else if (++run == n) {
            return r - n + 1;
        }
    }
    return -1;
}

static enum tm_status put(struct worker *w, const struct tm_engine *e, void *to, const void *from,
                          size_t bytes)
{
    return e->model.backend->dev.copy_in(w->stream, to, from, bytes);
}

/* The device's arrays as they are before the first step. */
static enum tm_status reset_slot(struct worker *w, const struct tm_engine *e, int32_t slot,
                                 const struct tm_sequence *seq)
{
    static const float far_off = DECODE_FAR_OFF;
    struct decoder *d = w->decoder;
    const struct tm_decoded *x = &d->decoded;
    const struct tm_decoding *how = &d->host_decoding[slot];
    int32_t one;
    const int32_t *prompt = decoding_prompt(e, seq, &one);
    int64_t at = (int64_t)slot * x->positions;
    struct tm_decoding there = *how;
    enum tm_status s = rules_put(d->rules, w->stream, e->model.backend, slot, &there);
    if (s == TM_OK)
        s = put(w, e, &d->decoding[slot], &there, sizeof there);
    if (s == TM_OK)
        s = put(w, e, &x->lengths[slot], &how->prompt, sizeof(int32_t));
    if (s == TM_OK)
        s = put(w, e, &d->source_lengths[slot], &seq->n_ids, sizeof(int32_t));
    if (s == TM_OK)
        s = put(w, e, x->ids + at, prompt, (size_t)how->prompt * sizeof *prompt);
    for (int32_t b = 0; s == TM_OK && b < how->beams; b++) {
        int32_t r = slot + b;
        const struct {
            void *to;
            const void *from;
            size_t bytes;
        } parts[] = {
            {&x->running[r], b == 0 ? (const void *)d->zeros : &far_off, sizeof(float)},
            {&x->finished_scores[r], &far_off, sizeof(float)},
            {&x->parent[r], d->zeros, sizeof(int32_t)},
            {&x->finished_lengths[r], d->zeros, sizeof(int32_t)},
            {&x->ended[r], d->zeros, 1},
            {&x->done[r], d->zeros, 1},
            {d->ancestry.owner + (int64_t)r * x->positions, d->zeros, (size_t)how->prompt},
        };
        for (size_t i = 0; s == TM_OK && i < TM_COUNTOF(parts); i++)
            s = put(w, e, parts[i].to, parts[i].from, parts[i].bytes);
    }
    d->last[slot] = prompt[how->prompt - 1];
    guided_begin(d, e, slot, prompt);
    return s;
}

int32_t decoder_admit(struct worker *w, const struct tm_engine *e, int32_t entry,
                      const struct tm_decoding *how)
{
    struct decoder *d = w->decoder;
    const struct tm_sequence *seq = &e->queue.entries[entry].seq;
    int32_t slot = find_rows(d, how->beams);
    if (slot < 0)
        return -1;
    if (!kv_take_self(&d->kv, w->stream, e, slot, how->prompt) ||
        (e->info.encoder_decoder && !kv_take_cross(&d->kv, w->stream, e, slot, seq->n_ids))) {
        kv_give(&d->kv, slot);
        return -1;
    }
    d->host_decoding[slot] = *how;
    d->slots[slot] = (struct decode_slot){.entry = entry,
                                          .rows = how->beams,
                                          .length = how->prompt,
                                          .order = d->admitted++,
                                          .begun_ns = tm_clock_ns()};
    d->n_slots++;
    d->rows_used += how->beams;
    return slot;
}

void decoder_release(struct decoder *d, int32_t slot)
{
    for (int32_t b = 0; b < d->slots[slot].rows; b++)
        kv_give(&d->kv, slot + b);
    d->n_slots--;
    d->rows_used -= d->slots[slot].rows;
    d->slots[slot].entry = -1;
}

/* ---- beginning ---- */

static enum tm_status run(struct worker *w, const struct tm_engine *e, const struct program *p,
                          struct batch *b)
{
    const struct tm_device_ops *dev = &e->model.backend->dev;
    b->cross = &w->decoder->kv.cross;
    enum tm_status s = dev->copy_in(w->stream, w->inputs, w->host_inputs, inputs_bytes(b->rows, 0));
    return s == TM_OK ? program_run(p, b) : s;
}

/* Sources through the encoder; the decoder's view of them goes into cross pages. */
static enum tm_status encode(struct worker *w, const struct tm_engine *e, const int32_t *slots,
                             int32_t n)
{
    for (int32_t i = 0; i < n; i++)
        w->entries[i] = w->decoder->slots[slots[i]].entry;
    int32_t rows = inputs_fill(e, w->entries, n, w->host_inputs);
    struct inputs in = inputs_at(w->host_inputs, rows);
    for (int32_t i = 0; i < n; i++) {
        for (int32_t r = in.starts[i]; r < in.starts[i + 1]; r++) {
            in.append_rows[r] = slots[i];
            in.append_positions[r] = r - in.starts[i];
        }
    }
    struct batch batch = inputs_batch(w, rows, n);
    batch.self = &w->decoder->kv.self;
    return run(w, e, &e->model.programs.main, &batch);
}

/* Where a decoder's id stands in its position table. */
static int32_t table_position(const struct config *c, int32_t i)
{
    const struct family *f = c->family;
    int32_t pad = f->fixed_pad >= 0 ? f->fixed_pad : c->pad_token_id;
    return f->pad_offset ? i + pad + 1 : i + f->position_offset;
}

static void fill_row(const struct tm_engine *e, struct inputs *in, int32_t r, int32_t id,
                     int32_t position, int32_t slot, int32_t beam)
{
    in->ids[r] = id;
    in->positions[r] = table_position(&e->model.config, position);
    in->types[r] = 0;
    in->append_rows[r] = slot + beam;
    in->append_positions[r] = position;
    in->slot_of_row[r] = slot;
    in->beam_of_row[r] = beam;
}

static struct tm_step step_of(struct worker *w, int32_t rows, int32_t slots)
{
    const struct inputs in = inputs_at(w->inputs, rows);
    return (struct tm_step){rows, slots, in.slot_of_row, in.beam_of_row, in.slot, in.first_row};
}

/* What the prompt of a slot holds before its last id, which the first step runs. */
static int32_t before_last(const struct decoder *d, int32_t slot)
{
    return d->host_decoding[slot].prompt - 1;
}

static const int32_t *prompt_of(const struct worker *w, const struct tm_engine *e, int32_t slot,
                                int32_t *one)
{
    return decoding_prompt(e, &e->queue.entries[w->decoder->slots[slot].entry].seq, one);
}

/* How many of them run at once; decoders of an encoder have few positions and no chunks. */
static int32_t at_once(const struct worker *w, const struct tm_engine *e, int32_t slot)
{
    int32_t n = before_last(w->decoder, slot);
    return e->info.encoder_decoder ? n : TM_MIN(n, PROMPT_FIRST);
}

/* The first ids of prompts. */
static enum tm_status prompts(struct worker *w, const struct tm_engine *e, const int32_t *slots,
                              int32_t n)
{
    struct decoder *d = w->decoder;
    int32_t rows = 0, count = 0, at = 0;
    for (int32_t i = 0; i < n; i++)
        rows += at_once(w, e, slots[i]);
    if (rows == 0)
        return TM_OK;
    struct inputs in = inputs_at(w->host_inputs, rows);
    for (int32_t i = 0; i < n; i++) {
        int32_t one, length = at_once(w, e, slots[i]);
        const int32_t *ids = prompt_of(w, e, slots[i], &one);
        if (length == 0)
            continue;
        in.slot[count] = slots[i];
        in.starts[count] = in.first_row[count] = at;
        count++;
        for (int32_t p = 0; p < length; p++, at++)
            fill_row(e, &in, at, ids[p], p, slots[i], 0);
    }
    in.starts[count] = in.first_row[count] = at;
    const struct tm_step step = step_of(w, rows, count);
    struct batch batch = inputs_batch(w, rows, count);
    batch.step = &step;
    batch.self = &d->kv.self;
    return run(w, e, &e->model.programs.prompt, &batch);
}

/* Ids from … from + n - 1 of a prompt, as a step in which each is a slot of its own: all read the
 * slot's pages, each as far as its place. */
static enum tm_status chunk(struct worker *w, const struct tm_engine *e, int32_t slot, int32_t from,
                            int32_t n)
{
    struct decoder *d = w->decoder;
    int32_t one;
    const int32_t *ids = prompt_of(w, e, slot, &one);
    struct inputs in = inputs_at(w->host_inputs, n);
    for (int32_t r = 0; r < n; r++) {
        fill_row(e, &in, r, ids[from + r], from + r, r, 0);
        in.slot[r] = in.first_row[r] = r;
        in.lengths[r] = from + r + 1;
    }
    in.first_row[n] = n;
    const struct tm_step step = step_of(w, n, n);
    const struct tm_ancestry all = {.owner = d->ancestry.owner + (int64_t)slot * e->positions,
                                    .slots = n,
                                    .beams = 1,
                                    .positions = 0}; /* the same for every slot: beam 0 */
    struct tm_kv_cache self = d->kv.self;
    self.pages += (int64_t)slot * self.max_pages;
    self.max_pages = 0; /* the same for every slot */
    self.lengths = inputs_at(w->inputs, n).lengths;
    self.ancestry = &all;
    struct batch batch = inputs_batch(w, n, n);
    batch.step = &step;
    batch.self = &self;
    return run(w, e, &e->model.programs.step, &batch);
}

static enum tm_status chunks(struct worker *w, const struct tm_engine *e, const int32_t *slots,
                             int32_t n)
{
    enum tm_status s = TM_OK;
    for (int32_t i = 0; i < n; i++) {
        int32_t end = before_last(w->decoder, slots[i]);
        for (int32_t from = at_once(w, e, slots[i]); s == TM_OK && from < end; from += PROMPT_CHUNK)
            s = chunk(w, e, slots[i], from, TM_MIN(PROMPT_CHUNK, end - from));
    }
    return s;
}

enum tm_status decoder_begin(struct worker *w, const struct tm_engine *e, const int32_t *slots,
                             int32_t n)
{
    enum tm_status s = TM_OK;
    for (int32_t i = 0; s == TM_OK && i < n; i++)
        s = reset_slot(w, e, slots[i], &e->queue.entries[w->decoder->slots[slots[i]].entry].seq);
    if (s == TM_OK && e->info.encoder_decoder)
        s = encode(w, e, slots, n);
    if (s == TM_OK)
        s = prompts(w, e, slots, n);
    return s == TM_OK ? chunks(w, e, slots, n) : s;
}

/* ---- a step ---- */

/* Candidates a row: what the most demanding slot wants. */
static int32_t candidates(const struct decoder *d)
{
    int32_t k = 1;
    for (int32_t i = 0; i < d->rows; i++) {
        const struct tm_decoding *how = &d->host_decoding[i];
        if (d->slots[i].entry >= 0 && how->beams > 1 && !how->do_sample)
            k = TM_MAX(k, TM_MAX(2, 1 + how->n_eos) * how->beams);
    }
    return k;
}

static int32_t count_rows(const struct decoder *d)
{
    int32_t rows = 0;
    for (int32_t i = 0; i < d->rows; i++)
        if (d->slots[i].entry >= 0)
            rows += d->slots[i].started ? d->slots[i].rows : 1;
    return rows;
}

static void fill_step(struct worker *w, const struct tm_engine *e, int32_t rows)
{
    struct decoder *d = w->decoder;
    struct inputs in = inputs_at(w->host_inputs, rows);
    int32_t at = 0, n = 0;
    for (int32_t i = 0; i < d->rows; i++) {
        const struct decode_slot *slot = &d->slots[i];
        if (slot->entry < 0)
            continue;
        in.slot[n] = i;
        in.first_row[n++] = at;
        for (int32_t b = 0; b < (slot->started ? slot->rows : 1); b++)
            fill_row(e, &in, at++, d->last[i + b], slot->length - 1, i, b);
    }
    in.first_row[n] = at;
}

/* From hidden states to the next ids. */
static enum tm_status choose(struct worker *w, const struct tm_engine *e, const struct batch *batch)
{
    struct decoder *d = w->decoder;
    const struct programs *all = &e->model.programs;
    const struct tm_ops *ops = &e->model.backend->ops;
    int32_t k = candidates(d);
    bool searches = false, samples = false;
    for (int32_t i = 0; i < d->rows; i++) {
        if (d->slots[i].entry >= 0 && d->host_decoding[i].do_sample)
            samples = true;
        else if (d->slots[i].entry >= 0)
            searches = true;
    }
    struct tm_tensor x = {.data = (void *)program_out(&all->step, batch),
                          .dtype = TM_F32,
                          .rows = batch->rows,
                          .cols = all->step.out_cols,
                          .stride = all->step.out_cols};
    struct tm_logits_args logits = {.head = all->output.head,
                                    .bias = all->output.bias,
                                    .scale = all->output.scale,
                                    .softcap = all->output.softcap,
                                    .decoding = d->decoding,
                                    .decoded = &d->decoded,
                                    .step = batch->step};
    bool guided = guided_any(d, e);
    enum tm_status s = guided ? guided_masks(w, e, &logits) : TM_OK;
    const struct tm_topk_args topk = {logits, k, d->top_ids, d->top_scores};
    struct tm_beam_args beam = {.ids = d->top_ids,
                                .scores = d->top_scores,
                                .k = k,
                                .decoding = d->decoding,
                                .decoded = &d->decoded,
                                .ancestry = &d->ancestry,
                                .step = batch->step};
    const struct tm_sample_args sample = {logits, &d->decoded, &d->ancestry};
    if (s == TM_OK && searches)
        s = ops->logits_topk(w->stream, &x, &topk);
    if (s == TM_OK && searches && guided)
        s = guided_stops(w, e, batch->rows, &beam);
    /* Sampling first: beam_step moves the slots that it searches, and those alone. */
    if (s == TM_OK && samples)
        s = ops->sample_step(w->stream, &x, &sample);
    if (s == TM_OK && searches)
        s = ops->beam_step(w->stream, &beam);
    return s;
}

/* What the host has to know of the step. */
static enum tm_status look(struct worker *w, const struct tm_engine *e)
{
    struct decoder *d = w->decoder;
    const struct tm_device_ops *dev = &e->model.backend->dev;
    enum tm_status s = dev->copy_out(w->stream, d->done, d->decoded.done, (size_t)d->rows);
    for (int32_t i = 0; s == TM_OK && i < d->rows; i++) {
        struct decode_slot *slot = &d->slots[i];
        if (slot->entry < 0)
            continue;
        for (int32_t b = 0; s == TM_OK && b < slot->rows; b++)
            s = dev->copy_out(w->stream, &d->last[i + b],
                              d->decoded.ids + (int64_t)(i + b) * d->decoded.positions +
                                  slot->length,
                              sizeof *d->last);
        slot->started = true;
        slot->length++;
    }
    return s == TM_OK ? dev->stream_sync(w->stream) : s;
}

enum tm_status decoder_step(struct worker *w, const struct tm_engine *e)
{
    int32_t rows = count_rows(w->decoder);
    fill_step(w, e, rows);
    const struct tm_step step = step_of(w, rows, w->decoder->n_slots);
    struct batch batch = inputs_batch(w, rows, w->decoder->n_slots);
    batch.step = &step;
    batch.self = &w->decoder->kv.self;
    enum tm_status s = run(w, e, &e->model.programs.step, &batch);
    double since = spent_now(&batch);
    if (s == TM_OK)
        s = choose(w, e, &batch);
    spent_add(&batch, TM_SPENT_OUTPUT, since);
    if (batch.spent != NULL)
        batch.spent->operations +=
            2.0 * rows * e->model.programs.step.out_cols * e->model.config.vocab_size;
    if (s == TM_OK)
        s = look(w, e);
    return s == TM_OK && guided_any(w->decoder, e) ? guided_advance(w, e) : s;
}
