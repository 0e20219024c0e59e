/* Shared by the guides (tm_generate.h). Private to guides/. */
#ifndef GUIDES_H
#define GUIDES_H

#include "tm_generate.h"

/* A guide as it is owned: the engine sees its first member. */
struct guide {
    struct tm_guide guide;
    void (*destroy)(struct guide *g); /* frees g too */
};

/* What each token writes, as bytes, and the tokens in the order of their bytes, so that all tokens
 * that begin with the same bytes lie together. Tokens that write nothing (special ones) are not in
 * that order. Read only once made. */
struct tm_vocabulary {
    int32_t size; /* ids 0 … size - 1 */
    const int32_t *eos;
    int32_t n_eos;
    struct tm_buf bytes;
    uint32_t *at;   /* (size + 1) into bytes */
    int32_t *order; /* (n_order) ids */
    size_t n_order;
};

static inline const char *token_bytes(const struct tm_vocabulary *v, int32_t id, size_t *ret_n)
{
    *ret_n = v->at[id + 1] - v->at[id];
    return v->bytes.data + v->at[id];
}
bool vocabulary_is_eos(const struct tm_vocabulary *v, int32_t id);
/* The tokens of v->order[*lo … *hi - 1], which agree in their first depth bytes: narrowed to those
 * whose next byte is c. */
void vocabulary_narrow(const struct tm_vocabulary *v, size_t depth, unsigned char c, size_t *lo,
                       size_t *hi);

static inline void bits_set(uint32_t *bits, int32_t id)
{
    bits[id / 32] |= 1u << (id % 32);
}
/* Clears all bits but those that stay: for masks that are made of what is allowed. */
void bits_clear(uint32_t *bits, int32_t n);

/* Walks over all tokens by their bytes: at each byte the automaton's state is stepped once for all
 * tokens that share it. step makes *next of *state and c, false when c may not come. Tokens whose
 * bytes are all allowed get their bit. state_size at most WALK_STATE. */
enum { WALK_STATE = 512, TOKEN_MOST = 256 /* bytes; longer ones count as writing nothing */ };
typedef bool guide_step_fn(const void *self, const void *state, unsigned char c, void *next);
void walk_tokens(const struct tm_vocabulary *v, guide_step_fn *step, const void *self,
                 const void *state, size_t state_size, uint32_t *bits);

#endif
