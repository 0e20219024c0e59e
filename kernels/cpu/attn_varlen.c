/* attn_varlen: for each sequence and head, blocks of keys against blocks of queries with a running
 * softmax. Keys are transposed and values gathered into scratch once per block, so that both
 * products run on the tiles of gemm whatever the strides are.
 *
 * Everything is counted from the sequence's own first token and each row meets its keys in order:
 * what else is in the batch changes nothing. Scratch does not grow with the length. */
#include "disentangled.h"
#include "simd.h"
#include "softmax.h"

#include <string.h>

enum {
    KEYS = 384,    /* keys in a block: a multiple of TILE_COLS on both instruction sets */
    QUERIES = 512, /* queries that share one pass over the keys */
    DIM_MAX = 512, /* with it the scratch below is at most 3.3 MiB */
};

struct job {
    const struct tm_attn_args *args;
    const struct tm_tensor *q, *k, *v, *out;
    int64_t start, len;         /* of the sequence, in rows */
    int64_t h, kv, dim, padded; /* padded: dim in whole vectors */
    const uint8_t *global;      /* of this sequence, or NULL */
    bool masked;                /* some pairs may not attend */
    float *keys;                /* panels of (dim, TILE_COLS), the last one narrower */
    float *values;              /* (KEYS, padded) */
    float *scores;              /* (TILE_ROWS, KEYS) */
    float *sums;                /* (QUERIES, padded) */
    float *bias;                /* (QUERIES + KEYS), see load_bias; or NULL */
    float *top, *total;         /* (QUERIES) running maximum and sum of exponentials */
    struct disentangled terms;  /* DeBERTa's; args NULL: none */
};

/* Up to four rows of `dim` numbers, beginning at column `at`, as columns of `to`: in blocks of four
 * by four where there are as many. */
static void transpose(float *to, int64_t width, const struct tm_tensor *t, int64_t row,
                      int64_t rows, int64_t at, int64_t dim)
{
    typedef float four __attribute__((vector_size(16)));
    int64_t d = 0;
    for (; rows == 4 && d + 4 <= dim; d += 4) {
        four r[4], a, b, c, e;
        for (int64_t i = 0; i < 4; i++)
            memcpy(&r[i], kern_row(t, row + i) + at + d, sizeof r[i]);
        a = __builtin_shufflevector(r[0], r[1], 0, 4, 1, 5);
        b = __builtin_shufflevector(r[0], r[1], 2, 6, 3, 7);
        c = __builtin_shufflevector(r[2], r[3], 0, 4, 1, 5);
        e = __builtin_shufflevector(r[2], r[3], 2, 6, 3, 7);
        r[0] = __builtin_shufflevector(a, c, 0, 1, 4, 5);
        r[1] = __builtin_shufflevector(a, c, 2, 3, 6, 7);
        r[2] = __builtin_shufflevector(b, e, 0, 1, 4, 5);
        r[3] = __builtin_shufflevector(b, e, 2, 3, 6, 7);
        for (int64_t i = 0; i < 4; i++)
            memcpy(to + (d + i) * width, &r[i], sizeof r[i]);
    }
    for (; d < dim; d++)
        for (int64_t i = 0; i < rows; i++)
            to[d * width + i] = kern_row(t, row + i)[at + d];
}

/* Zero columns behind the last key and dimension make whole vectors. */
static void load_keys(const struct job *b, int64_t from, int64_t n)
{
    for (int64_t p = 0; p < n; p += TILE_COLS) {
        int64_t keys = TM_MIN(TILE_COLS, n - p), width = kern_round_up(keys, VL);
        float *panel = b->keys + p * b->dim;
        for (int64_t j = 0; j < keys; j += 4)
            transpose(panel + j, width, b->k, b->start + from + p + j, TM_MIN(4, keys - j),
                      b->kv * b->dim, b->dim);
        for (int64_t d = 0; d < b->dim; d++)
            for (int64_t j = keys; j < width; j++)
                panel[d * width + j] = 0;
    }
    for (int64_t j = 0; j < n; j++) {
        const float *v = kern_row(b->v, b->start + from + j) + b->kv * b->dim;
        for (int64_t d = 0; d < b->dim; d += VL)
            v_store(b->values + j * b->padded + d, v_loadn(v + d, TM_MIN(VL, b->dim - d)));
    }
}

/* The T5 bias of every distance between a query of the pass from i on and a key of the block:
 * that of state row r and key j stands at j - r + QUERIES. */
static void load_bias(const struct job *b, int64_t i, int64_t from)
{
    const struct tm_attn_bias *t = &b->args->bias;
    for (int64_t at = 1; at < QUERIES + KEYS; at++) {
        int64_t d = from - i + at - QUERIES;
        d = TM_MAX(-(int64_t)t->reach, TM_MIN((int64_t)t->reach, d));
        b->bias[at] = t->table[(int64_t)t->bucket[d + t->reach] * b->args->heads + b->h];
    }
}

/* Which of n keys from `from` on may any of the queries i … i + rows - 1 see? Widened to whole
 * panels; *end is 0 when none. Global rows make everything visible. */
static void visible(const struct job *b, int64_t i, int64_t rows, int64_t from, int64_t n,
                    int64_t *begin, int64_t *end)
{
    const struct tm_attn_args *a = b->args;
    int64_t lo = from, hi = from + n;
    if (a->window != 0 && b->global == NULL) {
        lo = TM_MAX(lo, i - a->window);
        hi = TM_MIN(hi, i + rows + a->window);
    }
    if (a->causal)
        hi = TM_MIN(hi, i + rows);
    *begin = lo >= hi ? 0 : (lo - from) / TILE_COLS * TILE_COLS;
    *end = lo >= hi ? 0 : TM_MIN(n, kern_round_up(hi - from, TILE_COLS));
}

/* Which keys query i may not see: all but one run of them, unless there are global rows. */
static void mask(const struct job *b, float *s, int64_t i, int64_t from, int64_t begin, int64_t end)
{
    const struct tm_attn_args *a = b->args;
    const bool everywhere = a->window == 0 || (b->global != NULL && b->global[i] != 0);
    int64_t last = a->causal ? i : from + end; /* past it even global rows are unseen */
    int64_t lo = everywhere ? from : i - a->window;
    int64_t hi = everywhere ? last : TM_MIN(last, i + a->window);
    for (int64_t j = begin; j < TM_MIN(end, lo - from); j++)
        if (b->global == NULL || b->global[from + j] == 0)
            s[j] = -INFINITY;
    for (int64_t j = TM_MAX(begin, hi + 1 - from); j < end; j++)
        if (b->global == NULL || b->global[from + j] == 0 || from + j > last)
            s[j] = -INFINITY;
}

/* Scale, cap, bias and mask of the scores of query i (row r of the state) and keys from + begin …
 * from + end - 1. */
static void adjust(const struct job *b, float *s, int64_t i, int64_t r, int64_t from, int64_t begin,
                   int64_t end)
{
    const struct tm_attn_args *a = b->args;
    vf scale = v_set1(a->scale), cap = v_set1(a->softcap);
    if (b->terms.args != NULL)
        disentangled_add(&b->terms, s, r, b->terms.row + QUERIES - r, begin, end);
    for (int64_t j = begin; j < end; j += VL) {
        vf x = v_mul(v_load(s + j), scale);
        if (a->softcap != 0)
            x = v_mul(v_tanh(v_div(x, cap)), cap);
        if (b->bias != NULL)
            x = v_add(x, v_load(b->bias + j - r + QUERIES));
        v_store(s + j, x);
    }
    if (b->masked)
        mask(b, s, i, from, begin, end);
}

/* Queries i … i + rows - 1, kept at row r of the state, against the block of n keys. */
static void rows_times_block(const struct job *b, int64_t i, int64_t r, int64_t rows, int64_t from,
                             int64_t n)
{
    int64_t begin, end;
    const float *q = kern_row(b->q, b->start + i) + b->h * b->dim;
    const struct simd_ahead here = {(const char *)q, 0}; /* all of it is in cache */
    visible(b, i, rows, from, n, &begin, &end);
    if (end == 0)
        return;
    for (int64_t p = begin; p < end; p += TILE_COLS) {
        int64_t width = TM_MIN(TILE_COLS, kern_round_up(n - p, VL));
        SIMD(tiles)
        [rows - 1][width / VL - 1](q, b->q->stride, b->keys + p * b->dim, width, b->dim,
                                   b->scores + p, KEYS, false, here);
    }
    for (int64_t m = 0; m < rows; m++) {
        adjust(b, b->scores + m * KEYS, i + m, r + m, from, begin, end);
        struct simd_softmax state = {b->top + r + m, b->total + r + m,
                                     b->sums + (r + m) * b->padded, b->padded};
        simd_soften(state, b->scores + m * KEYS, begin, end);
    }
    for (int64_t d = 0; d < b->padded; d += 2 * VL) {
        int64_t vectors = TM_MIN(2, (b->padded - d) / VL);
        SIMD(tiles)
        [rows - 1][vectors - 1](b->scores + begin, KEYS, b->values + begin * b->padded + d,
                                b->padded, end - begin, b->sums + r * b->padded + d, b->padded,
                                true, here);
    }
}

static void finish(const struct job *b, int64_t i, int64_t rows)
{
    for (int64_t r = 0; r < rows; r++) {
        float *out = kern_row(b->out, b->start + i + r) + b->h * b->dim;
        const float *sums = b->sums + r * b->padded;
        vf inv = v_set1(1 / b->total[r]);
        for (int64_t d = 0; d < b->dim; d += VL)
            v_storen(out + d, TM_MIN(VL, b->dim - d), v_mul(v_load(sums + d), inv));
    }
}

static void one_head(const struct job *b)
{
    for (int64_t i = 0; i < b->len; i += QUERIES) {
        int64_t rows = TM_MIN(QUERIES, b->len - i);
        for (int64_t r = 0; r < rows; r++) {
            b->top[r] = -INFINITY;
            b->total[r] = 0;
        }
        for (int64_t d = 0; d < rows * b->padded; d += VL)
            v_store(b->sums + d, v_zero());
        if (b->terms.args != NULL)
            disentangled_term(&b->terms, b->args->bias.pos_k, b->q, b->start + i, rows, b->h,
                              b->terms.by_query);
        for (int64_t from = 0; from < b->len; from += KEYS) {
            int64_t begin, end, n = TM_MIN(KEYS, b->len - from);
            visible(b, i, rows, from, n, &begin, &end);
            if (end == 0)
                continue;
            load_keys(b, from, n);
            if (b->bias != NULL)
                load_bias(b, i, from);
            if (b->terms.args != NULL) {
                disentangled_rows(&b->terms, i, from, QUERIES, KEYS);
                disentangled_term(&b->terms, b->args->bias.pos_q, b->k, b->start + from, n, b->h,
                                  b->terms.by_key);
            }
            for (int64_t r = 0; r < rows; r += TILE_ROWS)
                rows_times_block(b, i + r, r, TM_MIN(TILE_ROWS, rows - r), from, n);
        }
        finish(b, i, rows);
    }
}

static int64_t table_rows(const struct tm_attn_bias *t)
{
    return t->pos_k != NULL ? t->pos_k->rows : t->pos_q != NULL ? t->pos_q->rows : 0;
}

static bool has_bias(const struct tm_attn_args *args)
{
    const struct tm_attn_bias *t = &args->bias;
    return t->kind == TM_BIAS_NONE || t->kind == TM_BIAS_T5 ||
           (t->kind == TM_BIAS_DEBERTA && table_rows(t) <= SPAN_MAX &&
            args->kv_heads == args->heads && args->head_dim <= 2 * 64);
}

static void take_terms(struct job *b, struct tm_stream *stream)
{
    size_t width = (size_t)kern_round_up(table_rows(&b->args->bias), VL);
    b->terms.args = b->args;
    b->terms.panels = kern_scratch(stream, width * (size_t)b->dim * sizeof(float));
    b->terms.by_query = kern_scratch(stream, QUERIES * width * sizeof(float));
    b->terms.by_key = kern_scratch(stream, KEYS * width * sizeof(float));
    b->terms.row = kern_scratch(stream, (QUERIES + KEYS) * sizeof(int32_t));
}

enum tm_status SIMD(attn_varlen)(struct tm_stream *stream, struct tm_tensor *out,
                                 const struct tm_tensor *q, const struct tm_tensor *k,
                                 const struct tm_tensor *v, const int32_t *starts, int32_t n,
                                 const struct tm_attn_args *args)
{
    if (!has_bias(args) || args->head_dim > DIM_MAX) /* families that are rare on a CPU */
        return kern_ref_ops.attn_varlen(stream, out, q, k, v, starts, n, args);
    if (out->dtype != TM_F32 || q->dtype != TM_F32 || k->dtype != TM_F32 || v->dtype != TM_F32)
        return TM_UNSUPPORTED;
    size_t mark = stream->used;
    struct job b = {.args = args, .q = q, .k = k, .v = v, .out = out, .dim = args->head_dim};
    b.padded = kern_round_up(b.dim, VL);
    b.masked = args->causal || args->window != 0;
    b.keys = kern_scratch(stream, (size_t)(KEYS * b.dim) * sizeof(float));
    b.values = kern_scratch(stream, (size_t)(KEYS * b.padded) * sizeof(float));
    b.scores = kern_scratch(stream, (size_t)TILE_ROWS * KEYS * sizeof(float));
    b.sums = kern_scratch(stream, (size_t)(QUERIES * b.padded) * sizeof(float));
    b.top = kern_scratch(stream, QUERIES * sizeof(float));
    b.total = kern_scratch(stream, QUERIES * sizeof(float));
    if (args->bias.kind == TM_BIAS_T5)
        b.bias = kern_scratch(stream, (QUERIES + KEYS) * sizeof(float));
    if (args->bias.kind == TM_BIAS_DEBERTA)
        take_terms(&b, stream);
    for (int32_t s = 0; s < n; s++) {
        b.start = starts[s];
        b.len = starts[s + 1] - starts[s];
        if (b.terms.args != NULL && b.len > 0)
            disentangled_begin(&b.terms, b.len);
        b.global = args->global != NULL ? args->global + b.start : NULL;
        for (b.h = 0; b.h < args->heads; b.h++) {
            b.kv = b.h * args->kv_heads / args->heads;
            one_head(&b);
        }
    }
    stream->used = mark;
    return TM_OK;
}
