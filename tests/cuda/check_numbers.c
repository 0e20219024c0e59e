/* 16-bit numbers through the kernels' aligned paths, tensor cores, float8.
 *
 * Tolerances: a result in bfloat16 is off by 2^-9 of itself; probabilities are rounded to bfloat16
 * before they weigh values of at most 1, and are off by 2^-9 each. */
#include "../kernels/check.h"
#include "check_cuda.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Rows that begin at 16 bytes, as the engine's do: no guards between them, but around. */
static struct grid even(enum tm_dtype dtype, int64_t rows, int64_t cols, float reach)
{
    enum { FRONT = 256 };
    const size_t size = tm_dtype_size(dtype);
    const int64_t stride = kern_round_up(cols, 16);
    struct grid g = {.bytes = 2 * FRONT + (size_t)(rows * stride) * size};
    g.block = aligned_alloc(64, (g.bytes + 63) / 64 * 64);
    if (g.block == NULL)
        abort();
    memset(g.block, 0xff, g.bytes);
    g.t = (struct tm_tensor){g.block + FRONT, dtype, rows, cols, stride, NULL};
    for (int64_t r = 0; reach != 0 && r < rows; r++)
        for (int64_t c = 0; c < cols; c++)
            put(&g.t, r, c, uniform(reach));
    return g;
}

/* ---- attention ---- */

static void attention(const struct tm_attn_args *args, const int32_t *starts, int32_t n, bool lined)
{
    const int64_t rows = starts[n], dim = args->head_dim;
    const int64_t q_cols = args->heads * dim, kv_cols = args->kv_heads * dim;
    GRID q = lined ? even(TM_BF16, rows, q_cols, 2) : grid_random(TM_BF16, rows, q_cols, 2);
    GRID k = lined ? even(TM_BF16, rows, kv_cols, 2) : grid_random(TM_BF16, rows, kv_cols, 2);
    GRID v = lined ? even(TM_BF16, rows, kv_cols, 1) : grid_random(TM_BF16, rows, kv_cols, 1);
    GRID got = grid_new(TM_BF16, rows, q_cols), want = grid_new(TM_F32, rows, q_cols);
    ok(ref.b->ops.attn_varlen(ref.s, &want.t, &q.t, &k.t, &v.t, starts, n, args));
    ok(now.b->ops.attn_varlen(now.s, &got.t, &q.t, &k.t, &v.t, starts, n, args));
    grid_intact(&got, "out");
    near_enough("out", &got.t, &want.t, 3 * 0x1p-9, 0x1p-8);
    for (int32_t s = 0; s < n; s++) {
        const int64_t at = starts[s], len = starts[s + 1] - at;
        const int32_t alone[2] = {0, (int32_t)len};
        GRID out = grid_new(TM_BF16, len, q_cols);
        struct tm_tensor qs = rows_of(&q, at, len), ks = rows_of(&k, at, len);
        struct tm_tensor vs = rows_of(&v, at, len), expect = rows_of(&got, at, len);
        struct tm_attn_args part = *args;
        part.global = args->global != NULL ? args->global + at : NULL;
        ok(now.b->ops.attn_varlen(now.s, &out.t, &qs, &ks, &vs, alone, 1, &part));
        same_bits("sequence alone", &out.t, &expect);
    }
}

void check_tensor_cores(void)
{
    enum { REACH = 20, BUCKETS = 9, MOST = 200 };
    static const struct {
        int32_t heads, kv_heads, dim;
    } shapes[] = {{2, 2, 64}, {2, 1, 128}, {1, 1, 40}, {1, 1, 80}, {3, 1, 7}};
    int32_t bucket[2 * REACH + 1];
    uint8_t global[MOST];
    AUTOFREE float *table = floats(BUCKETS * 3, 2);
    for (int i = 0; i <= 2 * REACH; i++)
        bucket[i] = (int32_t)between(0, BUCKETS - 1);
    for (int i = 0; i < MOST; i++)
        global[i] = between(0, 9) == 0;
    for (size_t i = 0; i < TM_COUNTOF(shapes); i++) {
        for (int rule = 0; rule < 6; rule++) {
            const int32_t starts[] = {0, 1, 1, 1 + (int32_t)between(2, 63),
                                      64 + (int32_t)between(1, 99)};
            struct tm_attn_args args = {.heads = shapes[i].heads,
                                        .kv_heads = shapes[i].kv_heads,
                                        .head_dim = shapes[i].dim,
                                        .scale = 0.2f,
                                        .causal = (rule & 1) != 0,
                                        .window =
                                            rule == 2 || rule == 3 ? (int32_t)between(1, 9) : 0,
                                        .global = rule == 3 ? global : NULL,
                                        .softcap = rule == 5 ? 2 : 0};
            if (rule >= 4)
                args.bias = (struct tm_attn_bias){
                    .kind = TM_BIAS_T5, .table = table, .bucket = bucket, .reach = REACH};
            attention(&args, starts, 4, rule % 3 != 1);
        }
    }
}

/* ---- rows ---- */

static void halves_of(enum tm_dtype dtype, int64_t rows, int64_t cols)
{
    const double rel = dtype == TM_BF16 ? 0x1.1p-8 : 0x1.1p-11, abs = 1e-4;
    GRID x = even(dtype, rows, cols, 2), other = even(dtype, rows, cols, 2);
    GRID got = even(dtype, rows, cols, 0), want = grid_new(TM_F32, rows, cols);
    GRID sum = even(dtype, rows, cols, 0), gated = even(dtype, rows, cols / 2, 0);
    GRID gate_want = grid_new(TM_F32, rows, cols / 2);
    AUTOFREE float *weight = floats(cols, 2);
    const struct tm_norm norm = {TM_NORM_LAYER, weight, weight, 1e-5f};
    ok(ref.b->ops.add_norm(ref.s, &want.t, NULL, &x.t, &other.t, &norm));
    ok(now.b->ops.add_norm(now.s, &got.t, &sum.t, &x.t, &other.t, &norm));
    grid_intact(&got, "out");
    near_enough("norm", &got.t, &want.t, abs, rel);
    ok(ref.b->ops.add_norm(ref.s, &want.t, NULL, &x.t, &other.t, NULL));
    near_enough("sum", &sum.t, &want.t, 0, rel);
    ok(ref.b->ops.glu(ref.s, &gate_want.t, &x.t, TM_ACT_SILU));
    ok(now.b->ops.glu(now.s, &gated.t, &x.t, TM_ACT_SILU));
    grid_intact(&gated, "gated");
    near_enough("gated", &gated.t, &gate_want.t, 1e-5, rel);
    int32_t ids[8] = {3, 0, 2, 1, 3, 3, 0, 1};
    const struct tm_embed_args args = {
        .ids = ids, .positions = ids, .word = &x.t, .position = &other.t, .scale = 3};
    struct tm_tensor few = got.t, few_want = want.t;
    few.rows = few_want.rows = TM_MIN(rows, 8);
    ok(ref.b->ops.embed(ref.s, &few_want, &args));
    ok(now.b->ops.embed(now.s, &few, &args));
    near_enough("embedded", &few, &few_want, 1e-5, rel);
}

void check_halves(void)
{
    static const int64_t cols[] = {2, 8, 14, 64, 96, 250, 768, 2048, 2058};
    for (size_t i = 0; i < TM_COUNTOF(cols); i++) {
        halves_of(TM_BF16, between(4, 9), cols[i]);
        halves_of(TM_F16, between(4, 9), cols[i]);
    }
}

/* ---- gemm ---- */

static struct tm_weight *pack(struct rig r, const struct tm_tensor *w, enum tm_dtype as)
{
    struct tm_weight *p = NULL;
    ok(r.b->dev.pack(r.b, w, as, &p, NULL));
    return p;
}

/* What the weights are once they are `as`, in float32. */
static struct grid rounded(const struct grid *w, enum tm_dtype as)
{
    struct grid out = grid_new(TM_F32, w->t.rows, w->t.cols);
    GRID small = grid_new(as, w->t.rows, w->t.cols);
    AUTOFREE float *scale = floats(w->t.rows, 1);
    if (as == TM_F8E4M3)
        ok(ref.b->ops.quantize_rows(ref.s, &small.t, scale, &w->t));
    else
        ok(ref.b->ops.convert(ref.s, &small.t, &w->t));
    small.t.scale = as == TM_F8E4M3 ? scale : NULL;
    ok(ref.b->ops.convert(ref.s, &out.t, &small.t));
    return out;
}

static void one_tile(enum tm_dtype as, enum tm_dtype in, int64_t m, int64_t n, int64_t k)
{
    GRID x = coin() ? even(in, m, k, 1) : grid_random(in, m, k, 1);
    GRID w = grid_random(TM_F32, n, k, 1);
    for (int64_t r = 0; in != TM_BF16 && r < m; r++) /* seven bits: exact in bfloat16 */
        for (int64_t c = 0; c < k; c++)
            put(&x.t, r, c, floorf((float)value(&x.t, r, c) * 64) / 64);
    GRID same = rounded(&w, as);
    GRID residual = grid_random(TM_BF16, m, n, 1), want = grid_new(TM_F32, m, n);
    GRID got = grid_new(TM_F32, m, n), half = even(TM_BF16, m, n, 0);
    AUTOFREE float *bias = floats(n, 1);
    const struct tm_epilogue e = {bias, TM_ACT_GELU_ERF, &residual.t};
    struct tm_weight *mine = pack(now, &w.t, as), *theirs = pack(ref, &same.t, TM_F32);
    const double slack = 2e-5 * sqrt((double)k); /* float32 sums of k products up to 1 */
    ok(ref.b->ops.gemm(ref.s, &want.t, &x.t, theirs, &e));
    ok(now.b->ops.gemm(now.s, &got.t, &x.t, mine, &e));
    grid_intact(&got, "out");
    near_enough("out", &got.t, &want.t, slack, 1e-5);
    ok(now.b->ops.gemm(now.s, &half.t, &x.t, mine, &e));
    grid_intact(&half, "bfloat16 out");
    near_enough("bfloat16 out", &half.t, &want.t, slack, 0x1.1p-8);
    now.b->dev.weight_free(now.b, mine);
    ref.b->dev.weight_free(ref.b, theirs);
}

void check_tiles(void)
{
    static const enum tm_dtype weights[] = {TM_BF16, TM_F8E4M3};
    static const enum tm_dtype inputs[] = {TM_BF16, TM_F32, TM_F16};
    for (size_t w = 0; w < TM_COUNTOF(weights); w++) {
        for (size_t i = 0; i < TM_COUNTOF(inputs); i++) {
            one_tile(weights[w], inputs[i], 3, 70, 96);
            one_tile(weights[w], inputs[i], 66, 9, 33);
        }
        one_tile(weights[w], TM_BF16, 150, 260, 72); /* large tiles, cut on both sides */
    }
}
