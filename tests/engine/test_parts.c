/* Parts of the engine that can be wrong on their own: the memory plan, the cgroup's limit, the
 * cores of workers, the tables of positions. */
#include "engine.h"
#include "tables.h"

#include <math.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* Buffers that are alive together never share a byte, and those that are not do. */
static void test_plan(void **arg)
{
    (void)arg;
    struct buffer b[60];
    srand(1);
    for (int round = 0; round < 200; round++) {
        int n = 1 + rand() % 60;
        for (int i = 0; i < n; i++) {
            int32_t first = rand() % 50;
            b[i] = (struct buffer){
                .cols = 1 + rand() % 40, .first = first, .last = first + rand() % 6};
        }
        size_t total = plan_place(b, n, 33);
        for (int i = 0; i < n; i++) {
            size_t size = 33 * (size_t)b[i].cols * sizeof(float);
            assert_int_equal(b[i].offset % 64, 0);
            assert_true(b[i].offset + size <= total);
            for (int k = 0; k < i; k++) {
                bool together = b[i].first <= b[k].last && b[k].first <= b[i].last;
                size_t other = 33 * (size_t)b[k].cols * sizeof(float);
                if (together)
                    assert_true(b[i].offset >= b[k].offset + other ||
                                b[k].offset >= b[i].offset + size);
            }
        }
    }
    struct buffer chain[10]; /* each lives with its neighbour only: room for two is enough */
    for (int i = 0; i < 10; i++)
        chain[i] = (struct buffer){.cols = 16, .first = i, .last = i + 1};
    assert_int_equal(plan_place(chain, 10, 100), 2 * 100 * 16 * sizeof(float));
}

static void put(const char *folder, const char *text)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/cpu.max", folder);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void test_cgroup(void **arg)
{
    (void)arg;
    char root[] = "/tmp/tm-cores-XXXXXX", a[64], b[64], command[128];
    assert_non_null(mkdtemp(root));
    snprintf(a, sizeof a, "%s/a", root);
    snprintf(b, sizeof b, "%s/a/b", root);
    assert_int_equal(mkdir(a, 0700) + mkdir(b, 0700), 0);
    assert_int_equal(limit_of_cgroup(LIMIT_CORES, root, "/a/b"), 0); /* no file: no limit */
    put(b, "max 100000\n");
    assert_int_equal(limit_of_cgroup(LIMIT_CORES, root, "/a/b"), 0);
    put(b, "250000 100000\n");
    assert_int_equal(limit_of_cgroup(LIMIT_CORES, root, "/a/b"), 3); /* 2.5, rounded up */
    put(b, "5000 100000\n");
    assert_int_equal(limit_of_cgroup(LIMIT_CORES, root, "/a/b"), 1);
    put(b, "800000 100000\n");
    put(a, "400000 100000\n"); /* the group above is tighter */
    assert_int_equal(limit_of_cgroup(LIMIT_CORES, root, "/a/b"), 4);
    assert_int_equal(limit_of_cgroup(LIMIT_CORES, root, "/"), 0);
    put(a, "nonsense\n");
    assert_int_equal(limit_of_cgroup(LIMIT_CORES, root, "/a/b"), 8);
    assert_true(tm_engine_cores() >= 1);
    snprintf(command, sizeof command, "rm -r %s", root);
    assert_int_equal(system(command), 0);
}

enum { BUCKET_REACH = 128 };

/* Values of the reference's relative_position_bucket, j - i, at the edges of buckets. */
static void test_buckets(void **arg)
{
    (void)arg;
    static const int32_t expected[][2] = {
        {0, 0},    {-1, 1},   {-7, 7},   {-8, 8},   {-11, 8},   {-12, 9},  {-15, 9},
        {-16, 10}, {-22, 10}, {-23, 11}, {-31, 11}, {-32, 12},  {-45, 12}, {-46, 13},
        {-63, 13}, {-64, 14}, {-90, 14}, {-91, 15}, {-128, 15}, {1, 17},   {7, 23},
        {8, 24},   {16, 26},  {64, 30},  {128, 31},
    };
    int32_t bucket[2 * BUCKET_REACH + 1];
    tables_buckets(bucket, BUCKET_REACH, 32, true);
    for (size_t i = 0; i < TM_COUNTOF(expected); i++)
        assert_int_equal(bucket[expected[i][0] + BUCKET_REACH], expected[i][1]);
}

static void test_rope(void **arg)
{
    (void)arg;
    float cos_[5 * 4], sin_[5 * 4];
    tables_rope(cos_, sin_, 5, 8, &(struct rope){.theta = 10000}, 0);
    for (int p = 0; p < 5; p++) {
        for (int c = 0; c < 4; c++) {
            double angle = p * pow(10000, -2.0 * c / 8);
            assert_true(fabs(cos_[p * 4 + c] - cos(angle)) < 1e-6);
            assert_true(fabs(sin_[p * 4 + c] - sin(angle)) < 1e-6);
        }
    }
}

/* As many workers as cores: each gets another one. Fewer or more: none is bound. */
static void test_pin(void **arg)
{
    (void)arg;
    cpu_set_t all, now, seen;
    CPU_ZERO(&seen);
    assert_int_equal(sched_getaffinity(0, sizeof all, &all), 0);
    int cores = CPU_COUNT(&all);
    tm_engine_pin(0, cores + 1);
    assert_int_equal(sched_getaffinity(0, sizeof now, &now), 0);
    assert_true(CPU_EQUAL(&all, &now));
    for (int i = 0; i < cores; i++) {
        tm_engine_pin(i, cores);
        assert_int_equal(sched_getaffinity(0, sizeof now, &now), 0);
        assert_int_equal(CPU_COUNT(&now), 1);
        CPU_OR(&seen, &seen, &now);
        assert_int_equal(sched_setaffinity(0, sizeof all, &all), 0);
    }
    assert_true(CPU_EQUAL(&all, &seen));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pin),     cmocka_unit_test(test_plan), cmocka_unit_test(test_cgroup),
        cmocka_unit_test(test_buckets), cmocka_unit_test(test_rope),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
