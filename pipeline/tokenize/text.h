/* Text on its way through a tokenizer: code points that know what they stand for, and stretches of
 * them. Both live in byte buffers that are used again from text to text. */
#ifndef TOKENIZE_TEXT_H
#define TOKENIZE_TEXT_H

#include "tm_base.h"

struct str {
    const char *s; /* NUL-terminated, in the tokenizer's arena */
    size_t n;
};

/* A code point under way, and the code points [from, to) of the text given that it stands for. */
struct cell {
    uint32_t cp, from, to;
};

/* Cells in two buffers: a pass reads `now` and either edits it or writes `next` and swaps. */
struct cells {
    struct tm_buf *now, *next;
    struct tm_encoding *e; /* whose scratch passes may use */
    struct tm_err *err;
    enum tm_status status; /* why a pass failed, TM_OK: for want of memory */
    uint32_t origin;       /* code points before the segment that this is made of */
    const void *first;     /* the first of the pre-tokenizers */
};

static inline struct cell *cells_of(const struct tm_buf *b)
{
    return (struct cell *)(void *)b->data;
}

static inline size_t cells_n(const struct tm_buf *b)
{
    return b->len / sizeof(struct cell);
}

/* Where the next `more` cells go; NULL when memory is short. The caller adds to b->len. */
static inline struct cell *cells_room(struct tm_buf *b, size_t more)
{
    size_t bytes = more * sizeof(struct cell);
    if (b->room - b->len <= bytes && !tm_buf_reserve(b, bytes))
        return NULL;
    return (struct cell *)(void *)(b->data + b->len);
}

/* A stretch of cells: text when id is -1, else an added token. */
struct piece {
    uint32_t begin, end;
    int32_t id;
};

static inline struct piece *pieces_of(const struct tm_buf *b)
{
    return (struct piece *)(void *)b->data;
}

static inline size_t pieces_n(const struct tm_buf *b)
{
    return b->len / sizeof(struct piece);
}

static inline bool piece_add(struct tm_buf *b, const struct piece *p)
{
    return p->begin == p->end || tm_buf_append(b, p, sizeof *p);
}

static inline void cells_swap(struct cells *x)
{
    struct tm_buf *was = x->now;
    x->now = x->next;
    x->next = was;
    x->next->len = 0;
}

static inline bool cells_put(struct tm_buf *b, struct cell c)
{
    struct cell *out = cells_room(b, 1);
    if (out == NULL)
        return false;
    *out = c;
    b->len += sizeof c;
    return true;
}

/* What each buffer of tm_encoding.scratch is for. */
enum {
    SCRATCH_CELLS,      /* and the next one */
    SCRATCH_PIECES = 2, /* and the next one */
    SCRATCH_WORD = 4,   /* bytes of a word; lower case of BERT's fast way */
    SCRATCH_SUBJECT,    /* of regular expressions */
    SCRATCH_MATCHES,    /* of regular expressions; changes of Precompiled */
    SCRATCH_MODEL,      /* symbols, nodes */
    SCRATCH_QUEUE,      /* merges of BPE */
    SCRATCH_CACHE,      /* words seen before */
};

/* UTF-8 to x->now; pos: the code points before. TM_BADINPUT when it is not UTF-8. */
enum tm_status tok_cells_decode(struct cells *x, const char *s, size_t n, uint32_t pos,
                                struct tm_err *err);

#endif
