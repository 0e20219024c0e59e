/* Masks of a guide's states that were asked for before, at most 4 MiB of them and at least eight:
 * the state that was not asked for longest makes room. Private to guides/. */
#ifndef MASKS_H
#define MASKS_H

#include "tm_base.h"
#include <pthread.h>

struct masks;

/* key_most: bytes of what tells states apart. NULL: no memory; nothing is allocated later. */
struct masks *masks_create(size_t key_most, int32_t ids);
void masks_destroy(struct masks *m); /* NULL is fine */
bool masks_find(struct masks *m, const void *key, size_t n, uint32_t *bits);
void masks_keep(struct masks *m, const void *key, size_t n, const uint32_t *bits);

#endif
