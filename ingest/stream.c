/* Plain and gzip input (stream.h). Called by the reader on the source thread.
 *
 * A .gz file may have several members; zero bytes after the last one are padding, anything else is
 * damage. The limit counts what the whole file gives, so it does not depend on how it is read. */
#include "stream.h"
#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { GZIP_WINDOW = 15 + 16 }; /* zlib: largest window, gzip header wanted */

enum tm_status stream_open(struct stream *s, int fd, bool gzip, uint64_t most, struct tm_err *err)
{
    s->fd = fd;
    s->gzip = gzip;
    s->ended = s->over = s->z_open = s->member_done = false;
    s->offset = 0;
    s->given = 0;
    s->most = most;
    s->z = (z_stream){0};
    if (!gzip)
        return TM_OK;
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

static enum tm_status read_gzip(struct stream *s, void *out, size_t room, size_t *ret_n,
                                struct tm_err *err)
{
    size_t n = 0;
    while (n == 0 && !s->ended && !s->over) {
        s->z.next_out = out;
        s->z.avail_out = (uInt)TM_MIN(room, (size_t)1 << 30);
        enum tm_status st = s->member_done ? next_member(s, err) : inflate_some(s, &n, err);
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
    if (s->gzip)
        return read_gzip(s, out, room, ret_n, err);
    enum tm_status st = pull(s, out, room, &n, err);
    if (st != TM_OK)
        return st;
    s->given += n;
    *ret_n = n;
    return TM_OK;
}
