/* Encodings: what wins over what, web labels, lossy decoding with a count. */
#include "helper.h"
#include "charset.h"

#include <string.h>

struct expect {
    const char *name, *bytes;
    size_t len;
    const char *label;
    const char *text, *encoding, *source;
    uint32_t replaced;
    bool unknown;
};

#define B(literal) literal, sizeof(literal) - 1

static const struct expect cases[] = {
    {"mark of UTF-8",
     B("\xef\xbb\xbf"
       "caf\xc3\xa9"),
     NULL, "café", "utf-8", "bom", 0, false},
    {"mark of UTF-16LE",
     B("\xff\xfe"
       "h\0i\0"),
     NULL, "hi", "utf-16le", "bom", 0, false},
    {"mark of UTF-16BE wins over the header",
     B("\xfe\xff"
       "\0h\0i"),
     "utf-8", "hi", "utf-16be", "bom", 0, false},
    {"UTF-16 without a mark", B("<\0h\0t\0m\0l\0>\0"), NULL, "<html>", "utf-16le", "detector", 0,
     false},
    {"UTF-16 from the header",
     B("\x3d\xd8\x00\xde"
       "a\0"),
     "UTF-16LE", "😀a", "utf-16le", "header", 0, false},
    {"valid UTF-8 wins over a legacy header", B("caf\xc3\xa9"), "iso-8859-1", "café", "utf-8",
     "utf8", 0, false},
    {"header", B("caf\xe9"), "ISO-8859-1", "café", "windows-1252", "header", 0, false},
    {"quotes of windows-1252 under iso-8859-1", B("<meta charset=iso-8859-1>\x93x\x94 \x80"), NULL,
     "<meta charset=iso-8859-1>“x” €", "windows-1252", "meta", 0, false},
    {"one GBK byte pair under gb2312", B("<meta charset='gb2312'>\xc4\xe3\x81\x40"), NULL,
     "<meta charset='gb2312'>你丂", "gbk", "meta", 0, false},
    {"http-equiv",
     B("<META http-equiv=Content-Type content=\"text/html; charset=windows-1251\">"
       "\xcf"),
     NULL, "<META http-equiv=Content-Type content=\"text/html; charset=windows-1251\">П",
     "windows-1251", "meta", 0, false},
    {"XML declaration", B("<?xml version='1.0' encoding='koi8-r'?><p>\xf0"), NULL,
     "<?xml version='1.0' encoding='koi8-r'?><p>П", "koi8-r", "declared", 0, false},
    {"the header wins over meta", B("<meta charset=windows-1251>\xe9"), "latin1",
     "<meta charset=windows-1251>é", "windows-1252", "header", 0, false},
    {"a meta in a comment is none", B("<!-- <meta charset=koi8-r> -->\xe9"), NULL,
     "<!-- <meta charset=koi8-r> -->é", "windows-1252", "default", 0, false},
    {"a meta that says UTF-16 means UTF-8", B("<meta charset=utf-16>caf\xc3\xa9"), NULL,
     "<meta charset=utf-16>café", "utf-8", "utf8", 0, false},
    {"nothing known", B("caf\xe9 \x80"), NULL, "café €", "windows-1252", "default", 0, false},
    {"UTF-32 without a mark", B("h\0\0\0e\0\0\0y\0\0\0"), NULL, "hey", "utf-32le", "detector", 0,
     false},
    {"mark of UTF-32BE", B("\0\0\xfe\xff\0\0\0h"), NULL, "h", "utf-32be", "bom", 0, false},
    {"escapes of ISO-2022-JP", B("\x1b$BF|K\\\x1b(B"), NULL, "日本", "iso-2022-jp", "detector", 0,
     false},
    {"Russian in KOI8-R", B("\xf0\xd2\xc9\xd7\xc5\xd4, \xcd\xc9\xd2!"), NULL, "Привет, мир!",
     "koi8-u", "detector", 0, false},
    {"Russian in windows-1251", B("\xcf\xf0\xe8\xe2\xe5\xf2, \xec\xe8\xf0!"), NULL, "Привет, мир!",
     "windows-1251", "detector", 0, false},
    {"Polish in windows-1250", B("Za\xbf\xf3\xb3\xe6 g\xea\x9cl\xb9 ja\x9f\xf1"), NULL,
     "Zażółć gęślą jaźń", "windows-1250", "detector", 0, false},
    {"plain ASCII", B("cafe"), NULL, "cafe", "utf-8", "default", 0, false},
    {"unknown label", B("caf\xe9"), "x-klingon", "café", "windows-1252", "default", 0, true},
    {"blanks around a label", B("\xd4"), "  KOI8-R \n", "т", "koi8-r", "header", 0, false},
    {"Shift_JIS", B("\x93\xfa\x96\x7b"), "shift_jis", "日本", "shift_jis", "header", 0, false},
    {"EUC-JP", B("\xc6\xfc\xcb\xdc"), "euc-jp", "日本", "euc-jp", "header", 0, false},
    {"ISO-2022-JP", B("\x1b$BF|K\\\x1b(B"), "iso-2022-jp", "日本", "iso-2022-jp", "header", 0,
     false},
    {"EUC-KR by its windows table", B("\xc7\xd1\x8c\x63"), "ks_c_5601-1987", "한똠", "euc-kr",
     "header", 0, false},
    {"Big5", B("\xa4\xa4"), "big5", "中", "big5", "header", 0, false},
    {"HZ", B("~{<:Ky2;S{~}"), "hz-gb-2312", "己所不欲", "hz-gb-2312", "header", 0, false},
    {"x-user-defined", B("a\x80"), "x-user-defined", "a\xef\x9e\x80", "x-user-defined", "header", 0,
     false},
    {"a broken byte in UTF-8", B("caf\xc3\xa9 \xff x"), "utf-8", "café \xef\xbf\xbd x", "utf-8",
     "header", 1, false},
    {"maximal subparts", B("\xf0\x9f\x98 \xe2\x82 \xc0\xaf \xed\xa0\x80"), "utf-8",
     "\xef\xbf\xbd \xef\xbf\xbd \xef\xbf\xbd\xef\xbf\xbd \xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd",
     "utf-8", "header", 7, false},
    {"cut short", B("x\xe2\x82"), "utf-8", "x\xef\xbf\xbd", "utf-8", "header", 1, false},
    {"half a character of UTF-16", B("h\0i\0\x3d"), "utf-16le", "hi\xef\xbf\xbd", "utf-16le",
     "header", 1, false},
};

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < TM_COUNTOF(cases); i++) {
        const struct expect *c = &cases[i];
        struct tm_buf out = {0};
        struct tm_decoded d;
        struct tm_err err = {0};
        print_message("%s\n", c->name);
        assert_int_equal(tm_charset_decode(c->bytes, c->len, c->label, true, &out, &d, &err),
                         TM_OK);
        assert_string_equal(d.encoding, c->encoding);
        assert_string_equal(d.source, c->source);
        assert_int_equal(d.len, strlen(c->text));
        assert_memory_equal(d.text, c->text, d.len);
        assert_int_equal(d.replaced, c->replaced);
        assert_int_equal(d.unknown_label, c->unknown);
        tm_buf_finish(&out);
    }
}

/* Every label of the standard leads to a row, and every row has a converter that decodes ASCII. */
static void test_table(void **state)
{
    (void)state;
    size_t labels = 0;
    for (const struct tm_charset *c = tm_charsets; c->name != NULL; c++) {
        for (const char *at = c->labels; *at != '\0'; labels++) {
            size_t n = strcspn(at, " ");
            assert_ptr_equal(tm_charset_find(at, n), c);
            at += n + (at[n] == ' ');
        }
        assert_ptr_equal(tm_charset_find(c->name, strlen(c->name)), c);
        struct tm_buf out = {0};
        struct tm_decoded d;
        if (strncmp(c->name, "utf-32", 6) == 0)
            continue; /* among the cases */
        const char *bytes = c->form == TM_CHARSET_OTHER && strncmp(c->name, "utf-16", 6) == 0
                                ? (c->name[6] == 'l' ? "a\0b\0" : "\0a\0b")
                                : "ab";
        size_t len = strncmp(c->name, "utf-16", 6) == 0 ? 4 : 2;
        assert_int_equal(tm_charset_decode(bytes, len, c->name, false, &out, &d, NULL), TM_OK);
        assert_int_equal(d.len, 2);
        assert_memory_equal(d.text, "ab", 2);
        assert_int_equal(d.replaced, 0);
        tm_buf_finish(&out);
    }
    /* All of the standard but "replacement" itself, and nine of what it does not know. */
    assert_int_equal(labels, 227 + 9);
}

/* A late meta is found; one behind 64 KiB is not. */
static void test_prescan_reach(void **state)
{
    (void)state;
    static char page[80000];
    static const char meta[] = "<meta charset=koi8-r>\xd4";
    for (size_t at = 2000; at < sizeof page; at = at == 2000 ? 60000 : at + 10000) {
        struct tm_buf out = {0};
        struct tm_decoded d;
        memset(page, ' ', sizeof page);
        memcpy(page + at, meta, TM_MIN(sizeof meta - 1, sizeof page - at));
        assert_int_equal(tm_charset_decode(page, sizeof page, NULL, true, &out, &d, NULL), TM_OK);
        assert_string_equal(d.encoding, at <= 60000 ? "koi8-r" : "windows-1252");
        tm_buf_finish(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_prescan_reach),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
