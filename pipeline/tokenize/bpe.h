/* Byte pair encoding: merges by rank, of tokenizer.json and of vocab.json with merges.txt, and by
 * score, of sentencepiece models. Implemented in bpe.c. */
#ifndef TOKENIZE_BPE_H
#define TOKENIZE_BPE_H

#include "vocab.h"

/* Two neighbours and what they become; a hash table keyed by the pair, free where id is -1. */
struct merge {
    int32_t left, right;
    uint32_t rank; /* the least goes first */
    int32_t id;
};

struct merges {
    struct merge *table;
    uint32_t mask, n; /* size of the table - 1; how many are in it */
    bool apart;       /* no merge makes a ▁ come after another character */
};

/* Those of the same pair replace each other. */
enum tm_status tok_merges_create(struct merges *m, struct tm_err *err);
bool tok_merges_add(struct merges *m, int32_t left, int32_t right, uint32_t rank, int32_t id);
void tok_merges_finish(struct merges *m);
/* Length of the part of text that ends before the first ▁ after another character. n > 0. */
size_t tok_space_end(const char *text, size_t n);
/* Whether text has a ▁ after another character, which sets apart to false. */
bool tok_space_inside(const char *text, size_t n);

#endif
