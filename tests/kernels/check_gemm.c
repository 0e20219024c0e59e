/* gemm: shapes around the tiles and blocks, every epilogue, 16-bit sources, large numbers. */
#include "check.h"

#include <math.h>
#include <stdlib.h>

struct weights {
    struct grid from; /* (N, K) */
    struct tm_weight *now, *ref;
};

static struct tm_weight *pack(struct rig r, const struct tm_tensor *w)
{
    struct tm_weight *p = NULL;
    struct tm_err err = {0};
    if (r.b->dev.pack(r.b, w, TM_F32, &p, &err) != TM_OK) {
        fail("pack: %s", err.text);
        abort();
    }
    return p;
}

/* Errors of a sum of K products grow with the sum of their magnitudes, S: rounding each of K steps
 * gives eps K S at the very most and eps sqrt(K) S as a rule; four times that is allowed. The
 * activations add 1e-6 (simd_math.h). */
static void compare(const struct grid *got, const struct grid *want, const struct grid *x,
                    const struct grid *w)
{
    double slack = 4 * 0x1p-24 * sqrt((double)x->t.cols);
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

static void one(int64_t m, int64_t n, int64_t k, float reach)
{
    static const enum tm_dtype sources[] = {TM_F32, TM_BF16, TM_F16};
    GRID x = grid_random(TM_F32, m, k, reach);
    GRID w = grid_random(sources[between(0, 2)], n, k, 1);
    GRID residual = grid_random(TM_F32, m, n, reach);
    GRID want = grid_new(TM_F32, m, n);
    bool in_place = coin();
    GRID got = in_place ? grid_copy(&residual) : grid_new(TM_F32, m, n);
    AUTOFREE float *bias = floats(n, reach);
    struct tm_epilogue e = {.bias = coin() ? bias : NULL,
                            .act = (enum tm_act)between(0, TM_ACT_COUNT - 1),
                            .residual = in_place || coin() ? &residual.t : NULL};
    struct tm_weight *mine = pack(now, &w.t), *theirs = pack(ref, &w.t);
    ok(ref.b->ops.gemm(ref.s, &want.t, &x.t, theirs, &e));
    if (in_place)
        e.residual = &got.t;
    ok(now.b->ops.gemm(now.s, &got.t, &x.t, mine, &e));
    grid_intact(&got, "out");
    compare(&got, &want, &x, &w);
    if (in_place)
        e.residual = &residual.t;
    if (keeps_batches)
        invariant(&x, mine, &got, &e, &residual);
    if (now.b->dev.weight_bytes(mine) < (size_t)(n * k) * sizeof(float))
        fail("weight_bytes says less than there is");
    now.b->dev.weight_free(now.b, mine);
    ref.b->dev.weight_free(ref.b, theirs);
}

void check_gemm(void)
{
    static const int64_t ks[] = {0, 1, 2, 3, 17, 64, 255, 256, 257, 511, 513};
    for (int64_t m = 0; m <= 17; m++) /* every row tail */
        one(m, 50, 70, 1);
    for (size_t i = 0; i < n_widths; i++) /* every column tail */
        one(between(1, 20), widths[i], between(1, 90), 1);
    for (size_t i = 0; i < TM_COUNTOF(ks); i++) /* around the blocks of K */
        one(between(1, 9), between(1, 60), ks[i], 1);
    one(101, 33, 40, 1); /* more rows than a block */
    one(3, 0, 5, 1);
    one(9, 70, 300, 1e4f); /* large: saturates every activation */
    one(9, 70, 30, 1e-30f);
}

/* Two float32 sums in different orders: each within the bound above of the truth. */
static void one_oracle(struct rig oracle, int64_t m, int64_t n, int64_t k)
{
    GRID x = grid_random(TM_F32, m, k, 1), w = grid_random(TM_F32, n, k, 1);
    GRID got = grid_new(TM_F32, m, n), want = grid_new(TM_F32, m, n);
    AUTOFREE float *bias = floats(n, 1);
    struct tm_epilogue e = {.bias = bias, .act = TM_ACT_GELU_ERF};
    struct tm_weight *mine = pack(now, &w.t), *theirs = pack(oracle, &w.t);
    ok(oracle.b->ops.gemm(oracle.s, &want.t, &x.t, theirs, &e));
    ok(now.b->ops.gemm(now.s, &got.t, &x.t, mine, &e));
    grid_intact(&got, "out");
    compare(&got, &want, &x, &w);
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
