/* A double-array trie from byte strings to ids, for the vocabulary: one look-up in memory a byte.
 * Built once, then constant. */
#ifndef TOKENIZE_TRIE_H
#define TOKENIZE_TRIE_H

#include "tm_base.h"

enum { TRIE_ROOT = 0 };
#define TRIE_NONE UINT32_MAX

struct trie_unit {
    uint32_t base;   /* the child by byte c is at base ^ c … */
    uint32_t parent; /* … if that unit says so; TRIE_NONE: free */
    int32_t value;   /* of the string that ends here; -1: none ends here */
};

struct trie {
    struct trie_unit *units;
    uint32_t n; /* a multiple of 256, so that base ^ c is always inside */
};

struct trie_key {
    const char *text;
    uint32_t len;
    int32_t value;
};

/* keys are sorted by their bytes (tok_trie_key_compare) and all different. */
enum tm_status tok_trie_build(struct trie *t, const struct trie_key *keys, size_t n,
                              struct tm_err *err);
void tok_trie_finish(struct trie *t);
int tok_trie_key_compare(const void *a, const void *b); /* of two struct trie_key, for qsort */

/* The node reached from node by the n bytes of s; TRIE_NONE: there is no such path. */
static inline uint32_t trie_walk(const struct trie *t, uint32_t node, const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t child = t->units[node].base ^ (unsigned char)s[i];
        if (t->units[child].parent != node)
            return TRIE_NONE;
        node = child;
    }
    return node;
}

/* Value of the longest string, of one byte or more, that begins s below node; -1: there is none. */
static inline int32_t trie_longest(const struct trie *t, uint32_t node, const char *s, size_t n,
                                   size_t *ret_len)
{
    int32_t value = -1;
    for (size_t i = 0; i < n; i++) {
        uint32_t child = t->units[node].base ^ (unsigned char)s[i];
        if (t->units[child].parent != node)
            break;
        node = child;
        if (t->units[node].value >= 0) {
            value = t->units[node].value;
            *ret_len = i + 1;
        }
    }
    return value;
}

static inline int32_t trie_find(const struct trie *t, const char *s, size_t n)
{
    uint32_t node = trie_walk(t, TRIE_ROOT, s, n);
    return node == TRIE_NONE ? -1 : t->units[node].value;
}

#endif
