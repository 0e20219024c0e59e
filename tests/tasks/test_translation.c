/* Translations: what is asked of the model, what is copied, how the parts come back together. The
 * model of these tests writes each word backwards. */
#include "fake.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_LENGTH = 12 };

static const struct tm_generation plain = {.num_beams = 1, .num_return_sequences = 1};

static enum tm_status backwards(const struct tm_sequence *seq)
{
    struct tm_generated *g = &seq->generated[0];
    g->n_ids = 0;
    g->finish_reason = TM_FINISH_STOP;
    for (int32_t i = 0; i < seq->n_ids; i++) {
        const char *word = fake_word(seq->ids[i]);
        char turned[64] = "";
        size_t n = word != NULL ? strlen(word) : 0;
        if (word == NULL || strcmp(word, "LOST") == 0)
            continue;
        for (size_t k = 0; k < n; k++)
            turned[k] = word[n - 1 - k];
        turned[n] = '\0';
        g->ids[g->n_ids++] = fake_word_id(turned);
        if (strcmp(word, "CUT") == 0)
            g->finish_reason = TM_FINISH_LENGTH;
    }
    return TM_OK;
}

static int set_up(void **state)
{
    (void)state;
    fake_models[0] = fake_generator("translate-en-es-small", MAX_LENGTH, &plain, backwards);
    return 0;
}

static int32_t begun_with; /* forced first id of the last answer */

static enum tm_status note_begin(const struct tm_sequence *seq)
{
    begun_with = seq->generation->forced_bos_token_id;
    return backwards(seq);
}

static const json_t *run(struct fake_pipeline *p, struct tm_doc **doc)
{
    static const char *const entries[] = {"task", "translation", "to", "es",
                                          "from", "en",          NULL, NULL};
    return fake_answer(p, entries, doc);
}

static const char *text_of(const json_t *r)
{
    return json_string_value(json_object_get(r, "text"));
}

static bool has_flag(const json_t *r, size_t segment, const char *flag)
{
    const json_t *flags =
        json_object_get(json_array_get(json_object_get(r, "segments"), segment), "flags");
    for (size_t i = 0; i < json_array_size(flags); i++)
        if (strcmp(json_string_value(json_array_get(flags, i)), flag) == 0)
            return true;
    return false;
}

static void sentences_one_by_one_in_their_places(void **state)
{
    (void)state;
    static const struct fake_paragraph paragraphs[] = {{TM_BLOCK_HEADING, "big news"},
                                                       {TM_BLOCK_P, "one two.|three four."},
                                                       {TM_BLOCK_LI, "five"},
                                                       {TM_BLOCK_P, NULL}};
    struct fake_pipeline p;
    struct tm_doc *doc = fake_doc(paragraphs);
    doc->title = "a title";
    const json_t *r = run(&p, &doc);
    assert_string_equal(text_of(r), "gib swen\n\neno .owt eerht .ruof\n\nevif");
    assert_string_equal(json_string_value(json_object_get(r, "title")), "a eltit");
    assert_int_equal(fake_n_seen, 5);
    assert_string_equal(doc->task_runs[0].member, "es");
    /* segment pairs point into both texts */
    const json_t *third = json_array_get(json_object_get(r, "segments"), 2);
    json_int_t from = json_integer_value(json_array_get(json_object_get(third, "tgt"), 0));
    json_int_t to = json_integer_value(json_array_get(json_object_get(third, "tgt"), 1));
    assert_int_equal(to - from, 11);
    assert_memory_equal(text_of(r) + from, "eerht .ruof", 11);
    from = json_integer_value(json_array_get(json_object_get(third, "src"), 0));
    assert_memory_equal(doc->text + from, "three four.", 11);
    fake_end(&p, doc);
}

static void code_numbers_addresses_and_the_targets_language_are_copied(void **state)
{
    (void)state;
    static const struct fake_paragraph paragraphs[] = {{TM_BLOCK_P, "1,000 - 2."},
                                                       {TM_BLOCK_CODE, "int x;"},
                                                       {TM_BLOCK_P, "https://example.org/a"},
                                                       {TM_BLOCK_P, "los gatos que el perro"},
                                                       {TM_BLOCK_P, "the end"},
                                                       {TM_BLOCK_P, NULL}};
    struct fake_pipeline p;
    struct tm_doc *doc = fake_doc(paragraphs);
    const json_t *r = run(&p, &doc);
    assert_string_equal(text_of(r), "1,000 - 2.\n\nint x;\n\nhttps://example.org/a\n\n"
                                    "los gatos que el perro\n\neht dne");
    assert_int_equal(fake_n_seen, 1);
    assert_true(has_flag(r, 2, "same_language"));
    fake_end(&p, doc);
}

static void nothing_to_translate_asks_no_model(void **state)
{
    (void)state;
    struct fake_pipeline p;
    struct tm_doc *doc = fake_text("12 34");
    const json_t *r = run(&p, &doc);
    assert_string_equal(text_of(r), "12 34");
    assert_int_equal(fake_n_seen, 0);
    fake_end(&p, doc);
}

/* Longer than the model takes: parts, at a comma where one is near the middle; nothing is lost. */
static void a_long_sentence_is_cut_at_a_clause(void **state)
{
    (void)state;
    struct fake_pipeline p;
    struct tm_doc *doc = fake_text("aa bb cc dd ee ff gg, hh ii jj kk ll mm nn oo");
    const json_t *r = run(&p, &doc);
    assert_string_equal(text_of(r), "aa bb cc dd ee ff ,gg hh ii jj kk ll mm nn oo");
    assert_int_equal(fake_n_seen, 2);
    assert_int_equal(fake_seen[0].n, 7 + 1);
    fake_end(&p, doc);
}

static void what_looks_wrong_is_said(void **state)
{
    (void)state;
    struct fake_pipeline p;
    struct tm_doc *doc =
        fake_text("LOST LOST LOST LOST LOST LOST aa|in 1987 LOST|level noon civic radar|CUT it");
    const json_t *r = run(&p, &doc);
    assert_true(has_flag(r, 0, "length_ratio"));
    assert_true(has_flag(r, 1, "missing_numbers")); /* 7891 */
    assert_true(has_flag(r, 2, "untranslated"));
    assert_true(has_flag(r, 3, "truncated"));
    assert_int_equal(doc->n_warnings, 3);
    fake_end(&p, doc);
}

/* One configuration, three ways to tell a model: its own code for the source, the target's id. */
static void languages_become_the_models_codes(void **state)
{
    (void)state;
    static const char *const nllb[] = {"spa_Latn", "eng_Latn", NULL};
    static const char *const mbart[] = {"es_XX", "en_XX", NULL};
    static const char *const m2m[] = {"es", "en", NULL};
    const char *const *const all[] = {nllb, mbart, m2m};
    for (size_t i = 0; i < TM_COUNTOF(all); i++) {
        struct fake_pipeline p;
        struct tm_doc *doc = fake_text("one two");
        fake_models[0].generate = note_begin;
        fake_languages = all[i];
        run(&p, &doc);
        assert_string_equal(fake_source, all[i][1]);
        assert_int_equal(begun_with, FAKE_LANGUAGE);
        fake_end(&p, doc);
    }
}

/* OPUS-MT of several targets: a token before the text, by ISO 639-3 or by the plain tag. */
static void a_model_of_several_targets_is_told_which(void **state)
{
    (void)state;
    static const char *const three[] = {">>fra<<", ">>spa<<", NULL};
    static const char *const two[] = {">>es<<", NULL};
    const char *const *const all[] = {three, two};
    for (size_t i = 0; i < TM_COUNTOF(all); i++) {
        struct fake_pipeline p;
        struct tm_doc *doc = fake_text("one two");
        fake_added = all[i];
        run(&p, &doc);
        assert_string_equal(fake_word(fake_seen[i].ids[0]), i == 0 ? ">>spa<<" : ">>es<<");
        assert_string_equal(fake_word(fake_seen[i].ids[1]), "one");
        fake_end(&p, doc);
    }
}

static void a_language_that_the_model_has_not_is_refused(void **state)
{
    (void)state;
    static const char *const entries[] = {"task", "translation", "to", "es",
                                          "from", "en",          NULL, NULL};
    static const char *const prefixes[] = {">>fra<<", ">>deu<<", NULL};
    static const char *const codes[] = {"fra_Latn", "eng_Latn", NULL};
    for (int i = 0; i < 2; i++) {
        struct fake_pipeline p;
        struct tm_err err = {0};
        fake_added = i == 0 ? prefixes : NULL;
        fake_languages = i == 1 ? codes : NULL;
        assert_int_equal(fake_open(&p, entries, &err), TM_CONFIG);
        assert_non_null(strstr(err.text, "knows no language \"es\""));
        fake_close(&p);
    }
}

static enum tm_status stutter(const struct tm_sequence *seq)
{
    struct tm_generated *g = &seq->generated[0];
    g->finish_reason = TM_FINISH_STOP;
    for (g->n_ids = 0; g->n_ids < 8; g->n_ids++)
        g->ids[g->n_ids] = fake_word_id(g->n_ids % 2 == 0 ? "la" : "ta");
    return TM_OK;
}

static void a_translation_that_stutters_is_flagged(void **state)
{
    (void)state;
    struct fake_pipeline p;
    struct tm_doc *doc = fake_text("one two three four five");
    fake_models[0].generate = stutter;
    const json_t *r = run(&p, &doc);
    assert_true(has_flag(r, 0, "repeated"));
    fake_end(&p, doc);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, fake_tear_down)
    const struct CMUnitTest tests[] = {
        T(sentences_one_by_one_in_their_places),
        T(code_numbers_addresses_and_the_targets_language_are_copied),
        T(nothing_to_translate_asks_no_model),
        T(a_long_sentence_is_cut_at_a_clause),
        T(what_looks_wrong_is_said),
        T(languages_become_the_models_codes),
        T(a_model_of_several_targets_is_told_which),
        T(a_language_that_the_model_has_not_is_refused),
        T(a_translation_that_stutters_is_flagged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
