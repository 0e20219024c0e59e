/* Plain text and Unicode hygiene: what is dropped, what becomes a blank, what stays, and that
 * offsets survive all of it. */
#include "helper.h"

#include <stdio.h>
#include <string.h>

struct expect {
    const char *name, *in, *out, *rule;
    int count;
    const char *flag;
};

/* Classes of characters, in the order of the table in writer.c. */
static const struct expect classes[] = {
    {"controls",
     "a\x01"
     "b\x7f"
     "c",
     "abc", "control_characters", 2, NULL},
    {"C1",
     "a\xc2\x81"
     "b",
     "ab", "control_characters", 1, NULL},
    {"soft hyphen", "Zeit\xc2\xadung", "Zeitung", "zero_width_characters", 1, NULL},
    {"zero-width space and joiner",
     "a\xe2\x80\x8b"
     "b\xe2\x81\xa0"
     "c",
     "abc", "zero_width_characters", 2, NULL},
    {"mark inside the text",
     "a\xef\xbb\xbf"
     "b",
     "ab", "zero_width_characters", 1, NULL},
    {"ZWJ and ZWNJ stay", "می\xe2\x80\x8cخواهم 👩\xe2\x80\x8d💻",
     "می\xe2\x80\x8cخواهم 👩\xe2\x80\x8d💻", "", 0, NULL},
    {"bidi controls",
     "a\xe2\x80\xae"
     "b\xe2\x81\xa6"
     "c",
     "abc", "bidi_controls", 2, "bidi_controls"},
    {"tag characters", "hi\xf3\xa0\x81\xa8\xf3\xa0\x81\xa9", "hi", "tag_characters", 2,
     "tag_characters"},
    {"variation selector after text", "a\xef\xb8\x8f", "a", "variation_selectors", 1,
     "variation_selectors"},
    {"variation selector after emoji stays", "x ❤\xef\xb8\x8f 1\xef\xb8\x8f\xe2\x83\xa3",
     "x ❤\xef\xb8\x8f 1\xef\xb8\x8f\xe2\x83\xa3", "", 0, NULL},
    {"icon of a font", "a \xee\x80\x81 b", "a b", "private_use_characters", 1, NULL},
    {"private writing stays", "\xee\x80\x81\xee\x80\x82", "\xee\x80\x81\xee\x80\x82", "", 0, NULL},
    {"lone pilcrow", "Heading ¶", "Heading", "private_use_characters", 1, NULL},
    {"pilcrow of law stays", "¶12 of it", "¶12 of it", "", 0, NULL},
    {"blanks of every width",
     "a\xc2\xa0"
     "b\xe2\x80\x89"
     "c\xe3\x80\x80"
     "d",
     "a b c d", "", 0, NULL},
    {"runs of blanks", "a  \t b", "a b", "", 0, NULL},
    {"quotes, dashes, ellipsis stay", "“a” – b…", "“a” – b…", "", 0, NULL},
    {"NFC", "cafe\xcc\x81 A\xcc\x8angstro\xcc\x88m", "café Ångström", "", 0, NULL},
    {"NFC singleton", "\xe2\x84\xab x", "Å x", "", 0, NULL},
    {"marks in the wrong order", "q\xcc\x87\xcc\xa3", "q\xcc\xa3\xcc\x87", "", 0, NULL},
    {"Hangul jamo", "\xe1\x84\x92\xe1\x85\xa1\xe1\x86\xab", "한", "", 0, NULL},
    {"compatibility forms stay", "x² ﬁ", "x² ﬁ", "", 0, NULL},
    {"line ends", "one\r\ntwo\rthree\nfour", "one\ntwo three\nfour", "", 0, NULL},
    {"paragraphs", "one\n\n \n\ntwo\n", "one\n\ntwo", "", 0, NULL},
    {"paragraphs with CRLF", "one\r\n\r\ntwo", "one\n\ntwo", "", 0, NULL},
};

/* Line ends that a width has made go, those that somebody has set stay. */
static const struct expect wraps[] = {
    {"mail of 60 columns",
     "Dear all,\n\n"
     "the harbour was closed for three days, and the ferries had\n"
     "to wait outside until the fog lifted; nobody on board knew\n"
     "when the pilots would come.\n\n"
     "Kim\n",
     "Dear all,\n\n"
     "the harbour was closed for three days, and the ferries had to wait outside until the fog "
     "lifted; nobody on board knew when the pilots would come.\n\n"
     "Kim",
     "", 0, NULL},
    {"carriage returns",
     "the harbour was closed for three days, and the ferries had\r\n"
     "to wait outside until the fog lifted.\r\n",
     "the harbour was closed for three days, and the ferries had to wait outside until the fog "
     "lifted.",
     "", 0, NULL},
    {"a poem",
     "The harbour was closed for three long days,\nand ferries waited\nuntil the fog had lifted "
     "at the end of it all and more\nand everything was well\n",
     "The harbour was closed for three long days,\nand ferries waited\nuntil the fog had lifted "
     "at the end of it all and more\nand everything was well",
     "", 0, NULL},
    {"a list between wrapped paragraphs",
     "the harbour was closed for three days, and the ferries had\n"
     "to wait outside until the fog lifted.\n\n"
     "- bread of the bakers who had slept in their cars that night\n"
     "- newspapers, milk and everything else that a harbour sells\n",
     "the harbour was closed for three days, and the ferries had to wait outside until the fog "
     "lifted.\n\n"
     "- bread of the bakers who had slept in their cars that night\n"
     "- newspapers, milk and everything else that a harbour sells",
     "", 0, NULL},
    {"lines of their own length", "one short line\nanother short line\n",
     "one short line\nanother short line", "", 0, NULL},
};

static void test_wraps(void **state)
{
    for (size_t i = 0; i < TM_COUNTOF(wraps); i++) {
        struct tm_doc *doc = clean_text(*state, "a.txt", wraps[i].in);
        print_message("%s\n", wraps[i].name);
        check_offsets(doc, wraps[i].in, strlen(wraps[i].in));
        assert_string_equal(doc->text, wraps[i].out);
        tm_doc_destroy(doc);
    }
}

/* A paragraph in another language says so; the document's own is not said again. */
static void test_segments(void **state)
{
    static const char text[] =
        "The harbour was closed for three days, and the ferries waited outside until the fog "
        "lifted. Nobody on board knew when the pilots would come.\n\n"
        "Der Hafen war drei Tage lang geschlossen, und die Fähren warteten draußen, bis sich der "
        "Nebel lichtete.\n\n"
        "By noon all of them lay at the quay, and the shops along the street had sold out of "
        "bread.\n\nNein.";
    struct tm_doc *doc = clean_text(*state, "a.txt", text);
    assert_string_equal(doc->lang, "en");
    assert_int_equal(doc->n_paragraphs, 4);
    assert_null(doc->paragraphs[0].lang);
    assert_string_equal(doc->paragraphs[1].lang, "de");
    assert_true(doc->paragraphs[1].lang_score >= 0.95);
    assert_null(doc->paragraphs[2].lang);
    assert_null(doc->paragraphs[3].lang); /* too short to tell */
    tm_doc_destroy(doc);
    doc = clean_text(*state, "a.txt", "12 + 30 = 42");
    assert_null(doc->lang);
    assert_string_equal(doc->lang_from, "text");
    tm_doc_destroy(doc);
}

static void test_classes(void **state)
{
    for (size_t i = 0; i < TM_COUNTOF(classes); i++) {
        const struct expect *e = &classes[i];
        print_message("%s\n", e->name);
        struct tm_doc *doc = clean_text(*state, "a.txt", e->in);
        check_offsets(doc, e->in, strlen(e->in));
        assert_string_equal(doc->text, e->out);
        assert_int_equal(removed(doc, e->rule), e->count);
        assert_int_equal(doc->cleaning.n_flags, e->flag != NULL);
        if (e->flag != NULL)
            assert_true(has_flag(doc, e->flag));
        assert_string_equal(doc->cleaning.method, "text");
        assert_string_equal(doc->kind, "text");
        tm_doc_destroy(doc);
    }
}

/* A first line alone that does not end as a sentence does is the title; anything else is text. */
static void test_headline(void **state)
{
    static const struct {
        const char *in, *title;
    } cases[] = {
        {"More fireballs than ever\n\nThe cameras saw 1,912.", "More fireballs than ever"},
        {"\nA title after a blank line\r\n\r\nText.", "A title after a blank line"},
        {"A sentence ends.\n\nSo this is text.", NULL},
        {"Dear all,\n\nThis is a letter.", NULL},
        {"Two lines\nof verse\n\nAnd more.", NULL},
        {"Nothing follows", NULL},
    };
    for (size_t i = 0; i < TM_COUNTOF(cases); i++) {
        struct tm_doc *doc = clean_text(*state, "a.txt", cases[i].in);
        bool heading = doc->paragraphs[0].kind == TM_BLOCK_HEADING;
        assert_int_equal(heading, cases[i].title != NULL);
        if (heading)
            assert_string_equal(doc->title, cases[i].title);
        else
            assert_null(doc->title);
        if (doc->n_paragraphs > 1)
            assert_int_equal(doc->paragraphs[1].kind, TM_BLOCK_P);
        tm_doc_destroy(doc);
    }
}

/* The same in pages: where a line end is a blank, <br> is a line end, and a reference is a run. */
static const struct expect markup[] = {
    {"line ends", "<p>one\r\n  two", "one two", "", 0, NULL},
    {"br", "<p>one<br>two <br/> three", "one\ntwo\nthree", "", 0, NULL},
    {"two br", "<p>one<br><br>two<br>\n<br>three", "one\n\ntwo\n\nthree", "", 0, NULL},
    {"references", "<p>caf&eacute; &amp; &#8220;x&#x201d; &lt;b&gt;", "café & “x” <b>", "", 0,
     NULL},
    {"a reference is decoded once", "<p>&amp;lt;", "&lt;", "", 0, NULL},
    {"references to windows-1252", "<p>&#147;x&#148; &#128;", "“x” €", "", 0, NULL},
    {"unknown reference", "<p>AT&T &foo; &", "AT&T &foo; &", "", 0, NULL},
    {"combining reference", "<p>e&#769;t", "ét", "", 0, NULL},
    {"zero width reference", "<p>a&#8203;b", "ab", "zero_width_characters", 1, NULL},
    {"blocks part words", "<div>a</div><div>b<p>c</p>d</div>", "a\n\nb\n\nc\n\nd", "", 0, NULL},
    {"inline elements do not", "<p>a<b>b</b><i>c</i> d", "abc d", "", 0, NULL},
    {"pre", "<pre>if (x)\n    y();\n\n\nz();</pre>", "if (x)\n    y();\nz();", "", 0, NULL},
    {"rows", "<table><tr><td>a<td>b<tr><td>c<td>d</table>", "a\tb\n\nc\td", "", 0, NULL},
    {"no text of scripts",
     "<p>a<script>b</script><style>c</style><!-- d --><svg><text>e</text></svg>f", "af", "", 0,
     NULL},
    {"NUL and controls",
     "<p>a\x01"
     "b",
     "a b", "", 0, NULL},
};

static void test_markup(void **state)
{
    for (size_t i = 0; i < TM_COUNTOF(markup); i++) {
        const struct expect *e = &markup[i];
        print_message("%s\n", e->name);
        struct tm_doc *doc = clean_text(*state, "a.html", e->in);
        check_offsets(doc, e->in, strlen(e->in));
        assert_string_equal(doc->text, e->out);
        assert_int_equal(removed(doc, e->rule), e->count);
        tm_doc_destroy(doc);
    }
}

/* A reference is one run over the whole of it; the text around it stays exact. */
static void test_reference_run(void **state)
{
    static const char page[] = "<p>caf&eacute; au lait</p>";
    struct tm_doc *doc = clean_text(*state, "a.html", page);
    assert_int_equal(doc->n_runs, 3);
    assert_int_equal(doc->runs[1].text_start, 3);
    assert_false(doc->runs[1].exact);
    assert_int_equal(doc->runs[1].source_start, 6);
    assert_int_equal(doc->runs[1].source_end, 14);
    assert_true(doc->runs[2].exact);
    assert_int_equal(doc->runs[2].source_start, 14);
    tm_doc_destroy(doc);
}

static void test_failures(void **state)
{
    static const struct {
        const char *name, *path, *data;
        size_t len;
        enum tm_status status;
        const char *says;
    } bad[] = {
        {"nothing", "a.txt", "", 0, TM_EMPTY, "empty"},
        {"blanks", "a.txt", " \n\t\n ", 0, TM_EMPTY, "no text"},
        {"only a mark", "a.txt", "\xef\xbb\xbf", 0, TM_EMPTY, "no text"},
        {"page without text", "a.html", "<html><body><img src=x></body></html>", 0, TM_EMPTY,
         "no text"},
        {"PDF", "a.pdf", "%PDF-1.4 text", 0, TM_BADINPUT, "PDF"},
        {"NULs", "a.txt", "ab\0\0\0\0\0\0\0\1\2\3\4", 13, TM_BADINPUT, "binary"},
    };
    struct cleaning *c = *state;
    for (size_t i = 0; i < TM_COUNTOF(bad); i++) {
        print_message("%s\n", bad[i].name);
        struct tm_doc *doc = clean_source(
            c, &(struct source){.data = bad[i].data, .len = bad[i].len, .path = bad[i].path});
        assert_int_equal(doc->err.status, bad[i].status);
        assert_string_equal(doc->err_stage, "clean");
        if (strstr(doc->err.text, bad[i].says) == NULL)
            fail_msg("\"%s\" does not say %s", doc->err.text, bad[i].says);
        assert_string_equal(doc->id, "lane");
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

static void test_markdown(void **state)
{
    static const char text[] =
        "# The *harbour*\n\nIt was **closed** for three\ndays, says [the log](http://x.example/a_b)"
        ".\n![A ferry](f.png)\n\n- one\n- two `code`\n  goes on\n\n> quoted\n> on\n\n| a | b |\n"
        "|---|---|\n| 1 | 2 |\n\n```c\nint  x;\n# no heading\n```\nsnake_case and 2 * 3 \\*\n";
    struct tm_doc *doc = clean_text(*state, "a.md", text);
    static const struct {
        enum tm_block kind;
        const char *text;
    } want[] = {
        {TM_BLOCK_HEADING, "The harbour"},
        {TM_BLOCK_P, "It was closed for three days, says the log."},
        {TM_BLOCK_LI, "one"},
        {TM_BLOCK_LI, "two code goes on"},
        {TM_BLOCK_QUOTE, "quoted on"},
        {TM_BLOCK_TABLE_ROW, "a b"},
        {TM_BLOCK_TABLE_ROW, "1 2"},
        {TM_BLOCK_CODE, "int  x;\n# no heading"},
        {TM_BLOCK_P, "snake_case and 2 * 3 *"},
    };
    check_offsets(doc, text, sizeof text - 1);
    assert_int_equal(doc->n_paragraphs, TM_COUNTOF(want));
    for (size_t i = 0; i < TM_COUNTOF(want); i++) {
        const struct tm_span *s = &doc->paragraphs[i].span;
        assert_int_equal(doc->paragraphs[i].kind, want[i].kind);
        char got[128];
        snprintf(got, sizeof got, "%.*s", (int)(s->end - s->start), doc->text + s->start);
        for (char *tab = got; (tab = strchr(tab, '\t')) != NULL;)
            *tab = ' ';
        assert_string_equal(got, want[i].text);
    }
    tm_doc_destroy(doc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_markdown),      cmocka_unit_test(test_classes),
        cmocka_unit_test(test_segments),      cmocka_unit_test(test_wraps),
        cmocka_unit_test(test_headline),      cmocka_unit_test(test_markup),
        cmocka_unit_test(test_reference_run), cmocka_unit_test(test_failures),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
