/* The recognisers, one function each, and their table. Private to pii/. */
#ifndef PII_RECOGNISERS_H
#define PII_RECOGNISERS_H

#include "pii.h"

struct pii_text {
    const char *s;
    size_t n;
};

/* What a recogniser sees at a place: start and end of the span, and how sure the pattern is. */
struct pii_match {
    size_t start, end;
    double score;
};

/* A match that begins at `at` (an e-mail address: whose '@' is there); false: none. */
typedef bool pii_match_fn(struct pii_text t, size_t at, struct pii_match *ret);
pii_match_fn pii_credit_card, pii_iban, pii_phone, pii_ssn;   /* numbers.c */
pii_match_fn pii_crypto;                                      /* wallets.c */
pii_match_fn pii_email, pii_url, pii_ipv4, pii_ipv6, pii_mac; /* addresses.c */

/* What a recogniser begins at. */
enum {
    PII_AT_DIGIT = 1,
    PII_AT_LETTER = 2, /* the first one of a word */
    PII_AT_SIGN = 4,   /* @ */
    PII_AT_OPEN = 8,   /* + or ( */
    PII_AT_COLON = 16,
};

struct pii_recogniser {
    enum tm_pii_type type;
    unsigned begins;
    pii_match_fn *match;
    const char *const *context; /* words that make it likely; ends with NULL */
};
extern const struct pii_recogniser pii_recognisers[]; /* ends with match NULL */

static inline bool pii_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static inline bool pii_is_letter(char c)
{
    return (c | 32) >= 'a' && (c | 32) <= 'z';
}

static inline bool pii_is_word(char c)
{
    return pii_is_digit(c) || pii_is_letter(c) || (c & 0x80) != 0 || c == '_';
}

/* The byte at i, 0 outside. */
static inline char pii_at(struct pii_text t, size_t i)
{
    return i < t.n ? t.s[i] : '\0';
}

#endif
