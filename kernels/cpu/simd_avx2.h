/* The vectors of AVX2. What is not explained here is in simd_avx512.h. See simd.h. */
#ifndef TM_SIMD_AVX2_H
#define TM_SIMD_AVX2_H

#include <immintrin.h>

enum { VL = 8, TILE_ROWS = 6, TILE_VECTORS = 2 }; /* 12 of 16 registers hold sums */
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
    return n == VL ? _mm256_loadu_ps(p) : _mm256_maskload_ps(p, v_mask(n));
}
SIMD_INLINE void v_store(float *p, vf a)
{
    _mm256_storeu_ps(p, a);
}
/* Masked stores are slow on some cores (a dozen steps on Zen 4): only for what is left. */
SIMD_INLINE void v_storen(float *p, int64_t n, vf a)
{
    if (n == VL)
        _mm256_storeu_ps(p, a);
    else
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

/* VL numbers of BF16 or F16. */
SIMD_INLINE vf v_load16(enum tm_dtype t, const uint16_t *p)
{
    __m128i h = _mm_loadu_si128((const __m128i *)p);
    if (t == TM_F16)
        return _mm256_cvtph_ps(h);
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(h), 16));
}

/* VL numbers to BF16 or F16, to nearest even. */
SIMD_INLINE void v_store16(enum tm_dtype t, uint16_t *p, vf v)
{
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
}

/* Even and odd columns of 2 * VL numbers of BF16, and numbers in order from those. */
SIMD_INLINE void v_split16(const uint16_t *p, vf *even, vf *odd)
{
    __m256i pairs = _mm256_loadu_si256((const __m256i *)(const void *)p);
    *even = _mm256_castsi256_ps(_mm256_slli_epi32(pairs, 16));
    *odd = _mm256_castsi256_ps(_mm256_and_si256(pairs, _mm256_set1_epi32((int)0xffff0000)));
}
SIMD_INLINE void v_interleave(vf even, vf odd, vf *first, vf *second)
{
    vf low = _mm256_unpacklo_ps(even, odd), high = _mm256_unpackhi_ps(even, odd);
    *first = _mm256_permute2f128_ps(low, high, 0x20);
    *second = _mm256_permute2f128_ps(low, high, 0x31);
}

/* All lanes in one fixed order. */
SIMD_INLINE float v_sum(vf a)
{
    __m128 x = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    x = _mm_add_ps(x, _mm_movehl_ps(x, x));
    return _mm_cvtss_f32(_mm_add_ss(x, _mm_movehdup_ps(x)));
}
SIMD_INLINE float v_top(vf a)
{
    __m128 x = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    x = _mm_max_ps(x, _mm_movehl_ps(x, x));
    return _mm_cvtss_f32(_mm_max_ss(x, _mm_movehdup_ps(x)));
}

/* The first eight bytes count. */
typedef __m128i v8;
SIMD_INLINE v8 v_to8(vf v)
{
    __m256i w = _mm256_cvtps_epi32(v);
    __m128i h = _mm_packs_epi32(_mm256_castsi256_si128(w), _mm256_extracti128_si256(w, 1));
    return _mm_packs_epi16(h, h);
}
SIMD_INLINE v8 v8_load(const int8_t *p)
{
    return _mm_loadl_epi64((const __m128i *)(const void *)p);
}
SIMD_INLINE void v8_store(int8_t *p, v8 b)
{
    _mm_storel_epi64((__m128i *)(void *)p, b);
}
SIMD_INLINE void v8_store_plus128(void *p, v8 b)
{
    _mm_storel_epi64(p, _mm_xor_si128(b, _mm_set1_epi8((char)0x80)));
}
SIMD_INLINE void v8_store_wide(void *p, v8 b)
{
    _mm_storeu_si128(p, _mm_cvtepi8_epi16(b));
}

#endif
