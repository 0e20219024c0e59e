/* Word lists for sentence boundaries, one for all languages: an abbreviation of one language is
 * rarely the last word of a sentence in another. Sorted by byte value, so that a look-up is a
 * binary search; a test checks the order. Used by sentences.c on any thread. */
#include "abbreviations.h"

#include "tm_base.h"

#include <string.h>

/* clang-format off */
static const char *const never[] = {
    "abb", "abs", "adm", "bd", "bijv", "bzw", "ca", "capt", "cf", "cmdr", "col", "cpl", "d.h",
    "dhr", "dipl", "dl", "dott", "dr", "dra", "drs", "e.g", "esim", "evtl", "exc", "f.eks", "f.x",
    "gen", "ggf", "gov", "hon", "hr", "hrsg", "i.e", "ing", "inkl", "insp", "lt", "maj", "messrs",
    "mevr", "mgr", "mjr", "mlle", "mm", "mme", "mr", "mrs", "ms", "mt", "mx", "např", "np", "o.a",
    "o.ä", "p.ej", "p.ex", "pres", "prof", "rep", "resp", "rev", "s.o", "s.u", "sen", "sgt",
    "sig", "sog", "sra", "srta", "supt", "t.ex", "tj", "tzn", "tzv", "u.a", "v.a", "vgl", "viz",
    "vs", "z.b", "z.t", "zob", "δρ", "κ", "κα", "καθ", "π.χ", "акад", "англ", "вул", "гр", "доц",
    "им", "кв", "лат", "напр", "нас", "пер", "пос", "просп", "проф", "св", "см", "т.е", "т.к",
    "тов", "ул",
};
static const char *const number[] = {
    "anm", "art", "arts", "blz", "ch", "chap", "eq", "fig", "figs", "kap", "n", "no", "nos", "nr",
    "nro", "núm", "op", "p", "pag", "para", "pp", "pág", "s", "sayı", "sec", "tab", "v", "ver",
    "vol", "vols", "ziff", "č", "čl", "σελ", "гл", "оп", "рис", "ст", "стр", "табл",
};
static const char *const maybe[] = {
    "a.m", "al", "apr", "assn", "atd", "aug", "ave", "b.a", "b.c", "blvd", "bros", "co", "corp",
    "d.c", "dec", "dept", "e.u", "ecc", "est", "etc", "feb", "fr", "fri", "ft", "inc", "itd",
    "itp", "jan", "jr", "jul", "jun", "llc", "ltd", "m.a", "m.d", "m.m", "mar", "mon", "nov",
    "oct", "okt", "osv", "p.m", "ph.d", "plc", "rd", "sat", "sep", "sept", "sr", "st", "stb",
    "stl", "str", "sun", "tel", "thu", "thurs", "tue", "tues", "u.k", "u.n", "u.s", "u.s.a",
    "univ", "usf", "usw", "vb", "wed", "κ.λπ", "др", "пр", "т.д", "т.п",
};
static const char *const starters[] = {
    "a", "aber", "after", "all", "als", "although", "an", "and", "another", "as", "at", "auch",
    "because", "before", "both", "but", "by", "ce", "cette", "dans", "das", "der", "die", "diese",
    "doch", "dr", "during", "each", "ein", "eine", "el", "elle", "en", "er", "es", "even", "every",
    "finally", "first", "for", "from", "he", "her", "his", "how", "however", "i", "if", "il",
    "ils", "im", "in", "it", "its", "la", "las", "le", "les", "los", "mais", "many", "meanwhile",
    "more", "most", "mr", "mrs", "ms", "my", "nach", "no", "not", "nous", "now", "of", "on",
    "once", "one", "or", "other", "our", "para", "pero", "por", "pour", "se", "she", "sie",
    "since", "so", "some", "such", "that", "the", "their", "then", "there", "these", "they",
    "this", "those", "though", "to", "un", "una", "und", "under", "une", "until", "vous", "we",
    "what", "when", "where", "which", "while", "who", "why", "wir", "with", "yet", "you", "your",
};
static const char *const ordinals[] = {
    "april", "auflage", "august", "bezirk", "dezember", "februar", "geburtstag", "jahr",
    "jahrestag", "jahrhundert", "jahrtausend", "januar", "jh", "juli", "juni", "jänner", "klasse",
    "liga", "mai", "minute", "märz", "november", "oktober", "platz", "runde", "september",
    "spieltag", "stock", "tag", "weltkrieg",
};
/* clang-format on */

static bool contains(const char *const *list, size_t n, const char *word)
{
    size_t lo = 0, hi = n;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        int order = strcmp(list[mid], word);
        if (order == 0)
            return true;
        if (order < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return false;
}

static bool lower(const char *word, size_t n, char out[16])
{
    if (n == 0 || n >= 16)
        return false;
    for (size_t i = 0; i < n; i++)
        out[i] = word[i] >= 'A' && word[i] <= 'Z' ? (char)(word[i] + 32) : word[i];
    for (size_t i = 0; i + 1 < n; i++) { /* Cyrillic capitals */
        unsigned char second = (unsigned char)out[i + 1];
        if ((unsigned char)out[i] != 0xd0 || second < 0x90 || second > 0xaf)
            continue;
        if (second >= 0xa0)
            out[i] = (char)0xd1;
        out[i + 1] = (char)(second < 0xa0 ? second + 0x20 : second - 0x20);
    }
    out[n] = '\0';
    return true;
}

enum tm_abbreviation tm_abbreviation_find(const char *word, size_t n)
{
    char low[16];
    if (!lower(word, n, low))
        return TM_ABBREVIATION_NONE;
    if (contains(never, TM_COUNTOF(never), low))
        return TM_ABBREVIATION_NEVER;
    if (contains(number, TM_COUNTOF(number), low))
        return TM_ABBREVIATION_NUMBER;
    return contains(maybe, TM_COUNTOF(maybe), low) ? TM_ABBREVIATION_MAYBE : TM_ABBREVIATION_NONE;
}

bool tm_abbreviation_starter(const char *word, size_t n)
{
    char low[16];
    return lower(word, n, low) && contains(starters, TM_COUNTOF(starters), low);
}

bool tm_abbreviation_ordinal(const char *word, size_t n)
{
    char low[16];
    return lower(word, n, low) && contains(ordinals, TM_COUNTOF(ordinals), low);
}
