/* Every allocation of opening, encoding and decoding fails once: the answer is TM_NOMEM, nothing is
 * left behind (ASan) and the next try with memory succeeds. After warm-up there is no allocation.
 */
#include "tm_tokenizer.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);

static const char *goldens;
static bool counting;
static size_t count, fail_at; /* fail_at 0: none fails */

static bool refuse(void)
{
    return counting && ++count == fail_at;
}

void *__wrap_malloc(size_t size)
{
    return refuse() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return refuse() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size)
{
    return refuse() ? NULL : __real_realloc(p, size);
}

static const char text[] = "Na\xc3\xafve \xe4\xbd\xa0 <l>  Day [MASK] unaffable e\xcc\x81 "
                           "a b c d e f g h i j k l m n o p q r s t u v w x y z";

static enum tm_status all_of_it(const char *folder, struct tm_encoding *e, struct tm_buf *out)
{
    struct tm_tokenizer *t = NULL;
    struct tm_err err = {0};
    enum tm_status s = tm_tokenizer_open(folder, &t, &err);
    for (int i = 0; s == TM_OK && i < 10; i++)
        s = tm_tokenizer_encode(t, text, sizeof text - 1, true, e, &err);
    if (s == TM_OK)
        s = tm_tokenizer_encode_pair(t, text, sizeof text - 1, text, sizeof text - 1, e, &err);
    if (s == TM_OK)
        s = tm_tokenizer_decode(t, e->ids, e->n, false, out, &err);
    assert_true(s == err.status);
    tm_tokenizer_close(t);
    return s;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    static const char *const names[] = {"added", "sequence", "replace", "roberta", "wordlevel"};
    for (size_t i = 0; i < TM_COUNTOF(names); i++) {
        char folder[4096];
        snprintf(folder, sizeof folder, "%s/%s", goldens, names[i]);
        enum tm_status s = TM_NOMEM;
        for (fail_at = 1; s != TM_OK; fail_at++) {
            struct tm_encoding e = {0};
            struct tm_buf out = {0};
            count = 0;
            counting = true;
            s = all_of_it(folder, &e, &out);
            counting = false;
            if (s != TM_OK && s != TM_NOMEM)
                fail_msg("%s, allocation %zu: %s", names[i], fail_at, tm_status_code(s));
            if (s == TM_OK && count >= fail_at)
                fail_msg("%s: allocation %zu failed and nobody noticed", names[i], fail_at);
            tm_encoding_finish(&e);
            tm_buf_finish(&out);
        }
        assert_true(fail_at > 30);
    }
}

static void nothing_is_allocated_after_warm_up(void **state)
{
    (void)state;
    char folder[4096];
    snprintf(folder, sizeof folder, "%s/added", goldens);
    struct tm_tokenizer *t = NULL;
    struct tm_encoding e = {0};
    assert_int_equal(tm_tokenizer_open(folder, &t, NULL), TM_OK);
    assert_int_equal(tm_tokenizer_encode(t, text, sizeof text - 1, true, &e, NULL), TM_OK);
    fail_at = 0;
    count = 0;
    counting = true;
    for (int i = 0; i < 100; i++)
        tm_tokenizer_encode(t, text, sizeof text - 1, true, &e, NULL);
    counting = false;
    assert_int_equal(count, 0);
    tm_encoding_finish(&e);
    tm_tokenizer_close(t);
}

int main(int argc, char **argv)
{
    goldens = argc > 1 ? argv[1] : "goldens";
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(nothing_is_allocated_after_warm_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
