/* Templates against transformers: each case of goldens.json, which make_goldens.py made, and the
 * limits. With a file as argument its cases alone are run. */
#include "tm_template.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const char *goldens = TEMPLATE_GOLDENS;

/* The template of a published tokenizer; NULL: the test data is not there. */
static json_t *published(const char *file)
{
    const char *data = getenv("TEXTMILL_TESTDATA");
    char path[4096];
    if (data == NULL)
        return NULL;
    snprintf(path, sizeof path, "%s/%s", data, file);
    json_t *config = json_load_file(path, JSON_DECODE_INT_AS_REAL, NULL);
    json_t *text = json_incref(json_object_get(config, "chat_template"));
    json_decref(config);
    return text;
}

static bool check_case(const json_t *c, const char *text, size_t n)
{
    const char *name = json_string_value(json_object_get(c, "name"));
    const char *expected = json_string_value(json_object_get(c, "text"));
    const char *status = json_string_value(json_object_get(c, "status"));
    struct tm_template *t = NULL;
    struct tm_err err = {0};
    struct tm_buf out = {.cap = 1 << 20};
    enum tm_status s = tm_template_open(name, text, n, &t, &err);
    if (s == TM_OK)
        s = tm_template_render(t, json_object_get(c, "vars"), &out, &err);
    const char *got = out.data != NULL ? out.data : "";
    bool ok = status != NULL ? strcmp(tm_status_code(s), status) == 0 && err.text[0] != '\0'
                             : s == TM_OK && strcmp(got, expected) == 0;
    if (!ok)
        print_error("%s: %s %s\n--- got\n%s\n--- expected\n%s\n", name, tm_status_code(s), err.text,
                    got, expected != NULL ? expected : status);
    tm_buf_finish(&out);
    tm_template_close(t);
    return ok;
}

static void texts_are_those_of_transformers(void **unused)
{
    (void)unused;
    json_error_t at;
    json_t *cases = json_load_file(goldens, 0, &at);
    assert_non_null(cases);
    size_t failed = 0, skipped = 0;
    for (size_t i = 0; i < json_array_size(cases); i++) {
        const json_t *c = json_array_get(cases, i);
        const char *file = json_string_value(json_object_get(c, "file"));
        json_t *text = file != NULL ? published(file) : json_incref(json_object_get(c, "template"));
        if (text == NULL)
            skipped++;
        else
            failed += !check_case(c, json_string_value(text), json_string_length(text));
        json_decref(text);
    }
    print_message("%zu cases, %zu skipped (TEXTMILL_TESTDATA is not there)\n",
                  json_array_size(cases), skipped);
    json_decref(cases);
    assert_int_equal(failed, 0);
}

static enum tm_status status_of(const char *text, size_t n, struct tm_err *err)
{
    struct tm_template *t = NULL;
    struct tm_buf out = {.cap = 1 << 16};
    json_t *vars = json_object();
    *err = (struct tm_err){0};
    enum tm_status s = tm_template_open("t", text, n, &t, err);
    if (s == TM_OK)
        s = tm_template_render(t, vars, &out, err);
    json_decref(vars);
    tm_buf_finish(&out);
    tm_template_close(t);
    return s;
}

static void what_has_no_end_is_ended(void **unused)
{
    (void)unused;
    static const struct {
        const char *text;
        enum tm_status status;
    } cases[] = {
        {"{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", TM_DEPTH},
        {"{% set r = range(9999) %}{% for a in r %}{% for b in r %}{% endfor %}{% endfor %}",
         TM_TIMEOUT},
        {"{{ range(99999999) }}", TM_TOOLARGE},
        {"{{ 'a' * 999999999999 }}", TM_TOOLARGE},
        {"{% for i in range(9999) %}0123456789{% endfor %}", TM_TOOLARGE},
        {"{% set n = namespace(s='abcdefgh') %}{% for i in range(99) %}{% set n.s = n.s + n.s %}"
         "{% endfor %}",
         TM_TOOLARGE},
        {"{% set n = namespace(a=[]) %}{% for i in range(999) %}{% set n.a = [n.a, n.a] %}{% "
         "endfor "
         "%}{{ n.a }}",
         TM_DEPTH},
    };
    for (size_t i = 0; i < TM_COUNTOF(cases); i++) {
        struct tm_err err;
        assert_int_equal(status_of(cases[i].text, strlen(cases[i].text), &err), cases[i].status);
    }
}

/* So many signs in a row do not overflow the stack: neither nested nor one after the other. */
static void depth_is_limited(void **unused)
{
    (void)unused;
    static const char *const parts[] = {"(",     "[",  "-",    "not ",      "1+",
                                        "1 if ", "a.", "a|e|", "{% if 1 %}"};
    for (size_t i = 0; i < TM_COUNTOF(parts); i++) {
        struct tm_buf text = {.cap = 0};
        struct tm_err err;
        bool block = parts[i][0] == '{';
        tm_buf_puts(&text, block ? "" : "{{ ");
        for (int k = 0; k < 20000; k++)
            tm_buf_puts(&text, parts[i]);
        tm_buf_puts(&text, block ? "" : "a }}");
        enum tm_status s = status_of(text.data, text.len, &err);
        assert_true(s == TM_DEPTH);
        tm_buf_finish(&text);
    }
}

static void errors_say_where(void **unused)
{
    (void)unused;
    struct tm_err err;
    const char *text = "one\ntwo {{ a.b.c }}";
    assert_int_equal(status_of(text, strlen(text), &err), TM_BADINPUT);
    assert_string_equal(err.text, "t:2:10: a is undefined: it has no b");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_those_of_transformers),
        cmocka_unit_test(what_has_no_end_is_ended),
        cmocka_unit_test(depth_is_limited),
        cmocka_unit_test(errors_say_where),
    };
    if (argc > 1)
        goldens = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
