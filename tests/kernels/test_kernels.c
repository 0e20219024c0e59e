/* Walks the instruction sets, one at a time: each slot of the table that changes holds a new
 * variant, whose checker runs it against the reference. The reference goes first, against itself,
 * for what does not depend on numbers: guards, and independence of the batch.
 *
 *   test_kernels [seed] [operation]
 *   test_kernels --bench */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct rig now, ref;
bool keeps_batches = true;
extern uint64_t check_random;

static const char *op_name, *op_variant, *only;
static int failed, failed_here, checked;

void fail(const char *fmt, ...)
{
    va_list ap;
    failed++;
    if (++failed_here > 5)
        return; /* the rest says the same */
    va_start(ap, fmt);
    printf("FAIL %s_%s: ", op_name, op_variant);
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

static void rig_free(struct rig *r)
{
    if (r->b != NULL)
        r->b->dev.stream_destroy(r->s);
    tm_backend_destroy(r->b);
    *r = (struct rig){0};
}

static void run(const char *op, const char *variant, uint64_t seed, void (*check)(void))
{
    if (only != NULL && strcmp(only, op) != 0)
        return;
    op_name = op;
    op_variant = variant;
    failed_here = 0;
    check_random = seed; /* each checker alone reproduces what it did in the row */
    check();
    checked++;
    printf("%s %s_%s\n", failed_here == 0 ? "ok  " : "FAIL", op, variant);
}

static void absent(void)
{
}

/* A slot no family needs yet is NULL, in every variant; its checker comes with it. */
#define X(op)                                                                                      \
    static bool changed_##op(const struct tm_ops *seen, const struct tm_ops *ops)                  \
    {                                                                                              \
        return ops->op != NULL && (seen == NULL || ops->op != seen->op ||                          \
                                   strcmp(ops->op##_variant, seen->op##_variant) != 0);            \
    }
TM_OPS(X)
#undef X

static struct tm_ops walk(uint32_t mask, const struct tm_ops *seen, uint64_t seed)
{
    struct tm_err err = {0};
    struct tm_backend *b = NULL;
    if (tm_backend_cpu(mask, &b, &err) != TM_OK) {
        printf("backend: %s\n", err.text);
        exit(70);
    }
    now = rig_new(b);
#define X(op)                                                                                      \
    if (changed_##op(seen, &b->ops))                                                               \
        run(#op, b->ops.op##_variant, seed, check_##op);                                           \
    else if (b->ops.op == NULL && seen == NULL)                                                    \
        run(#op, "absent", seed, absent);
    TM_OPS(X)
#undef X
    return b->ops;
}

static struct rig oracle;

static void against_oracle(void)
{
    check_gemm_oracle(oracle);
}

static int bench_all(void)
{
    for (uint32_t bit = 1, mask = 0; bit != 0; bit <<= 1) {
        struct tm_backend *b = NULL;
        if ((bit & tm_cpu_isa()) == 0)
            continue;
        mask |= bit;
        if (tm_backend_cpu(mask, &b, NULL) != TM_OK)
            return 70;
        now = rig_new(b);
        bench(now, tm_isa_name(mask));
        bench_decode(now, tm_isa_name(mask));
        rig_free(&now);
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--bench") == 0)
        return bench_all();
    uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 10) : tm_clock_ns() % 1000000000;
    uint32_t detected = tm_cpu_isa(), mask = 0;
    struct tm_backend *b = NULL;
    only = argc > 2 ? argv[2] : NULL;
    printf("seed %llu, this machine has %s\n", (unsigned long long)seed, tm_isa_name(detected));
    if (tm_backend_cpu(0, &b, NULL) != TM_OK)
        return 70;
    ref = rig_new(b);
    if (tm_backend_blas(&b, NULL) == TM_OK)
        oracle = rig_new(b);
    struct tm_ops seen = walk(0, NULL, seed);
    for (uint32_t bit = 1; bit != 0; bit <<= 1) {
        if ((bit & detected) == 0)
            continue;
        struct rig before = now; /* its names are still compared */
        mask |= bit;
        seen = walk(mask, &seen, seed);
        rig_free(&before);
        if (oracle.b != NULL)
            run("gemm", "against OpenBLAS", seed, against_oracle);
    }
    rig_free(&now);
    if (oracle.b != NULL) { /* the blas variant itself; it promises nothing about batches */
        now = oracle;
        keeps_batches = false;
        run("gemm", oracle.b->ops.gemm_variant, seed, check_gemm);
    } else {
        printf("skip OpenBLAS is not there\n");
    }
    rig_free(&oracle);
    rig_free(&ref);
    printf("%d checked, %d failures\n", checked, failed);
    return failed == 0 ? 0 : 1;
}
