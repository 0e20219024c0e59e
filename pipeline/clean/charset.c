/* Decides a document's encoding ahead of the HTML parser and decodes it to UTF-8, lossily and with
 * a count. The parser never decides: libxml2 gives an empty page for one bad byte under gb2312, and
 * loses curly quotes under iso-8859-1. Called by clean.c on any thread; keeps no state. */
#include "charset.h"

#include <string.h>
#include <strings.h>
#include <unicode/ucnv.h>
#include <unicode/ucnv_err.h>

enum { PRESCAN_BYTES = 65536 }; /* labels are looked for this far; late meta elements exist */

/* ---- labels inside the document ----------------------------------------------------------------
 */

/* The value after "charset" at or behind `at`, as in the standard's "extracting a character
 * encoding from a meta element": charset, blanks, =, blanks, quoted or bare. */
static const struct tm_charset *charset_value(const char *at, const char *end, bool *seen)
{
    while (at < end && (*at == ' ' || (*at >= '\t' && *at <= '\r')))
        at++;
    if (at == end || *at != '=')
        return NULL;
    at++;
    while (at < end && (*at == ' ' || *at == '"' || *at == '\'' || (*at >= '\t' && *at <= '\r')))
        at++;
    const char *start = at;
    while (at < end && strchr(" \t\r\n\f\"';/>?", *at) == NULL)
        at++;
    if (at == start)
        return NULL;
    *seen = true;
    return tm_charset_find(start, (size_t)(at - start));
}

static const char *find_word(const char *at, const char *end, const char *word)
{
    size_t n = strlen(word);
    for (; (size_t)(end - at) >= n; at++)
        if ((*at | 32) == word[0] && strncasecmp(at, word, n) == 0)
            return at;
    return NULL;
}

/* A label that says UTF-16 was itself read as ASCII, so the document is not UTF-16. */
static const struct tm_charset *readable(const struct tm_charset *c)
{
    if (c != NULL && strncmp(c->name, "utf-16", 6) == 0)
        return tm_charset_find("utf-8", 5);
    return c;
}

static const struct tm_charset *xml_declaration(const char *data, size_t len, bool *seen)
{
    while (len > 0 && (*data == ' ' || (*data >= '\t' && *data <= '\r')))
        data++, len--;
    if (len < 6 || memcmp(data, "<?xml", 5) != 0)
        return NULL;
    const char *end = memchr(data, '>', TM_MIN(len, (size_t)1024));
    if (end == NULL)
        return NULL;
    const char *at = find_word(data, end, "encoding");
    return at == NULL ? NULL : readable(charset_value(at + 8, end, seen));
}

static const struct tm_charset *meta_prescan(const char *data, size_t len, bool *seen)
{
    const char *end = data + TM_MIN(len, (size_t)PRESCAN_BYTES);
    const char *at = data;
    while ((at = memchr(at, '<', (size_t)(end - at))) != NULL) {
        if (end - at > 4 && memcmp(at, "<!--", 4) == 0) {
            at = memmem(at + 4, (size_t)(end - at - 4), "-->", 3);
            if (at == NULL)
                return NULL;
            continue;
        }
        if (end - at < 7 || strncasecmp(at, "<meta", 5) != 0 ||
            strchr(" \t\r\n\f/", at[5]) == NULL) {
            at++;
            continue;
        }
        const char *stop = memchr(at, '>', (size_t)(end - at));
        if (stop == NULL)
            return NULL;
        for (const char *w = at; (w = find_word(w, stop, "charset")) != NULL; w++) {
            const struct tm_charset *c = charset_value(w + 7, stop, seen);
            if (c != NULL)
                return readable(c);
        }
        at = stop;
    }
    return NULL;
}

/* ---- decision ----------------------------------------------------------------------------------
 */

static bool has_high(const char *s, size_t n)
{
    uint64_t word;
    size_t i = 0;
    for (; i + sizeof word <= n; i += sizeof word) {
        memcpy(&word, s + i, sizeof word);
        if (word & 0x8080808080808080u)
            return true;
    }
    for (; i < n; i++)
        if (s[i] & 0x80)
            return true;
    return false;
}

static size_t byte_order_mark(const char *data, size_t len, const char **ret_label)
{
    if (len >= 3 && memcmp(data, "\xef\xbb\xbf", 3) == 0)
        return *ret_label = "utf-8", 3;
    if (len >= 4 && memcmp(data, "\xff\xfe\0\0", 4) == 0)
        return *ret_label = "utf-32le", 4;
    if (len >= 4 && memcmp(data, "\0\0\xfe\xff", 4) == 0)
        return *ret_label = "utf-32be", 4;
    if (len >= 2 && memcmp(data, "\xff\xfe", 2) == 0)
        return *ret_label = "utf-16le", 2;
    if (len >= 2 && memcmp(data, "\xfe\xff", 2) == 0)
        return *ret_label = "utf-16be", 2;
    return 0;
}

/* UTF-16 and UTF-32 without a mark or a label show by where their NULs are. */
static const char *looks_wide(const char *data, size_t len)
{
    size_t zero[4] = {0}, n = TM_MIN(len, (size_t)256) & ~(size_t)3;
    for (size_t i = 0; i < n; i++)
        zero[i & 3] += data[i] == '\0';
    if (n < 8)
        return NULL;
    if (zero[3] * 4 == n && zero[2] * 4 > n / 2 && zero[0] == 0)
        return "utf-32le";
    if (zero[0] * 4 == n && zero[1] * 4 > n / 2 && zero[3] == 0)
        return "utf-32be";
    if ((zero[1] + zero[3]) * 4 > n && zero[0] + zero[2] == 0)
        return "utf-16le";
    return (zero[0] + zero[2]) * 4 > n && zero[1] + zero[3] == 0 ? "utf-16be" : NULL;
}

/* Encodings of seven bits, by their first escape. */
static const char *looks_seven_bit(const char *data, size_t len)
{
    static const struct {
        const char *escape, *label;
    } escapes[] = {
        {"\x1b$)C", "iso-2022-kr"}, {"\x1b$B", "iso-2022-jp"},  {"\x1b$@", "iso-2022-jp"},
        {"\x1b(J", "iso-2022-jp"},  {"\x1b$)A", "iso-2022-cn"}, {"~{", "hz-gb-2312"},
    };
    size_t n = TM_MIN(len, (size_t)PRESCAN_BYTES);
    bool escaped = memchr(data, '\x1b', n) != NULL || memmem(data, n, "~}", 2) != NULL;
    for (size_t i = 0; escaped && i < TM_COUNTOF(escapes); i++)
        if (memmem(data, n, escapes[i].escape, strlen(escapes[i].escape)) != NULL)
            return escapes[i].label;
    return NULL;
}

static const struct tm_charset *decide(const char *data, size_t len, const char *label, bool markup,
                                       bool multibyte, struct tm_decoded *ret)
{
    const struct tm_charset *c;
    bool seen = false;
    if (multibyte) {
        ret->source = "utf8";
        return tm_charset_find("utf-8", 5);
    }
    if (label != NULL && label[0] != '\0') {
        ret->source = "header";
        if ((c = tm_charset_find(label, strlen(label))) != NULL)
            return c;
        ret->unknown_label = true;
    }
    const char *wide = looks_wide(data, len);
    if (wide != NULL) {
        ret->source = "detector";
        return tm_charset_find(wide, strlen(wide));
    }
    if (markup) {
        ret->source = "declared";
        if ((c = xml_declaration(data, len, &seen)) != NULL)
            return c;
        ret->source = "meta";
        if ((c = meta_prescan(data, len, &seen)) != NULL)
            return c;
        ret->unknown_label |= seen;
    }
    ret->source = "detector";
    if ((wide = looks_seven_bit(data, len)) != NULL)
        return tm_charset_find(wide, strlen(wide));
    if ((c = tm_charset_guess(data, len)) != NULL)
        return c;
    ret->source = "default";
    return has_high(data, len) ? tm_charset_find("windows-1252", 12) : tm_charset_find("utf-8", 5);
}

/* ---- decoding ----------------------------------------------------------------------------------
 */

/* Invalid sequences become U+FFFD each, by maximal subparts as the standard asks. */
static bool repair_utf8(const char *s, size_t n, struct tm_buf *out, uint32_t *replaced)
{
    while (n > 0) {
        size_t good = tm_utf8_valid(s, n);
        if (!tm_buf_append(out, s, good))
            return false;
        s += good, n -= good;
        if (n == 0)
            break;
        unsigned char lead = (unsigned char)s[0];
        size_t want = lead >= 0xf0 && lead <= 0xf4   ? 4
                      : lead >= 0xe0 && lead <= 0xef ? 3
                      : lead >= 0xc2 && lead <= 0xdf ? 2
                                                     : 1;
        size_t bad = 1;
        if (want > 1 && n > 1) {
            unsigned char second = (unsigned char)s[1];
            unsigned char lo = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
            unsigned char hi = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
            if (second >= lo && second <= hi)
                for (bad = 2; bad < want && bad < n && ((unsigned char)s[bad] & 0xc0) == 0x80;)
                    bad++;
        }
        if (!tm_buf_append(out, "\xef\xbf\xbd", 3))
            return false;
        *replaced += 1;
        s += bad, n -= bad;
    }
    return true;
}

static bool decode_user_defined(const char *s, size_t n, struct tm_buf *out)
{
    for (size_t i = 0; i < n; i++) {
        char code[4];
        unsigned char b = (unsigned char)s[i];
        size_t len = tm_utf8_encode(b < 0x80 ? b : 0xf700u + b, code);
        if (!tm_buf_append(out, code, len))
            return false;
    }
    return true;
}

static void count_and_substitute(const void *context, UConverterToUnicodeArgs *args,
                                 const char *units, int32_t length, UConverterCallbackReason reason,
                                 UErrorCode *code)
{
    if (reason == UCNV_UNASSIGNED || reason == UCNV_ILLEGAL || reason == UCNV_IRREGULAR)
        ++*(uint32_t *)(uintptr_t)context; /* ICU hands the context back as const */
    UCNV_TO_U_CALLBACK_SUBSTITUTE(NULL, args, units, length, reason, code);
}

static void close_converter(UConverter **c)
{
    if (*c != NULL)
        ucnv_close(*c);
}

enum tm_status tm_charset_convert(const struct tm_charset *charset, const char *s, size_t n,
                                  struct tm_buf *out, uint32_t *replaced, struct tm_err *err)
{
    UErrorCode code = U_ZERO_ERROR;
    TM_CLEANUP(close_converter) UConverter *from = ucnv_open(charset->converter, &code);
    TM_CLEANUP(close_converter) UConverter *to = ucnv_open("UTF-8", &code);
    if (U_FAILURE(code))
        return tm_err_set(err, TM_CHARSET, "no converter for %s: %s", charset->name,
                          u_errorName(code));
    ucnv_setToUCallBack(from, count_and_substitute, replaced, NULL, NULL, &code);
    UChar pivot[1024], *pivot_from = pivot, *pivot_to = pivot;
    const char *end = s + n;
    bool first = true;
    for (;;) {
        if (!tm_buf_reserve(out, 4096 + (size_t)(end - s)))
            return tm_err_set(err, TM_TOOLARGE, "decoded text exceeds the memory of a document");
        char *at = out->data + out->len;
        code = U_ZERO_ERROR;
        ucnv_convertEx(to, from, &at, out->data + out->room - 1, &s, end, pivot, &pivot_from,
                       &pivot_to, pivot + TM_COUNTOF(pivot), first, true, &code);
        out->len = (size_t)(at - out->data);
        out->data[out->len] = '\0';
        first = false;
        if (code != U_BUFFER_OVERFLOW_ERROR)
            break;
    }
    if (U_FAILURE(code))
        return tm_err_set(err, TM_CHARSET, "cannot decode %s: %s", charset->name,
                          u_errorName(code));
    return TM_OK;
}

enum tm_status tm_charset_decode(const char *data, size_t len, const char *label, bool markup,
                                 struct tm_buf *out, struct tm_decoded *ret, struct tm_err *err)
{
    *ret = (struct tm_decoded){0};
    tm_buf_clear(out);
    const struct tm_charset *c;
    const char *marked = NULL;
    size_t mark = byte_order_mark(data, len, &marked);
    data += mark, len -= mark;
    bool valid = tm_utf8_valid(data, len) == len, high = has_high(data, len);
    if (mark > 0) {
        ret->source = "bom";
        c = tm_charset_find(marked, strlen(marked));
    } else {
        c = decide(data, len, label, markup, valid && high, ret);
    }
    ret->encoding = c->name;
    bool plain = c->form == TM_CHARSET_UTF8 || (c->form != TM_CHARSET_OTHER && !high);
    if (plain && valid) {
        ret->text = data;
        ret->len = len;
        return TM_OK;
    }
    enum tm_status status = TM_OK;
    bool room = true;
    if (c->form == TM_CHARSET_UTF8)
        room = repair_utf8(data, len, out, &ret->replaced);
    else if (c->form == TM_CHARSET_USER_DEFINED)
        room = decode_user_defined(data, len, out);
    else
        status = tm_charset_convert(c, data, len, out, &ret->replaced, err);
    if (!room)
        return tm_err_set(err, TM_TOOLARGE, "decoded text exceeds the memory of a document");
    ret->text = out->data == NULL ? "" : out->data;
    ret->len = out->len;
    return status;
}
