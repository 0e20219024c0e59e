/* Finds personal data (pii.h): the table of recognisers, the walk over a text, the words around a
 * match, and which of two that overlap stays. Called by the writer and by clean.c, any thread. */
#include "recognisers.h"

#include <string.h>
#include <strings.h>

#define PII_ENOUGH  0.5
#define PII_CONTEXT 0.35 /* what a word nearby adds */

enum { BEFORE = 60, AFTER = 16 }; /* bytes around a match that are searched for such words */

const char *const tm_pii_names[TM_PII_COUNT] = {
#define X(name) [TM_PII_##name] = #name,
    TM_PII_LIST(X)
#undef X
};

static const char *const no_words[] = {NULL};
static const char *const phone_words[] = {"phone",
                                          "telephone",
                                          "tel",
                                          "mobile",
                                          "cell",
                                          "call",
                                          "fax",
                                          "office",
                                          "desk",
                                          "contact",
                                          "whatsapp",
                                          "sms",
                                          "text me",
                                          "reach",
                                          "dial",
                                          "hotline",
                                          "ring",
                                          "answering",
                                          "messages to",
                                          "registered",
                                          "telefon",
                                          "handy",
                                          "mobil",
                                          "rufnummer",
                                          "portable",
                                          "t\xc3\xa9l",
                                          "t\xc3\xa9l\xc3\xa9phone",
                                          "appeler",
                                          "tel\xc3\xa9"
                                          "fono",
                                          "m\xc3\xb3vil",
                                          "llamar",
                                          "llame",
                                          "telefono",
                                          "cellulare",
                                          "telefoon",
                                          "telefone",
                                          "telem\xc3\xb3vel",
                                          "celular",
                                          NULL};
static const char *const ssn_words[] = {"ssn", "social security", "ss#", "soc sec", NULL};
static const char *const ip_words[] = {"ip", "address", "server", "host", NULL};

const struct pii_recogniser pii_recognisers[] = {
    {TM_PII_CREDIT_CARD, PII_AT_DIGIT, pii_credit_card, no_words},
    {TM_PII_CRYPTO, PII_AT_DIGIT | PII_AT_LETTER, pii_crypto, no_words},
    {TM_PII_EMAIL_ADDRESS, PII_AT_SIGN, pii_email, no_words},
    {TM_PII_IBAN_CODE, PII_AT_LETTER, pii_iban, no_words},
    {TM_PII_IP_ADDRESS, PII_AT_DIGIT, pii_ipv4, ip_words},
    {TM_PII_IP_ADDRESS, PII_AT_DIGIT | PII_AT_LETTER | PII_AT_COLON, pii_ipv6, ip_words},
    {TM_PII_MAC_ADDRESS, PII_AT_DIGIT | PII_AT_LETTER, pii_mac, no_words},
    {TM_PII_PHONE_NUMBER, PII_AT_DIGIT | PII_AT_OPEN, pii_phone, phone_words},
    {TM_PII_URL, PII_AT_LETTER, pii_url, no_words},
    {TM_PII_US_SSN, PII_AT_DIGIT, pii_ssn, ssn_words},
    {0, 0, NULL, NULL},
};

/* ---- words nearby ---- */

static bool has_word(const char *s, size_t n, const char *word)
{
    size_t len = strlen(word);
    for (size_t i = 0; i + len <= n; i++)
        if (strncasecmp(s + i, word, len) == 0 && (i == 0 || !pii_is_word(s[i - 1])))
            return true;
    return false;
}

static bool has_context(struct pii_text t, const struct pii_match *m, const char *const *words)
{
    size_t from = m->start > BEFORE ? m->start - BEFORE : 0;
    size_t after = TM_MIN((size_t)AFTER, t.n - m->end);
    for (; *words != NULL; words++)
        if (has_word(t.s + from, m->start - from, *words) || has_word(t.s + m->end, after, *words))
            return true;
    return false;
}

/* ---- the walk ---- */

/* What may begin at a byte. */
static unsigned begins_at(struct pii_text t, size_t i)
{
    char c = t.s[i];
    bool in_word = i > 0 && pii_is_word(t.s[i - 1]);
    if (c == '@')
        return PII_AT_SIGN;
    if (in_word)
        return 0;
    return pii_is_digit(c)        ? PII_AT_DIGIT
           : pii_is_letter(c)     ? PII_AT_LETTER
           : c == '+' || c == '(' ? PII_AT_OPEN
           : c == ':'             ? PII_AT_COLON
                                  : 0;
}

/* Keeps the surer of two that overlap, of equals the longer. The spans so far are in order. */
static void add(struct tm_buf *spans, size_t first, const struct pii_match *m,
                enum tm_pii_type type)
{
    struct tm_pii_span span = {(uint32_t)m->start, (uint32_t)m->end, type, m->score};
    while (spans->len > first) {
        const struct tm_pii_span *last =
            (struct tm_pii_span *)(spans->data + spans->len - sizeof span);
        if (last->end <= span.start)
            break;
        bool better = span.score > last->score || (span.score == last->score &&
                                                   span.end - span.start > last->end - last->start);
        if (!better)
            return;
        spans->len -= sizeof span;
    }
    tm_buf_append(spans, &span, sizeof span);
}

void tm_pii_find(const char *text, size_t n, unsigned types, struct tm_buf *ret_spans)
{
    const struct pii_text t = {text, TM_MIN(n, (size_t)UINT32_MAX)};
    const size_t first = ret_spans->len;
    for (size_t i = 0; i < t.n; i++) {
        unsigned begins = begins_at(t, i);
        for (const struct pii_recogniser *r = pii_recognisers; begins != 0 && r->match != NULL;
             r++) {
            struct pii_match m;
            if (!(r->begins & begins) || !(types >> r->type & 1) || !r->match(t, i, &m))
                continue;
            if (m.score < 1 && has_context(t, &m, r->context))
                m.score = TM_MIN(m.score + PII_CONTEXT, 1);
            if (m.score >= PII_ENOUGH)
                add(ret_spans, first, &m, r->type);
        }
    }
}
