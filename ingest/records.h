/* The documents of a file of several, in any format. Private to ingest/. */
#ifndef RECORDS_H
#define RECORDS_H

#include "jsonl.h"
#include "tm_pipeline.h"
#include "window.h"

struct records;

enum { SUFFIXES = 4 };

/* One record format. next and skip answer as jsonl_next and jsonl_skip do. A format that gives
 * envelopes of its own making puts them into records->out. */
struct format {
    const char *name;
    const char *suffixes[SUFFIXES]; /* of file names */
    enum jsonl_result (*next)(struct records *r, size_t *budget, struct tm_err *err);
};
/* The format of a file by its name, compression put aside; NULL: one document. */
const struct format *format_of_name(const char *path);
/* The same by the beginning of its bytes. */
const struct format *format_of_bytes(const char *data, size_t len);
const struct format *format_named(const char *name);

struct records {
    const struct format *format;
    struct stream *in;  /* borrowed */
    size_t cap;         /* largest record */
    const char *fields; /* clean.fields, borrowed; NULL or "": none */
    /* of the record given last; text is valid until the next call */
    const char *text;
    size_t len;
    int64_t number;    /* from 1 */
    uint64_t end;      /* how far it reaches: what a checkpoint holds */
    struct tm_err why; /* of JSONL_LONG: what is the matter with this one */
    /* of the formats */
    struct jsonl lines;
    struct window window;
    struct tm_buf out, scratch, body;
    struct tm_split *split;
    size_t split_at;
    struct tm_buf columns; /* of CSV: names, each with NUL */
    struct tm_buf members; /* … and the member that each fills, or NULL */
    size_t n_columns;
    char delimiter;
};

void records_init(struct records *r, const struct format *f, struct stream *in, size_t cap);
void records_finish(struct records *r);
enum jsonl_result records_next(struct records *r, size_t *budget, struct tm_err *err);
/* Goes on to where `done` records and everything before `offset` have been given. */
enum jsonl_result records_skip(struct records *r, uint64_t offset, uint64_t done, size_t *budget,
                               struct tm_err *err);

/* For formats: a member of the envelope in r->out; nothing when value is NULL or empty. */
void records_begin(struct records *r);
void records_put(struct records *r, const char *key, const char *value, size_t n);
/* The payload as body_base64 with its type and charset; either may be NULL. */
void records_put_body(struct records *r, const char *data, size_t n, const char *type,
                      const char *charset);
enum jsonl_result records_end(struct records *r, uint64_t end);
enum jsonl_result records_bad(struct records *r, uint64_t end, enum tm_status status,
                              const char *text);

enum jsonl_result warc_next(struct records *r, size_t *budget, struct tm_err *err);
enum jsonl_result csv_next(struct records *r, size_t *budget, struct tm_err *err);
enum jsonl_result mail_next(struct records *r, size_t *budget, struct tm_err *err);

#endif
