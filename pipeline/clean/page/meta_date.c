/* Dates as pages write them, as "2026-01-31" or, where the page says it so, with the time. Called
 * by meta.c. */
#include "meta.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { YEAR_FIRST = 1990, YEAR_LAST = 2100 };

/* Beginnings of the names of months, as many letters as tell them apart. */
static const struct {
    const char *name;
    unsigned month;
} months[] = {
    {"jan", 1},     {"jän", 1},     {"ene", 1},   {"gen", 1},     {"sty", 1},      {"led", 1},
    {"oca", 1},     {"янв", 1},     {"січ", 1},   {"ιαν", 1},     {"يناير", 1},    {"tammi", 1},
    {"feb", 2},     {"fév", 2},     {"fev", 2},   {"lut", 2},     {"úno", 2},      {"şub", 2},
    {"фев", 2},     {"лют", 2},     {"φεβ", 2},   {"فبراير", 2},  {"helmi", 2},    {"mar", 3},
    {"mär", 3},     {"maa", 3},     {"mrz", 3},   {"márc", 3},    {"bře", 3},      {"мар", 3},
    {"бер", 3},     {"μαρ", 3},     {"مارس", 3},  {"apr", 4},     {"avr", 4},      {"abr", 4},
    {"ápr", 4},     {"kwi", 4},     {"dub", 4},   {"nis", 4},     {"апр", 4},      {"кві", 4},
    {"απρ", 4},     {"أبريل", 4},   {"huhti", 4}, {"may", 5},     {"mai", 5},      {"mei", 5},
    {"mag", 5},     {"maj", 5},     {"máj", 5},   {"kvě", 5},     {"мая", 5},      {"май", 5},
    {"тра", 5},     {"μαΐ", 5},     {"μαϊ", 5},   {"مايو", 5},    {"touko", 5},    {"jun", 6},
    {"juin", 6},    {"giu", 6},     {"jún", 6},   {"cze", 6},     {"červn", 6},    {"haz", 6},
    {"июн", 6},     {"чер", 6},     {"ιουν", 6},  {"يونيو", 6},   {"kesä", 6},     {"jul", 7},
    {"juil", 7},    {"lug", 7},     {"júl", 7},   {"lip", 7},     {"července", 7}, {"červenec", 7},
    {"tem", 7},     {"июл", 7},     {"лип", 7},   {"ιουλ", 7},    {"يوليو", 7},    {"heinä", 7},
    {"aug", 8},     {"aoû", 8},     {"ago", 8},   {"agu", 8},     {"sie", 8},      {"srp", 8},
    {"ağu", 8},     {"авг", 8},     {"сер", 8},   {"αυγ", 8},     {"أغسطس", 8},    {"elo", 8},
    {"sep", 9},     {"set", 9},     {"szept", 9}, {"wrz", 9},     {"září", 9},     {"eyl", 9},
    {"сен", 9},     {"вер", 9},     {"σεπ", 9},   {"سبتمبر", 9},  {"syys", 9},     {"oct", 10},
    {"okt", 10},    {"out", 10},    {"ott", 10},  {"paź", 10},    {"říj", 10},     {"eki", 10},
    {"окт", 10},    {"жов", 10},    {"οκτ", 10},  {"أكتوبر", 10}, {"loka", 10},    {"nov", 11},
    {"lis", 11},    {"kas", 11},    {"ноя", 11},  {"лис", 11},    {"νοε", 11},     {"νοέ", 11},
    {"نوفمبر", 11}, {"marras", 11}, {"dec", 12},  {"dez", 12},    {"déc", 12},     {"dic", 12},
    {"gru", 12},    {"prosin", 12}, {"ara", 12},  {"дек", 12},    {"гру", 12},     {"δεκ", 12},
    {"ديسمبر", 12}, {"joulu", 12},
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static unsigned number(const char **s, size_t most)
{
    unsigned n = 0;
    for (size_t i = 0; i < most && is_digit(**s); i++, (*s)++)
        n = 10 * n + (unsigned)(**s - '0');
    return n;
}

static bool is_day(unsigned y, unsigned m, unsigned d)
{
    return y >= YEAR_FIRST && y <= YEAR_LAST && m >= 1 && m <= 12 && d >= 1 && d <= 31;
}

/* The month that a word names; 0: none. Takes the whole word, and a full stop after it. */
static unsigned month_word(const char **s)
{
    unsigned found = 0;
    size_t longest = 0;
    for (size_t i = 0; i < TM_COUNTOF(months); i++) {
        size_t n = strlen(months[i].name);
        if (n > longest && strncasecmp(*s, months[i].name, n) == 0) {
            found = months[i].month;
            longest = n;
        }
    }
    if (found == 0)
        return 0;
    while ((**s | 32) >= 'a' ? ((**s | 32) <= 'z' || (unsigned char)**s >= 0x80) : false)
        (*s)++;
    *s += **s == '.';
    return found;
}

static const char *skip(const char *s, const char *marks)
{
    return s + strspn(s, marks);
}

/* "31.01.2026", "31/1/2026", "2026/01/31", "20260131" at s, where a number begins. */
static bool numbers(const char *s, unsigned out[3])
{
    const char *at = s;
    unsigned a = number(&at, 4);
    size_t first = (size_t)(at - s);
    char mark = *at;
    if (first == 4 && is_digit(mark)) {
        unsigned m = number(&at, 2), d = number(&at, 2);
        out[0] = a, out[1] = m, out[2] = d;
        return !is_digit(*at) && at - s == 8 && is_day(a, m, d);
    }
    if ((first != 4 && first > 2) || strchr("./-", mark) == NULL || mark == '\0')
        return false;
    at = skip(at + 1, " ");
    unsigned b = number(&at, 2);
    if (b == 0 || *at != mark)
        return false;
    at = skip(at + 1, " ");
    unsigned c = number(&at, 4);
    if (is_digit(*at))
        return false;
    out[0] = first == 4 ? a : c, out[1] = b, out[2] = first == 4 ? c : a;
    if (out[1] > 12 && out[2] <= 12) { /* month first, as Americans write it */
        unsigned month = out[2];
        out[2] = out[1];
        out[1] = month;
    }
    return is_day(out[0], out[1], out[2]);
}

/* "2026年1月31日", "2026년 1월 31일". */
static bool counted(const char *s, unsigned out[3])
{
    static const char *const signs[3][2] = {{"年", "년"}, {"月", "월"}, {"日", "일"}};
    for (size_t i = 0; i < 3; i++) {
        out[i] = number(&s, i == 0 ? 4 : 2);
        s = skip(s, " ");
        bool is = strncmp(s, signs[i][0], 3) == 0 || strncmp(s, signs[i][1], 3) == 0;
        if (!is)
            return false;
        s = skip(s + 3, " ");
    }
    return is_day(out[0], out[1], out[2]);
}

/* "31. Januar 2026", "31 de enero de 2026", "31st January, 2026"; where it ends, NULL: no date. */
static const char *day_month_year(const char *s, unsigned out[3])
{
    out[2] = number(&s, 2);
    if (strncasecmp(s, "st", 2) == 0 || strncasecmp(s, "nd", 2) == 0 ||
        strncasecmp(s, "rd", 2) == 0 || strncasecmp(s, "th", 2) == 0)
        s += 2;
    s = skip(s, "., ");
    if (strncasecmp(s, "de ", 3) == 0)
        s += 3;
    out[1] = month_word(&s);
    s = skip(s, "., ");
    if (strncasecmp(s, "de ", 3) == 0)
        s += 3;
    out[0] = number(&s, 4);
    return !is_digit(*s) && is_day(out[0], out[1], out[2]) ? s : NULL;
}

/* "January 31, 2026". */
static bool month_day_year(const char *s, unsigned out[3])
{
    out[1] = month_word(&s);
    s = skip(s, " ");
    out[2] = out[1] == 0 ? 0 : number(&s, 2);
    if (strncasecmp(s, "st", 2) == 0 || strncasecmp(s, "nd", 2) == 0 ||
        strncasecmp(s, "rd", 2) == 0 || strncasecmp(s, "th", 2) == 0)
        s += 2;
    s = skip(s, "., ");
    out[0] = number(&s, 4);
    return !is_digit(*s) && is_day(out[0], out[1], out[2]);
}

/* "15:04:05 +0100" behind a date, as mails have it; as "T15:04:05+01:00" in out, empty: none. */
static void clock_time(const char *s, char out[24])
{
    unsigned h = 0, m = 0, sec = 0;
    int n = 0;
    out[0] = '\0';
    if (sscanf(s, " %2u:%2u%n", &h, &m, &n) < 2 || h > 23 || m > 59)
        return;
    s += n;
    if (*s == ':' && is_digit(s[1])) {
        s++;
        sec = number(&s, 2);
    }
    s = skip(s, " ");
    if ((*s == '+' || *s == '-') && strspn(s + 1, "0123456789") == 4)
        snprintf(out, 24, "T%02u:%02u:%02u%c%.2s:%.2s", h, m, TM_MIN(sec, 59u), *s, s + 1, s + 3);
    else if (strncmp(s, "GMT", 3) == 0 || strncmp(s, "UT", 2) == 0 || *s == 'Z')
        snprintf(out, 24, "T%02u:%02u:%02uZ", h, m, TM_MIN(sec, 59u));
}

const char *tm_meta_date(struct tm_arena *arena, const char *s)
{
    const char *at = s;
    unsigned y = number(&at, 4);
    if (at - s == 4 && at[0] == '-' && is_digit(at[1]) && is_digit(at[2]) && at[3] == '-' &&
        is_digit(at[4]) && is_digit(at[5]) && !is_digit(at[6])) {
        at++;
        unsigned m = number(&at, 2);
        at++;
        return is_day(y, m, number(&at, 2)) ? tm_arena_strdup(arena, s) : NULL;
    }
    for (const char *p = s; *p != '\0'; p++) {
        unsigned d[3];
        bool inside = p > s && (is_digit(p[-1]) || ((p[-1] | 32) >= 'a' && (p[-1] | 32) <= 'z'));
        if (inside)
            continue;
        const char *end =
            is_digit(*p) && !numbers(p, d) && !counted(p, d) ? day_month_year(p, d) : NULL;
        if (end != NULL) {
            char time[24];
            clock_time(end, time);
            return tm_arena_printf(arena, "%04u-%02u-%02u%s", d[0], d[1], d[2], time);
        }
        if (is_digit(*p) ? numbers(p, d) || counted(p, d) : month_day_year(p, d))
            return tm_arena_printf(arena, "%04u-%02u-%02u", d[0], d[1], d[2]);
    }
    return NULL;
}
