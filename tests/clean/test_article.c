/* Article extraction on small pages: what belongs to the article stays, the rest of the page goes,
 * and the page's statements about itself become metadata. */
#include "helper.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *read_page(const char *name, size_t *ret_len)
{
    char path[4096];
    struct tm_buf b = {0};
    struct tm_err err = {0};
    const char *dir = getenv("TEST_PAGES");
    assert_non_null(dir);
    assert_true((size_t)snprintf(path, sizeof path, "%s/%s", dir, name) < sizeof path);
    if (tm_read_file(path, 1 << 20, &b, &err) != TM_OK)
        fail_msg("%s", err.text);
    *ret_len = b.len;
    return b.data;
}

static const struct tm_paragraph *paragraph(const struct tm_doc *doc, const char *begins)
{
    for (size_t i = 0; i < doc->n_paragraphs; i++)
        if (strncmp(doc->text + doc->paragraphs[i].span.start, begins, strlen(begins)) == 0)
            return &doc->paragraphs[i];
    fail_msg("no paragraph begins with %s", begins);
    return NULL;
}

static void test_news(void **state)
{
    size_t len;
    char *page = read_page("news.html", &len);
    struct tm_doc *doc = clean_text(*state, "news.html", page);
    check_offsets(doc, page, len);
    static const char *const kept[] = {
        "The harbour bridge reopened to traffic on Saturday morning, six weeks after a winter "
        "storm "
        "tore away part",
        "“It is a relief,” said Mayor Rosa Field. “The ferry could never carry everybody who needs "
        "to "
        "cross.”",
        "What was repaired\n\nthe railing on the northern side\n\npumps and cables",
        "We worked through eleven nights of frost.",
        "Part\tCost\n\nRailing\t2.1 million",
        "the council said in a statement.",
    };
    static const char *const gone[] = {
        "cookies",   "Sport",         "Share on",   "Photo:",    "Subscribe",
        "Related",   "Ferry company", "Comments",   "two hours", "Most read",
        "Copyright", "By Ada",        "color: red", "schema.org"};
    for (size_t i = 0; i < TM_COUNTOF(kept); i++)
        assert_has(doc, kept[i]);
    for (size_t i = 0; i < TM_COUNTOF(gone); i++)
        assert_lacks(doc, gone[i]);
    assert_string_equal(doc->title, "Harbour bridge reopens after storm repairs");
    assert_string_equal(doc->published_at, "2026-01-31T06:30:00Z");
    assert_string_equal(doc->modified_at, "2026-01-31T09:00:00Z");
    assert_string_equal(doc->url, "https://lamp.example/2026/01/31/bridge");
    assert_string_equal(doc->source, "The Daily Lamp");
    assert_string_equal(doc->lang, "en-GB");
    assert_string_equal(doc->lang_from, "html");
    assert_string_equal(doc->page_type, "article");
    assert_string_equal(doc->kind, "news");
    assert_int_equal(doc->n_authors, 2);
    assert_string_equal(doc->authors[0], "Ada Finch");
    assert_string_equal(doc->authors[1], "Tom Reed");
    assert_int_equal(removed(doc, "newsletter"), 1);
    tm_doc_destroy(doc);
    free(page);
}

static void test_paragraphs(void **state)
{
    size_t len;
    char *page = read_page("news.html", &len);
    struct tm_doc *doc = clean_text(*state, "news.html", page);
    static const struct {
        const char *begins;
        enum tm_block kind;
        const char *path;
    } want[] = {
        {"The harbour", TM_BLOCK_P, "html/body/main[1]/article[1]/div[3]/p[1]"},
        {"What was", TM_BLOCK_HEADING, "html/body/main[1]/article[1]/div[3]/h2[1]"},
        {"pumps", TM_BLOCK_LI, "html/body/main[1]/article[1]/div[3]/ul[1]/li[2]"},
        {"We worked", TM_BLOCK_QUOTE, "html/body/main[1]/article[1]/div[3]/blockquote[1]/p[1]"},
        {"Railing", TM_BLOCK_TABLE_ROW, "html/body/main[1]/article[1]/div[3]/table[1]/tr[2]"},
    };
    for (size_t i = 0; i < TM_COUNTOF(want); i++) {
        const struct tm_paragraph *p = paragraph(doc, want[i].begins);
        assert_int_equal(p->kind, want[i].kind);
        assert_string_equal(p->path, want[i].path);
    }
    tm_doc_destroy(doc);
    free(page);
}

/* A page of the nineties: layout table, no paragraphs, two <br> between them. */
static void test_divs(void **state)
{
    size_t len;
    char *page = read_page("divs.html", &len);
    struct tm_doc *doc = clean_text(*state, "divs.html", page);
    check_offsets(doc, page, len);
    assert_has(doc, "a hand high already.\n\nI walked up to the chapel yesterday.");
    assert_has(doc, "I was glad of the old coat.");
    assert_string_equal(doc->title, "Letters from the valley");
    assert_string_equal(doc->published_at, "2019-05-04");
    assert_string_equal(doc->authors[0], "Nora Hill");
    tm_doc_destroy(doc);
    free(page);
}

static void test_guard(void **state)
{
    size_t len;
    char *page = read_page("aside.html", &len);
    struct tm_doc *doc = clean_text(*state, "aside.html", page);
    check_offsets(doc, page, len);
    assert_has(doc, "Some sites wrap everything in the wrong element");
    assert_has(doc, "keeping a line too many.");
    assert_lacks(doc, "Start");
    tm_doc_destroy(doc);
    free(page);
}

/* The article is filled in by scripts, but the page says it in JSON-LD too. */
static void test_witness(void **state)
{
    static const char page[] =
        "<html><head><script "
        "type='application/ld+json'>{\"@type\":\"NewsArticle\",\"headline\":\"H &amp; "
        "I\",\"author\":\"Kim\",\"articleBody\":\"The council has voted for the new tram line, "
        "which will run "
        "from the <i>station</i> to the lake from next summer on.\\n<p>Opponents say that it costs "
        "too much.</p>\"}</script></head><body><div id=root></div><p>Loading.</p></body></html>";
    struct tm_doc *doc = clean_text(*state, "a.html", page);
    check_offsets(doc, page, sizeof page - 1);
    assert_string_equal(doc->cleaning.method, "json-ld");
    assert_has(doc, "from the station to the lake from next summer on.\n\nOpponents say");
    assert_lacks(doc, "<");
    assert_string_equal(doc->title, "H & I");
    assert_string_equal(doc->authors[0], "Kim");
    tm_doc_destroy(doc);
}

#define SENTENCE_A                                                                                 \
    "The first half of the report describes how the river rose within one night in March. "
#define SENTENCE_B                                                                                 \
    "Nobody in the lower village had seen such a flood, and most people slept through it. "
#define SENTENCE_C                                                                                 \
    "In the morning the mill stood in water up to its windows, and the bridge had gone. "
#define SENTENCE_D                                                                                 \
    "The council met at noon in the school, which lies on the hill above the old market. "

/* Each page must keep SENTENCE_A to SENTENCE_D, and nothing of "furniture". */
static const struct {
    const char *name, *page;
} shapes[] = {
    {"pruning by name that would take nearly all is undone",
     "<div class=entry-content><p>Short start.</p><div class=related><p>" SENTENCE_A
     "<p>" SENTENCE_B "<p>" SENTENCE_C "<p>" SENTENCE_D "</div></div>"},
    {"a form around the page is a wrapper",
     "<form><div id=content><p>" SENTENCE_A "<p>" SENTENCE_B "<p>" SENTENCE_C "<p>" SENTENCE_D
     "</div></form><form>furniture <label>furniture</label></form>"},
    {"an article in two containers",
     "<div class=article-body><p>" SENTENCE_A SENTENCE_A "</p><p>" SENTENCE_B SENTENCE_B
     "</p></div><div><p>furniture</p></div>"
     "<div class=article-body><p>" SENTENCE_C SENTENCE_C "</p><p>" SENTENCE_D "</p></div>"},
    {"a small container in a long page is in doubt",
     "<article><div class=post-text><p>" SENTENCE_A SENTENCE_B "</p><p>" SENTENCE_C SENTENCE_D
     "</p></div><p>" SENTENCE_C SENTENCE_A "</p><p>" SENTENCE_A SENTENCE_C SENTENCE_B SENTENCE_D
         SENTENCE_A SENTENCE_B SENTENCE_C SENTENCE_A SENTENCE_D SENTENCE_C SENTENCE_B SENTENCE_A
             SENTENCE_D SENTENCE_C SENTENCE_A SENTENCE_B SENTENCE_C SENTENCE_D
     "and so it ended.</p></article>"},
};

static void test_shapes(void **state)
{
    for (size_t i = 0; i < TM_COUNTOF(shapes); i++) {
        print_message("%s\n", shapes[i].name);
        struct tm_doc *doc = clean_text(*state, "a.html", shapes[i].page);
        check_offsets(doc, shapes[i].page, strlen(shapes[i].page));
        assert_has(doc, "describes how the river rose");
        assert_has(doc, "most people slept");
        assert_has(doc, "the mill stood in water");
        assert_has(doc, "above the old market.");
        assert_lacks(doc, "furniture");
        if (strstr(shapes[i].page, "and so it ended") != NULL)
            assert_has(doc, "and so it ended");
        tm_doc_destroy(doc);
    }
}

#define FIRST                                                                                      \
    "The harbour was closed for three days, and the ferries waited outside until the fog lifted, " \
    "while the pilots slept in the cars of passengers who had gone ashore."
#define SECOND                                                                                     \
    "On the fourth morning the wind turned, and the first ship came in before the market opened; " \
    "by noon all of them lay at the quay, and the bread was sold out."

/* A page that shows nothing is read from the state that its scripts hold, as editors store texts.
 */
static void test_state(void **state)
{
    static const struct {
        const char *name, *head, *script, *end;
    } cases[] = {
        {"a string with markup", "<script id=__NEXT_DATA__ type='application/json'>",
         "{\"props\": {\"related\": [{\"title\": \"No\", \"body\": \"Something short.\"}],"
         "\"article\": {\"headline\": \"H\", \"body\": \"<p>" FIRST "<\\/p><p>" SECOND
         "<\\/p>\"}}}",
         ""},
        {"a rich text of runs", "<script>window.__INITIAL_STATE__ = ",
         "{\"post\": {\"title\": \"H\", \"content\": {\"nodeType\": \"document\", \"content\": ["
         "{\"nodeType\": \"paragraph\", \"content\": [{\"nodeType\": \"text\", \"value\": \"" FIRST
         "\"}]}, {\"nodeType\": \"paragraph\", \"content\": [{\"nodeType\": \"text\", \"value\": "
         "\"On "
         "the \"}, {\"nodeType\": \"hyperlink\", \"content\": [{\"nodeType\": \"text\", \"value\": "
         "\"fourth\"}]}, {\"nodeType\": \"text\", \"value\": \" morning the wind turned, and the "
         "first ship came in before the market opened; by noon all of them lay at the quay, and "
         "the "
         "bread was sold out.\"}]}]}}}",
         "; start(undefined);"},
        {"blocks", "<script>window.__DATA__ = ",
         "{\"story\": {\"content_elements\": [{\"type\": \"text\", \"content\": \"" FIRST
         "\"}, {\"type\": \"image\", \"url\": "
         "\"https://cdn.example/a/very/long/address/of/a.jpg\"}, "
         "{\"type\": \"text\", \"content\": \"" SECOND "\"}], \"headlines\": {\"basic\": \"H\"}}}",
         ""},
    };
    for (size_t i = 0; i < TM_COUNTOF(cases); i++) {
        char *page = NULL;
        assert_true(asprintf(&page,
                             "<html><title>The harbour</title><body><div id=app></div>%s%s%s%*s"
                             "</script></body></html>",
                             cases[i].head, cases[i].script, cases[i].end, 300, "") > 0);
        struct tm_doc *doc = clean_text(*state, "a.html", page);
        if (doc->err.status != TM_OK)
            fail_msg("%s: %s", cases[i].name, doc->err.text);
        assert_string_equal(doc->cleaning.method, "embedded-state");
        assert_string_equal(doc->text, FIRST "\n\n" SECOND);
        tm_doc_destroy(doc);
        free(page);
    }
}

/* A date that is none gives way to the next source; the address is the last. */
static void test_dates(void **state)
{
    static const struct {
        const char *head, *date;
    } cases[] = {
        {"<meta name=date content='Tue Jan 28'><meta name=pubdate content='2020-01-28'>",
         "2020-01-28"},
        {"<meta property='article:published_time' content='2020-01-28T09:00:00+01:00'>",
         "2020-01-28T09:00:00+01:00"},
        {"<link rel=canonical href='https://x.example/2019/07/04/a'>", "2019-07-04"},
        {"<meta name=date content='28.1.2020'>", "2020-01-28"},
        {"<meta name=date content='28. Januar 2020'>", "2020-01-28"},
        {"<meta name=date content='January 28th, 2020 at 3:15 pm'>", "2020-01-28"},
        {"<meta name=date content='28 de enero de 2020'>", "2020-01-28"},
        {"<meta name=date content='Tue, 28 Jan 2020 09:00:00 GMT'>", "2020-01-28T09:00:00Z"},
        {"<meta name=date content='28 Jan 2020 09:00 +0130'>", "2020-01-28T09:00:00+01:30"},
        {"<meta name=date content='1/28/2020'>", "2020-01-28"},
        {"<meta name=date content='20200128'>", "2020-01-28"},
        {"<meta name=date content='2020年1月28日'>", "2020-01-28"},
        {"<meta name=date content='2020년 1월 28일'>", "2020-01-28"},
        {"<meta name=date content='28 stycznia 2020'>", "2020-01-28"},
        {"<meta name=date content='28 Ocak 2020'>", "2020-01-28"},
        {"<meta name=date content='28. ledna 2020'>", "2020-01-28"},
        {"<meta name=date content='2020年13月28日'>", NULL},
        {"<meta name=date content='32.1.2020'>", NULL},
        {"<meta name=date content='28.1.3020'>", NULL},
        {"<meta name=date content='version 1.2.3456789'>", NULL},
        {"<p>Published on 28 January 2020 by Kim</p>", "2020-01-28"},
        {"<span itemprop=datePublished content='2020-01-28'>yesterday</span>", "2020-01-28"},
        {"<time class=updated datetime=2020-02-03>x</time><time datetime=2020-01-28>y</time>",
         "2020-01-28"},
        {"<time datetime=2019-05-05>x</time><time class=published datetime=2020-01-28>y</time>",
         "2020-01-28"},
    };
    for (size_t i = 0; i < TM_COUNTOF(cases); i++) {
        char page[512];
        snprintf(page, sizeof page, "<html><head>%s</head><body><p>x</body></html>", cases[i].head);
        struct tm_doc *doc = clean_text(*state, "a.html", page);
        if (cases[i].date == NULL)
            assert_null(doc->published_at);
        else
            assert_string_equal(doc->published_at, cases[i].date);
        tm_doc_destroy(doc);
    }
}

/* A standfirst in the header belongs to the article when the page describes itself with it. */
static void test_lead(void **state)
{
    static const char page[] =
        "<html><head><meta name=description content='" SENTENCE_A "...'></head><body>"
        "<header><h1>The flood</h1><p>" SENTENCE_A "And that was not all.</p></header>"
        "<header><p>Something else that stands in a header of the page, and at some length.</p>"
        "</header><article><p>" SENTENCE_B SENTENCE_C SENTENCE_D "</p><p>" SENTENCE_C SENTENCE_D
        "Then it was over.</p></article></body></html>";
    struct tm_doc *doc = clean_text(*state, "a.html", page);
    check_offsets(doc, page, sizeof page - 1);
    assert_int_equal(strncmp(doc->text, SENTENCE_A, strlen(SENTENCE_A)), 0);
    assert_lacks(doc, "Something else");
    tm_doc_destroy(doc);
}

static void test_titles(void **state)
{
    static const struct {
        const char *head, *title;
    } cases[] = {
        {"<title>The harbour is open | Daily Herald</title>"
         "<meta property='og:site_name' content='Daily Herald'>",
         "The harbour is open"},
        {"<title>The harbour is open again today - Herald</title>",
         "The harbour is open again today"},
        {"<title>Weather - Herald</title>", "Weather - Herald"},
        {"<title>Herald: the harbour</title></head><body><h1>The harbour</h1>", "The harbour"},
        {"<meta property='dc:title og:title' content='Two names'>", "Two names"},
        {"<meta property='og:title' content='harbour-open-2020'><title>The harbour opens</title>",
         "The harbour opens"},
        {"<link rel=canonical href='https://www.harbour-news.example/1'>"
         "<title>What’s open: the “harbour” - Kim - Harbour News</title></head>"
         "<body><h1>What's open: the harbour</h1>",
         "What’s open: the “harbour”"},
        {"<title>What is open: the harbour - Kim Olsen</title></head>"
         "<body><h1>What is open</h1>",
         "What is open"},
        {"<title>Herald » Is the harbour open again today?</title></head><body><h1>Herald</h1>",
         "Is the harbour open again today?"},
        {"<title>The harbour is open after a week of fog | Herald</title>"
         "<meta property='og:title' content='The harbour is open after...'>",
         "The harbour is open after a week of fog"},
        {"<script type='application/ld+json'><![CDATA[{\"@type\":\"NewsArticle\",\"headline\":"
         "\"Harbour\"}]]></script>",
         "Harbour"},
    };
    for (size_t i = 0; i < TM_COUNTOF(cases); i++) {
        char page[768];
        snprintf(page, sizeof page, "<html><head>%s<p>text</html>", cases[i].head);
        struct tm_doc *doc = clean_text(*state, "a.html", page);
        assert_string_equal(doc->title, cases[i].title);
        tm_doc_destroy(doc);
    }
}

static void test_authors(void **state)
{
    static const struct {
        const char *body, *author;
    } cases[] = {
        {"<a rel=author>By Kim Olsen</a>", "Kim Olsen"},
        {"<p class=byline>Written by: Kim Olsen | City desk</p>", "Kim Olsen"},
        {"<p class=post-author-name>Kim Olsen</p>", "Kim Olsen"},
        {"<div class=comments><p class=comment-author>Somebody</p></div>", NULL},
        {"<p class=author>Views 1,204</p>", NULL},
    };
    for (size_t i = 0; i < TM_COUNTOF(cases); i++) {
        char page[512];
        snprintf(page, sizeof page, "<html><body>%s<p>text</html>", cases[i].body);
        struct tm_doc *doc = clean_text(*state, "a.html", page);
        assert_int_equal(doc->n_authors, cases[i].author != NULL);
        if (cases[i].author != NULL)
            assert_string_equal(doc->authors[0], cases[i].author);
        tm_doc_destroy(doc);
    }
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
        cmocka_unit_test(test_news),    cmocka_unit_test(test_paragraphs),
        cmocka_unit_test(test_divs),    cmocka_unit_test(test_guard),
        cmocka_unit_test(test_witness), cmocka_unit_test(test_shapes),
        cmocka_unit_test(test_dates),   cmocka_unit_test(test_titles),
        cmocka_unit_test(test_state),   cmocka_unit_test(test_lead),
        cmocka_unit_test(test_authors),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
