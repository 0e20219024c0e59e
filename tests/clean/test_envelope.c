/* The JSON envelope: what it fills in, and what a bad one is told. */
#include "helper.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct tm_doc *clean_line(struct cleaning *c, const char *json, int64_t line)
{
    return clean_source(c, &(struct source){.data = json,
                                            .many = line > 0,
                                            .line = line,
                                            .path = line > 0 ? "in.jsonl" : "in.json"});
}

static void test_fields(void **state)
{
    struct tm_doc *doc = clean_line(
        *state,
        "{\"id\":\"n-1\",\"text\":\"Caf\\u00e9 au lait. Et un "
        "th\\u00e9.\",\"title\":\"T\",\"url\":\"http://x/\","
        "\"source\":\"S\",\"author\":[\"A\",\"B\"],\"published_at\":\"2026-01-31T10:00:00Z\","
        "\"lang\":\"fr\","
        "\"kind\":\"social\",\"tasks\":[\"summary\"],\"meta\":{\"a\":[1,2]},\"unknown\":5,"
        "\"questions\":[\"Who?\",\"Why?\"],\"prompt_vars\":{\"tone\":\"calm\"}}",
        7);
    check_offsets(doc, "Café au lait. Et un thé.", strlen("Café au lait. Et un thé."));
    assert_string_equal(doc->text, "Café au lait. Et un thé.");
    assert_string_equal(doc->id, "n-1");
    assert_string_equal(doc->title, "T");
    assert_string_equal(doc->url, "http://x/");
    assert_string_equal(doc->source, "S");
    assert_int_equal(doc->n_authors, 2);
    assert_string_equal(doc->authors[1], "B");
    assert_string_equal(doc->published_at, "2026-01-31T10:00:00Z");
    assert_string_equal(doc->lang, "fr");
    assert_string_equal(doc->lang_from, "envelope");
    assert_string_equal(doc->kind, "social");
    assert_string_equal(doc->source_field, "text");
    assert_int_equal(doc->n_tasks, 1);
    assert_string_equal(doc->tasks[0], "summary");
    assert_int_equal(json_array_size(json_object_get(doc->meta, "a")), 2);
    assert_int_equal(doc->n_questions, 2);
    assert_string_equal(doc->questions[1], "Why?");
    assert_string_equal(json_string_value(json_object_get(doc->prompt_vars, "tone")), "calm");
    assert_int_equal(doc->n_sentences, 2);
    tm_doc_destroy(doc);
}

static void test_identity(void **state)
{
    static const struct {
        const char *json;
        int64_t line;
        const char *id;
    } cases[] = {
        {"{\"text\":\"a\"}", 3, "lane:3"},
        {"{\"text\":\"a\",\"custom_id\":\"c\"}", 3, "c"},
        {"{\"text\":\"a\",\"custom_id\":\"c\",\"id\":\"i\"}", 3, "i"},
        {"{\"text\":\"a\",\"id\":null}", 0, "lane"},
    };
    for (size_t i = 0; i < TM_COUNTOF(cases); i++) {
        struct tm_doc *doc = clean_line(*state, cases[i].json, cases[i].line);
        assert_int_equal(doc->err.status, TM_OK);
        assert_string_equal(doc->id, cases[i].id);
        tm_doc_destroy(doc);
    }
}

static void test_payloads(void **state)
{
    static const struct {
        const char *json, *text, *method, *encoding;
    } cases[] = {
        {"{\"html\":\"<p>a</p><p>b &amp; c\"}", "a\n\nb & c", "baseline", "utf-8"},
        {"{\"html\":\"<meta charset=gb2312><p>caf\\u00e9\"}", "café", "baseline", "utf-8"},
        {"{\"xml\":\"<?xml version='1.0'?><!DOCTYPE d [<!ENTITY e 'x'>]><nitf><hl1>H</hl1><p>a "
         "&lt; "
         "b</p><p>&e;c</p></nitf>\"}",
         "H\n\na < b\n\nc", "xml", "utf-8"},
        {"{\"body_base64\":\"Y2Fm6Q==\",\"charset\":\"latin1\"}", "café", "text", "windows-1252"},
        {"{\"body_base64\":\"PHA+aGk8L3A+\"}", "hi", "baseline", "utf-8"},
        {"{\"body_base64\":\"aGk=\\n\"}", "hi", "text", "utf-8"},
        {"{\"text\":\"<p>not markup\"}", "<p>not markup", "text", "utf-8"},
        {"{\"text\":\"<p>markup\",\"content_type\":\"text/html\"}", "markup", "baseline", "utf-8"},
        {"{\"text\":\"a\\u0000b\"}", "ab", "text", "utf-8"},
        {"\xef\xbb\xbf{\"text\":\"a\"}", "a", "text", "utf-8"},
    };
    for (size_t i = 0; i < TM_COUNTOF(cases); i++) {
        print_message("%s\n", cases[i].json);
        struct tm_doc *doc = clean_line(*state, cases[i].json, 1);
        if (doc->err.status != TM_OK)
            fail_msg("%s", doc->err.text);
        assert_string_equal(doc->text, cases[i].text);
        assert_string_equal(doc->cleaning.method, cases[i].method);
        assert_string_equal(doc->cleaning.encoding, cases[i].encoding);
        tm_doc_destroy(doc);
    }
}

static void test_bad(void **state)
{
    static const struct {
        const char *json;
        int64_t line;
        enum tm_status status;
        const char *says;
    } bad[] = {
        {"{\"text\":\"a\",}", 12, TM_BADINPUT, "not valid JSON at 12:13"},
        {"{\n \"text\": tru }", 0, TM_BADINPUT, "not valid JSON at 2:"},
        {"{\"text\":\"\\ud800\"}", 4, TM_BADINPUT, "not valid JSON at 4:"},
        {"{\"text\":\"\xff\"}", 4, TM_BADINPUT, "not valid JSON at 4:"},
        {"[1]", 1, TM_BADINPUT, "must be an object, not an array"},
        {"{\"text\":5}", 1, TM_BADINPUT, "field text must be a string, not a number"},
        {"{\"text\":\"a\",\"id\":5}", 1, TM_BADINPUT, "field id must be a string"},
        {"{\"text\":\"a\",\"html\":\"b\"}", 1, TM_BADINPUT, "fields text and html are both there"},
        {"{\"title\":\"a\"}", 1, TM_BADINPUT, "none of the fields text, html, xml and body_base64"},
        {"{\"text\":\"a\",\"tasks\":\"summary\"}", 1, TM_BADINPUT, "field tasks must be an array"},
        {"{\"text\":\"a\",\"tasks\":[\"a\",{}]}", 1, TM_BADINPUT,
         "field tasks[1] must be a string"},
        {"{\"text\":\"a\",\"kind\":\"blog\"}", 1, TM_BADINPUT, "field kind is \"blog\""},
        {"{\"text\":\"a\",\"meta\":[]}", 1, TM_BADINPUT, "field meta must be an object"},
        {"{\"body_base64\":\"a_b=\"}", 1, TM_BADINPUT, "not base64 at character 2"},
        {"{\"body_base64\":\"abcde\"}", 1, TM_BADINPUT, "not base64"},
        {"{\"text\":\"\"}", 1, TM_EMPTY, "empty"},
        {"{\"text\":\" \\n \"}", 1, TM_EMPTY, "no text"},
        {" ", 1, TM_BADINPUT, "not valid JSON at 1:"},
    };
    for (size_t i = 0; i < TM_COUNTOF(bad); i++) {
        print_message("%s\n", bad[i].json);
        struct tm_doc *doc = clean_line(*state, bad[i].json, bad[i].line);
        assert_int_equal(doc->err.status, bad[i].status);
        if (strstr(doc->err.text, bad[i].says) == NULL)
            fail_msg("\"%s\" does not say \"%s\"", doc->err.text, bad[i].says);
        tm_doc_destroy(doc);
    }
}

static void test_meta_cap(void **state)
{
    static char json[80000];
    for (size_t size = 60000; size <= 70000; size += 10000) {
        int n =
            snprintf(json, sizeof json, "{\"text\":\"a\",\"meta\":{\"k\":\"%0*d\"}}", (int)size, 0);
        assert_true(n > 0);
        struct tm_doc *doc = clean_line(*state, json, 1);
        assert_int_equal(doc->err.status, size == 60000 ? TM_OK : TM_TOOLARGE);
        tm_doc_destroy(doc);
    }
}

/* A file of one document is an envelope when it is one; a broken one only where it must be one. */
static void test_sniffing(void **state)
{
    struct cleaning *c = *state;
    static const struct {
        const char *path, *type, *data;
        enum tm_status status;
        const char *text;
    } cases[] = {
        {"a.txt", NULL, "{\"text\":\"x\"}", TM_OK, "x"},
        {"a.txt", NULL, "{braces} in text", TM_OK, "{braces} in text"},
        {"a.json", NULL, "{\"text\":", TM_BADINPUT, NULL},
        {"a", "application/json; charset=utf-8", "{\"text\":", TM_BADINPUT, NULL},
        {"a", NULL, "  <!-- x --><!DOCTYPE html><p>hi", TM_OK, "hi"},
        {"a", NULL, "<?xml version='1.0'?><html><p>hi</p></html>", TM_OK, "hi"},
        {"a", "text/plain", "<p>hi", TM_OK, "<p>hi"},
        {"a", NULL, "<3 you", TM_OK, "<3 you"},
        {"a.txt", NULL, "<p>hi", TM_OK, "<p>hi"},
        {"a.HTM", NULL, "hi", TM_OK, "hi"},
    };
    for (size_t i = 0; i < TM_COUNTOF(cases); i++) {
        print_message("%s %s\n", cases[i].path, cases[i].data);
        struct tm_doc *doc = clean_source(c, &(struct source){.data = cases[i].data,
                                                              .path = cases[i].path,
                                                              .content_type = cases[i].type});
        assert_int_equal(doc->err.status, cases[i].status);
        if (cases[i].text != NULL)
            assert_string_equal(doc->text, cases[i].text);
        tm_doc_destroy(doc);
    }
}

static int setup(void **state)
{
    static struct cleaning c;
    cleaning_open(&c);
    *state = &c;
    return 0;
}

static int teardown(void **state)
{
    cleaning_close(*state);
    return 0;
}

static struct tm_doc *clean_with(const char *fields, const char *json)
{
    struct cleaning c;
    struct tm_err err = {0};
    cleaning_open(&c);
    free(c.conf.clean_fields);
    c.conf.clean_fields = strdup(fields);
    assert_int_equal(tm_stage_clean.create(&c.self, &c.conf, NULL, &err), TM_OK);
    c.worker = tm_stage_clean.worker_create(c.self);
    struct tm_doc *doc = clean_line(&c, json, 1);
    cleaning_close(&c);
    return doc;
}

static void fields_are_found_where_the_configuration_says(void **state)
{
    (void)state;
    struct tm_doc *doc = clean_with(
        "text=/data/parts/1/body\nid=nr\ntitle=/a~1b\npublished_at=/data/at\nlang=/none\n"
        "author=/data/by\n",
        "{\"data\":{\"parts\":[{},{\"body\":\"The "
        "text.\"}],\"at\":1580202000,\"by\":[\"A\",\"B\"]},"
        "\"nr\":17,\"a/b\":\"T\",\"html\":\"<p>not this\",\"lang\":\"en\",\"kind\":\"social\"}");
    assert_int_equal(doc->err.status, TM_OK);
    assert_string_equal(doc->text, "The text.");
    assert_string_equal(doc->id, "17");
    assert_string_equal(doc->title, "T");
    assert_string_equal(doc->published_at, "2020-01-28T09:00:00.000Z");
    assert_string_equal(doc->lang, "en"); /* nothing is there: its own member */
    assert_int_equal(doc->n_authors, 2);
    assert_string_equal(doc->kind, "social");
    tm_doc_destroy(doc);
    doc = clean_with("text=/data/body\n", "{\"data\":{\"text\":\"x\"}}");
    assert_int_equal(doc->err.status, TM_BADINPUT);
    assert_non_null(strstr(doc->err.text, "none of the fields text, html"));
    tm_doc_destroy(doc);
    doc = clean_with("text=/0\n", "[\"x\"]");
    assert_int_equal(doc->err.status, TM_BADINPUT);
    tm_doc_destroy(doc);
}

static void fields_that_no_envelope_has_are_refused(void **state)
{
    (void)state;
    struct cleaning c;
    struct tm_err err = {0};
    cleaning_open(&c);
    free(c.conf.clean_fields);
    c.conf.clean_fields = strdup("body=/data\n");
    assert_int_equal(tm_stage_clean.create(&c.self, &c.conf, NULL, &err), TM_CONFIG);
    assert_non_null(strstr(err.text, "clean.fields.body"));
    c.self = NULL;
    cleaning_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_are_found_where_the_configuration_says),
        cmocka_unit_test(fields_that_no_envelope_has_are_refused),
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_identity),
        cmocka_unit_test(test_payloads),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_meta_cap),
        cmocka_unit_test(test_sniffing),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
