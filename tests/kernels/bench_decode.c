/* test_kernels --bench: the operations of a decoding step, for the shapes of BART-large-CNN,
 * OPUS-MT and a small Llama. Best of several, one thread. */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>

enum { TIMES = 7, SLOTS = 8 };

struct attention {
    const char *what;
    int32_t heads, kv_heads, dim, beams, length;
    bool cross;
    enum tm_dtype dtype;
};

static double best_us(struct rig rig, enum tm_status (*f)(struct rig, void *), void *context)
{
    uint64_t least = UINT64_MAX;
    for (int i = 0; i < TIMES; i++) {
        uint64_t begin = thread_ns();
        ok(f(rig, context));
        least = TM_MIN(least, thread_ns() - begin);
    }
    return (double)least / 1e3;
}

struct cached {
    struct grid q, out;
    struct tm_cached_args args;
};

static enum tm_status run_cached(struct rig rig, void *context)
{
    struct cached *c = context;
    return rig.b->ops.attn_cached(rig.s, &c->out.t, &c->q.t, &c->args);
}

/* All slots of one length; ancestry: the beams are one until eight positions before the end. */
static void attention(struct rig rig, const char *name, const struct attention *a)
{
    int32_t per = (a->length + TM_KV_PAGE - 1) / TM_KV_PAGE, rows = SLOTS * a->beams;
    int32_t sequences = a->cross ? SLOTS : rows, positions = per * TM_KV_PAGE;
    struct tm_tensor pool = {
        NULL, a->dtype, (int64_t)sequences * per, 2 * (int64_t)a->kv_heads * TM_KV_PAGE * a->dim,
        0,    NULL};
    pool.stride = pool.cols;
    pool.data = rig.b->dev.alloc(rig.b, (size_t)(pool.rows * pool.cols) * tm_dtype_size(a->dtype));
    for (int64_t r = 0; pool.data != NULL && r < pool.rows; r++)
        for (int64_t c = 0; c < pool.cols; c++)
            put(&pool, r, c, uniform(1));
    struct tm_kv_pool kv = {pool, 1, sequences * per, a->kv_heads, TM_KV_PAGE, a->dim};
    AUTOFREE int32_t *pages = calloc((size_t)(sequences * per), sizeof *pages);
    AUTOFREE uint8_t *owner = calloc((size_t)(rows * positions), 1);
    int32_t lengths[SLOTS], slot[SLOTS], first[SLOTS + 1], slot_of_row[128], beam_of_row[128];
    if (pages == NULL || owner == NULL || pool.data == NULL)
        abort();
    for (int32_t i = 0; i < sequences * per; i++)
        pages[i] = i;
    for (int32_t r = 0; r < rows; r++) {
        slot_of_row[r] = r / a->beams;
        beam_of_row[r] = r % a->beams;
        for (int32_t t = a->length - 8; t < a->length; t++)
            owner[r * positions + t] = (uint8_t)(r % a->beams);
    }
    for (int32_t s = 0; s <= SLOTS; s++)
        first[s] = s * a->beams;
    for (int32_t s = 0; s < SLOTS; s++) {
        slot[s] = s;
        lengths[s] = a->length;
    }
    struct tm_ancestry ancestry = {owner, SLOTS, a->beams, positions};
    struct tm_kv_cache cache = {
        &kv, pages, per, a->cross ? 1 : a->beams, lengths, a->cross ? NULL : &ancestry};
    struct tm_step step = {rows, SLOTS, slot_of_row, beam_of_row, slot, first};
    struct cached c = {.q = grid_random(TM_F32, rows, (int64_t)a->heads * a->dim, 1),
                       .out = grid_new(TM_F32, rows, (int64_t)a->heads * a->dim)};
    c.args = (struct tm_cached_args){
        .attn = {.heads = a->heads, .kv_heads = a->kv_heads, .head_dim = a->dim, .scale = 0.125f},
        .cache = &cache,
        .step = &step};
    double us = best_us(rig, run_cached, &c);
    double read = 2.0 * SLOTS * a->length * a->kv_heads * a->dim * (double)tm_dtype_size(a->dtype);
    double flop = 4.0 * rows * a->length * a->heads * a->dim;
    printf("%-8s %-34s %-9s %8.0f us  %6.1f GFLOP/s  %6.1f GB/s of K/V, each once\n", name, a->what,
           tm_dtype_name(a->dtype), us, flop / us / 1e3, read / us / 1e3);
    rig.b->dev.free(rig.b, pool.data);
    grid_free(&c.q);
    grid_free(&c.out);
}

struct topk {
    struct grid x;
    struct tm_topk_args args;
};

static enum tm_status run_topk(struct rig rig, void *context)
{
    struct topk *t = context;
    return rig.b->ops.logits_topk(rig.s, &t->x.t, &t->args);
}

static void output_layer(struct rig rig, const char *name, enum tm_dtype as, int32_t vocabulary,
                         int32_t width, int32_t rows, int32_t beams)
{
    static const int32_t eos[] = {2};
    enum { MOST = 128, K = 8 };
    int32_t slots = rows / beams, slot_of_row[MOST], beam_of_row[MOST], first[MOST + 1];
    int32_t slot[MOST], lengths[MOST], ids[MOST * K], history[MOST] = {0};
    float scores[MOST * K];
    struct tm_decoding how[MOST];
    struct tm_weight *w = NULL;
    GRID head = grid_random(TM_F32, vocabulary, width, 0.05f);
    struct topk t = {.x = grid_random(TM_F32, rows, width, 1)};
    ok(rig.b->dev.pack(rig.b, &head.t, as, &w, NULL));
    for (int32_t r = 0; r < rows; r++) {
        slot_of_row[r] = r / beams;
        beam_of_row[r] = r % beams;
        first[r / beams] = r / beams * beams;
        slot[r / beams] = r / beams;
        lengths[r / beams] = 1;
        how[r / beams] = (struct tm_decoding){.beams = beams,
                                              .max_length = 100,
                                              .repetition_penalty = 1,
                                              .encoder_repetition_penalty = 1,
                                              .forced_bos_token_id = -1,
                                              .forced_eos_token_id = -1,
                                              .eos_token_ids = eos,
                                              .n_eos = 1};
    }
    first[slots] = rows;
    struct tm_step step = {rows, slots, slot_of_row, beam_of_row, slot, first};
    struct tm_decoded decoded = {
        .slots = slots, .beams = beams, .positions = 1, .lengths = lengths, .ids = history};
    t.args = (struct tm_topk_args){
        {.head = w, .scale = 1, .decoding = how, .decoded = &decoded, .step = &step},
        beams == 1 ? 1 : 2 * beams,
        ids,
        scores};
    double us = best_us(rig, run_topk, &t), flop = 2.0 * rows * vocabulary * width;
    printf("%-8s logits_topk %6d x %4d, %3d rows, beam %d %-9s %8.0f us  %6.1f 10^9/s\n", name,
           vocabulary, width, rows, beams, tm_dtype_name(as), us, flop / us / 1e3);
    rig.b->dev.weight_free(rig.b, w);
    grid_free(&t.x);
}

void bench_decode(struct rig rig, const char *name)
{
    static const struct attention shapes[] = {
        {"cross, BART-large, 800, beam 4", 16, 16, 64, 4, 800, true, TM_F32},
        {"cross, BART-large, 800, beam 4", 16, 16, 64, 4, 800, true, TM_BF16},
        {"self, BART-large, 80, beam 4", 16, 16, 64, 4, 80, false, TM_F32},
        {"self, BART-large, 80, beam 4", 16, 16, 64, 4, 80, false, TM_BF16},
        {"cross, OPUS-MT, 30, beam 4", 8, 8, 64, 4, 30, true, TM_F32},
        {"self, OPUS-MT, 26, beam 4", 8, 8, 64, 4, 26, false, TM_F32},
        {"cross, T5-base, 512, greedy", 12, 12, 64, 1, 512, true, TM_F32},
        {"self, Llama 0.5B, 840, greedy", 14, 2, 64, 1, 840, false, TM_F32},
        {"self, Llama 0.5B, 840, greedy", 14, 2, 64, 1, 840, false, TM_BF16},
    };
    printf("one layer of a step, %d slots\n", SLOTS);
    for (size_t i = 0; i < TM_COUNTOF(shapes); i++)
        attention(rig, name, &shapes[i]);
    static const enum tm_dtype dtypes[] = {TM_F32, TM_BF16, TM_I8};
    for (size_t i = 0; i < TM_COUNTOF(dtypes); i++) {
        output_layer(rig, name, dtypes[i], 58101, 512, 16, 1);
        output_layer(rig, name, dtypes[i], 58101, 512, 64, 4);
        output_layer(rig, name, dtypes[i], 50264, 1024, 32, 4);
    }
}
