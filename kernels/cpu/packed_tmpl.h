/* gemm over prepared inputs and packed weights of 8 or 16 bits: tiles and the loops around them.
 *
 * Included once by a file that has defined, for its instruction set:
 *   sums, weights, inputs          vectors: VL sums, the weights of VL outputs for one group of
 *                                  inputs, a group of one row in every lane
 *   sums_load, sums_store, weights_load, inputs_set1, dot
 *   GROUP, WEIGHT_BYTES            inputs in a group; bytes of `weights`
 *   INTEGERS                       sums are 32-bit integers, with scales
 *   prepare                        rows of x into groups, 32 bits each; the rows' scales
 * A group is 32 bits of input: one float, two 16-bit numbers, or four bytes. A file that works on
 * other groups names a header with its own tile() in PACKED_OWN_TILE, and needs no vectors then.
 *
 * Rows are taken in blocks that stay in L2 and prepared once; K is cut into slices that stay in L1
 * beside them, and the sums of a block rest in scratch between slices. Every sum runs over the
 * groups in order: neither blocks nor row tails change a bit. */
#include "epilogue.h"

enum {
    ROW_BLOCK = 64,
    SLICE = 256,                            /* groups */
    WORDS = INTEGERS && GROUP == 8 ? 2 : 1, /* of 32 bits in a group */
};

typedef void tile_fn(const uint32_t *a, int64_t lda, const char *b, int64_t ldb, int64_t groups,
                     void *c, const void *start, struct simd_ahead ahead);

#ifdef PACKED_OWN_TILE
#include PACKED_OWN_TILE
#else
/* start: what the sums begin with, column by column; NULL: what c (rows, TILE_COLS) holds. */
SIMD_INLINE void tile(const int rows, const int vectors, const uint32_t *a, int64_t lda,
                      const char *b, int64_t ldb, int64_t groups, void *c, const void *start,
                      struct simd_ahead ahead)
{
    sums acc[TILE_ROWS][TILE_VECTORS];
    char *to = c;
    SIMD_EACH(r, rows)
    {
        SIMD_EACH(v, vectors)
        {
            acc[r][v] = sums_load(start != NULL ? (const char *)start + v * VL * 4
                                                : to + (r * TILE_COLS + v * VL) * 4);
        }
    }
    for (int64_t i = 0; i < groups; i++, b += ldb) {
        weights w[TILE_VECTORS];
        SIMD_EACH(l, (vectors * WEIGHT_BYTES + 63) / 64)
        {
            __builtin_prefetch(ahead.from + l * 64L, 0, 2);
        }
        ahead.from += ahead.step;
        SIMD_EACH(v, vectors)
        {
            w[v] = weights_load(b + v * WEIGHT_BYTES);
        }
        SIMD_EACH(r, rows)
        {
            inputs x = inputs_set1(a + r * lda + i);
            SIMD_EACH(v, vectors)
            {
                acc[r][v] = dot(acc[r][v], w[v], x);
            }
        }
    }
    SIMD_EACH(r, rows)
    {
        SIMD_EACH(v, vectors)
        {
            sums_store(to + (r * TILE_COLS + v * VL) * 4, acc[r][v]);
        }
    }
}
#endif

#define TILE(rows, vectors)                                                                        \
    static void tile_##rows##x##vectors(const uint32_t *a, int64_t lda, const char *b,             \
                                        int64_t ldb, int64_t groups, void *c, const void *start,   \
                                        struct simd_ahead ahead)                                   \
    {                                                                                              \
        tile(rows, vectors, a, lda, b, ldb, groups, c, start, ahead);                              \
    }
SIMD_TILE_ROWS(SIMD_TILE_EACH)
static tile_fn *const tiles[TILE_ROWS][TILE_VECTORS] = {SIMD_TILE_ROWS(SIMD_TILE_ENTRY)};

/* The sums of `rows` prepared rows and one panel into c (rows, TILE_COLS). The tiles fetch the
 * slice that comes next into L2, each its share or the first one all of it. */
static void panel_sums(const uint32_t *x, int64_t ldx, int64_t rows, const char *panel,
                       int64_t width, int64_t groups, const void *start, char *c)
{
    tile_fn *const *column = &tiles[0][width / VL - 1];
    int64_t ldb = width / VL * WEIGHT_BYTES, share = simd_sharing(rows);
    for (int64_t from = 0; from == 0 || from < groups; from += SLICE) {
        int64_t n = TM_MIN(SLICE, groups - from), m;
        const char *slice = panel + from * ldb;
        struct simd_ahead ahead = {slice + n * ldb, ldb / share};
        for (int64_t r = 0; r < rows; r += m, ahead.from += ahead.step * n) {
            ahead.step = share > 1 || r == 0 ? ahead.step : 0;
            m = simd_tile_rows(rows - r);
            column[(m - 1) * TILE_VECTORS](x + r * ldx + from * WORDS, ldx, slice, ldb, n,
                                           c + r * TILE_COLS * 4, from == 0 ? start : NULL, ahead);
        }
    }
}

static enum tm_status packed_gemm(struct tm_stream *stream, struct tm_tensor *out,
                                  const struct tm_tensor *x, const struct tm_weight *w,
                                  const struct tm_epilogue *e)
{
    static const struct tm_epilogue none;
    static const float zeros[TILE_COLS];
    if (e == NULL)
        e = &none;
    const struct tm_tensor *res = e->residual;
    if (out->dtype != TM_F32 || (x->dtype != TM_F32 && !(INTEGERS && x->dtype == TM_I8)) ||
        (res != NULL && res->dtype != TM_F32))
        return TM_UNSUPPORTED;
    tm_dassert(x->cols == w->k && out->cols == w->n && out->rows == x->rows);
    tm_dassert(w->panel == TILE_COLS && w->lanes == VL && w->group == GROUP);
    size_t mark = stream->used;
    int64_t groups = (w->k + GROUP - 1) / GROUP;
    int64_t ldx = kern_round_up(groups * WORDS, VL) + VL; /* whole vectors are written */
    char *c = kern_scratch(stream, (size_t)ROW_BLOCK * TILE_COLS * 4);
    float *row_scale = kern_scratch(stream, ROW_BLOCK * sizeof *row_scale);
    int64_t block = TM_MAX(TILE_ROWS, TM_MIN(ROW_BLOCK, (int64_t)(1 << 19) / ldx));
    uint32_t *rows = kern_scratch(stream, (size_t)(block * ldx) * sizeof *rows);
    for (int64_t r = 0; r < x->rows; r += block) {
        struct simd_sums s = {.c = (const float *)(const void *)c, .ldc = TILE_COLS};
        s.rows = TM_MIN(block, x->rows - r);
        s.row_scale = row_scale;
        s.ldo = out->stride;
        s.ldr = res != NULL ? res->stride : 0;
        prepare(rows, ldx, x, r, s.rows, row_scale);
        const char *panel = w->data;
        for (int64_t p = 0, n = 0; n < w->n; p++, n += TILE_COLS) {
            int64_t width = kern_panel_width(w, p);
            panel_sums(rows, ldx, s.rows, panel, width, groups,
                       w->start != NULL ? (const void *)(w->start + n) : zeros, c);
            panel += width / VL * WEIGHT_BYTES * groups;
            s.cols = TM_MIN(TILE_COLS, w->n - n);
            s.scale = w->scale != NULL ? w->scale + n : NULL;
            s.out = kern_row(out, r) + n;
            s.bias = e->bias != NULL ? e->bias + n : NULL;
            s.residual = res != NULL ? kern_row(res, r) + n : NULL;
            simd_epilogue(&s, e->act, INTEGERS);
        }
    }
    stream->used = mark;
    return TM_OK;
}
