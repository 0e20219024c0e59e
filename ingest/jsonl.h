/* Lines of a JSONL file, one document each. Private to ingest/. */
#ifndef JSONL_H
#define JSONL_H

#include "stream.h"

enum jsonl_result {
    JSONL_LINE,  /* text, len, number, end */
    JSONL_LONG,  /* a line beyond the cap: number, end */
    JSONL_AGAIN, /* the budget is used up: call again */
    JSONL_END,
    JSONL_ERROR, /* cannot be read any further: err; number is the line it happened in */
};

struct jsonl {
    struct stream *in; /* borrowed */
    size_t cap;        /* longest line */
    struct tm_buf line;
    bool too_long, ended;
    uint64_t offset; /* decompressed bytes used so far */
    /* of the line given last; text is valid until the next call */
    const char *text;
    size_t len;
    int64_t number;  /* from 1, blank lines counted */
    uint64_t end;    /* first byte after it */
    size_t at, have; /* of chunk */
    char chunk[65536];
};

void jsonl_init(struct jsonl *j, struct stream *in, size_t cap);
void jsonl_finish(struct jsonl *j);
/* The next line that is not blank, without its line end. *budget: bytes that may be read; lowered.
 */
enum jsonl_result jsonl_next(struct jsonl *j, size_t *budget, struct tm_err *err);
/* Goes on to `offset`, counting lines; JSONL_LINE when there, JSONL_END when the file is shorter.
 */
enum jsonl_result jsonl_skip(struct jsonl *j, uint64_t offset, size_t *budget, struct tm_err *err);

#endif
