/* Typed values from the streaming reader (tm_json.h): skip, string, numbers, booleans.
 *
 * Called like json.c. Numbers are converted from their text exactly, whatever the locale. */
#include "tm_json.h"
#include <float.h>
#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static const char *const event_name[] = {
    [TM_JSON_END] = "the end of the text",
    [TM_JSON_OBJECT] = "an object",
    [TM_JSON_OBJECT_END] = "the end of an object",
    [TM_JSON_ARRAY] = "an array",
    [TM_JSON_ARRAY_END] = "the end of an array",
    [TM_JSON_KEY] = "a key",
    [TM_JSON_STRING] = "a string",
    [TM_JSON_NUMBER] = "a number",
    [TM_JSON_BOOL] = "true or false",
    [TM_JSON_NULL] = "null",
};

enum tm_status tm_json_skip(struct tm_json *j, struct tm_err *err)
{
    struct tm_json_event ev;
    unsigned depth = j->depth;
    enum tm_status s = tm_json_next(j, &ev, err);
    if (s != TM_OK)
        return s;
    if (ev.type == TM_JSON_KEY || ev.type == TM_JSON_END || j->depth < depth)
        return tm_json_fail(j, TM_BADINPUT, err, "%s where a value is expected",
                            event_name[ev.type]);
    while (j->depth > depth) {
        s = tm_json_next(j, &ev, err);
        if (s != TM_OK)
            return s;
    }
    return TM_OK;
}

static enum tm_status expect(struct tm_json *j, enum tm_json_type type, struct tm_json_event *ev,
                             struct tm_err *err)
{
    enum tm_status s = tm_json_next(j, ev, err);
    if (s != TM_OK || ev->type == type)
        return s;
    return tm_json_fail(j, TM_BADINPUT, err, "%s where %s is expected", event_name[ev->type],
                        event_name[type]);
}

enum tm_status tm_json_string(struct tm_json *j, const char **ret_text, size_t *ret_len,
                              struct tm_err *err)
{
    struct tm_json_event ev;
    enum tm_status s = expect(j, TM_JSON_STRING, &ev, err);
    if (s != TM_OK)
        return s;
    *ret_text = ev.text;
    *ret_len = ev.len;
    return TM_OK;
}

enum tm_status tm_json_i64(struct tm_json *j, int64_t *ret, struct tm_err *err)
{
    struct tm_json_event ev;
    enum tm_status s = expect(j, TM_JSON_NUMBER, &ev, err);
    if (s != TM_OK || tm_json_number_i64(ev.text, ev.len, ret))
        return s;
    return tm_json_fail(j, TM_BADINPUT, err, "%.*s is not a whole number of 64 bits",
                        (int)TM_MIN(ev.len, (size_t)40), ev.text);
}

enum tm_status tm_json_f64(struct tm_json *j, double *ret, struct tm_err *err)
{
    struct tm_json_event ev;
    enum tm_status s = expect(j, TM_JSON_NUMBER, &ev, err);
    if (s != TM_OK || tm_json_number_f64(ev.text, ev.len, ret))
        return s;
    return tm_json_fail(j, TM_BADINPUT, err, "%.*s is beyond a double",
                        (int)TM_MIN(ev.len, (size_t)40), ev.text);
}

enum tm_status tm_json_bool(struct tm_json *j, bool *ret, struct tm_err *err)
{
    struct tm_json_event ev;
    enum tm_status s = expect(j, TM_JSON_BOOL, &ev, err);
    if (s == TM_OK)
        *ret = ev.boolean;
    return s;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* 4.0 is a whole number too: some configuration files are written that way. */
bool tm_json_number_i64(const char *text, size_t len, int64_t *ret)
{
    bool negative = len > 0 && text[0] == '-';
    size_t i = negative, first = i;
    int64_t value = 0;
    for (; i < len && is_digit(text[i]); i++) {
        int digit = text[i] - '0';
        /* Downwards, because INT64_MIN has no positive counterpart. */
        if (__builtin_mul_overflow(value, (int64_t)10, &value) ||
            __builtin_sub_overflow(value, (int64_t)digit, &value))
            return false;
    }
    if (i == first)
        return false;
    if (i < len && text[i] == '.')
        for (i++; i < len && text[i] == '0';)
            i++;
    if (i != len || (!negative && value == INT64_MIN))
        return false;
    *ret = negative ? value : -value;
    return true;
}

/* Up to 2^53 and powers of ten up to 22 are exact doubles, and one operation on them rounds once
 * (Clinger's fast path): most scores of vocabularies end here. */
static bool small_f64(const char *text, size_t len, double *ret)
{
    static const double power[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                   1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                   1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    bool negative = len > 0 && text[0] == '-';
    int64_t mantissa = 0;
    size_t fraction = 0, i = negative;
    bool point = false;
    for (; i < len; i++) {
        if (text[i] == '.' && !point) {
            point = true;
            continue;
        }
        if (!is_digit(text[i]) || mantissa > (INT64_C(1) << 53) / 10 - 1)
            return false;
        mantissa = mantissa * 10 + (text[i] - '0');
        fraction += point;
    }
    if (FLT_EVAL_METHOD != 0 || fraction >= TM_COUNTOF(power))
        return false;
    double value = (double)mantissa / power[fraction];
    *ret = negative ? -value : value;
    return true;
}

/* strtod knows more than JSON: hexadecimal, infinity, space in front. */
static bool is_decimal(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!is_digit(text[i]) && (text[i] == '\0' || strchr("+-.eE", text[i]) == NULL))
            return false;
    size_t first = len > 0 && text[0] == '-';
    return first < len && is_digit(text[first]) && is_digit(text[len - 1]);
}

static locale_t c_locale;

static void make_locale(void)
{
    c_locale = newlocale(LC_NUMERIC_MASK, "C", (locale_t)0);
}

static void freep(char **p)
{
    free(*p);
}

bool tm_json_number_f64(const char *text, size_t len, double *ret)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    if (!is_decimal(text, len))
        return false;
    if (small_f64(text, len, ret))
        return true;
    pthread_once(&once, make_locale);
    char stack[128];
    TM_CLEANUP(freep) char *heap = len < sizeof stack ? NULL : malloc(len + 1);
    char *copy = len < sizeof stack ? stack : heap;
    if (copy == NULL || c_locale == (locale_t)0)
        return false;
    memcpy(copy, text, len);
    copy[len] = '\0';
    char *end;
    double value = strtod_l(copy, &end, c_locale);
    if (end != copy + len || !isfinite(value))
        return false;
    *ret = value;
    return true;
}
