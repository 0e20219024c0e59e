/* The queue between threads: bounded, nothing lost or doubled, close drains and wakes everyone.
 * No sleeps: where a thread has to be waiting first, pthread_cond_wait, replaced at link time,
 * tells. */
#include "check.h"
#include "tm_mem.h"
#include "tm_queue.h"
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { PRODUCERS = 4, CONSUMERS = 3, EACH = 5000, CAPACITY = 7, BATCH = 5 };

static atomic_size_t waiting;

int __real_pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock);
int __wrap_pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock);

/* Counts under the queue's lock: who then takes that lock finds the thread asleep. */
int __wrap_pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock)
{
    atomic_fetch_add(&waiting, 1);
    return __real_pthread_cond_wait(cond, lock);
}

static void await_waiting(size_t n)
{
    while (atomic_load(&waiting) < n)
        sched_yield();
}

struct shared {
    struct tm_queue *q;
    unsigned char seen[PRODUCERS * EACH]; /* each item's own byte, owned with the item */
    atomic_size_t taken;
    atomic_bool over_capacity, out_of_order;
};

struct producer {
    struct shared *sh;
    size_t number;
    size_t pushed;
};

static void *produce(void *arg)
{
    struct producer *p = arg;
    if (p->number % 2 == 1) { /* more at once than the queue holds */
        for (size_t i = 0; i < EACH;) {
            void *items[2 * CAPACITY];
            size_t n = 0;
            for (; n < 2 * CAPACITY && i < EACH; n++, i++)
                items[n] = &p->sh->seen[p->number * EACH + i];
            p->pushed += tm_queue_push_batch(p->sh->q, items, n);
        }
        return NULL;
    }
    for (size_t i = 0; i < EACH; i++) {
        void *item = &p->sh->seen[p->number * EACH + i];
        if (tm_queue_push(p->sh->q, &item) == TM_OK && item == NULL)
            p->pushed++;
    }
    return NULL;
}

static void *consume(void *arg)
{
    struct shared *sh = arg;
    unsigned char *last[PRODUCERS] = {NULL};
    while (!tm_queue_done(sh->q)) {
        void *items[BATCH];
        size_t n = tm_queue_pop_batch(sh->q, items, BATCH, UINT_MAX);
        for (size_t i = 0; i < n; i++) {
            unsigned char *item = items[i];
            size_t producer = (size_t)(item - sh->seen) / EACH;
            if (last[producer] != NULL && item <= last[producer])
                atomic_store(&sh->out_of_order, true);
            last[producer] = item;
            ++*item;
        }
        atomic_fetch_add(&sh->taken, n);
        if (tm_queue_len(sh->q) > CAPACITY)
            atomic_store(&sh->over_capacity, true);
    }
    return NULL;
}

static void every_item_arrives_once_in_order(void **unused)
{
    (void)unused;
    struct shared *sh = calloc(1, sizeof *sh);
    struct producer producers[PRODUCERS] = {0};
    pthread_t p_threads[PRODUCERS], c_threads[CONSUMERS];
    sh->q = tm_queue_create(CAPACITY);
    for (size_t i = 0; i < CONSUMERS; i++)
        assert_int_equal(pthread_create(&c_threads[i], NULL, consume, sh), 0);
    for (size_t i = 0; i < PRODUCERS; i++) {
        producers[i] = (struct producer){.sh = sh, .number = i};
        assert_int_equal(pthread_create(&p_threads[i], NULL, produce, &producers[i]), 0);
    }
    for (size_t i = 0; i < PRODUCERS; i++) {
        pthread_join(p_threads[i], NULL);
        assert_int_equal(producers[i].pushed, EACH);
    }
    tm_queue_close(sh->q);
    for (size_t i = 0; i < CONSUMERS; i++)
        pthread_join(c_threads[i], NULL);
    assert_int_equal(atomic_load(&sh->taken), PRODUCERS * EACH);
    for (size_t i = 0; i < PRODUCERS * EACH; i++)
        assert_int_equal(sh->seen[i], 1);
    assert_false(atomic_load(&sh->over_capacity));
    assert_false(atomic_load(&sh->out_of_order));
    tm_queue_destroy(sh->q, NULL);
    free(sh);
}

static void full_queue_does_not_take(void **unused)
{
    (void)unused;
    struct tm_queue *q = tm_queue_create(2);
    int a, b, c;
    void *item = &a;
    assert_int_equal(tm_queue_try_push(q, &item), TM_OK);
    assert_null(item);
    item = &b;
    assert_int_equal(tm_queue_push(q, &item), TM_OK);
    item = &c;
    assert_int_equal(tm_queue_try_push(q, &item), TM_AGAIN);
    assert_ptr_equal(item, &c);
    assert_int_equal(tm_queue_len(q), 2);
    void *out[4];
    assert_int_equal(tm_queue_pop_batch(q, out, 4, 0), 2);
    assert_ptr_equal(out[0], &a);
    assert_ptr_equal(out[1], &b);
    assert_int_equal(tm_queue_try_push(q, &item), TM_OK);
    tm_queue_destroy(q, NULL);
}

static void close_lets_drain_and_refuses_more(void **unused)
{
    (void)unused;
    struct tm_queue *q = tm_queue_create(4);
    int a, b;
    void *first = &a, *second = &b, *out[4];
    assert_int_equal(tm_queue_push(q, &first), TM_OK);
    tm_queue_close(q);
    assert_int_equal(tm_queue_push(q, &second), TM_CLOSED);
    assert_int_equal(tm_queue_try_push(q, &second), TM_CLOSED);
    assert_int_equal(tm_queue_push_batch(q, &second, 1), 0);
    assert_ptr_equal(second, &b);
    assert_false(tm_queue_done(q)); /* one is still inside */
    assert_int_equal(tm_queue_pop_batch(q, out, 4, UINT_MAX), 1);
    assert_ptr_equal(out[0], &a);
    assert_true(tm_queue_done(q));
    assert_int_equal(tm_queue_pop_batch(q, out, 4, UINT_MAX), 0); /* at once, for ever */
    tm_queue_destroy(q, NULL);
}

struct blocked {
    struct tm_queue *q;
    void *item;
    enum tm_status status;
    size_t popped;
};

static void *push_one(void *arg)
{
    struct blocked *b = arg;
    b->status = tm_queue_push(b->q, &b->item);
    return NULL;
}

static void *pop_one(void *arg)
{
    struct blocked *b = arg;
    b->popped = tm_queue_pop_batch(b->q, &b->item, 1, UINT_MAX);
    return NULL;
}

static void close_wakes_producers_and_consumers(void **unused)
{
    (void)unused;
    enum { EACH_SIDE = 3 };
    struct tm_queue *full = tm_queue_create(1), *empty = tm_queue_create(1);
    int filler, mine;
    void *item = &filler;
    assert_int_equal(tm_queue_push(full, &item), TM_OK);
    atomic_store(&waiting, 0);
    struct blocked pushers[EACH_SIDE], poppers[EACH_SIDE];
    pthread_t push_threads[EACH_SIDE], pop_threads[EACH_SIDE];
    for (size_t i = 0; i < EACH_SIDE; i++) {
        pushers[i] = (struct blocked){.q = full, .item = &mine};
        poppers[i] = (struct blocked){.q = empty, .popped = 99};
        assert_int_equal(pthread_create(&push_threads[i], NULL, push_one, &pushers[i]), 0);
        assert_int_equal(pthread_create(&pop_threads[i], NULL, pop_one, &poppers[i]), 0);
    }
    await_waiting(2 * EACH_SIDE);
    tm_queue_close(full);
    tm_queue_close(empty);
    for (size_t i = 0; i < EACH_SIDE; i++) {
        pthread_join(push_threads[i], NULL);
        pthread_join(pop_threads[i], NULL);
        assert_int_equal(pushers[i].status, TM_CLOSED);
        assert_ptr_equal(pushers[i].item, &mine); /* stays with the caller */
        assert_int_equal(poppers[i].popped, 0);
    }
    tm_queue_destroy(full, NULL);
    tm_queue_destroy(empty, NULL);
}

/* One batch frees several places: every producer that waits for one must get it. */
static void a_batch_wakes_all_it_made_room_for(void **unused)
{
    (void)unused;
    enum { N = 4 };
    struct tm_queue *q = tm_queue_create(N);
    int filler, mine;
    struct blocked pushers[N];
    pthread_t threads[N];
    atomic_store(&waiting, 0);
    for (size_t i = 0; i < N; i++) {
        void *item = &filler;
        assert_int_equal(tm_queue_push(q, &item), TM_OK);
    }
    for (size_t i = 0; i < N; i++) {
        pushers[i] = (struct blocked){.q = q, .item = &mine, .status = TM_INTERNAL};
        assert_int_equal(pthread_create(&threads[i], NULL, push_one, &pushers[i]), 0);
    }
    void *out[N];
    await_waiting(N);
    assert_int_equal(tm_queue_pop_batch(q, out, N, UINT_MAX), N);
    for (size_t i = 0; i < N; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(pushers[i].status, TM_OK);
    }
    assert_int_equal(tm_queue_len(q), N);
    tm_queue_destroy(q, NULL);
}

static void pop_waits_no_longer_than_asked(void **unused)
{
    (void)unused;
    struct tm_queue *q = tm_queue_create(1);
    void *out[1];
    assert_int_equal(tm_queue_pop_batch(q, out, 1, 0), 0);
    uint64_t start = tm_clock_ns();
    assert_int_equal(tm_queue_pop_batch(q, out, 1, 20), 0);
    assert_true(tm_clock_ns() - start >= 20 * 1000000u);
    assert_false(tm_queue_done(q)); /* that is how time-out and end are told apart */
    tm_queue_destroy(q, NULL);
}

static size_t freed;

static void count_free(void *item)
{
    free(item);
    freed++;
}

static void destroy_frees_what_is_inside(void **unused)
{
    (void)unused;
    struct tm_queue *q = tm_queue_create(3);
    void *out[1];
    for (int round = 0; round < 5; round++) { /* across the end of the ring */
        void *item = malloc(1);
        assert_int_equal(tm_queue_push(q, &item), TM_OK);
        if (round >= 2) {
            assert_int_equal(tm_queue_pop_batch(q, out, 1, 0), 1);
            free(out[0]);
        }
    }
    freed = 0;
    tm_queue_destroy(q, count_free);
    assert_int_equal(freed, 2);
    tm_queue_destroy(NULL, count_free);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_item_arrives_once_in_order),
        cmocka_unit_test(full_queue_does_not_take),
        cmocka_unit_test(close_lets_drain_and_refuses_more),
        cmocka_unit_test(close_wakes_producers_and_consumers),
        cmocka_unit_test(a_batch_wakes_all_it_made_room_for),
        cmocka_unit_test(pop_waits_no_longer_than_asked),
        cmocka_unit_test(destroy_frees_what_is_inside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
