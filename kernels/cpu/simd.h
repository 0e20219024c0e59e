/* One vector type for the files that are compiled once per instruction set.
 *
 * TM_SIMD is the suffix (avx2 or avx512) and comes with the compiler's flags; SIMD(name) puts it on
 * a symbol. Only files of these libraries include this header: nothing else may use intrinsics. */
#ifndef TM_SIMD_H
#define TM_SIMD_H

#include "../kern.h"

#include <immintrin.h>

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

#ifdef __AVX512F__

enum { VL = 16 };
typedef __m512 vf;

SIMD_INLINE __mmask16 v_mask(int64_t n)
{
    return (__mmask16)((1u << n) - 1);
}
SIMD_INLINE vf v_zero(void)
{
    return _mm512_setzero_ps();
}
SIMD_INLINE vf v_set1(float x)
{
    return _mm512_set1_ps(x);
}
SIMD_INLINE vf v_load(const float *p)
{
    return _mm512_loadu_ps(p);
}
/* The first n of VL lanes, zeros behind; memory past them is not touched. */
SIMD_INLINE vf v_loadn(const float *p, int64_t n)
{
    return _mm512_maskz_loadu_ps(v_mask(n), p);
}
SIMD_INLINE void v_store(float *p, vf a)
{
    _mm512_storeu_ps(p, a);
}
SIMD_INLINE void v_storen(float *p, int64_t n, vf a)
{
    _mm512_mask_storeu_ps(p, v_mask(n), a);
}
SIMD_INLINE vf v_add(vf a, vf b)
{
    return _mm512_add_ps(a, b);
}
SIMD_INLINE vf v_sub(vf a, vf b)
{
    return _mm512_sub_ps(a, b);
}
SIMD_INLINE vf v_mul(vf a, vf b)
{
    return _mm512_mul_ps(a, b);
}
SIMD_INLINE vf v_div(vf a, vf b)
{
    return _mm512_div_ps(a, b);
}
SIMD_INLINE vf v_max(vf a, vf b)
{
    return _mm512_max_ps(a, b);
}
SIMD_INLINE vf v_min(vf a, vf b)
{
    return _mm512_min_ps(a, b);
}
SIMD_INLINE vf v_abs(vf a)
{
    return _mm512_abs_ps(a);
}
SIMD_INLINE vf v_sqrt(vf a)
{
    return _mm512_sqrt_ps(a);
}
/* a * b + c, rounded once */
SIMD_INLINE vf v_fma(vf a, vf b, vf c)
{
    return _mm512_fmadd_ps(a, b, c);
}
/* c - a * b, rounded once */
SIMD_INLINE vf v_fnma(vf a, vf b, vf c)
{
    return _mm512_fnmadd_ps(a, b, c);
}
/* The first n lanes of a, those of b behind. */
SIMD_INLINE vf v_head(vf a, int64_t n, vf b)
{
    return _mm512_mask_blend_ps(v_mask(n), b, a);
}
/* a where x > limit, else zero */
SIMD_INLINE vf v_above(vf a, vf x, vf limit)
{
    return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(x, limit, _CMP_GT_OQ), a);
}
/* Bit i: lane i of x is greater than that of limit. */
SIMD_INLINE uint32_t v_above_mask(vf x, vf limit)
{
    return _mm512_cmp_ps_mask(x, limit, _CMP_GT_OQ);
}
/* magnitude with the sign of s */
SIMD_INLINE vf v_sign(vf magnitude, vf s)
{
    return _mm512_or_ps(magnitude, _mm512_and_ps(s, _mm512_set1_ps(-0.0f)));
}
SIMD_INLINE vf v_round(vf a)
{
    return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
/* a * 2^n for whole n in -126 … 127 */
SIMD_INLINE vf v_scale2(vf a, vf n)
{
    return _mm512_scalef_ps(a, n);
}
/* The bits of the lanes taken as 32-bit integers. */
SIMD_INLINE vf v_from_int(vf bits)
{
    return _mm512_cvtepi32_ps(_mm512_castps_si512(bits));
}
SIMD_INLINE __m256 v_upper(vf a)
{
    return _mm512_extractf32x8_ps(a, 1);
}
SIMD_INLINE __m256 v_lower(vf a)
{
    return _mm512_castps512_ps256(a);
}

#else

enum { VL = 8 };
typedef __m256 vf;

static const int32_t v_lanes[16] __attribute__((aligned(64))) = {-1, -1, -1, -1, -1, -1, -1, -1};

SIMD_INLINE __m256i v_mask(int64_t n)
{
    return _mm256_loadu_si256((const __m256i *)(v_lanes + 8 - n));
}
SIMD_INLINE vf v_zero(void)
{
    return _mm256_setzero_ps();
}
SIMD_INLINE vf v_set1(float x)
{
    return _mm256_set1_ps(x);
}
SIMD_INLINE vf v_load(const float *p)
{
    return _mm256_loadu_ps(p);
}
SIMD_INLINE vf v_loadn(const float *p, int64_t n)
{
    return _mm256_maskload_ps(p, v_mask(n));
}
SIMD_INLINE void v_store(float *p, vf a)
{
    _mm256_storeu_ps(p, a);
}
SIMD_INLINE void v_storen(float *p, int64_t n, vf a)
{
    _mm256_maskstore_ps(p, v_mask(n), a);
}
SIMD_INLINE vf v_add(vf a, vf b)
{
    return _mm256_add_ps(a, b);
}
SIMD_INLINE vf v_sub(vf a, vf b)
{
    return _mm256_sub_ps(a, b);
}
SIMD_INLINE vf v_mul(vf a, vf b)
{
    return _mm256_mul_ps(a, b);
}
SIMD_INLINE vf v_div(vf a, vf b)
{
    return _mm256_div_ps(a, b);
}
SIMD_INLINE vf v_max(vf a, vf b)
{
    return _mm256_max_ps(a, b);
}
SIMD_INLINE vf v_min(vf a, vf b)
{
    return _mm256_min_ps(a, b);
}
SIMD_INLINE vf v_abs(vf a)
{
    return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a);
}
SIMD_INLINE vf v_sqrt(vf a)
{
    return _mm256_sqrt_ps(a);
}
SIMD_INLINE vf v_fma(vf a, vf b, vf c)
{
    return _mm256_fmadd_ps(a, b, c);
}
SIMD_INLINE vf v_fnma(vf a, vf b, vf c)
{
    return _mm256_fnmadd_ps(a, b, c);
}
SIMD_INLINE vf v_head(vf a, int64_t n, vf b)
{
    return _mm256_blendv_ps(b, a, _mm256_castsi256_ps(v_mask(n)));
}
SIMD_INLINE vf v_above(vf a, vf x, vf limit)
{
    return _mm256_and_ps(_mm256_cmp_ps(x, limit, _CMP_GT_OQ), a);
}
SIMD_INLINE uint32_t v_above_mask(vf x, vf limit)
{
    return (uint32_t)_mm256_movemask_ps(_mm256_cmp_ps(x, limit, _CMP_GT_OQ));
}
SIMD_INLINE vf v_sign(vf magnitude, vf s)
{
    return _mm256_or_ps(magnitude, _mm256_and_ps(s, _mm256_set1_ps(-0.0f)));
}
SIMD_INLINE vf v_round(vf a)
{
    return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
SIMD_INLINE vf v_scale2(vf a, vf n)
{
    __m256i e = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
    return _mm256_mul_ps(a, _mm256_castsi256_ps(_mm256_slli_epi32(e, 23)));
}
SIMD_INLINE vf v_from_int(vf bits)
{
    return _mm256_cvtepi32_ps(_mm256_castps_si256(bits));
}
SIMD_INLINE __m256 v_upper(vf a)
{
    return a;
}
SIMD_INLINE __m256 v_lower(vf a)
{
    return a;
}

#endif

SIMD_INLINE int64_t simd_round_up(int64_t n, int64_t to)
{
    return (n + to - 1) / to * to;
}

/* VL numbers of BF16 or F16. */
SIMD_INLINE vf v_load16(enum tm_dtype t, const uint16_t *p)
{
#ifdef __AVX512F__
    __m256i h = _mm256_loadu_si256((const __m256i *)p);
    if (t == TM_F16)
        return _mm512_cvtph_ps(h);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(h), 16));
#else
    __m128i h = _mm_loadu_si128((const __m128i *)p);
    if (t == TM_F16)
        return _mm256_cvtph_ps(h);
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(h), 16));
#endif
}

/* VL numbers to BF16 or F16, to nearest even. */
SIMD_INLINE void v_store16(enum tm_dtype t, uint16_t *p, vf v)
{
#ifdef __AVX512F__
    __m256i h;
    if (t == TM_F16) {
        h = _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    } else { /* to nearest even: add 0x7fff and the last bit kept; a NaN stays a quiet one */
        __m512i u = _mm512_castps_si512(v), high = _mm512_srli_epi32(u, 16);
        __m512i odd = _mm512_and_si512(high, _mm512_set1_epi32(1));
        __m512i up = _mm512_add_epi32(u, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
        __m512i nan = _mm512_or_si512(high, _mm512_set1_epi32(0x40));
        __mmask16 is_nan = _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q);
        h = _mm512_cvtepi32_epi16(_mm512_mask_mov_epi32(_mm512_srli_epi32(up, 16), is_nan, nan));
    }
    _mm256_storeu_si256((__m256i *)p, h);
#else
    __m128i h;
    if (t == TM_F16) {
        h = _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    } else {
        __m256i u = _mm256_castps_si256(v), high = _mm256_srli_epi32(u, 16);
        __m256i odd = _mm256_and_si256(high, _mm256_set1_epi32(1));
        __m256i up = _mm256_add_epi32(u, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
        __m256i nan = _mm256_or_si256(high, _mm256_set1_epi32(0x40));
        __m256i is_nan = _mm256_castps_si256(_mm256_cmp_ps(v, v, _CMP_UNORD_Q));
        __m256i w = _mm256_blendv_epi8(_mm256_srli_epi32(up, 16), nan, is_nan);
        h = _mm_packus_epi32(_mm256_castsi256_si128(w), _mm256_extracti128_si256(w, 1));
    }
    _mm_storeu_si128((__m128i *)p, h);
#endif
}

/* Even and odd columns of 2 * VL numbers of BF16, and numbers in order from those. */
SIMD_INLINE void v_split16(const uint16_t *p, vf *even, vf *odd)
{
#ifdef __AVX512F__
    __m512i pairs = _mm512_loadu_si512(p);
    *even = _mm512_castsi512_ps(_mm512_slli_epi32(pairs, 16));
    *odd = _mm512_castsi512_ps(_mm512_and_si512(pairs, _mm512_set1_epi32((int)0xffff0000)));
#else
    __m256i pairs = _mm256_loadu_si256((const __m256i *)(const void *)p);
    *even = _mm256_castsi256_ps(_mm256_slli_epi32(pairs, 16));
    *odd = _mm256_castsi256_ps(_mm256_and_si256(pairs, _mm256_set1_epi32((int)0xffff0000)));
#endif
}
SIMD_INLINE void v_interleave(vf even, vf odd, vf *first, vf *second)
{
#ifdef __AVX512F__
    const __m512i lower = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    *first = _mm512_permutex2var_ps(even, lower, odd);
    *second = _mm512_permutex2var_ps(even, _mm512_add_epi32(lower, _mm512_set1_epi32(8)), odd);
#else
    vf low = _mm256_unpacklo_ps(even, odd), high = _mm256_unpackhi_ps(even, odd);
    *first = _mm256_permute2f128_ps(low, high, 0x20);
    *second = _mm256_permute2f128_ps(low, high, 0x31);
#endif
}

/* All lanes in one fixed order. */
SIMD_INLINE float v_sum(vf a)
{
    __m256 half = VL == 16 ? _mm256_add_ps(v_lower(a), v_upper(a)) : v_lower(a);
    __m128 x = _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
    x = _mm_add_ps(x, _mm_movehl_ps(x, x));
    return _mm_cvtss_f32(_mm_add_ss(x, _mm_movehdup_ps(x)));
}
SIMD_INLINE float v_top(vf a)
{
    __m256 half = _mm256_max_ps(v_lower(a), v_upper(a));
    __m128 x = _mm_max_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
    x = _mm_max_ps(x, _mm_movehl_ps(x, x));
    return _mm_cvtss_f32(_mm_max_ss(x, _mm_movehdup_ps(x)));
}

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
enum {
    TILE_ROWS = VL == 16 ? 8 : 6,
    TILE_VECTORS = VL == 16 ? 3 : 2,
    TILE_COLS = TILE_VECTORS * VL,
};
/* How high the next tile is when so many rows are left: even heights, since a low tile is slower by
 * the row. */
SIMD_INLINE int64_t simd_tile_rows(int64_t left)
{
    int64_t tiles = (left + TILE_ROWS - 1) / TILE_ROWS;
    return (left + tiles - 1) / tiles;
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
#ifdef __AVX512F__
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
