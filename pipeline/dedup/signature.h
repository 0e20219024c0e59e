/* What a text is compared by: a hash of its words and the minima of its 5-grams. */
#ifndef DEDUP_SIGNATURE_H
#define DEDUP_SIGNATURE_H

#include "tm_base.h"

enum {
    SIGNATURE_BANDS = 14, /* 14 x 8: the chance to share a band is half at a similarity of 0.72 */
    SIGNATURE_ROWS = 8,
    SIGNATURE_MINIMA = SIGNATURE_BANDS * SIGNATURE_ROWS,
    SIGNATURE_WORDS = 5,
};

struct signature {
    uint64_t words[2]; /* equal: the same words in the same order */
    uint32_t minima[SIGNATURE_MINIMA];
    uint32_t n_shingles; /* 0: fewer than five words, minima mean nothing */
};

/* text: valid UTF-8. Words are runs of letters and digits without case and diacritics; digits count
 * as 0; scripts that write without spaces give a word a character. */
void signature_make(const char *text, size_t n, struct signature *ret);
/* Estimate of the Jaccard similarity of the 5-grams, 0 to 1; 1 for the same words. */
double signature_similarity(const struct signature *a, const struct signature *b);
/* Of the rows of a band, for the index. */
uint64_t signature_band(const struct signature *s, size_t band);

#endif
