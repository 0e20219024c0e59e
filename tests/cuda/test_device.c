/* The CUDA kernels on a GPU: the checkers that test_cuda.c runs on the shim, here on the device,
 * and rates of the operations that decide. tools/gpu-check builds and runs it;
 * CUDA_LAUNCH_BLOCKING=1 must be set for the checks, which look at results at once.
 *
 *   test_device [seed] [operation]
 *   test_device --bench      JSON on stdout */
#include "../kernels/check.h"
#include "check_cuda.h"
#include "device_memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static void run(const char *op, void (*check)(void), uint64_t seed)
{
    uint64_t begun = tm_clock_ns();
    op_name = op;
    failed_here = 0;
    check_random = seed;
    check();
    printf("%s %s, %.1f s\n", failed_here == 0 ? "ok  " : "FAIL", op,
           (double)(tm_clock_ns() - begun) * 1e-9);
    (void)fflush(stdout);
}

/* ---- rates ---- */

struct work {
    struct tm_tensor a, b, c;
    struct tm_weight *w;
    struct tm_cached_args cached;
};
typedef enum tm_status work_fn(struct work *w);

static enum tm_status do_gemm(struct work *w)
{
    return now.b->ops.gemm(now.s, &w->c, &w->a, w->w, NULL);
}

static enum tm_status do_copy(struct work *w)
{
    return now.b->ops.convert(now.s, &w->c, &w->a);
}

static enum tm_status do_cached(struct work *w)
{
    return now.b->ops.attn_cached(now.s, &w->c, &w->a, &w->cached);
}

/* Seconds of one call, of as many as fit a tenth of a second. */
static double seconds(work_fn *f, struct work *w)
{
    enum { LEAST = 100000000 };
    for (int calls = 1;; calls *= 4) {
        ok(now.b->dev.stream_sync(now.s));
        uint64_t begun = tm_clock_ns();
        for (int i = 0; i < calls; i++)
            ok(f(w));
        ok(now.b->dev.stream_sync(now.s));
        uint64_t took = tm_clock_ns() - begun;
        if (took > LEAST || failed > 0)
            return (double)took * 1e-9 / calls;
    }
}

static struct tm_tensor on_device(enum tm_dtype dtype, int64_t rows, int64_t cols)
{
    size_t bytes = (size_t)(rows * cols) * tm_dtype_size(dtype);
    struct tm_tensor t = {now.b->dev.alloc(now.b, bytes), dtype, rows, cols, cols, NULL};
    char *zeros = calloc(1, bytes);
    if (t.data == NULL || zeros == NULL) {
        printf("no memory for a benchmark\n");
        exit(70);
    }
    ok(now.b->dev.copy_in(now.s, t.data, zeros, bytes));
    ok(now.b->dev.stream_sync(now.s));
    free(zeros);
    return t;
}

static void rate_gemm(enum tm_dtype as, int64_t m, int64_t n, int64_t k)
{
    struct tm_tensor host = {calloc((size_t)(n * k), sizeof(float)), TM_F32, n, k, k, NULL};
    struct work w = {.a = on_device(as == TM_F32 ? TM_F32 : TM_BF16, m, k),
                     .c = on_device(as == TM_F32 ? TM_F32 : TM_BF16, m, n)};
    ok(now.b->dev.pack(now.b, &host, as, &w.w, NULL));
    double s = seconds(do_gemm, &w);
    printf("{\"gemm\":\"%s\",\"m\":%lld,\"n\":%lld,\"k\":%lld,\"tflops\":%.2f}\n",
           tm_dtype_name(as), (long long)m, (long long)n, (long long)k,
           2e-12 * (double)m * (double)n * (double)k / s);
    now.b->dev.weight_free(now.b, w.w);
    now.b->dev.free(now.b, w.a.data);
    now.b->dev.free(now.b, w.c.data);
    free(host.data);
}

static void rate_copy(void)
{
    struct work w = {.a = on_device(TM_BF16, 65536, 4096), .c = on_device(TM_BF16, 65536, 4096)};
    double s = seconds(do_copy, &w);
    printf("{\"copy_gb_s\":%.0f}\n", 2e-9 * 65536 * 4096 * 2 / s);
    now.b->dev.free(now.b, w.a.data);
    now.b->dev.free(now.b, w.c.data);
}

static int32_t *numbers(int64_t n, int64_t times, int64_t divided)
{
    struct tm_tensor t = on_device(TM_I32, 1, n);
    int32_t *host = calloc((size_t)n, sizeof *host);
    for (int64_t i = 0; host != NULL && i < n; i++)
        host[i] = (int32_t)(i * times / divided);
    ok(now.b->dev.copy_in(now.s, t.data, host, (size_t)n * sizeof *host));
    ok(now.b->dev.stream_sync(now.s));
    free(host);
    return t.data;
}

/* BART-large's cross-attention: 16 heads of 64, 800 source tokens, `beams` rows a document. */
static void rate_cross(int32_t slots, int32_t beams)
{
    enum { HEADS = 16, DIM = 64, SOURCE = 800, PAGES = SOURCE / TM_KV_PAGE };
    const int32_t rows = slots * beams;
    int64_t cols = 2 * (int64_t)HEADS * TM_KV_PAGE * DIM;
    struct tm_kv_pool pool = {
        on_device(TM_BF16, (int64_t)slots * PAGES, cols), 1, slots * PAGES, HEADS, TM_KV_PAGE, DIM};
    int32_t *zeros = numbers(rows, 0, 1);
    struct tm_kv_cache cache = {
        &pool, numbers((int64_t)slots * PAGES, 1, 1), PAGES, 1, numbers(slots, 0, 1), NULL};
    int32_t lengths[4096];
    for (int32_t i = 0; i < slots; i++)
        lengths[i] = SOURCE;
    ok(now.b->dev.copy_in(now.s, (void *)(uintptr_t)cache.lengths, lengths,
                          (size_t)slots * sizeof *lengths));
    struct tm_step step = {rows,
                           slots,
                           numbers(rows, 1, beams),
                           zeros,
                           numbers(slots, 1, 1),
                           numbers(slots + 1, beams, 1)};
    struct work w = {
        .a = on_device(TM_BF16, rows, HEADS * DIM),
        .c = on_device(TM_BF16, rows, HEADS * DIM),
        .cached = {
            {.heads = HEADS, .kv_heads = HEADS, .head_dim = DIM, .scale = 1}, &cache, &step, 0}};
    double s = seconds(do_cached, &w);
    printf("{\"cross_attention\":\"%d documents, %d beams\",\"us\":%.1f,\"gb_s\":%.0f}\n", slots,
           beams, s * 1e6, 1e-9 * (double)slots * SOURCE * 2 * HEADS * DIM * 2 / s);
}

static int bench_device(void)
{
    static const enum tm_dtype dtypes[] = {TM_BF16, TM_F8E4M3, TM_F32};
    rate_copy();
    for (size_t i = 0; i < TM_COUNTOF(dtypes); i++) {
        rate_gemm(dtypes[i], 8192, 1024, 1024);
        rate_gemm(dtypes[i], 8192, 4096, 1024);
        rate_gemm(dtypes[i], 512, 1024, 1024);
        rate_gemm(dtypes[i], 64, 4096, 1024);
    }
    rate_cross(128, 1);
    rate_cross(128, 4);
    return failed == 0 ? 0 : 1;
}

/* ---- */

static int checks(int argc, char **argv)
{
    uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 10) : tm_clock_ns() % 1000000000;
    const char *only = argc > 2 ? argv[2] : NULL;
    struct tm_backend *b = NULL;
    struct tm_err err = {0};
    if (tm_backend_cpu(0, &b, &err) != TM_OK)
        return 70;
    ref = rig_new(b);
    if (tm_backend_cuda(0, &b, &err) != TM_OK) {
        printf("%s\n", err.text);
        return 77;
    }
    now = rig_new(b);
    if (argc > 1 && strcmp(argv[1], "--bench") == 0)
        return bench_device();
    printf("seed %llu\n", (unsigned long long)seed);
#define X(op)                                                                                      \
    if (only == NULL || strcmp(only, #op) == 0)                                                    \
        run(#op, check_##op, seed);
    TM_OPS(X)
    X(tensor_cores)
    X(halves)
    X(tiles)
#undef X
    printf("%d failures\n", failed);
    return failed == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    return device_memory_run(checks, argc, argv);
}
