/* Every allocation of opening, encoding and decoding fails once: the answer is TM_NOMEM, nothing is
 * left behind (ASan) and the next try with memory succeeds. After warm-up there is no allocation.
 */
#include "folder.h"
#include <malloc.h>
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
void __real_free(void *p);
void __wrap_free(void *p);

static const char *goldens;
static bool counting;
static size_t count, fail_at; /* fail_at 0: none fails */
static size_t held, peak;     /* bytes */

static bool refuse(void)
{
    return counting && ++count == fail_at;
}

static void *hold(void *p)
{
    held += p != NULL ? malloc_usable_size(p) : 0;
    peak = held > peak ? held : peak;
    return p;
}

void *__wrap_malloc(size_t size)
{
    return refuse() ? NULL : hold(__real_malloc(size));
}

void *__wrap_calloc(size_t n, size_t size)
{
    return refuse() ? NULL : hold(__real_calloc(n, size));
}

/* What is moved is there twice for a moment. */
void *__wrap_realloc(void *p, size_t size)
{
    if (refuse())
        return NULL;
    size_t before = p != NULL ? malloc_usable_size(p) : 0;
    void *grown = hold(__real_realloc(p, size));
    held -= grown != NULL ? before : 0;
    return grown;
}

void __wrap_free(void *p)
{
    held -= p != NULL ? malloc_usable_size(p) : 0;
    __real_free(p);
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
    static const char *const names[] = {"added",     "sequence", "replace", "roberta",
                                        "wordlevel", "clip",     "llama2",  "xlm-roberta"};
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
    static const char *const names[] = {"added",  "gpt2",  "llama2", "xlm-roberta", "split-removed",
                                        "llama3", "bloom", "t5",     "bpe-affixes", "scripts"};
    for (size_t k = 0; k < TM_COUNTOF(names); k++) {
        char folder[4096];
        snprintf(folder, sizeof folder, "%s/%s", goldens, names[k]);
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
        if (count > 0)
            fail_msg("%s: %zu allocations", names[k], count);
        tm_encoding_finish(&e);
        tm_tokenizer_close(t);
    }
}

/* Tokens of a vocabulary like those of the largest models: every string of five of 12 letters, and
 * how it comes from shorter ones. */
static bool write_big(struct tm_buf *json)
{
    enum { LETTERS = 12, LONGEST = 5 };
    size_t n = 1, id = 0;
    tm_buf_puts(json, "{\"version\":\"1.0\",\"model\":{\"type\":\"BPE\",\"vocab\":{");
    for (int len = 1; len <= LONGEST; len++) {
        n *= LETTERS;
        for (size_t i = 0; i < n; i++, id++) {
            tm_buf_printf(json, "%s\n      \"\\u0120", id > 0 ? "," : "");
            size_t rest = i;
            for (int k = 0; k < len; k++, rest /= LETTERS)
                tm_buf_putc(json, (char)('a' + rest % LETTERS));
            tm_buf_printf(json, "\": %zu", id);
        }
    }
    tm_buf_printf(json, ",\"");
    for (int i = 0; i < LETTERS; i++)
        tm_buf_printf(json, "%c\":%zu%s", 'a' + i, id + (size_t)i, i + 1 < LETTERS ? ",\"" : "");
    tm_buf_puts(json, "},\n    \"merges\": [");
    n = LETTERS;
    for (int len = 2, any = 0; len <= LONGEST; len++) {
        n *= LETTERS;
        for (size_t i = 0; i < n; i++, any = 1) {
            tm_buf_printf(json, "%s\n      \"\\u0120", any ? "," : "");
            size_t rest = i;
            for (int k = 0; k < len; k++, rest /= LETTERS)
                tm_buf_printf(json, "%s%c", k + 1 == len ? " " : "", (char)('a' + rest % LETTERS));
            tm_buf_putc(json, '"');
        }
    }
    return tm_buf_puts(json, "]}}");
}

static void a_large_file_takes_less_than_three_times_its_size(void **state)
{
    (void)state;
    struct folder folder;
    struct tm_buf json = {0};
    struct tm_err err = {0};
    struct tm_tokenizer *t = NULL;
    struct tm_encoding e = {0};
    assert_true(write_big(&json) && folder_make(&folder) &&
                folder_write(&folder, "tokenizer.json", json.data, json.len));
    size_t size = json.len;
    tm_buf_finish(&json);
    assert_true(size > 13000000);
    size_t before = held;
    peak = held;
    if (tm_tokenizer_open(folder.path, &t, &err) != TM_OK)
        fail_msg("%s", err.text);
    folder_remove(&folder);
    printf("%.1f MB of JSON, %.1f MB at most, %.1f MB after\n", (double)size / 1e6,
           (double)(peak - before) / 1e6, (double)(held - before) / 1e6);
    assert_true(peak - before < 3 * size);
    assert_int_equal(tm_tokenizer_encode(t,
                                         "\xc4\xa0"
                                         "abcde",
                                         7, false, &e, NULL),
                     TM_OK);
    tm_encoding_finish(&e);
    tm_tokenizer_close(t);
}

int main(int argc, char **argv)
{
    goldens = argc > 1 ? argv[1] : "goldens";
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(nothing_is_allocated_after_warm_up),
        cmocka_unit_test(a_large_file_takes_less_than_three_times_its_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
