/* Arena: what is handed out is zeroed, aligned and apart; the cap fails softly; cleanups run once,
 * newest first. */
#include "check.h"
#include "tm_mem.h"
#include <stdlib.h>
#include <string.h>

static bool is_zero(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i] != 0)
            return false;
    return true;
}

/* Sizes around the chunk's and the alignment's steps; none may touch another. */
static void blocks_are_zeroed_aligned_and_apart(void **unused)
{
    (void)unused;
    static const size_t sizes[] = {0, 1, 15, 16, 17, 100, 4095, 4096, 4097, 16384, 70000, 1500000};
    enum { ROUNDS = 3, COUNT = ROUNDS * TM_COUNTOF(sizes) };
    char *blocks[COUNT];
    TM_CLEANUP(tm_arena_destroyp) struct tm_arena *a = tm_arena_create(1 << 26);
    for (int again = 0; again < 2; again++) {
        for (size_t i = 0; i < COUNT; i++) {
            size_t n = sizes[i % TM_COUNTOF(sizes)];
            blocks[i] = tm_arena_alloc(a, n);
            assert_non_null(blocks[i]);
            assert_int_equal((uintptr_t)blocks[i] % (n >= 4096 ? 64 : 16), 0);
            assert_true(is_zero(blocks[i], n));
            memset(blocks[i], (int)i + 1, n);
        }
        for (size_t i = 0; i < COUNT; i++)
            for (size_t k = 0; k < sizes[i % TM_COUNTOF(sizes)]; k++)
                assert_int_equal(blocks[i][k], (char)(i + 1));
        tm_arena_reset(a); /* and what comes after a reset is zeroed again */
        assert_int_equal(tm_arena_used(a), 0);
    }
}

static void cap_refuses_softly(void **unused)
{
    (void)unused;
    TM_CLEANUP(tm_arena_destroyp) struct tm_arena *a = tm_arena_create(1000);
    assert_non_null(tm_arena_alloc(a, 600));
    assert_false(tm_arena_full(a));
    assert_null(tm_arena_alloc(a, 600));
    assert_true(tm_arena_full(a));
    assert_non_null(tm_arena_alloc(a, 100)); /* what fits still fits */
    assert_true(tm_arena_full(a));
    assert_true(tm_arena_used(a) <= 1008);
    tm_arena_reset(a);
    assert_false(tm_arena_full(a));
    assert_non_null(tm_arena_alloc(a, 1000)); /* all of the cap in one piece */
    assert_null(tm_arena_alloc(a, 100));
}

static void many_small_blocks_count_in_full(void **unused)
{
    (void)unused;
    TM_CLEANUP(tm_arena_destroyp) struct tm_arena *a = tm_arena_create(1 << 20);
    size_t n = 0;
    while (tm_arena_alloc(a, 1) != NULL)
        n++;
    /* A million one-byte strings must not take sixteen times the cap. */
    assert_int_equal(n, (1 << 20) / 16);
}

static void absurd_sizes_are_refused(void **unused)
{
    (void)unused;
    TM_CLEANUP(tm_arena_destroyp) struct tm_arena *a = tm_arena_create(SIZE_MAX);
    assert_null(tm_arena_alloc(a, SIZE_MAX));
    assert_null(tm_arena_alloc(a, SIZE_MAX - 8));
    assert_null(tm_arena_array(a, SIZE_MAX / 2 + 2, 2)); /* wraps round to 2 */
    assert_null(tm_arena_strndup(a, "x", SIZE_MAX));
    assert_true(tm_arena_full(a));
    assert_non_null(tm_arena_array(a, 3, 5));
}

static void strings_are_copied(void **unused)
{
    (void)unused;
    TM_CLEANUP(tm_arena_destroyp) struct tm_arena *a = tm_arena_create(4096);
    char text[] = "abcdef";
    char *part = tm_arena_strndup(a, text, 3), *whole = tm_arena_strdup(a, text);
    char *made = tm_arena_printf(a, "%s-%d", text, 42);
    text[0] = 'X';
    assert_string_equal(part, "abc");
    assert_string_equal(whole, "abcdef");
    assert_string_equal(made, "abcdef-42");
    assert_string_equal(tm_arena_strndup(a, text, 0), "");
}

static char order[16];

static void note(void *arg)
{
    strncat(order, arg, 1);
}

static void cleanups_run_once_newest_first(void **unused)
{
    (void)unused;
    order[0] = '\0';
    struct tm_arena *a = tm_arena_create(4096);
    assert_true(tm_arena_cleanup(a, note, "1"));
    assert_true(tm_arena_cleanup(a, note, "2"));
    assert_true(tm_arena_cleanup(a, note, "3"));
    assert_string_equal(order, "");
    tm_arena_reset(a);
    assert_string_equal(order, "321");
    assert_true(tm_arena_cleanup(a, note, "4"));
    tm_arena_destroyp(&a);
    assert_string_equal(order, "3214");
    assert_null(a);
}

static void cleanup_refused_at_the_cap_does_not_run(void **unused)
{
    (void)unused;
    order[0] = '\0';
    struct tm_arena *a = tm_arena_create(16);
    assert_non_null(tm_arena_alloc(a, 16));
    assert_false(tm_arena_cleanup(a, note, "1"));
    tm_arena_destroy(a);
    assert_string_equal(order, "");
    tm_arena_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_are_zeroed_aligned_and_apart),
        cmocka_unit_test(cap_refuses_softly),
        cmocka_unit_test(many_small_blocks_count_in_full),
        cmocka_unit_test(absurd_sizes_are_refused),
        cmocka_unit_test(strings_are_copied),
        cmocka_unit_test(cleanups_run_once_newest_first),
        cmocka_unit_test(cleanup_refused_at_the_cap_does_not_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
