/* The result of a document: the exact line, names that are not UTF-8, meta as it came, a failed
 * task, and equal bytes for equal documents. */
#include "fake.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static const char *const plain[] = {"negative", "neutral", "positive"};

/* Logits whose shares have many digits; "poison" fails. */
static enum tm_status answer(const int32_t *ids, int32_t n, float *out)
{
    for (int32_t i = 0; i < n; i++)
        if (fake_word(ids[i]) != NULL && strcmp(fake_word(ids[i]), "poison") == 0)
            return TM_MODEL;
    out[0] = 0;
    out[1] = 0;
    out[2] = 0.5F;
    return TM_OK;
}

static int set_up(void **state)
{
    (void)state;
    fake_models[0] = (struct fake_model){"sentiment-en",
                                         {.head = TM_HEAD_SEQUENCE,
                                          .threads = 1,
                                          .max_length = 64,
                                          .n_labels = 3,
                                          .labels = plain,
                                          .device = "cpu",
                                          .precision = "float32"},
                                         answer};
    fake_models[1] = (struct fake_model){"all-MiniLM-L6-v2",
                                         {.head = TM_HEAD_EMBEDDING,
                                          .threads = 1,
                                          .max_length = 64,
                                          .hidden_size = 3,
                                          .device = "cpu",
                                          .precision = "float32"},
                                         answer};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fake_reset();
    return 0;
}

/* A stage made for one document; sink.text as given. */
static void assemble(struct tm_doc *doc, const char *with_text)
{
    struct tm_conf conf;
    struct tm_err err = {0};
    void *self = NULL;
    assert_int_equal(tm_conf_init(&conf, &err), TM_OK);
    assert_int_equal(
        tm_conf_set(&conf, tm_conf_find(tm_conf_keys, "sink.text"), with_text, NULL, &err), TM_OK);
    assert_int_equal(tm_stage_assemble.create(&self, &conf, NULL, &err), TM_OK);
    void *worker = tm_stage_assemble.worker_create(self);
    struct tm_batch batch = {&doc, 1};
    assert_int_equal(tm_stage_assemble.run(self, worker, &batch, &err), TM_OK);
    tm_stage_assemble.worker_destroy(self, worker);
    tm_stage_assemble.destroy(self);
    tm_conf_finish(&conf);
}

/* The line with the numbers of timing_ms replaced, in the arena of the document. */
static char *without_times(struct tm_doc *doc)
{
    char *line = tm_arena_strndup(doc->arena, doc->output, doc->output_len);
    char *at = strstr(line, "\"timing_ms\":{"), *end = strchr(at, '}');
    struct tm_buf out = {.cap = 0};
    tm_buf_append(&out, line, (size_t)(at - line));
    tm_buf_puts(&out, "\"timing_ms\":T");
    tm_buf_puts(&out, end + 1);
    char *copy = tm_arena_strdup(doc->arena, out.data);
    tm_buf_finish(&out);
    return copy;
}

static void decref(void *arg)
{
    json_decref(arg);
}

static void set_meta(struct tm_doc *doc, const char *text)
{
    doc->meta = json_loads(text, 0, NULL);
    assert_non_null(doc->meta);
    assert_true(tm_arena_cleanup(doc->arena, decref, doc->meta));
}

/* Every member that cleaning and the source can set. */
static struct tm_doc *full_doc(void)
{
    static const char *const authors[] = {"A. Writer", "B \"Q\" Writer"};
    static const struct tm_removed removed[] = {{"aside", 2}, {"share_bar", 1}};
    static const char *const flags[] = {"bidi_controls"};
    static const struct fake_paragraph paragraphs[] = {
        {TM_BLOCK_HEADING, "Head"}, {TM_BLOCK_P, "a b.|c d."}, {TM_BLOCK_P, NULL}};
    struct tm_doc *d = fake_doc(paragraphs);
    ((struct tm_paragraph *)(uintptr_t)d->paragraphs)[1].path = "html/body/p[1]";
    d->rec.path = "sub/a.jsonl";
    d->rec.line = 3;
    d->rec.len = 99;
    d->rec.sha256 = "abc";
    d->id = "id\n1";
    d->title = "T";
    d->authors = authors;
    d->n_authors = 2;
    d->published_at = "2026-01-02";
    d->modified_at = "2026-01-03";
    d->source = "Site";
    d->url = "http://x/";
    d->lang = "en";
    d->lang_from = "html";
    d->kind = "news";
    d->page_type = "article";
    d->cleaning = (struct tm_cleaning){.method = "landmark",
                                       .confidence = 0.75,
                                       .chars_in = 100,
                                       .chars_out = 20,
                                       .encoding = "utf-8",
                                       .encoding_source = "bom",
                                       .replaced_chars = 1,
                                       .removed = removed,
                                       .n_removed = 2,
                                       .flags = flags,
                                       .n_flags = 1};
    tm_doc_warn(d, "W_X", "clean", NULL, "careful");
    set_meta(d, "{\"k\": 1}");
    return d;
}

static const char full_head[] =
    "{\"schema\":\"textmill.result/1\",\"id\":\"id\\n1\",\"status\":\"ok\","
    "\"input\":{\"file\":\"sub/a.jsonl\",\"line\":3,\"bytes\":99,\"sha256\":\"abc\"},"
    "\"document\":{\"title\":\"T\",\"authors\":[\"A. Writer\",\"B \\\"Q\\\" Writer\"],"
    "\"published_at\":\"2026-01-02\",\"modified_at\":\"2026-01-03\",\"source\":\"Site\","
    "\"url\":\"http://x/\",\"lang\":{\"code\":\"en\",\"from\":\"html\"},\"kind\":\"news\","
    "\"page_type\":\"article\"},";
static const char full_text[] = "\"text\":\"Head\\n\\na b. c d.\",";
static const char full_tail[] =
    "\"offset_unit\":\"codepoint\",\"paragraphs\":[{\"start\":0,\"end\":4,\"kind\":\"heading\"},"
    "{\"start\":6,\"end\":15,\"kind\":\"p\",\"path\":\"html/body/p[1]\"}],"
    "\"sentences\":[[0,4],[6,10],[11,15]],"
    "\"cleaning\":{\"method\":\"landmark\",\"confidence\":0.75,\"chars_in\":100,\"chars_out\":20,"
    "\"encoding\":\"utf-8\",\"encoding_source\":\"bom\",\"replaced_chars\":1,"
    "\"removed\":[{\"rule\":\"aside\",\"count\":2},{\"rule\":\"share_bar\",\"count\":1}],"
    "\"flags\":[\"bidi_controls\"]},\"models\":{},"
    "\"warnings\":[{\"code\":\"W_X\",\"stage\":\"clean\",\"message\":\"careful\"}],\"errors\":[],"
    "\"timing_ms\":T,\"usage\":{\"tokens_in\":0,\"tokens_out\":0},"
    "\"meta\":{\"k\":1}}";

static void the_line_is_as_documented(void **state)
{
    (void)state;
    for (int with_text = 0; with_text < 2; with_text++) {
        struct tm_doc *d = full_doc();
        char expected[4096];
        snprintf(expected, sizeof expected, "%s%s%s", full_head, with_text ? full_text : "",
                 full_tail);
        assemble(d, with_text ? "true" : "false");
        assert_string_equal(without_times(d), expected);
        tm_doc_destroy(d);
    }
}

/* What is not known is left out, not null; a bare document is still whole. */
static void unknown_members_are_left_out(void **state)
{
    (void)state;
    struct tm_doc *d = fake_text("a b.");
    assemble(d, "true");
    json_t *r = json_loadb(d->output, d->output_len, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(r);
    assert_int_equal(json_object_size(json_object_get(r, "document")), 0);
    assert_null(json_object_get(json_object_get(r, "input"), "line"));
    assert_null(json_object_get(json_object_get(r, "cleaning"), "confidence"));
    assert_null(json_object_get(r, "meta"));
    json_decref(r);
    tm_doc_destroy(d);
}

/* File names are bytes; a result is UTF-8. */
static void a_name_that_is_not_utf8_is_mended(void **state)
{
    (void)state;
    struct tm_doc *d = fake_text("a b.");
    d->rec.path = d->id = "caf\xe9.txt";
    assemble(d, "true");
    assert_int_equal(tm_utf8_valid(d->output, d->output_len), d->output_len);
    assert_non_null(strstr(d->output, "\"file\":\"caf\xef\xbf\xbd.txt\""));
    tm_doc_destroy(d);
}

static void meta_comes_back_as_it_went_in(void **state)
{
    (void)state;
    static const char *const metas[] = {
        ("{\"r\":0.1,\"third\":0.3333333333333333,\"big\":9007199254740993,\"e\":1e100,"
         "\"tiny\":2e-300,\"one\":1.0,\"minus\":-0.25,\"most\":1.7976931348623157e308}"),
        ("{\"z\":[true,false,null,{}],\"a\":[],\"s\":\"\xc3\xa9 \\\" \\\\ \\n\","
         "\"\":{\"x\":{\"y\":[[1]]}}}"),
        "{\"i\":-9223372036854775808,\"sum\":0.30000000000000004}",
    };
    for (size_t i = 0; i < TM_COUNTOF(metas); i++) {
        struct tm_doc *d = fake_text("a b.");
        set_meta(d, metas[i]);
        assemble(d, "true");
        const char *at = strstr(d->output, ",\"meta\":") + 8;
        char *meta = tm_arena_strndup(d->arena, at, strlen(at) - 1);
        for (char *e = meta; (e = strstr(e, "e+")) != NULL;) /* 1e+100 is 1e100 */
            memmove(e + 1, e + 2, strlen(e + 2) + 1);
        assert_string_equal(meta, metas[i]);
        tm_doc_destroy(d);
    }
}

/* ---- with tasks ---- */

static const char *const entries[] = {"task",      "sentiment", NULL, "task", "summary",
                                      "sentences", "1",         NULL, NULL};

static struct tm_doc *run_text(struct fake_pipeline *p, const char *text)
{
    struct tm_err err = {0};
    struct tm_doc *d = fake_text(text);
    assert_int_equal(fake_open(p, entries, &err), TM_OK);
    memset(p->task[0].model->sha256, 'a', 64);
    memset(p->task[1].model->sha256, 'b', 64);
    fake_run(p, &d);
    assemble(d, "false");
    return d;
}

static void scores_have_six_decimals(void **state)
{
    (void)state;
    struct fake_pipeline p;
    struct tm_doc *d = run_text(&p, "a b c.");
    /* e^0.5 / (2 + e^0.5) = 0.45186276… */
    const char *expected =
        "\"sentiment\":{\"label\":\"positive\",\"score\":0.451863,\"scores\":{\"negative\":0."
        "274069,"
        "\"neutral\":0.274069,\"positive\":0.451863},\"compound\":0.177794,"
        "\"sentences\":[{\"i\":0,\"label\":\"positive\",\"score\":0.451863}],\"windows\":1,"
        "\"coverage\":1.0},"
        "\"summary\":{\"text\":\"a b c.\",\"style\":\"extractive\",\"method\":\"whole\","
        "\"sentences_used\":[0],\"chunks\":0,\"coverage\":1.0,\"truncated\":false},"
        "\"models\":{\"sentiment\":{\"name\":\"sentiment-en\",\"sha256\":"
        "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaa"
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\",\"precision\":\"float32\",\"device\":\"cpu\"},"
        "\"summary\":{\"name\":\"all-MiniLM-L6-v2\",";
    if (strstr(d->output, expected) == NULL)
        fail_msg("%s", d->output);
    assert_non_null(strstr(d->output, "\"usage\":{\"tokens_in\":5,\"tokens_out\":0}"));
    tm_doc_destroy(d);
    fake_close(&p);
}

static void a_failed_task_makes_it_partial(void **state)
{
    (void)state;
    struct fake_pipeline p;
    struct tm_doc *d = run_text(&p, "a poison c.");
    assert_int_equal(d->err.status, TM_OK);
    json_t *r = json_loadb(d->output, d->output_len, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(r, "status")), "partial");
    assert_true(json_is_null(json_object_get(r, "sentiment")));
    assert_true(json_is_object(json_object_get(r, "summary")));
    json_t *errors = json_object_get(r, "errors");
    assert_int_equal(json_array_size(errors), 1);
    json_t *e = json_array_get(errors, 0);
    assert_string_equal(json_string_value(json_object_get(e, "code")), "E_MODEL");
    assert_string_equal(json_string_value(json_object_get(e, "stage")), "infer");
    assert_string_equal(json_string_value(json_object_get(e, "task")), "sentiment");
    assert_true(json_is_false(json_object_get(e, "retryable")));
    json_decref(r);
    tm_doc_destroy(d);
    fake_close(&p);
}

static void all_tasks_failed_is_a_dead_letter(void **state)
{
    (void)state;
    struct fake_pipeline p;
    struct tm_doc *d = run_text(&p, "a poison c|d poison e f g|h i j k l");
    assert_int_equal(d->err.status, TM_MODEL);
    assert_string_equal(d->err_stage, "infer");
    assert_memory_equal(d->err.text, "sentiment: sequence ", 20);
    assert_null(d->output);
    tm_doc_destroy(d);
    fake_close(&p);
}

static void equal_documents_give_equal_bytes(void **state)
{
    (void)state;
    char *first = NULL;
    for (int i = 0; i < 3; i++) {
        struct fake_pipeline p;
        fake_batch = i == 1 ? 1 : 8; /* how sequences were put together must not show */
        fake_newest_first = i == 2;
        struct tm_doc *d = run_text(&p, "a b c d e f|g h i j k|l m n o p");
        if (i == 0)
            first = strdup(without_times(d));
        assert_string_equal(without_times(d), first);
        tm_doc_destroy(d);
        fake_close(&p);
    }
    free(first);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(the_line_is_as_documented),         T(unknown_members_are_left_out),
        T(a_name_that_is_not_utf8_is_mended), T(meta_comes_back_as_it_went_in),
        T(scores_have_six_decimals),          T(a_failed_task_makes_it_partial),
        T(all_tasks_failed_is_a_dead_letter), T(equal_documents_give_equal_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
