/* Signatures of texts (signature.h). Pure functions, any thread.
 *
 * The hash functions of the minima are x -> (x ^ a) * b over 32 bits with a and b odd from a fixed
 * sequence: they are permutations, and a loop over them is what the compiler makes vectors of. */
#include "signature.h"

#include <string.h>
#include <unicode/uchar.h>
#include <unicode/unorm2.h>
#include <unicode/uscript.h>

static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

struct maker {
    struct signature *out;
    uint32_t xors[SIGNATURE_MINIMA], factors[SIGNATURE_MINIMA];
    uint64_t word; /* the one being read; 0: none */
    uint64_t last[SIGNATURE_WORDS];
    size_t n_words;
};

static void add_shingle(struct maker *m)
{
    uint64_t h = 0;
    for (size_t i = 0; i < SIGNATURE_WORDS; i++)
        h = mix(h ^ m->last[(m->n_words + i) % SIGNATURE_WORDS]);
    const uint32_t x = (uint32_t)h;
    uint32_t *minima = m->out->minima;
    for (size_t i = 0; i < SIGNATURE_MINIMA; i++) {
        uint32_t v = (x ^ m->xors[i]) * m->factors[i];
        v ^= v >> 15;
        minima[i] = v < minima[i] ? v : minima[i];
    }
    m->out->n_shingles++;
}

static void end_word(struct maker *m)
{
    if (m->word == 0)
        return;
    uint64_t h = mix(m->word);
    m->out->words[0] = mix(m->out->words[0] ^ h);
    m->out->words[1] = mix(m->out->words[1] + h * 3);
    m->last[m->n_words++ % SIGNATURE_WORDS] = h;
    m->word = 0;
    if (m->n_words >= SIGNATURE_WORDS)
        add_shingle(m);
}

static void add_letter(struct maker *m, uint32_t c)
{
    m->word = (m->word ^ (c + 1)) * UINT64_C(0x100000001b3) + 1;
}

static bool writes_without_spaces(uint32_t c)
{
    UErrorCode code = U_ZERO_ERROR;
    switch (uscript_getScript((UChar32)c, &code)) {
    case USCRIPT_HAN:
    case USCRIPT_HIRAGANA:
    case USCRIPT_KATAKANA:
    case USCRIPT_THAI:
    case USCRIPT_LAO:
    case USCRIPT_KHMER:
    case USCRIPT_MYANMAR:
        return true;
    default:
        return false;
    }
}

/* The letter without its diacritics. */
static uint32_t base_letter(const UNormalizer2 *nfd, uint32_t c)
{
    UChar parts[32];
    UErrorCode code = U_ZERO_ERROR;
    if (nfd == NULL || (c >= 0xac00 && c <= 0xd7a3)) /* syllables of Hangul are letters */
        return c;
    int32_t n = unorm2_getDecomposition(nfd, (UChar32)c, parts, TM_COUNTOF(parts), &code);
    if (n < 1 || U_FAILURE(code))
        return c;
    UChar32 first;
    U16_GET(parts, 0, 0, n, first);
    return (uint32_t)first;
}

static void add_other(struct maker *m, const UNormalizer2 *nfd, uint32_t c)
{
    const uint32_t mask = U_GET_GC_MASK((UChar32)c);
    if (mask & U_GC_M_MASK)
        return; /* belongs to the word, and does not count */
    if (mask & U_GC_ND_MASK) {
        add_letter(m, '0');
    } else if (!(mask & (U_GC_L_MASK | U_GC_N_MASK))) {
        end_word(m);
    } else if (writes_without_spaces(c)) {
        end_word(m);
        add_letter(m, c);
        end_word(m);
    } else {
        add_letter(m, (uint32_t)u_foldCase((UChar32)base_letter(nfd, c), U_FOLD_CASE_DEFAULT));
    }
}

static void init(struct maker *m, struct signature *out)
{
    *m = (struct maker){.out = out};
    *out = (struct signature){.words = {1, 2}};
    memset(out->minima, 0xff, sizeof out->minima);
    for (size_t i = 0; i < SIGNATURE_MINIMA; i++) {
        uint64_t r = mix((i + 1) * UINT64_C(0x9e3779b97f4a7c15));
        m->xors[i] = (uint32_t)r;
        m->factors[i] = (uint32_t)(r >> 32) | 1;
    }
}

void signature_make(const char *text, size_t n, struct signature *ret)
{
    struct maker m;
    UErrorCode code = U_ZERO_ERROR;
    const UNormalizer2 *nfd = unorm2_getNFDInstance(&code);
    init(&m, ret);
    for (size_t i = 0; i < n;) {
        uint32_t c = (unsigned char)text[i];
        size_t len = c < 0x80 ? 1 : tm_utf8_decode(text + i, n - i, &c);
        if (c >= 0x80)
            add_other(&m, U_FAILURE(code) ? NULL : nfd, c);
        else if ((c | 32) >= 'a' && (c | 32) <= 'z')
            add_letter(&m, c | 32);
        else if (c >= '0' && c <= '9')
            add_letter(&m, '0');
        else
            end_word(&m);
        i += TM_MAX(len, (size_t)1);
    }
    end_word(&m);
}

double signature_similarity(const struct signature *a, const struct signature *b)
{
    if (memcmp(a->words, b->words, sizeof a->words) == 0)
        return 1;
    if (a->n_shingles == 0 || b->n_shingles == 0)
        return 0;
    unsigned same = 0;
    for (size_t i = 0; i < SIGNATURE_MINIMA; i++)
        same += a->minima[i] == b->minima[i];
    return (double)same / SIGNATURE_MINIMA;
}

uint64_t signature_band(const struct signature *s, size_t band)
{
    const uint32_t *rows = s->minima + band * SIGNATURE_ROWS;
    return tm_hash(rows, SIGNATURE_ROWS * sizeof *rows, band);
}
