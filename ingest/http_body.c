/* HTTP responses in archives (http_body.h). Archives keep the bytes as they came over the wire, but
 * some tools undo chunks and compression and leave the head: what does not fit the head is taken as
 * it is. Called by warc.c on the source thread. */
#include "http_body.h"

#include <brotli/decode.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <zlib.h>

static void header(struct http_body *b, const char *s, size_t n)
{
    static const char type[] = "content-type:", encoding[] = "content-encoding:",
                      transfer[] = "transfer-encoding:";
    size_t skip =
        n > sizeof type - 1 && strncasecmp(s, type, sizeof type - 1) == 0 ? sizeof type - 1 : 0;
    if (skip > 0) {
        while (skip < n && s[skip] == ' ')
            skip++;
        size_t len = 0;
        while (skip + len < n && len + 1 < sizeof b->type &&
               strchr("; \t\r", s[skip + len]) == NULL) {
            b->type[len] = s[skip + len];
            len++;
        }
        b->type[len] = '\0';
        const char *at = memmem(s, n, "charset=", 8);
        size_t k = 0;
        for (at = at == NULL ? NULL : at + 8; at != NULL && at < s + n && k + 1 < sizeof b->charset;
             at++) {
            if (strchr("; \t\r", *at) != NULL)
                break;
            if (*at != '"' && *at != '\'')
                b->charset[k++] = *at;
        }
        b->charset[k] = '\0';
    } else if (n > sizeof encoding - 1 && strncasecmp(s, encoding, sizeof encoding - 1) == 0) {
        size_t from = sizeof encoding - 1, len = 0;
        while (from < n && s[from] == ' ')
            from++;
        while (from + len < n && len + 1 < sizeof b->encoding && s[from + len] > ' ') {
            b->encoding[len] = s[from + len];
            len++;
        }
        b->encoding[len] = '\0';
    } else if (n > sizeof transfer - 1 && strncasecmp(s, transfer, sizeof transfer - 1) == 0) {
        b->chunked = memmem(s, n, "chunked", 7) != NULL;
    }
}

enum tm_status http_read_head(struct http_body *b)
{
    const char *s = b->data, *end = b->data + b->len;
    if (b->len < 12 || memcmp(s, "HTTP/", 5) != 0)
        return TM_BADINPUT;
    const char *space = memchr(s, ' ', 16);
    for (size_t i = 1; space != NULL && i <= 3 && space[i] >= '0' && space[i] <= '9'; i++)
        b->status = 10 * b->status + (space[i] - '0');
    while (s < end) {
        const char *line = memchr(s, '\n', (size_t)(end - s));
        size_t n = (size_t)((line == NULL ? end : line) - s);
        bool blank = n == 0 || (n == 1 && s[0] == '\r');
        if (!blank)
            header(b, s, n);
        s += n + 1;
        if (blank || line == NULL)
            break;
    }
    s = TM_MIN(s, end);
    b->len = (size_t)(end - s);
    b->data = s;
    return TM_OK;
}

/* False: these are no chunks. */
static bool join_chunks(const char *s, size_t n, struct tm_buf *out)
{
    tm_buf_clear(out);
    for (size_t i = 0; i < n;) {
        char *after, size[20] = "";
        size_t line = 0;
        while (i + line < n && s[i + line] != '\n' && line < sizeof size - 1) {
            size[line] = s[i + line];
            line++;
        }
        unsigned long long len = strtoull(size, &after, 16);
        if (after == size || i + line >= n || s[i + line] != '\n')
            return false;
        i += line + 1;
        if (len == 0)
            return true;
        len = TM_MIN(len, (unsigned long long)(n - i)); /* cut short: what there is */
        if (!tm_buf_append(out, s + i, (size_t)len))
            return false;
        i += (size_t)len;
        while (i < n && (s[i] == '\r' || s[i] == '\n'))
            i++;
    }
    return out->len > 0;
}

/* window: zlib's, which says gzip or deflate. What came out before damage is good. */
static enum tm_status inflate_all(const char *s, size_t n, int window, size_t cap,
                                  struct tm_buf *out)
{
    z_stream z = {.next_in = (unsigned char *)(uintptr_t)s, .avail_in = (uInt)n};
    enum tm_status status = TM_OK;
    tm_buf_clear(out);
    if (inflateInit2(&z, window) != Z_OK)
        return TM_NOMEM;
    for (int code = Z_OK; code == Z_OK;) {
        if (out->len > cap) {
            status = TM_TOOLARGE;
            break;
        }
        if (!tm_buf_reserve(out, 65536)) {
            status = TM_NOMEM;
            break;
        }
        z.next_out = (unsigned char *)out->data + out->len;
        z.avail_out = 65536;
        code = inflate(&z, Z_NO_FLUSH);
        out->len += 65536 - z.avail_out;
        if (code != Z_OK && code != Z_STREAM_END && out->len == 0)
            status = TM_BADINPUT;
    }
    inflateEnd(&z);
    return status;
}

static enum tm_status unbrotli(const char *s, size_t n, size_t cap, struct tm_buf *out)
{
    BrotliDecoderState *d = BrotliDecoderCreateInstance(NULL, NULL, NULL);
    const uint8_t *in = (const uint8_t *)s;
    enum tm_status status = d == NULL ? TM_NOMEM : TM_OK;
    tm_buf_clear(out);
    for (BrotliDecoderResult got = BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT;
         status == TM_OK && got == BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT;) {
        if (out->len > cap)
            status = TM_TOOLARGE;
        else if (!tm_buf_reserve(out, 65536))
            status = TM_NOMEM;
        if (status != TM_OK)
            break;
        size_t room = 65536;
        uint8_t *to = (uint8_t *)out->data + out->len;
        got = BrotliDecoderDecompressStream(d, &n, &in, &room, &to, NULL);
        out->len += 65536 - room;
        if (got == BROTLI_DECODER_RESULT_ERROR && out->len == 0)
            status = TM_BADINPUT;
    }
    if (d != NULL)
        BrotliDecoderDestroyInstance(d);
    return status;
}

enum tm_status http_decode(struct http_body *b, size_t cap, struct tm_buf *out,
                           struct tm_buf *scratch, struct tm_err *err)
{
    enum { GZIP = 15 + 16, ZLIB = 15, RAW = -15 };
    enum tm_status s = TM_OK;
    if (b->chunked && join_chunks(b->data, b->len, scratch)) {
        b->data = scratch->data;
        b->len = scratch->len;
    }
    bool gzip = b->len > 2 && memcmp(b->data, "\x1f\x8b", 2) == 0;
    if (gzip) {
        s = inflate_all(b->data, b->len, GZIP, cap, out);
    } else if (strcasecmp(b->encoding, "deflate") == 0) {
        s = inflate_all(b->data, b->len, ZLIB, cap, out);
        if (s == TM_BADINPUT)
            s = inflate_all(b->data, b->len, RAW, cap, out);
    } else if (strcasecmp(b->encoding, "br") == 0) {
        s = unbrotli(b->data, b->len, cap, out);
    } else {
        return TM_OK;
    }
    if (s == TM_BADINPUT && memchr(b->data, '<', TM_MIN(b->len, (size_t)512)) != NULL)
        return TM_OK; /* undone already */
    if (s != TM_OK)
        return tm_err_set(err, s,
                          s == TM_TOOLARGE ? "its body is too large once decompressed"
                                           : "its body cannot be decompressed");
    b->data = out->data == NULL ? "" : out->data;
    b->len = out->len;
    return TM_OK;
}
