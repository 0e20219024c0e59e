/* Log lines as they arrive at the other end of a pipe. tm_clock_ns is replaced at link time, so
 * that ten quiet seconds cost nothing. */
#include "check.h"
#include "tm_log.h"
#include "tm_mem.h"
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static uint64_t now_ns;

uint64_t __wrap_tm_clock_ns(void);
uint64_t __wrap_tm_clock_ns(void)
{
    return now_ns;
}

static int pipe_fds[2], real_stderr;
static char text[1 << 18];

static void capture(void)
{
    fflush(stderr);
    assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
    fcntl(pipe_fds[1], F_SETPIPE_SZ, sizeof text);
    real_stderr = dup(STDERR_FILENO);
    dup2(pipe_fds[1], STDERR_FILENO);
    close(pipe_fds[1]);
}

/* What was logged since capture(). */
static const char *captured(void)
{
    size_t n = 0;
    dup2(real_stderr, STDERR_FILENO);
    close(real_stderr);
    for (ssize_t got; (got = read(pipe_fds[0], text + n, sizeof text - 1 - n)) > 0;)
        n += (size_t)got;
    close(pipe_fds[0]);
    text[n] = '\0';
    return text;
}

static int fresh(void **unused)
{
    (void)unused;
    now_ns = 1;
    unsetenv("JOURNAL_STREAM");
    tm_log_setup(TM_LOG_INFO, TM_LOG_LOGFMT);
    return 0;
}

static size_t lines(const char *s)
{
    size_t n = 0;
    for (; *s != '\0'; s++)
        n += *s == '\n';
    return n;
}

static void logfmt_line(void **unused)
{
    (void)unused;
    capture();
    tm_log(TM_LOG_INFO, "model loaded", TM_S("model", "t5-small"), TM_I("tokens", -32128),
           TM_F("seconds", 0.25));
    const char *line = captured();
    /* time=2026-01-31T12:34:56.789Z */
    assert_int_equal(strncmp(line, "time=2", 6), 0);
    assert_int_equal(line[5 + 23], 'Z');
    assert_string_equal(
        line + 5 + 24,
        " level=info msg=\"model loaded\" model=t5-small tokens=-32128 seconds=0.25\n");
}

static void logfmt_quotes_what_needs_it(void **unused)
{
    (void)unused;
    static const struct {
        const char *value, *shown;
    } cases[] = {
        {"plain/path-1.x", "plain/path-1.x"},
        {"", "\"\""},
        {NULL, "\"\""},
        {"two words", "\"two words\""},
        {"a=b", "\"a=b\""},
        {"say \"x\"", "\"say \\\"x\\\"\""},
        {"back\\slash", "\"back\\\\slash\""},
        {"one\nlevel=error msg=forged", "\"one\\nlevel=error msg=forged\""},
        {"caf\xc3\xa9", "caf\xc3\xa9"},
        {"bad\xff", "\"bad\xef\xbf\xbd\""},
        {"ends in >", "\"ends in >\""},
        {">", ">"},
    };
    for (size_t i = 0; i < TM_COUNTOF(cases); i++) {
        char want[128];
        snprintf(want, sizeof want, " v=%s w=1\n", cases[i].shown);
        fresh(NULL);
        capture();
        tm_log(TM_LOG_INFO, "m", TM_S("v", cases[i].value), TM_I("w", 1));
        const char *line = captured();
        assert_string_equal(strstr(line, " v="), want);
    }
}

static void json_line_parses_back(void **unused)
{
    (void)unused;
    tm_log_setup(TM_LOG_INFO, TM_LOG_JSON);
    capture();
    tm_log(TM_LOG_WARNING, "odd \"name\"", TM_S("path", "a\nb\xff"), TM_I("n", INT64_MIN),
           TM_F("x", INFINITY), TM_F("y", 1e-9), TM_S("none", NULL));
    json_t *line = json_loads(captured(), 0, NULL);
    assert_non_null(line);
    assert_string_equal(json_string_value(json_object_get(line, "level")), "warning");
    assert_string_equal(json_string_value(json_object_get(line, "msg")), "odd \"name\"");
    assert_string_equal(json_string_value(json_object_get(line, "path")), "a\nb\xef\xbf\xbd");
    assert_true(json_integer_value(json_object_get(line, "n")) == INT64_MIN);
    assert_string_equal(json_string_value(json_object_get(line, "x")), "inf");
    assert_true(json_real_value(json_object_get(line, "y")) == 1e-9);
    assert_true(json_is_null(json_object_get(line, "none")));
    assert_int_equal(strlen(json_string_value(json_object_get(line, "time"))), 24);
    json_decref(line);
}

static void level_decides(void **unused)
{
    (void)unused;
    capture();
    tm_log(TM_LOG_DEBUG, "hidden");
    tm_log(TM_LOG_INFO, "shown");
    tm_log_setup(TM_LOG_ERROR, TM_LOG_LOGFMT);
    tm_log(TM_LOG_WARNING, "hidden too");
    tm_log(TM_LOG_ERROR, "shown too");
    const char *out = captured();
    assert_null(strstr(out, "hidden"));
    assert_non_null(strstr(out, "level=info msg=shown"));
    assert_non_null(strstr(out, "level=error msg=\"shown too\""));
}

static void journal_gets_priorities_and_no_time(void **unused)
{
    (void)unused;
    char stream[64];
    struct stat st;
    capture();
    fstat(STDERR_FILENO, &st);
    snprintf(stream, sizeof stream, "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
    setenv("JOURNAL_STREAM", stream, 1);
    tm_log_setup(TM_LOG_DEBUG, TM_LOG_LOGFMT);
    tm_log(TM_LOG_ERROR, "e", TM_S("k", "v"));
    tm_log(TM_LOG_WARNING, "w");
    tm_log(TM_LOG_NOTICE, "n");
    tm_log(TM_LOG_INFO, "i");
    tm_log(TM_LOG_DEBUG, "d");
    assert_string_equal(captured(), "<3>level=error msg=e k=v\n<4>level=warning msg=w\n"
                                    "<5>level=notice msg=n\n<6>level=info msg=i\n"
                                    "<7>level=debug msg=d\n");
}

static void redirected_stderr_is_not_the_journal(void **unused)
{
    (void)unused;
    char stream[64];
    struct stat st;
    for (unsigned i = 0; i < 3; i++) { /* another device, another inode, nonsense */
        capture();
        fstat(STDERR_FILENO, &st);
        snprintf(stream, sizeof stream, "%ju:%ju", (uintmax_t)st.st_dev + (i == 0),
                 (uintmax_t)st.st_ino + (i == 1));
        setenv("JOURNAL_STREAM", i < 2 ? stream : "x", 1);
        tm_log_setup(TM_LOG_INFO, TM_LOG_LOGFMT);
        tm_log(TM_LOG_INFO, "x");
        assert_int_equal(strncmp(captured(), "time=", 5), 0);
    }
}

static void repeats_of_an_error_are_counted(void **unused)
{
    (void)unused;
    const uint64_t second = 1000000000;
    capture();
    for (int i = 0; i < 100; i++)
        tm_log(TM_LOG_ERROR, "disk is full", TM_I("document", i));
    tm_log(TM_LOG_ERROR, "another matter");
    now_ns += 9 * second;
    tm_log(TM_LOG_ERROR, "disk is full", TM_I("document", 100));
    now_ns += 2 * second;
    tm_log(TM_LOG_ERROR, "disk is full", TM_I("document", 101));
    now_ns += 11 * second;
    tm_log(TM_LOG_ERROR, "disk is full", TM_I("document", 102));
    const char *out = captured();
    assert_int_equal(lines(out), 4);
    assert_non_null(strstr(out, "msg=\"disk is full\" document=0\n"));
    assert_non_null(strstr(out, "msg=\"another matter\"\n"));
    assert_non_null(strstr(out, "document=101 suppressed=100\n"));
    assert_non_null(strstr(out, "document=102\n"));
}

static void notices_differ_by_their_fields(void **unused)
{
    (void)unused;
    capture();
    for (int i = 0; i < 3; i++) {
        tm_log(TM_LOG_INFO, "model loaded", TM_S("model", "a"));
        tm_log(TM_LOG_INFO, "model loaded", TM_S("model", "b"));
    }
    assert_int_equal(lines(captured()), 2);
}

static void error_struct_as_fields(void **unused)
{
    (void)unused;
    struct tm_err err = {0};
    tm_err_set(&err, TM_NOSPACE, "cannot write out/1.json");
    capture();
    tm_log_err(TM_LOG_ERROR, "delivery failed", &err, "free space");
    const char *out = captured();
    assert_non_null(strstr(out, "msg=\"delivery failed\" code=E_NO_SPACE "
                                "where=error_struct_as_fields:"));
    assert_non_null(strstr(out, " text=\"cannot write out/1.json\" next=\"free space\"\n"));
}

/* One field too many for a line must not lose the message, nor break the form. */
static void endless_field_is_left_out(void **unused)
{
    (void)unused;
    static char huge[100000];
    memset(huge, 'x', sizeof huge - 1);
    tm_log_setup(TM_LOG_INFO, TM_LOG_JSON);
    capture();
    tm_log(TM_LOG_ERROR, "big", TM_S("v", huge));
    json_t *line = json_loads(captured(), 0, NULL);
    assert_string_equal(json_string_value(json_object_get(line, "msg")), "big");
    json_decref(line);
}

static void *log_many(void *arg)
{
    for (int i = 0; i < 200; i++)
        tm_log(TM_LOG_INFO, "line", TM_S("who", arg), TM_I("i", i));
    return NULL;
}

static void lines_of_threads_do_not_mix(void **unused)
{
    (void)unused;
    pthread_t threads[3];
    static const char *const names[] = {"aaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbb", "cccccccccccccccc"};
    capture();
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, log_many, (void *)(uintptr_t)names[i]),
                         0);
    for (size_t i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    const char *out = captured();
    assert_int_equal(lines(out), 600);
    for (const char *p = out, *end; *p != '\0'; p = end + 1) {
        end = strchr(p, '\n');
        char who[17];
        int i;
        assert_int_equal(sscanf(p + 29, " level=info msg=line who=%16[a-c] i=%d\n", who, &i), 2);
        assert_int_equal(strspn(who, (char[]){who[0], '\0'}), 16);
    }
}

static void errno_survives(void **unused)
{
    (void)unused;
    capture();
    close(STDERR_FILENO); /* the line cannot be written, which is nobody's error */
    errno = ENOENT;
    tm_log(TM_LOG_INFO, "x");
    int after = errno;
    captured();
    assert_int_equal(after, ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(logfmt_line, fresh),
        cmocka_unit_test_setup(logfmt_quotes_what_needs_it, fresh),
        cmocka_unit_test_setup(json_line_parses_back, fresh),
        cmocka_unit_test_setup(level_decides, fresh),
        cmocka_unit_test_setup(journal_gets_priorities_and_no_time, fresh),
        cmocka_unit_test_setup(redirected_stderr_is_not_the_journal, fresh),
        cmocka_unit_test_setup(repeats_of_an_error_are_counted, fresh),
        cmocka_unit_test_setup(notices_differ_by_their_fields, fresh),
        cmocka_unit_test_setup(error_struct_as_fields, fresh),
        cmocka_unit_test_setup(endless_field_is_left_out, fresh),
        cmocka_unit_test_setup(lines_of_threads_do_not_mix, fresh),
        cmocka_unit_test_setup(errno_survives, fresh),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
