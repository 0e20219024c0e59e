/* The small operations on rows: glu, qk_prep, gather_rows, convert, quantize_rows. */
#include "check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* 1e-6: what the activations promise (simd_math.h), times a gate of at most 1. */
static void one_glu(int64_t rows, int64_t cols, enum tm_act act, float reach)
{
    GRID x = grid_random(TM_F32, rows, 2 * cols, reach);
    GRID got = grid_new(TM_F32, rows, cols), want = grid_new(TM_F32, rows, cols);
    ok(ref.b->ops.glu(ref.s, &want.t, &x.t, act));
    ok(now.b->ops.glu(now.s, &got.t, &x.t, act));
    grid_intact(&got, "out");
    near_enough("out", &got.t, &want.t, 1e-6 * reach, 1e-6);
    for (int64_t r = 0; r < rows; r++) {
        GRID alone = grid_new(TM_F32, 1, cols);
        struct tm_tensor xr = rows_of(&x, r, 1), expect = rows_of(&got, r, 1);
        ok(now.b->ops.glu(now.s, &alone.t, &xr, act));
        same_bits("row alone", &alone.t, &expect);
    }
}

/* SiLU far below zero is x e^x: there the relative error of exp itself shows. 2 ulp are 2.4e-7; a
 * division, a product and the reference round once each. */
static void exponential(void)
{
    enum { COLS = 333 };
    GRID x = grid_random(TM_F32, 2, 2 * COLS, 1);
    GRID got = grid_new(TM_F32, 2, COLS), want = grid_new(TM_F32, 2, COLS);
    for (int64_t r = 0; r < 2; r++) {
        for (int64_t c = 0; c < COLS; c++) {
            put(&x.t, r, c, -50 + uniform(32));
            put(&x.t, r, COLS + c, 1);
        }
    }
    ok(ref.b->ops.glu(ref.s, &want.t, &x.t, TM_ACT_SILU));
    ok(now.b->ops.glu(now.s, &got.t, &x.t, TM_ACT_SILU));
    near_enough("exp", &got.t, &want.t, 0, 4e-7);
}

void check_glu(void)
{
    exponential();
    for (int act = 0; act < TM_ACT_COUNT; act++) {
        for (size_t i = 0; i < n_widths; i++)
            one_glu(between(0, 4), widths[i], (enum tm_act)act, 1);
        one_glu(3, 500, (enum tm_act)act, 8);
        one_glu(3, 100, (enum tm_act)act, 1000);
    }
}

static void one_qk(int32_t heads, int32_t kv_heads, int32_t dim, int32_t rotated, bool cached)
{
    enum { ROWS = 9, PLACES = 40, PAGES = 5 };
    GRID q = grid_random(TM_F32, ROWS, heads * dim, 1);
    GRID k = grid_random(TM_F32, ROWS, kv_heads * dim, 1);
    GRID v = grid_random(TM_F32, ROWS, kv_heads * dim, 1);
    GRID q2 = grid_copy(&q), k2 = grid_copy(&k), q1 = grid_copy(&q);
    AUTOFREE float *angles = floats((int64_t)PLACES * rotated + 1, 1);
    AUTOFREE float *weight = floats(dim, 2);
    struct tm_rope rope = {angles, angles + PLACES * rotated / 2, rotated};
    struct tm_norm norm = {TM_NORM_RMS, weight, NULL, 1e-6f};
    int32_t positions[ROWS], slots[ROWS], pages[] = {3, 1, 4, 0};
    for (int i = 0; i < ROWS; i++) {
        positions[i] = i < 5 ? 30 + i : i - 5;
        slots[i] = i < 5 ? 0 : 1;
    }
    enum tm_dtype dtype = coin() ? TM_F32 : coin() ? TM_BF16 : TM_F16;
    GRID pool1 = grid_random(dtype, 2 * PAGES, 2 * kv_heads * TM_KV_PAGE * dim, 1);
    GRID pool2 = grid_copy(&pool1);
    struct tm_kv_pool pool = {pool1.t, 2, PAGES, kv_heads, TM_KV_PAGE, dim};
    struct tm_kv_cache cache = {.pool = &pool, .pages = pages, .max_pages = 2};
    struct tm_qk_args args = {.heads = heads,
                              .kv_heads = kv_heads,
                              .head_dim = dim,
                              .positions = positions,
                              .rope = rotated != 0 ? &rope : NULL,
                              .q_norm = coin() ? &norm : NULL,
                              .k_norm = coin() ? &norm : NULL,
                              .append = cached ? &cache : NULL,
                              .append_rows = slots,
                              .append_positions = coin() ? positions : NULL,
                              .layer = 1};
    ok(ref.b->ops.qk_prep(ref.s, &q.t, &k.t, &v.t, &args));
    pool.data = pool2.t;
    ok(now.b->ops.qk_prep(now.s, &q2.t, &k2.t, &v.t, &args));
    grid_intact(&q2, "q");
    grid_intact(&k2, "k");
    near_enough("q", &q2.t, &q.t, 2e-6, 2e-6); /* a norm and two products */
    near_enough("k", &k2.t, &k.t, 2e-6, 2e-6);
    grid_intact(&pool2, "pool");
    near_enough("pool", &pool2.t, &pool1.t, 2e-6, dtype == TM_F32 ? 2e-6 : 0x1p-7);
    /* K is what k2 holds now, a column; V a row. Row 2 is position 32, page 1 of slot 0. */
    for (int32_t c = 0; cached && c < dim; c++) {
        double k_at = value(&pool2.t, PAGES + pages[1], (int64_t)c * TM_KV_PAGE);
        double v_at = value(&pool2.t, PAGES + pages[1], (int64_t)kv_heads * TM_KV_PAGE * dim + c);
        double k_is = value(&k2.t, 2, c), v_is = value(&v.t, 2, c); /* 16 bits round by 2^-8 */
        if (fabs(k_at - k_is) > 0x1p-8 * fabs(k_is) + 1e-7 ||
            fabs(v_at - v_is) > 0x1p-8 * fabs(v_is) + 1e-7)
            fail("the cache does not hold dimension %d of K and V", c);
    }
    for (int64_t r = 0; r < ROWS; r++) {
        struct tm_tensor row = rows_of(&q1, r, 1), expect = rows_of(&q2, r, 1);
        struct tm_qk_args part = args;
        part.positions = positions + r;
        part.append = NULL;
        ok(now.b->ops.qk_prep(now.s, &row, NULL, NULL, &part));
        same_bits("row alone", &row, &expect);
    }
}

void check_qk_prep(void)
{
    static const int32_t dims[] = {2, 8, 16, 30, 32, 64, 80, 128};
    for (size_t i = 0; i < TM_COUNTOF(dims); i++) {
        one_qk(4, 2, dims[i], dims[i], false);
        one_qk(3, 1, dims[i], dims[i] / 4 * 2, true);
        one_qk(2, 2, dims[i], 0, true);
    }
}

void check_gather_rows(void)
{
    static const enum tm_dtype dtypes[] = {TM_F32, TM_BF16, TM_F16};
    for (size_t i = 0; i < n_widths; i++) {
        enum tm_dtype dtype = dtypes[between(0, 2)];
        int32_t index[7];
        int64_t rows = between(0, 7);
        GRID x = grid_random(dtype, 5, widths[i], 1);
        GRID got = grid_new(dtype, rows, widths[i]);
        for (int r = 0; r < 7; r++)
            index[r] = (int32_t)between(-1, 4);
        ok(now.b->ops.gather_rows(now.s, &got.t, &x.t, index));
        grid_intact(&got, "out");
        for (int64_t r = 0; r < rows; r++) {
            struct tm_tensor a = rows_of(&got, r, 1);
            struct tm_tensor b = rows_of(&x, TM_MAX(index[r], 0), 1);
            if (index[r] >= 0)
                same_bits("row", &a, &b);
            for (size_t c = 0; index[r] < 0 && c < (size_t)widths[i] * tm_dtype_size(dtype); c++)
                if (((const char *)a.data)[c] != 0)
                    fail("-1 does not give zeros");
        }
    }
}

/* Bits must agree: there is one right rounding. */
static void one_convert(enum tm_dtype from, enum tm_dtype to, int64_t rows, int64_t cols,
                        float reach)
{
    GRID x = grid_random(from, rows, cols, reach);
    GRID got = grid_new(to, rows, cols), want = grid_new(to, rows, cols);
    if (rows > 0 && from == TM_F32) {
        put(&x.t, 0, 0, INFINITY);
        put(&x.t, rows - 1, cols - 1, -1e-41f);
        for (int64_t c = 0; c < cols; c += 5) /* half way in one of the two: to even */
            put(&x.t, rows - 1, c, 1 + (float)(1 + 2 * (c & 1)) * (coin() ? 0x1p-8f : 0x1p-11f));
    }
    ok(ref.b->ops.convert(ref.s, &want.t, &x.t));
    ok(now.b->ops.convert(now.s, &got.t, &x.t));
    grid_intact(&got, "out");
    same_bits("out", &got.t, &want.t);
}

void check_convert(void)
{
    static const enum tm_dtype dtypes[] = {TM_F32, TM_BF16, TM_F16};
    for (int a = 0; a < 3; a++)
        for (int b = 0; b < 3; b++)
            for (size_t i = 0; i < n_widths; i++)
                one_convert(dtypes[a], dtypes[b], between(0, 3), widths[i],
                            i % 3 == 0   ? 1
                            : i % 3 == 1 ? 1e5f
                                         : 1e-5f);
}

static void one_quantize(enum tm_dtype to, int64_t rows, int64_t cols, float reach)
{
    GRID x = grid_random(TM_F32, rows, cols, reach);
    GRID got = grid_new(to, rows, cols), want = grid_new(to, rows, cols);
    float scale[8], want_scale[8];
    for (int64_t c = 0; rows > 2 && c < cols; c++)
        put(&x.t, 1, c, 0); /* a row of zeros */
    ok(ref.b->ops.quantize_rows(ref.s, &want.t, want_scale, &x.t));
    ok(now.b->ops.quantize_rows(now.s, &got.t, scale, &x.t));
    grid_intact(&got, "out");
    same_bits("out", &got.t, &want.t);
    if (memcmp(scale, want_scale, (size_t)rows * sizeof *scale) != 0)
        fail("scales differ");
}

void check_quantize_rows(void)
{
    for (size_t i = 0; i < n_widths; i++) {
        for (int64_t rows = 0; rows < 5; rows++) {
            one_quantize(TM_I8, rows, widths[i], 3);
            one_quantize(TM_F8E4M3, rows, widths[i], 3);
        }
        one_quantize(TM_I8, 3, widths[i], 1e-42f); /* denormal: 127 / absmax overflows */
    }
}
