/* Plain, gzip and Zstandard input (stream.h). Called by the reader on the source thread.
 *
 * A .gz file may have several members; zero bytes after the last one are padding, anything else is
 * damage. The limit counts what the whole file gives, so it does not depend on how it is read. */
#include "stream.h"
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

enum {
    GZIP_WINDOW = 15 + 16, /* zlib: largest window, gzip header wanted */
    ZSTD_WINDOW = 31,      /* archives of posts are packed with the longest there is */
};

enum tm_status stream_open(struct stream *s, int fd, enum compression how, uint64_t most,
                           struct tm_err *err)
{
    s->fd = fd;
    s->how = how;
    s->ended = s->over = s->z_open = s->member_done = false;
    s->offset = 0;
    s->given = 0;
    s->most = most;
    s->z = (z_stream){0};
    s->zstd = NULL;
    s->zstd_at = s->zstd_have = 0;
    s->zstd_open = false;
    if (how == PLAIN)
        return TM_OK;
    if (how == ZSTD) {
        s->zstd = ZSTD_createDCtx();
        if (s->zstd == NULL ||
            ZSTD_isError(ZSTD_DCtx_setParameter(s->zstd, ZSTD_d_windowLogMax, ZSTD_WINDOW)))
            return tm_err_set(err, TM_NOMEM, "no memory to decompress");
        return TM_OK;
    }
    if (inflateInit2(&s->z, GZIP_WINDOW) != Z_OK)
        return tm_err_set(err, TM_NOMEM, "no memory to decompress");
    s->z_open = true;
    return TM_OK;
}

void stream_close(struct stream *s)
{
    if (s->z_open)
        inflateEnd(&s->z);
    s->z_open = false;
    ZSTD_freeDCtx(s->zstd);
    s->zstd = NULL;
}

static enum tm_status pull(struct stream *s, void *out, size_t room, size_t *ret_n,
                           struct tm_err *err)
{
    ssize_t n;
    do
        n = pread(s->fd, out, room, s->offset);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return tm_err_errno(err, errno, "cannot read at byte %lld", (long long)s->offset);
    s->offset += n;
    *ret_n = (size_t)n;
    return TM_OK;
}

/* Compressed bytes for zlib; 0 in avail_in afterwards: the file is used up. */
static enum tm_status refill(struct stream *s, struct tm_err *err)
{
    if (s->z.avail_in > 0)
        return TM_OK;
    size_t n = 0;
    enum tm_status st = pull(s, s->in, sizeof s->in, &n, err);
    s->z.next_in = s->in;
    s->z.avail_in = st == TM_OK ? (uInt)n : 0;
    return st;
}

/* Between members: the end, padding, or the next member. */
static enum tm_status next_member(struct stream *s, struct tm_err *err)
{
    for (;;) {
        enum tm_status st = refill(s, err);
        if (st != TM_OK)
            return st;
        if (s->z.avail_in == 0) {
            s->ended = true;
            return TM_OK;
        }
        if (*s->z.next_in != 0)
            break;
        s->z.next_in++;
        s->z.avail_in--;
    }
    if (inflateReset2(&s->z, GZIP_WINDOW) != Z_OK)
        return tm_err_set(err, TM_INTERNAL, "cannot reset zlib");
    s->member_done = false;
    return TM_OK;
}

static enum tm_status inflate_some(struct stream *s, size_t *ret_n, struct tm_err *err)
{
    enum tm_status st = refill(s, err);
    if (st != TM_OK)
        return st;
    if (s->z.avail_in == 0)
        return tm_err_set(err, TM_BADINPUT, "gzip data end too early, after %llu bytes",
                          (unsigned long long)s->given);
    uInt before = s->z.avail_out;
    int z = inflate(&s->z, Z_NO_FLUSH);
    *ret_n = before - s->z.avail_out;
    if (z == Z_MEM_ERROR)
        return tm_err_set(err, TM_NOMEM, "no memory to decompress");
    /* What came out before the damage is good; zlib repeats the error at the next call. */
    if (*ret_n == 0 && z != Z_OK && z != Z_STREAM_END && z != Z_BUF_ERROR)
        return tm_err_set(err, TM_BADINPUT, "gzip data are damaged after %llu bytes: %s",
                          (unsigned long long)s->given, s->z.msg != NULL ? s->z.msg : "bad data");
    s->member_done = z == Z_STREAM_END;
    return TM_OK;
}

static enum tm_status unzstd_some(struct stream *s, void *out, size_t room, size_t *ret_n,
                                  struct tm_err *err)
{
    if (s->zstd_at == s->zstd_have) {
        size_t got = 0;
        enum tm_status st = pull(s, s->in, sizeof s->in, &got, err);
        if (st != TM_OK)
            return st;
        s->zstd_at = 0;
        s->zstd_have = got;
        if (got == 0 && s->zstd_open)
            return tm_err_set(err, TM_BADINPUT, "Zstandard data end too early, after %llu bytes",
                              (unsigned long long)s->given);
        s->ended = got == 0;
        if (s->ended)
            return TM_OK;
    }
    ZSTD_inBuffer from = {s->in, s->zstd_have, s->zstd_at};
    ZSTD_outBuffer to = {out, room, 0};
    size_t left = ZSTD_decompressStream(s->zstd, &to, &from);
    if (ZSTD_isError(left))
        return tm_err_set(err, TM_BADINPUT, "Zstandard data are damaged after %llu bytes: %s",
                          (unsigned long long)s->given, ZSTD_getErrorName(left));
    s->zstd_at = from.pos;
    s->zstd_open = left != 0;
    *ret_n = to.pos;
    return TM_OK;
}

static enum tm_status read_packed(struct stream *s, void *out, size_t room, size_t *ret_n,
                                  struct tm_err *err)
{
    size_t n = 0;
    while (n == 0 && !s->ended && !s->over) {
        enum tm_status st;
        s->z.next_out = out;
        s->z.avail_out = (uInt)TM_MIN(room, (size_t)1 << 30);
        if (s->how == ZSTD)
            st = unzstd_some(s, out, room, &n, err);
        else
            st = s->member_done ? next_member(s, err) : inflate_some(s, &n, err);
        if (st != TM_OK)
            return st;
    }
    if (n > s->most - s->given) {
        n = (size_t)(s->most - s->given);
        s->over = true;
    }
    if (n == 0 && s->over)
        return tm_err_set(err, TM_TOOLARGE, "decompresses to more than %llu bytes",
                          (unsigned long long)s->most);
    s->given += n;
    *ret_n = n;
    return TM_OK;
}

enum tm_status stream_read(struct stream *s, void *out, size_t room, size_t *ret_n,
                           struct tm_err *err)
{
    size_t n = 0;
    if (s->how != PLAIN)
        return read_packed(s, out, room, ret_n, err);
    enum tm_status st = pull(s, out, room, &n, err);
    if (st != TM_OK)
        return st;
    s->given += n;
    *ret_n = n;
    return TM_OK;
}
