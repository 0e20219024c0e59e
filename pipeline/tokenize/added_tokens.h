/* Added tokens and how they are found in a text. Implemented in added_tokens.c. */
#ifndef TOKENIZE_ADDED_TOKENS_H
#define TOKENIZE_ADDED_TOKENS_H

#include "text.h"

struct added_token {
    struct str content;
    int32_t id;
    bool single_word, lstrip, rstrip, normalized, special;
};

struct pattern {
    struct str text;
    const struct added_token *token;
};

/* Finds added tokens in a text: leftmost, longest. */
struct matcher {
    struct pattern *patterns; /* sorted by bytes, all different, none empty */
    uint32_t n;
    uint32_t first[257]; /* patterns that begin with byte c are [first[c], first[c + 1]) */
};

struct match {
    size_t begin, end; /* bytes */
    const struct added_token *token;
};
/* The next accepted match at *pos or later; *last is the end of the one before (0 at first). */
bool tok_matcher_next(const struct matcher *m, const char *s, size_t n, size_t *pos, size_t *last,
                      struct match *ret);

#endif
