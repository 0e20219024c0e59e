/* What the checkers of the operations share: the two backends, numbers, and guarded tensors.
 *
 * A checker is one function an operation. It runs `now`, the variant under test, beside `ref` and
 * reports with fail(); test_kernels.c decides which checkers run on which variant. */
#ifndef TM_CHECK_H
#define TM_CHECK_H

#include "tm_kernels.h"

struct rig {
    struct tm_backend *b;
    struct tm_stream *s;
};
extern struct rig now, ref;
extern int32_t check_block; /* keys that attn_varlen takes at a time: some cases go past it */
extern bool keeps_batches;  /* does `now` promise results that do not depend on the batch? */

/* One checker for each row of the table: a missing one does not link. */
#define X(op) void check_##op(void);
TM_OPS(X)
#undef X
void check_gemm_oracle(struct rig oracle); /* now against another gemm, on larger shapes */

/* Of all results so far: the same numbers in the same order give the same. */
extern uint64_t check_digest;
void digest(const void *bytes, size_t n);

uint64_t thread_ns(void); /* processor time of this thread: other processes do not count */
void bench(struct rig rig, const char *name);
void bench_decode(struct rig rig, const char *name);

void fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

float uniform(float reach);              /* in -reach … reach */
int64_t between(int64_t lo, int64_t hi); /* both included */
bool coin(void);

/* A tensor inside a block of guard bytes: before it, behind it, and between its rows, where every
 * float is a NaN. A kernel that reads them poisons its result; one that writes them is found. */
struct grid {
    struct tm_tensor t;
    unsigned char *block;
    size_t bytes;
};
struct grid grid_new(enum tm_dtype dtype, int64_t rows, int64_t cols); /* every byte a guard */
struct grid grid_random(enum tm_dtype dtype, int64_t rows, int64_t cols, float reach);
struct grid grid_copy(const struct grid *from); /* contents; its own stride and place */
void grid_free(struct grid *g);
#define GRID TM_CLEANUP(grid_free) struct grid
/* Guards untouched? fail() when not. */
void grid_intact(const struct grid *g, const char *what);
/* Rows from … from + rows - 1. */
struct tm_tensor rows_of(const struct grid *g, int64_t from, int64_t rows);

/* |got - want| <= abs + rel * |want| everywhere. */
void near_enough(const char *what, const struct tm_tensor *got, const struct tm_tensor *want,
                 double abs, double rel);
void same_bits(const char *what, const struct tm_tensor *got, const struct tm_tensor *want);
double value(const struct tm_tensor *t, int64_t r, int64_t c);
void put(const struct tm_tensor *t, int64_t r, int64_t c, float v);

float *floats(int64_t n, float reach); /* random; caller frees */
void freep(void *p);
#define AUTOFREE TM_CLEANUP(freep)

/* Widths around whole vectors of every instruction set. */
extern const int64_t widths[];
extern const size_t n_widths;

void ok(enum tm_status s); /* fails when it is not TM_OK */

#endif
