/* attn_varlen.
 * Tolerance 2e-6 of the values' reach (1): scores of up to a few units go through float32 exp, and
 * the result is a weighted mean of values. With scores in the hundreds exp multiplies their own
 * rounding (6e-8 of each), hence the wider one there. */
#include "check.h"

#include <stdlib.h>

struct shape {
    int32_t heads, kv_heads, dim;
    float reach; /* of q and k */
    double slack;
};

enum { SEQUENCES = 6, REACH = 20, BUCKETS = 9 };

static void one(const struct shape *shape, const int32_t *starts, int32_t n,
                const struct tm_attn_args *args)
{
    int64_t rows = starts[n];
    int32_t dim = shape->dim;
    GRID q = grid_random(TM_F32, rows, shape->heads * dim, shape->reach);
    GRID k = grid_random(TM_F32, rows, shape->kv_heads * dim, shape->reach);
    GRID v = grid_random(TM_F32, rows, shape->kv_heads * dim, 1);
    GRID got = grid_new(TM_F32, rows, shape->heads * dim);
    GRID want = grid_new(TM_F32, rows, shape->heads * dim);
    ok(ref.b->ops.attn_varlen(ref.s, &want.t, &q.t, &k.t, &v.t, starts, n, args));
    ok(now.b->ops.attn_varlen(now.s, &got.t, &q.t, &k.t, &v.t, starts, n, args));
    grid_intact(&got, "out");
    near_enough("out", &got.t, &want.t, shape->slack, shape->slack);
    for (int32_t s = 0; s < n; s++) {
        int64_t at = starts[s], len = starts[s + 1] - at;
        int32_t alone[2] = {0, (int32_t)len};
        GRID out = grid_new(TM_F32, len, shape->heads * dim);
        struct tm_tensor qs = rows_of(&q, at, len), ks = rows_of(&k, at, len);
        struct tm_tensor vs = rows_of(&v, at, len), expect = rows_of(&got, at, len);
        struct tm_attn_args part = *args;
        part.global = args->global != NULL ? args->global + at : NULL;
        ok(now.b->ops.attn_varlen(now.s, &out.t, &qs, &ks, &vs, alone, 1, &part));
        same_bits("sequence alone", &out.t, &expect);
    }
}

static void variety(const struct shape *shape, int32_t longest)
{
    int32_t starts[SEQUENCES + 1] = {0}, bucket[2 * REACH + 1];
    for (int i = 0; i < SEQUENCES; i++) /* an empty one among them */
        starts[i + 1] = starts[i] + (i == 2 ? 0 : i == 3 ? 1 : (int32_t)between(1, longest));
    AUTOFREE uint8_t *global = malloc((size_t)starts[SEQUENCES] + 1);
    if (global == NULL)
        abort();
    for (int32_t i = 0; i < starts[SEQUENCES]; i++)
        global[i] = between(0, 9) == 0;
    for (int i = 0; i <= 2 * REACH; i++)
        bucket[i] = (int32_t)between(0, BUCKETS - 1);
    AUTOFREE float *table = floats((int64_t)BUCKETS * shape->heads, 2);
    for (int i = 0; i < 8; i++) {
        struct tm_attn_args args = {.heads = shape->heads,
                                    .kv_heads = shape->kv_heads,
                                    .head_dim = shape->dim,
                                    .scale = 0.3f,
                                    .causal = (i & 1) != 0,
                                    .window = i & 2 ? (int32_t)between(1, 9) : 0,
                                    .softcap = i == 6 ? 2 : 0};
        if (i == 3 || i == 2)
            args.global = global;
        if (i & 4) {
            args.bias.kind = TM_BIAS_T5;
            args.bias.table = table;
            args.bias.bucket = bucket;
            args.bias.reach = REACH;
        }
        one(shape, starts, SEQUENCES, &args);
    }
}

static void relative_key(void)
{
    const struct shape shape = {2, 2, 20, 1, 2e-6};
    const int32_t starts[] = {0, 5, 17};
    GRID pos_k = grid_random(TM_F32, 2 * 7 + 1, 20, 1), pos_q = grid_random(TM_F32, 15, 20, 1);
    struct tm_attn_args args = {.heads = 2, .kv_heads = 2, .head_dim = 20, .scale = 0.2f};
    args.bias.kind = TM_BIAS_RELATIVE_KEY;
    args.bias.reach = 7;
    args.bias.pos_k = &pos_k.t;
    one(&shape, starts, 2, &args);
    args.bias.pos_q = &pos_q.t;
    one(&shape, starts, 2, &args);
}

/* Either term, both and none; distances past reach, sequences past a block of keys. */
static void disentangled(int32_t dim, int32_t reach, int32_t longest)
{
    const struct shape shape = {3, 3, dim, 1, 2e-6};
    const int32_t starts[] = {0, 1, 1 + (int32_t)between(2, 30), 34 + longest};
    int32_t rows = 2 * (int32_t)between(2, 40), *bucket = malloc((2 * (size_t)reach + 1) * 4);
    if (bucket == NULL)
        abort();
    for (int32_t d = 0, at = 0; d <= 2 * reach; d++) {
        at += at < rows - 1 && coin();
        bucket[d] = at;
    }
    GRID pos_k = grid_random(TM_F32, rows, 3 * dim, 0.7f);
    GRID pos_q = grid_random(TM_F32, rows, 3 * dim, 0.7f);
    for (int i = 0; i < 4; i++) {
        struct tm_attn_args args = {.heads = 3, .kv_heads = 3, .head_dim = dim, .scale = 0.2f};
        args.bias.kind = TM_BIAS_DEBERTA;
        args.bias.bucket = bucket;
        args.bias.reach = reach;
        args.bias.pos_k = i & 1 ? &pos_k.t : NULL;
        args.bias.pos_q = i & 2 ? &pos_q.t : NULL;
        one(&shape, starts, 3, &args);
    }
    free(bucket);
}

/* Lengths past a block of keys and, on a CPU, a block of queries. */
static void long_one(int32_t window, bool causal)
{
    const struct shape shape = {1, 1, 8, 2, 2e-6};
    const int32_t starts[] = {0, 3, 3 + (int32_t)between(check_block + 2, check_block * 10 / 7)};
    struct tm_attn_args args = {.heads = 1,
                                .kv_heads = 1,
                                .head_dim = 8,
                                .scale = 0.5f,
                                .causal = causal,
                                .window = window};
    one(&shape, starts, 2, &args);
}

void check_attn_varlen(void)
{
    static const struct shape shapes[] = {
        {2, 2, 32, 1, 2e-6}, {3, 3, 64, 1, 2e-6}, {4, 2, 16, 1, 2e-6}, {4, 1, 9, 1, 2e-6},
        {1, 1, 1, 1, 2e-6},  {2, 2, 80, 1, 2e-6}, {2, 2, 40, 9, 1e-4}, {2, 1, 128, 1, 2e-6},
    };
    for (size_t i = 0; i < TM_COUNTOF(shapes); i++)
        variety(&shapes[i], i < 2 ? 70 : 30);
    relative_key();
    disentangled(8, 12, 40);
    disentangled(20, 90, 70);
    disentangled(64, check_block * 11 / 12, check_block * 3 / 4);
    long_one(0, false);
    long_one(0, true);
    long_one(64, false);
    long_one(17, true);
}
