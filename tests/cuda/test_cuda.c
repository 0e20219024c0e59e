/* The CUDA kernels through the host shim, against the reference: every checker of tests/kernels,
 * in two orders in which a block's threads may take turns. The results must be the same to the bit:
 * a missing barrier shows as a difference. Small scratch, so that blocks of rows are small
 * too. What the contract's checkers do not reach is in check_cuda.c.
 *
 *   test_cuda [seed] [operation] */
#include "../kernels/check.h"
#include "check_cuda.h"

#include <cuda_runtime_api.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct rig now, ref;
bool keeps_batches = true;
extern uint64_t check_random;

static const char *op_name;
static int failed, failed_here;

void fail(const char *fmt, ...)
{
    va_list ap;
    failed++;
    if (++failed_here > 5)
        return;
    va_start(ap, fmt);
    printf("FAIL %s: ", op_name);
    (void)vprintf(fmt, ap);
    printf("\n");
    va_end(ap);
}

static void report(const char *kernel, const char *what)
{
    fail("%s: %s", kernel, what);
}

static struct rig rig_new(struct tm_backend *b)
{
    struct rig r = {.b = b};
    struct tm_err err = {0};
    if (b->dev.stream_create(b, 0, &r.s, &err) != TM_OK) {
        printf("stream: %s\n", err.text);
        exit(70);
    }
    return r;
}

static void rig_free(struct rig *r)
{
    r->b->dev.stream_destroy(r->s);
    tm_backend_destroy(r->b);
}

static uint64_t cpu_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void run(const char *op, void (*check)(void), uint64_t seed)
{
    uint64_t first = 0, begun = cpu_ns();
    op_name = op;
    failed_here = 0;
    for (int round = 0; round < 2; round++) {
        shim_set_order(round == 0 ? SHIM_FORWARD : SHIM_SHUFFLED);
        check_random = seed;
        check_digest = 0;
        check();
        if (round == 0)
            first = check_digest;
        else if (check_digest != first)
            fail("other results when threads take turns in another order");
    }
    printf("%s %s, %.1f s\n", failed_here == 0 ? "ok  " : "FAIL", op,
           (double)(cpu_ns() - begun) * 1e-9);
}

int main(int argc, char **argv)
{
    uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 10) : tm_clock_ns() % 1000000000;
    const char *only = argc > 2 ? argv[2] : NULL;
    struct tm_backend *b = NULL;
    struct tm_err err = {0};
    printf("seed %llu\n", (unsigned long long)seed);
    shim_report = report;
    check_block = 64;
    if (tm_backend_cpu(0, &b, &err) != TM_OK)
        return 70;
    ref = rig_new(b);
    if (cuda_create(0, CUDA_TEST_SCRATCH, &b, &err) != TM_OK) {
        printf("backend: %s\n", err.text);
        return 70;
    }
    now = rig_new(b);
    long mallocs = shim_mallocs;
#define X(op)                                                                                      \
    if (only == NULL || strcmp(only, #op) == 0)                                                    \
        run(#op, check_##op, seed);
    TM_OPS(X)
    CUDA_CHECKS(X)
#undef X
    printf("%ld launches, %ld allocations\n", shim_launches, shim_mallocs - mallocs);
    rig_free(&now);
    rig_free(&ref);
    printf("%d failures\n", failed);
    return failed == 0 ? 0 : 1;
}
