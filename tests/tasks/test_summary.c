/* Extractive summaries: length, order, what is no candidate, repeated and long sentences. The model
 * of these tests gives each text the counts of its words' first letters: a text is about them. */
#include "fake.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

enum { TOPICS = 8, WINDOW = 10, MAX_LENGTH = WINDOW + 2 };

static enum tm_status topics(const int32_t *ids, int32_t n, float *out)
{
    for (int i = 0; i < TOPICS; i++)
        out[i] = 0;
    for (int32_t i = 0; i < n; i++)
        if (fake_word(ids[i]) != NULL)
            out[(unsigned char)fake_word(ids[i])[0] % TOPICS] += 1;
    return TM_OK;
}

static int set_up(void **state)
{
    (void)state;
    fake_models[0] = (struct fake_model){"all-MiniLM-L6-v2",
                                         {.head = TM_HEAD_EMBEDDING,
                                          .threads = 1,
                                          .max_length = MAX_LENGTH,
                                          .hidden_size = TOPICS,
                                          .device = "cpu",
                                          .precision = "float32"},
                                         topics};
    return 0;
}

static const json_t *run(struct fake_pipeline *p, const char *sentences, const char *words,
                         struct tm_doc **doc)
{
    const char *const entries[] = {"task",  "summary", "sentences", sentences,
                                   "words", words,     NULL,        NULL};
    return fake_answer(p, entries, doc);
}

static const char *text_of(const json_t *r)
{
    return json_string_value(json_object_get(r, "text"));
}

/* "0 2": numbers of the sentences used. */
static const char *used(const json_t *r)
{
    static char out[128];
    const json_t *list = json_object_get(r, "sentences_used");
    out[0] = '\0';
    for (size_t i = 0; i < json_array_size(list); i++)
        snprintf(out + strlen(out), sizeof out - strlen(out), "%s%lld", i > 0 ? " " : "",
                 (long long)json_integer_value(json_array_get(list, i)));
    return out;
}

static void within_target_is_the_text_itself(void **state)
{
    (void)state;
    static const struct fake_paragraph paragraphs[] = {
        {TM_BLOCK_HEADING, "head line"}, {TM_BLOCK_P, "a b c d e|f g h i j"}, {TM_BLOCK_P, NULL}};
    static const struct {
        const char *sentences, *words;
    } targets[] = {{"3", "0"}, {"1", "12"}}; /* words set: sentences say nothing */
    for (size_t i = 0; i < TM_COUNTOF(targets); i++) {
        struct fake_pipeline p;
        struct tm_doc *doc = fake_doc(paragraphs);
        const json_t *r = run(&p, targets[i].sentences, targets[i].words, &doc);
        assert_string_equal(text_of(r), "head line\n\na b c d e f g h i j");
        assert_string_equal(json_string_value(json_object_get(r, "method")), "whole");
        assert_string_equal(used(r), "0 1 2");
        assert_int_equal(fake_n_seen, 0); /* no model is asked */
        fake_end(&p, doc);
    }
}

/* What most of the text is about is taken, in the order of the text whatever its worth. */
static void central_sentences_in_the_texts_order(void **state)
{
    (void)state;
    struct fake_pipeline p;
    struct tm_doc *doc = fake_text("b b b b c|a a a b d|c c c c c|a a a a b|d d d d d");
    const json_t *r = run(&p, "2", "0", &doc);
    assert_string_equal(json_string_value(json_object_get(r, "method")), "centrality");
    assert_string_equal(json_string_value(json_object_get(r, "style")), "extractive");
    assert_string_equal(used(r), "0 1");
    assert_string_equal(text_of(r), "b b b b c a a a b d");
    fake_end(&p, doc);
    doc = fake_text("d d d d d|a a a b c|a a b c d|c c c c b|a a a b d");
    r = run(&p, "3", "0", &doc);
    size_t n = json_array_size(json_object_get(r, "sentences_used"));
    assert_int_equal(n, 3);
    for (size_t i = 1; i < n; i++) {
        const json_t *list = json_object_get(r, "sentences_used");
        assert_true(json_integer_value(json_array_get(list, i - 1)) <
                    json_integer_value(json_array_get(list, i)));
    }
    fake_end(&p, doc);
}

/* The last sentence says most: it is taken first, alone where one is wanted. */
static void the_last_sentence_may_win(void **state)
{
    (void)state;
    struct fake_pipeline p;
    struct tm_doc *doc = fake_text("c c c c c|b b b b b|d d d d d|a b c d e|a b c d e e");
    const json_t *r = run(&p, "1", "0", &doc);
    assert_string_equal(used(r), "3");
    fake_end(&p, doc);
}

static void words_are_a_limit(void **state)
{
    (void)state;
    struct fake_pipeline p;
    struct tm_doc *doc =
        fake_text("a b c d e f g|a b c d e f|a a b b c c d d e e f f|h h h h h|a c e g h d");
    const json_t *r = run(&p, "3", "13", &doc);
    assert_in_range(json_array_size(json_object_get(r, "sentences_used")), 1, 2);
    assert_in_range(strlen(text_of(r)), 9, 2 * 13 - 1); /* words of one letter */
    fake_end(&p, doc);
    /* No sentence is that short: the best one all the same, never nothing. */
    doc = fake_text("a b c d e f g|a b c d e f|h h h h h");
    r = run(&p, "3", "2", &doc);
    assert_int_equal(json_array_size(json_object_get(r, "sentences_used")), 1);
    fake_end(&p, doc);
}

static void headings_and_scraps_are_no_candidates(void **state)
{
    (void)state;
    static const struct fake_paragraph paragraphs[] = {{TM_BLOCK_HEADING, "a a a a a a"},
                                                       {TM_BLOCK_P, "a a a|a a a a b|a a a b b"},
                                                       {TM_BLOCK_HEADING, "a a a a a"},
                                                       {TM_BLOCK_P, "b b b b c"},
                                                       {TM_BLOCK_P, NULL}};
    struct fake_pipeline p;
    struct tm_doc *doc = fake_doc(paragraphs);
    const json_t *r = run(&p, "4", "0", &doc);
    assert_string_equal(used(r), "2 3 5");
    fake_end(&p, doc);
    /* Where nothing else is there, they are better than nothing. */
    static const struct fake_paragraph scraps[] = {
        {TM_BLOCK_HEADING, "a a a a a a"}, {TM_BLOCK_P, "b b|c c"}, {TM_BLOCK_P, NULL}};
    doc = fake_doc(scraps);
    r = run(&p, "2", "0", &doc);
    assert_int_equal(json_array_size(json_object_get(r, "sentences_used")), 2);
    fake_end(&p, doc);
}

static void a_repeated_sentence_is_taken_once(void **state)
{
    (void)state;
    struct fake_pipeline p;
    struct tm_doc *doc = fake_text("a a a b c|a a a b c|a a a b c|b b c c d|d d d e e");
    const json_t *r = run(&p, "2", "0", &doc);
    assert_string_equal(used(r), "0 3");
    fake_end(&p, doc);
    /* Rather a short summary than one that repeats itself. */
    doc = fake_text("a a a b c|a a a b c|a a a b c|a a a b c");
    r = run(&p, "2", "0", &doc);
    assert_string_equal(used(r), "0");
    fake_end(&p, doc);
}

/* The middle sentence is longer than the model takes: all of its words are read, and its vector is
 * that of the whole sentence, so it is found to be about the same as the text. */
static void a_long_sentence_is_windowed(void **state)
{
    (void)state;
    struct fake_pipeline p;
    struct tm_doc *doc =
        fake_text("g g g g g|"
                  "a1 a2 a3 a4 a5 a6 a7 a8 a9 a10 b1 b2 b3 b4 b5 b6 b7 b8 b9 b10 c1|"
                  "a a a a a b b b b b|h h h h h");
    const json_t *r = run(&p, "1", "0", &doc);
    assert_int_equal(fake_n_seen, 6);
    assert_string_equal(fake_word(fake_seen[1].ids[1]), "a1");
    assert_string_equal(fake_word(fake_seen[2].ids[1]), "b1");
    assert_string_equal(fake_word(fake_seen[3].ids[1]), "c1");
    assert_int_equal(fake_seen[3].n, 3);
    assert_string_equal(used(r), "1");
    fake_end(&p, doc);
}

static void text_without_tokens_fails(void **state)
{
    (void)state;
    const char *const entries[] = {"task", "summary", "sentences", "1", NULL, NULL};
    struct fake_pipeline p;
    struct tm_err err = {0};
    struct tm_doc *doc = fake_text("~~ ~~|~~");
    assert_int_equal(fake_open(&p, entries, &err), TM_OK);
    fake_run(&p, &doc);
    assert_int_equal(doc->task_runs[0].err.status, TM_EMPTY);
    fake_end(&p, doc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(within_target_is_the_text_itself, set_up, fake_tear_down),
        cmocka_unit_test_setup_teardown(central_sentences_in_the_texts_order, set_up,
                                        fake_tear_down),
        cmocka_unit_test_setup_teardown(the_last_sentence_may_win, set_up, fake_tear_down),
        cmocka_unit_test_setup_teardown(words_are_a_limit, set_up, fake_tear_down),
        cmocka_unit_test_setup_teardown(headings_and_scraps_are_no_candidates, set_up,
                                        fake_tear_down),
        cmocka_unit_test_setup_teardown(a_repeated_sentence_is_taken_once, set_up, fake_tear_down),
        cmocka_unit_test_setup_teardown(a_long_sentence_is_windowed, set_up, fake_tear_down),
        cmocka_unit_test_setup_teardown(text_without_tokens_fails, set_up, fake_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
