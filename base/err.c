/* Status names and the error struct (tm_err.h).
 *
 * Called from every room on any thread; the struct belongs to the caller, so nothing is shared. */
#include "tm_err.h"
#include "tm_mem.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct status_row {
    const char *code, *text;
    bool retry;
};

static const struct status_row rows[TM_STATUS_COUNT] = {
#define X(name, code, text, retry) [TM_##name] = {code, text, retry},
    TM_STATUS_LIST(X)
#undef X
};

static const struct status_row *row_of(enum tm_status s)
{
    return (unsigned)s < TM_STATUS_COUNT ? &rows[s] : &rows[TM_INTERNAL];
}

const char *tm_status_code(enum tm_status s)
{
    return row_of(s)->code;
}

const char *tm_status_text(enum tm_status s)
{
    return row_of(s)->text;
}

bool tm_status_retry(enum tm_status s)
{
    return row_of(s)->retry;
}

/* Keeps the promise of one line of UTF-8 whatever file names and documents bring in: control
 * characters become spaces, other bytes question marks, a code point cut at the end goes. */
static void tidy(char *text, bool cut)
{
    size_t n = strlen(text);
    for (size_t i = 0, step; i < n; i += step) {
        uint32_t cp = 0;
        step = tm_utf8_decode(text + i, n - i, &cp);
        if (step == 0 && cut && n - i < 4) {
            text[i] = '\0';
            return;
        }
        if (step == 0) {
            text[i] = '?';
            step = 1;
        } else if (cp < 0x20 || cp == 0x7f) {
            text[i] = ' ';
        }
    }
}

__attribute__((format(printf, 6, 0))) static void fill(struct tm_err *err, enum tm_status s,
                                                       const char *where, int line,
                                                       const char *suffix, const char *fmt,
                                                       va_list ap)
{
    err->status = s;
    err->where = where;
    err->line = line;
    err->text[0] = '\0';
    int n = vsnprintf(err->text, sizeof err->text, fmt, ap);
    size_t wanted = n > 0 ? (size_t)n : 0;
    if (suffix != NULL && wanted + 2 < sizeof err->text) {
        n = snprintf(err->text + wanted, sizeof err->text - wanted, ": %s", suffix);
        wanted += n > 0 ? (size_t)n : 0;
    }
    tidy(err->text, wanted >= sizeof err->text);
}

enum tm_status tm_err_set_(struct tm_err *err, enum tm_status s, const char *where, int line,
                           const char *fmt, ...)
{
    if (err == NULL || err->status != TM_OK)
        return s;
    va_list ap;
    va_start(ap, fmt);
    fill(err, s, where, line, NULL, fmt, ap);
    va_end(ap);
    return s;
}

enum tm_status tm_status_from_errno(int errnum)
{
    switch (errnum) {
    case ENOMEM:
        return TM_NOMEM;
    case ENOENT:
    case ENOTDIR:
        return TM_NOTFOUND;
    case EACCES:
    case EPERM:
    case EROFS:
        return TM_PERM;
    case ENOSPC:
    case EDQUOT:
        return TM_NOSPACE;
    default:
        return TM_IO;
    }
}

enum tm_status tm_err_errno_(struct tm_err *err, int errnum, const char *where, int line,
                             const char *fmt, ...)
{
    enum tm_status s = tm_status_from_errno(errnum);
    if (err == NULL || err->status != TM_OK)
        return s;
    char name[128];
    va_list ap;
    va_start(ap, fmt);
    fill(err, s, where, line, strerror_r(errnum, name, sizeof name), fmt, ap);
    va_end(ap);
    return s;
}

void tm_assert_failed(const char *expr, const char *file, int line, const char *func)
{
    fprintf(stderr, "textmill: assertion failed: %s (%s:%d, %s)\n", expr, file, line, func);
    abort();
}
