/* Masks of states that were asked for before (masks.h). Any worker: one lock, held while a mask is
 * copied. */
#include "masks.h"

#include <stdlib.h>
#include <string.h>

enum { BYTES_MOST = 4 << 20, MASKS_LEAST = 8, MASKS_MOST = 256 };

struct kept {
    uint64_t hash, used; /* used: when last; 0: never */
    size_t n;
};

struct masks {
    pthread_mutex_t lock;
    struct kept *kept; /* (room) */
    char *keys;        /* (room, key_most) */
    uint32_t *bits;    /* (room, words) */
    size_t room, key_most, words;
    uint64_t time;
};

struct masks *masks_create(size_t key_most, int32_t ids)
{
    struct masks *m = calloc(1, sizeof *m);
    if (m == NULL)
        return NULL;
    m->words = ((size_t)ids + 31) / 32;
    m->key_most = key_most;
    m->room = TM_MIN(TM_MAX(BYTES_MOST / (m->words * sizeof *m->bits), (size_t)MASKS_LEAST),
                     (size_t)MASKS_MOST);
    m->kept = calloc(m->room, sizeof *m->kept);
    m->keys = calloc(m->room, key_most);
    m->bits = calloc(m->room, m->words * sizeof *m->bits);
    pthread_mutex_init(&m->lock, NULL);
    if (m->kept != NULL && m->keys != NULL && m->bits != NULL)
        return m;
    masks_destroy(m);
    return NULL;
}

void masks_destroy(struct masks *m)
{
    if (m == NULL)
        return;
    pthread_mutex_destroy(&m->lock);
    free(m->kept);
    free(m->keys);
    free(m->bits);
    free(m);
}

bool masks_find(struct masks *m, const void *key, size_t n, uint32_t *bits)
{
    const uint64_t hash = tm_hash(key, n, 0);
    bool found = false;
    pthread_mutex_lock(&m->lock);
    for (size_t i = 0; i < m->room && !found; i++) {
        struct kept *k = &m->kept[i];
        found = k->used > 0 && k->hash == hash && k->n == n &&
                memcmp(m->keys + i * m->key_most, key, n) == 0;
        if (found) {
            k->used = ++m->time;
            memcpy(bits, m->bits + i * m->words, m->words * sizeof *bits);
        }
    }
    pthread_mutex_unlock(&m->lock);
    return found;
}

/* In place of the one that was not asked for longest; another worker may have kept the same. */
void masks_keep(struct masks *m, const void *key, size_t n, const uint32_t *bits)
{
    size_t oldest = 0;
    tm_dassert(n <= m->key_most);
    pthread_mutex_lock(&m->lock);
    for (size_t i = 1; i < m->room; i++)
        if (m->kept[i].used < m->kept[oldest].used)
            oldest = i;
    m->kept[oldest] = (struct kept){.hash = tm_hash(key, n, 0), .used = ++m->time, .n = n};
    memcpy(m->keys + oldest * m->key_most, key, n);
    memcpy(m->bits + oldest * m->words, bits, m->words * sizeof *bits);
    pthread_mutex_unlock(&m->lock);
}
