/* UTF-8: every code point there and back, and nothing else. */
#include "check.h"
#include "tm_mem.h"
#include <stdlib.h>
#include <string.h>

static void every_code_point_round_trips(void **unused)
{
    (void)unused;
    for (uint32_t cp = 0; cp <= 0x110000 + 10; cp++) {
        char bytes[4];
        uint32_t back = UINT32_MAX;
        size_t n = tm_utf8_encode(cp, bytes);
        if (cp > 0x10ffff || (cp >= 0xd800 && cp <= 0xdfff)) {
            assert_int_equal(n, 0);
            continue;
        }
        size_t want = cp < 0x80 ? 1 : cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;
        if (n != want || tm_utf8_decode(bytes, n, &back) != n || back != cp)
            fail_msg("U+%04X", (unsigned)cp);
        for (size_t cut = 1; cut < n; cut++)
            assert_int_equal(tm_utf8_decode(bytes, cut, &back), 0);
    }
}

static void forms_that_are_not_utf8(void **unused)
{
    (void)unused;
    static const char *const cases[] = {
        "\x80",             /* stray tail */
        "\xbf",             /* stray tail */
        "\xc0\x80",         /* over-long NUL */
        "\xc1\xbf",         /* over-long DEL */
        "\xe0\x80\x80",     /* over-long in three */
        "\xe0\x9f\xbf",     /* over-long in three */
        "\xf0\x80\x80\x80", /* over-long in four */
        "\xf0\x8f\xbf\xbf", /* over-long in four */
        "\xed\xa0\x80",     /* first high surrogate */
        "\xed\xbf\xbf",     /* last low surrogate */
        "\xf4\x90\x80\x80", /* U+110000 */
        "\xf5\x80\x80\x80", /* beyond */
        "\xfe",
        "\xff",
        "\xc3(",
        "\xe2\x82(",
        "\xf0\x9f\x98(",
    };
    for (size_t i = 0; i < TM_COUNTOF(cases); i++) {
        uint32_t cp = 0;
        assert_int_equal(tm_utf8_decode(cases[i], strlen(cases[i]), &cp), 0);
        assert_int_equal(tm_utf8_valid(cases[i], strlen(cases[i])), 0);
    }
}

/* The fast way over ASCII must see a bad byte at every offset, and not read past the end. */
static void valid_prefix_ends_at_the_bad_byte(void **unused)
{
    (void)unused;
    for (size_t n = 1; n < 40; n++) {
        char *text = malloc(n); /* exactly n, for the sanitizer */
        memset(text, 'a', n);
        assert_int_equal(tm_utf8_valid(text, n), n);
        for (size_t bad = 0; bad < n; bad++) {
            text[bad] = '\xff';
            assert_int_equal(tm_utf8_valid(text, n), bad);
            text[bad] = 'a';
        }
        text[n - 1] = '\xc3'; /* cut in a code point */
        assert_int_equal(tm_utf8_valid(text, n), n - 1);
        free(text);
    }
    assert_int_equal(tm_utf8_valid("", 0), 0);
}

static void count_is_in_code_points(void **unused)
{
    (void)unused;
    const char *text = "na\xc3\xafve \xe2\x82\xac\xf0\x9f\x98\x80";
    assert_int_equal(tm_utf8_count(text, strlen(text)), 8);
    assert_int_equal(tm_utf8_count("", 0), 0);
}

static void a_cut_leaves_whole_characters(void **unused)
{
    (void)unused;
    const char *text = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"; /* 1, 2, 3 and 4 bytes */
    static const size_t want[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 10};
    for (size_t most = 0; most < TM_COUNTOF(want); most++)
        assert_int_equal(tm_utf8_cut(text, 10, most), want[most]);
    assert_int_equal(tm_utf8_cut("\x80\x80\x80", 3, 2), 0); /* no character at all */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_point_round_trips),
        cmocka_unit_test(forms_that_are_not_utf8),
        cmocka_unit_test(valid_prefix_ends_at_the_bad_byte),
        cmocka_unit_test(count_is_in_code_points),
        cmocka_unit_test(a_cut_leaves_whole_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
