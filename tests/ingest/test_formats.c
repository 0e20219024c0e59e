/* Resuming within a file of any format: after a skip to where a checkpoint stood comes the record
 * that came next the first time, with the same number. */
#include "records.h"
#include "world.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct {
    const char *name, *text;
} files[] = {
    {"jsonl",
     "{\"text\":\"one\"}\n\n{\"text\":\"two\"}\n{\"text\":\"three\"}\n{\"text\":\"four\"}"},
    {"csv", "text,id\none,1\n\"two\nlines\",2\n,3\nfour,4\n"},
    {"mail", "From a\nSubject: 1\n\none\n\nFrom b\nSubject: 2\n\ntwo\n\nFrom c\nContent-Type: "
             "image/png\n\nx\n\nFrom d\n\nfour\n"},
    {"feed", "<rss><channel><item><title>one</title></item><item><title>two</title></item>"
             "<item><title>three</title></item><item><title>four</title></item></channel></rss>"},
    {"warc",
     "WARC/1.0\r\nWARC-Type: resource\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\n"
     "one\r\n\r\n"
     "WARC/1.0\r\nWARC-Type: metadata\r\nContent-Length: 2\r\n\r\nxx\r\n\r\n"
     "WARC/1.0\r\nWARC-Type: resource\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\n"
     "two\r\n\r\n"
     "WARC/1.0\r\nWARC-Type: resource\r\nContent-Type: text/plain\r\nContent-Length: 9\r\n\r\n"
     "too large\r\n\r\n"
     "WARC/1.0\r\nWARC-Type: resource\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\n"
     "four\r\n\r\n"},
};

struct open_file {
    struct stream stream;
    struct records records;
};

static void open_records(struct open_file *f, int fd, const char *format)
{
    assert_int_equal(stream_open(&f->stream, fd, PLAIN, 0, NULL), TM_OK);
    size_t cap = strcmp(format, "warc") == 0 ? 8 : 4096;
    records_init(&f->records, format_named(format), &f->stream, cap);
}

static void close_records(struct open_file *f)
{
    records_finish(&f->records);
    stream_close(&f->stream);
}

/* The nth record, 0 first; how it came, and in *ret_end how far it reaches. */
static enum jsonl_result nth(struct records *r, size_t n, uint64_t *ret_end)
{
    enum jsonl_result got = JSONL_END;
    for (size_t i = 0; i <= n; i++) {
        size_t budget = SIZE_MAX;
        got = records_next(r, &budget, NULL);
        assert_true(got == JSONL_LINE || got == JSONL_LONG);
    }
    *ret_end = r->end;
    return got;
}

static void a_skip_leads_to_the_next_record(void **state)
{
    (void)state;
    static struct open_file once, again;
    for (size_t i = 0; i < TM_COUNTOF(files); i++) {
        char path[] = "/tmp/textmill-formats-XXXXXX";
        int fd = mkstemp(path);
        assert_true(fd >= 0);
        unlink(path);
        ssize_t n = (ssize_t)strlen(files[i].text);
        assert_int_equal(write(fd, files[i].text, (size_t)n), n);
        for (size_t done = 1; done < 4; done++) {
            uint64_t end, unused;
            size_t budget = SIZE_MAX;
            open_records(&once, fd, files[i].name);
            open_records(&again, fd, files[i].name);
            nth(&once.records, done - 1, &end);
            enum jsonl_result next = nth(&once.records, 0, &unused);
            assert_int_equal(records_skip(&again.records, end, done, &budget, NULL), JSONL_LINE);
            assert_int_equal(nth(&again.records, 0, &unused), next);
            assert_int_equal(again.records.number, once.records.number);
            assert_int_equal(again.records.end, once.records.end);
            if (next == JSONL_LINE)
                assert_string_equal(again.records.text, once.records.text);
            else
                assert_string_equal(again.records.why.text, once.records.why.text);
            close_records(&once);
            close_records(&again);
        }
        close(fd);
    }
}

/* A checkpoint of a longer file than this one: it cannot be the same reading. */
static void a_skip_past_the_end(void **state)
{
    (void)state;
    static struct open_file f;
    for (size_t i = 0; i < TM_COUNTOF(files); i++) {
        char path[] = "/tmp/textmill-formats-XXXXXX";
        int fd = mkstemp(path);
        size_t budget = SIZE_MAX;
        assert_true(fd >= 0);
        unlink(path);
        assert_true(write(fd, files[i].text, strlen(files[i].text)) > 0);
        open_records(&f, fd, files[i].name);
        assert_int_not_equal(records_skip(&f.records, 1000000, 1000000, &budget, NULL), JSONL_LINE);
        close_records(&f);
        close(fd);
    }
}

static void columns_are_found_by_their_configured_names(void **state)
{
    (void)state;
    static struct open_file f;
    char path[] = "/tmp/textmill-formats-XXXXXX";
    int fd = mkstemp(path);
    uint64_t end;
    static const char csv[] = "Nr;text;Kommentar;Betreff\n1;no;\"so; and so\";Re: it\n2;no;yes;\n";
    assert_true(fd >= 0);
    unlink(path);
    assert_true(write(fd, csv, strlen(csv)) > 0);
    open_records(&f, fd, "csv");
    f.records.fields = "text=kommentar\nid=/Nr\ntitle=Titel\n";
    assert_int_equal(nth(&f.records, 0, &end), JSONL_LINE);
    assert_string_equal(f.records.text, "{\"id\":\"1\",\"text\":\"so; and so\"}");
    assert_int_equal(nth(&f.records, 0, &end), JSONL_LINE);
    assert_string_equal(f.records.text, "{\"id\":\"2\",\"text\":\"yes\"}");
    close_records(&f);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_skip_leads_to_the_next_record),
        cmocka_unit_test(a_skip_past_the_end),
        cmocka_unit_test(columns_are_found_by_their_configured_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
