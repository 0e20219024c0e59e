/* One text being encoded, segment by segment. */
#ifndef TOKENIZE_ENCODE_H
#define TOKENIZE_ENCODE_H

#include "tm_tokenizer.h"

struct encoder {
    const struct tm_tokenizer *t;
    struct tm_encoding *e;
    struct tm_err *err;
    uint32_t pos; /* code points before the segment */
    int32_t word; /* pre-tokens before */
    size_t first; /* token where this text began */
    bool literal; /* TM_ENCODE_LITERAL */
};
/* Every step, on a text without raw added tokens: encode.c. */
enum tm_status tok_encode_any(struct encoder *c, const char *s, size_t n);
/* The same for BERT's normalizer and pre-tokenizer, fast where the text is ASCII: encode_bert.c. */
enum tm_status tok_encode_bert(struct encoder *c, const char *s, size_t n);
bool tok_encode_bert_fits(const struct tm_tokenizer *t);
struct post_template;
struct texts {
    const char *a, *b;
    size_t n_a, n_b;
};
enum tm_status tok_encode_template(const struct tm_tokenizer *t, const struct post_template *items,
                                   const struct texts *texts, unsigned how, struct tm_encoding *e,
                                   struct tm_err *err);
void tok_finish_word(struct encoder *c, size_t first); /* of the tokens from first on */
bool tok_encoding_grow(struct tm_encoding *e);

static inline bool encoding_append(struct tm_encoding *e, int32_t id, size_t begin, size_t end)
{
    if (e->n == e->room && !tok_encoding_grow(e))
        return false;
    e->ids[e->n] = id;
    e->offsets[e->n][0] = (uint32_t)begin;
    e->offsets[e->n++][1] = (uint32_t)end;
    return true;
}

#endif
