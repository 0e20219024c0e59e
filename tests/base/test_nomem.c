/* Memory runs out at every allocation in turn: each function must say so, leak nothing and leave
 * what it was given usable. malloc and its kin are replaced at link time. */
#include "check.h"
#include "tm_base.h"
#include <stdlib.h>
#include <string.h>

void *__real_malloc(size_t n);
void *__real_calloc(size_t count, size_t n);
void *__real_realloc(void *p, size_t n);
char *__real_strdup(const char *s);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t count, size_t n);
void *__wrap_realloc(void *p, size_t n);
char *__wrap_strdup(const char *s);

static long until_failure = -1; /* -1: never */

static bool fails(void)
{
    return until_failure >= 0 && until_failure-- == 0;
}

void *__wrap_malloc(size_t n)
{
    return fails() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t count, size_t n)
{
    return fails() ? NULL : __real_calloc(count, n);
}

void *__wrap_realloc(void *p, size_t n)
{
    return fails() ? NULL : __real_realloc(p, n);
}

char *__wrap_strdup(const char *s)
{
    return fails() ? NULL : __real_strdup(s);
}

/* Calls run with the first allocation failing, then the second, until it succeeds; run returns
 * whether it did, and frees everything either way. At least `least` failures must have been met. */
static void starve(bool (*run)(void), long least)
{
    long n = 0;
    for (bool done = false; !done; n++) {
        until_failure = n;
        done = run();
        bool unused_failure = until_failure >= 0;
        until_failure = -1;
        assert_int_equal(done, unused_failure); /* a failure is never taken for success */
        assert_true(n < 1000);
    }
    assert_true(n > least);
}

static bool make_arena(void)
{
    struct tm_arena *a = tm_arena_create(1 << 20);
    bool ok = a != NULL && tm_arena_alloc(a, 10) != NULL && tm_arena_alloc(a, 100000) != NULL &&
              tm_arena_printf(a, "%d", 7) != NULL;
    bool full = a != NULL && tm_arena_full(a);
    tm_arena_destroy(a);
    return ok && !full;
}

static bool make_queue(void)
{
    struct tm_queue *q = tm_queue_create(8);
    bool ok = q != NULL;
    tm_queue_destroy(q, NULL);
    return ok;
}

static bool make_conf(void)
{
    struct tm_conf c;
    struct tm_err err = {0};
    enum tm_status s = tm_conf_init(&c, &err);
    if (s != TM_OK)
        return s != TM_NOMEM; /* another status would be wrong */
    bool ok = tm_conf_add_task(&c) != NULL && tm_conf_add_task(&c) != NULL;
    if (ok)
        ok = tm_conf_set(&c, tm_conf_find(tm_conf_keys, "state.path"), "x", "dir", &err) == TM_OK;
    if (!ok && c.state_path[0] == '\0') /* the value before stays */
        ok = true;
    tm_conf_finish(&c);
    return ok;
}

static bool make_text(void)
{
    struct tm_buf b = {0};
    for (int i = 0; i < 100; i++)
        tm_buf_printf(&b, "%d and ", i);
    tm_buf_json_string(&b, "a\nb", 3);
    bool ok = !b.failed;
    tm_buf_finish(&b);
    return ok;
}

static bool make_schema(void)
{
    struct tm_buf b = {0};
    bool ok = tm_conf_schema(&b);
    tm_buf_finish(&b);
    return ok;
}

static bool read_json(void)
{
    static const char text[] =
        "[\"0123456789012345678901234567890123456789\\n0123456789012345678901"
        "234567890123456789\"]";
    struct tm_json j;
    struct tm_err err = {0};
    enum tm_status s;
    tm_json_init(&j, "t", text, sizeof text - 1);
    s = tm_json_skip(&j, &err);
    tm_json_finish(&j);
    return s == TM_OK || s != TM_NOMEM;
}

static bool read_whole_file(void)
{
    struct tm_buf b = {0};
    enum tm_status s = tm_read_file("/proc/self/maps", 1 << 20, &b, NULL);
    tm_buf_finish(&b);
    return s == TM_OK || s != TM_NOMEM;
}

static void creators_survive(void **unused)
{
    (void)unused;
    starve(make_arena, 2);
    starve(make_queue, 0);
    starve(make_conf, 20);
    starve(make_text, 3);
    starve(make_schema, 5);
    starve(read_json, 1);
    starve(read_whole_file, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(creators_survive)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
