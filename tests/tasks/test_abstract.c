/* Abstractive summaries: what the model reads under each policy, whole sentences at the end,
 * made-up numbers and names. The model of these tests says the first words it reads. */
#include "fake.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_LENGTH = 80, SAYS = 8 };

static const struct tm_generation plain = {
    .num_beams = 1, .num_return_sequences = 1, .forced_eos_token_id = -1};
static const char *adds; /* words after those it read, one blank between */
static enum tm_finish ends = TM_FINISH_STOP;

static void say(struct tm_generated *g, const char *words)
{
    while (words != NULL && *words != '\0') {
        char word[64];
        size_t n = strcspn(words, " ");
        snprintf(word, sizeof word, "%.*s", (int)n, words);
        g->ids[g->n_ids++] = fake_word_id(word);
        words += n + (words[n] == ' ');
    }
}

static enum tm_status first_words(const struct tm_sequence *seq)
{
    struct tm_generated *g = &seq->generated[0];
    g->n_ids = 0;
    g->finish_reason = ends;
    for (int32_t i = 0; i < seq->n_ids && g->n_ids < SAYS; i++)
        if (fake_word(seq->ids[i]) != NULL)
            g->ids[g->n_ids++] = seq->ids[i];
    say(g, adds);
    return TM_OK;
}

static int set_up(void **state)
{
    (void)state;
    adds = NULL;
    ends = TM_FINISH_STOP;
    fake_models[0] = (struct fake_model){.name = "writer",
                                         .info = {.head = TM_HEAD_GENERATE,
                                                  .threads = 1,
                                                  .max_length = MAX_LENGTH,
                                                  .encoder_decoder = true,
                                                  .generation = &plain,
                                                  .device = "cpu",
                                                  .precision = "float32"},
                                         .generate = first_words};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fake_reset();
    return 0;
}

static const json_t *run(struct fake_pipeline *p, const char *policy, const char *unfaithful,
                         struct tm_doc **doc)
{
    const char *const entries[] = {"task", "summary",    "model",    "writer", "policy",
                                   policy, "unfaithful", unfaithful, NULL,     NULL};
    struct tm_err err = {0};
    assert_int_equal(fake_open(p, entries, &err), TM_OK);
    fake_run(p, doc);
    assert_int_equal((*doc)->task_runs[0].err.status, TM_OK);
    return (*doc)->task_runs[0].result;
}

static void end(struct fake_pipeline *p, struct tm_doc *doc)
{
    tm_doc_destroy(doc);
    fake_close(p);
}

/* n sentences of ten words: "s0 are the words of one sentence number zero here." */
static struct tm_doc *sentences(int n)
{
    struct tm_buf text = {.cap = 0};
    for (int i = 0; i < n; i++)
        tm_buf_printf(&text, "%ss%d are the words of one sentence that ends here.",
                      i > 0 ? "|" : "", i);
    tm_buf_putc(&text, '\0');
    struct tm_doc *doc = fake_text(text.data);
    tm_buf_finish(&text);
    return doc;
}

static const char *string_of(const json_t *r, const char *key)
{
    return json_string_value(json_object_get(r, key));
}

static double coverage(const json_t *r)
{
    return json_real_value(json_object_get(r, "coverage"));
}

/* Which sentences of sentences() the model read in sequence i: "0,1,2". */
static const char *seen(size_t i)
{
    static char out[256];
    out[0] = '\0';
    for (int32_t k = 0; k < fake_seen[i].n; k++) {
        const char *word = fake_word(fake_seen[i].ids[k]);
        if (word != NULL && word[0] == 's' && word[1] >= '0' && word[1] <= '9')
            snprintf(out + strlen(out), sizeof out - strlen(out), "%s%s", out[0] != '\0' ? "," : "",
                     word + 1);
    }
    return out;
}

static void a_short_text_is_its_own_summary(void **state)
{
    (void)state;
    struct fake_pipeline p;
    struct tm_doc *doc = sentences(5);
    const json_t *r = run(&p, "lead", "flag", &doc);
    assert_string_equal(string_of(r, "method"), "whole");
    assert_int_equal(fake_n_seen, 0);
    end(&p, doc);
}

static void a_text_that_fits_is_read_whole(void **state)
{
    static const char *const policies[] = {"lead", "head_tail", "extract_then_abstract",
                                           "map_reduce"};
    (void)state;
    for (size_t i = 0; i < TM_COUNTOF(policies); i++) {
        struct fake_pipeline p;
        struct tm_doc *doc = sentences(7);
        const json_t *r = run(&p, policies[i], "flag", &doc);
        assert_string_equal(string_of(r, "text"), "s0 are the words of one sentence that");
        assert_string_equal(string_of(r, "style"), "abstractive");
        assert_string_equal(string_of(r, "method"), policies[i]);
        assert_string_equal(seen(i), "0,1,2,3,4,5,6");
        assert_true(coverage(r) == 1);
        assert_int_equal(doc->n_warnings, 0);
        assert_int_equal(fake_n_seen, i + 1);
        end(&p, doc);
    }
}

static void lead_reads_the_beginning_and_says_so(void **state)
{
    (void)state;
    struct fake_pipeline p;
    struct tm_doc *doc = sentences(20);
    const json_t *r = run(&p, "lead", "flag", &doc);
    assert_string_equal(seen(0), "0,1,2,3,4,5,6");
    assert_true(coverage(r) > 0.33 && coverage(r) < 0.36);
    assert_int_equal(json_array_size(json_object_get(r, "sentences_used")), 7);
    assert_int_equal(doc->n_warnings, 1);
    assert_string_equal(doc->warnings[0].code, "W_TRUNCATED");
    end(&p, doc);
}

static void head_tail_reads_both_ends(void **state)
{
    (void)state;
    struct fake_pipeline p;
    struct tm_doc *doc = sentences(20);
    run(&p, "head_tail", "flag", &doc);
    assert_string_equal(seen(0), "0,1,2,16,17,18,19");
    end(&p, doc);
}

/* The sentences about the harbour are what most of the text is about; they stay in their order. */
static void extract_reads_what_says_most(void **state)
{
    (void)state;
    struct fake_pipeline p;
    struct tm_doc *doc =
        fake_text("s0 apples grow where nobody else would ever want them to.|"
                  "s1 harbour bridge traffic waits while harbour bridge workers repair cables.|"
                  "s2 quiet evenings bring music from several distant village squares again.|"
                  "s3 harbour bridge workers repair harbour cables until traffic returns soon.|"
                  "s4 purple curtains hang beside yellow lamps inside empty theatre rooms.|"
                  "s5 traffic waits beside harbour bridge cables until workers repair them.|"
                  "s6 seven kittens sleep under warm blankets during cold winter nights.|"
                  "s7 workers repair harbour bridge cables because traffic waits every day.|"
                  "s8 green bottles stand along kitchen shelves near open garden windows.|"
                  "s9 harbour traffic waits until bridge workers repair cables every day.");
    run(&p, "extract_then_abstract", "flag", &doc);
    for (const char *s = "13579"; *s != '\0'; s++)
        assert_non_null(strchr(seen(0), *s));
    assert_null(strchr(seen(0), '8'));
    end(&p, doc);
}

static void map_reduce_reads_everything(void **state)
{
    (void)state;
    struct fake_pipeline p;
    struct tm_doc *doc = sentences(40);
    const json_t *r = run(&p, "map_reduce", "flag", &doc);
    bool read[40] = {false};
    size_t chunks = (size_t)json_integer_value(json_object_get(r, "chunks"));
    assert_in_range(chunks, 6, 8);
    for (size_t i = 0; i < chunks; i++) {
        char list[256], *rest = NULL;
        snprintf(list, sizeof list, "%s", seen(i));
        for (char *s = strtok_r(list, ",", &rest); s != NULL; s = strtok_r(NULL, ",", &rest))
            read[atoi(s)] = true;
        assert_true(fake_seen[i].n <= MAX_LENGTH);
    }
    for (int i = 0; i < 40; i++)
        assert_true(read[i]);
    assert_int_equal(fake_n_seen, chunks + 1); /* the summaries fit into one */
    assert_int_equal(strncmp(seen(chunks), "0,", 2), 0);
    assert_true(coverage(r) == 1);
    end(&p, doc);
}

/* A model that says as much as it reads makes nothing shorter: an end all the same. */
static void map_reduce_ends_without_progress(void **state)
{
    (void)state;
    struct fake_pipeline p;
    struct tm_doc *doc = sentences(30);
    adds =
        "a b c d e f g h i j k l m n o p q r s t u v w x y z aa bb cc dd ee ff gg hh ii jj kk ll "
        "mm nn oo pp qq rr ss tt uu vv ww xx yy zz";
    const json_t *r = run(&p, "map_reduce", "keep", &doc);
    assert_non_null(strstr(string_of(r, "text"), "yy zz s"));
    end(&p, doc);
}

static void a_cut_summary_ends_with_a_sentence(void **state)
{
    (void)state;
    static const struct {
        const char *adds, *text;
    } cases[] = {{"end. and then", "s0 are the words of one sentence that end."},
                 {"without", "s0 are the words of one sentence that without"}};
    for (size_t i = 0; i < TM_COUNTOF(cases); i++) {
        struct fake_pipeline p;
        struct tm_doc *doc = sentences(7);
        ends = TM_FINISH_LENGTH;
        adds = cases[i].adds;
        const json_t *r = run(&p, "lead", "flag", &doc);
        assert_string_equal(string_of(r, "text"), cases[i].text);
        assert_true(json_is_true(json_object_get(r, "truncated")));
        end(&p, doc);
    }
}

static void what_the_text_has_not_is_named(void **state)
{
    (void)state;
    struct fake_pipeline p;
    struct tm_doc *doc = sentences(7);
    adds = "in 1987 with Ann";
    const json_t *faith = json_object_get(run(&p, "lead", "flag", &doc), "faithfulness");
    const json_t *list = json_object_get(faith, "unsupported");
    assert_int_equal(json_array_size(list), 2);
    const json_t *year = json_array_get(list, 0);
    assert_string_equal(string_of(year, "text"), "1987");
    assert_int_equal(json_integer_value(json_object_get(year, "start")), 41);
    assert_int_equal(json_integer_value(json_object_get(year, "end")), 45);
    assert_true(json_real_value(json_object_get(faith, "score")) < 0.5);
    assert_string_equal(doc->warnings[0].code, "W_UNFAITHFUL");
    end(&p, doc);
}

static void an_unfaithful_summary_may_be_replaced(void **state)
{
    (void)state;
    struct fake_pipeline p;
    struct tm_doc *doc = sentences(7);
    adds = "in 1987";
    const json_t *r = run(&p, "lead", "extract", &doc);
    assert_string_equal(string_of(r, "style"), "extractive");
    assert_string_equal(string_of(r, "method"), "fallback");
    assert_int_equal(json_array_size(json_object_get(r, "sentences_used")), 3);
    assert_null(strstr(string_of(r, "text"), "1987"));
    end(&p, doc);
}

static void a_model_that_goes_on_with_a_text_is_refused(void **state)
{
    (void)state;
    static const char *const entries[] = {"task", "summary", "model", "writer", NULL, NULL};
    struct fake_pipeline p;
    struct tm_err err = {0};
    fake_models[0].info.encoder_decoder = false;
    assert_int_equal(fake_open(&p, entries, &err), TM_MODEL);
    assert_non_null(strstr(err.text, "generation"));
    fake_close(&p);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(a_short_text_is_its_own_summary),
        T(a_text_that_fits_is_read_whole),
        T(lead_reads_the_beginning_and_says_so),
        T(head_tail_reads_both_ends),
        T(extract_reads_what_says_most),
        T(map_reduce_reads_everything),
        T(map_reduce_ends_without_progress),
        T(a_cut_summary_ends_with_a_sentence),
        T(what_the_text_has_not_is_named),
        T(an_unfaithful_summary_may_be_replaced),
        T(a_model_that_goes_on_with_a_text_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
