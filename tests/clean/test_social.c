/* Posts as clean.social writes them: what becomes of names, addresses, emoji and of what a site
 * puts around a post, with offsets that still lead into the original. */
#include "helper.h"

#include <string.h>

static const struct {
    const char *preset, *in, *out, *rule;
    int count;
} cases[] = {
    {"keep", "RT @kim_o: So good 😂 #Harbour https://t.co/abc",
     "RT @kim_o: So good 😂 #Harbour https://t.co/abc", "", 0},
    {"tweeteval", "@kim_o, look: https://example.org/a?b=1 #Harbour 😂",
     "@user look: http #Harbour 😂", "", 0},
    {"tweeteval", "a @ b, c@d and 5 € @", "a @ b, c@d and 5 € @", "", 0},
    {"tweeteval", "RT @kim_o: It opens today", "It opens today", "repost_mark", 1},
    {"tweeteval", "It opens today https://t.co/abc https://t.co/def", "It opens today",
     "media_link", 1},
    {"tweeteval", "https://t.co/abc is open", "http is open", "media_link", 0},
    {"tweeteval", "https://t.co/abc", "http", "media_link", 0},
    {"tweeteval", "RT @kim_o: https://t.co/abc", "http", "media_link", 0},
    {"bertweet", "@kim_o, @lee’s www.example.org … #Harbour", "@USER, @USER's HTTPURL ... #Harbour",
     "", 0},
    {"bertweet", "so😂good ❤\xef\xb8\x8f 👍🏽 1 ©",
     "so:face_with_tears_of_joy:good :heavy_black_heart: :thumbs_up_sign: 1 ©", "", 0},
};

static void test_presets(void **state)
{
    (void)state;
    for (size_t i = 0; i < TM_COUNTOF(cases); i++) {
        struct cleaning c;
        cleaning_open(&c);
        cleaning_set(&c, "clean.kind", "social");
        cleaning_set(&c, "clean.social", cases[i].preset);
        struct tm_doc *doc = clean_text(&c, "a.txt", cases[i].in);
        print_message("%s: %s\n", cases[i].preset, cases[i].in);
        assert_string_equal(doc->text, cases[i].out);
        check_offsets(doc, cases[i].in, strlen(cases[i].in));
        if (cases[i].rule[0] != '\0')
            assert_int_equal(removed(doc, cases[i].rule), cases[i].count);
        tm_doc_destroy(doc);
        cleaning_close(&c);
    }
}

/* Addresses of people are found in what is left. */
static void test_with_redaction(void **state)
{
    (void)state;
    struct cleaning c;
    cleaning_open(&c);
    cleaning_set(&c, "clean.kind", "social");
    cleaning_set(&c, "clean.social", "tweeteval");
    struct tm_doc *doc = clean_text(&c, "a.txt", "@kim write to lee@example.org now");
    assert_string_equal(doc->text, "@user write to <EMAIL_ADDRESS> now");
    assert_int_equal(doc->cleaning.n_pii, 1);
    assert_int_equal(doc->cleaning.pii[0].span.start, strlen("@user write to "));
    tm_doc_destroy(doc);
    cleaning_close(&c);
}

/* News is left alone. */
static void test_other_kinds(void **state)
{
    (void)state;
    struct cleaning c;
    cleaning_open(&c);
    cleaning_set(&c, "clean.social", "bertweet");
    struct tm_doc *doc = clean_text(&c, "a.txt", "@kim is at https://example.org");
    assert_string_equal(doc->text, "@kim is at https://example.org");
    tm_doc_destroy(doc);
    cleaning_close(&c);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_presets),
        cmocka_unit_test(test_with_redaction),
        cmocka_unit_test(test_other_kinds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
