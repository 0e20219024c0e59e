/* One vector type for the files that are compiled once per instruction set: vf, VL floats, and what
 * can be done with it (the v_ functions) come from the header of the set.
 *
 * TM_SIMD is the suffix (avx2, avx512, neon, …) and comes with the compiler's flags; SIMD(name)
 * puts it on a symbol. Only files of these libraries include this header: nothing else may use
 * intrinsics. */
#ifndef TM_SIMD_H
#define TM_SIMD_H

#include "../kern.h"

#define SIMD_PASTE2(a, b) a##_##b
#define SIMD_PASTE(a, b)  SIMD_PASTE2(a, b)
#define SIMD(name)        SIMD_PASTE(name, TM_SIMD)
#define SIMD_TEXT2(x)     #x
#define SIMD_TEXT(x)      SIMD_TEXT2(x)

#define SIMD_INLINE static inline __attribute__((always_inline))

/* A loop over an array of registers: unrolled as a whole and early, or it goes to memory. */
#ifdef __clang__
#define SIMD_EACH(i, n) _Pragma("clang loop unroll(full)") for (int i = 0; i < (n); i++)
#else
#define SIMD_EACH(i, n) _Pragma("GCC unroll 16") for (int i = 0; i < (n); i++)
#endif

#if defined(__AVX512F__)
#include "simd_avx512.h"
#elif defined(__AVX2__)
#include "simd_avx2.h"
#else
#include "simd_neon.h"
#endif

/* --- files of one instruction set --- */
tm_embed_fn SIMD(embed);
tm_gemm_fn SIMD(gemm);
tm_add_norm_fn SIMD(add_norm);
tm_glu_fn SIMD(glu);
tm_qk_prep_fn SIMD(qk_prep);
tm_attn_varlen_fn SIMD(attn_varlen);
tm_attn_cached_fn SIMD(attn_cached);
tm_logits_topk_fn SIMD(logits_topk);
tm_sample_step_fn SIMD(sample_step);
tm_pool_classify_fn SIMD(pool_classify);
tm_quantize_rows_fn SIMD(quantize_rows);
tm_convert_fn SIMD(convert);
kern_epilogue_fn SIMD(epilogue);
void SIMD(kern_gemm_int8)(struct kern_cpu *cpu); /* sets gemm[TM_I8] */
void SIMD(kern_gemm_bf16)(struct kern_cpu *cpu); /* gemm[TM_BF16] */
/* logits_topk for the rows of slots that sample, or for those of the others. */
enum tm_status SIMD(best_logits)(struct tm_stream *stream, const struct tm_tensor *x,
                                 const struct tm_topk_args *args, bool sampled);
/* out = norm(row), n floats; out may be row. */
void SIMD(norm_row)(float *out, const float *row, int64_t n, const struct tm_norm *norm);

/* What a tile asks of memory while it computes: as many lines as it reads at every k, each time
 * `step` bytes further on. */
struct simd_ahead {
    const char *from;
    int64_t step;
};

/* c (rows, V * VL) = or += a (rows, k) * b (k, V * VL). Row r of a begins at a + r * lda; each sum
 * runs over k in order, whatever rows is, so that a row never depends on how many there are. */
typedef void simd_tile_fn(const float *a, int64_t lda, const float *b, int64_t ldb, int64_t k,
                          float *c, int64_t ldc, bool add, struct simd_ahead ahead);
enum { TILE_COLS = TILE_VECTORS * VL };
/* How high the next tile is when so many rows are left: even heights, since a low tile is slower by
 * the row. */
SIMD_INLINE int64_t simd_tile_rows(int64_t left)
{
    int64_t tiles = (left + TILE_ROWS - 1) / TILE_ROWS;
    return (left + tiles - 1) / tiles;
}
/* How many tiles share the fetching of packed weights for so many rows. With AVX-512 all do; lower
 * tiles read less a step than a line, and are faster when the first one does it (both measured). */
SIMD_INLINE int64_t simd_sharing(int64_t rows)
{
    return VL == 16 ? (rows + TILE_ROWS - 1) / TILE_ROWS : 1;
}
extern simd_tile_fn *const SIMD(tiles)[TILE_ROWS][TILE_VECTORS]; /* [rows - 1][vectors - 1] */

/* The same over bfloat16, 2 * VL columns of b. A vector of pairs is split into its even and its odd
 * columns, which takes one instruction each. [0][rows - 1]: c = a b. [1][rows - 1]: c += a b, where
 * in c all even columns stand before the odd ones (v_interleave puts them in order). */
typedef void simd_tile16_fn(const float *a, int64_t lda, const uint16_t *b, int64_t ldb, int64_t k,
                            float *c, int64_t ldc, struct simd_ahead ahead);
extern simd_tile16_fn *const SIMD(tiles16)[2][TILE_ROWS];

/* One instance a size, so that the compiler can unroll it, and the table of them. The file defines
 * TILE(rows, vectors): the function tile_<rows>x<vectors>. */
/* clang-format off */
#if !defined(__AVX2__) || defined(__AVX512F__)
#define SIMD_TILE_ROWS(X)  X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8)
#define SIMD_TILE_EACH(r)  TILE(r, 1) TILE(r, 2) TILE(r, 3)
#define SIMD_TILE_ENTRY(r) {tile_##r##x1, tile_##r##x2, tile_##r##x3},
#else
#define SIMD_TILE_ROWS(X)  X(1) X(2) X(3) X(4) X(5) X(6)
#define SIMD_TILE_EACH(r)  TILE(r, 1) TILE(r, 2)
#define SIMD_TILE_ENTRY(r) {tile_##r##x1, tile_##r##x2},
#endif
/* clang-format on */

#endif
