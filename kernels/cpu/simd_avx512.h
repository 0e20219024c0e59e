/* The vectors of AVX-512. See simd.h. */
#ifndef TM_SIMD_AVX512_H
#define TM_SIMD_AVX512_H

#include <immintrin.h>

enum { VL = 16, TILE_ROWS = 8, TILE_VECTORS = 3 }; /* 24 of 32 registers hold sums */
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

/* VL numbers of BF16 or F16. */
SIMD_INLINE vf v_load16(enum tm_dtype t, const uint16_t *p)
{
    __m256i h = _mm256_loadu_si256((const __m256i *)p);
    if (t == TM_F16)
        return _mm512_cvtph_ps(h);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(h), 16));
}

/* VL numbers to BF16 or F16, to nearest even. */
SIMD_INLINE void v_store16(enum tm_dtype t, uint16_t *p, vf v)
{
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
}

/* Even and odd columns of 2 * VL numbers of BF16, and numbers in order from those. */
SIMD_INLINE void v_split16(const uint16_t *p, vf *even, vf *odd)
{
    __m512i pairs = _mm512_loadu_si512(p);
    *even = _mm512_castsi512_ps(_mm512_slli_epi32(pairs, 16));
    *odd = _mm512_castsi512_ps(_mm512_and_si512(pairs, _mm512_set1_epi32((int)0xffff0000)));
}
SIMD_INLINE void v_interleave(vf even, vf odd, vf *first, vf *second)
{
    const __m512i lower = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    *first = _mm512_permutex2var_ps(even, lower, odd);
    *second = _mm512_permutex2var_ps(even, _mm512_add_epi32(lower, _mm512_set1_epi32(8)), odd);
}

/* All lanes in one fixed order. */
SIMD_INLINE float v_sum(vf a)
{
    __m256 half = _mm256_add_ps(v_lower(a), v_upper(a));
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

/* VL 8-bit integers: from floats (to nearest even, saturating), from and to memory, there with 128
 * added or widened to 16 bits. */
typedef __m128i v8;
SIMD_INLINE v8 v_to8(vf v)
{
    return _mm512_cvtsepi32_epi8(_mm512_cvtps_epi32(v));
}
SIMD_INLINE v8 v8_load(const int8_t *p)
{
    return _mm_loadu_si128((const __m128i *)(const void *)p);
}
SIMD_INLINE void v8_store(int8_t *p, v8 b)
{
    _mm_storeu_si128((__m128i *)(void *)p, b);
}
SIMD_INLINE void v8_store_plus128(void *p, v8 b)
{
    _mm_storeu_si128(p, _mm_xor_si128(b, _mm_set1_epi8((char)0x80)));
}
SIMD_INLINE void v8_store_wide(void *p, v8 b)
{
    _mm256_storeu_si256(p, _mm256_cvtepi8_epi16(b));
}

#endif
