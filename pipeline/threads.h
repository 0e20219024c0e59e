/* The one place that creates threads. Private to pipeline/. */
#ifndef THREADS_H
#define THREADS_H

#include "tm_base.h"

#include <pthread.h>

struct tm_thread;

/* Runs fn(arg) on a new thread with signals blocked (the main thread handles them). name: at
 * most 15 bytes, as ps and debuggers show it. On failure *ret_thread is NULL. */
enum tm_status tm_thread_start(struct tm_thread **ret_thread, const char *name,
                               void (*fn)(void *arg), void *arg);
void tm_thread_join(struct tm_thread *t); /* frees; NULL is fine */
void tm_thread_yield(void);

/* An event count: what a thread waits for when its work may come from several sides. Read, look
 * for work, then wait for anything posted since the reading: no post is missed. */
struct wake {
    pthread_mutex_t lock; /* guards count */
    pthread_cond_t posted;
    uint64_t count;
};

void wake_init(struct wake *w);
void wake_finish(struct wake *w);
uint64_t wake_read(struct wake *w);
void wake_post(struct wake *w);                                  /* wakes every waiter */
void wake_wait(struct wake *w, uint64_t seen, unsigned most_ms); /* UINT_MAX: without limit */

/* A condition that goes by the monotonic clock, and its wait of at most `most_ms`. */
void cond_init(pthread_cond_t *c);
void cond_wait_ms(pthread_cond_t *c, pthread_mutex_t *held, unsigned most_ms);

#endif
