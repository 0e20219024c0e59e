/* Decoding against what transformers 4.57 made of the same rules (decode_cases.h), and by hand.
 *
 * The model is a hash of the last two ids; a head of ones on its diagonal hands the logits through
 * the output layer. Every case runs on the reference and on the best variants of this machine. */
#include "tm_kernels.h"

#include "ref/philox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct decode_case {
    int32_t vocabulary;
    uint32_t seed;
    struct tm_decoding how;
    const int32_t *ids; /* the row so far; for a search its prompt */
    int32_t n;
    const int32_t *want;  /* of a search: a length, so many ids, … best first */
    const float *numbers; /* scores (V); probabilities (V) when sampling; of a search one a beam */
};
#include "decode_cases.h"

enum { V_MAX = 32, BEAMS = 4, POSITIONS = 24, K_MAX = 3 * BEAMS };

static struct tm_backend *backends[2];
static struct tm_stream *streams[2];

static int setup(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++)
        if (tm_backend_cpu(i == 0 ? 0 : UINT32_MAX, &backends[i], NULL) != TM_OK ||
            backends[i]->dev.stream_create(backends[i], 0, &streams[i], NULL) != TM_OK)
            return -1;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        backends[i]->dev.stream_destroy(streams[i]);
        tm_backend_destroy(backends[i]);
    }
    return 0;
}

static float logit(uint32_t seed, const int32_t *ids, int32_t n, int32_t v)
{
    uint32_t last = (uint32_t)ids[n - 1], prev = n > 1 ? (uint32_t)ids[n - 2] : 0;
    uint32_t h = seed * 1000003 + last * 8191 + prev * 131 + (uint32_t)n * 17 + (uint32_t)v * 7919;
    h ^= h >> 16;
    h *= 0x7feb352d;
    h ^= h >> 15;
    h *= 0x846ca68b;
    h ^= h >> 16;
    return (float)(h >> 8) * 0x1p-21f - 4;
}

/* One slot under way on one backend. */
struct run {
    struct tm_backend *b;
    struct tm_stream *s;
    struct tm_weight *head;
    int32_t vocabulary, k;
    uint32_t seed;
    struct tm_decoding how;
    struct tm_decoded d;
    struct tm_ancestry ancestry;
    struct tm_step step;
    int32_t length, ids[BEAMS * POSITIONS], parent[BEAMS], finished_lengths[BEAMS];
    int32_t finished_ids[BEAMS * POSITIONS];
    float running[BEAMS], finished_scores[BEAMS], x[BEAMS * V_MAX];
    uint8_t ended[BEAMS], done, owner[BEAMS * POSITIONS];
    int32_t slot_of_row[BEAMS], beam_of_row[BEAMS], slot, first_row[2];
    int32_t top_ids[BEAMS * V_MAX];
    float top_scores[BEAMS * V_MAX];
};

static void run_init(struct run *r, int backend, const struct decode_case *c)
{
    float one[V_MAX * V_MAX] = {0};
    struct tm_tensor t = {one, TM_F32, c->vocabulary, c->vocabulary, c->vocabulary, NULL};
    *r = (struct run){.b = backends[backend], .s = streams[backend]};
    for (int32_t i = 0; i < c->vocabulary; i++)
        one[i * c->vocabulary + i] = 1;
    assert_int_equal(r->b->dev.pack(r->b, &t, TM_F32, &r->head, NULL), TM_OK);
    r->vocabulary = c->vocabulary;
    r->seed = c->seed;
    r->how = c->how;
    r->k = TM_MAX(2, 1 + c->how.n_eos) * c->how.beams;
    r->d = (struct tm_decoded){.slots = 1,
                               .beams = BEAMS,
                               .positions = POSITIONS,
                               .lengths = &r->length,
                               .ids = r->ids,
                               .running = r->running,
                               .parent = r->parent,
                               .finished_scores = r->finished_scores,
                               .finished_lengths = r->finished_lengths,
                               .finished_ids = r->finished_ids,
                               .ended = r->ended,
                               .done = &r->done};
    r->ancestry = (struct tm_ancestry){r->owner, 1, BEAMS, POSITIONS};
    r->length = c->n;
    memcpy(r->ids, c->ids, (size_t)c->n * sizeof *c->ids);
    for (int b = 0; b < BEAMS; b++) {
        r->running[b] = b == 0 ? 0 : -1e9f;
        r->finished_scores[b] = -1e9f;
        r->beam_of_row[b] = b;
    }
    r->step = (struct tm_step){1, 1, r->slot_of_row, r->beam_of_row, &r->slot, r->first_row};
    r->first_row[1] = 1;
}

static void run_finish(struct run *r)
{
    r->b->dev.weight_free(r->b, r->head);
}

static struct tm_logits_args logits_args(struct run *r)
{
    return (struct tm_logits_args){
        .head = r->head, .scale = 1, .decoding = &r->how, .decoded = &r->d, .step = &r->step};
}

static struct tm_tensor logits(struct run *r)
{
    for (int32_t b = 0; b < r->step.rows; b++)
        for (int32_t v = 0; v < r->vocabulary; v++)
            r->x[b * r->vocabulary + v] =
                logit(r->seed, r->ids + (ptrdiff_t)b * POSITIONS, r->length, v);
    return (struct tm_tensor){r->x, TM_F32, r->step.rows, r->vocabulary, r->vocabulary, NULL};
}

static void topk(struct run *r, int32_t k)
{
    struct tm_tensor x = logits(r);
    struct tm_topk_args args = {logits_args(r), k, r->top_ids, r->top_scores};
    assert_int_equal(r->b->ops.logits_topk(r->s, &x, &args), TM_OK);
}

static void beam_step(struct run *r)
{
    topk(r, r->k);
    struct tm_beam_args args = {r->top_ids, r->top_scores, r->k,    &r->how,
                                &r->d,      &r->ancestry,  &r->step};
    assert_int_equal(r->b->ops.beam_step(r->s, &args), TM_OK);
    r->step.rows = r->first_row[1] = r->how.beams;
}

static void near(double got, double want, double slack)
{
    if (got != want && !(fabs(got - want) <= slack))
        fail_msg("%.9g is not %.9g", got, want);
}

static void scores(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2 * TM_COUNTOF(score_cases); i++) {
        const struct decode_case *c = &score_cases[i / 2];
        struct run r;
        run_init(&r, (int)(i % 2), c);
        topk(&r, c->vocabulary);
        for (int32_t v = 0; v < c->vocabulary; v++) {
            float got = -INFINITY;
            for (int32_t j = 0; j < c->vocabulary; j++)
                if (r.top_ids[j] == v)
                    got = r.top_scores[j];
            near(got, c->numbers[v], 4e-6);
        }
        for (int32_t j = 1; j < c->vocabulary; j++)
            assert_true(r.top_scores[j] <= r.top_scores[j - 1]);
        run_finish(&r);
    }
}

/* Every step: the prompt is beam 0's, each later position the beam's that a walk along the parents
 * arrives at, the last one its own. */
static void ancestry_holds(const struct run *r, int32_t (*parents)[BEAMS])
{
    for (int32_t b = 0; b < r->how.beams; b++) {
        int32_t beam = b;
        for (int32_t t = r->length - 1; t >= 0; t--) {
            assert_int_equal(r->owner[b * POSITIONS + t], t < r->how.prompt ? 0 : beam);
            if (t >= r->how.prompt)
                beam = parents[t][beam];
        }
    }
}

static void searches(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2 * TM_COUNTOF(search_cases); i++) {
        const struct decode_case *c = &search_cases[i / 2];
        const int32_t *want = c->want;
        int32_t parents[POSITIONS][BEAMS];
        struct run r;
        run_init(&r, (int)(i % 2), c);
        while (r.done == 0) {
            assert_true(r.length < c->how.max_length);
            beam_step(&r);
            memcpy(parents[r.length - 1], r.parent, sizeof r.parent);
            for (int32_t b = 0; r.length == c->n + 1 && b < c->how.beams; b++) {
                assert_int_equal(r.parent[b], 0); /* the only one that has keys and values */
                assert_memory_equal(r.ids + (ptrdiff_t)b * POSITIONS, c->ids,
                                    (size_t)c->n * sizeof *c->ids);
            }
            ancestry_holds(&r, parents);
        }
        for (int32_t b = 0; b < c->how.beams; b++, want += 1 + want[0]) {
            bool beams = c->how.beams > 1;
            assert_int_equal(r.finished_lengths[b], want[0]);
            assert_memory_equal((beams ? r.finished_ids : r.ids) + (ptrdiff_t)b * POSITIONS,
                                want + 1, (size_t)want[0] * sizeof *want);
            if (beams)
                near(r.finished_scores[b], c->numbers[b], 1e-5 * (1 + fabs((double)c->numbers[b])));
        }
        beam_step(&r); /* what is done stays so */
        assert_int_equal(r.done, 1);
        run_finish(&r);
    }
}

/* 20,000 keys a case. A frequency of n draws with probability p has the deviation sqrt(p (1 - p) /
 * n): five of them, and exactly none where p is 0. The keys are fixed: this always passes, or
 * never. */
static void draws(void **state)
{
    enum { DRAWS = 20000 };
    (void)state;
    for (size_t i = 0; i < TM_COUNTOF(sample_cases); i++) {
        const struct decode_case *c = &sample_cases[i];
        int32_t count[V_MAX] = {0};
        struct run r;
        run_init(&r, (int)(i % 2), c);
        struct tm_tensor x = logits(&r);
        for (int n = 0; n < DRAWS; n++) {
            struct tm_sample_args args = {logits_args(&r), &r.d, &r.ancestry};
            r.how.key[0] = (uint64_t)n;
            r.length = c->n;
            r.done = r.ended[0] = 0;
            assert_int_equal(r.b->ops.sample_step(r.s, &x, &args), TM_OK);
            assert_int_equal(r.length, c->n + 1);
            count[r.ids[c->n]]++;
        }
        for (int32_t v = 0; v < c->vocabulary; v++) {
            double p = c->numbers[v], slack = 5 * sqrt(p * (1 - p) / DRAWS);
            near((double)count[v] / DRAWS, p, slack);
        }
        run_finish(&r);
    }
}

/* num_return_sequences: one row at first, a draw a beam, each ending on its own. */
static void samples(void **state)
{
    static const int32_t prompt[] = {1, 2}, eos[] = {3};
    const struct decode_case c = {.vocabulary = 12,
                                  .seed = 5,
                                  .how = {.beams = 4,
                                          .prompt = 2,
                                          .max_length = 20,
                                          .repetition_penalty = 1,
                                          .encoder_repetition_penalty = 1,
                                          .forced_bos_token_id = -1,
                                          .forced_eos_token_id = -1,
                                          .eos_token_ids = eos,
                                          .n_eos = 1,
                                          .do_sample = true,
                                          .temperature = 2,
                                          .top_p = 1,
                                          .typical_p = 1,
                                          .key = {1, 2}},
                                  .ids = prompt,
                                  .n = 2};
    struct run r;
    int32_t ends = 0;
    (void)state;
    run_init(&r, 1, &c);
    while (r.done == 0) {
        uint8_t before[BEAMS];
        memcpy(before, r.ended, sizeof before);
        assert_true(r.length < 20);
        struct tm_tensor x = logits(&r);
        struct tm_sample_args args = {logits_args(&r), &r.d, &r.ancestry};
        assert_int_equal(r.b->ops.sample_step(r.s, &x, &args), TM_OK);
        r.step.rows = r.first_row[1] = 4;
        for (int32_t b = 0; b < 4; b++) {
            const int32_t *ids = r.ids + (ptrdiff_t)b * POSITIONS;
            assert_memory_equal(ids, prompt, sizeof prompt);
            if (before[b] == 0 && r.ended[b] != 0) {
                ends++;
                assert_int_equal(r.finished_lengths[b], r.length);
                assert_true(ids[r.length - 1] == 3 || r.length == 20);
            }
            assert_int_equal(r.owner[b * POSITIONS + r.length - 1], b);
        }
    }
    assert_int_equal(ends, 4);
    assert_true(memcmp(r.ids, r.ids + POSITIONS, 5 * sizeof *r.ids) != 0); /* different draws */
    run_finish(&r);
}

/* A guide: what it forbids is gone; where it forbids everything, a beam dies, a greedy row ends. */
static void guides(void **state)
{
    static const int32_t prompt[] = {1}, eos[] = {3};
    (void)state;
    for (int i = 0; i < 4; i++) {
        const struct decode_case c = {.vocabulary = 12,
                                      .seed = 9,
                                      .how = {.beams = i < 2 ? 1 : 3,
                                              .prompt = 1,
                                              .max_length = 9,
                                              .repetition_penalty = 1,
                                              .encoder_repetition_penalty = 1,
                                              .forced_bos_token_id = -1,
                                              .forced_eos_token_id = -1,
                                              .eos_token_ids = eos,
                                              .n_eos = 1,
                                              .length_penalty = 1},
                                      .ids = prompt,
                                      .n = 1};
        struct run r;
        run_init(&r, i % 2, &c);
        struct tm_tensor x = logits(&r);
        uint32_t mask = 1u << 5 | 1u << 7;
        uint8_t masked = 1;
        struct tm_topk_args args = {logits_args(&r), r.k, r.top_ids, r.top_scores};
        args.logits.masks = &mask;
        args.logits.masked = &masked;
        assert_int_equal(r.b->ops.logits_topk(r.s, &x, &args), TM_OK);
        assert_true((r.top_ids[0] == 5 && r.top_ids[1] == 7) ||
                    (r.top_ids[0] == 7 && r.top_ids[1] == 5));
        if (r.k > 2)
            assert_int_equal(r.top_ids[2], -1);
        mask = 0;
        assert_int_equal(r.b->ops.logits_topk(r.s, &x, &args), TM_OK);
        assert_int_equal(r.top_ids[0], -1);
        struct tm_beam_args step = {r.top_ids, r.top_scores, r.k,    &r.how,
                                    &r.d,      &r.ancestry,  &r.step};
        assert_int_equal(r.b->ops.beam_step(r.s, &step), TM_OK);
        assert_int_equal(r.done, 1);
        assert_int_equal(r.finished_lengths[0], i < 2 ? 1 : 0);
        run_finish(&r);
    }
}

/* A bad word of three ids is looked for only where three ids stand before, as in transformers. */
static void bad_words(void **state)
{
    static const int32_t row[] = {1, 2, 1, 2}, word[] = {3, 1, 2, 5};
    (void)state;
    for (int i = 0; i < 4; i++) {
        const struct decode_case c = {.vocabulary = 12,
                                      .seed = 4,
                                      .how = {.beams = 1,
                                              .prompt = 1,
                                              .max_length = 9,
                                              .repetition_penalty = 1,
                                              .encoder_repetition_penalty = 1,
                                              .forced_bos_token_id = -1,
                                              .forced_eos_token_id = -1,
                                              .bad_words = word,
                                              .n_bad_words = 4},
                                      .ids = row,
                                      .n = i < 2 ? 2 : 4};
        struct run r;
        bool found = false;
        run_init(&r, i % 2, &c);
        topk(&r, 12);
        for (int32_t j = 0; j < 12; j++)
            found |= r.top_ids[j] == 5;
        assert_int_equal(found, c.n == 2);
        run_finish(&r);
    }
}

/* The first is the known answer of the paper's authors, the second numpy's. */
static void generator(void **state)
{
    static const uint64_t zero[] = {0x16554d9eca36314c, 0xdb20fe9d672d0fdc, 0xd7e772cee186176b,
                                    0x7e68b68aec7ba23b};
    static const uint64_t other[] = {0x0e6d7d1dbfe6d7cc, 0x9d0a6fc8f626946c, 0x8d6d5891f3a30d76,
                                     0x8d23c6721aa9f581};
    (void)state;
    struct philox a = philox((struct philox){{0, 0, 0, 0}}, 0, 0);
    struct philox b = philox((struct philox){{5, 7, 0, 0}}, 1, 2);
    assert_memory_equal(a.v, zero, sizeof zero);
    assert_memory_equal(b.v, other, sizeof other);
}

/* Equal scores: the lower id first. All logits are 0 but for one. */
static void ties(void **state)
{
    static const int32_t prompt[] = {1};
    (void)state;
    for (int i = 0; i < 2; i++) {
        const struct decode_case c = {.vocabulary = 32,
                                      .how = {.beams = 1,
                                              .prompt = 1,
                                              .max_length = 9,
                                              .repetition_penalty = 1,
                                              .encoder_repetition_penalty = 1,
                                              .forced_bos_token_id = -1,
                                              .forced_eos_token_id = -1},
                                      .ids = prompt,
                                      .n = 1};
        struct run r;
        run_init(&r, i, &c);
        float row[32] = {0};
        row[20] = 1;
        struct tm_tensor x = {row, TM_F32, 1, 32, 32, NULL};
        struct tm_topk_args args = {logits_args(&r), 4, r.top_ids, r.top_scores};
        assert_int_equal(r.b->ops.logits_topk(r.s, &x, &args), TM_OK);
        static const int32_t want[] = {20, 0, 1, 2};
        assert_memory_equal(r.top_ids, want, sizeof want);
        run_finish(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scores),    cmocka_unit_test(searches),  cmocka_unit_test(draws),
        cmocka_unit_test(samples),   cmocka_unit_test(guides),    cmocka_unit_test(ties),
        cmocka_unit_test(bad_words), cmocka_unit_test(generator),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
