/* Streaming JSON reader for the files of models (tokenizer.json of 20 MB, config.json).
 *
 * Pull style over memory that outlives the reader: tm_json_next() gives one event at a time.
 * Strings are length-counted and may hold U+0000; numbers are given as their text, so that a
 * 31-digit integer survives. RFC 8259 strictly: a lone surrogate escape, a control character in a
 * string, invalid UTF-8, trailing text are errors, with line and column. Depth and size are capped.
 */
#ifndef TM_JSON_H
#define TM_JSON_H

#include "tm_mem.h"

enum tm_json_type {
    TM_JSON_END, /* after the one top-level value */
    TM_JSON_OBJECT,
    TM_JSON_OBJECT_END,
    TM_JSON_ARRAY,
    TM_JSON_ARRAY_END,
    TM_JSON_KEY,    /* text, len */
    TM_JSON_STRING, /* text, len */
    TM_JSON_NUMBER, /* text, len: as written */
    TM_JSON_BOOL,   /* boolean */
    TM_JSON_NULL,
};

struct tm_json_event {
    enum tm_json_type type;
    const char *text; /* valid until the next call; NUL-terminated for KEY and STRING */
    size_t len;
    bool boolean;
};

struct tm_json {
    const char *data;
    size_t len, pos;
    unsigned depth, max_depth;
    uint64_t nesting[4]; /* bit per level: object or array; max_depth <= 256 */
    unsigned state;
    struct tm_buf scratch; /* decoded strings */
    const char *name;      /* for messages, borrowed */
    size_t at;             /* where the last event began, for messages */
};

/* Does not allocate; name is the file for messages. */
void tm_json_init(struct tm_json *j, const char *name, const char *data, size_t len);
void tm_json_finish(struct tm_json *j);
enum tm_status tm_json_next(struct tm_json *j, struct tm_json_event *ret_event, struct tm_err *err);
/* After KEY, or where a value may begin: reads past the whole value. */
enum tm_status tm_json_skip(struct tm_json *j, struct tm_err *err);
/* Error at the reader's place: "config.json:3:14: text". Returns status. */
enum tm_status tm_json_fail(struct tm_json *j, enum tm_status status, struct tm_err *err,
                            const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* Value readers: the next event must be of that type (else TM_BADINPUT with what was found). */
enum tm_status tm_json_string(struct tm_json *j, const char **ret_text, size_t *ret_len,
                              struct tm_err *err);
enum tm_status tm_json_i64(struct tm_json *j, int64_t *ret,
                           struct tm_err *err); /* exact or error */
enum tm_status tm_json_f64(struct tm_json *j, double *ret, struct tm_err *err);
enum tm_status tm_json_bool(struct tm_json *j, bool *ret, struct tm_err *err);
/* Exact conversions of a NUMBER event's text; false when it does not fit. Locale-independent. */
bool tm_json_number_i64(const char *text, size_t len, int64_t *ret);
bool tm_json_number_f64(const char *text, size_t len, double *ret); /* correctly rounded */

#endif
