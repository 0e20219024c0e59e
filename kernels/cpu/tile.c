/* The micro-kernels under gemm and attention: TILE_ROWS x TILE_VECTORS accumulators that live in
 * registers (24 of 32 with AVX-512, 12 of 16 with AVX2), and the same for every smaller number of
 * rows and vectors. One instance a size, so that the compiler can unroll it.
 *
 * Tried and not faster: k unrolled by two and four, ldb as a constant, loads spread between the
 * multiply-adds. Check the assembly after a change: an accumulator that spills costs a factor. */
#include "simd.h"

SIMD_INLINE void tile(const int rows, const int vectors, const float *a, int64_t lda,
                      const float *b, int64_t ldb, int64_t k, float *c, int64_t ldc, bool add,
                      struct simd_ahead ahead)
{
    vf acc[TILE_ROWS][TILE_VECTORS];
    SIMD_EACH(r, rows)
    {
        SIMD_EACH(v, vectors)
        {
            acc[r][v] = add ? v_load(c + r * ldc + v * VL) : v_zero();
        }
    }
    for (int64_t i = 0; i < k; i++, b += ldb) {
        vf w[TILE_VECTORS];
        SIMD_EACH(l, (vectors * VL * 4 + 63) / 64)
        {
            __builtin_prefetch(ahead.from + l * 64L, 0, 2);
        }
        ahead.from += ahead.step;
        SIMD_EACH(v, vectors)
        {
            w[v] = v_load(b + v * VL);
        }
        SIMD_EACH(r, rows)
        {
            vf x = v_set1(a[r * lda + i]);
            SIMD_EACH(v, vectors)
            {
                acc[r][v] = v_fma(x, w[v], acc[r][v]);
            }
        }
    }
    SIMD_EACH(r, rows)
    {
        SIMD_EACH(v, vectors)
        {
            v_store(c + r * ldc + v * VL, acc[r][v]);
        }
    }
}

#define TILE(rows, vectors)                                                                        \
    static void tile_##rows##x##vectors(const float *a, int64_t lda, const float *b, int64_t ldb,  \
                                        int64_t k, float *c, int64_t ldc, bool add,                \
                                        struct simd_ahead ahead)                                   \
    {                                                                                              \
        tile(rows, vectors, a, lda, b, ldb, k, c, ldc, add, ahead);                                \
    }

SIMD_TILE_ROWS(SIMD_TILE_EACH)

simd_tile_fn *const SIMD(tiles)[TILE_ROWS][TILE_VECTORS] = {SIMD_TILE_ROWS(SIMD_TILE_ENTRY)};

SIMD_INLINE void tile16(const int rows, const bool add, const float *a, int64_t lda,
                        const uint16_t *b, int64_t ldb, int64_t k, float *c, int64_t ldc,
                        struct simd_ahead ahead)
{
    vf even[TILE_ROWS], odd[TILE_ROWS];
    SIMD_EACH(r, rows)
    {
        even[r] = add ? v_load(c + r * ldc) : v_zero();
        odd[r] = add ? v_load(c + r * ldc + VL) : v_zero();
    }
    for (int64_t i = 0; i < k; i++, b += ldb) {
        vf w0, w1;
        __builtin_prefetch(ahead.from, 0, 2);
        ahead.from += ahead.step;
        v_split16(b, &w0, &w1);
        SIMD_EACH(r, rows)
        {
            vf x = v_set1(a[r * lda + i]);
            even[r] = v_fma(x, w0, even[r]);
            odd[r] = v_fma(x, w1, odd[r]);
        }
    }
    SIMD_EACH(r, rows)
    {
        if (!add)
            v_interleave(even[r], odd[r], &even[r], &odd[r]);
        v_store(c + r * ldc, even[r]);
        v_store(c + r * ldc + VL, odd[r]);
    }
}

#define TILE16(rows, name, add)                                                                    \
    static void tile16_##name##_##rows(const float *a, int64_t lda, const uint16_t *b,             \
                                       int64_t ldb, int64_t k, float *c, int64_t ldc,              \
                                       struct simd_ahead ahead)                                    \
    {                                                                                              \
        tile16(rows, add, a, lda, b, ldb, k, c, ldc, ahead);                                       \
    }
#define EACH16(r)    TILE16(r, set, false) TILE16(r, add, true)
#define ENTRY_SET(r) tile16_set_##r,
#define ENTRY_ADD(r) tile16_add_##r,
SIMD_TILE_ROWS(EACH16)

simd_tile16_fn *const SIMD(tiles16)[2][TILE_ROWS] = {{SIMD_TILE_ROWS(ENTRY_SET)},
                                                     {SIMD_TILE_ROWS(ENTRY_ADD)}};
