/* Modes of extraction, how candidates agree, and the lines that are taken out of an article. */
#include "helper.h"

#include <stdio.h>
#include <string.h>

#define PROSE_A                                                                                    \
    "The harbour was closed for three days, and the ferries waited outside in the fog until it "   \
    "lifted. Nobody on board knew when the pilots would come, so the cooks served what they had, " \
    "and the crews slept in the cars of the passengers who had gone ashore the evening before."
#define PROSE_B                                                                                    \
    "On the fourth morning the wind turned, and the first ship came in before the market opened. " \
    "By noon all of them lay at the quay, and the shops along the street had sold out of bread, "  \
    "of milk and of newspapers, which nobody had printed since the beginning of the week."
#define ARTICLE "<p>" PROSE_A "</p><p>" PROSE_B "</p>"

/* The caller destroys the document. */
static struct tm_doc *clean_mode(const char *mode, const char *page)
{
    struct cleaning c;
    cleaning_open(&c);
    assert_int_equal(
        tm_conf_set(&c.conf, tm_conf_find(tm_conf_keys, "clean.mode"), mode, NULL, NULL), TM_OK);
    struct tm_doc *doc = clean_text(&c, "a.html", page);
    cleaning_close(&c);
    return doc;
}

static const char page[] =
    "<html><body><nav><a href=/>Front page</a></nav><div id=story>" ARTICLE
    "<div class=sidebar><p>The weather tomorrow: fair, and a little warmer than it was.</p></div>"
    "</div><footer>Impressum and privacy</footer></body></html>";

static void test_modes(void **state)
{
    (void)state;
    static const char *const modes[] = {"fast", "balanced", "precision"};
    for (size_t i = 0; i < TM_COUNTOF(modes); i++) {
        struct tm_doc *doc = clean_mode(modes[i], page);
        assert_string_equal(doc->text, PROSE_A "\n\n" PROSE_B);
        assert_true((doc->cleaning.confidence >= 0) == (i > 0));
        tm_doc_destroy(doc);
    }
    struct tm_doc *doc = clean_mode("recall", page); /* one way of looking keeps the weather */
    assert_non_null(strstr(doc->text, "The weather tomorrow"));
    assert_null(strstr(doc->text, "Front page"));
    tm_doc_destroy(doc);
    doc = clean_mode("raw", page);
    assert_string_equal(doc->cleaning.method, "raw");
    assert_non_null(strstr(doc->text, "Front page"));
    assert_non_null(strstr(doc->text, "Impressum"));
    tm_doc_destroy(doc);
}

/* Where the ways of looking differ, the confidence says so. */
static void test_confidence(void **state)
{
    (void)state;
    struct tm_doc *clear = clean_mode("balanced", page);
    struct tm_doc *unclear = clean_mode(
        "balanced", "<div class=entry-content><p>" PROSE_A "</div><div class=widget><p>" PROSE_B
                    "<p>" PROSE_B " And more of that.<p>" PROSE_A " And more, much more.</div>");
    assert_true(clear->cleaning.confidence > 0.95);
    assert_true(unclear->cleaning.confidence < 0.9);
    tm_doc_destroy(clear);
    tm_doc_destroy(unclear);
}

/* What stands between the two paragraphs goes, and is counted under that name. */
static const struct {
    const char *between, *rule;
} lines[] = {
    {"<h2>The harbour reopens</h2>", "title_echo"},
    {"<p>Read more: Ferries and their captains</p>", "related"},
    {"<p>Lesen Sie auch: Die Fähren</p>", "related"},
    {"<p>&raquo; Weiterlesen</p>", "related"},
    {"<p>Sign up for our morning letter</p>", "newsletter"},
    {"<p>ADVERTISEMENT</p>", "ads"},
    {"<p>Share</p>", "share"},
    {"<p>Photo: Kim Olsen</p>", "media"},
    {"<p>12 March 2024, 14:05</p>", "meta"},
    {"<p>5. Oktober 2023</p>", "meta"},
    {"<p>" PROSE_A "</p>", NULL}, /* too long to be furniture, even a second time */
    {"<p>Ferries were late in the whole of March.</p>", NULL},
    {"<p>In 2024 the harbour closed.</p>", NULL},
    {"<h2>1989</h2><p>That year was different.</p>", NULL},
};

static void test_lines(void **state)
{
    (void)state;
    for (size_t i = 0; i < TM_COUNTOF(lines); i++) {
        char html[2048];
        print_message("%s\n", lines[i].between);
        snprintf(html, sizeof html,
                 "<title>The harbour reopens</title><article><p>" PROSE_A "</p>%s<p>" PROSE_B
                 "</p></article>",
                 lines[i].between);
        struct tm_doc *doc = clean_mode("balanced", html);
        assert_int_equal(doc->err.status, TM_OK);
        if (lines[i].rule != NULL) {
            assert_string_equal(doc->text, PROSE_A "\n\n" PROSE_B);
            assert_int_equal(removed(doc, lines[i].rule), 1);
        } else {
            assert_true(doc->n_paragraphs >= 3);
        }
        tm_doc_destroy(doc);
    }
}

static void test_repeated(void **state)
{
    (void)state;
    struct tm_doc *doc = clean_mode(
        "balanced", "<article><p>" PROSE_A "</p><p>The ferries are waiting outside.</p><p>" PROSE_B
                    "</p><p>The ferries are waiting outside.</p></article>");
    assert_string_equal(doc->text, PROSE_A "\n\nThe ferries are waiting outside.\n\n" PROSE_B);
    assert_int_equal(removed(doc, "repeated"), 1);
    tm_doc_destroy(doc);
}

/* A heading whose list was taken out goes too; a page of nothing but headings stays. */
static void test_last_heading(void **state)
{
    (void)state;
    struct tm_doc *doc = clean_mode(
        "balanced", "<article>" ARTICLE "<h3>Elsewhere</h3><ul><li><a href=a>Ferries of the north "
                    "coast</a><li><a href=b>Bread prices are rising</a></ul></article>");
    assert_string_equal(doc->text, PROSE_A "\n\n" PROSE_B);
    tm_doc_destroy(doc);
    doc = clean_mode("balanced", "<body><h2>One heading of a page</h2><h2>And another one</h2>");
    assert_string_equal(doc->text, "One heading of a page\n\nAnd another one");
    tm_doc_destroy(doc);
}

/* When most of an article looks like furniture, it is what the page has to say. */
static void test_guard(void **state)
{
    (void)state;
    struct tm_doc *doc = clean_mode(
        "balanced", "<article><p>12 March 2024</p><p>13 March 2024, 14:00</p><p>14 March 2024</p>"
                    "<p>Days of fog.</p></article>");
    assert_non_null(strstr(doc->text, "13 March 2024"));
    assert_int_equal(removed(doc, "meta"), 0);
    tm_doc_destroy(doc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_modes),        cmocka_unit_test(test_confidence),
        cmocka_unit_test(test_lines),        cmocka_unit_test(test_repeated),
        cmocka_unit_test(test_last_heading), cmocka_unit_test(test_guard),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
