/* The precompiled map of sentencepiece models: a double-array trie (as Darts-clone writes it) from
 * byte strings to texts. Implemented in charsmap.c.
 *
 * u32 size of the trie, its units, then NUL-terminated texts; all little-endian and all of it other
 * people's bytes: every step is checked against the ends. */
#ifndef TOKENIZE_CHARSMAP_H
#define TOKENIZE_CHARSMAP_H

#include "text.h"

struct charsmap {
    const uint32_t *units;
    uint32_t n_units;
    const char *pool; /* ends with a NUL */
    size_t n_pool;
    bool ascii[128]; /* something in the map begins with it */
};

/* Copies what it needs into the arena. n 0: a map of nothing. TM_BADINPUT. */
enum tm_status tok_charsmap_init(struct charsmap *m, struct tm_arena *arena, const char *bytes,
                                 size_t n, struct tm_err *err);
/* The text that replaces the shortest beginning of s that is in the map; NULL: there is none. */
const char *tok_charsmap_shortest(const struct charsmap *m, const char *s, size_t n);
/* The same of cells, the longest; *ret_n: cells that it replaces. */
const char *tok_charsmap_longest(const struct charsmap *m, const struct cell *c, size_t n,
                                 size_t *ret_n);
/* The normalizer Precompiled of the `tokenizers` package, which takes grapheme clusters of fewer
 * than 6 bytes as one and otherwise characters. */
bool tok_charsmap_apply(const struct charsmap *m, struct cells *x);

#endif
