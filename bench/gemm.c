/* The packed GEMM beside OpenBLAS and beside what the core can do at all.
 *
 * The peak is measured in the same run: independent fused multiply-adds on registers only. One
 * thread. Every figure is the best call of several rounds taken in turn, since machines are shared.
 *
 *   gemm [--rounds N] [M N K …] */
#include "tm_kernels.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const int default_shapes[][3] = {
    {64, 384, 384},    {64, 1536, 384},   {64, 384, 1536}, {64, 768, 768},   {64, 3072, 768},
    {64, 768, 3072},   {64, 1024, 1024},  {128, 384, 384}, {128, 1152, 384}, {512, 384, 384},
    {512, 1536, 384},  {512, 384, 1536},  {512, 768, 768}, {512, 3072, 768}, {512, 768, 3072},
    {512, 1024, 1024}, {512, 3072, 3072}, {8, 768, 768},   {4, 768, 768},    {1, 768, 768},
    {1, 3072, 768},
};

enum { ROUNDS_MAX = 1000 };

/* Processor time of this thread: what other processes take does not count. */
static uint64_t thread_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static double most[2]; /* peak of 256-bit and 512-bit vectors, GFLOP/s: the best seen so far */

struct subject {
    const char *name;
    struct tm_backend *backend;
    struct tm_stream *stream;
    bool wide; /* 512-bit */
};

#ifdef __x86_64__
/* 12 accumulators are enough for two units of latency 4 or 5. */
#define PEAK_BODY(reg)                                                                             \
    "1:\n\t"                                                                                       \
    "vfmadd231ps %%" reg "14, %%" reg "15, %%" reg "0\n\t"                                         \
    "vfmadd231ps %%" reg "14, %%" reg "15, %%" reg "1\n\t"                                         \
    "vfmadd231ps %%" reg "14, %%" reg "15, %%" reg "2\n\t"                                         \
    "vfmadd231ps %%" reg "14, %%" reg "15, %%" reg "3\n\t"                                         \
    "vfmadd231ps %%" reg "14, %%" reg "15, %%" reg "4\n\t"                                         \
    "vfmadd231ps %%" reg "14, %%" reg "15, %%" reg "5\n\t"                                         \
    "vfmadd231ps %%" reg "14, %%" reg "15, %%" reg "6\n\t"                                         \
    "vfmadd231ps %%" reg "14, %%" reg "15, %%" reg "7\n\t"                                         \
    "vfmadd231ps %%" reg "14, %%" reg "15, %%" reg "8\n\t"                                         \
    "vfmadd231ps %%" reg "14, %%" reg "15, %%" reg "9\n\t"                                         \
    "vfmadd231ps %%" reg "14, %%" reg "15, %%" reg "10\n\t"                                        \
    "vfmadd231ps %%" reg "14, %%" reg "15, %%" reg "11\n\t"                                        \
    "dec %0\n\tjnz 1b\n\tvzeroupper"
#define PEAK_CLOBBERS                                                                              \
    "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", \
        "xmm11", "xmm12", "xmm13", "xmm14", "xmm15"

static double peak(bool wide)
{
    const int64_t loops = 300000;
    int64_t n = loops;
    uint64_t begin = thread_ns();
    if (wide)
        __asm__ volatile(
            "vpxorq %%zmm14, %%zmm14, %%zmm14\n\tvpxorq %%zmm15, %%zmm15, %%zmm15\n\t" PEAK_BODY(
                "zmm")
            : "+r"(n)
            :
            : PEAK_CLOBBERS);
    else
        __asm__ volatile(
            "vxorps %%ymm14, %%ymm14, %%ymm14\n\tvxorps %%ymm15, %%ymm15, %%ymm15\n\t" PEAK_BODY(
                "ymm")
            : "+r"(n)
            :
            : PEAK_CLOBBERS);
    double ns = (double)(thread_ns() - begin);
    return (double)loops * 12 * (wide ? 16 : 8) * 2 / ns;
}
#else
static double peak(bool wide)
{
    (void)wide;
    return 0;
}
#endif

static float *numbers(size_t n)
{
    float *p = aligned_alloc(64, (n * sizeof *p + 63) / 64 * 64);
    if (p == NULL) {
        (void)fprintf(stderr, "gemm: out of memory\n");
        exit(70);
    }
    for (size_t i = 0; i < n; i++)
        p[i] = (float)((i * 2654435761u >> 8 & 1023)) / 1024 - 0.5f;
    return p;
}

/* GFLOP/s of the best call within 10 ms: single calls, so that one undisturbed is enough. */
static double once(struct subject *s, const struct tm_weight *w, struct tm_tensor *out,
                   const struct tm_tensor *x, const struct tm_epilogue *e)
{
    double flop = 2.0 * (double)x->rows * (double)out->cols * (double)x->cols;
    uint64_t begin = thread_ns(), now = begin, least = UINT64_MAX;
    while (now - begin < 10000000) {
        uint64_t from = now;
        if (s->backend->ops.gemm(s->stream, out, x, w, e) != TM_OK)
            exit(70);
        now = thread_ns();
        least = TM_MIN(least, now - from);
    }
    return flop / (double)TM_MAX(least, 1);
}

static void shape(struct subject *subjects, size_t n, const int mnk[3], int rounds)
{
    int64_t rows = mnk[0], cols = mnk[1], k = mnk[2];
    struct tm_tensor x = {numbers((size_t)(rows * k)), TM_F32, rows, k, k, NULL};
    struct tm_tensor w = {numbers((size_t)(cols * k)), TM_F32, cols, k, k, NULL};
    struct tm_tensor out = {numbers((size_t)(rows * cols)), TM_F32, rows, cols, cols, NULL};
    float *bias = numbers((size_t)cols);
    struct tm_epilogue e = {.bias = bias};
    struct tm_weight *packed[4];
    double best[4] = {0}, gelu[4] = {0};
    for (size_t i = 0; i < n; i++)
        if (subjects[i].backend->dev.pack(subjects[i].backend, &w, TM_F32, &packed[i], NULL) !=
            TM_OK)
            exit(70);
    for (int r = 0; r < rounds; r++) {
        for (size_t i = 0; i < n; i++) {
            most[subjects[i].wide] = TM_MAX(most[subjects[i].wide], peak(subjects[i].wide));
            e.act = TM_ACT_NONE;
            best[i] = TM_MAX(best[i], once(&subjects[i], packed[i], &out, &x, &e));
            e.act = TM_ACT_GELU_ERF;
            gelu[i] = TM_MAX(gelu[i], once(&subjects[i], packed[i], &out, &x, &e));
        }
    }
    printf("%5d %5d %5d", mnk[0], mnk[1], mnk[2]);
    for (size_t i = 0; i < n; i++) {
        printf("  %6.1f %3.0f%%  %6.1f", best[i], 100 * best[i] / most[subjects[i].wide], gelu[i]);
        subjects[i].backend->dev.weight_free(subjects[i].backend, packed[i]);
    }
    printf("\n");
    (void)fflush(stdout);
    free(x.data);
    free(w.data);
    free(out.data);
    free(bias);
}

static size_t add(struct subject *subjects, size_t n, const char *name, struct tm_backend *b,
                  bool wide)
{
    struct subject s = {.name = name, .backend = b, .wide = wide};
    if (b->dev.stream_create(b, 0, &s.stream, NULL) != TM_OK)
        exit(70);
    subjects[n] = s;
    return n + 1;
}

int main(int argc, char **argv)
{
    struct subject subjects[4];
    struct tm_backend *b = NULL;
    size_t n = 0;
    int rounds = 5;
    uint32_t isa = tm_cpu_isa();
    if (argc > 2 && strcmp(argv[1], "--rounds") == 0) {
        rounds = (int)strtol(argv[2], NULL, 10);
        rounds = TM_MAX(1, TM_MIN(rounds, ROUNDS_MAX));
        argc -= 2;
        argv += 2;
    }
    for (int i = 0; i < 5; i++) {
        most[0] = isa & TM_ISA_AVX2 ? TM_MAX(most[0], peak(false)) : 0;
        most[1] = isa & TM_ISA_AVX512 ? TM_MAX(most[1], peak(true)) : 0;
    }
    printf("peak of one core, float32 FMA on registers: 256-bit %.1f, 512-bit %.1f GFLOP/s\n",
           most[0], most[1]);
    if ((isa & TM_ISA_AVX2) && tm_backend_cpu(TM_ISA_AVX2, &b, NULL) == TM_OK)
        n = add(subjects, n, "avx2", b, false);
    if ((isa & TM_ISA_AVX512) && tm_backend_cpu(isa, &b, NULL) == TM_OK)
        n = add(subjects, n, "avx512", b, true);
    if (tm_backend_blas(&b, NULL) == TM_OK)
        n = add(subjects, n, "OpenBLAS", b, most[1] > 0);
    printf("    M     N     K");
    for (size_t i = 0; i < n; i++)
        printf("  %6s peak  +gelu", subjects[i].name);
    printf("   (GFLOP/s with bias; share of peak; with bias and GELU)\n");
    if (argc >= 4) {
        for (int i = 1; i + 2 < argc; i += 3) {
            int mnk[3];
            for (int j = 0; j < 3; j++)
                mnk[j] = TM_MAX(1, (int)strtol(argv[i + j], NULL, 10));
            shape(subjects, n, mnk, rounds);
        }
    } else {
        for (size_t i = 0; i < TM_COUNTOF(default_shapes); i++)
            shape(subjects, n, default_shapes[i], rounds);
    }
    for (size_t i = 0; i < n; i++) {
        subjects[i].backend->dev.stream_destroy(subjects[i].stream);
        tm_backend_destroy(subjects[i].backend);
    }
    return 0;
}
