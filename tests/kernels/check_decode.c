/* logits_topk, beam_step, sample_step: random slots with random rules. What the rules mean is
 * judged by test_decode.c; here, variants against the reference, and slots alone against slots in
 * company.
 *
 * Scores: gemm's and log-softmax's float32 against double, 4e-6 for numbers of a few units. */
#include "check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SLOTS = 6, BEAMS = 4, POSITIONS = 24, HIDDEN = 24, LIST = 8, SOURCE = 12 };
static const double SLACK = 4e-6;

struct lists { /* one a slot */
    int32_t eos[2], suppress[LIST], begin[LIST], bad[LIST], source[SOURCE];
};

struct state { /* plain: copied as a whole */
    int32_t lengths[SLOTS], ids[SLOTS * BEAMS * POSITIONS], parent[SLOTS * BEAMS];
    int32_t finished_lengths[SLOTS * BEAMS], finished_ids[SLOTS * BEAMS * POSITIONS];
    float running[SLOTS * BEAMS], finished_scores[SLOTS * BEAMS];
    uint8_t ended[SLOTS * BEAMS], done[SLOTS], owner[SLOTS * BEAMS * POSITIONS];
};

struct world {
    int32_t vocabulary, k;
    struct grid head, x;
    struct tm_weight *now, *ref;
    struct tm_decoding how[SLOTS];
    struct lists lists[SLOTS];
    struct state state;
    struct tm_step step;
    int32_t slot_of_row[SLOTS * BEAMS], beam_of_row[SLOTS * BEAMS];
    int32_t slot[SLOTS], first_row[SLOTS + 1];
    float *bias;
    uint32_t *masks;
    uint8_t masked[SLOTS * BEAMS];
    uint8_t *stops; /* (rows, k) candidates that a guide ends at; NULL: no guide */
};

static struct tm_decoded decoded_of(struct state *s)
{
    return (struct tm_decoded){.slots = SLOTS,
                               .beams = BEAMS,
                               .positions = POSITIONS,
                               .lengths = s->lengths,
                               .ids = s->ids,
                               .running = s->running,
                               .parent = s->parent,
                               .finished_scores = s->finished_scores,
                               .finished_lengths = s->finished_lengths,
                               .finished_ids = s->finished_ids,
                               .ended = s->ended,
                               .done = s->done};
}

static struct tm_ancestry ancestry_of(struct state *s)
{
    return (struct tm_ancestry){s->owner, SLOTS, BEAMS, POSITIONS};
}

static void ids_random(int32_t *ids, int64_t n, int32_t vocabulary)
{
    for (int64_t i = 0; i < n; i++) {
        int32_t few = coin() ? 5 : vocabulary; /* so that n-grams repeat */
        ids[i] = (int32_t)between(0, few - 1);
    }
}

static void rules_random(struct tm_decoding *d, struct lists *l, int32_t vocabulary)
{
    static const int32_t bad[LIST] = {1, 3, 2, 0, 1, 1, 2};
    memcpy(l->bad, bad, sizeof bad);
    l->bad[6] = (int32_t)between(0, vocabulary - 1);
    ids_random(l->eos, 2, vocabulary);
    ids_random(l->suppress, LIST, vocabulary);
    ids_random(l->begin, LIST, vocabulary);
    ids_random(l->source, SOURCE, vocabulary);
    *d = (struct tm_decoding){
        .beams = (int32_t)between(1, BEAMS),
        .prompt = (int32_t)between(1, 3),
        .max_length = (int32_t)between(4, 20),
        .min_length = (int32_t)between(0, 12),
        .repetition_penalty = coin() ? 1 : 1.3f,
        .encoder_repetition_penalty = coin() ? 1 : 1.2f,
        .no_repeat_ngram_size = (int32_t)between(0, 3),
        .encoder_no_repeat_ngram_size = (int32_t)between(0, 3),
        .forced_bos_token_id = coin() ? -1 : l->begin[1],
        .forced_eos_token_id = coin() ? -1 : l->eos[0],
        .eos_token_ids = l->eos,
        .suppress_tokens = l->suppress,
        .begin_suppress_tokens = l->begin,
        .n_eos = (int32_t)between(0, 2),
        .n_suppress = coin() ? LIST : 0,
        .n_begin_suppress = coin() ? LIST : 0,
        .bad_words = l->bad,
        .n_bad_words = coin() ? 7 : 0,
        .source = l->source,
        .n_source = SOURCE,
        .renormalize_logits = coin(),
        .length_penalty = uniform(2),
        .early_stopping = (int)between(0, 2),
        .do_sample = between(0, 3) == 0,
        .temperature = coin() ? 1 : 0.7f,
        .top_p = coin() ? 1 : 0.8f,
        .min_p = coin() ? 0 : 0.05f,
        .typical_p = coin() ? 1 : 0.7f,
        .top_k = coin() ? 0 : 9,
        .key = {(uint64_t)between(0, 1000), 7},
    };
}

/* A slot in the middle of its work, or (half of them) at its first step. */
static void state_random(struct world *w, int32_t s)
{
    const struct tm_decoding *d = &w->how[s];
    struct state *state = &w->state;
    bool first = coin();
    state->lengths[s] = first ? d->prompt : (int32_t)between(d->prompt, d->max_length - 1);
    for (int32_t at = s * BEAMS, b = 0; b < BEAMS; b++, at++) {
        state->running[at] = b == 0 ? 0 : first ? -1e9f : -(float)b;
        state->finished_scores[at] = -1e9f;
        ids_random(state->ids + (ptrdiff_t)at * POSITIONS, POSITIONS, w->vocabulary);
        for (int32_t t = 0; t < state->lengths[s]; t++)
            state->owner[at * POSITIONS + t] =
                (uint8_t)(t < d->prompt ? 0 : between(0, d->beams - 1));
        if (first) /* the prompt is everyone's */
            memcpy(state->ids + (ptrdiff_t)at * POSITIONS,
                   state->ids + (ptrdiff_t)s * BEAMS * POSITIONS,
                   (size_t)d->prompt * sizeof *state->ids);
    }
    if (!first && !d->do_sample && d->beams > 1 && coin()) {
        state->finished_scores[s * BEAMS] = -0.5f;
        state->finished_lengths[s * BEAMS] = state->lengths[s];
    }
    w->slot[w->step.slots] = s;
    w->first_row[w->step.slots] = w->step.rows;
    for (int32_t b = 0; b < (state->lengths[s] == d->prompt ? 1 : d->beams); b++) {
        w->slot_of_row[w->step.rows] = s;
        w->beam_of_row[w->step.rows++] = b;
    }
    w->first_row[++w->step.slots] = w->step.rows;
}

static struct tm_weight *pack(struct rig r, const struct tm_tensor *head)
{
    struct tm_weight *p = NULL;
    ok(r.b->dev.pack(r.b, head, TM_F32, &p, NULL));
    return p;
}

static struct world *world_new(int32_t vocabulary)
{
    struct world *w = calloc(1, sizeof *w);
    if (w == NULL)
        abort();
    w->vocabulary = vocabulary;
    w->k = 3 * BEAMS; /* two ends of sequence */
    w->step = (struct tm_step){0, 0, w->slot_of_row, w->beam_of_row, w->slot, w->first_row};
    for (int32_t i = 0; i < SLOTS; i++) {
        int32_t s = (i + 2) % SLOTS; /* not in order */
        rules_random(&w->how[s], &w->lists[s], vocabulary);
        state_random(w, s);
    }
    w->head = grid_random(TM_F32, vocabulary, HIDDEN, 1);
    w->x = grid_random(TM_F32, w->step.rows, HIDDEN, 1);
    w->bias = floats(vocabulary, 1);
    int64_t words = (vocabulary + 31) / 32 * (int64_t)w->step.rows;
    w->masks = malloc((size_t)words * sizeof *w->masks);
    if (w->masks == NULL)
        abort();
    for (int64_t i = 0; i < words; i++)
        w->masks[i] = (uint32_t)between(0, UINT32_MAX);
    for (int32_t r = 0; r < w->step.rows; r++)
        w->masked[r] = between(0, 3) == 0;
    w->now = pack(now, &w->head.t);
    w->ref = pack(ref, &w->head.t);
    return w;
}

static void world_free(struct world *w)
{
    now.b->dev.weight_free(now.b, w->now);
    ref.b->dev.weight_free(ref.b, w->ref);
    grid_free(&w->head);
    grid_free(&w->x);
    free(w->bias);
    free(w->masks);
    free(w->stops);
    free(w);
}

static struct tm_logits_args logits_args(const struct world *w, const struct tm_weight *head,
                                         const struct tm_decoded *decoded)
{
    return (struct tm_logits_args){.head = head,
                                   .bias = w->bias,
                                   .scale = 0.7f,
                                   .softcap = w->vocabulary % 2 == 0 ? 0 : 5,
                                   .decoding = w->how,
                                   .decoded = decoded,
                                   .masks = w->masks,
                                   .masked = w->masked,
                                   .step = &w->step};
}

static bool close_to(float a, float b)
{
    return a == b || fabs((double)a - (double)b) <= SLACK * (1 + fabs((double)b));
}

/* Ids may change places where scores are that close, so each is looked up among all of the row. */
static void row_agrees(const struct world *w, int32_t r, const int32_t *ids, const float *scores,
                       const int32_t *all_ids, const float *all_scores)
{
    for (int32_t i = 0; i < w->k; i++) {
        float want = i < w->vocabulary ? all_scores[i] : -INFINITY, own = -INFINITY;
        for (int32_t j = 0; j < w->vocabulary; j++)
            if (all_ids[j] == ids[i] && ids[i] >= 0)
                own = all_scores[j];
        for (int32_t j = 0; j < i; j++)
            if (ids[i] >= 0 && ids[i] == ids[j])
                fail("row %d: %d twice", r, ids[i]);
        if (close_to(scores[i], want) && close_to(scores[i], own) &&
            (i == 0 || scores[i - 1] >= scores[i]))
            continue;
        fail("row %d of %d, V %d: candidate %d is %d at %.9g, not at %.9g (best: %.9g)", r,
             w->step.rows, w->vocabulary, i, ids[i], (double)scores[i], (double)own, (double)want);
        return;
    }
}

static void row_alone(struct world *w, const struct tm_topk_args *args, int32_t r)
{
    int32_t bounds[] = {0, 1};
    AUTOFREE int32_t *ids = malloc((size_t)w->k * sizeof *ids);
    AUTOFREE float *scores = malloc((size_t)w->k * sizeof *scores);
    struct tm_step one = {1, 1, w->slot_of_row + r, w->beam_of_row + r, w->slot_of_row + r, bounds};
    struct tm_topk_args part = *args;
    struct tm_tensor x = rows_of(&w->x, r, 1);
    part.logits.step = &one;
    part.logits.masks = w->masks + (int64_t)r * ((w->vocabulary + 31) / 32);
    part.logits.masked = w->masked + r;
    part.ret_ids = ids;
    part.ret_scores = scores;
    ok(now.b->ops.logits_topk(now.s, &x, &part));
    if (memcmp(ids, args->ret_ids + (int64_t)r * w->k, (size_t)w->k * sizeof *ids) != 0 ||
        memcmp(scores, args->ret_scores + (int64_t)r * w->k, (size_t)w->k * sizeof *scores) != 0)
        fail("row %d alone differs", r);
}

static void one_topk(int32_t vocabulary)
{
    struct world *w = world_new(vocabulary);
    struct tm_decoded decoded = decoded_of(&w->state);
    int64_t rows = w->step.rows;
    int32_t *ids = malloc((size_t)(rows * w->k) * sizeof *ids);
    int32_t *all_ids = malloc((size_t)(rows * vocabulary) * sizeof *all_ids);
    float *scores = floats(rows * w->k, 1), *all_scores = floats(rows * vocabulary, 1);
    struct tm_topk_args args = {logits_args(w, w->now, &decoded), w->k, ids, scores};
    struct tm_topk_args all = {logits_args(w, w->ref, &decoded), vocabulary, all_ids, all_scores};
    ok(now.b->ops.logits_topk(now.s, &w->x.t, &args));
    ok(ref.b->ops.logits_topk(ref.s, &w->x.t, &all));
    digest(ids, (size_t)(rows * w->k) * sizeof *ids);
    digest(scores, (size_t)(rows * w->k) * sizeof *scores);
    for (int32_t r = 0; r < rows; r++)
        row_agrees(w, r, ids + (int64_t)r * w->k, scores + (int64_t)r * w->k,
                   all_ids + (int64_t)r * vocabulary, all_scores + (int64_t)r * vocabulary);
    for (int32_t r = 0; r < rows && keeps_batches; r++)
        row_alone(w, &args, r);
    free(ids);
    free(all_ids);
    free(scores);
    free(all_scores);
    world_free(w);
}

void check_logits_topk(void)
{
    static const int32_t vocabularies[] = {6, 7, 16, 31, 48, 49, 64, 97, 500, 769, 1537, 3000};
    for (int i = 0; i < 4; i++)
        for (size_t v = 0; v < TM_COUNTOF(vocabularies); v++)
            one_topk(vocabularies[v]);
}

/* --- beam_step and sample_step: all slots at once, then each in a step of its own --- */

static void step_all(struct rig rig, struct world *w, struct state *state,
                     const struct tm_step *step, const int32_t *ids, const float *scores,
                     const struct tm_tensor *x, int32_t row)
{
    struct tm_decoded decoded = decoded_of(state);
    struct tm_ancestry ancestry = ancestry_of(state);
    const uint8_t *stops = w->stops != NULL ? w->stops + (int64_t)row * w->k : NULL;
    struct tm_beam_args beam = {ids, scores, w->k, w->how, &decoded, &ancestry, step, stops};
    struct tm_sample_args sample = {logits_args(w, rig.b == now.b ? w->now : w->ref, &decoded),
                                    &decoded, &ancestry};
    if (ids != NULL) {
        ok(rig.b->ops.beam_step(rig.s, &beam));
        return;
    }
    sample.logits.step = step;
    sample.logits.masks += (int64_t)row * ((w->vocabulary + 31) / 32);
    sample.logits.masked += row;
    ok(rig.b->ops.sample_step(rig.s, x, &sample));
}

static void one_step(int32_t vocabulary, bool sampled)
{
    struct world *w = world_new(vocabulary);
    for (int32_t i = 0; i < SLOTS && vocabulary % 3 != 0; i++)
        w->how[i].top_k = (int32_t)between(1, 9); /* all of them: the way without a sort */
    struct state together = w->state, apart = w->state, expected = w->state;
    int64_t rows = w->step.rows;
    int32_t *ids = malloc((size_t)(rows * w->k) * sizeof *ids);
    float *scores = floats(rows * w->k, 1);
    struct tm_decoded decoded = decoded_of(&w->state);
    struct tm_topk_args args = {logits_args(w, w->now, &decoded), w->k, ids, scores};
    ok(now.b->ops.logits_topk(now.s, &w->x.t, &args));
    if (!sampled && vocabulary % 2 == 0 && (w->stops = malloc((size_t)(rows * w->k))) == NULL)
        fail("no memory");
    for (int64_t i = 0; w->stops != NULL && i < rows * w->k; i++)
        w->stops[i] = between(0, 5) == 0;
    step_all(ref, w, &expected, &w->step, sampled ? NULL : ids, scores, &w->x.t, 0);
    step_all(now, w, &together, &w->step, sampled ? NULL : ids, scores, &w->x.t, 0);
    digest(&together, sizeof together);
    for (int32_t s = w->step.slots - 1; s >= 0; s--) {
        int32_t row = w->first_row[s], bounds[] = {0, w->first_row[s + 1] - row};
        struct tm_step one = {bounds[1],   1,     w->slot_of_row + row, w->beam_of_row + row,
                              w->slot + s, bounds};
        struct tm_tensor x = rows_of(&w->x, row, bounds[1]);
        step_all(now, w, &apart, &one, sampled ? NULL : ids + (int64_t)row * w->k,
                 scores + (int64_t)row * w->k, &x, row);
        if (together.lengths[w->slot[s]] !=
            w->state.lengths[w->slot[s]] + (w->how[w->slot[s]].do_sample == sampled))
            fail("slot %d is not one position further, or not left alone", w->slot[s]);
    }
    if (memcmp(&together, &apart, sizeof apart) != 0)
        fail("slots together and apart differ");
    /* A draw within rounding of the next id's would differ: less than once in a million. */
    if (memcmp(&together, &expected, sizeof apart) != 0)
        fail("not what the reference decides");
    free(ids);
    free(scores);
    world_free(w);
}

void check_beam_step(void)
{
    for (int32_t i = 0; i < 40; i++)
        one_step(6 + i, false);
}

void check_sample_step(void)
{
    for (int32_t i = 0; i < 40; i++)
        one_step(6 + i, true);
}
