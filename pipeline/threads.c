/* Threads and the two ways they wait for each other besides queues (threads.h).
 *
 * Called by the runner and by tm_drive; no other file of textmill creates a thread. */
#include "threads.h"

#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

struct tm_thread {
    pthread_t id;
    void (*fn)(void *arg);
    void *arg;
    char name[16];
};

static void *begin(void *arg)
{
    struct tm_thread *t = arg;
    pthread_setname_np(pthread_self(), t->name);
    t->fn(t->arg);
    return NULL;
}

enum tm_status tm_thread_start(struct tm_thread **ret_thread, const char *name,
                               void (*fn)(void *arg), void *arg)
{
    *ret_thread = NULL;
    struct tm_thread *t = calloc(1, sizeof *t);
    if (t == NULL)
        return TM_NOMEM;
    t->fn = fn;
    t->arg = arg;
    for (size_t i = 0; i + 1 < sizeof t->name && name[i] != '\0'; i++)
        t->name[i] = name[i];
    /* Those that a thread raises by its own doing stay open: blocked, they would be undefined. */
    static const int own_doing[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS};
    sigset_t all, old;
    sigfillset(&all);
    for (size_t i = 0; i < TM_COUNTOF(own_doing); i++)
        sigdelset(&all, own_doing[i]);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int e = pthread_create(&t->id, NULL, begin, t);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (e != 0) {
        free(t);
        return tm_status_from_errno(e);
    }
    *ret_thread = t;
    return TM_OK;
}

void tm_thread_join(struct tm_thread *t)
{
    if (t == NULL)
        return;
    pthread_join(t->id, NULL);
    free(t);
}

void tm_thread_yield(void)
{
    sched_yield();
}

void cond_init(pthread_cond_t *c)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(c, &attr);
    pthread_condattr_destroy(&attr);
}

void cond_wait_ms(pthread_cond_t *c, pthread_mutex_t *held, unsigned most_ms)
{
    if (most_ms == UINT_MAX) {
        pthread_cond_wait(c, held);
        return;
    }
    uint64_t ns = tm_clock_ns() + (uint64_t)most_ms * 1000000u;
    struct timespec at = {(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};
    pthread_cond_timedwait(c, held, &at);
}

void wake_init(struct wake *w)
{
    pthread_mutex_init(&w->lock, NULL);
    cond_init(&w->posted);
    w->count = 0;
}

void wake_finish(struct wake *w)
{
    pthread_cond_destroy(&w->posted);
    pthread_mutex_destroy(&w->lock);
}

uint64_t wake_read(struct wake *w)
{
    pthread_mutex_lock(&w->lock);
    uint64_t count = w->count;
    pthread_mutex_unlock(&w->lock);
    return count;
}

void wake_post(struct wake *w)
{
    pthread_mutex_lock(&w->lock);
    w->count++;
    pthread_cond_broadcast(&w->posted);
    pthread_mutex_unlock(&w->lock);
}

void wake_wait(struct wake *w, uint64_t seen, unsigned most_ms)
{
    pthread_mutex_lock(&w->lock);
    if (w->count == seen && most_ms == UINT_MAX)
        while (w->count == seen)
            pthread_cond_wait(&w->posted, &w->lock);
    else if (w->count == seen)
        cond_wait_ms(&w->posted, &w->lock, most_ms);
    pthread_mutex_unlock(&w->lock);
}
