/* Sentiment: which models are taken, where their labels go, windows over long texts, sentences and
 * title. The model of these tests gives each label the share of its words in what it reads. */
#include "fake.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { WINDOW = 10, MAX_LENGTH = WINDOW + 2 };

static const char *const plain[] = {"negative", "neutral", "positive"};

static int32_t place_of(const struct tm_engine_info *info, char first)
{
    for (int32_t i = 0; i < info->n_labels; i++)
        if (info->labels[i][0] == first)
            return i;
    return -1;
}

/* Words that begin with n, p or anything else are negative, positive or neutral. */
static enum tm_status shares(const int32_t *ids, int32_t n, float *out)
{
    const struct tm_engine_info *info = &fake_models[0].info;
    int32_t negative = place_of(info, 'n'), positive = place_of(info, 'p'), other = -1;
    double count[3] = {0}, total = 0;
    for (int32_t i = 0; i < info->n_labels; i++)
        if (i != negative && i != positive)
            other = i;
    for (int32_t i = 0; i < n; i++) {
        const char *w = fake_word(ids[i]);
        int32_t label = w == NULL ? -1 : w[0] == 'n' ? negative : w[0] == 'p' ? positive : other;
        if (label >= 0) {
            count[label] += 1;
            total += 1;
        }
    }
    for (int32_t i = 0; i < info->n_labels; i++)
        out[i] = (float)log(count[i] / total + 1e-9);
    return TM_OK;
}

static void set_model(const char *const *labels, int32_t n)
{
    fake_models[0] = (struct fake_model){"sentiment-en",
                                         {.head = TM_HEAD_SEQUENCE,
                                          .problem = TM_PROBLEM_SINGLE_LABEL,
                                          .threads = 1,
                                          .max_length = MAX_LENGTH,
                                          .n_labels = n,
                                          .labels = labels,
                                          .device = "cpu",
                                          .precision = "float32"},
                                         shares};
}

static int set_up(void **state)
{
    (void)state;
    set_model(plain, 3);
    return 0;
}

/* The result of the one task on doc, which goes away with it. */
static const json_t *run(struct fake_pipeline *p, const char *stride, struct tm_doc **doc)
{
    const char *const entries[] = {"task", "sentiment", "stride", stride, NULL, NULL};
    return fake_answer(p, entries, doc);
}

static double number(const json_t *o, const char *key)
{
    json_t *v = json_object_get(o, key);
    assert_true(json_is_number(v));
    return json_number_value(v);
}

static void assert_near(double a, double b)
{
    if (fabs(a - b) > 1e-6)
        fail_msg("%.9f is not %.9f", a, b);
}

static void assert_label(const json_t *o, const char *label, double score)
{
    assert_string_equal(json_string_value(json_object_get(o, "label")), label);
    assert_near(number(o, "score"), score);
}

/* ---- which models are taken ---- */

static void models_with_such_labels_are_taken(void **state)
{
    static const struct {
        int32_t n;
        const char *labels[5];
        enum tm_problem problem;
        bool ok;
    } cases[] = {
        {3, {"negative", "neutral", "positive"}, TM_PROBLEM_SINGLE_LABEL, true},
        {3, {"Positive", "NEUTRAL", "negative"}, TM_PROBLEM_SINGLE_LABEL, true},
        {2, {"NEGATIVE", "POSITIVE"}, TM_PROBLEM_SINGLE_LABEL, true},
        {3, {"POS", "NEU", "NEG"}, TM_PROBLEM_SINGLE_LABEL, true},
        {3, {"LABEL_0", "LABEL_1", "LABEL_2"}, TM_PROBLEM_SINGLE_LABEL, true},
        {2,
         {"LABEL_0", "LABEL_1"},
         TM_PROBLEM_SINGLE_LABEL,
         false}, /* nobody knows which is which */
        {2, {"negative", "neutral"}, TM_PROBLEM_SINGLE_LABEL, false},
        {2, {"negative", "NEG"}, TM_PROBLEM_SINGLE_LABEL, false},
        {3, {"contradiction", "neutral", "entailment"}, TM_PROBLEM_SINGLE_LABEL, false},
        {5, {"1 star", "2 stars", "3 stars", "4 stars", "5 stars"}, TM_PROBLEM_SINGLE_LABEL, false},
        {1, {"positive"}, TM_PROBLEM_REGRESSION, false},
        {3, {"negative", "neutral", "positive"}, TM_PROBLEM_MULTI_LABEL, false},
    };
    (void)state;
    const char *const entries[] = {"task", "sentiment", NULL, NULL};
    for (size_t i = 0; i < TM_COUNTOF(cases); i++) {
        struct fake_pipeline p;
        struct tm_err err = {0};
        set_model(cases[i].labels, cases[i].n);
        fake_models[0].info.problem = cases[i].problem;
        enum tm_status s = fake_open(&p, entries, &err);
        if (s != (cases[i].ok ? TM_OK : TM_MODEL))
            fail_msg("case %zu: status %d, %s", i, (int)s, err.text);
        if (!cases[i].ok) {
            assert_non_null(strstr(err.text, "model sentiment-en"));
            assert_non_null(strstr(err.text, "negative, neutral (optional) and positive"));
        }
        fake_close(&p);
    }
}

/* ---- labels ---- */

static void scores_go_by_name_not_by_place(void **state)
{
    static const char *const turned[] = {"positive", "negative", "neutral"};
    (void)state;
    struct fake_pipeline p;
    struct tm_doc *doc = fake_text("p1 p2 p3 n1 u1");
    set_model(turned, 3);
    const json_t *r = run(&p, "0", &doc);
    const json_t *scores = json_object_get(r, "scores");
    assert_label(r, "positive", 0.6);
    assert_near(number(scores, "negative"), 0.2);
    assert_near(number(scores, "neutral"), 0.2);
    assert_near(number(r, "compound"), 0.4);
    fake_end(&p, doc);
}

static void two_labels_leave_neutral_at_zero(void **state)
{
    static const char *const two[] = {"negative", "positive"};
    (void)state;
    struct fake_pipeline p;
    struct tm_doc *doc = fake_text("n1 n2 n3 p1");
    set_model(two, 2);
    const json_t *r = run(&p, "0", &doc);
    assert_label(r, "negative", 0.75);
    assert_near(number(json_object_get(r, "scores"), "neutral"), 0);
    assert_near(number(r, "compound"), -0.5);
    fake_end(&p, doc);
}

/* ---- windows ---- */

enum { LONG = 47 };

/* w0 w1 …: one sentence; positive where the number divides by 5. */
static struct tm_doc *long_doc(void)
{
    char text[LONG * 8] = "";
    for (int i = 0; i < LONG; i++)
        snprintf(text + strlen(text), 8, "%s%c%d", i > 0 ? " " : "", i % 5 == 0 ? 'p' : 'u', i);
    return fake_text(text);
}

static int word_number(int32_t id)
{
    int number = -1;
    assert_non_null(fake_word(id));
    assert_int_equal(sscanf(fake_word(id), "%*c%d", &number), 1);
    return number;
}

/* Checks that windows lie in order, overlap by `shared`, and leave nothing out; returns the mean
 * that counts each token once. */
static double check_windows(int shared)
{
    int covered = 0;
    double sum = 0;
    for (size_t i = 0; i < fake_n_seen; i++) {
        const struct fake_seen *s = &fake_seen[i];
        assert_in_range(s->n, 3, MAX_LENGTH);
        assert_int_equal(s->ids[0], FAKE_CLS);
        assert_int_equal(s->ids[s->n - 1], FAKE_SEP);
        int from = word_number(s->ids[1]), to = from + s->n - 2;
        assert_int_equal(from, i == 0 ? 0 : covered - shared);
        assert_int_equal(word_number(s->ids[s->n - 2]), to - 1);
        double positive = 0;
        for (int k = from; k < to; k++)
            positive += k % 5 == 0;
        sum += positive / (to - from) * (to - covered);
        covered = to;
    }
    assert_int_equal(covered, LONG); /* weights sum to the number of tokens */
    return sum / LONG;
}

static void long_text_is_windowed(void **state)
{
    static const struct {
        const char *stride;
        int shared, windows;
    } cases[] = {{"0", 0, 5}, {"3", 3, 7}, {"5", 5, 9}, {"64", WINDOW / 2, 9}};
    (void)state;
    for (size_t i = 0; i < TM_COUNTOF(cases); i++) {
        struct fake_pipeline p;
        struct tm_doc *doc = long_doc();
        const json_t *r = run(&p, cases[i].stride, &doc);
        assert_int_equal(number(r, "windows"), cases[i].windows);
        assert_int_equal(fake_n_seen, cases[i].windows);
        double mean = check_windows(cases[i].shared);
        assert_near(number(json_object_get(r, "scores"), "positive"), mean);
        if (cases[i].shared == 0) /* each token counts once: the share of the whole text */
            assert_near(mean, 10.0 / LONG);
        assert_near(number(r, "coverage"), 1);
        fake_end(&p, doc);
        fake_reset();
        set_model(plain, 3);
    }
}

/* ---- sentences and title ---- */

static void one_sentence_is_not_run_twice(void **state)
{
    (void)state;
    struct fake_pipeline p;
    struct tm_doc *doc = fake_text("p1 p2 u1 u2 p3");
    const json_t *r = run(&p, "0", &doc);
    const json_t *sentences = json_object_get(r, "sentences");
    assert_int_equal(fake_n_seen, 1);
    assert_int_equal(json_array_size(sentences), 1);
    assert_label(json_array_get(sentences, 0), "positive", 0.6);
    assert_int_equal(number(json_array_get(sentences, 0), "i"), 0);
    fake_end(&p, doc);
}

/* A sentence that gives no token has no line of its own; the others keep their numbers. */
static void each_sentence_has_its_label(void **state)
{
    (void)state;
    struct fake_pipeline p;
    struct tm_doc *doc = fake_text("p1 p2 p3 u1|~~|n1 n2");
    const json_t *r = run(&p, "0", &doc);
    const json_t *sentences = json_object_get(r, "sentences");
    assert_int_equal(fake_n_seen, 3);
    assert_label(r, "positive", 0.5);
    assert_int_equal(json_array_size(sentences), 2);
    assert_label(json_array_get(sentences, 0), "positive", 0.75);
    assert_label(json_array_get(sentences, 1), "negative", 1);
    assert_int_equal(number(json_array_get(sentences, 0), "i"), 0);
    assert_int_equal(number(json_array_get(sentences, 1), "i"), 2);
    fake_end(&p, doc);
}

static void title_is_its_own_text(void **state)
{
    (void)state;
    struct fake_pipeline p;
    struct tm_doc *doc = fake_text("p1 p2 p3 u1");
    doc->title = "n1 n2 u1 u2 n3";
    const json_t *r = run(&p, "0", &doc);
    assert_label(r, "positive", 0.75);
    const json_t *title = json_object_get(r, "title");
    assert_label(title, "negative", 0.6);
    assert_near(number(json_object_get(title, "scores"), "neutral"), 0.4);
    assert_near(number(title, "compound"), -0.6);
    fake_end(&p, doc);
    doc = fake_text("p1 u1");
    assert_null(json_object_get(run(&p, "0", &doc), "title"));
    fake_end(&p, doc);
}

/* Nothing to judge is an error, not a label: the title does not stand in for the text. */
static void text_without_tokens_fails(void **state)
{
    (void)state;
    const char *const entries[] = {"task", "sentiment", NULL, NULL};
    struct fake_pipeline p;
    struct tm_err err = {0};
    struct tm_doc *doc = fake_text("~~ ~~");
    doc->title = "p1 p2";
    assert_int_equal(fake_open(&p, entries, &err), TM_OK);
    fake_run(&p, &doc);
    assert_int_equal(doc->task_runs[0].err.status, TM_EMPTY);
    assert_null(doc->task_runs[0].result);
    assert_int_equal(fake_n_seen, 0);
    fake_end(&p, doc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(models_with_such_labels_are_taken, set_up, fake_tear_down),
        cmocka_unit_test_setup_teardown(scores_go_by_name_not_by_place, set_up, fake_tear_down),
        cmocka_unit_test_setup_teardown(two_labels_leave_neutral_at_zero, set_up, fake_tear_down),
        cmocka_unit_test_setup_teardown(long_text_is_windowed, set_up, fake_tear_down),
        cmocka_unit_test_setup_teardown(one_sentence_is_not_run_twice, set_up, fake_tear_down),
        cmocka_unit_test_setup_teardown(each_sentence_has_its_label, set_up, fake_tear_down),
        cmocka_unit_test_setup_teardown(title_is_its_own_text, set_up, fake_tear_down),
        cmocka_unit_test_setup_teardown(text_without_tokens_fails, set_up, fake_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
