/* Logging: one line an event on stderr, logfmt or JSON; under systemd (JOURNAL_STREAM) without
 * time and with <N> priorities. Results never go here, notices never to stdout.
 *
 * Only daemon/ logs above debug. Repeats are limited to one in ten seconds with a count of those
 * left out: of warnings and errors the message with whatever fields, of the rest the same line.
 * Thread-safe. */
#ifndef TM_LOG_H
#define TM_LOG_H

#include "tm_err.h"
#include <stdint.h>

enum tm_log_level { TM_LOG_ERROR, TM_LOG_WARNING, TM_LOG_NOTICE, TM_LOG_INFO, TM_LOG_DEBUG };
enum tm_log_format { TM_LOG_LOGFMT, TM_LOG_JSON };

struct tm_log_field {
    const char *key; /* NULL ends the list */
    enum { TM_LOG_STR, TM_LOG_I64, TM_LOG_F64 } type;
    const char *str;
    int64_t i64;
    double f64;
};
#define TM_S(k, v) ((struct tm_log_field){.key = (k), .type = TM_LOG_STR, .str = (v)})
#define TM_I(k, v) ((struct tm_log_field){.key = (k), .type = TM_LOG_I64, .i64 = (int64_t)(v)})
#define TM_F(k, v) ((struct tm_log_field){.key = (k), .type = TM_LOG_F64, .f64 = (v)})

void tm_log_setup(enum tm_log_level most, enum tm_log_format format);
void tm_log_write(enum tm_log_level level, const char *msg, const struct tm_log_field *fields);
/* tm_log(TM_LOG_INFO, "model loaded", TM_S("model", name), TM_I("tokens", n)); msg is constant text
 */
#define tm_log(level, msg, ...)                                                                    \
    tm_log_write((level), (msg), (const struct tm_log_field[]){__VA_ARGS__ __VA_OPT__(, ){0}})
/* The error as fields code, where and text; next is what to do about it. */
void tm_log_err(enum tm_log_level level, const char *msg, const struct tm_err *err,
                const char *next);

#endif
