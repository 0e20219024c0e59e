/* sample_step where top_k says how many ids can be drawn at all: those are found in the same pass
 * over the output layer as logits_topk's. A step with a slot that has
 * no top_k goes through the reference. */
#include "simd.h"

#include "../ref/sample.h"

enum {
    ROWS = 64,
    NAMED = 1 << 16, /* as in logits_topk.c */
    K_MAX = 256,
    TIES = 8, /* as good as the last one */
};

/* Rows, and ids that processors name, fit what one pass of logits_topk holds. */
static bool fits(const struct tm_sample_args *args, int32_t s)
{
    const struct tm_step *step = args->logits.step;
    const struct tm_decoding *how = &args->logits.decoding[step->slot[s]];
    int64_t history = (int64_t)args->decoded->lengths[step->slot[s]] + how->n_source;
    int64_t lists = (int64_t)how->n_bad_words + how->n_suppress + how->n_begin_suppress;
    return step->first_row[s + 1] - step->first_row[s] <= ROWS &&
           2 * history + lists + how->n_eos < NAMED;
}

/* How many ids any of the slots needs; 0: the reference has to do it. */
static int32_t most(const struct tm_sample_args *args)
{
    int32_t k = 1;
    for (int32_t s = 0; s < args->logits.step->slots; s++) {
        const struct tm_decoding *how = &args->logits.decoding[args->logits.step->slot[s]];
        if (!kern_sampled(args, s))
            continue;
        if (how->top_k <= 0 || how->top_k > K_MAX || !fits(args, s))
            return 0;
        k = TM_MAX(k, how->top_k + TIES);
    }
    return k;
}

static void draw(const struct tm_sample_args *args, int32_t s, int32_t row, const int32_t *ids,
                 const float *scores, int32_t k)
{
    struct kern_ranked ranked[K_MAX + TIES];
    int32_t n = 0;
    for (; n < k && ids[n] >= 0; n++)
        ranked[n] = (struct kern_ranked){.score = scores[n], .id = ids[n]};
    kern_sample_row(args, s, row, ranked, n);
}

/* Slots from … to - 1 of the step, whose rows fit. */
static enum tm_status some(struct tm_stream *stream, const struct tm_tensor *x,
                           const struct tm_sample_args *args, int32_t from, int32_t to, int32_t k,
                           int32_t *ids, float *scores)
{
    const struct tm_step *step = args->logits.step;
    const int64_t row = step->first_row[from], words = (args->logits.head->n + 31) / 32;
    struct tm_step part = {.rows = step->first_row[to] - (int32_t)row,
                           .slot_of_row = step->slot_of_row + row,
                           .beam_of_row = step->beam_of_row + row};
    struct tm_topk_args top = {args->logits, k, ids, scores};
    struct tm_tensor rows = *x;
    rows.data = kern_row(x, row);
    rows.rows = part.rows;
    top.logits.step = &part;
    top.logits.masks = args->logits.masks != NULL ? args->logits.masks + row * words : NULL;
    top.logits.masked = args->logits.masked != NULL ? args->logits.masked + row : NULL;
    enum tm_status status = SIMD(best_logits)(stream, &rows, &top, true);
    for (int32_t s = from; s < to && status == TM_OK; s++) {
        if (!kern_sampled(args, s))
            continue;
        for (int64_t r = step->first_row[s]; r < step->first_row[s + 1]; r++)
            draw(args, s, (int32_t)r, ids + (r - row) * k, scores + (r - row) * k, k);
        kern_sample_end(args, s);
    }
    return status;
}

enum tm_status SIMD(sample_step)(struct tm_stream *stream, const struct tm_tensor *x,
                                 const struct tm_sample_args *args)
{
    const struct tm_step *step = args->logits.step;
    enum tm_status status = TM_OK;
    int32_t k = most(args), to;
    if (x->dtype != TM_F32)
        return TM_UNSUPPORTED;
    if (k == 0)
        return kern_ref_ops.sample_step(stream, x, args);
    size_t mark = stream->used;
    int32_t *ids = kern_scratch(stream, (size_t)ROWS * (size_t)k * sizeof *ids);
    float *scores = kern_scratch(stream, (size_t)ROWS * (size_t)k * sizeof *scores);
    for (int32_t from = 0; from < step->slots && status == TM_OK; from = to) {
        for (to = from + 1; to < step->slots; to++)
            if (step->first_row[to + 1] - step->first_row[from] > ROWS)
                break;
        status = some(stream, x, args, from, to, k, ids, scores);
    }
    stream->used = mark;
    return status;
}
