/* Which encoding a document is in, and its decoding to UTF-8. */
#ifndef CLEAN_CHARSET_H
#define CLEAN_CHARSET_H

#include "tm_base.h"

enum tm_charset_form {
    TM_CHARSET_UTF8,
    TM_CHARSET_ASCII_SUPERSET, /* bytes below 0x80 are ASCII */
    TM_CHARSET_OTHER,          /* UTF-16, and the 7-bit encodings with escapes */
    TM_CHARSET_USER_DEFINED,
};

/* One encoding of the WHATWG Encoding Standard. */
struct tm_charset {
    const char *name;      /* the standard's name, lower case */
    const char *converter; /* ICU's converter with the web's table */
    enum tm_charset_form form;
    const char *labels; /* separated by blanks, lower case */
};

extern const struct tm_charset tm_charsets[]; /* ends with a row whose name is NULL */

/* The encoding that a label means (ASCII case and surrounding white space ignored); NULL: unknown.
 */
const struct tm_charset *tm_charset_find(const char *label, size_t len);

struct tm_decoded {
    const char *text; /* valid UTF-8, without byte order mark; the input itself or out->data */
    size_t len;
    const char *encoding, *source; /* as in tm_cleaning: static storage */
    uint32_t replaced;             /* U+FFFD put in for what cannot be decoded */
    bool unknown_label;            /* a label was given that nobody knows */
};

/* Decides (byte order mark > valid UTF-8 with a multi-byte sequence > label from outside > XML
 * declaration > meta > what the bytes look like > windows-1252) and decodes. markup: look for
 * labels inside. out is scratch of the caller and must outlive ret->text, as must data. */
enum tm_status tm_charset_decode(const char *data, size_t len, const char *label, bool markup,
                                 struct tm_buf *out, struct tm_decoded *ret, struct tm_err *err);

/* Appends data, decoded, to out. replaced is raised by what cannot be. For charset_guess.c. */
enum tm_status tm_charset_convert(const struct tm_charset *charset, const char *data, size_t len,
                                  struct tm_buf *out, uint32_t *replaced, struct tm_err *err);
/* charset_guess.c: the encoding that bytes beyond ASCII look like; NULL: there are hardly any, or
 * memory is short. */
const struct tm_charset *tm_charset_guess(const char *data, size_t len);

#endif
