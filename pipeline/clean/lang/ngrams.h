/* What n-grams of one to five letters say about languages, one group a script. Private to lang/. */
#ifndef NGRAMS_H
#define NGRAMS_H

#include "lang.h"

enum {
    NGRAMS_GROUPS = 4,    /* Latin, Cyrillic, Arabic, Devanagari */
    NGRAMS_WORD = 40,     /* letters of a word that are looked at */
    NGRAMS_ORDER = 5,     /* letters of the longest n-gram */
    NGRAMS_WIDTH = 64,    /* most languages of a group */
    NGRAMS_STEP = 16,     /* of which widths are multiples */
    NGRAMS_UNKNOWN = 127, /* a row's largest value */
};

/* The languages of a script, and a row of values by language for each n-gram: the higher, the less
 * likely. */
struct ngrams {
    const char (*codes)[TM_LANG_CODE];
    const uint32_t *prints;
    const uint16_t *numbers;
    const uint8_t *rows;
    uint32_t langs, width, n_rows, slots;
};

/* The rows of a word's n-grams, added up. */
struct ngrams_word {
    uint16_t sums[NGRAMS_WIDTH]; /* the first `width` count */
    uint16_t hits;               /* n-grams that the table has */
};

struct ngrams tm_ngrams_find(size_t group);
/* The n-gram that is `before` (0: empty) and one letter more. */
uint32_t tm_ngrams_print(uint32_t before, uint32_t letter);
/* NULL: the table does not have it. */
const uint8_t *tm_ngrams_row(const struct ngrams *g, uint32_t print);
/* n <= NGRAMS_WORD letters of the group's script. words may be NULL; the answer lies there or in
 * room, until the next call. */
const struct ngrams_word *tm_ngrams_count(const struct ngrams *g, struct tm_lang_words *words,
                                          const uint32_t *word, size_t n, struct ngrams_word *room);

#endif
