/* Byte buffers, JSON string escaping, reading files. */
#include "check.h"
#include "tm_mem.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void text_grows_and_stays_terminated(void **unused)
{
    (void)unused;
    struct tm_buf b = {0};
    for (int i = 0; i < 1000; i++) {
        assert_true(tm_buf_printf(&b, "%d,", i % 10));
        assert_int_equal(b.data[b.len], '\0');
    }
    assert_int_equal(b.len, 2000);
    assert_memory_equal(b.data + 1980, "0,1,2,3,4,5,6,7,8,9,", 21);
    tm_buf_clear(&b);
    assert_string_equal(b.data, "");
    assert_true(tm_buf_append(&b, "a\0b", 3));
    assert_true(tm_buf_putc(&b, 'c'));
    assert_memory_equal(b.data, "a\0bc", 5);
    tm_buf_finish(&b);
    assert_null(b.data);
    assert_true(tm_buf_puts(&b, "again"));
    tm_buf_finish(&b);
    tm_buf_finish(NULL);
}

static void cap_is_kept_and_remembered(void **unused)
{
    (void)unused;
    struct tm_buf b = {.cap = 10};
    assert_true(tm_buf_puts(&b, "0123456789")); /* exactly the cap */
    assert_false(tm_buf_putc(&b, 'x'));
    assert_true(b.failed);
    assert_false(tm_buf_append(&b, "", 0)); /* a writer that checks once at the end sees it */
    assert_string_equal(b.data, "0123456789");
    tm_buf_clear(&b);
    assert_true(tm_buf_puts(&b, "ok"));
    assert_false(tm_buf_reserve(&b, SIZE_MAX));
    assert_int_equal(b.cap, 10);
    tm_buf_finish(&b);
}

static void json_strings_are_escaped(void **unused)
{
    (void)unused;
    static const struct {
        const char *in;
        size_t n;
        const char *out;
    } cases[] = {
        {"", 0, "\"\""},
        {"plain", 5, "\"plain\""},
        {"a\"b\\c/", 6, "\"a\\\"b\\\\c/\""},
        {"\b\t\n\f\r\x1f\x7f", 7, "\"\\b\\t\\n\\f\\r\\u001f\x7f\""},
        {"a\0b", 3, "\"a\\u0000b\""},
        {"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 9, "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\""},
        /* one replacement for each byte that is not UTF-8 */
        {"x\xff\xc3", 3, "\"x\xef\xbf\xbd\xef\xbf\xbd\""},
        {"\xed\xa0\x80", 3, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
    };
    for (size_t i = 0; i < TM_COUNTOF(cases); i++) {
        struct tm_buf b = {0};
        assert_true(tm_buf_json_string(&b, cases[i].in, cases[i].n));
        assert_string_equal(b.data, cases[i].out);
        tm_buf_finish(&b);
    }
}

static char path[] = "/tmp/tm-test-buf-XXXXXX";

static int make_file(void **unused)
{
    (void)unused;
    int fd = mkstemp(path);
    ssize_t n = fd >= 0 ? write(fd, "0123456789", 10) : -1;
    close(fd);
    return n == 10 ? 0 : -1;
}

static int remove_file(void **unused)
{
    (void)unused;
    return unlink(path);
}

static void file_is_appended_whole(void **unused)
{
    (void)unused;
    struct tm_buf b = {0};
    struct tm_err err = {0};
    tm_buf_puts(&b, "> ");
    assert_int_equal(tm_read_file(path, 10, &b, &err), TM_OK);
    assert_string_equal(b.data, "> 0123456789");
    tm_buf_clear(&b);
    assert_int_equal(tm_read_file("/dev/null", 10, &b, &err), TM_OK);
    assert_int_equal(b.len, 0);
    assert_string_equal(b.data, ""); /* not NULL: callers parse it */
    tm_buf_finish(&b);
}

static void file_beyond_the_cap_is_refused(void **unused)
{
    (void)unused;
    struct tm_buf b = {0};
    struct tm_err err = {0};
    assert_int_equal(tm_read_file(path, 9, &b, &err), TM_TOOLARGE);
    assert_non_null(strstr(err.text, path));
    err.status = TM_OK;
    /* one whose size is not known beforehand */
    assert_int_equal(tm_read_file("/dev/zero", 1 << 20, &b, &err), TM_TOOLARGE);
    assert_true(b.len < 1 << 21);
    tm_buf_finish(&b);
}

static void missing_file_and_folder_say_so(void **unused)
{
    (void)unused;
    struct tm_buf b = {0};
    struct tm_err err = {0};
    assert_int_equal(tm_read_file("/nonexistent/x", 10, &b, &err), TM_NOTFOUND);
    assert_string_equal(err.text, "cannot open /nonexistent/x: No such file or directory");
    err.status = TM_OK;
    assert_int_equal(tm_read_file("/", 1 << 20, &b, &err), TM_IO);
    assert_string_equal(err.text, "cannot read /: Is a directory");
    tm_buf_finish(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_grows_and_stays_terminated),
        cmocka_unit_test(cap_is_kept_and_remembered),
        cmocka_unit_test(json_strings_are_escaped),
        cmocka_unit_test(file_is_appended_whole),
        cmocka_unit_test(file_beyond_the_cap_is_refused),
        cmocka_unit_test(missing_file_and_folder_say_so),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
