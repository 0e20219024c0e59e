/* Numbers, guarded tensors and comparisons for the checkers. */
#include "check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GUARD = 256, GUARD_BYTE = 0xff }; /* 0xffffffff is a NaN, 0xffff one of both 16-bit kinds */

extern uint64_t check_random; /* the seed to begin with */
uint64_t check_random;
uint64_t check_digest;
int32_t check_block = 768;

const int64_t widths[] = {1, 2, 7, 8, 9, 15, 16, 17, 31, 33, 47, 48, 49, 64, 65, 100, 384, 385};
const size_t n_widths = TM_COUNTOF(widths);

static uint64_t next(void)
{
    uint64_t z = check_random += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

float uniform(float reach)
{
    return ((float)(next() >> 40) * 0x1p-23f - 1) * reach;
}

int64_t between(int64_t lo, int64_t hi)
{
    return lo + (int64_t)(next() % (uint64_t)(hi - lo + 1));
}

bool coin(void)
{
    return (next() & 1) != 0;
}

void freep(void *p)
{
    free(*(void **)p);
}

static void *must(void *p)
{
    if (p == NULL) {
        (void)fprintf(stderr, "out of memory\n");
        exit(70);
    }
    return p;
}

float *floats(int64_t n, float reach)
{
    float *p = must(malloc((size_t)n * sizeof *p + 1));
    for (int64_t i = 0; i < n; i++)
        p[i] = uniform(reach);
    return p;
}

struct grid grid_new(enum tm_dtype dtype, int64_t rows, int64_t cols)
{
    size_t size = tm_dtype_size(dtype);
    int64_t stride = cols + between(0, 3) * between(0, 7);
    /* Off by a few elements, so that no kernel gets aligned rows by luck. */
    size_t offset = GUARD + (size_t)between(0, 5) * size;
    struct grid g = {.bytes = offset + (size_t)(rows * stride) * size + GUARD};
    g.block = must(malloc(g.bytes));
    memset(g.block, GUARD_BYTE, g.bytes);
    g.t = (struct tm_tensor){g.block + offset, dtype, rows, cols, stride, NULL};
    return g;
}

struct grid grid_random(enum tm_dtype dtype, int64_t rows, int64_t cols, float reach)
{
    struct grid g = grid_new(dtype, rows, cols);
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < cols; c++)
            put(&g.t, r, c, uniform(reach));
    return g;
}

static unsigned char *row(const struct tm_tensor *t, int64_t r)
{
    return (unsigned char *)t->data + (size_t)(r * t->stride) * tm_dtype_size(t->dtype);
}

struct grid grid_copy(const struct grid *from)
{
    struct grid g = grid_new(from->t.dtype, from->t.rows, from->t.cols);
    for (int64_t r = 0; r < g.t.rows; r++)
        memcpy(row(&g.t, r), row(&from->t, r), (size_t)g.t.cols * tm_dtype_size(g.t.dtype));
    return g;
}

void grid_free(struct grid *g)
{
    free(g->block);
}

void grid_intact(const struct grid *g, const char *what)
{
    const unsigned char *from = g->block;
    for (int64_t r = 0; r <= g->t.rows; r++) {
        const unsigned char *to = r < g->t.rows ? row(&g->t, r) : g->block + g->bytes;
        for (; from < to; from++) {
            if (*from != GUARD_BYTE) {
                fail("%s: byte %td before row %lld is written", what, to - from, (long long)r);
                return;
            }
        }
        from = to + (size_t)g->t.cols * tm_dtype_size(g->t.dtype);
    }
}

struct tm_tensor rows_of(const struct grid *g, int64_t from, int64_t rows)
{
    struct tm_tensor t = g->t;
    t.data = row(&g->t, from);
    t.rows = rows;
    return t;
}

/* Conversions of its own: the room's must not judge themselves. */
static double half_value(uint16_t h)
{
    int e = h >> 10 & 31, m = h & 1023;
    double v = e == 31 ? (m != 0 ? NAN : INFINITY) : e == 0 ? m * 0x1p-24 : ldexp(1024 + m, e - 25);
    return h & 0x8000 ? -v : v;
}

double value(const struct tm_tensor *t, int64_t r, int64_t c)
{
    const unsigned char *p = row(t, r) + (size_t)c * tm_dtype_size(t->dtype);
    uint16_t h;
    uint32_t u;
    float f;
    switch (t->dtype) {
    case TM_F32:
        memcpy(&f, p, sizeof f);
        return f;
    case TM_BF16:
        memcpy(&h, p, sizeof h);
        u = (uint32_t)h << 16;
        memcpy(&f, &u, sizeof f);
        return f;
    case TM_F16:
        memcpy(&h, p, sizeof h);
        return half_value(h);
    default:
        return (int8_t)*p;
    }
}

void digest(const void *bytes, size_t n)
{
    check_digest = tm_hash(bytes, n, check_digest);
}

static void digest_tensor(const struct tm_tensor *t)
{
    for (int64_t r = 0; r < t->rows; r++)
        digest(row(t, r), (size_t)t->cols * tm_dtype_size(t->dtype));
}

/* Truncates to 16 bits: any number is as good as another. */
void put(const struct tm_tensor *t, int64_t r, int64_t c, float v)
{
    unsigned char *p = row(t, r) + (size_t)c * tm_dtype_size(t->dtype);
    uint32_t u;
    uint16_t h = 0;
    memcpy(&u, &v, sizeof u);
    if (t->dtype == TM_F32) {
        memcpy(p, &v, sizeof v);
        return;
    }
    int e = (int)(u >> 23 & 255) - 112;
    if (t->dtype == TM_BF16)
        h = (uint16_t)(u >> 16);
    else if (e > 0)
        h = (uint16_t)((u >> 16 & 0x8000) | (uint32_t)TM_MIN(e, 30) << 10 | (u >> 13 & 1023));
    memcpy(p, &h, sizeof h);
}

void near_enough(const char *what, const struct tm_tensor *got, const struct tm_tensor *want,
                 double abs, double rel)
{
    digest_tensor(got);
    for (int64_t r = 0; r < want->rows; r++) {
        for (int64_t c = 0; c < want->cols; c++) {
            double g = value(got, r, c), w = value(want, r, c);
            if (g == w || fabs(g - w) <= abs + rel * fabs(w))
                continue;
            fail("%s: (%lld, %lld) of %lld x %lld is %.9g, not %.9g", what, (long long)r,
                 (long long)c, (long long)want->rows, (long long)want->cols, g, w);
            return;
        }
    }
}

void same_bits(const char *what, const struct tm_tensor *got, const struct tm_tensor *want)
{
    digest_tensor(got);
    for (int64_t r = 0; r < want->rows; r++) {
        if (memcmp(row(got, r), row(want, r), (size_t)want->cols * tm_dtype_size(want->dtype)) !=
            0) {
            fail("%s: row %lld of %lld x %lld differs in its bits", what, (long long)r,
                 (long long)want->rows, (long long)want->cols);
            return;
        }
    }
}

void ok(enum tm_status s)
{
    if (s != TM_OK)
        fail("status %s", tm_status_code(s));
}
