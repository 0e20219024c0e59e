/* Status codes and the error that carries its own context.
 *
 * A function that can fail returns enum tm_status and describes the failure in a tm_err owned by
 * the caller. Passing NULL is allowed. The first error wins: a second one is dropped, so a caller
 * may add its own context only where the callee gave none. Nothing here allocates. */
#ifndef TM_ERR_H
#define TM_ERR_H

#include <assert.h>
#include <stdarg.h>
#include <stdbool.h>

/* clang-format off */
/*  name         stable code in results      text                            worth another try  */
#define TM_STATUS_LIST(X)                                                                          \
    X(OK,          "OK",                 "ok",                                      false)         \
    X(AGAIN,       "E_AGAIN",            "not now",                                 true)          \
    X(NOMEM,       "E_MEMORY",           "out of memory",                           true)          \
    X(BADINPUT,    "E_BAD_INPUT",        "input is not valid",                      false)         \
    X(CHARSET,     "E_CHARSET",          "text cannot be decoded",                  false)         \
    X(TOOLARGE,    "E_TOO_LARGE",        "a size limit is exceeded",                false)         \
    X(DEPTH,       "E_DEPTH",            "nested too deeply",                       false)         \
    X(EMPTY,       "E_EMPTY",            "no text",                                 false)         \
    X(TIMEOUT,     "E_TIMEOUT",          "took too long",                           false)         \
    X(CRASH,       "E_CRASH",            "the process died on it",                  false)         \
    X(MODEL,       "E_MODEL",            "model cannot be used",                    false)         \
    X(UNSUPPORTED, "E_UNSUPPORTED",      "not supported",                           false)         \
    X(NOTFOUND,    "E_NOT_FOUND",        "does not exist",                          false)         \
    X(PERM,        "E_PERMISSION",       "permission denied",                       false)         \
    X(IO,          "E_IO",               "input/output error",                      true)          \
    X(NOSPACE,     "E_NO_SPACE",         "no space left",                           true)          \
    X(CONFIG,      "E_CONFIG",           "configuration is not valid",              false)         \
    X(CLOSED,      "E_CLOSED",           "closed",                                  false)         \
    X(CANCELLED,   "E_CANCELLED",        "cancelled",                               true)          \
    X(DEVICE,      "E_DEVICE",           "accelerator error",                       true)          \
    X(UNAVAILABLE, "E_UNAVAILABLE",      "a service cannot be reached",             false)         \
    X(INTERNAL,    "E_INTERNAL",         "internal error",                          false)
/* clang-format on */

enum tm_status {
#define X(name, code, text, retry) TM_##name,
    TM_STATUS_LIST(X)
#undef X
        TM_STATUS_COUNT
};

struct tm_err {
    enum tm_status status; /* TM_OK while nothing has gone wrong */
    int line;              /* of the source that set it */
    const char *where;     /* function that set it, static storage */
    char text[256];        /* always terminated, empty or one line without a full stop */
};

const char *tm_status_code(enum tm_status s); /* "E_TOO_LARGE": stable, goes into results */
const char *tm_status_text(enum tm_status s);
bool tm_status_retry(enum tm_status s);

/* Fills *err when it is not NULL and still TM_OK; returns s, so `return tm_err_set(...)`. */
enum tm_status tm_err_set_(struct tm_err *err, enum tm_status s, const char *where, int line,
                           const char *fmt, ...) __attribute__((format(printf, 5, 6)));
#define tm_err_set(err, s, ...) tm_err_set_((err), (s), __func__, __LINE__, __VA_ARGS__)

/* From errno: TM_NOMEM, TM_NOTFOUND, TM_PERM, TM_NOSPACE or TM_IO. */
enum tm_status tm_status_from_errno(int errnum);
/* As tm_err_set with status from errnum and ": strerror" appended. */
enum tm_status tm_err_errno_(struct tm_err *err, int errnum, const char *where, int line,
                             const char *fmt, ...) __attribute__((format(printf, 5, 6)));
#define tm_err_errno(err, errnum, ...)                                                             \
    tm_err_errno_((err), (errnum), __func__, __LINE__, __VA_ARGS__)

/* Programmer errors, on in release too; never for input. tm_dassert is for inner loops. */
void tm_assert_failed(const char *expr, const char *file, int line, const char *func)
    __attribute__((noreturn));
#define tm_assert(e) ((e) ? (void)0 : tm_assert_failed(#e, __FILE__, __LINE__, __func__))
#ifdef NDEBUG
#define tm_dassert(e) ((void)0)
#else
#define tm_dassert(e) tm_assert(e)
#endif

/* A place where tests make the process fail: TEXTMILL_FAULT=name[:count][:action], several
 * separated by commas; at the count-th passing (1) does kill (default), killpg (a parent called
 * textmill too), abort, hang or exit (70). Compiled to nothing unless meson -Dfaults=true. */
#ifdef TM_FAULTS
void tm_fault_point(const char *name);
#define TM_FAULT(name) tm_fault_point(name)
#else
#define TM_FAULT(name) ((void)0)
#endif

#endif
