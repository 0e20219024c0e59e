/* Sentence boundaries: the rules of Unicode (UAX 29, version 15, section 5) propose, by ICU or, for
 * lines of ASCII, by a function of a tenth of the cost; and this file refuses those inside
 * abbreviations, initials, ordinals, brackets, and between a quote and its "he said". Never across
 * paragraphs. A line end inside a paragraph is a blank where the text is hard-wrapped, else a
 * boundary. Each worker of the stage has its own iterator. */
#include "sentences.h"
#include "abbreviations.h"

#include <stdlib.h>
#include <string.h>
#include <unicode/ubrk.h>
#include <unicode/uchar.h>
#include <unicode/utext.h>

enum {
    SENTENCE_MOST = 1600, /* bytes; longer ones are cut at a clause or a blank */
    BRACKET_REACH = 400,  /* an open bracket holds a sentence together this far */
    WRAP_COLUMN = 50,     /* lines shorter than this are not wrapped ones */
};

struct tm_sentences {
    UBreakIterator *it;
    UText *utext;
    struct tm_buf copy; /* of a paragraph, its line ends settled */
};

enum tm_status tm_sentences_create(struct tm_sentences **ret_s, struct tm_err *err)
{
    struct tm_sentences *s = calloc(1, sizeof *s);
    UErrorCode code = U_ZERO_ERROR;
    if (s == NULL)
        return tm_err_set(err, TM_NOMEM, "no memory for the sentence iterator");
    s->it = ubrk_open(UBRK_SENTENCE, "en", NULL, 0, &code);
    if (U_FAILURE(code)) {
        tm_sentences_destroy(s);
        return tm_err_set(err, TM_INTERNAL, "no sentence rules in ICU: %s", u_errorName(code));
    }
    *ret_s = s;
    return TM_OK;
}

void tm_sentences_destroy(struct tm_sentences *s)
{
    if (s == NULL)
        return;
    if (s->it != NULL)
        ubrk_close(s->it);
    if (s->utext != NULL)
        utext_close(s->utext);
    tm_buf_finish(&s->copy);
    free(s);
}

/* ---- looking around ----------------------------------------------------------------------------
 */

static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\t';
}

/* The character that ends at `at`; its length, 0 at the start. */
static size_t char_before(const char *t, size_t at, uint32_t *cp)
{
    size_t n = 0;
    *cp = 0;
    if (at == 0)
        return 0;
    do
        n++;
    while (n < at && n < 4 && ((unsigned char)t[at - n] & 0xc0) == 0x80);
    return tm_utf8_decode(t + at - n, n, cp);
}

static bool is_closing(uint32_t cp)
{
    return cp == '"' || cp == '\'' || cp == 0x2019 || cp == 0x201d || cp == 0x201c || cp == 0xbb ||
           cp == 0xab || cp == ')' || cp == ']' || cp == 0x300d || cp == 0x300f || cp == 0x203a ||
           cp == 0xff09;
}

static bool is_opening(uint32_t cp)
{
    return cp == '"' || cp == '\'' || cp == '(' || cp == '[' || cp == 0x2018 || cp == 0x201c ||
           cp == 0x201e || cp == 0xab || cp == 0xbb || cp == 0xbf || cp == 0xa1 || cp == 0x300c;
}

/* The word that begins at or after `at`, past blanks and opening quotes. */
static size_t next_word(const char *t, size_t n, size_t at, size_t *ret_len, uint32_t *ret_first)
{
    uint32_t cp = 0;
    *ret_first = 0;
    while (at < n && is_space(t[at]))
        at++;
    while (at < n) {
        size_t len = tm_utf8_decode(t + at, n - at, &cp);
        if (len == 0 || !is_opening(cp))
            break;
        at += len;
    }
    size_t end = at;
    while (end < n) {
        size_t len = tm_utf8_decode(t + end, n - end, &cp);
        if (len == 0 || !u_isalnum((UChar32)cp))
            break;
        *ret_first = end == at ? cp : *ret_first;
        end += len;
    }
    *ret_len = end - at;
    return at;
}

/* ---- which proposed boundaries stand -----------------------------------------------------------
 */

static bool is_digits(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (s[i] < '0' || s[i] > '9')
            return false;
    return n > 0;
}

/* "U.S", "z.B": single letters parted by full stops, or one letter. */
static bool is_initials(const char *s, size_t n)
{
    size_t letters = 0;
    for (size_t i = 0; i < n;) {
        uint32_t cp;
        size_t len = tm_utf8_decode(s + i, n - i, &cp);
        if (len == 0 || !u_isalpha((UChar32)cp))
            return false;
        i += len;
        letters++;
        if (i < n && s[i++] != '.')
            return false;
    }
    return letters > 0;
}

/* Whether the full stop at t[dot] only abbreviates. start: of the sentence. */
static bool abbreviates(const char *t, size_t n, size_t start, size_t dot, size_t boundary,
                        const char *lang)
{
    size_t word = dot, len;
    while (word > start && !is_space(t[word - 1]) && strchr("(\"'[/-", t[word - 1]) == NULL)
        word--;
    uint32_t first;
    size_t next = next_word(t, n, boundary, &len, &first);
    bool digit = u_isdigit((UChar32)first);
    bool starter = tm_abbreviation_starter(t + next, len);
    size_t before = start;
    while (before < word && is_space(t[before]))
        before++;
    if (is_digits(t + word, dot - word)) {
        if (before == word && dot - word <= 3)
            return true; /* "1. First of a list" */
        if (dot - word <= 2)
            return tm_abbreviation_ordinal(t + next, len) ||
                   (lang != NULL && strncmp(lang, "de", 2) == 0 && !starter && !digit);
        return false;
    }
    switch (tm_abbreviation_find(t + word, dot - word)) {
    case TM_ABBREVIATION_NEVER:
        return true;
    case TM_ABBREVIATION_NUMBER:
        return digit || (is_initials(t + word, dot - word) && !starter);
    case TM_ABBREVIATION_MAYBE:
        return !starter;
    default:
        return is_initials(t + word, dot - word) && !starter;
    }
}

/* Brackets open in t[start, at) whose partner comes soon after. */
static bool inside_brackets(const char *t, size_t n, size_t start, size_t at)
{
    int open = 0;
    if (memchr(t + start, '(', at - start) == NULL && memchr(t + start, '[', at - start) == NULL)
        return false;
    for (size_t i = start; i < at; i++) {
        open += t[i] == '(' || t[i] == '[';
        open -= (t[i] == ')' || t[i] == ']') && open > 0;
    }
    size_t reach = TM_MIN(n, at + BRACKET_REACH);
    for (size_t i = at; i < reach && open > 0; i++) {
        if (t[i] == ')' || t[i] == ']')
            return true;
        if (t[i] == '(' || t[i] == '[')
            break;
    }
    return false;
}

static bool has_letters(const char *t, size_t from, size_t to)
{
    for (size_t i = from; i < to;) {
        uint32_t cp;
        size_t len = tm_utf8_decode(t + i, to - i, &cp);
        if (len == 0)
            return true;
        if (u_isalnum((UChar32)cp))
            return true;
        i += len;
    }
    return false;
}

/* start: of the sentence so far; next: the boundary proposed after this one. */
static bool stands(const char *t, size_t n, size_t start, size_t boundary, size_t next,
                   const char *lang)
{
    size_t at = boundary, len;
    uint32_t cp = 0, first;
    while (at > start && is_space(t[at - 1]))
        at--;
    bool quoted = false;
    while ((len = char_before(t, at, &cp)) > 0 && is_closing(cp) && at > start) {
        quoted = true;
        at -= len;
    }
    size_t word = next_word(t, n, boundary, &len, &first);
    if (quoted && word == boundary && len > 0 && !is_space(t[boundary - 1]))
        return false; /* Chinese and Japanese: the quote goes on without a blank */
    if (u_islower((UChar32)first) && (quoted || cp == '!' || cp == '?'))
        return false; /* "Really?" he said. */
    if (!has_letters(t, start, boundary) || !has_letters(t, boundary, next))
        return false;
    if (cp == '.' && !quoted && abbreviates(t, n, start, at - 1, boundary, lang))
        return false;
    return !(boundary - start < SENTENCE_MOST && inside_brackets(t, n, start, boundary));
}

/* ---- cutting -----------------------------------------------------------------------------------
 */

static bool emit(struct tm_buf *out, const char *t, size_t from, size_t to, uint32_t base)
{
    while (from < to && is_space(t[from]))
        from++;
    while (to > from && is_space(t[to - 1]))
        to--;
    struct tm_span span = {base + (uint32_t)from, base + (uint32_t)to, 0, 0};
    return from == to || tm_buf_append(out, &span, sizeof span);
}

/* The best place to cut t[from, to), which is too long: after a clause, else at a blank, else
 * between two characters. */
static size_t cut(const char *t, size_t from, size_t limit)
{
    size_t blank = 0;
    for (size_t i = limit; i > from + SENTENCE_MOST / 2; i--) {
        if (t[i] != ' ')
            continue;
        blank = blank == 0 ? i : blank;
        if (strchr(";:,", t[i - 1]) != NULL)
            return i;
    }
    while (blank == 0 && limit > from && ((unsigned char)t[limit] & 0xc0) == 0x80)
        limit--;
    return blank > 0 ? blank : limit;
}

static bool emit_capped(struct tm_buf *out, const char *t, size_t from, size_t to, uint32_t base)
{
    while (to - from > SENTENCE_MOST) {
        size_t at = cut(t, from, from + SENTENCE_MOST);
        if (!emit(out, t, from, at, base))
            return false;
        from = at;
    }
    return emit(out, t, from, to, base);
}

/* ---- proposing ---------------------------------------------------------------------------------
 */

static bool is_letter(char c)
{
    return (c | 32) >= 'a' && (c | 32) <= 'z';
}

static bool is_upper(char c)
{
    return c >= 'A' && c <= 'Z';
}

static bool is_end(char c)
{
    return c == '.' || c == '!' || c == '?';
}

static bool is_one_of(char c, const char *set)
{
    return c != '\0' && strchr(set, c) != NULL;
}

/* Whether a full stop that is followed by t[at, n) only parts a sentence: the next letter, before
 * any other end of a sentence, is a small one (rule SB8). */
static bool goes_on_small(const char *t, size_t at, size_t n)
{
    while (at < n && !is_letter(t[at]) && !is_end(t[at]))
        at++;
    return at < n && t[at] >= 'a' && t[at] <= 'z';
}

/* Whether one of eight bytes ends a sentence. May say so in vain, never fails to. */
static bool has_end(const char *t)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), tops = ones << 7;
    uint64_t v;
    memcpy(&v, t, sizeof v);
    uint64_t stop = v ^ ones * '.', call = v ^ ones * '!', question = v ^ ones * '?';
    return (((stop - ones) | (call - ones) | (question - ones)) & tops) != 0;
}

size_t tm_sentences_next_ascii(const char *t, size_t n, size_t at)
{
    for (; at < n; at++) {
        while (n - at > sizeof(uint64_t) && !has_end(t + at))
            at += sizeof(uint64_t);
        if (!is_end(t[at]))
            continue;
        const bool stop = t[at] == '.';
        size_t next = at + 1;
        if (stop && next < n && t[next] >= '0' && t[next] <= '9')
            continue; /* SB6: 3.4 */
        if (stop && at > 0 && is_letter(t[at - 1]) && next < n && is_upper(t[next]))
            continue; /* SB7: U.S. */
        while (next < n && is_one_of(t[next], "\"'()[]{}"))
            next++; /* SB9 */
        while (next < n && is_one_of(t[next], " \t"))
            next++; /* SB10 */
        if (next < n && is_one_of(t[next], ".!?,-:"))
            continue; /* SB8a */
        if (stop && goes_on_small(t, next, n))
            continue;
        return next;
    }
    return n;
}

/* Nothing but what tm_sentences_next_ascii knows. */
static bool is_simple(const char *t, size_t n)
{
    unsigned char odd = 0; /* no way out of the loop, so that it runs over many bytes at once */
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)t[i];
        odd |= (unsigned char)((c < ' ' || c >= 0x7f) & (c != '\t'));
    }
    return odd == 0;
}

/* Where the boundaries of a line come from. */
struct proposals {
    UBreakIterator *it; /* NULL: the line is simple */
    const char *t;
    size_t n, at; /* of a simple line */
};

/* SIZE_MAX: no more. */
static size_t propose(struct proposals *p)
{
    if (p->it != NULL) {
        int32_t at = ubrk_next(p->it);
        return at == UBRK_DONE ? SIZE_MAX : (size_t)at;
    }
    if (p->at == p->n)
        return SIZE_MAX;
    return p->at = tm_sentences_next_ascii(p->t, p->n, p->at);
}

/* The sentences of t[from, to), which has no hard line end inside. */
static enum tm_status split_line(struct tm_sentences *s, const char *t, size_t from, size_t to,
                                 uint32_t base, const char *lang, struct tm_buf *out)
{
    struct proposals p = {.t = t + from, .n = to - from};
    if (!is_simple(p.t, p.n)) {
        UErrorCode code = U_ZERO_ERROR;
        s->utext = utext_openUTF8(s->utext, p.t, (int64_t)p.n, &code);
        ubrk_setUText(s->it, s->utext, &code);
        if (U_FAILURE(code))
            return TM_NOMEM;
        p.it = s->it;
    }
    size_t start = from, at = propose(&p);
    while (at != SIZE_MAX) {
        size_t boundary = from + at;
        at = propose(&p);
        if (at != SIZE_MAX && !stands(t, to, start, boundary, from + at, lang))
            continue;
        if (!emit_capped(out, t, start, boundary, base))
            return TM_NOMEM;
        start = boundary;
    }
    return TM_OK;
}

/* The line end at or after `at`, n at the last; n + 1 after that. */
static size_t line_end(const char *t, size_t at, size_t n)
{
    const char *end = at < n ? memchr(t + at, '\n', n - at) : NULL;
    return end != NULL ? (size_t)(end - t) : TM_MAX(at, n);
}

/* A line end that only wraps: the line is nearly as long as the longest, or goes on in lower case.
 */
static bool is_wrap(const char *t, size_t n, size_t line, size_t end, size_t longest)
{
    size_t len;
    uint32_t first;
    next_word(t, n, end + 1, &len, &first);
    if (u_islower((UChar32)first))
        return true;
    return end - line >= WRAP_COLUMN && (end - line) * 10 >= longest * 7;
}

enum tm_status tm_sentences_split(struct tm_sentences *s, const char *text, uint32_t start,
                                  uint32_t end, enum tm_block kind, const char *lang,
                                  struct tm_buf *out, struct tm_err *err)
{
    size_t n = end - start, longest = 0, line = 0, from = 0;
    tm_buf_clear(&s->copy);
    if (!tm_buf_append(&s->copy, text + start, n))
        return tm_err_set(err, TM_NOMEM, "no memory for a paragraph of %zu bytes", n);
    char *t = s->copy.data;
    for (size_t at; line <= n; line = at + 1) {
        at = line_end(t, line, n);
        longest = TM_MAX(longest, at - line);
    }
    line = 0;
    for (size_t i = line_end(t, 0, n); i <= n; i = line_end(t, i + 1, n)) {
        bool wrap = i < n && kind != TM_BLOCK_CODE && is_wrap(t, n, line, i, longest);
        line = i + 1;
        if (wrap) {
            t[i] = ' ';
            continue;
        }
        enum tm_status status = split_line(s, t, from, i, start, lang, out);
        if (status != TM_OK)
            return tm_err_set(err, status, "no memory for the sentences of a paragraph");
        from = i < n ? i + 1 : n;
    }
    return TM_OK;
}
