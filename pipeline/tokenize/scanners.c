/* Scanners for the published patterns (scanners.h). Any thread.
 *
 * Each follows its pattern's alternatives in their order. Classes are those of Oniguruma, from the
 * table of unicode.h; the tests hold every scanner against PCRE2 with the pattern itself. */
#include "scanners.h"
#include "unicode.h"
#include <string.h>

static inline unsigned kind(const struct cell *c, uint32_t i)
{
    return uni_kind(c[i].cp).flags;
}

enum { NOT_OTHER = UNI_SPACE | UNI_LETTER | UNI_NUMBER };

static inline uint32_t run_of(const struct cell *c, uint32_t i, uint32_t end, unsigned flags)
{
    while (i < end && (kind(c, i) & flags) != 0)
        i++;
    return i;
}

/* [^\s\p{L}\p{N}]* */
static inline uint32_t run_of_others(const struct cell *c, uint32_t i, uint32_t end)
{
    while (i < end && (kind(c, i) & NOT_OTHER) == 0)
        i++;
    return i;
}

static inline uint32_t fold(uint32_t cp, bool caseless)
{
    if (!caseless)
        return cp;
    return cp >= 'A' && cp <= 'Z' ? cp + 32 : cp == 0x17f ? 's' : cp; /* ſ folds to s */
}

/* 's|'t|'re|'ve|'m|'ll|'d, i at the apostrophe; its end, i when it is none. */
static uint32_t contraction(const struct cell *c, uint32_t i, uint32_t end, bool caseless)
{
    if (end - i < 2)
        return i;
    uint32_t a = fold(c[i + 1].cp, caseless);
    if (a == 's' || a == 't' || a == 'm' || a == 'd')
        return i + 2;
    if (end - i < 3)
        return i;
    uint32_t b = fold(c[i + 2].cp, caseless);
    bool two = (a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l');
    return two ? i + 3 : i;
}

/* \s+(?!\S)|\s+ : white space but for its last, unless that is all of it or the end. */
static uint32_t spaces(const struct cell *c, uint32_t i, uint32_t end)
{
    uint32_t to = run_of(c, i + 1, end, UNI_SPACE);
    return to == end || to == i + 1 ? to : to - 1;
}

uint32_t tok_scan_gpt2(const struct cell *c, uint32_t i, uint32_t end)
{
    if (c[i].cp == '\'') {
        uint32_t to = contraction(c, i, end, false);
        if (to > i)
            return to;
    }
    uint32_t at = i + (c[i].cp == ' ' && i + 1 < end);
    unsigned k = kind(c, at);
    if ((k & UNI_LETTER) != 0)
        return run_of(c, at + 1, end, UNI_LETTER);
    if ((k & UNI_NUMBER) != 0)
        return run_of(c, at + 1, end, UNI_NUMBER);
    if ((k & UNI_SPACE) == 0)
        return run_of_others(c, at + 1, end);
    return spaces(c, i, end);
}

static inline bool is_break(uint32_t cp)
{
    return cp == '\r' || cp == '\n';
}

/* What comes after words and numbers in the patterns since cl100k:
 *  ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+   (slash: [\r\n/]*) */
static uint32_t others_and_spaces(const struct cell *c, uint32_t i, uint32_t end, bool slash)
{
    uint32_t at = i + (c[i].cp == ' ' && i + 1 < end);
    uint32_t to = run_of_others(c, at, end);
    if (to > at) {
        while (to < end && (is_break(c[to].cp) || (slash && c[to].cp == '/')))
            to++;
        return to;
    }
    to = run_of(c, i, end, UNI_SPACE);
    for (uint32_t k = to; k > i; k--) {
        if (is_break(c[k - 1].cp))
            return k;
    }
    return spaces(c, i, end);
}

/* At most three numbers for cl100k, one for Qwen. */
static inline uint32_t cl100k_like(const struct cell *c, uint32_t i, uint32_t end, uint32_t digits)
{
    if (c[i].cp == '\'') {
        uint32_t to = contraction(c, i, end, true);
        if (to > i)
            return to;
    }
    unsigned k = kind(c, i);
    if ((k & UNI_LETTER) != 0)
        return run_of(c, i + 1, end, UNI_LETTER);
    if ((k & UNI_NUMBER) != 0)
        return run_of(c, i + 1, end - i > digits ? i + digits : end, UNI_NUMBER);
    if (i + 1 < end && !is_break(c[i].cp) && (kind(c, i + 1) & UNI_LETTER) != 0)
        return run_of(c, i + 2, end, UNI_LETTER);
    return others_and_spaces(c, i, end, false);
}

static uint32_t scan_cl100k(const struct cell *c, uint32_t i, uint32_t end)
{
    return cl100k_like(c, i, end, 3);
}

uint32_t tok_scan_qwen2(const struct cell *c, uint32_t i, uint32_t end)
{
    return cl100k_like(c, i, end, 1);
}

/* Lm, Lo and M are in both classes of o200k. */
static inline bool is_upper(unsigned k)
{
    return (k & (UNI_LETTER | UNI_COMBINING)) != 0 && (k & UNI_LOWERCASE) == 0;
}

static inline bool is_lower(unsigned k)
{
    return (k & (UNI_LETTER | UNI_COMBINING)) != 0 && (k & UNI_UPPERCASE) == 0;
}

/* UPPER*LOWER+ (with: LOWER) or UPPER+LOWER*, then a contraction; i when it is not there. */
static uint32_t cased_word(const struct cell *c, uint32_t i, uint32_t end, bool with_lower)
{
    uint32_t upper = i;
    while (upper < end && is_upper(kind(c, upper)))
        upper++;
    uint32_t to = upper;
    while (to < end && is_lower(kind(c, to)))
        to++;
    if (with_lower && to == upper) { /* UPPER* gives back what may be LOWER too */
        while (to > i && !is_lower(kind(c, to - 1)))
            to--;
    } else if (!with_lower && upper == i) {
        return i;
    }
    return to > i && to < end && c[to].cp == '\'' ? contraction(c, to, end, true) : to;
}

static uint32_t scan_o200k(const struct cell *c, uint32_t i, uint32_t end)
{
    unsigned k = kind(c, i);
    bool prefix = i + 1 < end && !is_break(c[i].cp) && (k & (UNI_LETTER | UNI_NUMBER)) == 0;
    for (int with_lower = 1; with_lower >= 0; with_lower--) {
        uint32_t to = prefix ? cased_word(c, i + 1, end, with_lower != 0) : i;
        if (prefix && to > i + 1)
            return to;
        to = cased_word(c, i, end, with_lower != 0);
        if (to > i)
            return to;
    }
    if ((k & UNI_NUMBER) != 0)
        return run_of(c, i + 1, end - i > 3 ? i + 3 : end, UNI_NUMBER);
    return others_and_spaces(c, i, end, true);
}

static bool has_text(const struct cell *c, uint32_t i, uint32_t end, const char *text)
{
    for (; *text != '\0'; text++, i++) {
        if (i == end || c[i].cp != (unsigned char)*text)
            return false;
    }
    return true;
}

static uint32_t scan_clip(const struct cell *c, uint32_t i, uint32_t end)
{
    static const char *const tokens[] = {"<|startoftext|>", "<|endoftext|>"};
    for (size_t k = 0; c[i].cp == '<' && k < TM_COUNTOF(tokens); k++) {
        if (has_text(c, i, end, tokens[k]))
            return i + (uint32_t)strlen(tokens[k]);
    }
    uint32_t to = c[i].cp == '\'' ? contraction(c, i, end, false) : i;
    if (to > i)
        return to;
    unsigned k = kind(c, i);
    if ((k & UNI_LETTER) != 0)
        return run_of(c, i + 1, end, UNI_LETTER);
    return (k & UNI_NUMBER) != 0 ? i + 1 : run_of_others(c, i, end);
}

#define CONTRACTIONS "'s|'t|'re|'ve|'m|'ll|'d"
#define TAIL         "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define UPPER        "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define LOWER        "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"

static const struct {
    const char *pattern;
    tok_scan_fn *scan;
} rows[] = {
    {CONTRACTIONS "| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+", tok_scan_gpt2},
    {"(?i:" CONTRACTIONS
     ")|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*" TAIL,
     scan_cl100k},
    {"(?i:" CONTRACTIONS
     ")|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*" TAIL,
     tok_scan_qwen2},
    {"[^\\r\\n\\p{L}\\p{N}]?" UPPER "*" LOWER "+(?i:" CONTRACTIONS ")?|[^\\r\\n\\p{L}\\p{N}]?" UPPER
     "+" LOWER "*(?i:" CONTRACTIONS ")?|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*" TAIL,
     scan_o200k},
    {"<\\|startoftext\\|>|<\\|endoftext\\|>|" CONTRACTIONS
     "|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+",
     scan_clip},
};

tok_scan_fn *tok_scanner(struct str pattern)
{
    for (size_t i = 0; i < TM_COUNTOF(rows); i++) {
        if (strlen(rows[i].pattern) == pattern.n &&
            memcmp(rows[i].pattern, pattern.s, pattern.n) == 0)
            return rows[i].scan;
    }
    return NULL;
}
