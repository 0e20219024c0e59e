/* The vectors of NEON on aarch64. What is not explained here is in simd_avx512.h. */
#ifndef TM_SIMD_NEON_H
#define TM_SIMD_NEON_H

#include <arm_neon.h>
#include <string.h>

enum { VL = 4, TILE_ROWS = 8, TILE_VECTORS = 3 }; /* 24 of 32 registers hold sums */
typedef float32x4_t vf;

SIMD_INLINE vf v_zero(void)
{
    return vdupq_n_f32(0);
}
SIMD_INLINE vf v_set1(float x)
{
    return vdupq_n_f32(x);
}
SIMD_INLINE vf v_load(const float *p)
{
    return vld1q_f32(p);
}
SIMD_INLINE vf v_loadn(const float *p, int64_t n)
{
    float part[VL] = {0};
    if (n == VL)
        return vld1q_f32(p);
    memcpy(part, p, (size_t)n * sizeof *part);
    return vld1q_f32(part);
}
SIMD_INLINE void v_store(float *p, vf a)
{
    vst1q_f32(p, a);
}
SIMD_INLINE void v_storen(float *p, int64_t n, vf a)
{
    float part[VL];
    if (n == VL) {
        vst1q_f32(p, a);
        return;
    }
    vst1q_f32(part, a);
    memcpy(p, part, (size_t)n * sizeof *part);
}
SIMD_INLINE vf v_add(vf a, vf b)
{
    return vaddq_f32(a, b);
}
SIMD_INLINE vf v_sub(vf a, vf b)
{
    return vsubq_f32(a, b);
}
SIMD_INLINE vf v_mul(vf a, vf b)
{
    return vmulq_f32(a, b);
}
SIMD_INLINE vf v_div(vf a, vf b)
{
    return vdivq_f32(a, b);
}
/* b where either is a NaN, as on x86 */
SIMD_INLINE vf v_max(vf a, vf b)
{
    return vbslq_f32(vcgtq_f32(a, b), a, b);
}
SIMD_INLINE vf v_min(vf a, vf b)
{
    return vbslq_f32(vcltq_f32(a, b), a, b);
}
SIMD_INLINE vf v_abs(vf a)
{
    return vabsq_f32(a);
}
SIMD_INLINE vf v_sqrt(vf a)
{
    return vsqrtq_f32(a);
}
SIMD_INLINE vf v_fma(vf a, vf b, vf c)
{
    return vfmaq_f32(c, a, b);
}
SIMD_INLINE vf v_fnma(vf a, vf b, vf c)
{
    return vfmsq_f32(c, a, b);
}
SIMD_INLINE vf v_head(vf a, int64_t n, vf b)
{
    static const uint32_t lanes[2 * VL] = {UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX};
    return vbslq_f32(vld1q_u32(lanes + VL - n), a, b);
}
SIMD_INLINE vf v_above(vf a, vf x, vf limit)
{
    return vbslq_f32(vcgtq_f32(x, limit), a, v_zero());
}
SIMD_INLINE uint32_t v_above_mask(vf x, vf limit)
{
    static const uint32_t bits[VL] = {1, 2, 4, 8};
    return vaddvq_u32(vandq_u32(vcgtq_f32(x, limit), vld1q_u32(bits)));
}
SIMD_INLINE vf v_sign(vf magnitude, vf s)
{
    return vbslq_f32(vdupq_n_u32(0x80000000), s, magnitude);
}
SIMD_INLINE vf v_round(vf a)
{
    return vrndnq_f32(a);
}
SIMD_INLINE vf v_scale2(vf a, vf n)
{
    int32x4_t e = vaddq_s32(vcvtq_s32_f32(n), vdupq_n_s32(127));
    return vmulq_f32(a, vreinterpretq_f32_s32(vshlq_n_s32(e, 23)));
}
SIMD_INLINE vf v_from_int(vf bits)
{
    return vcvtq_f32_s32(vreinterpretq_s32_f32(bits));
}
SIMD_INLINE float v_sum(vf a)
{
    float32x2_t x = vadd_f32(vget_low_f32(a), vget_high_f32(a));
    return vget_lane_f32(x, 0) + vget_lane_f32(x, 1);
}
SIMD_INLINE float v_top(vf a)
{
    return vmaxvq_f32(a);
}

SIMD_INLINE vf v_load16(enum tm_dtype t, const uint16_t *p)
{
    uint16x4_t h = vld1_u16(p);
    if (t == TM_F16)
        return vcvt_f32_f16(vreinterpret_f16_u16(h));
    return vreinterpretq_f32_u32(vshll_n_u16(h, 16));
}
SIMD_INLINE void v_store16(enum tm_dtype t, uint16_t *p, vf v)
{
    if (t == TM_F16) {
        vst1_u16(p, vreinterpret_u16_f16(vcvt_f16_f32(v)));
        return;
    }
    uint32x4_t u = vreinterpretq_u32_f32(v), high = vshrq_n_u32(u, 16);
    uint32x4_t odd = vandq_u32(high, vdupq_n_u32(1));
    uint32x4_t up = vshrq_n_u32(vaddq_u32(u, vaddq_u32(odd, vdupq_n_u32(0x7fff))), 16);
    uint32x4_t nan = vorrq_u32(high, vdupq_n_u32(0x40));
    vst1_u16(p, vmovn_u32(vbslq_u32(vceqq_f32(v, v), up, nan)));
}
SIMD_INLINE void v_split16(const uint16_t *p, vf *even, vf *odd)
{
    uint32x4_t pairs = vreinterpretq_u32_u16(vld1q_u16(p));
    *even = vreinterpretq_f32_u32(vshlq_n_u32(pairs, 16));
    *odd = vreinterpretq_f32_u32(vandq_u32(pairs, vdupq_n_u32(0xffff0000)));
}
SIMD_INLINE void v_interleave(vf even, vf odd, vf *first, vf *second)
{
    *first = vzip1q_f32(even, odd);
    *second = vzip2q_f32(even, odd);
}

/* The first four bytes count. */
typedef int8x8_t v8;
SIMD_INLINE v8 v_to8(vf v)
{
    int16x4_t h = vqmovn_s32(vcvtnq_s32_f32(v));
    return vqmovn_s16(vcombine_s16(h, h));
}
SIMD_INLINE v8 v8_load(const int8_t *p)
{
    int32_t word;
    memcpy(&word, p, sizeof word);
    return vreinterpret_s8_s32(vdup_n_s32(word));
}
SIMD_INLINE void v8_store(int8_t *p, v8 b)
{
    int32_t word = vget_lane_s32(vreinterpret_s32_s8(b), 0);
    memcpy(p, &word, sizeof word);
}
SIMD_INLINE void v8_store_wide(void *p, v8 b)
{
    vst1_s16(p, vget_low_s16(vmovl_s8(b)));
}

#endif
