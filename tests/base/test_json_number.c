/* Numbers of JSON: exact or refused, the same in every locale. */
#include "check.h"
#include "tm_json.h"
#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static void whole_numbers_are_exact(void **unused)
{
    (void)unused;
    static const struct {
        const char *text;
        bool ok;
        int64_t value;
    } cases[] = {
        {"0", true, 0},
        {"-0", true, 0},
        {"42", true, 42},
        {"9223372036854775807", true, INT64_MAX},
        {"-9223372036854775808", true, INT64_MIN},
        {"9223372036854775808", false, 0},
        {"-9223372036854775809", false, 0},
        {"1000000000000000019884624838656", false, 0},
        {"4.0", true, 4},
        {"4.000000000000000000001", false, 0},
        {"1.5", false, 0},
        {"1e3", false, 0}, /* nobody writes counts so; a surprise is worse than an error */
        {"", false, 0},
        {"-", false, 0},
        {"12x", false, 0},
    };
    for (size_t i = 0; i < TM_COUNTOF(cases); i++) {
        int64_t value = 0;
        bool ok = tm_json_number_i64(cases[i].text, strlen(cases[i].text), &value);
        if (ok != cases[i].ok || value != cases[i].value)
            fail_msg("%s", cases[i].text);
    }
}

static void check_double(double want)
{
    char text[64];
    double got = -1;
    int n = snprintf(text, sizeof text, "%.17g", want);
    if (!tm_json_number_f64(text, (size_t)n, &got) || memcmp(&got, &want, sizeof got) != 0)
        fail_msg("%s", text);
}

static void doubles_round_trip(void **unused)
{
    (void)unused;
    static const double corner[] = {0.0,     -0.0,         1.0,     0.1,
                                    1e22,    1e23,         1.0 / 3, DBL_MAX,
                                    DBL_MIN, DBL_TRUE_MIN, -2.5e-3, 9007199254740993.0};
    for (size_t i = 0; i < TM_COUNTOF(corner); i++)
        check_double(corner[i]);
    uint64_t bits = 88172645463325252;
    for (int i = 0; i < 200000; i++) {
        bits ^= bits << 13;
        bits ^= bits >> 7;
        bits ^= bits << 17;
        double value;
        memcpy(&value, &bits, sizeof value);
        if (isfinite(value))
            check_double(value);
        check_double(-(double)(bits >> 40) / 65536); /* what scores of a vocabulary look like */
    }
}

/* Texts on or next to the middle between two doubles, long ones too. */
static void rounding_is_correct(void **unused)
{
    (void)unused;
    static const struct {
        const char *text;
        double value;
    } cases[] = {
        {"9007199254740993", 9007199254740992.0},
        {"9007199254740993.00000000000000000000000000000000000000001", 9007199254740994.0},
        {"2.2250738585072011e-308", 0x0.fffffffffffffp-1022},
        {"1.00000000000000011102230246251565404236316680908203125", 1.0},
        {"1.00000000000000011102230246251565404236316680908203124", 1.0},
        {"1.00000000000000011102230246251565404236316680908203126", 1.0000000000000002},
        {"0.000000000000000000000000000001", 1e-30},
        {"1e-400", 0.0},
        {"1000000000000000019884624838656", 0x1.93e5939a08ceap+99},
    };
    for (size_t i = 0; i < TM_COUNTOF(cases); i++) {
        double got = -1;
        assert_true(tm_json_number_f64(cases[i].text, strlen(cases[i].text), &got));
        if (got != cases[i].value)
            fail_msg("%s gave %.17g", cases[i].text, got);
    }
    char longest[2001];
    memset(longest, '1', sizeof longest - 1);
    longest[1] = '.';
    double got;
    assert_true(tm_json_number_f64(longest, sizeof longest - 1, &got));
    assert_true(got == 10.0 / 9);
}

static void other_forms_are_refused(void **unused)
{
    (void)unused;
    static const char *const cases[] = {"1e999", "-1e999", "",     "-",   "nan",
                                        "inf",   "0x1p3",  "0x10", " 1",  "1 ",
                                        ".5",    "1.",     "+1",   "1e+", "1,5"};
    double got = 7;
    for (size_t i = 0; i < TM_COUNTOF(cases); i++)
        if (tm_json_number_f64(cases[i], strlen(cases[i]), &got) || got != 7)
            fail_msg("%s", cases[i]);
}

/* Runs where a locale with a decimal comma is installed. */
static void decimal_comma_changes_nothing(void **unused)
{
    (void)unused;
    static const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "es_ES.UTF-8"};
    bool found = false;
    for (size_t i = 0; i < TM_COUNTOF(names) && !found; i++)
        found = setlocale(LC_ALL, names[i]) != NULL;
    if (!found)
        skip();
    double got;
    bool ok = tm_json_number_f64("-8.12345678901234567e0", 22, &got);
    setlocale(LC_ALL, "C");
    assert_true(ok && got == -8.12345678901234567);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_numbers_are_exact),       cmocka_unit_test(doubles_round_trip),
        cmocka_unit_test(rounding_is_correct),           cmocka_unit_test(other_forms_are_refused),
        cmocka_unit_test(decimal_comma_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
