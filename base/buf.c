/* Growing byte buffers, and reading a whole file into one (tm_mem.h).
 *
 * Called from every room; a buffer belongs to one thread at a time. */
#include "tm_mem.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

void tm_buf_finish(struct tm_buf *b)
{
    if (b == NULL)
        return;
    free(b->data);
    *b = (struct tm_buf){.cap = b->cap};
}

void tm_buf_clear(struct tm_buf *b)
{
    b->len = 0;
    b->failed = false;
    if (b->data != NULL)
        b->data[0] = '\0';
}

bool tm_buf_reserve(struct tm_buf *b, size_t more)
{
    if (b->failed)
        return false;
    if (b->room - b->len > more) /* room counts the terminating NUL */
        return true;
    size_t most = b->cap != 0 ? b->cap : SIZE_MAX / 2;
    if (more > most || b->len > most - more) {
        b->failed = true;
        return false;
    }
    size_t room = TM_MAX(b->len + more + 1, TM_MIN(TM_MAX(b->room * 2, (size_t)64), most + 1));
    char *data = realloc(b->data, room);
    if (data == NULL) {
        b->failed = true;
        return false;
    }
    if (b->data == NULL)
        data[0] = '\0';
    b->data = data;
    b->room = room;
    return true;
}

bool tm_buf_append(struct tm_buf *b, const void *bytes, size_t n)
{
    if (!tm_buf_reserve(b, n))
        return false;
    if (n > 0)
        memcpy(b->data + b->len, bytes, n);
    b->len += n;
    b->data[b->len] = '\0';
    return true;
}

bool tm_buf_puts(struct tm_buf *b, const char *s)
{
    return tm_buf_append(b, s, strlen(s));
}

bool tm_buf_putc(struct tm_buf *b, char c)
{
    if (!tm_buf_reserve(b, 1))
        return false;
    b->data[b->len++] = c;
    b->data[b->len] = '\0';
    return true;
}

bool tm_buf_put_uint(struct tm_buf *b, uint64_t v)
{
    char digits[20];
    size_t at = sizeof digits;
    do
        digits[--at] = (char)('0' + v % 10);
    while ((v /= 10) > 0);
    return tm_buf_append(b, digits + at, sizeof digits - at);
}

bool tm_buf_printf(struct tm_buf *b, const char *fmt, ...)
{
    va_list ap;
    size_t room = b->failed ? 0 : b->room - b->len;
    va_start(ap, fmt);
    int n = vsnprintf(room == 0 ? NULL : b->data + b->len, room, fmt, ap);
    va_end(ap);
    if (n >= 0 && (size_t)n < room) { /* as a rule it fits */
        b->len += (size_t)n;
        return true;
    }
    if (room > 0)
        b->data[b->len] = '\0';
    if (n < 0)
        b->failed = true;
    if (n < 0 || !tm_buf_reserve(b, (size_t)n))
        return false;
    va_start(ap, fmt);
    vsnprintf(b->data + b->len, (size_t)n + 1, fmt, ap);
    va_end(ap);
    b->len += (size_t)n;
    return true;
}

/* Whether one of eight bytes is below 0x20, a quote, a backslash or beyond ASCII. May say so in
 * vain, never fails to. */
static bool needs_a_look(const char *s)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), tops = ones << 7;
    uint64_t v;
    memcpy(&v, s, sizeof v);
    uint64_t quote = v ^ ones * '"', slash = v ^ ones * '\\';
    return (((v - ones * 0x20) | (quote - ones) | (slash - ones) | v) & tops) != 0;
}

/* Bytes at s that a JSON string may hold as they are. */
static size_t plain_run(const char *s, size_t n)
{
    size_t i = 0;
    while (i < n) {
        while (n - i >= sizeof(uint64_t) && !needs_a_look(s + i))
            i += sizeof(uint64_t);
        if (i == n)
            break;
        unsigned char c = (unsigned char)s[i];
        if (c < 0x20 || c == '"' || c == '\\')
            break;
        uint32_t cp;
        size_t step = c < 0x80 ? 1 : tm_utf8_decode(s + i, n - i, &cp);
        if (step == 0)
            break;
        i += step;
    }
    return i;
}

static bool put_escaped(struct tm_buf *b, unsigned char c)
{
    static const char name[] = {['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f',
                                ['\r'] = 'r', ['"'] = '"',  ['\\'] = '\\'};
    if (c >= 0x80)
        return tm_buf_puts(b, "\xef\xbf\xbd"); /* U+FFFD */
    if (c < sizeof name && name[c] != '\0')
        return tm_buf_append(b, (const char[]){'\\', name[c]}, 2);
    return tm_buf_printf(b, "\\u%04x", (unsigned)c);
}

bool tm_buf_json_string(struct tm_buf *b, const char *s, size_t n)
{
    tm_buf_putc(b, '"');
    for (size_t i = 0; i < n;) {
        size_t run = plain_run(s + i, n - i);
        tm_buf_append(b, s + i, run);
        i += run;
        if (i < n)
            put_escaped(b, (unsigned char)s[i++]);
    }
    return tm_buf_putc(b, '"');
}

static void closep(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

enum tm_status tm_read_file(const char *path, size_t cap, struct tm_buf *b, struct tm_err *err)
{
    TM_CLEANUP(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0)
        return tm_err_errno(err, errno, "cannot open %s", path);
    size_t expected = S_ISREG(st.st_mode) && st.st_size > 0 ? (size_t)st.st_size : 0;
    if (expected > cap)
        return tm_err_set(err, TM_TOOLARGE, "%s has %zu bytes, more than %zu", path, expected, cap);
    /* One byte more than expected, so that the end is seen without growing again. */
    for (size_t total = 0, ask = expected + 1;; ask = 65536) {
        if (!tm_buf_reserve(b, ask))
            return tm_err_set(err, b->cap != 0 ? TM_TOOLARGE : TM_NOMEM, "no room to read %s",
                              path);
        ssize_t n = read(fd, b->data + b->len, ask);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return tm_err_errno(err, errno, "cannot read %s", path);
        b->len += (size_t)n;
        total += (size_t)n;
        b->data[b->len] = '\0';
        if (total > cap)
            return tm_err_set(err, TM_TOOLARGE, "%s has more than %zu bytes", path, cap);
        if (n == 0)
            return TM_OK;
    }
}

bool tm_name_ends(const char *name, size_t n, const char *suffix)
{
    size_t k = strlen(suffix);
    return n > k && strncasecmp(name + n - k, suffix, k) == 0;
}
