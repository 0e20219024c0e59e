/* Long texts and tasks over windows: classification, zero-shot, entities, answers, embeddings,
 * prompts. Scores are what the models of these tests make of the words they see. */
#include "fake.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_LENGTH = 10, LABELS = 3 };

static const char *const nli[] = {"contradiction", "neutral", "entailment"};
static const char *const tags[] = {"O", "B-PER", "I-PER"};
static const struct tm_generation plain = {.num_beams = 1,
                                           .num_return_sequences = 1,
                                           .max_length = -1,
                                           .max_new_tokens = 4,
                                           .forced_eos_token_id = -1};

/* Entailment of "is LABEL" where the text has LABEL: twice is surer. */
static enum tm_status entail(const int32_t *ids, int32_t n, float *out)
{
    const char *label = "";
    for (int32_t i = 1; i < n; i++)
        if (fake_word(ids[i]) == NULL && fake_word(ids[i - 1]) != NULL)
            label = fake_word(ids[i - 1]);
    int hits = -1; /* its own place in the hypothesis */
    for (int32_t i = 0; i < n; i++)
        hits += fake_word(ids[i]) != NULL && strcmp(fake_word(ids[i]), label) == 0;
    out[0] = 0;
    out[1] = 0;
    out[2] = 3 * (float)hits;
    return TM_OK;
}

/* A word with a capital is a name; one that follows another goes on with it. */
static enum tm_status name(const int32_t *ids, int32_t n, float *out)
{
    bool before = false;
    for (int32_t i = 0; i < n; i++) {
        const char *word = fake_word(ids[i]);
        bool is = word != NULL && word[0] >= 'A' && word[0] <= 'Z';
        out[i * LABELS] = is ? 0 : 9;
        out[i * LABELS + 1] = is && !before ? 9 : 0;
        out[i * LABELS + 2] = is && before ? 9 : 0;
        before = is;
    }
    return TM_OK;
}

/* The answer begins at the word "from" and ends at "to"; without them nothing is likely. */
static enum tm_status span(const int32_t *ids, int32_t n, float *out)
{
    for (int32_t i = 0; i < n; i++) {
        const char *word = fake_word(ids[i]);
        bool from = word != NULL && strcmp(word, "from") == 0;
        bool to = word != NULL && strcmp(word, "to") == 0;
        out[i] = from ? 6 : i == 0 ? 3 : 0;
        out[n + i] = to ? 6 : i == 0 ? 3 : 0;
    }
    return TM_OK;
}

static enum tm_status first_letter(const int32_t *ids, int32_t n, float *out)
{
    out[0] = out[1] = 0;
    for (int32_t i = 0; i < n; i++)
        if (fake_word(ids[i]) != NULL)
            out[fake_word(ids[i])[0] == 'b'] = 1;
    float length = out[0] + out[1] > 1 ? 1.41421356F : 1;
    out[0] /= length;
    out[1] /= length;
    return TM_OK;
}

static enum tm_status echo(const struct tm_sequence *seq)
{
    struct tm_generated *g = &seq->generated[0];
    memcpy(g->ids, seq->ids, (size_t)seq->n_ids * sizeof *g->ids);
    g->n_ids = seq->n_ids;
    g->ids[g->n_ids++] = fake_word_id("said");
    g->finish_reason = TM_FINISH_STOP;
    return TM_OK;
}

static struct fake_model model(enum tm_head head, const char *const *labels,
                               enum tm_status (*answer)(const int32_t *, int32_t, float *))
{
    return (struct fake_model){.name = "m",
                               .info = {.head = head,
                                        .problem = TM_PROBLEM_SINGLE_LABEL,
                                        .threads = 1,
                                        .max_length = MAX_LENGTH,
                                        .n_labels = LABELS,
                                        .labels = labels,
                                        .hidden_size = 2,
                                        .generation = &plain,
                                        .device = "cpu",
                                        .precision = "float32"},
                               .answer = answer,
                               .generate = echo};
}

static const json_t *run(struct fake_pipeline *p, const char *const *entries, struct tm_doc **doc)
{
    struct tm_err err = {0};
    assert_int_equal(fake_open(p, entries, &err), TM_OK);
    fake_run(p, doc);
    assert_int_equal((*doc)->task_runs[0].err.status, TM_OK);
    return (*doc)->task_runs[0].result;
}

static const char *string_of(const json_t *r, const char *key)
{
    return json_string_value(json_object_get(r, key));
}

static double real_of(const json_t *r, const char *key)
{
    return json_number_value(json_object_get(r, key));
}

static void zero_shot_reads_all_windows_for_every_label(void **state)
{
    (void)state;
    static const char *const entries[] = {
        "task", "classification",      "model", "m",      "labels", "sport", "labels",
        "war",  "hypothesis_template", "is {}", "stride", "0",      NULL,    NULL};
    fake_models[0] = model(TM_HEAD_SEQUENCE, nli, entail);
    struct fake_pipeline p;
    struct tm_doc *doc = fake_text("one two three four five six war war war ten");
    const json_t *r = run(&p, entries, &doc);
    assert_int_equal(fake_n_seen, 4); /* two windows of five words, two labels */
    assert_string_equal(string_of(r, "label"), "war");
    assert_int_equal(json_array_size(json_object_get(r, "labels")), 2);
    assert_true(real_of(r, "score") > 0.74 && real_of(r, "score") < 0.76); /* (0.5 + 1) / 2 */
    assert_true(real_of(r, "windows") == 2);
    fake_end(&p, doc);
}

/* A label of three words leaves less of a window: the others' windows are as short. */
static void labels_of_different_lengths_share_windows(void **state)
{
    (void)state;
    static const char *const entries[] = {
        "task", "classification",      "model", "m",      "labels", "in the sport", "labels",
        "war",  "hypothesis_template", "is {}", "stride", "0",      NULL,           NULL};
    fake_models[0] = model(TM_HEAD_SEQUENCE, nli, entail);
    struct fake_pipeline p;
    struct tm_doc *doc = fake_text("sport sport here and then some war came to the war");
    const json_t *r = run(&p, entries, &doc);
    assert_int_equal(fake_n_seen, 8); /* four windows of three words, two labels */
    assert_int_equal(fake_seen[0].n, 10);
    assert_int_equal(fake_seen[4].n, 8);
    for (int32_t i = 1; i < 4; i++)
        assert_int_equal(fake_seen[0].ids[i], fake_seen[4].ids[i]);
    assert_string_equal(string_of(r, "label"), "war");
    fake_end(&p, doc);
}

static void a_model_without_entailment_is_refused(void **state)
{
    (void)state;
    static const char *const entries[] = {"task",   "classification", "model", "m",
                                          "labels", "sport",          NULL,    NULL};
    fake_models[0] = model(TM_HEAD_SEQUENCE, tags, entail);
    struct fake_pipeline p;
    struct tm_err err = {0};
    assert_int_equal(fake_open(&p, entries, &err), TM_MODEL);
    assert_non_null(strstr(err.text, "entailment"));
    fake_close(&p);
}

static void labels_of_the_model_are_sorted(void **state)
{
    (void)state;
    static const char *const entries[] = {"task", "classification", "model", "m", NULL, NULL};
    fake_models[0] = model(TM_HEAD_SEQUENCE, nli, entail);
    struct fake_pipeline p;
    struct tm_doc *doc = fake_text("go go go");
    const json_t *r = run(&p, entries, &doc);
    assert_string_equal(string_of(r, "label"), "entailment");
    assert_int_equal(json_array_size(json_object_get(r, "labels")), 3);
    fake_end(&p, doc);
}

/* Names at every place of a text of many windows: each once, whole, at its place. */
static void entities_are_found_once_across_windows(void **state)
{
    (void)state;
    static const char *const entries[] = {"task",   "entities", "model", "m",
                                          "stride", "4",        NULL,    NULL};
    fake_models[0] = model(TM_HEAD_TOKEN, tags, name);
    struct fake_pipeline p;
    struct tm_buf text = {.cap = 0};
    for (int i = 0; i < 30; i++)
        tm_buf_printf(&text, "%s", i % 3 == 0 ? "Ann Lee " : "says hello ");
    tm_buf_puts(&text, "Ann Lee|and goes");
    tm_buf_putc(&text, '\0');
    struct tm_doc *doc = fake_text(text.data);
    const json_t *r = run(&p, entries, &doc);
    assert_true(fake_n_seen > 5);
    assert_int_equal(json_array_size(r), 11);
    for (size_t i = 0; i < json_array_size(r); i++) {
        const json_t *e = json_array_get(r, i);
        assert_string_equal(string_of(e, "text"), "Ann Lee");
        assert_string_equal(string_of(e, "norm_type"), "PER");
        assert_memory_equal(doc->text + (size_t)real_of(e, "start"), "Ann Lee", 7);
        assert_true(real_of(e, "end") - real_of(e, "start") == 7);
        assert_true(real_of(e, "group") == 0 && real_of(e, "sentence") == 0);
    }
    tm_buf_finish(&text);
    fake_end(&p, doc);
}

static void answers_come_from_any_window_and_may_be_none(void **state)
{
    (void)state;
    static const char *const entries[] = {"task",
                                          "answers",
                                          "model",
                                          "m",
                                          "questions",
                                          "what then",
                                          "handle_impossible_answer",
                                          "true",
                                          "stride",
                                          "3",
                                          "max_seq_len",
                                          "10",
                                          NULL,
                                          NULL};
    fake_models[0] = model(TM_HEAD_SPAN, NULL, span);
    static const char *const asked[] = {"and who"};
    struct fake_pipeline p;
    struct tm_doc *doc = fake_text("a b c d e f g h i from j to k l m n o p");
    doc->questions = asked;
    doc->n_questions = 1;
    const json_t *r = run(&p, entries, &doc);
    assert_int_equal(json_array_size(r), 2);
    const json_t *a = json_array_get(r, 0);
    assert_string_equal(string_of(a, "question"), "what then");
    assert_string_equal(string_of(json_array_get(r, 1), "question"), "and who");
    assert_string_equal(string_of(a, "answer"), "from j to");
    assert_memory_equal(doc->text + (size_t)real_of(a, "start"), "from j to", 9);
    fake_end(&p, doc);

    fake_reset();
    fake_models[0] = model(TM_HEAD_SPAN, NULL, span);
    doc = fake_text("a b c d e f g h i k l m n o p");
    r = run(&p, entries, &doc);
    assert_true(json_is_null(json_object_get(json_array_get(r, 0), "answer")));
    assert_true(real_of(json_array_get(r, 0), "no_answer_score") > 0.5);
    fake_end(&p, doc);
}

/* Five words of "a", then five of "b": the mean of two unit vectors, of unit length. */
static void an_embedding_is_the_mean_of_windows(void **state)
{
    (void)state;
    static const char *const entries[] = {"task",   "embedding", "model", "m",
                                          "stride", "0",         NULL,    NULL};
    fake_models[0] = model(TM_HEAD_EMBEDDING, NULL, first_letter);
    struct fake_pipeline p;
    struct tm_doc *doc = fake_text("a a a a a a a a b b b b b b b b");
    const json_t *v = json_object_get(run(&p, entries, &doc), "vector");
    assert_int_equal(json_array_size(v), 2);
    assert_true(json_number_value(json_array_get(v, 0)) == 0.707107);
    assert_true(json_number_value(json_array_get(v, 1)) == 0.707107);
    fake_end(&p, doc);
}

static void a_prompt_is_made_by_the_template(void **state)
{
    (void)state;
    static const char *const entries[] = {
        "task", "generation", "model",    "m",
        "name", "note",       "template", "{{ title }} : {{ text }} {{ tone }}",
        NULL,   NULL};
    fake_models[0] = model(TM_HEAD_GENERATE, NULL, NULL);
    fake_models[0].info.max_length = 20;
    struct fake_pipeline p;
    struct tm_doc *doc = fake_text("b c");
    json_t *vars = json_pack("{s:s}", "tone", "calm");
    doc->title = "A";
    doc->prompt_vars = vars;
    const json_t *r = run(&p, entries, &doc);
    assert_int_equal(fake_seen[0].n, 6);
    assert_string_equal(fake_word(fake_seen[0].ids[1]), ":");
    assert_string_equal(fake_word(fake_seen[0].ids[4]), "calm");
    assert_string_equal(string_of(r, "text"), "said"); /* without the prompt */
    assert_string_equal(string_of(r, "name"), "note");
    assert_string_equal(string_of(r, "finish_reason"), "stop");
    assert_true(real_of(r, "coverage") == 1);
    json_decref(vars);
    fake_end(&p, doc);
}

static void a_chat_model_gets_its_own_form(void **state)
{
    (void)state;
    static const char *const entries[] = {"task",   "generation", "model", "m",
                                          "system", "be brief",   NULL,    NULL};
    fake_models[0] = model(TM_HEAD_GENERATE, NULL, NULL);
    fake_models[0].info.max_length = 40;
    fake_chat_template =
        "{% for m in messages %}<{{ m.role }}> {{ m.content }} {% endfor %}<answer>";
    struct fake_pipeline p;
    struct tm_doc *doc = fake_text("b c");
    run(&p, entries, &doc);
    static const char *const words[] = {"<system>", "be", "brief", "<user>", "b", "c", "<answer>"};
    assert_int_equal(fake_seen[0].n, 7);
    for (size_t i = 0; i < TM_COUNTOF(words); i++)
        assert_string_equal(fake_word(fake_seen[0].ids[i]), words[i]);
    fake_end(&p, doc);
}

/* Room for 16 ids beside the answer's 4; the prompt's own words stay. */
static void a_prompt_that_is_too_long_has_fewer_sentences(void **state)
{
    (void)state;
    static const char *const entries[] = {"task",     "generation",         "model", "m",
                                          "template", "say {{ text }} end", NULL,    NULL};
    fake_models[0] = model(TM_HEAD_GENERATE, NULL, NULL);
    fake_models[0].info.max_length = 20;
    struct fake_pipeline p;
    struct tm_doc *doc = fake_text("a b c d e|f g h i j|k l m n o|p q r s t");
    const json_t *r = run(&p, entries, &doc);
    assert_int_equal(fake_seen[0].n, 13); /* say, two sentences, end, [SEP] */
    assert_string_equal(fake_word(fake_seen[0].ids[11]), "end");
    assert_true(real_of(r, "coverage") < 0.5);
    assert_string_equal(doc->warnings[0].code, "W_TRUNCATED");
    fake_end(&p, doc);
}

int main(void)
{
#define T(f) cmocka_unit_test_teardown(f, fake_tear_down)
    const struct CMUnitTest tests[] = {
        T(zero_shot_reads_all_windows_for_every_label),
        T(labels_of_different_lengths_share_windows),
        T(a_model_without_entailment_is_refused),
        T(labels_of_the_model_are_sorted),
        T(entities_are_found_once_across_windows),
        T(answers_come_from_any_window_and_may_be_none),
        T(an_embedding_is_the_mean_of_windows),
        T(a_prompt_is_made_by_the_template),
        T(a_chat_model_gets_its_own_form),
        T(a_prompt_that_is_too_long_has_fewer_sentences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
