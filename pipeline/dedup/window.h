/* The documents that new ones are compared with: a ring, oldest out first, and its index. No lock:
 * dedup.c has one. */
#ifndef DEDUP_WINDOW_H
#define DEDUP_WINDOW_H

#include "signature.h"

enum entry_state {
    ENTRY_OPEN,   /* in flight */
    ENTRY_WELL,   /* ended with a result */
    ENTRY_FAILED, /* has no duplicates */
};

/* Keys an entry is found by: its words, its delivery identity, its bands. */
enum { WINDOW_WORDS, WINDOW_IDENTITY, WINDOW_BAND, WINDOW_KEYS = WINDOW_BAND + SIGNATURE_BANDS };

struct entry {
    struct signature signature;
    uint64_t identity;          /* hash of the delivery identity */
    uint64_t asked;             /* hash of what else the result depends on */
    uint64_t next[WINDOW_KEYS]; /* number of the next older entry of the chain */
    enum entry_state state;
    char *id;     /* owned */
    char *shared; /* owned; part of the result, for reuse-result */
    size_t shared_len;
};

struct window;
struct window *window_create(size_t capacity); /* NULL: memory is short */
void window_destroy(struct window *w);

/* Numbers count from 1. Returns that of the new entry, which is open, or 0: memory is short. */
uint64_t window_add(struct window *w, const struct signature *s, uint64_t identity, const char *id);
/* NULL when it has left the window, or number is 0. */
struct entry *window_at(struct window *w, uint64_t number);
/* The entry of that identity; 0: none. */
uint64_t window_find_identity(struct window *w, uint64_t identity);
/* The most similar entry that has not failed, of several the oldest; 0: none reaches least. */
uint64_t window_find(struct window *w, const struct signature *s, double least,
                     double *ret_similarity);
/* Numbers of the oldest entry and of the next one to come. */
uint64_t window_oldest(const struct window *w);
uint64_t window_next(const struct window *w);

#endif
