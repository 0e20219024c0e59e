/* Every scanner by hand finds what PCRE2 finds with the pattern that it stands for, and patterns in
 * Oniguruma's dialect are rewritten as they must be. */
#include "scanners.h"
#include "regex.h"
#include "tm_tokenizer.h"
#include <stdio.h>
#include <string.h>
#include <setjmp.h>
#include <stdint.h>
#include <stddef.h>
#include <cmocka.h>

#define CONTRACTIONS "'s|'t|'re|'ve|'m|'ll|'d"
#define TAIL         "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define UPPER        "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define LOWER        "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"

static const char *const patterns[] = {
    CONTRACTIONS "| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
    "(?i:" CONTRACTIONS
    ")|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*" TAIL,
    "(?i:" CONTRACTIONS
    ")|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*" TAIL,
    "[^\\r\\n\\p{L}\\p{N}]?" UPPER "*" LOWER "+(?i:" CONTRACTIONS ")?|[^\\r\\n\\p{L}\\p{N}]?" UPPER
    "+" LOWER "*(?i:" CONTRACTIONS ")?|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*" TAIL,
    "<\\|startoftext\\|>|<\\|endoftext\\|>|" CONTRACTIONS "|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+",
};

/* What the alternatives look at. */
static const uint32_t alphabet[] = {
    '\'', '\'',   's',    'S',  't',     'r',    'e',   'L',   'l',   0x17f,  'A',    'b',   'B',
    ' ',  ' ',    ' ',    '\n', '\r',    '\t',   '1',   '2',   '3',   0xb2,   0x2167, '.',   '!',
    '/',  '-',    '<',    '|',  '>',     0xe9,   0xc9,  0x1c5, 0x2b0, 0x4f60, 0x301,  0x903, 0x20dd,
    0xa0, 0x3000, 0x2028, 0x85, 0x1f600, 0x200d, 0x41f, 0x43f, 0x5d0, 0x661};

static uint32_t rand_next(uint64_t *seed)
{
    *seed = *seed * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (uint32_t)(*seed >> 33);
}

static void show(const struct cell *c, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        printf("%04x ", c[i].cp);
    printf("\n");
}

static void check(tok_scan_fn *scan, const struct regex *regex, struct tm_encoding *e,
                  const struct cell *c, uint32_t n, const char *pattern)
{
    const struct stretch *m;
    size_t n_m;
    assert_int_equal(tok_regex_cut(regex, e, c, 0, n, &m, &n_m, NULL), TM_OK);
    for (size_t k = 0; k < n_m; k++) {
        uint32_t i = m[k].begin, to = m[k].match ? scan(c, i, n) : m[k].end;
        for (; !m[k].match && i < m[k].end; i++)
            to = scan(c, i, n) == i ? to : i;
        if (to != m[k].end) {
            show(c, n);
            fail_msg("%s: from %u to %u, not to %u", pattern, m[k].begin, m[k].end, to);
        }
    }
}

static void scanners_find_what_their_patterns_find(void **state)
{
    (void)state;
    struct tm_arena *arena = tm_arena_create(1 << 20);
    struct tm_encoding e = {0};
    struct cell cells[24] = {{0}};
    uint64_t seed = 20;
    for (size_t k = 0; k < TM_COUNTOF(patterns); k++) {
        struct str pattern = {patterns[k], strlen(patterns[k])};
        struct regex *regex = NULL;
        struct tm_err err = {0};
        tok_scan_fn *scan = tok_scanner(pattern);
        assert_non_null(scan);
        if (tok_regex_compile(pattern, arena, &regex, &err) != TM_OK)
            fail_msg("%s", err.text);
        for (int round = 0; round < 100000; round++) {
            uint32_t n = 1 + rand_next(&seed) % TM_COUNTOF(cells);
            for (uint32_t i = 0; i < n; i++)
                cells[i].cp = alphabet[rand_next(&seed) % TM_COUNTOF(alphabet)];
            check(scan, regex, &e, cells, n, patterns[k]);
        }
    }
    tm_encoding_finish(&e);
    tm_arena_destroy(arena);
}

static void patterns_are_rewritten(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"\\u00e9", "\\x{00e9}"},
        {"\\h+\\H", "[0-9a-fA-F]+[^0-9a-fA-F]"},
        {"[^\\h]", "[^0-9a-fA-F]"},
        {"a{2}+", "(?:a{2})+"},
        {"(ab){2,3}+c", "(?:(ab){2,3})+c"},
        {"[ab]{,3}", "[ab]{0,3}"},
        {"a{x}", "a{x}"},
        {"(?m:.)", "(?s:.)"},
        {"[(\\s|[.,]\\]]", "[(\\s|.,\\]]"},
        {"\\p{Letter}\\p{^Greek}", "[\\p{L}]\\P{Greek}"},
        {"[a[^b]]", "(?:(?:[a]|[^b]))"},
        {"[^a[^b]]", "(?:(?!(?:[a]|[^b]))[\\s\\S])"},
        {"[a-z&&[^x]]", "(?:(?=[a-z])(?:[^x]))"},
    };
    for (size_t i = 0; i < TM_COUNTOF(cases); i++) {
        struct tm_buf out = {0};
        struct str pattern = {cases[i][0], strlen(cases[i][0])};
        assert_int_equal(tok_regex_rewrite(pattern, &out, NULL), TM_OK);
        assert_string_equal(out.data, cases[i][1]);
        tm_buf_finish(&out);
    }
}

/* A pattern that would run for ever fails the text, not the process. */
static void a_pattern_has_limits(void **state)
{
    (void)state;
    static const char pattern[] = "(a+a+)+b";
    struct tm_arena *arena = tm_arena_create(1 << 20);
    struct tm_encoding e = {0};
    struct cell cells[64] = {{0}};
    struct regex *regex = NULL;
    struct tm_err err = {0};
    const struct stretch *m;
    size_t n;
    for (size_t i = 0; i < TM_COUNTOF(cells); i++)
        cells[i].cp = 'a';
    cells[40].cp = 'c';
    assert_int_equal(
        tok_regex_compile((struct str){pattern, sizeof pattern - 1}, arena, &regex, &err), TM_OK);
    enum tm_status s = tok_regex_cut(regex, &e, cells, 0, TM_COUNTOF(cells), &m, &n, &err);
    assert_true(s == TM_TOOLARGE || s == TM_OK);
    tm_encoding_finish(&e);
    tm_arena_destroy(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scanners_find_what_their_patterns_find),
        cmocka_unit_test(patterns_are_rewritten),
        cmocka_unit_test(a_pattern_has_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
