/* Personal data in text: where it is, and what is put in its place.
 *
 * A recogniser is a pattern with a score; words nearby raise it, a validator (Luhn, ISO 7064
 * mod 97-10, ranges that are never given out) confirms or refuses it. What reaches PII_ENOUGH is
 * found. Any thread. */
#ifndef CLEAN_PII_H
#define CLEAN_PII_H

#include "tm_base.h"

/*  id, name as results have it */
#define TM_PII_LIST(X)                                                                             \
    X(CREDIT_CARD)                                                                                 \
    X(CRYPTO)                                                                                      \
    X(EMAIL_ADDRESS)                                                                               \
    X(IBAN_CODE)                                                                                   \
    X(IP_ADDRESS)                                                                                  \
    X(MAC_ADDRESS)                                                                                 \
    X(PHONE_NUMBER)                                                                                \
    X(URL)                                                                                         \
    X(US_SSN)

enum tm_pii_type {
#define X(name) TM_PII_##name,
    TM_PII_LIST(X)
#undef X
        TM_PII_COUNT
};
extern const char *const tm_pii_names[TM_PII_COUNT];

struct tm_pii_span {
    uint32_t start, end; /* bytes */
    enum tm_pii_type type;
    double score; /* 0.5 to 1 */
};

/* Appends the spans of those types (bits) to ret_spans, in order and apart from each other. text:
 * any bytes; what is found begins and ends at ASCII or whole characters of valid UTF-8. */
void tm_pii_find(const char *text, size_t n, unsigned types, struct tm_buf *ret_spans);

/* What becomes of a span. */
enum tm_pii_operator {
    TM_PII_MASK,    /* a '*' for each character */
    TM_PII_REPLACE, /* <TYPE> */
    TM_PII_HASH,    /* <TYPE:digits>: the same value has the same digits under the same key */
    TM_PII_DROP,
};
struct tm_redaction {
    unsigned types; /* bits; 0: nothing is looked for */
    enum tm_pii_operator operator;
    struct tm_buf key; /* of TM_PII_HASH */
};
/* What stands in the place of a value; out is added to. */
void tm_redaction_put(const struct tm_redaction *r, enum tm_pii_type type, const char *value,
                      size_t n, struct tm_buf *out);
/* A copy of bytes with every span redacted; out is cleared first. Returns how many there were. */
size_t tm_redaction_copy(const struct tm_redaction *r, const char *s, size_t n, struct tm_buf *out);

#endif
