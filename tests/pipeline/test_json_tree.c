/* JSON of documents as trees: sound text, text that base's reader leaves to jansson's, and errors,
 * are the same as jansson alone makes of them. */
#include "tm_json_tree.h"
#include "tm_mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define TEXT(s)                                                                                    \
    {                                                                                              \
        s, sizeof s - 1                                                                            \
    }
static const struct {
    const char *text;
    size_t len;
} texts[] = {
    TEXT("{}"),
    TEXT("[]"),
    TEXT(" {\"a\": [1, -0, 2.5, 1e3, true, false, null, {\"b\": {}}], \"c\": \"\"} "),
    TEXT("{\"a\": 1, \"b\": 2, \"a\": 3}"),
    TEXT("{\"t\": \"\\u0000 \\ud83d\\ude00 \\n \\\"\"}"),
    TEXT("{\"t\": \"Gr\303\274\303\237e\"}"),
    TEXT("{\"n\": 9223372036854775807, \"m\": -9223372036854775808}"),
    TEXT("[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\"deep\"]]]]]]]]]]]]]"
         "]]]]]]]]]"
         "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]"),
    /* refused */
    TEXT("{\"n\": 9223372036854775808}"),
    TEXT("{\"n\": 1e999}"),
    TEXT("{\"a\\u0000b\": 1}"),
    TEXT("\"a text\""),
    TEXT("5"),
    TEXT(""),
    TEXT("{\"a\": 1} 2"),
    TEXT("{\"a\": \n  \"\\ud800\"}"),
    TEXT("{\"a\": \"\xff\"}"),
    TEXT("{\"a\": 01}"),
    TEXT("{\"a\": 1,}"),
    TEXT("{\"a\""),
};

static void test_as_jansson(void **state)
{
    (void)state;
    for (size_t i = 0; i < TM_COUNTOF(texts); i++) {
        json_error_t at = {0}, wanted_at = {0};
        json_t *got = tm_json_tree(texts[i].text, texts[i].len, &at);
        json_t *wanted = json_loadb(texts[i].text, texts[i].len, JSON_ALLOW_NUL, &wanted_at);
        if ((got == NULL) != (wanted == NULL) || (got != NULL && !json_equal(got, wanted)))
            fail_msg("%s: not as jansson reads it", texts[i].text);
        if (got == NULL) {
            char *quote = strstr(wanted_at.text, " near '"); /* the document's own words */
            if (quote != NULL)
                *quote = '\0';
            assert_string_equal(at.text, wanted_at.text);
            assert_int_equal(at.line, wanted_at.line);
            assert_int_equal(at.column, wanted_at.column);
        } else {
            char *a = json_dumps(got, JSON_COMPACT), *b = json_dumps(wanted, JSON_COMPACT);
            assert_string_equal(a, b); /* in the same order */
            free(a);
            free(b);
        }
        json_decref(got);
        json_decref(wanted);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_as_jansson)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
