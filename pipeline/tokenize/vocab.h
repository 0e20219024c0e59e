/* The vocabulary of a model: strings to ids by a trie, ids to strings by a table. Implemented in
 * vocab.c. */
#ifndef TOKENIZE_VOCAB_H
#define TOKENIZE_VOCAB_H

#include "trie.h"

struct vocab {
    struct trie trie;
    const char **tokens; /* by id, NULL: no such token; n_ids of them */
    uint32_t *lens;
    uint32_t n_ids, n_tokens;
};

/* Tokens being collected; text is copied. finish_ sorts them into the trie. */
struct vocab_builder {
    struct tm_buf bytes, entries;
};
bool tok_vocab_add(struct vocab_builder *b, const char *text, size_t n, int32_t id, size_t at);
int32_t *tok_vocab_last_id(struct vocab_builder *b); /* of the token added last */
/* What a token given twice is. */
enum twice { TWICE_ERROR, TWICE_FIRST, TWICE_LAST };
/* *ret_at: the `at` of what an error is about. */
enum tm_status tok_vocab_build(struct vocab_builder *b, struct vocab *v, struct tm_arena *arena,
                               enum twice twice, size_t *ret_at, struct tm_err *err);
void tok_vocab_builder_finish(struct vocab_builder *b);

#endif
