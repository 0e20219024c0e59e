/* The arrays of a batch. Called on a worker's thread; allocates nothing. */
#include "engine.h"

#include <string.h>

enum { ARRAYS = 15 }; /* of struct inputs, of int32_t */

/* Where the taps begin, behind the bytes. */
static size_t before_taps(int32_t rows)
{
    size_t bytes = ARRAYS * ((size_t)rows + 1) * sizeof(int32_t) + (size_t)rows;
    return (bytes + sizeof(int32_t) - 1) / sizeof(int32_t) * sizeof(int32_t);
}

size_t inputs_bytes(int32_t rows, int32_t taps)
{
    return before_taps(rows) + (size_t)taps * (size_t)rows * sizeof(int32_t);
}

struct inputs inputs_at(char *block, int32_t rows)
{
    int32_t *at = (int32_t *)block;
    struct inputs in;
    int32_t **const arrays[ARRAYS] = {
        &in.ids,         &in.positions,        &in.types,       &in.starts,
        &in.count,       &in.gather,           &in.decoder_ids, &in.decoder_positions,
        &in.append_rows, &in.append_positions, &in.slot_of_row, &in.beam_of_row,
        &in.slot,        &in.first_row,        &in.lengths,
    };
    for (int i = 0; i < ARRAYS; i++, at += rows + 1)
        *arrays[i] = at;
    in.skip = (uint8_t *)at;
    in.taps = (int32_t *)(block + before_taps(rows));
    return in;
}

struct batch inputs_batch(struct worker *w, int32_t rows, int32_t n)
{
    const struct inputs in = inputs_at(w->inputs, rows);
    return (struct batch){
        .rows = rows,
        .n = n,
        .ids = in.ids,
        .positions = in.positions,
        .types = in.types,
        .decoder_ids = in.decoder_ids,
        .decoder_positions = in.decoder_positions,
        .starts = in.starts,
        .count = in.count,
        .gather = in.gather,
        .taps = in.taps,
        .skip = in.skip,
        .append_rows = in.append_rows,
        .append_positions = in.append_positions,
        .slab = w->slab,
        .stream = w->stream,
        .spent = w->spent,
    };
}

/* RoBERTa's: ids that are not padding count up from pad + 1, padding stays at pad. */
static void fill_positions(const struct config *c, const struct tm_sequence *seq, int32_t *out)
{
    const struct family *f = c->family;
    int32_t pad = f->fixed_pad >= 0 ? f->fixed_pad : c->pad_token_id, at = pad;
    for (int32_t i = 0; i < seq->n_ids; i++)
        out[i] = !f->pad_offset ? i + f->position_offset : seq->ids[i] == pad ? pad : ++at;
}

/* A decoder that reads what its encoder reads, one place further to the right; the row that counts
 * is that of the last eos. */
static int32_t fill_decoder(const struct config *c, const struct tm_sequence *seq, int32_t *ids,
                            int32_t *positions)
{
    int32_t last = 0;
    for (int32_t i = 0; i < seq->n_ids; i++) {
        ids[i] = i == 0 ? c->decoder_start_token_id : seq->ids[i - 1];
        positions[i] = i + c->family->position_offset;
        if (seq->ids[i] == c->eos_token_id)
            last = i;
    }
    return last;
}

/* What decoders that classify look at: the last id that is no padding. */
static int32_t last_id(const struct config *c, const struct tm_sequence *seq)
{
    int32_t i = seq->n_ids - 1;
    while (i > 0 && seq->ids[i] == c->pad_token_id)
        i--;
    return c->pad_token_id >= 0 ? i : seq->n_ids - 1;
}

/* The rows at each distance from those of one sequence, `n` ids from row `at` on. */
static void fill_taps(int32_t *out, int32_t taps, int32_t rows, int32_t at, int32_t n)
{
    for (int32_t t = 0; t < taps; t++) {
        for (int32_t i = 0; i < n; i++) {
            int32_t from = i + t - taps / 2;
            out[t * rows + at + i] = from >= 0 && from < n ? at + from : -1;
        }
    }
}

int32_t inputs_fill(const struct tm_engine *e, const int32_t *entries, int32_t n, char *block)
{
    const struct config *c = &e->model.config;
    int32_t rows = 0, at = 0;
    for (int32_t k = 0; k < n; k++)
        rows += e->queue.entries[entries[k]].seq.n_ids;
    struct inputs in = inputs_at(block, rows);
    for (int32_t k = 0; k < n; k++) {
        const struct tm_sequence *seq = &e->queue.entries[entries[k]].seq;
        bool paired = c->family->types && c->type_vocab_size > 1 && seq->n_first > 0;
        in.starts[k] = in.gather[k] = at;
        in.count[k] = k;
        memcpy(in.ids + at, seq->ids, (size_t)seq->n_ids * sizeof *in.ids);
        fill_positions(c, seq, in.positions + at);
        if (c->family->shape == SHAPE_ENCODER_DECODER && c->head == TM_HEAD_SEQUENCE)
            in.gather[k] += fill_decoder(c, seq, in.decoder_ids + at, in.decoder_positions + at);
        if (c->family->shape == SHAPE_DECODER)
            in.gather[k] += last_id(c, seq);
        for (int32_t i = 0; i < seq->n_ids; i++) {
            in.types[at + i] = paired && i >= seq->n_first;
            in.skip[at + i] = seq->skip != NULL && seq->skip[i] != 0;
        }
        fill_taps(in.taps, c->conv_kernel_size, rows, at, seq->n_ids);
        at += seq->n_ids;
    }
    in.starts[n] = at;
    in.count[n] = n;
    return rows;
}
