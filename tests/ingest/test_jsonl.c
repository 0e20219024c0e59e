/* JSONL files: lines, limits, damage, and going on at every record after a stop. */
#include "world.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

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

struct line {
    int64_t line;
    uint64_t end;
    const char *text; /* NULL: failed */
};

/* Takes all records of the one file in the spool and compares them. */
static void assert_lines(struct world *w, const struct line *expected, size_t n)
{
    struct tm_doc *docs[64];
    world_open(w);
    size_t got = world_take(w, docs, 64);
    assert_int_equal(got, n);
    for (size_t i = 0; i < n; i++) {
        const struct tm_record *r = &docs[i]->rec;
        assert_int_equal(r->seq, i);
        assert_true(r->many);
        assert_int_equal(r->last, i == n - 1);
        assert_int_equal(r->line, expected[i].line);
        assert_int_equal(r->end_offset, expected[i].end);
        assert_int_equal(docs[i]->err.status != TM_OK, expected[i].text == NULL);
        if (expected[i].text != NULL) {
            assert_int_equal(r->len, strlen(expected[i].text));
            assert_memory_equal(r->data, expected[i].text, r->len);
        }
        tm_doc_destroy(docs[i]);
    }
    world_close(w);
}

static void lines_of_every_kind(void **state)
{
    struct world *w = *state;
    /*                                1              2      3    4         5  6 */
    static const char text[] = "\xef\xbb\xbf{\"a\":1}\r\n\r\n  \t\n{\"b\":2}\n\n{\"c\":3}";
    static const struct line expected[] = {
        {1, 12, "{\"a\":1}"}, {4, 26, "{\"b\":2}"}, {6, 34, "{\"c\":3}"}};
    world_put(w, "in/a.jsonl", text, sizeof text - 1);
    assert_lines(w, expected, TM_COUNTOF(expected));
}

static void blank_lines_at_the_end_do_not_hide_the_last(void **state)
{
    struct world *w = *state;
    static const struct line expected[] = {{1, 2, "1"}, {3, 5, "2"}};
    world_puts(w, "in/a.ndjson", "1\n\n2\n\n\n  \n");
    assert_lines(w, expected, 2);
}

static void a_file_without_lines_is_one_empty_record(void **state)
{
    struct world *w = *state;
    static const struct line expected[] = {{1, 0, ""}};
    world_puts(w, "in/a.jsonl", "");
    assert_lines(w, expected, 1);
}

static void lines_up_to_the_limit(void **state)
{
    struct world *w = *state;
    w->conf.clean_max_bytes = 1024;
    char text[8192], fits[1025];
    memset(fits, 'x', 1024);
    fits[1024] = '\0';
    int n = snprintf(text, sizeof text, "\xef\xbb\xbf%s\r\n%sy\n%s%s%s\nend\n", fits, fits, fits,
                     fits, fits);
    const struct line expected[] = {
        {1, 1029, fits}, {2, 2055, NULL}, {3, 5128, NULL}, {4, 5132, "end"}};
    world_put(w, "in/a.jsonl", text, (size_t)n);
    assert_lines(w, expected, 4);
}

static void a_line_of_ten_megabytes(void **state)
{
    struct world *w = *state;
    size_t n = 10 << 20;
    char *text = malloc(2 * n + 8);
    struct tm_doc *docs[4];
    memset(text, 'a', n);
    text[n] = '\n';
    memset(text + n + 1, 'b', n);
    memcpy(text + 2 * n + 1, "\nc\n", 3);
    w->conf.clean_max_bytes = (int64_t)n;
    world_put(w, "in/a.jsonl", text, 2 * n + 4);
    world_open(w);
    assert_int_equal(world_take(w, docs, 4), 3);
    assert_int_equal(docs[0]->rec.len, n);
    assert_memory_equal(docs[0]->rec.data, text, n);
    assert_int_equal(docs[1]->rec.len, n);
    assert_memory_equal(docs[1]->rec.data, text + n + 1, n);
    assert_string_equal(docs[2]->rec.data, "c");
    for (int i = 0; i < 3; i++)
        tm_doc_destroy(docs[i]);
    world_close(w);
    /* One byte less, and both are too large; the third line is found all the same. */
    w->conf.clean_max_bytes = (int64_t)n - 1;
    world_open(w);
    assert_int_equal(world_take(w, docs, 4), 3);
    assert_int_equal(docs[0]->err.status, TM_TOOLARGE);
    assert_int_equal(docs[1]->err.status, TM_TOOLARGE);
    assert_int_equal(docs[1]->rec.line, 2);
    assert_string_equal(docs[2]->rec.data, "c");
    for (int i = 0; i < 3; i++)
        tm_doc_destroy(docs[i]);
    free(text);
}

static void a_line_beyond_the_documents_memory_fails_alone(void **state)
{
    struct world *w = *state;
    struct tm_doc *docs[4];
    struct tm_buf b = {0};
    w->conf.limits_document_memory = 1 << 20;
    tm_buf_puts(&b, "1\n");
    for (int i = 0; i < 40000; i++)
        tm_buf_puts(&b, "0123456789012345678901234567890123456789");
    tm_buf_puts(&b, "\n3\n");
    world_put(w, "in/a.jsonl", b.data, b.len);
    tm_buf_finish(&b);
    world_open(w);
    assert_int_equal(world_take(w, docs, 4), 3);
    assert_int_equal(docs[0]->err.status, TM_OK);
    assert_int_equal(docs[1]->err.status, TM_TOOLARGE);
    assert_int_equal(docs[2]->err.status, TM_OK);
    for (int i = 0; i < 3; i++)
        tm_doc_destroy(docs[i]);
}

static void the_format_setting_overrules_the_name(void **state)
{
    struct world *w = *state;
    struct tm_doc *docs[4];
    world_puts(w, "in/a.txt", "1\n2\n");
    free(w->conf.source_spool_format);
    w->conf.source_spool_format = strdup("jsonl");
    world_open(w);
    assert_int_equal(world_take(w, docs, 4), 2);
    tm_doc_destroy(docs[0]);
    tm_doc_destroy(docs[1]);
    world_close(w);
    free(w->conf.source_spool_format);
    w->conf.source_spool_format = strdup("document");
    world_open(w);
    assert_int_equal(world_take(w, docs, 4), 1);
    assert_int_equal(docs[0]->rec.len, 4);
    tm_doc_destroy(docs[0]);
}

/* Everything that could be read is given; the damage is the last record. */
static void assert_damage(struct world *w, const struct tm_buf *packed, size_t good)
{
    struct tm_doc *docs[4000];
    world_put(w, "in/a.jsonl.gz", packed->data, packed->len);
    world_open(w);
    assert_int_equal(world_take(w, docs, 4000), good + 1);
    for (size_t i = 0; i <= good; i++) {
        assert_int_equal(docs[i]->err.status, i == good ? TM_BADINPUT : TM_OK);
        assert_int_equal(docs[i]->rec.last, i == good);
        assert_int_equal(docs[i]->rec.line, i + 1);
        tm_doc_destroy(docs[i]);
    }
    world_close(w);
    assert_int_equal(unlink(world_path(w, "in/active/default/a.jsonl.gz")), 0);
}

static void damaged_gzip_ends_with_an_error_record(void **state)
{
    enum { GOOD = 1500 };
    struct world *w = *state;
    struct tm_buf packed = {0};
    gzFile f = gzopen(world_path(w, "a.gz"), "wb");
    for (int i = 0; i < GOOD; i++)
        gzprintf(f, "{\"n\":%d,\"r\":%d}\n", i, (i * 7919) % 10007);
    assert_int_equal(gzflush(f, Z_FULL_FLUSH), Z_OK); /* what is in the file ends a block */
    assert_int_equal(tm_read_file(world_path(w, "a.gz"), 1 << 20, &packed, NULL), TM_OK);
    gzclose(f);
    assert_damage(w, &packed, GOOD); /* cut off */
    tm_buf_append(&packed, "\x07 no block begins like this", 28);
    assert_damage(w, &packed, GOOD);
    tm_buf_finish(&packed);
}

static void a_gzip_bomb_of_lines_is_cut_off(void **state)
{
    struct world *w = *state;
    size_t n = 16 << 20, count = 0;
    char *text = malloc(n);
    memset(text, 'a', n);
    for (size_t i = 1023; i < n; i += 1024)
        text[i] = '\n';
    world_gzip(w, "in/a.jsonl.gz", text, n);
    free(text);
    world_open(w);
    struct tm_doc *docs[64];
    enum tm_status last = TM_OK;
    for (size_t k; (k = world_take(w, docs, 64)) > 0; count += k)
        for (size_t i = 0; i < k; i++) {
            assert_int_equal(last, TM_OK);
            last = docs[i]->err.status;
            assert_int_equal(docs[i]->rec.last, last != TM_OK);
            tm_doc_destroy(docs[i]);
        }
    assert_int_equal(last, TM_TOOLARGE);
    assert_true(count >= 1024 && count < 16384);
}

static void bad_lines_are_dead_letters_and_the_file_is_done(void **state)
{
    struct world *w = *state;
    static const char text[] = "{\"a\":1}\n{\"b\":\"BAD\"}\n{\"c\":\"\xff BAD\"}\n{\"d\":4}\n";
    world_puts(w, "in/sub/a.jsonl", text);
    world_once(w);
    char path[256];
    snprintf(path, sizeof path, "out/%s.jsonl", world_lane("sub/a.jsonl", text, sizeof text - 1));
    char *got = world_get(w, path);
    assert_string_equal(
        got, "{\"file\":\"sub/a.jsonl\",\"line\":1,\"seq\":0,\"text\":\"{\\\"a\\\":1}\"}\n"
             "{\"file\":\"sub/a.jsonl\",\"line\":4,\"seq\":3,\"text\":\"{\\\"d\\\":4}\"}\n");
    free(got);
    snprintf(path, sizeof path, "out/dead/%s.jsonl",
             world_lane("sub/a.jsonl", text, sizeof text - 1));
    got = world_get(w, path);
    assert_non_null(got);
    assert_non_null(strstr(got, "\"original\":\"{\\\"b\\\":\\\"BAD\\\"}\""));
    assert_non_null(strstr(got, "\"original_base64\":\"eyJjIjoi/yBCQUQifQ==\""));
    assert_non_null(strstr(got, "\"line\":3"));
    free(got);
    assert_true(world_has(w, "in/done/sub/a.jsonl"));
    assert_int_equal(world_count(w, "out/.textmill", ""), 0);
}

/* ---- going on ---- */

enum { RECORDS = 24 };

/* Blank lines, CRLF, bad lines, and no line end at the end. */
static size_t make_lines(char *out, size_t size)
{
    size_t n = 0;
    for (int i = 0; i < RECORDS; i++)
        n += (size_t)snprintf(out + n, size - n, "%s{\"n\":%d%s}%s", i % 5 == 2 ? "\n \n" : "", i,
                              i % 7 == 3 ? ",\"x\":\"BAD\"" : "",
                              i == RECORDS - 1 ? ""
                              : i % 3 == 0     ? "\r\n"
                                               : "\n");
    return n;
}

/* Stops after every number of records, with torn output behind what the checkpoint knows, and goes
 * on: the output must be the same as without a stop. */
static void goes_on_at_every_record(void **state)
{
    struct world *w = *state;
    char text[2048], result[256], dead[256], hidden[300];
    for (int gzip = 0; gzip < 2; gzip++) {
        const char *name = gzip ? "in/a.jsonl.gz" : "in/a.jsonl";
        size_t n = make_lines(text, sizeof text);
        struct tm_buf stored = {0};
        if (gzip)
            world_gzip(w, name, text, n);
        else
            world_put(w, name, text, n);
        assert_int_equal(tm_read_file(world_path(w, name), 4096, &stored, NULL), TM_OK);
        const char *lane = world_lane(name + 3, stored.data, stored.len);
        snprintf(result, sizeof result, "out/%s.jsonl", lane);
        snprintf(dead, sizeof dead, "out/dead/%s.jsonl", lane);
        world_once(w);
        assert_int_equal(w->delivered + w->dead, RECORDS);
        char *whole = world_get(w, result);
        assert_non_null(whole);
        for (size_t stop = 1; stop < RECORDS; stop++) {
            assert_int_equal(unlink(world_path(w, result)), 0);
            world_put(w, name, stored.data, stored.len);
            w->release_docs = 1 + stop % 4;
            w->stop_after = stop;
            world_once(w);
            assert_int_equal(w->taken, stop);
            assert_false(world_has(w, result)); /* the final name is for what is complete */
            snprintf(hidden, sizeof hidden, "%s.part", result);
            FILE *f = fopen(world_path(w, hidden), "a");
            assert_non_null(f);
            fputs("torn", f);
            fclose(f);
            w->stop_after = 0;
            world_once(w);
            assert_int_equal(w->taken, RECORDS - stop);
            char *again = world_get(w, result);
            assert_non_null(again);
            assert_string_equal(again, whole);
            free(again);
            char *letters = world_get(w, dead);
            size_t lines = 0;
            for (const char *p = letters; (p = strchr(p, '\n')) != NULL; p++)
                lines++;
            assert_int_equal(lines, 3);
            free(letters);
        }
        free(whole);
        tm_buf_finish(&stored);
    }
    assert_int_equal(world_count(w, "out", ".part"), 0);
    assert_int_equal(world_count(w, "out/.textmill", ""), 0);
}

/* With other weights the results would not fit together, so the file starts again. */
static void a_changed_configuration_starts_again(void **state)
{
    struct world *w = *state;
    char text[2048];
    size_t n = make_lines(text, sizeof text);
    world_put(w, "in/a.jsonl", text, n);
    w->stop_after = 10;
    w->release_docs = 5;
    world_once(w);
    w->stop_after = 0;
    snprintf(w->hash, sizeof w->hash, "0ther");
    world_once(w);
    assert_int_equal(w->taken, RECORDS);
    char path[256];
    snprintf(path, sizeof path, "out/%s.jsonl", world_lane("a.jsonl", text, n));
    char *got = world_get(w, path);
    assert_non_null(got);
    assert_int_equal(strncmp(got, "{\"file\":\"a.jsonl\",\"line\":1,", 27), 0);
    size_t lines = 0;
    for (const char *p = got; (p = strchr(p, '\n')) != NULL; p++)
        lines++;
    assert_int_equal(lines, RECORDS - 3);
    free(got);
}

/* Somebody has cut or removed the output that the checkpoint speaks of. */
static void lost_output_is_made_again(void **state)
{
    struct world *w = *state;
    char text[2048], part[300];
    size_t n = make_lines(text, sizeof text);
    for (int removed = 0; removed < 2; removed++) {
        world_put(w, "in/a.jsonl", text, n);
        w->stop_after = w->release_docs = 10;
        world_once(w);
        snprintf(part, sizeof part, "out/%s.jsonl.part", world_lane("a.jsonl", text, n));
        assert_int_equal(removed ? unlink(world_path(w, part)) : truncate(world_path(w, part), 3),
                         0);
        w->stop_after = 0;
        world_once(w);
        assert_int_equal(w->taken, RECORDS);
        part[strlen(part) - 5] = '\0';
        char *got = world_get(w, part);
        assert_non_null(got);
        assert_int_equal(strncmp(got, "{\"file\":\"a.jsonl\",\"line\":1,", 27), 0);
        free(got);
        assert_int_equal(unlink(world_path(w, part)), 0);
    }
}

/* The same file again, while longer output of an unfinished run lies there. */
static void a_repeat_starts_from_nothing(void **state)
{
    struct world *w = *state;
    char text[2048];
    size_t n = make_lines(text, sizeof text);
    world_put(w, "in/a.jsonl", text, n);
    w->stop_after = w->release_docs = 20;
    world_pad = ",\"pad\":\"the output of this run is a good deal longer than that of the next\"";
    world_once(w);
    world_pad = "";
    assert_int_equal(
        rename(world_path(w, "in/active/default/a.jsonl"), world_path(w, "in/a.jsonl")), 0);
    w->stop_after = 0;
    world_once(w);
    assert_int_equal(w->taken, RECORDS);
    char path[256];
    snprintf(path, sizeof path, "out/%s.jsonl", world_lane("a.jsonl", text, n));
    char *got = world_get(w, path);
    assert_non_null(got);
    assert_null(strstr(got, "pad"));
    free(got);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(lines_of_every_kind),
        T(blank_lines_at_the_end_do_not_hide_the_last),
        T(a_file_without_lines_is_one_empty_record),
        T(lines_up_to_the_limit),
        T(a_line_of_ten_megabytes),
        T(a_line_beyond_the_documents_memory_fails_alone),
        T(the_format_setting_overrules_the_name),
        T(damaged_gzip_ends_with_an_error_record),
        T(a_gzip_bomb_of_lines_is_cut_off),
        T(bad_lines_are_dead_letters_and_the_file_is_done),
        T(goes_on_at_every_record),
        T(a_changed_configuration_starts_again),
        T(lost_output_is_made_again),
        T(a_repeat_starts_from_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
