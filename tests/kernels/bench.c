/* test_kernels --bench: the operations of one encoder layer beside one another, for the shapes of
 * MiniLM and BERT-base, so that one sees what is left besides gemm. Best of several, one thread. */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { TOKENS = 512, TIMES = 7 };

uint64_t thread_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

struct layer {
    struct rig rig;
    int32_t hidden, heads, inner, length;
    struct grid x, qkv, att, ffn, glu;
    struct tm_weight *w_qkv, *w_att, *w_in, *w_out;
    float *vector;
    int32_t starts[TOKENS + 1];
};

static struct tm_weight *weight(struct rig r, int64_t n, int64_t k)
{
    struct tm_weight *w = NULL;
    GRID from = grid_random(TM_F32, n, k, 0.05f);
    if (r.b->dev.pack(r.b, &from.t, TM_F32, &w, NULL) != TM_OK)
        abort();
    return w;
}

static void gemms(struct layer *l)
{
    struct tm_epilogue plain = {.bias = l->vector}, act = {l->vector, TM_ACT_GELU_ERF, NULL};
    const struct tm_ops *ops = &l->rig.b->ops;
    ok(ops->gemm(l->rig.s, &l->qkv.t, &l->x.t, l->w_qkv, &plain));
    ok(ops->gemm(l->rig.s, &l->att.t, &l->x.t, l->w_att, &plain));
    ok(ops->gemm(l->rig.s, &l->ffn.t, &l->x.t, l->w_in, &act));
    ok(ops->gemm(l->rig.s, &l->att.t, &l->ffn.t, l->w_out, &plain));
}

static void attention(struct layer *l)
{
    int32_t d = l->hidden, dim = d / l->heads;
    struct tm_tensor q = l->qkv.t, k = q, v = q;
    struct tm_attn_args args = {
        .heads = l->heads, .kv_heads = l->heads, .head_dim = dim, .scale = 0.125f};
    q.cols = k.cols = v.cols = d;
    k.data = (float *)q.data + d;
    v.data = (float *)q.data + 2 * d;
    ok(l->rig.b->ops.attn_varlen(l->rig.s, &l->att.t, &q, &k, &v, l->starts, TOKENS / l->length,
                                 &args));
}

static void norms(struct layer *l)
{
    struct tm_norm norm = {TM_NORM_LAYER, l->vector, l->vector, 1e-12f};
    for (int i = 0; i < 2; i++)
        ok(l->rig.b->ops.add_norm(l->rig.s, &l->att.t, NULL, &l->x.t, &l->att.t, &norm));
}

static void gates(struct layer *l)
{
    ok(l->rig.b->ops.glu(l->rig.s, &l->glu.t, &l->ffn.t, TM_ACT_GELU_ERF));
}

static void rotations(struct layer *l)
{
    static int32_t positions[TOKENS];
    struct tm_tensor q = l->qkv.t, k = q;
    int32_t dim = l->hidden / l->heads;
    struct tm_rope rope = {l->vector, l->vector, dim};
    struct tm_qk_args args = {.heads = l->heads, .kv_heads = l->heads, .head_dim = dim};
    args.positions = positions;
    args.rope = &rope;
    q.cols = k.cols = l->hidden;
    k.data = (float *)q.data + l->hidden;
    ok(l->rig.b->ops.qk_prep(l->rig.s, &q, &k, NULL, &args));
}

static void pools(struct layer *l)
{
    struct tm_pool_args args = {.kind = TM_POOL_MEAN, .n = TOKENS / l->length, .normalize = true};
    args.starts = l->starts;
    ok(l->rig.b->ops.pool_classify(l->rig.s, &l->att.t, &l->x.t, &args));
}

static double best(struct layer *l, void (*f)(struct layer *))
{
    uint64_t least = UINT64_MAX;
    for (int i = 0; i < TIMES; i++) {
        uint64_t begin = thread_ns();
        f(l);
        least = TM_MIN(least, thread_ns() - begin);
    }
    return (double)least / 1e3;
}

static void one(struct rig rig, const char *name, int32_t hidden, int32_t inner, int32_t length)
{
    struct layer l = {.rig = rig, .hidden = hidden, .heads = 12, .inner = inner, .length = length};
    for (int32_t i = 0; i <= TOKENS / length; i++)
        l.starts[i] = i * length;
    l.x = grid_random(TM_F32, TOKENS, hidden, 1);
    l.qkv = grid_random(TM_F32, TOKENS, 3 * hidden, 1);
    l.att = grid_random(TM_F32, TOKENS, hidden, 1);
    l.ffn = grid_random(TM_F32, TOKENS, inner, 1);
    l.glu = grid_random(TM_F32, TOKENS, inner / 2, 1);
    l.w_qkv = weight(rig, 3 * hidden, hidden);
    l.w_att = weight(rig, hidden, hidden);
    l.w_in = weight(rig, inner, hidden);
    l.w_out = weight(rig, hidden, inner);
    l.vector = floats(3 * hidden + inner, 1);
    double gemm = best(&l, gemms), att = best(&l, attention), norm = best(&l, norms);
    double flop = 2.0 * TOKENS * hidden * (4.0 * hidden + 2.0 * inner);
    printf("%-8s %4d %4d  %8.0f (%5.1f)  %8.0f  %8.0f  %8.0f  %8.0f  %8.0f\n", name, hidden, length,
           gemm, flop / gemm / 1e3, att, norm, best(&l, gates), best(&l, rotations),
           best(&l, pools));
    (void)fflush(stdout);
    struct tm_weight *weights[] = {l.w_qkv, l.w_att, l.w_in, l.w_out};
    for (size_t i = 0; i < TM_COUNTOF(weights); i++)
        rig.b->dev.weight_free(rig.b, weights[i]);
    grid_free(&l.x);
    grid_free(&l.qkv);
    grid_free(&l.att);
    grid_free(&l.ffn);
    grid_free(&l.glu);
    free(l.vector);
}

void bench(struct rig rig, const char *name)
{
    static const int32_t lengths[] = {16, 32, 128, 512};
    printf("%d tokens, one layer, microseconds\n", TOKENS);
    printf(
        "variant  width length   gemm (GFLOP/s)      attn  2 norms      glu      rope      pool\n");
    for (size_t i = 0; i < TM_COUNTOF(lengths); i++)
        one(rig, name, 384, 1536, lengths[i]);
    for (size_t i = 0; i < TM_COUNTOF(lengths); i++)
        one(rig, name, 768, 3072, lengths[i]);
}
