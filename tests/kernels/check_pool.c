/* pool_classify: every kind, skipped rows, empty sequences, heads, more sequences than a block.
 * Tolerance: means of 30 rows and dense sums of 100 terms in float32, then a norm. */
#include "check.h"

#include <stdlib.h>

enum { MOST = 150 };

static struct tm_weight *pack(struct rig r, const struct tm_tensor *w)
{
    struct tm_weight *p = NULL;
    if (r.b->dev.pack(r.b, w, TM_F32, &p, NULL) != TM_OK)
        abort();
    return p;
}

static void one(int32_t n, int64_t cols, int kind, int32_t n_dense, bool normalize)
{
    int32_t starts[MOST + 1] = {0};
    int64_t width = cols;
    for (int32_t i = 0; i < n; i++)
        starts[i + 1] = starts[i] + (i == 1 ? 0 : (int32_t)between(1, 9));
    GRID x = grid_random(TM_F32, starts[n], cols, 1);
    AUTOFREE uint8_t *skip = calloc((size_t)starts[n] + 1, 1);
    if (skip == NULL)
        abort();
    for (int32_t i = 0; i < starts[n]; i++)
        skip[i] = between(0, 2) == 0;
    for (int32_t i = 0; n > 3 && i < starts[3]; i++)
        skip[i] = 1; /* nothing left of these */
    struct tm_pool_args mine = {.kind = kind,
                                .starts = starts,
                                .n = n,
                                .skip = coin() ? skip : NULL,
                                .n_dense = n_dense,
                                .normalize = normalize};
    struct tm_pool_args theirs = mine;
    struct tm_norm norm;
    struct grid from[3];
    float *vectors[3];
    for (int32_t l = 0; l < n_dense; l++) {
        int64_t outputs = between(1, 70);
        from[l] = grid_random(TM_F32, outputs, width, 0.3f);
        vectors[l] = floats(outputs, 1);
        norm = (struct tm_norm){TM_NORM_LAYER, NULL, NULL, 1e-2f};
        mine.dense[l] = (struct tm_dense){.bias = coin() ? vectors[l] : NULL,
                                          .act = (enum tm_act)between(0, TM_ACT_COUNT - 1),
                                          .norm = l == 1 && coin() ? &norm : NULL};
        theirs.dense[l] = mine.dense[l];
        mine.dense[l].weight = pack(now, &from[l].t);
        theirs.dense[l].weight = pack(ref, &from[l].t);
        width = outputs;
    }
    GRID got = grid_new(TM_F32, n, width), want = grid_new(TM_F32, n, width);
    ok(ref.b->ops.pool_classify(ref.s, &want.t, &x.t, &theirs));
    ok(now.b->ops.pool_classify(now.s, &got.t, &x.t, &mine));
    grid_intact(&got, "out");
    near_enough("out", &got.t, &want.t, 2e-5, 1e-5);
    for (int32_t i = 0; i < n; i++) {
        GRID alone = grid_new(TM_F32, 1, width);
        struct tm_tensor rows = rows_of(&x, starts[i], starts[i + 1] - starts[i]);
        struct tm_tensor expect = rows_of(&got, i, 1);
        int32_t own[2] = {0, (int32_t)rows.rows};
        struct tm_pool_args part = mine;
        part.starts = own;
        part.n = 1;
        part.skip = mine.skip != NULL ? skip + starts[i] : NULL;
        ok(now.b->ops.pool_classify(now.s, &alone.t, &rows, &part));
        same_bits("sequence alone", &alone.t, &expect);
    }
    for (int32_t l = 0; l < n_dense; l++) {
        now.b->dev.weight_free(now.b, (struct tm_weight *)mine.dense[l].weight);
        ref.b->dev.weight_free(ref.b, (struct tm_weight *)theirs.dense[l].weight);
        grid_free(&from[l]);
        free(vectors[l]);
    }
}

void check_pool_classify(void)
{
    for (int kind = TM_POOL_FIRST; kind <= TM_POOL_LAST; kind++) {
        for (size_t i = 0; i < n_widths; i += 2)
            one((int32_t)between(0, 9), widths[i], kind, 0, coin());
        for (int32_t dense = 1; dense <= 3; dense++)
            one((int32_t)between(4, 9), between(1, 100), kind, dense, coin());
    }
    one(MOST, 48, TM_POOL_MEAN, 2, true);
    one(0, 10, TM_POOL_FIRST, 1, false);
}
