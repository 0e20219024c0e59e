/* Bounded queue that moves ownership of pointers (tm_queue.h): a ring, one lock, two conditions.
 *
 * Producers and consumers are any threads of the runner. */
#include "tm_queue.h"
#include "tm_mem.h"
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

struct tm_queue {
    pthread_mutex_t lock; /* guards everything below */
    pthread_cond_t not_empty, not_full;
    size_t capacity, head, len;
    bool closed;
    void *items[];
};

struct tm_queue *tm_queue_create(size_t capacity)
{
    tm_assert(capacity >= 1);
    struct tm_queue *q = NULL;
    if (capacity > (SIZE_MAX - sizeof *q) / sizeof *q->items)
        return NULL;
    q = calloc(1, sizeof *q + capacity * sizeof *q->items);
    if (q == NULL)
        return NULL;
    q->capacity = capacity;
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC); /* time-outs ignore changes of the date */
    pthread_mutex_init(&q->lock, NULL);
    pthread_cond_init(&q->not_empty, &attr);
    pthread_cond_init(&q->not_full, &attr);
    pthread_condattr_destroy(&attr);
    return q;
}

void tm_queue_destroy(struct tm_queue *q, void (*free_item)(void *item))
{
    if (q == NULL)
        return;
    for (; q->len > 0; q->len--) {
        if (free_item != NULL)
            free_item(q->items[q->head]);
        q->head = (q->head + 1) % q->capacity;
    }
    pthread_cond_destroy(&q->not_empty);
    pthread_cond_destroy(&q->not_full);
    pthread_mutex_destroy(&q->lock);
    free(q);
}

static enum tm_status push(struct tm_queue *q, void **owned, bool wait)
{
    pthread_mutex_lock(&q->lock);
    while (wait && !q->closed && q->len == q->capacity)
        pthread_cond_wait(&q->not_full, &q->lock);
    enum tm_status s = q->closed ? TM_CLOSED : q->len == q->capacity ? TM_AGAIN : TM_OK;
    if (s == TM_OK) {
        q->items[(q->head + q->len++) % q->capacity] = TM_TAKE(*owned);
        pthread_cond_signal(&q->not_empty);
    }
    pthread_mutex_unlock(&q->lock);
    return s;
}

enum tm_status tm_queue_push(struct tm_queue *q, void **owned)
{
    return push(q, owned, true);
}

enum tm_status tm_queue_try_push(struct tm_queue *q, void **owned)
{
    return push(q, owned, false);
}

size_t tm_queue_push_batch(struct tm_queue *q, void **owned, size_t n)
{
    size_t done = 0;
    pthread_mutex_lock(&q->lock);
    while (done < n) {
        while (!q->closed && q->len == q->capacity)
            pthread_cond_wait(&q->not_full, &q->lock);
        if (q->closed)
            break;
        size_t first = done;
        for (; done < n && q->len < q->capacity; done++)
            q->items[(q->head + q->len++) % q->capacity] = TM_TAKE(owned[done]);
        if (done - first > 1)
            pthread_cond_broadcast(&q->not_empty);
        else
            pthread_cond_signal(&q->not_empty);
    }
    pthread_mutex_unlock(&q->lock);
    return done;
}

static struct timespec deadline_after(unsigned wait_ms)
{
    uint64_t ns = tm_clock_ns() + (uint64_t)wait_ms * 1000000u;
    return (struct timespec){.tv_sec = (time_t)(ns / 1000000000u),
                             .tv_nsec = (long)(ns % 1000000000u)};
}

size_t tm_queue_pop_batch(struct tm_queue *q, void **out, size_t max, unsigned wait_ms)
{
    struct timespec deadline = {0};
    if (max == 0)
        return 0;
    if (wait_ms != 0 && wait_ms != UINT_MAX)
        deadline = deadline_after(wait_ms);
    pthread_mutex_lock(&q->lock);
    int timed_out = wait_ms == 0;
    while (q->len == 0 && !q->closed && timed_out == 0) {
        if (wait_ms == UINT_MAX)
            pthread_cond_wait(&q->not_empty, &q->lock);
        else
            timed_out = pthread_cond_timedwait(&q->not_empty, &q->lock, &deadline) == ETIMEDOUT;
    }
    size_t n = TM_MIN(max, q->len);
    for (size_t i = 0; i < n; i++) {
        out[i] = q->items[q->head];
        q->head = (q->head + 1) % q->capacity;
    }
    q->len -= n;
    /* Several producers may wait for the places of one batch. */
    if (n > 1)
        pthread_cond_broadcast(&q->not_full);
    else if (n == 1)
        pthread_cond_signal(&q->not_full);
    pthread_mutex_unlock(&q->lock);
    return n;
}

bool tm_queue_done(struct tm_queue *q)
{
    pthread_mutex_lock(&q->lock);
    bool done = q->closed && q->len == 0;
    pthread_mutex_unlock(&q->lock);
    return done;
}

void tm_queue_close(struct tm_queue *q)
{
    pthread_mutex_lock(&q->lock);
    q->closed = true;
    pthread_cond_broadcast(&q->not_empty);
    pthread_cond_broadcast(&q->not_full);
    pthread_mutex_unlock(&q->lock);
}

size_t tm_queue_len(struct tm_queue *q)
{
    pthread_mutex_lock(&q->lock);
    size_t len = q->len;
    pthread_mutex_unlock(&q->lock);
    return len;
}
