/* The document: first error wins, memory that runs out is told apart, warnings survive growth;
 * SHA-256 against the vectors of FIPS 180. */
#include "tm_pipeline.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { CAP = 1 << 16 };

static void first_error_wins(void **state)
{
    (void)state;
    struct tm_doc *d = tm_doc_create(CAP);
    assert_non_null(d);
    assert_int_equal(tm_doc_fail(d, "clean", TM_EMPTY, "no text in %s", "a.html"), TM_EMPTY);
    assert_int_equal(tm_doc_fail(d, "assemble", TM_IO, "later"), TM_IO);
    assert_int_equal(d->err.status, TM_EMPTY);
    assert_string_equal(d->err.text, "no text in a.html");
    assert_string_equal(d->err_stage, "clean");
    tm_doc_destroy(d);
}

/* The user's remedy differs: a limit of the document's, or memory of the machine. */
static void full_arena_is_too_large(void **state)
{
    (void)state;
    struct tm_doc *d = tm_doc_create(CAP);
    assert_null(tm_arena_alloc(d->arena, 2 * CAP));
    assert_int_equal(tm_doc_nomem(d, "tokenize"), TM_TOOLARGE);
    assert_non_null(strstr(d->err.text, "limits.document_memory"));
    tm_doc_destroy(d);
    d = tm_doc_create(CAP);
    assert_int_equal(tm_doc_nomem(d, "tokenize"), TM_NOMEM);
    tm_doc_destroy(d);
}

static void warnings_are_kept_in_order(void **state)
{
    (void)state;
    struct tm_doc *d = tm_doc_create(CAP);
    for (int i = 0; i < 40; i++) {
        char text[32];
        snprintf(text, sizeof text, "warning %d", i);
        tm_doc_warn(d, "W_TEST", "clean", NULL, text);
    }
    assert_int_equal(d->n_warnings, 40);
    assert_string_equal(d->warnings[0].message, "warning 0");
    assert_string_equal(d->warnings[39].message, "warning 39");
    tm_doc_warn(d, "W_BARE", "clean", "summary", NULL);
    assert_null(d->warnings[40].message);
    tm_doc_destroy(d);
    tm_doc_destroy(NULL);
}

static void block_names(void **state)
{
    (void)state;
    for (int b = 0; b < TM_BLOCK_COUNT; b++)
        assert_non_null(tm_block_name((enum tm_block)b));
    assert_string_equal(tm_block_name(TM_BLOCK_TABLE_ROW), "table-row");
}

static void sha256(void **state)
{
    (void)state;
    char hex[65];
    tm_sha256_hex("abc", 3, hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    struct tm_sha256 *h = tm_sha256_create();
    tm_sha256_update(h, "a", 1);
    tm_sha256_update(h, "", 0);
    tm_sha256_update(h, "bc", 2);
    tm_sha256_finish(h, hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    tm_sha256_hex("", 0, hex);
    assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_error_wins),
        cmocka_unit_test(full_arena_is_too_large),
        cmocka_unit_test(warnings_are_kept_in_order),
        cmocka_unit_test(block_names),
        cmocka_unit_test(sha256),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
