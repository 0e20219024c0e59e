/* gemm: shapes around the tiles and blocks, every epilogue, 16-bit sources, large numbers. */
#include "check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct weights {
    struct grid from; /* (N, K) */
    struct tm_weight *now, *ref;
};

static struct tm_weight *pack(struct rig r, const struct tm_tensor *w, enum tm_dtype as)
{
    struct tm_weight *p = NULL;
    struct tm_err err = {0};
    if (r.b->dev.pack(r.b, w, as, &p, &err) != TM_OK) {
        fail("pack: %s", err.text);
        abort();
    }
    return p;
}

/* Errors of a sum of K products grow with the sum of their magnitudes, S: rounding each of K steps
 * gives eps K S at the very most and eps sqrt(K) S as a rule; four times that is allowed. The
 * activations add 1e-6 (simd_math.h). Inputs rounded to bfloat16 are off by up to 2^-8 each, times
 * the slope of an activation. */
static void compare(const struct grid *got, const struct grid *want, const struct grid *x,
                    const struct grid *w, bool rounded)
{
    same_bits("itself", &got->t, &got->t); /* into the digest */
    double slack = 4 * 0x1p-24 * sqrt((double)x->t.cols) + (rounded ? 0x1.3p-8 : 0);
    for (int64_t m = 0; m < want->t.rows; m++) {
        for (int64_t n = 0; n < want->t.cols; n++) {
            double size = 0, a = value(&got->t, m, n), b = value(&want->t, m, n);
            for (int64_t k = 0; k < x->t.cols; k++)
                size += fabs(value(&x->t, m, k) * value(&w->t, n, k));
            if (fabs(a - b) <= slack * size + 1e-6 * (1 + fabs(b)))
                continue;
            fail("M %lld N %lld K %lld: (%lld, %lld) is %.9g, not %.9g", (long long)x->t.rows,
                 (long long)w->t.rows, (long long)x->t.cols, (long long)m, (long long)n, a, b);
            return;
        }
    }
}

/* The same rows in other company: every row alone, then windows. */
static void invariant(const struct grid *x, const struct tm_weight *w, const struct grid *want,
                      const struct tm_epilogue *e, const struct grid *residual)
{
    for (int64_t at = 0, count = 1; at < x->t.rows; at += count, count = between(1, 13)) {
        int64_t rows = TM_MIN(count, x->t.rows - at);
        GRID out = grid_new(TM_F32, rows, want->t.cols);
        struct tm_tensor some = rows_of(x, at, rows), expect = rows_of(want, at, rows);
        struct tm_tensor res = rows_of(residual, at, rows);
        struct tm_epilogue part = *e;
        part.residual = e->residual != NULL ? &res : NULL;
        ok(now.b->ops.gemm(now.s, &out.t, &some, w, &part));
        same_bits("rows in another batch", &out.t, &expect);
    }
}

/* Rows that come as 8-bit integers give what they give when gemm makes the integers. */
static void ready_made(const struct grid *x, const struct tm_weight *w, const struct grid *want,
                       const struct tm_epilogue *e)
{
    GRID ints = grid_new(TM_I8, x->t.rows, x->t.cols),
         out = grid_new(TM_F32, x->t.rows, want->t.cols);
    AUTOFREE float *scale = floats(x->t.rows, 1);
    ok(now.b->ops.quantize_rows(now.s, &ints.t, scale, &x->t));
    ints.t.scale = scale;
    ok(now.b->ops.gemm(now.s, &out.t, &ints.t, w, e));
    same_bits("rows of int8", &out.t, &want->t);
}

static void one(enum tm_dtype as, int64_t m, int64_t n, int64_t k, float reach)
{
    static const enum tm_dtype sources[] = {TM_F32, TM_BF16, TM_F16};
    GRID x = grid_random(TM_F32, m, k, reach);
    const char *variant = now.b->ops.gemm_variant;
    bool pairs =
        strstr(variant, "bfloat16 avx512bf16") != NULL || strstr(variant, "bfloat16 bf16") != NULL;
    bool exact = as != TM_BF16 || !pairs || coin(); /* or the inputs are rounded */
    float unit = ldexpf(1, ilogbf(reach) - 5);
    for (int64_t r = 0; exact && pairs && r < m; r++)
        for (int64_t c = 0; c < k; c++) /* seven bits: they survive the rounding */
            put(&x.t, r, c, floorf((float)value(&x.t, r, c) / unit) * unit);
    GRID w = grid_random(sources[between(0, 2)], n, k, 1);
    GRID residual = grid_random(TM_F32, m, n, reach);
    GRID want = grid_new(TM_F32, m, n);
    bool in_place = coin();
    GRID got = in_place ? grid_copy(&residual) : grid_new(TM_F32, m, n);
    AUTOFREE float *bias = floats(n, reach);
    struct tm_epilogue e = {.bias = coin() ? bias : NULL,
                            .act = (enum tm_act)between(0, TM_ACT_COUNT - 1),
                            .residual = in_place || coin() ? &residual.t : NULL};
    struct tm_weight *mine = pack(now, &w.t, as), *theirs = pack(ref, &w.t, as);
    ok(ref.b->ops.gemm(ref.s, &want.t, &x.t, theirs, &e));
    if (in_place)
        e.residual = &got.t;
    ok(now.b->ops.gemm(now.s, &got.t, &x.t, mine, &e));
    grid_intact(&got, "out");
    if (as == TM_I8 && e.act <= TM_ACT_RELU)
        same_bits("integers", &got.t, &want.t);
    else if (as == TM_I8)
        near_enough("out", &got.t, &want.t, 1e-6 * (1 + (double)reach), 2e-6);
    else
        compare(&got, &want, &x, &w, !exact);
    if (in_place)
        e.residual = &residual.t;
    if (keeps_batches || as != TM_F32)
        invariant(&x, mine, &got, &e, &residual);
    if (as == TM_I8)
        ready_made(&x, mine, &got, &e);
    if (now.b->dev.weight_bytes(mine) < (size_t)(n * k) * tm_dtype_size(as))
        fail("weight_bytes says less than there is");
    now.b->dev.weight_free(now.b, mine);
    ref.b->dev.weight_free(ref.b, theirs);
}

static void all_shapes(enum tm_dtype as)
{
    static const int64_t ks[] = {0, 1, 2, 3, 5, 17, 64, 255, 256, 257, 511, 513, 769, 1030};
    for (int64_t m = 0; m <= 17; m++) /* every row tail */
        one(as, m, 50, 70, 1);
    for (size_t i = 0; i < n_widths; i++) /* every column tail */
        one(as, between(1, 20), widths[i], between(1, 90), 1);
    for (size_t i = 0; i < TM_COUNTOF(ks); i++) /* around the groups and the slices of K */
        one(as, between(1, 9), between(1, 60), ks[i], 1);
    one(as, 101, 33, 40, 1); /* more rows than a block */
    one(as, 3, 0, 5, 1);
    one(as, 9, 70, 300, 1e4f); /* large: saturates every activation */
    one(as, 9, 70, 30, 1e-30f);
}

/* The largest integers on both sides: nothing may saturate on the way. */
static void extremes(void)
{
    enum { ROWS = 3, COLS = 35, DEPTH = 1500 };
    GRID x = grid_new(TM_F32, ROWS, DEPTH), w = grid_new(TM_F32, COLS, DEPTH);
    GRID got = grid_new(TM_F32, ROWS, COLS);
    for (int64_t k = 0; k < DEPTH; k++) {
        for (int64_t r = 0; r < ROWS; r++)
            put(&x.t, r, k, r == 0 ? 127 : r == 1 ? -127 : k % 2 == 0 ? 127 : -127);
        for (int64_t c = 0; c < COLS; c++)
            put(&w.t, c, k, c % 2 == 0 ? 127 : -127);
    }
    struct tm_weight *mine = pack(now, &w.t, TM_I8);
    ok(now.b->ops.gemm(now.s, &got.t, &x.t, mine, NULL));
    for (int64_t r = 0; r < ROWS; r++)
        for (int64_t c = 0; c < COLS; c++)
            if (value(&got.t, r, c) != (r == 2 ? 0 : (r == c % 2 ? 1 : -1) * 127.0 * 127 * DEPTH))
                fail("(%lld, %lld) is %.9g", (long long)r, (long long)c, value(&got.t, r, c));
    now.b->dev.weight_free(now.b, mine);
}

void check_gemm(void)
{
    all_shapes(TM_F32);
    all_shapes(TM_BF16);
    all_shapes(TM_I8);
    extremes();
}

/* Two float32 sums in different orders: each within the bound above of the truth. */
static void one_oracle(struct rig oracle, int64_t m, int64_t n, int64_t k)
{
    GRID x = grid_random(TM_F32, m, k, 1), w = grid_random(TM_F32, n, k, 1);
    GRID got = grid_new(TM_F32, m, n), want = grid_new(TM_F32, m, n);
    AUTOFREE float *bias = floats(n, 1);
    struct tm_epilogue e = {.bias = bias, .act = TM_ACT_GELU_ERF};
    struct tm_weight *mine = pack(now, &w.t, TM_F32), *theirs = pack(oracle, &w.t, TM_F32);
    ok(oracle.b->ops.gemm(oracle.s, &want.t, &x.t, theirs, &e));
    ok(now.b->ops.gemm(now.s, &got.t, &x.t, mine, &e));
    grid_intact(&got, "out");
    compare(&got, &want, &x, &w, false);
    now.b->dev.weight_free(now.b, mine);
    oracle.b->dev.weight_free(oracle.b, theirs);
}

void check_gemm_oracle(struct rig oracle)
{
    one_oracle(oracle, 200, 384, 384);
    one_oracle(oracle, 33, 1536, 384);
    one_oracle(oracle, 100, 384, 1536);
    one_oracle(oracle, 97, 769, 771);
}
