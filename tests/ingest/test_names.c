/* Names of spool files: what is left alone, what a name says, and that lane names are safe. */
#include "world.h"
#include "names.h"
#include <string.h>

static void temporary_names_are_known(void **state)
{
    (void)state;
    static const char *const temporary[] = {".a",           "#a#",    "a~",    "a.tmp",
                                            "a.part",       "a.swp",  "A.TMP", "a.filepart",
                                            "a.crdownload", ".a.swp", "",      "."};
    static const char *const ready[] = {"a", "a.html",     "tmp",  "~a",    "#a",
                                        "#", "a.tmp.html", "part", "a.tmpx"};
    for (size_t i = 0; i < TM_COUNTOF(temporary); i++)
        if (!name_is_temporary(temporary[i]))
            fail_msg("\"%s\" is not taken for temporary", temporary[i]);
    for (size_t i = 0; i < TM_COUNTOF(ready); i++)
        if (name_is_temporary(ready[i]))
            fail_msg("\"%s\" is taken for temporary", ready[i]);
}

static void formats_go_by_the_name(void **state)
{
    (void)state;
    static const char *const many[] = {"a.jsonl", "a.ndjson", "a.JSONL", "a.jsonl.gz",
                                       "a.ndjson.GZ"};
    static const char *const one[] = {"a.json", "jsonl", "a.jsonl.txt", "a.gz", "a.jsonl.gz.txt"};
    for (size_t i = 0; i < TM_COUNTOF(many); i++)
        assert_true(name_is_jsonl(many[i]));
    for (size_t i = 0; i < TM_COUNTOF(one); i++)
        assert_false(name_is_jsonl(one[i]));
    assert_true(name_is_gzip("a.html.gz"));
    assert_false(name_is_gzip("a.html"));
    assert_false(name_is_gzip(".gz"));
}

static void safe_names(void **state)
{
    (void)state;
    static const struct {
        const char *path, *safe;
    } row[] = {
        {"sub/a b.html", "sub/a b.html"},
        {"caf\xc3\xa9", "caf\xc3\xa9"},
        {"caf\xe9", "caf%E9"},
        {"-rf", "%2Drf"},
        {"sub/-rf", "sub/%2Drf"},
        {"a-b", "a-b"},
        {"../x", "%2E./x"},
        {"a\nb\x7f", "a%0Ab%7F"},
        {"100%.html", "100%.html"},
        {"a%41", "a%2541"},       /* or it could be mistaken for an escaped "aA" */
        {"a%0A", "a%250A"},       /* … or for "a\n" */
        {"a\xc2\x85", "a%C2%85"}, /* a control character of Latin-1 */
    };
    for (size_t i = 0; i < TM_COUNTOF(row); i++) {
        struct tm_buf b = {0};
        assert_true(name_put_safe(&b, row[i].path));
        assert_string_equal(b.data, row[i].safe);
        tm_buf_finish(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(temporary_names_are_known),
        cmocka_unit_test(formats_go_by_the_name),
        cmocka_unit_test(safe_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
