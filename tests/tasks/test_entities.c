/* Entities from the labels of tokens: the five strategies on one text. Expected values are those of
 * transformers' TokenClassificationPipeline (4.57), worked out by hand from its rules. */
#include "fake.h"
#include "tm_answers.h"

#include <string.h>

enum { O, B_PER, I_PER, B_LOC, N_LABELS };
static const char *const labels[] = {"O", "B-PER", "I-PER", "B-LOC"};
static const struct tm_engine_info info = {.n_labels = N_LABELS, .labels = labels};

/* "[CLS] Ann ##a Lee in Oslo [SEP]": Lee is a person's name less surely than Ann. */
static const uint32_t offsets[][2] = {{0, 0}, {0, 3}, {3, 4}, {5, 8}, {9, 11}, {12, 16}, {0, 0}};
static const uint8_t special[] = {1, 0, 0, 0, 0, 0, 1};
static const uint8_t subword[] = {0, 0, 1, 0, 0, 0, 0};
static const double p[] = {1,   0,   0,   0,   /* [CLS] */
                           0.1, 0.6, 0.2, 0.1, /* Ann */
                           0.8, 0.1, 0.1, 0,   /* ##a */
                           0.2, 0.1, 0.7, 0,   /* Lee */
                           0.9, 0,   0.1, 0,   /* in */
                           0.1, 0,   0,   0.9, /* Oslo */
                           1,   0,   0,   0};

static size_t run(enum tm_aggregation how, struct tm_entity *ret)
{
    static const int32_t ids[] = {1, 3, 4, 5, 6, 7, 2};
    const struct tm_tagged t = {.info = &info,
                                .text = "Anna Lee in Oslo",
                                .text_len = 16,
                                .ids = ids,
                                .offsets = offsets,
                                .special = special,
                                .subword = subword,
                                .p = p,
                                .n = 7};
    struct tm_arena *arena = tm_arena_create(1 << 16);
    size_t n = tm_entities(&t, how, arena, ret);
    tm_arena_destroy(arena);
    return n;
}

static void check(const struct tm_entity *e, const char *label, double score, uint32_t start,
                  uint32_t end)
{
    assert_string_equal(e->label, label);
    assert_true(e->score > score - 1e-9 && e->score < score + 1e-9);
    assert_int_equal(e->start, start);
    assert_int_equal(e->end, end);
}

static void tokens_alone(void **unused)
{
    (void)unused;
    struct tm_entity e[8];
    assert_int_equal(run(TM_AGGREGATE_NONE, e), 3);
    check(&e[0], "B-PER", 0.6, 0, 3);
    check(&e[1], "I-PER", 0.7, 5, 8);
    check(&e[2], "B-LOC", 0.9, 12, 16);
}

/* The O of "##a" parts what would be one name: simple breaks words. */
static void simple_joins_neighbours_alone(void **unused)
{
    (void)unused;
    struct tm_entity e[8];
    assert_int_equal(run(TM_AGGREGATE_SIMPLE, e), 3);
    check(&e[0], "PER", 0.6, 0, 3);
    check(&e[1], "PER", 0.7, 5, 8);
}

static void a_word_goes_by_its_first_token(void **unused)
{
    (void)unused;
    struct tm_entity e[8];
    assert_int_equal(run(TM_AGGREGATE_FIRST, e), 2);
    check(&e[0], "PER", (0.6 + 0.7) / 2, 0, 8);
    check(&e[1], "LOC", 0.9, 12, 16);
}

/* Of "Anna": the mean is 0.45 O against 0.35 B-PER; its surest token says O. */
static void a_word_goes_by_its_mean_or_its_surest_token(void **unused)
{
    (void)unused;
    struct tm_entity e[8];
    assert_int_equal(run(TM_AGGREGATE_AVERAGE, e), 2);
    check(&e[0], "PER", 0.7, 5, 8);
    assert_int_equal(run(TM_AGGREGATE_MAX, e), 2);
    check(&e[0], "PER", 0.7, 5, 8);
}

static void strategies_have_names(void **unused)
{
    (void)unused;
    enum tm_aggregation how;
    assert_true(tm_aggregation_find("average", &how));
    assert_int_equal(how, TM_AGGREGATE_AVERAGE);
    assert_false(tm_aggregation_find("mean", &how));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokens_alone),
        cmocka_unit_test(simple_joins_neighbours_alone),
        cmocka_unit_test(a_word_goes_by_its_first_token),
        cmocka_unit_test(a_word_goes_by_its_mean_or_its_surest_token),
        cmocka_unit_test(strategies_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
