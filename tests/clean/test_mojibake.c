/* Misread text is mended, and nothing else is touched. */
#include "helper.h"
#include "mojibake.h"

#include <string.h>

static const struct {
    const char *text, *mended; /* NULL: is as it should be */
} cases[] = {
    {"cafÃ© au lait", "café au lait"},
    {"Grüße aus dem Süden", NULL},
    {"GrÃ¼Ãe aus dem SÃ¼den", "GrüÃe aus dem Süden"},
    {"the mayorâ€™s â€œplanâ€\xc2\x9d", "the mayor’s “plan”"},
    {"the mayorÃ¢â‚¬â„¢s plan", "the mayor’s plan"},
    {"РџСЂРёРІРµС‚, РјРёСЂ", "Привет, мир"},
    {"Привет, «мир»", NULL},
    {"Zam√≤ and caf√©", "Zamò and café"},
    {"√2 ≈ 1.414", NULL},
    {"a quote\xc2\x94 of windows\xc2\x85", "a quote” of windows…"},
    {"l’Ã©tat, c’est moi", "l’état, c’est moi"},
    {"Ã\xc2\xa0 bientÃ´t", "à bientôt"},
    {"Å½ivjo, svete", "Živjo, svete"},
    {"SMÖRGÅS™, a word in capitals", NULL},
    {"he said “CAFÉ”, and she: “É…”", NULL},
    {"Straß” ends a quotation", NULL},
    {"¿Qué? ¡Olé!", NULL},
    {"« À la carte »", NULL},
    {"日本語のテキスト", NULL},
    {"├──┤ ║ ╔═╗", NULL},
    {"5 °C, 20 µm, 3 × 4 ± 1 €", NULL},
    {"I ❤ 🍕 ☺️", NULL},
    {"plain", NULL},
    {"", NULL},
};

static void test_cases(void **state)
{
    (void)state;
    struct tm_buf out = {0}, scratch = {0};
    for (size_t i = 0; i < TM_COUNTOF(cases); i++) {
        print_message("%s\n", cases[i].text);
        bool any = tm_mojibake_mend(cases[i].text, strlen(cases[i].text), &out, &scratch);
        assert_int_equal(any, cases[i].mended != NULL);
        if (any)
            assert_string_equal(out.data, cases[i].mended);
    }
    tm_buf_finish(&out);
    tm_buf_finish(&scratch);
}

/* Offsets still lead to where the text came from, and the result says that it was mended. */
static void test_document(void **state)
{
    static const char text[] = "One line in order.\n\nThe mayorâ€™s plan.\n\nAnother one.\n";
    struct tm_doc *doc = clean_text(*state, "a.txt", text);
    check_offsets(doc, text, sizeof text - 1);
    assert_string_equal(doc->text, "One line in order.\n\nThe mayor’s plan.\n\nAnother one.");
    assert_int_equal(doc->cleaning.mojibake_fixed, 1);
    tm_doc_destroy(doc);
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
        cmocka_unit_test(test_document),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
