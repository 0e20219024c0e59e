/* attn_cached: slots at different lengths, in any order, over pools whose pages lie anywhere.
 * Tolerance as in check_attn.c; the pool is read as it is, so 16 bits add nothing. */
#include "check.h"

#include <stdlib.h>
#include <string.h>

enum { SLOTS = 5, BEAMS = 4, LAYERS = 2, MAX_PAGES = 5, REACH = 40, BUCKETS = 7 };
enum { WIDE_PAGE = 2 * TM_KV_PAGE }; /* of cross-attention here: a pool says how wide it is */

struct shape {
    int32_t heads, kv_heads, dim;
    enum tm_dtype dtype; /* of the pool */
};

/* A cache of its own, and a step over some of its slots. */
struct scene {
    struct grid pool, q;
    struct tm_kv_pool kv;
    struct tm_kv_cache cache;
    struct tm_ancestry ancestry;
    struct tm_step step;
    int32_t pages[SLOTS * BEAMS * MAX_PAGES], lengths[SLOTS];
    uint8_t owner[SLOTS * BEAMS * MAX_PAGES * WIDE_PAGE];
    int32_t slot_of_row[SLOTS * BEAMS], beam_of_row[SLOTS * BEAMS], slot[SLOTS],
        first_row[SLOTS + 1];
};

static void shuffle(int32_t *v, int32_t n)
{
    for (int32_t i = 0; i < n; i++)
        v[i] = i;
    for (int32_t i = n - 1; i > 0; i--) {
        int32_t j = (int32_t)between(0, i), t = v[i];
        v[i] = v[j];
        v[j] = t;
    }
}

static void scene_init(struct scene *s, const struct shape *shape, bool cross, int32_t longest)
{
    int32_t positions = cross ? WIDE_PAGE : TM_KV_PAGE;
    int32_t pages = SLOTS * BEAMS * MAX_PAGES, order[SLOTS];
    s->pool = grid_random(shape->dtype, (int64_t)LAYERS * pages,
                          2 * (int64_t)shape->kv_heads * positions * shape->dim, 1);
    s->kv = (struct tm_kv_pool){s->pool.t, LAYERS, pages, shape->kv_heads, positions, shape->dim};
    shuffle(s->pages, pages);
    shuffle(order, SLOTS);
    s->ancestry = (struct tm_ancestry){s->owner, SLOTS, BEAMS, MAX_PAGES * positions};
    for (int64_t i = 0; i < (int64_t)SLOTS * BEAMS * s->ancestry.positions; i++)
        s->owner[i] = (uint8_t)(between(0, 2) == 0 ? between(0, BEAMS - 1) : 0);
    s->cache =
        (struct tm_kv_cache){&s->kv, s->pages, MAX_PAGES, cross ? 1 : BEAMS, s->lengths, NULL};
    if (!cross)
        s->cache.ancestry = &s->ancestry;
    s->step = (struct tm_step){
        0, (int32_t)between(1, SLOTS), s->slot_of_row, s->beam_of_row, s->slot, s->first_row};
    for (int32_t i = 0; i < SLOTS; i++)
        s->lengths[i] = (int32_t)between(1, TM_MIN(longest, s->ancestry.positions));
    for (int32_t i = 0; i < s->step.slots; i++) {
        int32_t beams = (int32_t)between(1, BEAMS);
        s->slot[i] = order[i];
        s->first_row[i] = s->step.rows;
        for (int32_t b = 0; b < beams; b++) {
            s->slot_of_row[s->step.rows] = order[i];
            s->beam_of_row[s->step.rows++] = b;
        }
    }
    s->first_row[s->step.slots] = s->step.rows;
    s->q = grid_random(TM_F32, s->step.rows, (int64_t)shape->heads * shape->dim, 1);
}

static void scene_free(struct scene *s)
{
    grid_free(&s->pool);
    grid_free(&s->q);
}

/* Row r again, alone, in another slot whose pages lie elsewhere: the same bits. */
static void moved(struct scene *s, const struct tm_cached_args *args, const struct grid *got,
                  int64_t r)
{
    int32_t slot = s->slot_of_row[r], beam = s->beam_of_row[r], other = (slot + 1) % SLOTS,
            zero = 0;
    int32_t bounds[] = {0, 1}, per = s->cache.beams, length = s->lengths[other];
    int64_t size = (int64_t)BEAMS * s->ancestry.positions;
    AUTOFREE uint8_t *owner = malloc((size_t)size);
    AUTOFREE int32_t *pages = malloc(sizeof s->pages);
    if (owner == NULL || pages == NULL)
        abort();
    memcpy(owner, s->owner + other * size, (size_t)size);
    memcpy(pages, s->pages, sizeof s->pages);
    memcpy(s->owner + other * size, s->owner + slot * size, (size_t)size);
    memcpy(s->pages + (size_t)other * (size_t)per * MAX_PAGES,
           pages + (size_t)slot * (size_t)per * MAX_PAGES, (size_t)per * MAX_PAGES * sizeof *pages);
    s->lengths[other] = s->lengths[slot];
    struct tm_step one = {1, 1, &other, per == 1 ? &zero : &beam, &other, bounds};
    struct tm_cached_args part = *args;
    part.step = &one;
    struct tm_tensor q = rows_of(&s->q, r, 1), expect = rows_of(got, r, 1);
    GRID out = grid_new(TM_F32, 1, got->t.cols);
    ok(now.b->ops.attn_cached(now.s, &out.t, &q, &part));
    same_bits("row alone in another slot", &out.t, &expect);
    memcpy(s->owner + other * size, owner, (size_t)size);
    memcpy(s->pages, pages, sizeof s->pages);
    s->lengths[other] = length;
}

static void one(const struct shape *shape, bool cross, int32_t longest, int32_t window, float cap,
                bool biased)
{
    struct scene s = {0};
    int32_t bucket[2 * REACH + 1];
    AUTOFREE float *table = floats((int64_t)BUCKETS * shape->heads, 2);
    scene_init(&s, shape, cross, longest);
    for (int i = 0; i <= 2 * REACH; i++)
        bucket[i] = (int32_t)between(0, BUCKETS - 1);
    struct tm_cached_args args = {
        .attn = {.heads = shape->heads,
                 .kv_heads = shape->kv_heads,
                 .head_dim = shape->dim,
                 .scale = 0.3f,
                 .window = window,
                 .softcap = cap},
        .cache = &s.cache,
        .step = &s.step,
        .layer = (int32_t)between(0, LAYERS - 1),
    };
    if (biased)
        args.attn.bias = (struct tm_attn_bias){
            .kind = TM_BIAS_T5, .table = table, .bucket = bucket, .reach = REACH};
    GRID got = grid_new(TM_F32, s.step.rows, (int64_t)shape->heads * shape->dim);
    GRID want = grid_new(TM_F32, s.step.rows, (int64_t)shape->heads * shape->dim);
    ok(ref.b->ops.attn_cached(ref.s, &want.t, &s.q.t, &args));
    ok(now.b->ops.attn_cached(now.s, &got.t, &s.q.t, &args));
    grid_intact(&got, "out");
    near_enough("out", &got.t, &want.t, 2e-6, 2e-6);
    for (int64_t r = 0; r < s.step.rows; r++)
        moved(&s, &args, &got, r);
    scene_free(&s);
}

void check_attn_cached(void)
{
    static const struct shape shapes[] = {
        {2, 2, 64, TM_F32},  {2, 2, 64, TM_BF16}, {4, 2, 16, TM_F32}, {6, 1, 40, TM_BF16},
        {8, 2, 128, TM_F32}, {3, 3, 9, TM_F32},   {2, 1, 80, TM_F16}, {12, 1, 32, TM_BF16},
    };
    for (size_t i = 0; i < TM_COUNTOF(shapes); i++) {
        one(&shapes[i], false, 5, 0, 0, false);
        one(&shapes[i], false, 1000, 0, i == 2 ? 2 : 0, i % 2 == 0);
        one(&shapes[i], false, 1000, (int32_t)between(1, 70), 0, i % 2 == 1);
        one(&shapes[i], true, 1000, 0, 0, false);
    }
}
