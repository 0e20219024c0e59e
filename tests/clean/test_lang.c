/* Language of short and long texts, of scripts that decide alone, and of none. */
#include "helper.h"
#include "lang.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *text, *lang; /* NULL: cannot be told */
} cases[] = {
    {"The council has decided to close the bridge for repairs until spring.", "en"},
    {"Der Stadtrat hat beschlossen, die Brücke bis zum Frühjahr zu sperren.", "de"},
    {"Le conseil municipal a décidé de fermer le pont jusqu'au printemps.", "fr"},
    {"El ayuntamiento ha decidido cerrar el puente hasta la primavera.", "es"},
    {"A câmara municipal decidiu fechar a ponte até à primavera.", "pt"},
    {"Il consiglio comunale ha deciso di chiudere il ponte fino a primavera.", "it"},
    {"De gemeenteraad heeft besloten de brug tot het voorjaar te sluiten.", "nl"},
    {"Rada miasta postanowiła zamknąć most do wiosny.", "pl"},
    {"Городской совет решил закрыть мост на ремонт до весны.", "ru"},
    {"Міська рада вирішила закрити міст на ремонт до весни.", "uk"},
    {"Belediye meclisi köprüyü ilkbahara kadar kapatmaya karar verdi.", "tr"},
    {"قرر مجلس المدينة إغلاق الجسر حتى الربيع.", "ar"},
    {"शहर परिषद ने वसंत तक पुल को बंद करने का निर्णय लिया है।", "hi"},
    {"市議会は橋を春まで閉鎖することを決めた。", "ja"},
    {"市议会决定将大桥关闭至春季。", "zh"},
    {"시의회는 봄까지 다리를 폐쇄하기로 결정했다.", "ko"},
    {"Το δημοτικό συμβούλιο αποφάσισε να κλείσει τη γέφυρα.", "el"},
    {"מועצת העיר החליטה לסגור את הגשר עד האביב.", "he"},
    {"สภาเมืองตัดสินใจปิดสะพานจนถึงฤดูใบไม้ผลิ", "th"},
    {"12:30 – 14:45 (+49)", NULL},
    {"", NULL},
};

static void test_cases(void **state)
{
    (void)state;
    assert_true(tm_lang_table_sound());
    for (size_t i = 0; i < TM_COUNTOF(cases); i++) {
        struct tm_lang_guess g[TM_LANG_GUESSES];
        size_t n = tm_lang_detect(NULL, cases[i].text, strlen(cases[i].text), g);
        if (cases[i].lang == NULL) {
            assert_int_equal(n, 0);
            continue;
        }
        assert_true(n >= 1);
        assert_string_equal(g[0].code, cases[i].lang);
        assert_true(g[0].score > 0.7 && g[0].score <= 1);
        for (size_t k = 1; k < n; k++)
            assert_true(g[k].score <= g[k - 1].score);
    }
}

/* Words remembered from other texts, and their places taken by others, change no answer. */
static void test_words(void **state)
{
    (void)state;
    struct tm_lang_words *words = tm_lang_words_create();
    assert_non_null(words);
    for (size_t i = 0; i < 3 * TM_COUNTOF(cases); i++) {
        const char *text = cases[i % TM_COUNTOF(cases)].text;
        struct tm_lang_guess with[TM_LANG_GUESSES] = {0}, without[TM_LANG_GUESSES] = {0};
        size_t n = tm_lang_detect(words, text, strlen(text), with);
        assert_int_equal(n, tm_lang_detect(NULL, text, strlen(text), without));
        assert_memory_equal(with, without, sizeof with);
        char others[4000] = ""; /* more different words than are remembered */
        for (size_t k = 0, at = 0; k < 600; k++)
            at += (size_t)snprintf(others + at, 7, "%c%c%c%c ", 'a' + (int)(k % 26),
                                   'a' + (int)(k / 26), 'a' + (int)(i % 26), 'a' + (int)(i / 26));
        tm_lang_detect(words, others, strlen(others), with);
    }
    tm_lang_words_destroy(words);
}

/* What a document says about itself wins over what its text looks like. */
static void test_document(void **state)
{
    static const char text[] = "Der Stadtrat hat beschlossen, die Brücke zu sperren.";
    struct tm_doc *doc = clean_text(*state, "a.txt", text);
    assert_string_equal(doc->lang, "de");
    assert_string_equal(doc->lang_from, "text");
    assert_true(doc->lang_score > 0.9);
    tm_doc_destroy(doc);
    doc = clean_text(*state, "a.html", "<html lang=gsw><p>Der Stadtrat hat beschlossen.</html>");
    assert_string_equal(doc->lang, "gsw");
    assert_string_equal(doc->lang_from, "html");
    tm_doc_destroy(doc);
    doc = clean_text(*state, "a.txt", "1234 5678");
    assert_null(doc->lang);
    tm_doc_destroy(doc);
}

/* A word of any length, and letters cut off at the end, do no harm. */
static void test_odd(void **state)
{
    (void)state;
    struct tm_lang_guess g[TM_LANG_GUESSES];
    char word[4096];
    memset(word, 'x', sizeof word);
    tm_lang_detect(NULL, word, sizeof word, g);
    assert_int_equal(tm_lang_detect(NULL, "\xd0", 1, g), 0);
    assert_int_equal(tm_lang_detect(NULL, "\0\0", 2, g), 0);
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
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_document),
        cmocka_unit_test(test_odd),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
