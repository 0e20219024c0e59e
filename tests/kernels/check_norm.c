/* add_norm and embed. Tolerances: a norm's result is about 1; float32 sums of a few hundred terms
 * against sums in double cost a few units of 6e-8 times the spread of the row. */
#include "check.h"

static struct tm_norm random_norm(int64_t cols, float *weight, float *bias)
{
    (void)cols;
    return (struct tm_norm){.kind = (int)between(TM_NORM_NONE, TM_NORM_RMS),
                            .weight = coin() ? weight : NULL,
                            .bias = coin() ? bias : NULL,
                            .eps = 1e-5f};
}

/* Straight to int8: what quantize_rows makes of the result, to the bit. */
static void quantised(const struct tm_tensor *x, const struct tm_tensor *residual,
                      const struct tm_norm *norm, const struct grid *result)
{
    GRID got = grid_new(TM_I8, x->rows, x->cols), want = grid_new(TM_I8, x->rows, x->cols);
    AUTOFREE float *scale = floats(x->rows, 1);
    AUTOFREE float *want_scale = floats(x->rows, 1);
    got.t.scale = scale;
    ok(now.b->ops.add_norm(now.s, &got.t, NULL, x, residual, norm));
    ok(now.b->ops.quantize_rows(now.s, &want.t, want_scale, &result->t));
    grid_intact(&got, "int8");
    same_bits("int8", &got.t, &want.t);
    for (int64_t r = 0; r < x->rows; r++)
        if (scale[r] != want_scale[r])
            fail("row %lld has another scale", (long long)r);
}

static void one_add_norm(int64_t rows, int64_t cols, float reach)
{
    GRID x = grid_random(TM_F32, rows, cols, reach);
    GRID residual = grid_random(TM_F32, rows, cols, reach);
    GRID want = grid_new(TM_F32, rows, cols), want_sum = grid_new(TM_F32, rows, cols);
    GRID sum = grid_new(TM_F32, rows, cols), in_place = grid_copy(&x);
    GRID got = grid_new(TM_F32, rows, cols);
    AUTOFREE float *weight = floats(cols, 2);
    AUTOFREE float *bias = floats(cols, 2);
    struct tm_norm norm = random_norm(cols, weight, bias);
    const struct tm_tensor *res = coin() ? &residual.t : NULL;
    double slack = norm.kind == TM_NORM_NONE ? 0 : 4e-6;
    ok(ref.b->ops.add_norm(ref.s, &want.t, &want_sum.t, &x.t, res, &norm));
    ok(now.b->ops.add_norm(now.s, &got.t, &sum.t, &x.t, res, &norm));
    grid_intact(&got, "out");
    grid_intact(&sum, "sum");
    same_bits("sum", &sum.t, &want_sum.t); /* one addition: exact */
    near_enough("out", &got.t, &want.t, slack, slack);
    ok(now.b->ops.add_norm(now.s, &in_place.t, NULL, &in_place.t, res, &norm));
    same_bits("in place", &in_place.t, &got.t);
    quantised(&x.t, res, &norm, &got);
    for (int64_t r = 0; r < rows; r++) {
        GRID alone = grid_new(TM_F32, 1, cols);
        struct tm_tensor xr = rows_of(&x, r, 1), expect = rows_of(&got, r, 1);
        struct tm_tensor rr = rows_of(&residual, r, 1);
        ok(now.b->ops.add_norm(now.s, &alone.t, NULL, &xr, res != NULL ? &rr : NULL, &norm));
        same_bits("row alone", &alone.t, &expect);
    }
}

void check_add_norm(void)
{
    for (size_t i = 0; i < n_widths; i++)
        for (int64_t rows = 0; rows < 4; rows++)
            one_add_norm(rows, widths[i], 2);
    one_add_norm(3, 768, 1e4f);
    one_add_norm(3, 768, 1e-6f); /* eps is what counts */
    one_add_norm(2, 3072, 10);
}

static void one_embed(int64_t rows, int64_t cols)
{
    enum { WORDS = 11, PLACES = 7, TYPES = 2 };
    static const enum tm_dtype tables[] = {TM_F32, TM_F32, TM_BF16, TM_F16};
    enum tm_dtype dtype = tables[between(0, 3)];
    GRID word = grid_random(dtype, WORDS, cols, 1), place = grid_random(dtype, PLACES, cols, 1);
    GRID type = grid_random(dtype, TYPES, cols, 1);
    GRID got = grid_new(TM_F32, rows, cols), want = grid_new(TM_F32, rows, cols);
    AUTOFREE float *weight = floats(cols, 2);
    AUTOFREE float *bias = floats(cols, 2);
    struct tm_norm norm = random_norm(cols, weight, bias);
    int32_t ids[64], positions[64], types[64];
    for (int i = 0; i < 64; i++) {
        ids[i] = (int32_t)between(0, WORDS - 1);
        positions[i] = (int32_t)between(0, PLACES - 1);
        types[i] = (int32_t)between(0, TYPES - 1);
    }
    struct tm_embed_args args = {.ids = ids,
                                 .positions = coin() ? positions : NULL,
                                 .types = coin() ? types : NULL,
                                 .word = &word.t,
                                 .position = coin() ? &place.t : NULL,
                                 .type = coin() ? &type.t : NULL,
                                 .scale = coin() ? 1 : 22.6f,
                                 .norm = coin() ? &norm : NULL};
    ok(ref.b->ops.embed(ref.s, &want.t, &args));
    ok(now.b->ops.embed(now.s, &got.t, &args));
    grid_intact(&got, "out");
    near_enough("out", &got.t, &want.t, 4e-6, 4e-6);
    for (int64_t r = 0; r < rows; r++) {
        GRID alone = grid_new(TM_F32, 1, cols);
        struct tm_tensor expect = rows_of(&got, r, 1);
        struct tm_embed_args part = args;
        part.ids = ids + r;
        part.positions = args.positions != NULL ? positions + r : NULL;
        part.types = args.types != NULL ? types + r : NULL;
        ok(now.b->ops.embed(now.s, &alone.t, &part));
        same_bits("row alone", &alone.t, &expect);
    }
}

void check_embed(void)
{
    for (size_t i = 0; i < n_widths; i++)
        for (int64_t rows = 0; rows < 5; rows++)
            one_embed(rows, widths[i]);
    one_embed(64, 768);
}
