/* Names of spool files: what is left alone, what a name says, and that lane names are safe. */
#include "world.h"
#include "records.h"
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
    static const struct {
        const char *name, *format; /* NULL: one document */
    } cases[] = {
        {"a.jsonl", "jsonl"},    {"a.ndjson", "jsonl"},    {"a.JSONL", "jsonl"},
        {"a.jsonl.gz", "jsonl"}, {"a.ndjson.GZ", "jsonl"}, {"RS_2023-01.jsonl.zst", "jsonl"},
        {"a.rss", "feed"},       {"a.atom", "feed"},       {"a.warc.gz", "warc"},
        {"a.csv", "csv"},        {"a.tsv", "csv"},         {"a.mbox", "mail"},
        {"a.eml", "mail"},       {"a.json", NULL},         {"jsonl", NULL},
        {"a.jsonl.txt", NULL},   {"a.gz", NULL},           {"a.jsonl.gz.txt", NULL},
    };
    for (size_t i = 0; i < TM_COUNTOF(cases); i++) {
        const struct format *f = format_of_name(cases[i].name);
        assert_true((f == NULL) == (cases[i].format == NULL));
        if (f != NULL)
            assert_string_equal(f->name, cases[i].format);
    }
    assert_int_equal(name_compression("a.html.gz"), GZIP);
    assert_int_equal(name_compression("a.zst"), ZSTD);
    assert_int_equal(name_compression("a.html"), PLAIN);
    assert_int_equal(name_compression(".gz"), PLAIN);
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
