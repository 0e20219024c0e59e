/* Output names: confined, bounded, and different for different lanes. */
#include "world.h"
#include "place.h"
#include <stdlib.h>
#include <string.h>

static void assert_place(const char *lane, const char *suffix, const char *reserved,
                         const char *expected)
{
    char *got = place_make(lane, suffix, reserved);
    assert_non_null(got);
    assert_string_equal(got, expected);
    free(got);
}

static void names_stay_below_the_folder(void **state)
{
    (void)state;
    assert_place("sub/a.html-01", ".json", NULL, "sub/a.html-01.json");
    assert_place("../../etc/passwd", ".json", NULL, "%2E./%2E./etc/passwd.json");
    assert_place("/etc/passwd", ".json", NULL, "etc/passwd.json");
    assert_place("a//b/./c", ".json", NULL, "a/b/%2E/c.json");
    assert_place(".textmill/x", ".json", NULL, "%2Etextmill/x.json");
}

static void the_dead_letters_folder_is_not_entered(void **state)
{
    (void)state;
    assert_place("dead/x", ".json", "dead", "%64ead/x.json");
    assert_place("deadly/x", ".json", "dead", "deadly/x.json");
    assert_place("sub/dead/x", ".json", "dead", "sub/dead/x.json");
    assert_place("dead", ".json", "dead", "dead.json");
}

static void long_names_are_cut_and_stay_different(void **state)
{
    (void)state;
    char a[400], b[400];
    memset(a, 'n', sizeof a);
    memcpy(a + 300, "-0123456789abcdef", 18);
    memcpy(b, a, sizeof a);
    b[290] = 'm'; /* far behind the cut */
    char *one = place_make(a, ".jsonl.part", NULL), *two = place_make(b, ".jsonl.part", NULL);
    assert_true(strlen(one) <= 255);
    assert_string_not_equal(one, two);
    assert_non_null(strstr(one, "-0123456789abcdef.jsonl.part"));
    free(one);
    free(two);
    /* A folder as well, and never in the middle of a character. */
    struct tm_buf c = {0};
    for (int i = 0; i < 100; i++)
        tm_buf_puts(&c, "\xe2\x82\xac");
    tm_buf_puts(&c, "/x");
    one = place_make(c.data, "", NULL);
    assert_true(strcspn(one, "/") <= 255);
    assert_int_equal(tm_utf8_valid(one, strlen(one)), strlen(one));
    assert_non_null(strstr(one, "/x"));
    free(one);
    tm_buf_finish(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_stay_below_the_folder),
        cmocka_unit_test(the_dead_letters_folder_is_not_entered),
        cmocka_unit_test(long_names_are_cut_and_stay_different),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
