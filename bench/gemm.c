/* The packed GEMM beside OpenBLAS and beside what the core can do at all.
 *
 * Peaks are measured in the same run: independent multiply-adds on registers only. One thread, and
 * its processor time. Every figure is the best call of several rounds taken in turn, since machines
 * are shared.
 *
 *   gemm [--rounds N] [--dtype float32|bfloat16|int8] [M N K …] */
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

/* What one core can do on registers alone, in 10^9 operations a second (a multiply-add is two). */
enum peak { FMA_256, FMA_512, PAIRS_256, PAIRS_512, BYTES_256, BYTES_512, BF16_512, PEAK_COUNT };

struct subject {
    const char *name;
    enum tm_dtype dtype; /* of the weights */
    uint32_t needs, mask;
    enum peak peak;
    struct tm_backend *backend; /* NULL: not on this machine */
    struct tm_stream *stream;
};

static struct subject subjects[] = {
    {"avx2", TM_F32, TM_ISA_AVX2, TM_ISA_AVX2, FMA_256, NULL, NULL},
    {"avx512", TM_F32, TM_ISA_AVX512, TM_ISA_AVX2 | TM_ISA_AVX512, FMA_512, NULL, NULL},
    {"OpenBLAS", TM_F32, 0, 0, FMA_512, NULL, NULL},
    {"avx2", TM_BF16, TM_ISA_AVX2, TM_ISA_AVX2, FMA_256, NULL, NULL},
    {"avx512", TM_BF16, TM_ISA_AVX512, TM_ISA_AVX2 | TM_ISA_AVX512, FMA_512, NULL, NULL},
    {"avx512bf16", TM_BF16, TM_ISA_AVX512BF16, UINT32_MAX, BF16_512, NULL, NULL},
    {"avx2", TM_I8, TM_ISA_AVX2, TM_ISA_AVX2, PAIRS_256, NULL, NULL},
    {"avxvnni", TM_I8, TM_ISA_AVXVNNI, TM_ISA_AVX2 | TM_ISA_AVXVNNI, BYTES_256, NULL, NULL},
    {"avx512", TM_I8, TM_ISA_AVX512, TM_ISA_AVX2 | TM_ISA_AVX512, PAIRS_512, NULL, NULL},
    {"avx512vnni", TM_I8, TM_ISA_AVX512VNNI, UINT32_MAX, BYTES_512, NULL, NULL},
};
static double most[PEAK_COUNT]; /* the best seen so far */

#ifdef __x86_64__
/* 12 accumulators are enough for two units of latency 4 or 5. ONE(r) is what is done to each. */
/* clang-format off */
#define PEAK(vec, ONE)                                                                             \
    __asm__ volatile("vpxor %%xmm14, %%xmm14, %%xmm14\n\tvpxor %%xmm15, %%xmm15, %%xmm15\n\t"      \
                     "1:\n\t"                                                                      \
                     ONE(vec, "0", "12") ONE(vec, "1", "13") ONE(vec, "2", "12")                   \
                     ONE(vec, "3", "13") ONE(vec, "4", "12") ONE(vec, "5", "13")                   \
                     ONE(vec, "6", "12") ONE(vec, "7", "13") ONE(vec, "8", "12")                   \
                     ONE(vec, "9", "13") ONE(vec, "10", "12") ONE(vec, "11", "13")                 \
                     "dec %0\n\tjnz 1b\n\tvzeroupper"                                              \
                     : "+r"(n)                                                                     \
                     :                                                                             \
                     : "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7",       \
                       "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15")
#define FMA(v, r, t) "vfmadd231ps %%" v "14, %%" v "15, %%" v r "\n\t"
#define PAIRS(v, r, t)                                                                             \
    "vpmaddwd %%" v "14, %%" v "15, %%" v t "\n\tvpaddd %%" v t ", %%" v r ", %%" v r "\n\t"
#define BYTES(v, r, t)     "vpdpbusd %%" v "14, %%" v "15, %%" v r "\n\t"
#define BYTES_VEX(v, r, t) "%{vex%} " BYTES(v, r, t)
#define BF16(v, r, t)      "vdpbf16ps %%" v "14, %%" v "15, %%" v r "\n\t"
/* clang-format on */

static double peak(enum peak kind)
{
    static const double operations[] = {
        [FMA_256] = 16,   [FMA_512] = 32,    [PAIRS_256] = 32, [PAIRS_512] = 64,
        [BYTES_256] = 64, [BYTES_512] = 128, [BF16_512] = 64};
    const int64_t loops = 300000;
    int64_t n = loops;
    uint64_t begin = thread_ns();
    switch (kind) {
    case FMA_256:
        PEAK("ymm", FMA);
        break;
    case FMA_512:
        PEAK("zmm", FMA);
        break;
    case PAIRS_256:
        PEAK("ymm", PAIRS);
        break;
    case PAIRS_512:
        PEAK("zmm", PAIRS);
        break;
    case BYTES_256:
        PEAK("ymm", BYTES_VEX);
        break;
    case BYTES_512:
        PEAK("zmm", BYTES);
        break;
    default:
        PEAK("zmm", BF16);
    }
    return (double)loops * 12 * operations[kind] / (double)(thread_ns() - begin);
}
#else
static double peak(enum peak kind)
{
    (void)kind;
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

/* The best of several within 10 ms. Short calls are taken together: the clock is not that fine. */
static double once(struct subject *s, const struct tm_weight *w, struct tm_tensor *out,
                   const struct tm_tensor *x, const struct tm_epilogue *e)
{
    double operations = 2.0 * (double)x->rows * (double)out->cols * (double)x->cols;
    int calls = 1 + (int)(1e8 / operations);
    uint64_t begin = thread_ns(), now = begin, least = UINT64_MAX;
    while (now - begin < 10000000) {
        uint64_t from = now;
        for (int i = 0; i < calls; i++)
            if (s->backend->ops.gemm(s->stream, out, x, w, e) != TM_OK)
                exit(70);
        now = thread_ns();
        least = TM_MIN(least, now - from);
    }
    return operations * calls / (double)TM_MAX(least, 1);
}

static void shape(enum tm_dtype dtype, const int mnk[3], int rounds)
{
    int64_t rows = mnk[0], cols = mnk[1], k = mnk[2];
    struct tm_tensor x = {numbers((size_t)(rows * k)), TM_F32, rows, k, k, NULL};
    struct tm_tensor w = {numbers((size_t)(cols * k)), TM_F32, cols, k, k, NULL};
    struct tm_tensor out = {numbers((size_t)(rows * cols)), TM_F32, rows, cols, cols, NULL};
    float *bias = numbers((size_t)cols);
    struct tm_epilogue e = {.bias = bias};
    enum { COUNT = TM_COUNTOF(subjects) };
    struct tm_weight *packed[COUNT] = {0};
    double best[COUNT] = {0}, gelu[COUNT] = {0};
    printf("%5d %5d %5d", mnk[0], mnk[1], mnk[2]);
    for (int r = 0; r < rounds; r++) {
        for (size_t i = 0; i < COUNT; i++) {
            struct subject *s = &subjects[i];
            if (s->backend == NULL || s->dtype != dtype)
                continue;
            if (packed[i] == NULL &&
                s->backend->dev.pack(s->backend, &w, dtype, &packed[i], NULL) != TM_OK)
                exit(70);
            most[s->peak] = TM_MAX(most[s->peak], peak(s->peak));
            e.act = TM_ACT_NONE;
            best[i] = TM_MAX(best[i], once(s, packed[i], &out, &x, &e));
            e.act = TM_ACT_GELU_ERF;
            gelu[i] = TM_MAX(gelu[i], once(s, packed[i], &out, &x, &e));
        }
    }
    for (size_t i = 0; i < COUNT; i++) {
        if (packed[i] == NULL)
            continue;
        printf("  %7.1f %3.0f%%  %7.1f", best[i], 100 * best[i] / most[subjects[i].peak], gelu[i]);
        subjects[i].backend->dev.weight_free(subjects[i].backend, packed[i]);
    }
    printf("\n");
    (void)fflush(stdout);
    free(x.data);
    free(w.data);
    free(out.data);
    free(bias);
}

static void open_subjects(void)
{
    uint32_t isa = tm_cpu_isa();
    for (size_t i = 0; i < TM_COUNTOF(subjects); i++) {
        struct subject *s = &subjects[i];
        if ((isa & s->needs) != s->needs)
            continue;
        if ((s->mask == 0 ? tm_backend_blas(&s->backend, NULL)
                          : tm_backend_cpu(s->mask, &s->backend, NULL)) != TM_OK)
            continue;
        if (s->mask == 0 && !(isa & TM_ISA_AVX512))
            s->peak = FMA_256;
        if (s->backend->dev.stream_create(s->backend, 0, &s->stream, NULL) != TM_OK)
            exit(70);
        for (int r = 0; r < 5; r++)
            most[s->peak] = TM_MAX(most[s->peak], peak(s->peak));
    }
}

static void table(enum tm_dtype dtype, int rounds, int argc, char **argv)
{
    printf("%s weights\n    M     N     K", tm_dtype_name(dtype));
    for (size_t i = 0; i < TM_COUNTOF(subjects); i++)
        if (subjects[i].backend != NULL && subjects[i].dtype == dtype)
            printf("  %10s of %4.0f +gelu", subjects[i].name, most[subjects[i].peak]);
    printf("\n");
    for (int i = 0; i + 2 < argc; i += 3) {
        int mnk[3];
        for (int j = 0; j < 3; j++)
            mnk[j] = TM_MAX(1, (int)strtol(argv[i + j], NULL, 10));
        shape(dtype, mnk, rounds);
    }
    for (size_t i = 0; argc < 3 && i < TM_COUNTOF(default_shapes); i++)
        shape(dtype, default_shapes[i], rounds);
}

int main(int argc, char **argv)
{
    static const enum tm_dtype dtypes[] = {TM_F32, TM_BF16, TM_I8};
    const char *only = NULL;
    int rounds = 5;
    argc--;
    argv++;
    for (; argc > 1 && strncmp(argv[0], "--", 2) == 0; argc -= 2, argv += 2) {
        if (strcmp(argv[0], "--rounds") == 0)
            rounds = TM_MAX(1, TM_MIN((int)strtol(argv[1], NULL, 10), ROUNDS_MAX));
        else
            only = argv[1];
    }
    open_subjects();
    printf("10^9 operations/s with bias; share of the core's peak on registers in this run; with "
           "bias and GELU\n");
    for (size_t i = 0; i < TM_COUNTOF(dtypes); i++)
        if (only == NULL || strcmp(only, tm_dtype_name(dtypes[i])) == 0)
            table(dtypes[i], rounds, argc, argv);
    for (size_t i = 0; i < TM_COUNTOF(subjects); i++) {
        if (subjects[i].backend != NULL)
            subjects[i].backend->dev.stream_destroy(subjects[i].stream);
        tm_backend_destroy(subjects[i].backend);
    }
    return 0;
}
