/* Sentences ranked without a model (tasks.h): centrality over bags of hashed words, linear in the
 * text. The mean of cosines to all sentences is the dot product with the mean of the unit vectors,
 * so one pass sums the mean and a second one compares. Pure; any thread. */
#include "tasks.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BUCKETS = 4096, FEWEST_WORDS = 5, MOST_WORDS = 256, SHORTEST = 4 };
static const double POSITION_WEIGHT = 0.25;

/* Words of a sentence as buckets, sorted; short ones (the, of, and) say nothing of a text. */
struct bag {
    uint16_t bucket[MOST_WORDS];
    size_t n;
    double norm;
};

static int compare(const void *a, const void *b)
{
    uint16_t x = *(const uint16_t *)a, y = *(const uint16_t *)b;
    return (x > y) - (x < y);
}

static void fill(struct bag *bag, const char *s, size_t n)
{
    bag->n = 0;
    for (size_t i = 0; i < n && bag->n < MOST_WORDS;) {
        char word[32];
        size_t len = 0, start = i;
        for (; i < n && ((unsigned char)s[i] >= 0x80 || isalnum((unsigned char)s[i])); i++)
            if (len < sizeof word)
                word[len++] = (char)tolower((unsigned char)s[i]);
        if (len >= SHORTEST)
            bag->bucket[bag->n++] = (uint16_t)(tm_hash(word, len, 0) % BUCKETS);
        i += i == start;
    }
    qsort(bag->bucket, bag->n, sizeof bag->bucket[0], compare);
    double sum = 0;
    for (size_t i = 0, k; i < bag->n; i = k) {
        for (k = i; k < bag->n && bag->bucket[k] == bag->bucket[i]; k++)
            ;
        sum += (double)((k - i) * (k - i));
    }
    bag->norm = sqrt(sum);
}

void rank_sentences(const struct tm_doc *doc, double *ret_worth)
{
    double mean[BUCKETS] = {0}, norm = 0;
    struct bag bag;
    for (size_t i = 0; i < doc->n_sentences; i++) {
        const struct tm_span *sp = &doc->sentences[i];
        fill(&bag, doc->text + sp->start, sp->end - sp->start);
        for (size_t k = 0; k < bag.n; k++)
            mean[bag.bucket[k]] += 1 / bag.norm;
    }
    for (size_t i = 0; i < BUCKETS; i++)
        norm += mean[i] * mean[i];
    norm = norm > 0 ? sqrt(norm) : 1;
    size_t p = 0, place = 0;
    for (size_t i = 0; i < doc->n_sentences; i++) {
        const struct tm_span *sp = &doc->sentences[i];
        const char *s = doc->text + sp->start;
        size_t n = sp->end - sp->start;
        while (p < doc->n_paragraphs && doc->paragraphs[p].span.end <= sp->start)
            p++;
        bool heading = p < doc->n_paragraphs && doc->paragraphs[p].kind == TM_BLOCK_HEADING;
        ret_worth[i] = 0;
        if (heading || summary_words(s, n) < FEWEST_WORDS)
            continue;
        fill(&bag, s, n);
        for (size_t k = 0; k < bag.n; k++)
            ret_worth[i] += mean[bag.bucket[k]] / (bag.norm * norm);
        ret_worth[i] += POSITION_WEIGHT / (1.0 + (double)place++);
    }
}
