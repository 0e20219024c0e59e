/* gemm over packed panels: out = act(x * W^T + bias) + residual.
 *
 * Rows are taken in blocks that stay in L2, panel by panel; K is cut into slices, and the sums of
 * a block rest in scratch between them. Every output is one chain of fused multiply-adds over k in
 * order: neither blocks nor row tails change a bit. README.md has the measured steps. */
#include "epilogue.h"
#include "simd.h"

enum { ROW_BLOCK = 64, K_BLOCK = 384 };

void SIMD(epilogue)(const float *c, int64_t ldc, float *out, int64_t ldo, int64_t rows,
                    int64_t cols, const float *bias, enum tm_act act, const float *residual,
                    int64_t ldr)
{
    const struct simd_sums s = {c, ldc, rows, cols, NULL, NULL, out, ldo, bias, residual, ldr};
    simd_epilogue(&s, act, false);
}

/* The sums of `rows` rows of x and one panel into c (rows, TILE_COLS). The tiles share the work of
 * fetching the slice that comes next, which lies behind this one, into L2. */
static void panel_sums(const float *x, int64_t ldx, int64_t rows, const float *panel, int64_t width,
                       int64_t k, float *c)
{
    simd_tile_fn *const *column = &SIMD(tiles)[0][width / VL - 1];
    int64_t share = (rows + TILE_ROWS - 1) / TILE_ROWS;
    for (int64_t from = 0; from == 0 || from < k; from += K_BLOCK) {
        int64_t n = TM_MIN(K_BLOCK, k - from), m;
        const float *slice = panel + from * width;
        struct simd_ahead ahead = {(const char *)(slice + n * width),
                                   width * (int64_t)sizeof *slice / share};
        for (int64_t r = 0; r < rows; r += m, ahead.from += ahead.step * n) {
            m = simd_tile_rows(rows - r);
            column[(m - 1) * TILE_VECTORS](x + r * ldx + from, ldx, slice, width, n,
                                           c + r * TILE_COLS, TILE_COLS, from != 0, ahead);
        }
    }
}

enum tm_status SIMD(gemm)(struct tm_stream *stream, struct tm_tensor *out,
                          const struct tm_tensor *x, const struct tm_weight *w,
                          const struct tm_epilogue *e)
{
    static const struct tm_epilogue none;
    if (e == NULL)
        e = &none;
    const struct tm_tensor *res = e->residual;
    if (x->dtype != TM_F32 || out->dtype != TM_F32 || w->dtype != TM_F32 ||
        (res != NULL && res->dtype != TM_F32))
        return TM_UNSUPPORTED;
    tm_dassert(x->cols == w->k && out->cols == w->n && out->rows == x->rows);
    tm_dassert(w->panel == TILE_COLS && w->lanes == VL);
    size_t mark = stream->used;
    float *c = kern_scratch(stream, (size_t)ROW_BLOCK * TILE_COLS * sizeof *c);
    for (int64_t r = 0; r < x->rows; r += ROW_BLOCK) {
        int64_t rows = TM_MIN(ROW_BLOCK, x->rows - r);
        for (int64_t p = 0, n = 0; n < w->n; p++, n += TILE_COLS) {
            panel_sums(kern_row(x, r), x->stride, rows, (const float *)w->data + n * w->k,
                       kern_panel_width(w, p), w->k, c);
            SIMD(epilogue)
            (c, TILE_COLS, kern_row(out, r) + n, out->stride, rows, TM_MIN(TILE_COLS, w->n - n),
             e->bias != NULL ? e->bias + n : NULL, e->act,
             res != NULL ? kern_row(res, r) + n : NULL, res != NULL ? res->stride : 0);
        }
    }
    stream->used = mark;
    return TM_OK;
}
