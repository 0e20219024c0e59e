/* Checks of generated text that need no model (tasks.h): numbers and names, lengths, repetition.
 * Pure functions. */
#include "tasks.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

const char *const flag_names[N_FLAGS] = {"length_ratio",    "repeated",  "untranslated",
                                         "missing_numbers", "truncated", "same_language"};

static bool is_word_byte(char c)
{
    return (unsigned char)c >= 0x80 || isalnum((unsigned char)c) || c == '\'' || c == '-';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* ---- numbers and names ---- */

/* A capital letter at s: ASCII, Latin-1 or Latin Extended-A, Greek, Cyrillic. */
static bool is_capital(const char *s, size_t n)
{
    uint32_t cp;
    if (n == 0 || tm_utf8_decode(s, n, &cp) == 0)
        return false;
    return (cp >= 'A' && cp <= 'Z') || (cp >= 0xc0 && cp <= 0xde && cp != 0xd7) ||
           (cp >= 0x100 && cp < 0x180 && cp % 2 == 0) || (cp >= 0x391 && cp <= 0x3a9) ||
           (cp >= 0x400 && cp <= 0x42f);
}

/* Digits with single separators between them: 1,234.5, 12:30. */
static size_t number_at(const char *s, size_t n)
{
    size_t i = 0;
    while (i < n && (is_digit(s[i]) ||
                     (i > 0 && strchr(".,:", s[i]) != NULL && i + 1 < n && is_digit(s[i + 1]))))
        i++;
    return i;
}

size_t facts_find(const char *text, size_t n, bool names, struct fact *list, size_t room)
{
    size_t found = 0;
    bool first = true; /* of a sentence: its capital says nothing */
    for (size_t i = 0; i < n;) {
        size_t len = number_at(text + i, n - i);
        bool number = len > 0, name = false;
        if (!number && is_word_byte(text[i])) {
            while (i + len < n && is_word_byte(text[i + len]))
                len++;
            name = names && !first && len > 1 && is_capital(text + i, n - i);
        }
        if (len == 0) {
            first |= strchr(".!?\n\"", text[i]) != NULL;
            i++;
            continue;
        }
        if ((number || name) && found < room)
            list[found] = (struct fact){text + i, len, number};
        found += number || name;
        first = false;
        i += len;
    }
    return TM_MIN(found, room);
}

/* The digits of a number, without what groups them. */
static size_t digits_of(const char *s, size_t n, char out[32])
{
    size_t len = 0;
    for (size_t i = 0; i < n && len < 31; i++)
        if (is_digit(s[i]))
            out[len++] = s[i];
    out[len] = '\0';
    return len;
}

bool facts_has(const char *text, size_t n, const struct fact *f)
{
    char wanted[32], seen[32];
    if (f->number)
        digits_of(f->s, f->n, wanted);
    for (size_t i = 0; i < n;) {
        size_t len = number_at(text + i, n - i);
        if (len > 0) {
            digits_of(text + i, len, seen);
            if (f->number && strcmp(wanted, seen) == 0)
                return true;
            i += len;
            continue;
        }
        while (i + len < n && is_word_byte(text[i + len]))
            len++;
        /* "Berliner" has "Berlin": endings differ between a text and what is said about it. */
        if (!f->number && len >= f->n && strncasecmp(text + i, f->s, f->n) == 0)
            return true;
        i += TM_MAX(len, 1);
    }
    return false;
}

/* ---- translations ---- */

enum { MIN_CHARS = 20, MAX_NUMBERS = 64, MAX_PERIOD = 12 };
static const double LEAST_RATIO = 0.4, MOST_RATIO = 2.5;

/* Letters of CJK carry as much as a short word does. */
static double weight(const char *s, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n;) {
        uint32_t cp;
        size_t len = tm_utf8_decode(s + i, n - i, &cp);
        sum += cp >= 0x2e80 && cp < 0xe0000 ? 2.5 : 1;
        i += TM_MAX(len, 1);
    }
    return sum;
}

/* Some run of words stands three times or more in a row. */
static bool repeats(const char *s, size_t n)
{
    uint64_t words[512];
    size_t count = 0;
    for (size_t i = 0; i < n && count < TM_COUNTOF(words);) {
        size_t start = i;
        while (i < n && s[i] != ' ')
            i++;
        if (i > start)
            words[count++] = tm_hash(s + start, i - start, 0);
        i += i < n;
    }
    for (size_t period = 1; period <= MAX_PERIOD; period++) {
        size_t run = 0;
        for (size_t i = period; i < count; i++) {
            run = words[i] == words[i - period] ? run + 1 : 0;
            if (run >= 2 * period)
                return true;
        }
    }
    return false;
}

static size_t count_words(const char *s, size_t n)
{
    size_t words = 0;
    for (size_t i = 0; i < n; i++)
        words += is_word_byte(s[i]) && (i == 0 || !is_word_byte(s[i - 1]));
    return words;
}

unsigned translation_flags(const char *src, size_t n_src, const char *tgt, size_t n_tgt)
{
    unsigned flags = 0;
    double from = weight(src, n_src), to = weight(tgt, n_tgt);
    if (n_tgt == 0 || (from >= MIN_CHARS && (to < LEAST_RATIO * from || to > MOST_RATIO * from)))
        flags |= FLAG_LENGTH_RATIO;
    if (repeats(tgt, n_tgt) && !repeats(src, n_src))
        flags |= FLAG_REPEATED;
    if (n_src == n_tgt && memcmp(src, tgt, n_src) == 0 && count_words(src, n_src) >= 4)
        flags |= FLAG_COPY;
    struct fact numbers[MAX_NUMBERS];
    size_t n = facts_find(src, n_src, false, numbers, MAX_NUMBERS);
    for (size_t i = 0; i < n; i++)
        if (!facts_has(tgt, n_tgt, &numbers[i]))
            flags |= FLAG_NUMBERS;
    return flags;
}

/* ---- sentences ---- */

size_t last_sentence_end(const char *text, size_t n)
{
    for (size_t i = n; i > 0; i--) {
        static const char *const ends[] = {".", "!", "?", "\xe2\x80\xa6", "\xe3\x80\x82"};
        for (size_t k = 0; k < TM_COUNTOF(ends); k++) {
            size_t len = strlen(ends[k]);
            if (i < len || memcmp(text + i - len, ends[k], len) != 0)
                continue;
            size_t end = i;
            while (end < n && strchr("\"')", text[end]) != NULL)
                end++;
            if (end == n || text[end] == ' ' || text[end] == '\n' || len == 3)
                return end;
        }
    }
    return 0;
}
