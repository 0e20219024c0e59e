/* The ring of entries and its index (window.h). Under dedup.c's lock.
 *
 * The index has a table of chains for each kind of key, newest entry first. One that leaves the
 * ring is not taken out of its chains: whoever walks one stops at a number that is too old. */
#include "window.h"

#include <stdlib.h>
#include <string.h>

enum { WALK_MOST = 256 }; /* entries of a chain that are looked at: it bounds the time of a find */

struct window {
    struct entry *entries;
    uint64_t *heads; /* of each kind of key a table: the newest entry of the chain, 0: none */
    size_t capacity, mask;
    uint64_t next; /* number of the next entry */
};

struct window *window_create(size_t capacity)
{
    struct window *w = calloc(1, sizeof *w);
    if (w == NULL)
        return NULL;
    size_t heads = 1;
    while (heads < capacity)
        heads *= 2;
    w->capacity = capacity;
    w->mask = heads - 1;
    w->next = 1;
    w->entries = calloc(capacity, sizeof *w->entries); /* pages that are not used cost nothing */
    w->heads = calloc(heads * WINDOW_KEYS, sizeof *w->heads);
    if (w->entries != NULL && w->heads != NULL)
        return w;
    window_destroy(w);
    return NULL;
}

void window_destroy(struct window *w)
{
    if (w == NULL)
        return;
    for (size_t i = 0; w->entries != NULL && i < w->capacity; i++) {
        if (i + 1 >= w->next)
            break; /* never used */
        free(w->entries[i].id);
        free(w->entries[i].shared);
    }
    free(w->entries);
    free(w->heads);
    free(w);
}

uint64_t window_oldest(const struct window *w)
{
    return w->next > w->capacity ? w->next - w->capacity : 1;
}

uint64_t window_next(const struct window *w)
{
    return w->next;
}

static struct entry *slot(struct window *w, uint64_t number)
{
    return &w->entries[(number - 1) % w->capacity];
}

struct entry *window_at(struct window *w, uint64_t number)
{
    return number >= window_oldest(w) && number < w->next ? slot(w, number) : NULL;
}

static uint64_t *head(struct window *w, size_t key, const struct signature *s, uint64_t identity)
{
    uint64_t h = key == WINDOW_WORDS      ? tm_hash(s->words, sizeof s->words, 1)
                 : key == WINDOW_IDENTITY ? tm_hash(&identity, sizeof identity, 2)
                                          : signature_band(s, key - WINDOW_BAND);
    return &w->heads[key * (w->mask + 1) + (h & w->mask)];
}

/* Texts of less than five words have no bands. */
static size_t keys_of(const struct signature *s)
{
    return s->n_shingles > 0 ? WINDOW_KEYS : WINDOW_BAND;
}

uint64_t window_add(struct window *w, const struct signature *s, uint64_t identity, const char *id)
{
    char *own = strdup(id);
    if (own == NULL)
        return 0;
    uint64_t number = w->next++;
    struct entry *e = slot(w, number);
    free(e->id);
    free(e->shared);
    *e = (struct entry){.signature = *s, .identity = identity, .state = ENTRY_OPEN, .id = own};
    for (size_t k = 0; k < keys_of(s); k++) {
        uint64_t *at = head(w, k, s, identity);
        e->next[k] = *at;
        *at = number;
    }
    return number;
}

uint64_t window_find_identity(struct window *w, uint64_t identity)
{
    uint64_t number = *head(w, WINDOW_IDENTITY, NULL, identity);
    for (size_t i = 0; i < WALK_MOST; i++) {
        const struct entry *e = window_at(w, number);
        if (e == NULL || e->identity == identity)
            return e == NULL ? 0 : number;
        number = e->next[WINDOW_IDENTITY];
    }
    return 0;
}

uint64_t window_find(struct window *w, const struct signature *s, double least,
                     double *ret_similarity)
{
    uint64_t best = 0;
    double most = 0;
    for (size_t k = 0; k < keys_of(s); k += k == WINDOW_WORDS ? WINDOW_BAND : 1) {
        uint64_t number = *head(w, k, s, 0);
        for (size_t i = 0; i < WALK_MOST; i++) {
            const struct entry *e = window_at(w, number);
            if (e == NULL)
                break;
            double similarity =
                e->state == ENTRY_FAILED ? 0 : signature_similarity(&e->signature, s);
            if (similarity >= least && (similarity > most || (similarity == most && number < best)))
                best = number, most = similarity;
            number = e->next[k];
        }
        if (most == 1)
            break;
    }
    *ret_similarity = best != 0 ? most : *ret_similarity;
    return best;
}
