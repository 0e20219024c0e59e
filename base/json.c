/* Streaming JSON reader (tm_json.h): the grammar of RFC 8259 as a small state machine.
 *
 * Called by engine/ and pipeline/ when a model is loaded, on the loading thread. Strings are copied
 * into one scratch buffer, in runs. Lines are counted only when there is an error to report. The
 * readers of typed values are in json_value.c. */
#include "tm_json.h"
#include <stdio.h>
#include <string.h>

enum { DEPTH_MOST = 256 };

/* What the reader stands before. */
enum state { VALUE, FIRST_ELEMENT, FIRST_KEY, AFTER_VALUE, FAILED };

void tm_json_init(struct tm_json *j, const char *name, const char *data, size_t len)
{
    *j = (struct tm_json){.data = data, .len = len, .name = name, .max_depth = DEPTH_MOST};
}

void tm_json_finish(struct tm_json *j)
{
    if (j != NULL)
        tm_buf_finish(&j->scratch);
}

__attribute__((format(printf, 4, 0))) static enum tm_status
report(struct tm_json *j, enum tm_status status, struct tm_err *err, const char *fmt, va_list ap)
{
    if (err == NULL || err->status != TM_OK)
        return status;
    char text[sizeof err->text];
    vsnprintf(text, sizeof text, fmt, ap);
    size_t line = 1, start = 0;
    for (const char *p = j->data, *end = p + j->at;
         p < end && (p = memchr(p, '\n', (size_t)(end - p))) != NULL; line++)
        start = (size_t)(++p - j->data);
    size_t column = 1 + (j->at > start ? tm_utf8_count(j->data + start, j->at - start) : 0);
    /* A long path must not push the message out: its end is what tells files apart. */
    const char *name = j->name != NULL ? j->name : "JSON";
    size_t len = strlen(name), most = 96;
    return tm_err_set(err, status, "%s:%zu:%zu: %s", name + (len > most ? len - most : 0), line,
                      column, text);
}

enum tm_status tm_json_fail(struct tm_json *j, enum tm_status status, struct tm_err *err,
                            const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    report(j, status, err, fmt, ap);
    va_end(ap);
    return status;
}

/* Not JSON at offset `at`: nothing more can be read. */
__attribute__((format(printf, 4, 5))) static enum tm_status
bad(struct tm_json *j, size_t at, struct tm_err *err, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    j->at = at;
    j->state = FAILED;
    report(j, TM_BADINPUT, err, fmt, ap);
    va_end(ap);
    return TM_BADINPUT;
}

static enum tm_status unexpected(struct tm_json *j, struct tm_err *err, const char *expected)
{
    if (j->pos == j->len)
        return bad(j, j->pos, err, "the text ends where %s is expected", expected);
    unsigned char c = (unsigned char)j->data[j->pos];
    if (c > 0x20 && c < 0x7f)
        return bad(j, j->pos, err, "'%c' where %s is expected", c, expected);
    return bad(j, j->pos, err, "byte 0x%02x where %s is expected", c, expected);
}

static void skip_space(struct tm_json *j)
{
    while (j->pos < j->len) {
        char c = j->data[j->pos];
        if (c != ' ' && c != '\n' && c != '\r' && c != '\t')
            break;
        j->pos++;
    }
}

/* '\0' at the end of the text; that byte itself is never expected, so no ambiguity matters. */
static char peek(const struct tm_json *j)
{
    return j->pos < j->len ? j->data[j->pos] : '\0';
}

static bool in_object(const struct tm_json *j)
{
    unsigned level = j->depth - 1;
    return (j->nesting[level / 64] >> level % 64 & 1) != 0;
}

static enum tm_status open_container(struct tm_json *j, struct tm_json_event *ret_event,
                                     struct tm_err *err)
{
    bool object = j->data[j->pos] == '{';
    unsigned most = TM_MIN(j->max_depth, (unsigned)DEPTH_MOST);
    if (j->depth >= most) {
        j->state = FAILED;
        return tm_json_fail(j, TM_DEPTH, err, "nested more than %u levels deep", most);
    }
    uint64_t bit = UINT64_C(1) << j->depth % 64;
    if (object)
        j->nesting[j->depth / 64] |= bit;
    else
        j->nesting[j->depth / 64] &= ~bit;
    j->depth++;
    j->pos++;
    j->state = object ? FIRST_KEY : FIRST_ELEMENT;
    ret_event->type = object ? TM_JSON_OBJECT : TM_JSON_ARRAY;
    return TM_OK;
}

static enum tm_status close_container(struct tm_json *j, struct tm_json_event *ret_event)
{
    ret_event->type = in_object(j) ? TM_JSON_OBJECT_END : TM_JSON_ARRAY_END;
    j->depth--;
    j->pos++;
    j->state = AFTER_VALUE;
    return TM_OK;
}

/* Bytes at s that go into a string as they are: valid UTF-8 without quote, backslash, control. */
static size_t plain_run(const char *s, size_t n)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), highs = ones * 0x80;
    size_t i = 0;
    while (i < n) {
        uint64_t w;
        if (n - i >= sizeof w) {
            memcpy(&w, s + i, sizeof w);
            /* A high bit in x - ones where a byte of x is zero; the test may see too much next to
             * such a byte, never too little, and then the careful way below decides. */
            uint64_t quote = w ^ ones * '"', slash = w ^ ones * '\\';
            if (((w | (w - ones * 0x20) | (quote - ones) | (slash - ones)) & highs) == 0) {
                i += sizeof w;
                continue;
            }
        }
        unsigned char c = (unsigned char)s[i];
        if (c == '"' || c == '\\' || c < 0x20)
            break;
        uint32_t cp;
        size_t step = c < 0x80 ? 1 : tm_utf8_decode(s + i, n - i, &cp);
        if (step == 0)
            break;
        i += step;
    }
    return i;
}

/* Four hexadecimal digits at offset at; UINT32_MAX when they are not. */
static uint32_t hex4(const struct tm_json *j, size_t at)
{
    if (j->len < 4 || at > j->len - 4)
        return UINT32_MAX;
    uint32_t value = 0;
    for (size_t i = 0; i < 4; i++) {
        char c = j->data[at + i];
        uint32_t digit = c >= '0' && c <= '9'   ? (uint32_t)(c - '0')
                         : c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a' + 10)
                         : c >= 'A' && c <= 'F' ? (uint32_t)(c - 'A' + 10)
                                                : 16;
        if (digit == 16)
            return UINT32_MAX;
        value = value << 4 | digit;
    }
    return value;
}

/* After "\u" at j->pos; moves past the digits, and past the second half of a pair. */
static enum tm_status read_unicode_escape(struct tm_json *j, struct tm_err *err)
{
    size_t start = j->pos - 2;
    uint32_t cp = hex4(j, j->pos);
    if (cp == UINT32_MAX)
        return bad(j, start, err, "\\u without four hexadecimal digits");
    j->pos += 4;
    if (cp >= 0xd800 && cp <= 0xdbff && j->len - j->pos >= 6 && j->data[j->pos] == '\\' &&
        j->data[j->pos + 1] == 'u') {
        uint32_t low = hex4(j, j->pos + 2);
        if (low >= 0xdc00 && low <= 0xdfff) {
            cp = 0x10000 + ((cp - 0xd800) << 10 | (low - 0xdc00));
            j->pos += 6;
        }
    }
    char bytes[4];
    size_t n = tm_utf8_encode(cp, bytes);
    if (n == 0)
        return bad(j, start, err, "half of a surrogate pair alone");
    tm_buf_append(&j->scratch, bytes, n);
    return TM_OK;
}

/* At a backslash. */
static enum tm_status read_escape(struct tm_json *j, struct tm_err *err)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    if (j->len - j->pos < 2)
        return bad(j, j->len, err, "the text ends inside a string");
    char c = j->data[j->pos + 1];
    j->pos += 2;
    if (c == 'u')
        return read_unicode_escape(j, err);
    const char *found = c != '\0' ? strchr(from, c) : NULL;
    if (found == NULL)
        return bad(j, j->pos - 2, err, "unknown escape in a string");
    tm_buf_putc(&j->scratch, to[found - from]);
    return TM_OK;
}

/* At the opening quote; fills text and len. */
static enum tm_status read_string(struct tm_json *j, struct tm_json_event *ret_event,
                                  struct tm_err *err)
{
    tm_buf_clear(&j->scratch);
    j->pos++;
    for (;;) {
        size_t run = plain_run(j->data + j->pos, j->len - j->pos);
        tm_buf_append(&j->scratch, j->data + j->pos, run);
        j->pos += run;
        if (j->pos == j->len)
            return bad(j, j->pos, err, "the text ends inside a string");
        unsigned char c = (unsigned char)j->data[j->pos];
        if (c == '"')
            break;
        if (c < 0x20)
            return bad(j, j->pos, err, "control character 0x%02x in a string", c);
        if (c != '\\')
            return bad(j, j->pos, err, "string is not UTF-8");
        enum tm_status s = read_escape(j, err);
        if (s != TM_OK)
            return s;
    }
    j->pos++;
    if (j->scratch.failed) {
        j->state = FAILED;
        return tm_json_fail(j, TM_NOMEM, err, "no memory for a string");
    }
    ret_event->text = j->scratch.data;
    ret_event->len = j->scratch.len;
    return TM_OK;
}

static size_t skip_digits(struct tm_json *j)
{
    size_t start = j->pos;
    while (j->pos < j->len && j->data[j->pos] >= '0' && j->data[j->pos] <= '9')
        j->pos++;
    return j->pos - start;
}

static enum tm_status read_number(struct tm_json *j, struct tm_json_event *ret_event,
                                  struct tm_err *err)
{
    size_t start = j->pos;
    j->pos += peek(j) == '-';
    if (peek(j) == '0')
        j->pos++; /* no digit may follow; if one does, the next event fails there */
    else if (skip_digits(j) == 0)
        return unexpected(j, err, "a digit");
    if (peek(j) == '.') {
        j->pos++;
        if (skip_digits(j) == 0)
            return unexpected(j, err, "a digit");
    }
    if (peek(j) == 'e' || peek(j) == 'E') {
        j->pos++;
        j->pos += peek(j) == '+' || peek(j) == '-';
        if (skip_digits(j) == 0)
            return unexpected(j, err, "a digit");
    }
    ret_event->type = TM_JSON_NUMBER;
    ret_event->text = j->data + start;
    ret_event->len = j->pos - start;
    return TM_OK;
}

static bool take_word(struct tm_json *j, const char *word)
{
    size_t n = strlen(word);
    if (j->len - j->pos < n || memcmp(j->data + j->pos, word, n) != 0)
        return false;
    j->pos += n;
    return true;
}

static enum tm_status read_value(struct tm_json *j, struct tm_json_event *ret_event,
                                 struct tm_err *err)
{
    char c = peek(j);
    if (c == '{' || c == '[')
        return open_container(j, ret_event, err);
    j->state = AFTER_VALUE;
    if (c == '"') {
        ret_event->type = TM_JSON_STRING;
        return read_string(j, ret_event, err);
    }
    if (c == '-' || (c >= '0' && c <= '9'))
        return read_number(j, ret_event, err);
    if (take_word(j, "null")) {
        ret_event->type = TM_JSON_NULL;
        return TM_OK;
    }
    ret_event->boolean = c == 't';
    if (!take_word(j, "true") && !take_word(j, "false"))
        return unexpected(j, err, "a value");
    ret_event->type = TM_JSON_BOOL;
    return TM_OK;
}

/* The key and its colon, so that the reader then stands before the value. */
static enum tm_status read_key(struct tm_json *j, struct tm_json_event *ret_event,
                               struct tm_err *err)
{
    if (peek(j) != '"')
        return unexpected(j, err, "a key");
    enum tm_status s = read_string(j, ret_event, err);
    if (s != TM_OK)
        return s;
    skip_space(j);
    if (peek(j) != ':')
        return unexpected(j, err, "':'");
    j->pos++;
    j->state = VALUE;
    ret_event->type = TM_JSON_KEY;
    return TM_OK;
}

static enum tm_status read_after_value(struct tm_json *j, struct tm_json_event *ret_event,
                                       struct tm_err *err)
{
    if (j->depth == 0) {
        ret_event->type = TM_JSON_END;
        return j->pos == j->len ? TM_OK : bad(j, j->pos, err, "more text after the value");
    }
    bool object = in_object(j);
    if (peek(j) == (object ? '}' : ']'))
        return close_container(j, ret_event);
    if (peek(j) != ',')
        return unexpected(j, err, object ? "',' or '}'" : "',' or ']'");
    j->pos++;
    skip_space(j);
    j->at = j->pos;
    return object ? read_key(j, ret_event, err) : read_value(j, ret_event, err);
}

static enum tm_status read_event(struct tm_json *j, struct tm_json_event *ret_event,
                                 struct tm_err *err)
{
    switch ((enum state)j->state) {
    case FIRST_ELEMENT:
        return peek(j) == ']' ? close_container(j, ret_event) : read_value(j, ret_event, err);
    case FIRST_KEY:
        return peek(j) == '}' ? close_container(j, ret_event) : read_key(j, ret_event, err);
    case AFTER_VALUE:
        return read_after_value(j, ret_event, err);
    case FAILED:
        return tm_json_fail(j, TM_BADINPUT, err, "not read further after an error");
    default:
        return read_value(j, ret_event, err);
    }
}

enum tm_status tm_json_next(struct tm_json *j, struct tm_json_event *ret_event, struct tm_err *err)
{
    struct tm_json_event ev = {.type = TM_JSON_END};
    if (j->state != FAILED) {
        skip_space(j);
        j->at = j->pos;
    }
    enum tm_status s = read_event(j, &ev, err);
    if (s == TM_OK)
        *ret_event = ev;
    return s;
}
