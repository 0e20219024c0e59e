/* Caps and hostile pages: each limit acts while parsing, time stays linear, and what can be kept is
 * kept. Times are generous: a quadratic walk misses them by orders of magnitude. */
#include "helper.h"

#include <stdlib.h>
#include <string.h>

static struct tm_buf repeat(const char *head, const char *unit, size_t times, const char *tail)
{
    struct tm_buf b = {0};
    tm_buf_puts(&b, head);
    for (size_t i = 0; i < times; i++)
        tm_buf_puts(&b, unit);
    tm_buf_puts(&b, tail);
    assert_false(b.failed);
    return b;
}

/* Cleans a page within `seconds` and frees it. */
static struct tm_doc *clean_within(struct cleaning *c, struct tm_buf *page, double seconds)
{
    uint64_t start = tm_clock_ns();
    struct tm_doc *doc =
        clean_source(c, &(struct source){.data = page->data, .len = page->len, .path = "a.html"});
    double took = (double)(tm_clock_ns() - start) / 1e9;
    if (took > seconds)
        fail_msg("took %.1f s", took);
    if (doc->err.status == TM_OK)
        check_offsets(doc, page->data, page->len);
    tm_buf_finish(page);
    return doc;
}

static void test_bytes(void **state)
{
    struct cleaning c;
    (void)state;
    cleaning_open(&c);
    c.conf.clean_max_bytes = 1024;
    struct tm_buf page = repeat("", "a", 1024, ""), larger = repeat("", "a", 1025, "");
    struct tm_doc *doc = clean_within(&c, &page, 1);
    assert_int_equal(doc->err.status, TM_OK);
    tm_doc_destroy(doc);
    doc = clean_within(&c, &larger, 1);
    assert_int_equal(doc->err.status, TM_TOOLARGE);
    assert_non_null(strstr(doc->err.text, "1025 bytes; clean.max_bytes allows 1024"));
    tm_doc_destroy(doc);
    cleaning_close(&c);
}

static void test_nodes(void **state)
{
    struct cleaning c;
    (void)state;
    cleaning_open(&c);
    c.conf.clean_max_nodes = 1000;
    struct tm_buf page = repeat("<body>", "<p>a</p>", 900, ""),
                  larger = repeat("<body>", "<p>a</p>", 1000, "");
    struct tm_doc *doc = clean_within(&c, &page, 1);
    assert_int_equal(doc->err.status, TM_OK);
    tm_doc_destroy(doc);
    doc = clean_within(&c, &larger, 1);
    assert_int_equal(doc->err.status, TM_TOOLARGE);
    assert_non_null(strstr(doc->err.text, "clean.max_nodes"));
    tm_doc_destroy(doc);
    cleaning_close(&c);
}

/* 100,000 levels: text above and below the cap is kept, the flag is set, memory stays small. */
static void test_depth(void **state)
{
    struct cleaning *c = *state;
    struct tm_buf page = repeat("<p>above</p>", "<div>", 100000, "<p>below</p>");
    struct tm_doc *doc = clean_within(c, &page, 1);
    assert_int_equal(doc->err.status, TM_OK);
    assert_true(has_flag(doc, "depth_capped"));
    assert_has(doc, "above");
    assert_has(doc, "below");
    assert_true(tm_arena_used(doc->arena) < 1 << 20);
    tm_doc_destroy(doc);
    struct tm_buf empty = repeat("", "<div>", 100000, "");
    doc = clean_within(c, &empty, 1);
    assert_int_equal(doc->err.status, TM_DEPTH);
    tm_doc_destroy(doc);
}

/* libxml2 looks at all open elements for each end tag that matches none: only the clock ends it. */
static void test_time(void **state)
{
    struct cleaning c;
    (void)state;
    cleaning_open(&c);
    c.conf.clean_max_ms = 200;
    struct tm_buf page = repeat("", "<b>", 200000, "");
    for (int i = 0; i < 400000; i++)
        tm_buf_puts(&page, "</i>");
    struct tm_doc *doc = clean_within(&c, &page, 3);
    assert_int_equal(doc->err.status, TM_TIMEOUT);
    assert_non_null(strstr(doc->err.text, "clean.max_ms"));
    tm_doc_destroy(doc);
    cleaning_close(&c);
}

static void test_attributes(void **state)
{
    static const struct {
        const char *head, *unit, *tail;
        enum tm_status status;
    } cases[] = {
        {"<p>x</p><a", " b", ">y</a>", TM_TOOLARGE},
        {"<p>x</p><a", " b='>'", ">y</a>", TM_TOOLARGE},
        {"<script>\"<a b=\"</script><a", " b", ">y</a>", TM_TOOLARGE},
        {"<p>x</p><a", " b", "", TM_TOOLARGE},
        {"<p>x</p><img alt='", " b", "'>y", TM_OK},
        {"<p>x</p><img src=\"data:", "AAAA", "\">y", TM_OK},
        {"<p>x</p><script>if (a <b)", " c();", "</script>", TM_OK},
    };
    for (size_t i = 0; i < TM_COUNTOF(cases); i++) {
        struct tm_buf page =
            repeat(cases[i].head, cases[i].unit, i == 6 ? 3000 : 300000, cases[i].tail);
        struct tm_doc *doc = clean_within(*state, &page, 2);
        assert_int_equal(doc->err.status, cases[i].status);
        if (doc->err.status == TM_OK)
            assert_has(doc, "x");
        tm_doc_destroy(doc);
    }
}

/* Shapes that make careless code quadratic or worse. All must end, in time. */
static void test_shapes(void **state)
{
    static const char *const units[] = {
        "<p>",
        "<a href=x>",
        "</p>",
        "<!--",
        "<!-- x -->",
        "<",
        "<<a",
        "&",
        "&#",
        "&#x41;",
        "&amp",
        "<table>",
        "<td>",
        "<tr><td>x",
        "<form>x",
        "<figure>x",
        "<span class=author>x</span>",
        "<br>",
        "<br>x",
        "<article><p>x",
        "<div class='article-body'>x",
        "<ul><li>x",
        "<script>",
        "</script>",
        "<![CDATA[",
        "<?x",
        "<html>",
        "<body>",
        "<head>",
        "<title>x",
        "e\xcc\x81",
        "\xcc\x81",
        "\xe2\x80\x8b",
        "(a. B ",
        "x.\n",
        "\n\n",
        "1. ",
        "\xe3\x80\x82",
        "a\tb",
        "<pre> \n",
    };
    struct cleaning c;
    (void)state;
    cleaning_open(&c);
    c.conf.clean_max_ms = 20000;
    for (size_t i = 0; i < TM_COUNTOF(units); i++) {
        struct tm_buf page = repeat("<p>", units[i], 60000, " end");
        print_message("%s\n", units[i]);
        struct tm_doc *doc = clean_within(&c, &page, 10);
        assert_int_not_equal(doc->err.status, TM_TIMEOUT);
        assert_int_not_equal(doc->err.status, TM_NOMEM);
        tm_doc_destroy(doc);
    }
    cleaning_close(&c);
}

/* A document that needs more than its arena fails alone, and the worker goes on. */
static void test_memory(void **state)
{
    struct cleaning c;
    (void)state;
    cleaning_open(&c);
    c.conf.limits_document_memory = 1 << 16;
    struct tm_buf page = repeat("<body>", "<p>some text here", 20000, "");
    struct tm_doc *doc = clean_within(&c, &page, 2);
    assert_int_equal(doc->err.status, TM_TOOLARGE);
    assert_non_null(strstr(doc->err.text, "limits.document_memory"));
    tm_doc_destroy(doc);
    doc = clean_text(&c, "a.html", "<p>small</p>");
    assert_string_equal(doc->text, "small");
    tm_doc_destroy(doc);
    cleaning_close(&c);
}

static int setup(void **state)
{
    static struct cleaning c;
    cleaning_open(&c);
    *state = &c;
    return 0;
}

static int teardown(void **state)
{
    cleaning_close(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes),      cmocka_unit_test(test_nodes),
        cmocka_unit_test(test_depth),      cmocka_unit_test(test_time),
        cmocka_unit_test(test_attributes), cmocka_unit_test(test_shapes),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
