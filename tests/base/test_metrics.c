/* Metrics: names that Prometheus takes, and no lost additions. */
#include "check.h"
#include "tm_metrics.h"
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

static void names_follow_prometheus(void **unused)
{
    (void)unused;
    for (int m = 0; m < TM_METRIC_COUNT; m++) {
        const char *name = tm_metric_name((enum tm_metric)m);
        size_t n = strlen(name);
        assert_int_equal(strspn(name, "abcdefghijklmnopqrstuvwxyz_"), n);
        bool total = n > 6 && strcmp(name + n - 6, "_total") == 0;
        assert_int_equal(total, tm_metric_kind((enum tm_metric)m) == TM_METRIC_COUNTER);
        assert_true(strlen(tm_metric_help((enum tm_metric)m)) > 10);
        for (int k = 0; k < m; k++)
            assert_string_not_equal(name, tm_metric_name((enum tm_metric)k));
    }
}

static struct tm_metrics metrics;
enum { THREADS = 4, ROUNDS = 20000 };

static void *add(void *arg)
{
    for (int i = 0; i < ROUNDS; i++) {
        tm_metric_add(&metrics, TM_METRIC_DOCS_IN, 1);
        tm_metric_add(&metrics, TM_METRIC_DOCS_IN_FLIGHT, i % 2 == 0 ? 3 : -3);
    }
    return arg;
}

static void additions_of_threads_all_count(void **unused)
{
    (void)unused;
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, add, NULL), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(tm_metric_get(&metrics, TM_METRIC_DOCS_IN), THREADS * ROUNDS);
    assert_int_equal(tm_metric_get(&metrics, TM_METRIC_DOCS_IN_FLIGHT), 0);
    assert_int_equal(tm_metric_get(&metrics, TM_METRIC_DOCS_OUT), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_follow_prometheus),
        cmocka_unit_test(additions_of_threads_all_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
