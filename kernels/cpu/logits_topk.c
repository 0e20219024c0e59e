/* logits_topk without a second pass over the logits: the output layer is computed a chunk of
 * columns at a time for all rows, and each row keeps its best so far and its running log-sum-exp.
 *
 * The processors name few ids. Those are taken out of the chunk as it passes and kept beside, raw;
 * when the row is through and its log-softmax known, the rules are applied to them and they compete
 * with the rest. A guide's mask is applied to the chunk. A row that is forced needs no logits.
 *
 * Chunks begin at fixed columns, so a row's bits do not depend on the others. */
#include "quantize.h"
#include "simd_math.h"

#include "../ref/processors.h"

#include <math.h>
#include <string.h>

enum {
    ROWS = 128,      /* rows that share one pass over the output layer */
    CHUNK = 768,     /* columns: whole panels of every instruction set */
    NAMED = 1 << 16, /* ids that processors name, of all rows of a pass */
    REBASE = 40,     /* e^40 times a chunk's columns is far from a float's end */
};

/* An id that processors touch. */
enum { PENALISED = 1, PENALISED_ENCODER = 2, BANNED = 4 };
struct named {
    int32_t id;
    uint32_t what;
    float raw;
};

struct log_sum {
    float base; /* what is taken off before exponentials: of about the size of the greatest */
    double sum;
};

struct row {
    struct kern_history history;
    const uint32_t *mask;
    int32_t forced;      /* or -1 */
    struct named *named; /* by id, each once */
    int32_t n_named, next;
    struct log_sum all, rest; /* of all logits; of those neither named nor masked */
    bool sums_all, sums_rest;
    int32_t *ids; /* the k best so far, of raw logits until the row is through */
    float *scores;
    int32_t k, count;
};

struct pass {
    const struct tm_logits_args *args;
    struct row *rows;
    int32_t n;
    struct named *named;
    int32_t n_named;
};

/* --- the ids that processors name --- */

struct naming {
    struct pass *pass;
    uint32_t what;
    bool full;
};

static void name(void *context, int32_t id)
{
    struct naming *c = context;
    if (id < 0 || id >= c->pass->args->head->n)
        return;
    if (c->pass->n_named == NAMED)
        c->full = true;
    else
        c->pass->named[c->pass->n_named++] = (struct named){id, c->what, 0};
}

static void name_all(struct naming *c, uint32_t what, const int32_t *ids, int32_t n)
{
    c->what = what;
    for (int32_t i = 0; i < n; i++)
        name(c, ids[i]);
}

static int by_id(const void *a, const void *b)
{
    const struct named *x = a, *y = b;
    return (x->id > y->id) - (x->id < y->id);
}

/* False when there is no room: the row goes into another pass. */
static bool name_ids(struct pass *pass, struct row *row)
{
    const struct tm_decoding *d = row->history.decoding;
    struct naming c = {pass, 0, false};
    int32_t from = pass->n_named, n = 0;
    row->named = pass->named + from;
    if (row->forced < 0 && d->encoder_repetition_penalty != 1)
        name_all(&c, PENALISED_ENCODER, d->source, d->n_source);
    if (row->forced < 0 && d->repetition_penalty != 1)
        name_all(&c, PENALISED, row->history.ids, row->history.length);
    c.what = BANNED;
    if (row->forced < 0)
        kern_banned(&row->history, name, &c);
    kern_suppressed(&row->history, name, &c);
    if (c.full) {
        pass->n_named = from;
        return false;
    }
    kern_sort(row->named, pass->n_named - from, sizeof *row->named, by_id);
    for (int32_t i = 0; i < pass->n_named - from; i++) {
        if (n > 0 && row->named[n - 1].id == row->named[i].id)
            row->named[n - 1].what |= row->named[i].what;
        else
            row->named[n++] = row->named[i];
    }
    row->n_named = n;
    pass->n_named = from + n;
    return true;
}

/* --- one row, one chunk --- */

/* Is score s of id i better than t of j? Scores first, then the lower id. */
static bool better(float s, int32_t i, float t, int32_t j)
{
    return s > t || (s == t && i < j);
}

static void insert(struct row *row, float score, int32_t id)
{
    int32_t at = row->count < row->k ? row->count++ : row->k - 1;
    for (; at > 0 && better(score, id, row->scores[at - 1], row->ids[at - 1]); at--) {
        row->ids[at] = row->ids[at - 1];
        row->scores[at] = row->scores[at - 1];
    }
    row->ids[at] = id;
    row->scores[at] = score;
}

/* VL numbers from i on; what lies behind the n-th counts for nothing. */
SIMD_INLINE vf some(const float *x, int64_t i, int64_t n)
{
    vf v = v_load(x + i);
    return i + VL <= n ? v : v_head(v, n - i, v_set1(-INFINITY));
}

static float greatest(const float *x, int64_t n)
{
    vf most = v_set1(-INFINITY);
    for (int64_t i = 0; i < n; i += VL)
        most = v_max(most, some(x, i, n));
    return v_top(most);
}

/* The exponentials of n numbers below the base; *ret_top: the greatest number. */
static double exponentials(const float *x, int64_t n, float base, float *ret_top)
{
    vf below = v_set1(base), most = v_set1(-INFINITY), sum[2] = {v_zero(), v_zero()};
    for (int64_t i = 0; i < n; i += 2 * VL) {
        SIMD_EACH(v, 2)
        {
            vf part = i + v * VL < n ? some(x, i + v * VL, n) : v_set1(-INFINITY);
            most = v_max(most, part);
            sum[v] = v_add(sum[v], v_exp(v_sub(part, below)));
        }
    }
    *ret_top = v_top(most);
    return (double)v_sum(v_add(sum[0], sum[1]));
}

/* In one pass: the base is the greatest of a row's first chunk, and moves only when a later one
 * passes it so far that exponentials grow too large. Returns the greatest. */
static float add_up(struct log_sum *l, const float *x, int64_t n)
{
    float top;
    if (l->base == -INFINITY)
        l->base = greatest(x, n);
    if (l->base == -INFINITY)
        return l->base;
    double sum = exponentials(x, n, l->base, &top);
    if (top - l->base > REBASE) {
        l->sum *= exp((double)l->base - (double)top);
        l->base = top;
        sum = exponentials(x, n, top, &top);
    }
    l->sum += sum;
    return top;
}

/* A bias that only has to be added, gemm adds. */
static bool plain(const struct tm_logits_args *args)
{
    return args->scale == 1 && args->softcap == 0;
}

static void finish_logits(const struct tm_logits_args *args, float *x, int64_t from, int64_t n)
{
    vf scale = v_set1(args->scale), cap = v_set1(args->softcap);
    if (plain(args))
        return;
    for (int64_t i = 0; i < n; i += VL) {
        vf v = v_mul(v_load(x + i), scale);
        if (args->bias != NULL)
            v = v_add(v, v_loadn(args->bias + from + i, TM_MIN(VL, n - i)));
        if (args->softcap != 0)
            v = v_mul(v_tanh(v_div(v, cap)), cap);
        v_store(x + i, v);
    }
}

static bool allowed(const struct row *row, int64_t id)
{
    return row->mask == NULL || (row->mask[id / 32] >> id % 32 & 1) != 0;
}

/* Takes the named ids of the chunk out of it, and what the mask forbids. */
static void take_out(struct row *row, float *x, int64_t from, int64_t n)
{
    for (; row->next < row->n_named && row->named[row->next].id < from + n; row->next++) {
        struct named *it = &row->named[row->next];
        it->raw = x[it->id - from];
        x[it->id - from] = -INFINITY;
    }
    for (int64_t i = 0; row->mask != NULL && i < n; i++)
        if (!allowed(row, from + i))
            x[i] = -INFINITY;
}

static float least_kept(const struct row *row)
{
    return row->count < row->k ? -INFINITY : row->scores[row->k - 1];
}

static void keep_best(struct row *row, const float *x, int64_t from, int64_t n)
{
    for (int64_t i = 0; i < n; i += VL) {
        uint32_t above = v_above_mask(some(x, i, n), v_set1(least_kept(row)));
        for (; above != 0; above &= above - 1) {
            int64_t at = i + __builtin_ctz(above);
            if (row->count < row->k || x[at] > row->scores[row->k - 1])
                insert(row, x[at], (int32_t)(from + at));
        }
    }
}

static void one_chunk(const struct pass *pass, struct row *row, float *x, int64_t from, int64_t n)
{
    float top = INFINITY;
    finish_logits(pass->args, x, from, n);
    if (row->sums_all)
        top = add_up(&row->all, x, n);
    take_out(row, x, from, n);
    if (row->sums_rest)
        (void)add_up(&row->rest, x, n);
    if (!(top <= least_kept(row))) /* what is no number is looked at, too */
        keep_best(row, x, from, n);
}

/* --- the row is through --- */

static float normalised(const struct row *row, float raw)
{
    if (!row->sums_all || row->all.base == -INFINITY)
        return raw;
    return (float)((double)raw - (double)row->all.base - log(row->all.sum));
}

static float processed(const struct row *row, const struct named *it)
{
    const struct tm_decoding *d = row->history.decoding;
    float s = normalised(row, it->raw);
    if ((it->what & BANNED) != 0 || !allowed(row, it->id))
        return -INFINITY;
    if ((it->what & PENALISED_ENCODER) != 0)
        s = kern_penalise(s, 1 / d->encoder_repetition_penalty);
    return (it->what & PENALISED) != 0 ? kern_penalise(s, d->repetition_penalty) : s;
}

/* What all scores that are left have in common, as a logarithm: taken off to renormalise. */
static double remaining(const struct row *row)
{
    double top = (double)normalised(row, row->rest.base), sum = row->rest.sum;
    if (row->rest.base == -INFINITY)
        top = -INFINITY;
    for (int32_t i = 0; i < row->n_named; i++) {
        double s = (double)processed(row, &row->named[i]);
        if (s == -INFINITY)
            continue;
        double most = fmax(top, s);
        sum = sum * exp(top - most) + exp(s - most);
        top = most;
    }
    return top == -INFINITY ? 0 : top + log(sum);
}

static void finish_row(struct row *row)
{
    int32_t count = row->count;
    row->count = 0;
    for (int32_t i = 0; i < count; i++) { /* rounding may have made some of them equal */
        float s = normalised(row, row->scores[i]);
        if (s > -INFINITY)
            insert(row, s, row->ids[i]);
    }
    for (int32_t i = 0; row->forced < 0 && i < row->n_named; i++) {
        float s = processed(row, &row->named[i]);
        if (s > -INFINITY &&
            (row->count < row->k ||
             better(s, row->named[i].id, row->scores[row->k - 1], row->ids[row->k - 1])))
            insert(row, s, row->named[i].id);
    }
    if (row->sums_rest) {
        double common = remaining(row);
        for (int32_t i = 0; i < row->count; i++)
            row->scores[i] = (float)((double)row->scores[i] - common);
    }
    for (int32_t i = row->count; i < row->k; i++) {
        row->ids[i] = -1;
        row->scores[i] = -INFINITY;
    }
}

static void forced_row(struct row *row)
{
    bool out = !allowed(row, row->forced);
    for (int32_t i = 0; i < row->n_named; i++)
        out |= row->named[i].id == row->forced; /* suppressed */
    row->count = 0;
    row->sums_rest = false;
    if (!out)
        insert(row, 0, row->forced);
    finish_row(row);
}

/* --- passes --- */

static bool row_init(struct row *row, struct pass *pass, const struct tm_topk_args *args, int64_t r)
{
    const struct tm_logits_args *l = &args->logits;
    *row = (struct row){.ids = args->ret_ids + r * args->k,
                        .scores = args->ret_scores + r * args->k,
                        .k = args->k,
                        .all = {-INFINITY, 0},
                        .rest = {-INFINITY, 0}};
    row->history = kern_history(l, l->step->slot_of_row[r], l->step->beam_of_row[r]);
    row->sums_all = kern_is_beam(row->history.decoding);
    row->sums_rest = row->history.decoding->renormalize_logits;
    row->forced = kern_forced(&row->history);
    if (l->masks != NULL && (l->masked == NULL || l->masked[r] != 0))
        row->mask = l->masks + r * ((l->head->n + 31) / 32);
    return name_ids(pass, row);
}

/* Inputs of a pass. For a layer of 8 bits they are quantised here once: gemm would do it again for
 * each chunk. */
static struct tm_tensor take_inputs(struct tm_stream *stream, enum tm_dtype head, int64_t rows,
                                    int64_t cols)
{
    struct tm_tensor x = {NULL, head == TM_I8 ? TM_I8 : TM_F32, 0, cols, cols, NULL};
    x.data = kern_scratch(stream, (size_t)(rows * cols) * tm_dtype_size(x.dtype));
    if (x.dtype == TM_I8)
        x.scale = kern_scratch(stream, (size_t)rows * sizeof(float));
    return x;
}

static void put_input(struct tm_tensor *x, int64_t r, const float *row)
{
    if (x->dtype == TM_I8)
        kern_scales(x)[r] = simd_quantize_row((int8_t *)x->data + r * x->stride, row, x->cols);
    else
        memcpy(kern_row(x, r), row, (size_t)x->cols * sizeof *row);
}

/* The output layer for the rows of a pass, whose inputs are gathered in x. */
static enum tm_status run_pass(struct tm_stream *stream, struct pass *pass,
                               const struct tm_tensor *x, float *chunk)
{
    const struct tm_weight *head = pass->args->head;
    const float *bias = pass->args->bias;
    for (int64_t from = 0; pass->n > 0 && from < head->n; from += CHUNK) {
        int64_t n = TM_MIN(CHUNK, head->n - from);
        struct tm_weight part = kern_columns(head, from, n);
        struct tm_tensor out = {chunk, TM_F32, pass->n, n, CHUNK, NULL};
        struct tm_epilogue add = {.bias = plain(pass->args) && bias != NULL ? bias + from : NULL};
        enum tm_status s = stream->backend->ops.gemm(stream, &out, x, &part, &add);
        if (s != TM_OK)
            return s;
        for (int32_t r = 0; r < pass->n; r++)
            one_chunk(pass, &pass->rows[r], chunk + r * CHUNK, from, n);
    }
    for (int32_t r = 0; r < pass->n; r++)
        finish_row(&pass->rows[r]);
    return TM_OK;
}

enum tm_status SIMD(best_logits)(struct tm_stream *stream, const struct tm_tensor *x,
                                 const struct tm_topk_args *args, bool sampled)
{
    const struct tm_logits_args *l = &args->logits;
    enum tm_status status = TM_OK;
    if (x->dtype != TM_F32)
        return TM_UNSUPPORTED;
    size_t mark = stream->used;
    struct pass pass = {.args = l};
    pass.rows = kern_scratch(stream, ROWS * sizeof *pass.rows);
    pass.named = kern_scratch(stream, NAMED * sizeof *pass.named);
    float *chunk = kern_scratch(stream, (size_t)ROWS * CHUNK * sizeof *chunk);
    int64_t fit = TM_MIN(ROWS, (int64_t)(2 << 20) / (int64_t)sizeof(float) / TM_MAX(x->cols, 1));
    struct tm_tensor some = take_inputs(stream, l->head->dtype, TM_MAX(fit, 1), x->cols);
    for (int64_t r = 0; r < l->step->rows && status == TM_OK;) {
        pass.n = pass.n_named = 0;
        for (; r < l->step->rows && pass.n < TM_MAX(fit, 1); r++) {
            struct row *row = &pass.rows[pass.n];
            bool room = row_init(row, &pass, args, r);
            if (row->history.decoding->do_sample != sampled) {
                finish_row(row); /* the other operation's: nothing */
                continue;
            }
            if (!room && pass.n > 0)
                break;
            if (!room) { /* more ids than any pass holds */
                stream->used = mark;
                return sampled ? TM_UNSUPPORTED : kern_ref_ops.logits_topk(stream, x, args);
            }
            if (row->forced >= 0) {
                forced_row(row);
                continue;
            }
            put_input(&some, pass.n++, kern_row(x, r));
        }
        some.rows = pass.n;
        status = run_pass(stream, &pass, &some, chunk);
    }
    stream->used = mark;
    return status;
}

enum tm_status SIMD(logits_topk)(struct tm_stream *stream, const struct tm_tensor *x,
                                 const struct tm_topk_args *args)
{
    return SIMD(best_logits)(stream, x, args, false);
}
