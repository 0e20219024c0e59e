/* Word lists for sentence boundaries, one for all languages: an abbreviation of one language is
 * rarely the last word of a sentence in another. Sorted by byte value, so that a look-up is a
 * binary search; a test checks the order. Used by sentences.c on any thread. */
#include "abbreviations.h"

#include "tm_base.h"

#include <string.h>

/* clang-format off */
static const char *const never[] = {
    "abb", "abs", "adm", "bd", "bzw", "ca", "capt", "cf", "cmdr", "col", "cpl", "d.h", "dipl",
    "dott", "dr", "dra", "e.g", "evtl", "exc", "gen", "ggf", "gov", "hon", "hr", "hrsg", "i.e",
    "ing", "inkl", "insp", "lt", "maj", "messrs", "mlle", "mm", "mme", "mr", "mrs", "ms", "mt",
    "mx", "o.ä", "p.ej", "pres", "prof", "rep", "rev", "s.o", "s.u", "sen", "sgt", "sig", "sog",
    "sra", "srta", "supt", "u.a", "v.a", "vgl", "viz", "vs", "z.b", "z.t",
};
static const char *const number[] = {
    "anm", "art", "arts", "ch", "chap", "eq", "fig", "figs", "kap", "n", "no", "nos", "nr", "núm",
    "op", "p", "pag", "para", "pp", "pág", "s", "sec", "tab", "v", "ver", "vol", "vols", "ziff",
};
static const char *const maybe[] = {
    "a.m", "al", "apr", "assn", "aug", "ave", "b.a", "b.c", "blvd", "bros", "co", "corp", "d.c",
    "dec", "dept", "e.u", "ecc", "est", "etc", "feb", "fr", "fri", "ft", "inc", "jan", "jr", "jul",
    "jun", "llc", "ltd", "m.a", "m.d", "mar", "mon", "nov", "oct", "okt", "p.m", "ph.d", "plc",
    "rd", "sat", "sep", "sept", "sr", "st", "str", "sun", "tel", "thu", "thurs", "tue", "tues",
    "u.k", "u.n", "u.s", "u.s.a", "univ", "usf", "usw", "wed",
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
