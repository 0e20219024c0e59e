/* The error struct keeps the first cause, on one line of UTF-8, whatever goes into it. */
#include "check.h"
#include "tm_mem.h"
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void first_error_wins(void **unused)
{
    (void)unused;
    struct tm_err err = {0};
    assert_int_equal(tm_err_set(&err, TM_TOOLARGE, "page has %d nodes", 7), TM_TOOLARGE);
    assert_int_equal(tm_err_set(&err, TM_IO, "later"), TM_IO);
    assert_int_equal(tm_err_errno(&err, ENOENT, "later still"), TM_NOTFOUND);
    assert_int_equal(err.status, TM_TOOLARGE);
    assert_string_equal(err.text, "page has 7 nodes");
    assert_string_equal(err.where, "first_error_wins");
    assert_true(err.line > 0);
}

static void null_is_allowed(void **unused)
{
    (void)unused;
    assert_int_equal(tm_err_set(NULL, TM_BADINPUT, "x"), TM_BADINPUT);
    assert_int_equal(tm_err_errno(NULL, ENOSPC, "x"), TM_NOSPACE);
}

static void errno_becomes_status(void **unused)
{
    (void)unused;
    assert_int_equal(tm_status_from_errno(ENOMEM), TM_NOMEM);
    assert_int_equal(tm_status_from_errno(ENOENT), TM_NOTFOUND);
    assert_int_equal(tm_status_from_errno(EACCES), TM_PERM);
    assert_int_equal(tm_status_from_errno(ENOSPC), TM_NOSPACE);
    assert_int_equal(tm_status_from_errno(EDQUOT), TM_NOSPACE);
    assert_int_equal(tm_status_from_errno(EIO), TM_IO);
    struct tm_err err = {0};
    tm_err_errno(&err, ENOENT, "cannot open %s", "a.json");
    assert_string_equal(err.text, "cannot open a.json: No such file or directory");
}

static void text_is_one_line_of_utf8(void **unused)
{
    (void)unused;
    struct tm_err err = {0};
    tm_err_set(&err, TM_IO, "file %s",
               "a\nb\x1b[1m\xff"
               "c");
    assert_string_equal(err.text, "file a b [1m?c");
}

static void long_text_ends_on_a_code_point(void **unused)
{
    (void)unused;
    /* Every alignment of a three-byte character at the end of the struct's room. */
    for (int shift = 0; shift < 4; shift++) {
        struct tm_err err = {0};
        char long_text[400];
        memset(long_text, 'x', sizeof long_text);
        for (size_t i = (size_t)shift; i + 3 < sizeof long_text; i += 3)
            memcpy(long_text + i, "\xe2\x82\xac", 3);
        long_text[sizeof long_text - 1] = '\0';
        tm_err_set(&err, TM_IO, "%s", long_text);
        size_t n = strlen(err.text);
        assert_true(n >= sizeof err.text - 4);
        assert_int_equal(tm_utf8_valid(err.text, n), n);
        assert_null(strchr(err.text, '?'));
    }
}

static void codes_are_unique_and_complete(void **unused)
{
    (void)unused;
    for (int i = 0; i < TM_STATUS_COUNT; i++) {
        const char *code = tm_status_code((enum tm_status)i);
        assert_true(strlen(tm_status_text((enum tm_status)i)) > 0);
        assert_true(i == TM_OK || strncmp(code, "E_", 2) == 0);
        for (int k = 0; k < i; k++)
            assert_string_not_equal(code, tm_status_code((enum tm_status)k));
    }
    assert_string_equal(tm_status_code((enum tm_status)9999), "E_INTERNAL");
    assert_true(tm_status_retry(TM_NOSPACE));
    assert_false(tm_status_retry(TM_BADINPUT));
}

static void failed_assertion_aborts(void **unused)
{
    (void)unused;
    pid_t child = fork();
    if (child == 0) {
        close(STDERR_FILENO);
        tm_assert(child != 0);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_error_wins),
        cmocka_unit_test(null_is_allowed),
        cmocka_unit_test(errno_becomes_status),
        cmocka_unit_test(text_is_one_line_of_utf8),
        cmocka_unit_test(long_text_ends_on_a_code_point),
        cmocka_unit_test(codes_are_unique_and_complete),
        cmocka_unit_test(failed_assertion_aborts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
