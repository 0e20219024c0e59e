/* The decompressed bytes of an open file, in order. Private to ingest/. */
#ifndef STREAM_H
#define STREAM_H

#include "names.h"
#include <sys/types.h>
#include <zlib.h>

struct ZSTD_DCtx_s;

struct stream {
    int fd; /* borrowed; read from its beginning with pread */
    enum compression how;
    bool ended, over; /* over: the limit was passed */
    off_t offset;     /* in the file */
    uint64_t given;   /* decompressed bytes so far */
    uint64_t most;    /* that the file may give */
    z_stream z;
    bool z_open, member_done;
    struct ZSTD_DCtx_s *zstd;
    size_t zstd_at, zstd_have; /* of in */
    bool zstd_open;            /* inside a frame */
    unsigned char in[65536];
};

/* most: limit of decompressed bytes; ignored for plain files. */
enum tm_status stream_open(struct stream *s, int fd, enum compression how, uint64_t most,
                           struct tm_err *err);
void stream_close(struct stream *s);
/* Up to room bytes; *ret_n is 0 only at the end. TM_TOOLARGE past the limit, TM_BADINPUT when the
 * compressed data are damaged, TM_IO. What was given before an error is good. */
enum tm_status stream_read(struct stream *s, void *out, size_t room, size_t *ret_n,
                           struct tm_err *err);

#endif
