/* The spool end to end with the files sink behind it: documents, formats, order, identity. */
#include "world.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int setup(void **state)
{
    static struct world w;
    world_init(&w);
    *state = &w;
    return 0;
}

static int teardown(void **state)
{
    world_finish(*state);
    return 0;
}

static void assert_result(const struct world *w, const char *path, const char *part)
{
    char *text = world_get(w, path);
    if (text == NULL)
        fail_msg("no %s", path);
    if (strstr(text, part) == NULL)
        fail_msg("%s has no %s: %.200s", path, part, text);
    free(text);
}

static char *result_path(const char *path, const char *text, const char *suffix)
{
    static char out[4096];
    snprintf(out, sizeof out, "out/%s%s", world_lane(path, text, strlen(text)), suffix);
    return out;
}

static void a_file_becomes_a_result_and_is_done(void **state)
{
    struct world *w = *state;
    world_puts(w, "in/a.html", "hello");
    world_puts(w, "in/sub/deep/b.txt", "there");
    world_once(w);
    assert_result(w, result_path("a.html", "hello", ".json"), "\"text\":\"hello\"");
    assert_result(w, result_path("sub/deep/b.txt", "there", ".json"),
                  "\"file\":\"sub/deep/b.txt\"");
    assert_true(world_has(w, "in/done/a.html"));
    assert_true(world_has(w, "in/done/sub/deep/b.txt"));
    assert_int_equal(world_count(w, "in/active", ".html"), 0);
    assert_int_equal(world_count(w, "out", ""), 2);
}

static void the_record_is_complete(void **state)
{
    struct world *w = *state;
    struct tm_doc *docs[4];
    struct stat st;
    char sha[65];
    world_puts(w, "in/sub/a.html", "hello");
    assert_int_equal(stat(world_path(w, "in/sub/a.html"), &st), 0);
    world_open(w);
    assert_int_equal(world_take(w, docs, 4), 1);
    const struct tm_record *r = &docs[0]->rec;
    tm_sha256_hex("hello", 5, sha);
    assert_string_equal(r->sha256, sha);
    assert_string_equal(r->lane_name, world_lane("sub/a.html", "hello", 5));
    assert_string_equal(r->path, "sub/a.html");
    assert_int_equal(r->seq, 0);
    assert_int_equal(r->line, 0);
    assert_int_equal(r->end_offset, 5);
    assert_false(r->many);
    assert_true(r->last);
    assert_int_equal(r->len, 5);
    assert_memory_equal(r->data, "hello", 5);
    assert_int_equal(r->mtime_ms, (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000);
    tm_doc_destroy(docs[0]);
}

static void failures_go_to_failed_with_the_reason(void **state)
{
    struct world *w = *state;
    world_puts(w, "in/sub/x.txt", "BAD one");
    world_puts(w, "in/good.txt", "fine");
    world_once(w);
    assert_int_equal(w->dead, 1);
    assert_int_equal(w->delivered, 1);
    assert_result(w, "in/failed/sub/x.txt", "BAD one");
    assert_result(w, "in/failed/sub/x.txt.reason.json", "\"code\":\"E_BAD_INPUT\"");
    assert_result(w, "in/failed/sub/x.txt.reason.json", "\"stage\":\"clean\"");
    assert_result(w, "in/failed/sub/x.txt.reason.json", "it says so itself");
    assert_true(world_has(w, "in/done/good.txt"));
    char letter[512];
    snprintf(letter, sizeof letter, "out/dead/%s.json", world_lane("sub/x.txt", "BAD one", 7));
    assert_result(w, letter, "\"schema\":\"textmill.dead-letter/1\"");
    assert_result(w, letter, "\"file\":\"sub/x.txt\"");
}

static void too_large_is_not_read_and_empty_is_given(void **state)
{
    struct world *w = *state;
    w->conf.clean_max_bytes = 1024;
    char *big = calloc(1, 1025);
    memset(big, 'x', 1025);
    world_put(w, "in/big.txt", big, 1025);
    world_put(w, "in/fits.txt", big, 1024);
    world_puts(w, "in/empty.txt", "");
    free(big);
    world_once(w);
    assert_int_equal(w->delivered, 1);
    assert_result(w, "in/failed/big.txt.reason.json", "E_TOO_LARGE");
    assert_result(w, "in/failed/empty.txt.reason.json", "E_EMPTY");
    assert_true(world_has(w, "in/done/fits.txt"));
}

static void gzip_documents(void **state)
{
    struct world *w = *state;
    struct tm_doc *docs[4];
    world_gzip(w, "in/a.html.gz", "hello gzip", 10);
    world_open(w);
    assert_int_equal(world_take(w, docs, 4), 1);
    assert_int_equal(docs[0]->err.status, TM_OK);
    assert_int_equal(docs[0]->rec.len, 10);
    assert_memory_equal(docs[0]->rec.data, "hello gzip", 10);
    /* The identity is that of the bytes as stored. */
    struct tm_buf b = {0};
    char sha[65];
    assert_int_equal(tm_read_file(world_path(w, "in/active/default/a.html.gz"), 4096, &b, NULL),
                     TM_OK);
    tm_sha256_hex(b.data, b.len, sha);
    tm_buf_finish(&b);
    assert_string_equal(docs[0]->rec.sha256, sha);
    world_process(docs[0]);
    struct tm_err err = {0};
    assert_int_equal(world_deliver(w, docs, 1, &err), TM_STORED);
    assert_true(world_has(w, "in/done/a.html.gz"));
}

/* Two members, then padding: what `cat a.gz b.gz` and some tapes give. */
static void gzip_members_and_padding(void **state)
{
    struct world *w = *state;
    struct tm_buf b = {0};
    struct tm_doc *docs[1];
    world_gzip(w, "one.gz", "first ", 6);
    world_gzip(w, "two.gz", "second", 6);
    assert_int_equal(tm_read_file(world_path(w, "one.gz"), 4096, &b, NULL), TM_OK);
    assert_int_equal(tm_read_file(world_path(w, "two.gz"), 4096, &b, NULL), TM_OK);
    tm_buf_append(&b, "\0\0\0\0", 4);
    world_put(w, "in/both.txt.gz", b.data, b.len);
    tm_buf_finish(&b);
    world_open(w);
    assert_int_equal(world_take(w, docs, 1), 1);
    assert_int_equal(docs[0]->rec.len, 12);
    assert_memory_equal(docs[0]->rec.data, "first second", 12);
    tm_doc_destroy(docs[0]);
}

static void damaged_and_exploding_gzip(void **state)
{
    struct world *w = *state;
    struct tm_buf b = {0};
    size_t n = 8 << 20;
    char *zeros = calloc(1, n);
    world_gzip(w, "in/bomb.txt.gz", zeros, n); /* 1:1000 */
    free(zeros);
    world_gzip(w, "whole.gz", "some text that is long enough to be cut in the middle", 54);
    assert_int_equal(tm_read_file(world_path(w, "whole.gz"), 4096, &b, NULL), TM_OK);
    world_put(w, "in/cut.txt.gz", b.data, b.len - 12);
    b.data[b.len - 6] ^= 0x55; /* the checksum */
    world_put(w, "in/sum.txt.gz", b.data, b.len);
    world_puts(w, "in/text.txt.gz", "this is no gzip at all");
    tm_buf_append(&b, "tail", 4);
    b.data[b.len - 10] ^= 0x55;
    world_put(w, "in/tail.txt.gz", b.data, b.len);
    tm_buf_finish(&b);
    world_once(w);
    assert_int_equal(w->delivered, 0);
    assert_result(w, "in/failed/bomb.txt.gz.reason.json", "E_TOO_LARGE");
    assert_result(w, "in/failed/bomb.txt.gz.reason.json", "decompresses to more than");
    static const char *const bad[] = {"cut", "sum", "text", "tail"};
    for (size_t i = 0; i < TM_COUNTOF(bad); i++) {
        char path[64];
        snprintf(path, sizeof path, "in/failed/%s.txt.gz.reason.json", bad[i]);
        assert_result(w, path, "E_BAD_INPUT");
    }
}

/* What expands a lot is fine while it stays below 1 MiB. */
static void a_small_file_may_expand_as_it_likes(void **state)
{
    struct world *w = *state;
    char *text = malloc(1000000);
    memset(text, 'a', 1000000);
    world_gzip(w, "in/a.txt.gz", text, 1000000);
    free(text);
    world_once(w);
    assert_int_equal(w->delivered, 1);
}

static void names_that_are_odd_are_made_safe(void **state)
{
    struct world *w = *state;
    world_puts(w, "in/-rf\n\xff.txt", "odd");
    world_once(w);
    assert_result(w, result_path("%2Drf%0A%FF.txt", "odd", ".json"), "%2Drf%0A%FF.txt");
    assert_true(world_has(w, "in/done/-rf\n\xff.txt"));
}

static void the_pattern_and_recursion_are_heeded(void **state)
{
    struct world *w = *state;
    free(w->conf.source_spool_pattern);
    w->conf.source_spool_pattern = strdup("*.html");
    w->conf.source_spool_recursive = false;
    world_puts(w, "in/a.html", "yes");
    world_puts(w, "in/a.txt", "no");
    world_puts(w, "in/sub/b.html", "no");
    world_once(w);
    assert_int_equal(w->taken, 1);
    assert_true(world_has(w, "in/a.txt"));
    assert_true(world_has(w, "in/sub/b.html"));
}

static void done_failed_active_and_hidden_are_not_input(void **state)
{
    struct world *w = *state;
    world_puts(w, "in/done/old.txt", "x");
    world_puts(w, "in/failed/old.txt", "x");
    world_puts(w, "in/active/other/old.txt", "x");
    world_puts(w, "in/.hidden/old.txt", "x");
    world_puts(w, "in/sub/done/new.txt", "x"); /* reserved at the top only */
    world_once(w);
    assert_int_equal(w->taken, 1);
    assert_true(world_has(w, "in/done/sub/done/new.txt"));
    assert_true(world_has(w, "in/active/other/old.txt"));
}

static void results_below_the_spool_are_not_input(void **state)
{
    struct world *w = *state;
    free(w->conf.sink_files_path);
    w->conf.sink_files_path = strdup(world_path(w, "in/results"));
    free(w->conf.sink_dead_letters_path);
    w->conf.sink_dead_letters_path = strdup(world_path(w, "in/letters"));
    world_puts(w, "in/a.txt", "a");
    world_puts(w, "in/b.txt", "BAD");
    for (int i = 0; i < 3; i++) {
        world_once(w);
        assert_int_equal(w->taken, i == 0 ? 2 : 0);
    }
    assert_int_equal(world_count(w, "in/results", ".json"), 1);
    assert_int_equal(world_count(w, "in/letters", ".json"), 1);
}

static void a_name_that_is_taken_gets_a_number(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < 3; i++) {
        char text[16];
        snprintf(text, sizeof text, "text %d", i);
        world_puts(w, "in/a.txt", text);
        world_puts(w, "in/b.txt", "BAD");
        world_once(w);
    }
    assert_result(w, "in/done/a.txt", "text 0");
    assert_result(w, "in/done/a.txt.1", "text 1");
    assert_result(w, "in/done/a.txt.2", "text 2");
    assert_true(world_has(w, "in/failed/b.txt.2"));
    assert_true(world_has(w, "in/failed/b.txt.2.reason.json"));
    world_puts(w, "in/b.txt", "");
    world_once(w);
    assert_result(w, "in/failed/b.txt.3.reason.json", "E_EMPTY");
    assert_result(w, "in/failed/b.txt.reason.json", "E_BAD_INPUT");
    /* Three texts, three results; two bad ones, two dead letters. */
    assert_int_equal(world_count(w, "out", "a.txt-"), 3);
    assert_int_equal(world_count(w, "out", "b.txt-"), 2);
}

static void the_longest_names_work(void **state)
{
    struct world *w = *state;
    char name[256], path[1024];
    memset(name, 'n', 255);
    name[255] = '\0';
    snprintf(path, sizeof path, "in/%s/%s", name, name);
    world_puts(w, path, "long");
    name[254] = 'm';
    snprintf(path, sizeof path, "in/%s", name);
    world_puts(w, path, "BAD");
    world_once(w);
    assert_int_equal(w->delivered, 1);
    assert_int_equal(w->dead, 1);
    assert_int_equal(world_count(w, "in/done", ""), 1);
    assert_int_equal(world_count(w, "in/failed", ".reason.json"), 1);
    assert_int_equal(world_count(w, "out", ".json"), 2);
}

static void five_thousand_files_at_once(void **state)
{
    struct world *w = *state;
    enum { N = 5000 };
    w->release_docs = 1000;
    for (int i = 0; i < N; i++) {
        char path[64], text[32];
        snprintf(path, sizeof path, "in/%02d/%04d.txt", i % 7, i);
        snprintf(text, sizeof text, "document %d", i);
        world_puts(w, path, text);
    }
    world_once(w);
    assert_int_equal(w->delivered, N);
    assert_int_equal(world_count(w, "in/done", ".txt"), N);
    assert_int_equal(world_count(w, "out", ".json"), N);
    assert_int_equal(world_count(w, "in/active", ".txt"), 0);
}

static void once_takes_what_was_there_and_ends(void **state)
{
    struct world *w = *state;
    struct tm_doc *docs[4];
    world_puts(w, "in/a.txt", "a");
    world_open(w);
    assert_int_equal(world_take(w, docs, 1), 1);
    world_puts(w, "in/b.txt", "b"); /* came later: may be taken, need not be waited for */
    assert_true(tm_source_spool.at_end(w->source));
    tm_doc_destroy(docs[0]);
}

static void a_running_source_sees_new_files(void **state)
{
    struct world *w = *state;
    world_open(w);
    world_run(w);
    for (int i = 0; i < 3; i++) {
        char path[64];
        snprintf(path, sizeof path, "in/new%d/a.txt", i);
        world_puts(w, path, "new");
        struct tm_doc *doc = NULL;
        struct tm_err err = {0};
        while (tm_source_spool.take(w->source, &doc, 1) == 0)
            assert_int_equal(tm_source_spool.service(w->source, 1000, &err), TM_OK);
        world_process(doc);
        assert_int_equal(world_deliver(w, &doc, 1, &err), TM_STORED);
    }
    assert_int_equal(world_count(w, "in/done", "a.txt"), 3);
}

/* With a rescan that never comes, only inotify can bring the file. */
static void inotify_brings_renamed_and_written_files(void **state)
{
    struct world *w = *state;
    w->conf.source_spool_rescan_ms = 3600000;
    world_open(w);
    world_run(w);
    static const char *const names[] = {"in/moved.txt", "in/written.txt", "in/sub/below.txt"};
    for (size_t i = 0; i < TM_COUNTOF(names); i++) {
        if (i == 0) {
            world_puts(w, "elsewhere", "x");
            assert_int_equal(rename(world_path(w, "elsewhere"), world_path(w, names[i])), 0);
        } else {
            world_puts(w, names[i], "x");
        }
        struct tm_doc *doc = NULL;
        struct tm_err err = {0};
        uint64_t until = tm_clock_ns() + 20000000000u;
        while (tm_source_spool.take(w->source, &doc, 1) == 0) {
            assert_true(tm_clock_ns() < until);
            assert_int_equal(tm_source_spool.service(w->source, 1000, &err), TM_OK);
        }
        tm_doc_destroy(doc);
    }
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_file_becomes_a_result_and_is_done),
        T(the_record_is_complete),
        T(failures_go_to_failed_with_the_reason),
        T(too_large_is_not_read_and_empty_is_given),
        T(gzip_documents),
        T(gzip_members_and_padding),
        T(damaged_and_exploding_gzip),
        T(a_small_file_may_expand_as_it_likes),
        T(names_that_are_odd_are_made_safe),
        T(the_pattern_and_recursion_are_heeded),
        T(done_failed_active_and_hidden_are_not_input),
        T(results_below_the_spool_are_not_input),
        T(a_name_that_is_taken_gets_a_number),
        T(the_longest_names_work),
        T(five_thousand_files_at_once),
        T(once_takes_what_was_there_and_ends),
        T(a_running_source_sees_new_files),
        T(inotify_brings_renamed_and_written_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
