/* Tells languages apart by script and by n-grams of letters (lang.h, ngrams.c). Called by clean.c,
 * any thread. */
#include "ngrams.h"

#include <math.h>
#include <string.h>
#include <unicode/uchar.h>

enum {
    SAMPLE = 8192,              /* bytes that are looked at */
    SLICE = 64,                 /* of them at a time, from all over the sample */
    SLICES_FEWEST = 4,          /* the quarters of a text */
    SCALE = 16,                 /* of the rows: per unit of the natural logarithm */
    OVERLAP = 4,                /* about how many n-grams say the same thing */
    SURE = 8 * SCALE * OVERLAP, /* a lead with which no more of the text is looked at */
    HOPELESS = 5 * SURE,
};
static const double least_score = 0.3;

/* Scripts in the order of the table's groups, then those of one language. */
enum script { LATIN, CYRILLIC, ARABIC, DEVANAGARI, GROUPS, HAN = GROUPS, KANA, HANGUL, SINGLE };
_Static_assert((int)GROUPS == (int)NGRAMS_GROUPS, "a group a script");

static const struct range {
    uint32_t first, last;
    uint8_t script;
    const char *lang; /* of a script that one language has to itself, as good as */
} ranges[] = {
    {'A', 'Z', LATIN, NULL},          {'a', 'z', LATIN, NULL},
    {0xaa, 0xaa, LATIN, NULL},        {0xba, 0xba, LATIN, NULL},
    {0xc0, 0xd6, LATIN, NULL},        {0xd8, 0xf6, LATIN, NULL},
    {0xf8, 0x24f, LATIN, NULL},       {0x250, 0x2af, LATIN, NULL},
    {0x370, 0x3ff, SINGLE, "el"},     {0x400, 0x52f, CYRILLIC, NULL},
    {0x530, 0x58f, SINGLE, "hy"},     {0x590, 0x5ff, SINGLE, "he"},
    {0x620, 0x64a, ARABIC, NULL},     {0x66e, 0x6d3, ARABIC, NULL},
    {0x6d5, 0x6ff, ARABIC, NULL},     {0x750, 0x77f, ARABIC, NULL},
    {0x780, 0x7bf, SINGLE, "dv"},     {0x900, 0x963, DEVANAGARI, NULL},
    {0x970, 0x97f, DEVANAGARI, NULL}, {0x980, 0x9e3, SINGLE, "bn"},
    {0xa00, 0xa7f, SINGLE, "pa"},     {0xa80, 0xaff, SINGLE, "gu"},
    {0xb00, 0xb7f, SINGLE, "or"},     {0xb80, 0xbff, SINGLE, "ta"},
    {0xc00, 0xc7f, SINGLE, "te"},     {0xc80, 0xcff, SINGLE, "kn"},
    {0xd00, 0xd7f, SINGLE, "ml"},     {0xd80, 0xdff, SINGLE, "si"},
    {0xe00, 0xe7f, SINGLE, "th"},     {0xe80, 0xeff, SINGLE, "lo"},
    {0xf00, 0xfff, SINGLE, "bo"},     {0x1000, 0x109f, SINGLE, "my"},
    {0x10a0, 0x10ff, SINGLE, "ka"},   {0x1100, 0x11ff, HANGUL, NULL},
    {0x1200, 0x139f, SINGLE, "am"},   {0x1780, 0x17ff, SINGLE, "km"},
    {0x1e00, 0x1eff, LATIN, NULL},    {0x1f00, 0x1fff, SINGLE, "el"},
    {0x3041, 0x30ff, KANA, NULL},     {0x3400, 0x4dbf, HAN, NULL},
    {0x4e00, 0x9fff, HAN, NULL},      {0xac00, 0xd7a3, HANGUL, NULL},
    {0xf900, 0xfaff, HAN, NULL},      {0xfb50, 0xfdcf, ARABIC, NULL},
    {0xfe70, 0xfefc, ARABIC, NULL},   {0xff66, 0xff9d, KANA, NULL},
    {0x20000, 0x2fa1f, HAN, NULL},
};

/* ---- counting ----------------------------------------------------------------------------------
 */

struct counter {
    struct tm_lang_words *words; /* or NULL */
    struct ngrams groups[GROUPS];
    uint32_t sums[GROUPS][NGRAMS_WIDTH]; /* how unlikely, by language */
    uint32_t hits[GROUPS];               /* n-grams that the table has */
    uint32_t letters[SINGLE];
    uint32_t single_letters[TM_COUNTOF(ranges)];
};

static const struct range *find_range(uint32_t cp)
{
    if (cp < 0x80)
        return (cp | 32) - 'a' < 26 ? &ranges[cp >= 'a'] : NULL;
    size_t lo = 0, hi = TM_COUNTOF(ranges);
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (ranges[mid].last < cp)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < TM_COUNTOF(ranges) && cp >= ranges[lo].first ? &ranges[lo] : NULL;
}

static void count_word(struct counter *c, const uint32_t *word, size_t n, unsigned script)
{
    const struct ngrams *g = &c->groups[script];
    struct ngrams_word room;
    const struct ngrams_word *w = tm_ngrams_count(g, c->words, word, n, &room);
    for (uint32_t i = 0; i < g->width; i++)
        c->sums[script][i] += w->sums[i];
    c->hits[script] += w->hits;
}

static void count(struct counter *c, const char *s, size_t len)
{
    uint32_t word[NGRAMS_WORD];
    size_t n = 0;
    unsigned script = GROUPS;
    for (size_t i = 0; i < len;) {
        uint32_t cp = (unsigned char)s[i];
        size_t step = cp < 0x80 ? 1 : tm_utf8_decode(s + i, len - i, &cp);
        if (step == 0)
            break;
        i += step;
        const struct range *r = find_range(cp);
        unsigned now = r == NULL ? GROUPS : r->script;
        if (n > 0 && (now != script || n == NGRAMS_WORD)) {
            count_word(c, word, n, script);
            n = 0;
        }
        if (r == NULL)
            continue;
        script = now;
        if (now < SINGLE)
            c->letters[now]++;
        else
            c->single_letters[r - ranges]++;
        if (now < GROUPS)
            word[n++] = cp < 0x80 ? cp | 32 : (uint32_t)u_tolower((UChar32)cp);
    }
    if (n > 0)
        count_word(c, word, n, script);
}

/* ---- deciding ----------------------------------------------------------------------------------
 */

static size_t certain(struct tm_lang_guess *out, const char *code)
{
    out[0] = (struct tm_lang_guess){code, 1};
    return 1;
}

/* The languages of one script, likeliest first. */
static size_t rank(const struct counter *c, unsigned script,
                   struct tm_lang_guess out[TM_LANG_GUESSES])
{
    const struct ngrams *g = &c->groups[script];
    const uint32_t *sums = c->sums[script];
    uint32_t least = UINT32_MAX;
    double all = 0;
    size_t n = 0;
    for (uint32_t i = 0; i < g->langs; i++)
        least = TM_MIN(least, sums[i]);
    for (uint32_t i = 0; i < g->langs; i++) {
        if (sums[i] - least > HOPELESS)
            continue;
        double p = exp(-(double)(sums[i] - least) / (SCALE * OVERLAP));
        all += p;
        size_t at = n;
        while (at > 0 && out[at - 1].score < p)
            at--;
        if (at == TM_LANG_GUESSES)
            continue;
        n = TM_MIN(n + 1, (size_t)TM_LANG_GUESSES);
        for (size_t k = n - 1; k > at; k--)
            out[k] = out[k - 1];
        out[at] = (struct tm_lang_guess){g->codes[i], p};
    }
    for (size_t i = 0; i < n; i++)
        out[i].score /= all;
    return c->hits[script] == 0 || out[0].score < least_score ? 0 : n;
}

/* The script with most letters; GROUPS: none of those with several languages. */
static unsigned main_script(const struct counter *c)
{
    unsigned best = GROUPS;
    for (unsigned i = 0; i < GROUPS; i++)
        if (c->letters[i] > (best == GROUPS ? 0 : c->letters[best]))
            best = i;
    return best;
}

static bool is_sure(const struct counter *c)
{
    unsigned script = main_script(c);
    if (script == GROUPS)
        return false;
    uint32_t least = UINT32_MAX, second = UINT32_MAX;
    for (uint32_t i = 0; i < c->groups[script].langs; i++) {
        uint32_t sum = c->sums[script][i];
        second = TM_MIN(second, TM_MAX(sum, least));
        least = TM_MIN(least, sum);
    }
    return second != UINT32_MAX && second - least > SURE;
}

/* Where a slice begins: behind the blank after `at`, if there is one soon, so that no word is cut;
 * else at a character. */
static size_t slice_at(const char *text, size_t len, size_t at)
{
    if (at == 0 || at >= len)
        return TM_MIN(at, len);
    const char *blank = memchr(text + at, ' ', TM_MIN(len - at, (size_t)SLICE / 4));
    if (blank != NULL)
        return (size_t)(blank - text) + 1;
    while (at < len && ((unsigned char)text[at] & 0xc0) == 0x80)
        at++;
    return at;
}

/* Slices in an order that goes over all of the text again and again, finer each time, so that it
 * may end as soon as the answer is sure: the bits of a slice's number are turned round. */
static void count_slices(struct counter *c, const char *text, size_t len)
{
    size_t bits = 0, seen = 0;
    while (((size_t)SLICE << bits) < len)
        bits++;
    for (size_t i = 0; i < (size_t)1 << bits; i++) {
        size_t at = 0;
        for (size_t k = 0; k < bits; k++)
            at |= (i >> k & 1) << (bits - 1 - k);
        at *= SLICE;
        if (at >= len)
            continue;
        size_t from = slice_at(text, len, at), to = slice_at(text, len, at + SLICE);
        count(c, text + from, to - from);
        if (++seen >= SLICES_FEWEST && is_sure(c))
            return;
    }
}

size_t tm_lang_detect(struct tm_lang_words *words, const char *text, size_t len,
                      struct tm_lang_guess out[TM_LANG_GUESSES])
{
    struct counter c = {.words = words};
    for (size_t i = 0; i < GROUPS; i++)
        c.groups[i] = tm_ngrams_find(i);
    count_slices(&c, text, TM_MIN(len, (size_t)SAMPLE));
    /* A letter of these says as much as several of an alphabet. */
    uint32_t east = 3 * (c.letters[HAN] + c.letters[KANA] + c.letters[HANGUL]);
    unsigned best = main_script(&c);
    uint32_t most = best == GROUPS ? 0 : c.letters[best];
    const char *single = NULL;
    for (size_t i = 0; i < TM_COUNTOF(ranges); i++) {
        if (c.single_letters[i] > most) {
            most = c.single_letters[i];
            single = ranges[i].lang;
        }
    }
    if (east > most) {
        if (c.letters[HANGUL] > c.letters[HAN] + c.letters[KANA])
            return certain(out, "ko");
        return certain(out, 20 * c.letters[KANA] > c.letters[HAN] + c.letters[KANA] ? "ja" : "zh");
    }
    if (single != NULL)
        return certain(out, single);
    return most == 0 ? 0 : rank(&c, best, out);
}

/* ---- fitness -----------------------------------------------------------------------------------
 */

/* Letters that are most of any text in a script of one language. */
static const struct {
    const char *lang, *letters;
} frequent[] = {
    {"el", "αοιετσνηυρπκμλςάίόέ"},
    {"he", "יוהלארתבמשנםדקפחןכ"},
    {"th", "านรกอเง่มยลวดท้สต"},
};

struct fit {
    double good;
    size_t all;
};

static void fit_word(const struct ngrams *g, size_t lang, const uint32_t *word, size_t n,
                     struct fit *f)
{
    for (size_t from = 0; from < n; from++) {
        uint32_t h = 0;
        bool foreign = false;
        for (size_t i = from; i < n && i < from + 4; i++) {
            h = tm_ngrams_print(h, word[i]);
            foreign |= word[i] >= 0x80;
            if (i == from || !foreign)
                continue;
            const uint8_t *row = tm_ngrams_row(g, h);
            f->good += row == NULL ? 0 : 1 - (double)row[lang] / NGRAMS_UNKNOWN;
            f->all++;
        }
    }
}

static void fit_single(const char *lang, const char *s, size_t n, struct fit *f)
{
    for (size_t i = 0; i < TM_COUNTOF(frequent); i++) {
        if (strcmp(frequent[i].lang, lang) != 0)
            continue;
        bool found = memmem(frequent[i].letters, strlen(frequent[i].letters), s, n) != NULL;
        f->good += found ? 1 : -1.5; /* so that a usual text is about where others are */
    }
    f->all++;
}

/* A sign that has no place where it stands: controls anywhere, others between two letters. */
static size_t oddness(uint32_t cp, bool after_letter, bool before_letter)
{
    int8_t type = u_charType((UChar32)cp);
    if (type == U_CONTROL_CHAR || type == U_UNASSIGNED || type == U_PRIVATE_USE_CHAR)
        return 4;
    if (cp >= 0x2500 && cp < 0x2600)
        return 4; /* boxes */
    if (cp == 0x2019 || cp == 0xad || cp == 0xa0 || cp == 0xb7 || type == U_NON_SPACING_MARK)
        return 0;
    bool quote = type == U_INITIAL_PUNCTUATION || type == U_FINAL_PUNCTUATION ||
                 type == U_DASH_PUNCTUATION || type == U_START_PUNCTUATION ||
                 type == U_OTHER_PUNCTUATION;
    if (after_letter && before_letter)
        return 3;
    return !quote && (after_letter || before_letter) ? 2 : 0;
}

static bool is_letter_at(const char *s, size_t len)
{
    uint32_t cp;
    return len > 0 && tm_utf8_decode(s, len, &cp) > 0 && find_range(cp) != NULL;
}

/* The language of the script that has most letters beyond ASCII. */
static unsigned fit_language(const struct counter *c, size_t *ret_lang)
{
    unsigned script = LATIN;
    for (unsigned i = 1; i < GROUPS; i++)
        if (c->letters[i] > c->letters[LATIN] / 4 &&
            (script == LATIN || c->letters[i] > c->letters[script]))
            script = i;
    *ret_lang = 0;
    for (uint32_t i = 1; i < c->groups[script].langs; i++)
        if (c->sums[script][i] < c->sums[script][*ret_lang])
            *ret_lang = i;
    return script;
}

double tm_lang_fitness(const char *s, size_t len)
{
    struct counter c = {0};
    struct fit f = {0};
    uint32_t word[NGRAMS_WORD];
    size_t n = 0, lang;
    bool lower = false, foreign = false;
    for (size_t i = 0; i < GROUPS; i++)
        c.groups[i] = tm_ngrams_find(i);
    len = TM_MIN(len, (size_t)SAMPLE);
    count(&c, s, len);
    unsigned script = fit_language(&c, &lang), last = GROUPS;
    for (size_t i = 0; i < len;) {
        uint32_t cp;
        size_t step = tm_utf8_decode(s + i, len - i, &cp);
        if (step == 0)
            break;
        const struct range *r = find_range(cp);
        unsigned now = r == NULL ? GROUPS : r->script;
        if (cp >= 0x80 && r == NULL)
            f.all += oddness(cp, last != GROUPS, is_letter_at(s + i + step, len - i - step));
        if (r != NULL && last != GROUPS && now != last)
            f.all += 3; /* two scripts in one word */
        if (r != NULL && now == SINGLE)
            fit_single(r->lang, s + i, step, &f);
        else if (r != NULL && now != script && cp >= 0x80)
            f.all += 2;
        if (now != script || n == NGRAMS_WORD) {
            fit_word(&c.groups[script], lang, word, n, &f);
            n = 0;
        }
        bool upper = r != NULL && u_isupper((UChar32)cp);
        f.all += upper && lower && (cp >= 0x80 || foreign); /* "wOrd" */
        lower = r != NULL && u_islower((UChar32)cp);
        foreign = cp >= 0x80;
        if (now == script)
            word[n++] = (uint32_t)u_tolower((UChar32)cp);
        last = now;
        i += step;
    }
    fit_word(&c.groups[script], lang, word, n, &f);
    return f.all == 0 ? 0 : f.good / (double)f.all;
}
