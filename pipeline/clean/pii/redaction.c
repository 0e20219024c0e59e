/* What is put in the place of personal data (pii.h). Any thread. */
#include "pii.h"
#include "tm_pipeline.h"

enum { HASH_DIGITS = 16 };

static size_t characters(const char *s, size_t n)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        count += ((unsigned char)s[i] & 0xc0) != 0x80;
    return count;
}

void tm_redaction_put(const struct tm_redaction *r, enum tm_pii_type type, const char *value,
                      size_t n, struct tm_buf *out)
{
    char hash[65];
    switch (r->operator) {
    case TM_PII_MASK:
        for (size_t i = characters(value, n); i > 0; i--)
            tm_buf_putc(out, '*');
        break;
    case TM_PII_REPLACE:
        tm_buf_printf(out, "<%s>", tm_pii_names[type]);
        break;
    case TM_PII_HASH:
        tm_hmac_hex(r->key.data, r->key.len, value, n, hash);
        tm_buf_printf(out, "<%s:%.*s>", tm_pii_names[type], HASH_DIGITS, hash);
        break;
    case TM_PII_DROP:
        break;
    }
}

size_t tm_redaction_copy(const struct tm_redaction *r, const char *s, size_t n, struct tm_buf *out)
{
    TM_CLEANUP(tm_buf_finish) struct tm_buf spans = {0};
    size_t at = 0;
    tm_buf_clear(out);
    tm_pii_find(s, n, r->types, &spans);
    out->failed |= spans.failed;
    const struct tm_pii_span *span = (const struct tm_pii_span *)spans.data;
    const size_t count = spans.len / sizeof *span;
    for (size_t i = 0; i < count; i++, span++) {
        tm_buf_append(out, s + at, span->start - at);
        tm_redaction_put(r, span->type, s + span->start, span->end - span->start, out);
        at = span->end;
    }
    tm_buf_append(out, s + at, n - at);
    return count;
}
