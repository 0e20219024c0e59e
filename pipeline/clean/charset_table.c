/* The encodings of the WHATWG Encoding Standard with every label, and ICU's converter for each;
 * beside them a few that the web does not know but archives have (ibm855, euc-tw, utf-32).
 * Pages mean the standard's tables whatever their label says: iso-8859-1 is windows-1252, gb2312 is
 * gb18030, euc-kr is windows-949. Browsers refuse the labels of "replacement" because their escapes
 * can hide markup; here the outcome is plain text, so they are decoded as what they are.
 * Read by charset.c on any thread. */
#include "charset.h"

#include <string.h>

const struct tm_charset tm_charsets[] = {
    {"utf-8", NULL, TM_CHARSET_UTF8,
     "unicode-1-1-utf-8 unicode11utf8 unicode20utf8 utf-8 utf8 x-unicode20utf8"},
    {"ibm866", "ibm-866", TM_CHARSET_ASCII_SUPERSET, "866 cp866 csibm866 ibm866"},
    {"ibm855", "ibm-855", TM_CHARSET_ASCII_SUPERSET, "855 cp855 csibm855 ibm855"},
    {"iso-8859-2", "iso-8859-2", TM_CHARSET_ASCII_SUPERSET,
     "csisolatin2 iso-8859-2 iso-ir-101 iso8859-2 iso88592 iso_8859-2 iso_8859-2:1987 l2 latin2"},
    {"iso-8859-3", "iso-8859-3", TM_CHARSET_ASCII_SUPERSET,
     "csisolatin3 iso-8859-3 iso-ir-109 iso8859-3 iso88593 iso_8859-3 iso_8859-3:1988 l3 latin3"},
    {"iso-8859-4", "iso-8859-4", TM_CHARSET_ASCII_SUPERSET,
     "csisolatin4 iso-8859-4 iso-ir-110 iso8859-4 iso88594 iso_8859-4 iso_8859-4:1988 l4 latin4"},
    {"iso-8859-5", "iso-8859-5", TM_CHARSET_ASCII_SUPERSET,
     "csisolatincyrillic cyrillic iso-8859-5 iso-ir-144 iso8859-5 iso88595 iso_8859-5 "
     "iso_8859-5:1988"},
    {"iso-8859-6", "iso-8859-6", TM_CHARSET_ASCII_SUPERSET,
     "arabic asmo-708 csiso88596e csiso88596i csisolatinarabic ecma-114 iso-8859-6 iso-8859-6-e "
     "iso-8859-6-i iso-ir-127 iso8859-6 iso88596 iso_8859-6 iso_8859-6:1987"},
    {"iso-8859-7", "iso-8859-7", TM_CHARSET_ASCII_SUPERSET,
     "csisolatingreek ecma-118 elot_928 greek greek8 iso-8859-7 iso-ir-126 iso8859-7 iso88597 "
     "iso_8859-7 iso_8859-7:1987 sun_eu_greek"},
    {"iso-8859-8", "iso-8859-8", TM_CHARSET_ASCII_SUPERSET,
     "csiso88598e csisolatinhebrew hebrew iso-8859-8 iso-8859-8-e iso-ir-138 iso8859-8 iso88598 "
     "iso_8859-8 iso_8859-8:1988 visual csiso88598i iso-8859-8-i logical"},
    {"iso-8859-10", "iso-8859-10", TM_CHARSET_ASCII_SUPERSET,
     "csisolatin6 iso-8859-10 iso-ir-157 iso8859-10 iso885910 l6 latin6"},
    {"iso-8859-13", "iso-8859-13", TM_CHARSET_ASCII_SUPERSET, "iso-8859-13 iso8859-13 iso885913"},
    {"iso-8859-14", "iso-8859-14", TM_CHARSET_ASCII_SUPERSET, "iso-8859-14 iso8859-14 iso885914"},
    {"iso-8859-15", "iso-8859-15", TM_CHARSET_ASCII_SUPERSET,
     "csisolatin9 iso-8859-15 iso8859-15 iso885915 iso_8859-15 l9"},
    {"iso-8859-16", "iso-8859-16", TM_CHARSET_ASCII_SUPERSET, "iso-8859-16"},
    {"koi8-r", "koi8-r", TM_CHARSET_ASCII_SUPERSET, "cskoi8r koi koi8 koi8-r koi8_r"},
    {"koi8-u", "koi8-u", TM_CHARSET_ASCII_SUPERSET, "koi8-ru koi8-u"},
    {"macintosh", "macintosh", TM_CHARSET_ASCII_SUPERSET, "csmacintosh mac macintosh x-mac-roman"},
    {"windows-874", "windows-874", TM_CHARSET_ASCII_SUPERSET,
     "dos-874 iso-8859-11 iso8859-11 iso885911 tis-620 windows-874"},
    {"windows-1250", "windows-1250", TM_CHARSET_ASCII_SUPERSET, "cp1250 windows-1250 x-cp1250"},
    {"windows-1251", "windows-1251", TM_CHARSET_ASCII_SUPERSET, "cp1251 windows-1251 x-cp1251"},
    {"windows-1252", "windows-1252", TM_CHARSET_ASCII_SUPERSET,
     "ansi_x3.4-1968 ascii cp1252 cp819 csisolatin1 ibm819 iso-8859-1 iso-ir-100 iso8859-1 "
     "iso88591 iso_8859-1 iso_8859-1:1987 l1 latin1 us-ascii windows-1252 x-cp1252"},
    {"windows-1253", "windows-1253", TM_CHARSET_ASCII_SUPERSET, "cp1253 windows-1253 x-cp1253"},
    {"windows-1254", "windows-1254", TM_CHARSET_ASCII_SUPERSET,
     "cp1254 csisolatin5 iso-8859-9 iso-ir-148 iso8859-9 iso88599 iso_8859-9 iso_8859-9:1989 l5 "
     "latin5 windows-1254 x-cp1254"},
    {"windows-1255", "windows-1255", TM_CHARSET_ASCII_SUPERSET, "cp1255 windows-1255 x-cp1255"},
    {"windows-1256", "windows-1256", TM_CHARSET_ASCII_SUPERSET, "cp1256 windows-1256 x-cp1256"},
    {"windows-1257", "windows-1257", TM_CHARSET_ASCII_SUPERSET, "cp1257 windows-1257 x-cp1257"},
    {"windows-1258", "windows-1258", TM_CHARSET_ASCII_SUPERSET, "cp1258 windows-1258 x-cp1258"},
    {"x-mac-cyrillic", "x-mac-cyrillic", TM_CHARSET_ASCII_SUPERSET,
     "x-mac-cyrillic x-mac-ukrainian"},
    {"gbk", "gb18030", TM_CHARSET_ASCII_SUPERSET,
     "chinese csgb2312 csiso58gb231280 gb2312 gb_2312 gb_2312-80 gbk iso-ir-58 x-gbk"},
    {"gb18030", "gb18030", TM_CHARSET_ASCII_SUPERSET, "gb18030"},
    {"big5", "Big5-HKSCS", TM_CHARSET_ASCII_SUPERSET, "big5 big5-hkscs cn-big5 csbig5 x-x-big5"},
    {"euc-jp", "EUC-JP", TM_CHARSET_ASCII_SUPERSET, "cseucpkdfmtjapanese euc-jp x-euc-jp"},
    {"iso-2022-jp", "ISO-2022-JP", TM_CHARSET_OTHER, "csiso2022jp iso-2022-jp"},
    {"shift_jis", "ibm-943_P15A-2003", TM_CHARSET_ASCII_SUPERSET,
     "csshiftjis ms932 ms_kanji shift-jis shift_jis sjis windows-31j x-sjis"},
    {"euc-kr", "windows-949", TM_CHARSET_ASCII_SUPERSET,
     "cseuckr csksc56011987 euc-kr iso-ir-149 korean ks_c_5601-1987 ks_c_5601-1989 ksc5601 "
     "ksc_5601 windows-949"},
    {"hz-gb-2312", "HZ-GB-2312", TM_CHARSET_OTHER, "hz-gb-2312"},
    {"iso-2022-cn", "ISO-2022-CN-EXT", TM_CHARSET_OTHER, "iso-2022-cn iso-2022-cn-ext"},
    {"iso-2022-kr", "ISO-2022-KR", TM_CHARSET_OTHER, "csiso2022kr iso-2022-kr"},
    {"euc-tw", "EUC-TW", TM_CHARSET_ASCII_SUPERSET, "euc-tw x-euc-tw"},
    {"utf-32be", "UTF-32BE", TM_CHARSET_OTHER, "utf-32be"},
    {"utf-32le", "UTF-32LE", TM_CHARSET_OTHER, "utf-32 utf-32le"},
    {"utf-16be", "UTF-16BE", TM_CHARSET_OTHER, "unicodefffe utf-16be"},
    {"utf-16le", "UTF-16LE", TM_CHARSET_OTHER,
     "csunicode iso-10646-ucs-2 ucs-2 unicode unicodefeff utf-16 utf-16le"},
    {"x-user-defined", NULL, TM_CHARSET_USER_DEFINED, "x-user-defined"},
    {NULL, NULL, TM_CHARSET_OTHER, NULL},
};

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

const struct tm_charset *tm_charset_find(const char *label, size_t len)
{
    char low[32];
    while (len > 0 && is_blank(label[0]))
        label++, len--;
    while (len > 0 && is_blank(label[len - 1]))
        len--;
    if (len == 0 || len >= sizeof low)
        return NULL;
    for (size_t i = 0; i < len; i++) {
        if (is_blank(label[i]))
            return NULL;
        low[i] = label[i] >= 'A' && label[i] <= 'Z' ? (char)(label[i] + 32) : label[i];
    }
    for (const struct tm_charset *c = tm_charsets; c->name != NULL; c++) {
        for (const char *at = c->labels; *at != '\0';) {
            size_t n = strcspn(at, " ");
            if (n == len && memcmp(at, low, n) == 0)
                return c;
            at += n;
            at += *at == ' ';
        }
    }
    return NULL;
}
