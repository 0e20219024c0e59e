/* Sentence boundaries. A case is a paragraph with '|' where a sentence ends. */
#include "helper.h"

#include "abbreviations.h"
#include "sentences.h"

#include <stdio.h>
#include <string.h>
#include <unicode/ubrk.h>
#include <unicode/utext.h>

struct expect {
    const char *lang, *marked;
};

static const struct expect cases[] = {
    {"en", "The train left.| It was late!| Was it?| Yes."},
    {"en", "Dr. Green met Mrs. Brown at St. Mary's.| They spoke."},
    {"en", "The U.S. Government objected.| So did the E.U. Commission."},
    {"en", "He moved to the U.S.| He liked it."},
    {"en", "She works for Acme Inc.| The company grew."},
    {"en", "Acme Inc. Chairman Bob resigned."},
    {"en", "J. K. Rowling and G.W. Bush met."},
    {"en", "See p. 55 and Fig. 3 in vol. 2, No. 7."},
    {"en", "It cost $3.50 at 6.30 a.m. on Jan. 5, 2026."},
    {"en", "She went home at 6 p.m.| Mr. Smith stayed until 7 p.m. Eastern."},
    {"en", "Write to jane.doe@example.com or see http://www.example.com/a.b?c=1. now."},
    {"en", "Version 2.1.3 is out.| Get it."},
    {"en", "\"Are you there?\" he asked.| \"Yes!\" she said."},
    {"en", "\"I am here,\" he said.| \"Go.\"| They went."},
    {"en", "He left (he was tired. Very tired.) and slept.| Then he woke."},
    {"en", "What?!| No way..."},
    {"en", "Wait... what?| Yes."},
    {"en", "1. Buy milk.| 2. Go home."},
    {"en", "It ended 3-2.| Nobody cared."},
    {"en", "We tested e.g. Berlin and i.e. Rome vs. Paris etc. and more."},
    {"en", "Plan B.| It worked."},
    {"de", "Am 3. Oktober wird gefeiert.| Am 24.12. nicht."},
    {"de", "Das gilt z. B. für Dr. Müller bzw. Prof. Maier.| Gut."},
    {"de", "Im 19. Jahrhundert war das anders.| Heute nicht."},
    {"de", "„Kommst du?“, fragte er.| „Nein.“"},
    {"fr", "M. Dupont est arrivé.| Il a dit : « Bonjour. »"},
    {"es", "¿Dónde está?| ¡Aquí!| La Sra. García lo sabe."},
    {"zh", "我来了。|你呢？|好！"},
    {"ja", "「行こう。」と彼は言った。|雨だ。"},
    {"hi", "वह आया।| वह गया।"},
    {"ar", "جاء الرجل.| هل رحل؟| نعم!"},
    {"fa", "او آمد.| آیا رفت؟| نه."},
    {"ur", "وہ آیا۔| کیا وہ گیا؟| ہاں۔"},
    {"ru", "В г. Москве, т. е. в столице, шёл снег.| Проф. Иванов ушёл."},
    {"uk", "Це м. Київ, вул. Хрещатик.| Далі йшли пішки."},
    {"bg", "Живее в гр. София.| Добре е."},
    {"pl", "Przyszedł np. prof. Kowalski, tj. sąsiad.| Potem wyszedł."},
    {"cs", "Přišel např. prof. Novák, tj. soused.| Pak odešel."},
    {"it", "Il Sig. Rossi e il Dott. Bianchi parlano.| Poi tacciono."},
    {"pt", "O Sr. Silva e a Dra. Souza chegaram.| Depois saíram."},
    {"nl", "Dhr. Jansen komt bijv. morgen.| Daarna niet."},
    {"sv", "Han kom t.ex. i går.| Sedan gick han."},
    {"da", "Han kom f.eks. i går.| Så gik han."},
    {"nb", "Han kom f.eks. i går.| Så gikk han."},
    {"fi", "Hän tuli esim. eilen.| Sitten hän lähti."},
    {"tr", "Dr. Yılmaz geldi.| Sonra gitti."},
    {"hu", "Dr. Kovács eljött.| Aztán elment."},
    {"ro", "Dl. Popescu a venit.| Apoi a plecat."},
    {"el", "Ήρθε ο κ. Παπαδόπουλος.| Μετά έφυγε."},
    {"he", "הוא בא.| האם הלך?| כן."},
    {"ko", "그가 왔다.| 갔니?| 응."},
    {"bn", "সে এল।| সে গেল।"},
    {"hy", "Նա եկավ։| Նա գնաց։"},
    {"am", "መጣ።| ሄደ።"},
    {"my", "သူ လာသည်။| သူ သွားသည်။"},
};

static void expect_case(struct cleaning *c, const struct expect *e)
{
    char json[1024], text[512], want[512];
    size_t n = 0;
    for (const char *s = e->marked; *s != '\0'; s++)
        if (*s != '|')
            text[n++] = *s;
    text[n] = '\0';
    struct tm_buf quoted = {0};
    tm_buf_json_string(&quoted, text, n);
    snprintf(json, sizeof json, "{\"lang\":\"%s\",\"text\":%s}", e->lang, quoted.data);
    tm_buf_finish(&quoted);
    struct tm_doc *doc = clean_source(c, &(struct source){.data = json, .many = true, .line = 1});
    check_offsets(doc, text, n);
    size_t at = 0;
    for (size_t i = 0; i < doc->n_sentences; i++) {
        const struct tm_span *s = &doc->sentences[i];
        size_t before = i == 0 ? 0 : doc->sentences[i - 1].end;
        if (i > 0)
            want[at++] = '|';
        memcpy(want + at, doc->text + before, s->end - before);
        at += s->end - before;
    }
    want[at] = '\0';
    assert_string_equal(want, e->marked);
    tm_doc_destroy(doc);
}

static void test_cases(void **state)
{
    for (size_t i = 0; i < TM_COUNTOF(cases); i++)
        expect_case(*state, &cases[i]);
}

/* A wrapped line goes on; a list of short lines does not. */
static void test_lines(void **state)
{
    static const char wrapped[] = "The quick brown fox jumps over the lazy dog and then it\n"
                                  "Runs Away from the hounds that have been following it for\n"
                                  "a day. The end.";
    static const char poem[] = "Roses are red\nViolets are blue\nSugar is sweet";
    struct cleaning c;
    cleaning_open(&c);
    cleaning_set(&c, "clean.kind", "social"); /* a post keeps its lines */
    struct tm_doc *doc = clean_text(&c, "a.txt", wrapped);
    check_offsets(doc, wrapped, strlen(wrapped));
    assert_int_equal(doc->n_sentences, 2);
    assert_string_equal(doc->text, wrapped);
    tm_doc_destroy(doc);
    cleaning_close(&c);
    doc = clean_text(*state, "a.txt", poem);
    check_offsets(doc, poem, strlen(poem));
    assert_int_equal(doc->n_sentences, 3);
    tm_doc_destroy(doc);
}

/* Never across paragraphs, and never longer than the cap. */
static void test_bounds(void **state)
{
    static char text[20000];
    struct tm_doc *doc = clean_text(*state, "a.txt", "no full stop\n\nhere either");
    assert_int_equal(doc->n_sentences, 2);
    tm_doc_destroy(doc);
    for (int form = 0; form < 3; form++) { /* with clauses, with blanks, with neither */
        static const char *const units[] = {"word after word, ", "word after word ",
                                            "漢字漢字漢字"};
        size_t n = 0, unit = strlen(units[form]);
        while (n + unit < sizeof text - 1) {
            memcpy(text + n, units[form], unit);
            n += unit;
        }
        text[n] = '\0';
        doc = clean_text(*state, "a.txt", text);
        check_offsets(doc, text, n);
        assert_true(doc->n_sentences > 5);
        for (size_t i = 0; i < doc->n_sentences; i++) {
            const struct tm_span *s = &doc->sentences[i];
            assert_true(s->end - s->start <= 1600);
            if (form == 0)
                assert_int_equal(doc->text[s->end - 1], ',');
        }
        tm_doc_destroy(doc);
    }
}

/* The lists are searched by halves, so they must be in order: every word must be found. */
static void test_lists(void **state)
{
    (void)state;
    assert_int_equal(tm_abbreviation_find("Abb", 3), TM_ABBREVIATION_NEVER);
    assert_int_equal(tm_abbreviation_find("z.B", 3), TM_ABBREVIATION_NEVER);
    assert_int_equal(tm_abbreviation_find("pág", 4), TM_ABBREVIATION_NUMBER);
    assert_int_equal(tm_abbreviation_find("ziff", 4), TM_ABBREVIATION_NUMBER);
    assert_int_equal(tm_abbreviation_find("a.m", 3), TM_ABBREVIATION_MAYBE);
    assert_int_equal(tm_abbreviation_find("wed", 3), TM_ABBREVIATION_MAYBE);
    assert_int_equal(tm_abbreviation_find("house", 5), TM_ABBREVIATION_NONE);
    assert_true(tm_abbreviation_starter("A", 1) && tm_abbreviation_starter("your", 4));
    assert_true(tm_abbreviation_ordinal("März", 5) && tm_abbreviation_ordinal("Jänner", 7));
}

/* Lines of ASCII are split without ICU, and as ICU does. */
static void test_ascii(void **state)
{
    (void)state;
    static const char signs[] = "aabzABZ019 \t  ...!?,-:;\"'()[]{}@#$%&*+/<=>\\^_`|~";
    UErrorCode code = U_ZERO_ERROR;
    UBreakIterator *it = ubrk_open(UBRK_SENTENCE, "en", NULL, 0, &code);
    UText *text = NULL;
    uint32_t random = 1;
    for (int round = 0; round < 20000; round++) {
        char line[41] = "";
        size_t n = 1 + (size_t)round % 40;
        for (size_t i = 0; i < n; i++) {
            random = random * 1664525 + 1013904223;
            line[i] = signs[(random >> 16) % (sizeof signs - 1)];
        }
        text = utext_openUTF8(text, line, (int64_t)n, &code);
        ubrk_setUText(it, text, &code);
        assert_true(U_SUCCESS(code));
        size_t at = 0;
        for (int32_t wanted; (wanted = ubrk_next(it)) != UBRK_DONE;) {
            at = tm_sentences_next_ascii(line, n, at);
            if (at != (size_t)wanted)
                fail_msg("\"%s\": %zu instead of %d", line, at, (int)wanted);
        }
        assert_int_equal(at, n);
    }
    utext_close(text);
    ubrk_close(it);
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
        cmocka_unit_test(test_cases), cmocka_unit_test(test_lines), cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_lists), cmocka_unit_test(test_ascii),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
