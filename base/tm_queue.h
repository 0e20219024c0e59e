/* A bounded queue between threads that moves ownership of pointers.
 *
 * Exactly one thread owns an item at any time: push takes it, pop gives it. A full queue blocks
 * the producer, which is textmill's back-pressure. close() lets consumers drain what is there and
 * wakes everyone. The queue's own lock is the only lock held. */
#ifndef TM_QUEUE_H
#define TM_QUEUE_H

#include "tm_err.h"
#include <stddef.h>

struct tm_queue;

struct tm_queue *tm_queue_create(size_t capacity); /* capacity >= 1, never implied */
/* free_item (may be NULL) is called for what is still inside. */
void tm_queue_destroy(struct tm_queue *q, void (*free_item)(void *item));
/* Takes *owned and sets it to NULL; blocks while full; TM_CLOSED leaves *owned with the caller. */
enum tm_status tm_queue_push(struct tm_queue *q, void **owned);
/* Takes n items, as push does one after the other, at the cost of one. Returns how many it took:
 * fewer only when closed; the rest stay with the caller. */
size_t tm_queue_push_batch(struct tm_queue *q, void **owned, size_t n);
/* As push, but TM_AGAIN instead of blocking. */
enum tm_status tm_queue_try_push(struct tm_queue *q, void **owned);
/* Up to max items, waiting at most wait_ms for the first (UINT_MAX: without limit). Returns how
 * many; 0 on time-out, or after close and drain, which tm_queue_done() tells apart. */
size_t tm_queue_pop_batch(struct tm_queue *q, void **out, size_t max, unsigned wait_ms);
bool tm_queue_done(struct tm_queue *q); /* closed and empty */
void tm_queue_close(struct tm_queue *q);
size_t tm_queue_len(struct tm_queue *q);

#endif
