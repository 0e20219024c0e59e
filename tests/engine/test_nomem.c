/* Memory runs out at every allocation of an open in turn: each time the engine must say so and leak
 * nothing. And once open, it allocates no more. malloc and its kin are replaced at link time. */
#include "tm_engine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

void *__real_malloc(size_t n);
void *__real_calloc(size_t count, size_t n);
void *__real_realloc(void *p, size_t n);
void *__real_aligned_alloc(size_t align, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t count, size_t n);
void *__wrap_realloc(void *p, size_t n);
void *__wrap_aligned_alloc(size_t align, size_t n);

static long until_failure = -1; /* -1: never */
static long calls;

static bool fails(void)
{
    calls++;
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

void *__wrap_aligned_alloc(size_t align, size_t n)
{
    return fails() ? NULL : __real_aligned_alloc(align, n);
}

static const char *goldens;

static enum tm_status open_model(const char *name, bool adapter, struct tm_engine **e,
                                 struct tm_err *err)
{
    char folder[4096], base[4096];
    struct tm_engine_limits limits = {.threads = 2, .batch_tokens = 64, .queue = 8};
    snprintf(folder, sizeof folder, "%s/%s", goldens, name);
    snprintf(base, sizeof base, "%s/%s/base", goldens, name);
    return tm_engine_open(folder, adapter ? base : NULL, "auto", "auto", &limits, e, err);
}

static void starve(const char *name, bool adapter)
{
    long n = 0;
    for (bool done = false; !done; n++) {
        struct tm_engine *e = NULL;
        struct tm_err err = {TM_OK};
        until_failure = n;
        enum tm_status s = open_model(name, adapter, &e, &err);
        bool unused = until_failure >= 0;
        until_failure = -1;
        done = s == TM_OK;
        if (done != unused) /* a failure is never taken for success */
            fail_msg("%s: allocation %ld failed, open says %s", name, n, tm_status_text(s));
        if (!done && s != TM_NOMEM)
            fail_msg("%s: allocation %ld failed, open says %s: %s", name, n, tm_status_text(s),
                     err.text);
        tm_engine_close(e);
        assert_true(n < 5000);
    }
    assert_true(n > 50);
}

static void test_open(void **arg)
{
    (void)arg;
    starve("adapter-bare", true);
    starve("sentence-dense", false);
    starve("bert-shards", false);
    starve("modernbert-sequence-mean", false);
    starve("mpnet-token", false);
}

static void test_no_more(void **arg)
{
    (void)arg;
    struct tm_engine *e = NULL;
    struct tm_err err = {TM_OK};
    const int32_t ids[40] = {5, 6, 7};
    float out[8];
    struct tm_answer answers[8];
    assert_int_equal(open_model("bert-sequence", false, &e, &err), TM_OK);
    long before = calls;
    for (int round = 0; round < 3; round++) {
        for (uint64_t i = 0; i < 8; i++) {
            struct tm_sequence seq = {
                .ids = ids, .n_ids = 5 * (int32_t)i + 1, .out = out, .out_size = 8};
            assert_int_equal(tm_engine_submit(e, &seq, i), TM_OK);
        }
        while (tm_engine_step(e, round % 2, NULL, NULL) == TM_OK)
            ;
        assert_int_equal(tm_engine_collect(e, answers, 8), 8);
    }
    assert_int_equal(calls, before);
    tm_engine_close(e);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_open), cmocka_unit_test(test_no_more)};
    if (argc != 2)
        return 64;
    goldens = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
