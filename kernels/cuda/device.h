/* What every .cu file begins with: the compiler's CUDA or the host shim of tests/cuda, numbers of
 * any dtype, sums over a warp and a block, activations, the norm of a row.
 *
 * Everything is float32 inside. No multiplication is fused with an addition unless fmaf says so
 * (nvcc runs with -fmad=false): the shim then computes what the device computes, up to expf and its
 * kin, and integers come out as on the CPU. */
#ifndef TM_DEVICE_H
#define TM_DEVICE_H

#ifdef __CUDACC__
#include <cuda_runtime.h>
#include <math.h>
#include <stdint.h>
#define LAUNCH(stream, grid, block, shared, kernel, ...)                                           \
    kernel<<<grid, block, shared, stream>>>(__VA_ARGS__)
#define SHARED_MEMORY(name)                                                                        \
    extern __shared__ __align__(16) unsigned char tm_shared_memory[];                              \
    unsigned char *const name = tm_shared_memory
#else
#include "shim.h"
#endif

#include "cuda.h"

#include <float.h>

enum { WARP = 32, WIDE = 8 /* elements that a thread takes at once */ };

/* ---- numbers: the same rounding as kernels/dtype.c ---- */

static __device__ inline float from_bf16(uint16_t h)
{
    return __uint_as_float((uint32_t)h << 16);
}

static __device__ inline uint16_t to_bf16(float f)
{
    uint32_t u = __float_as_uint(f);
    if ((u & 0x7fffffffu) > 0x7f800000u)
        return (uint16_t)(u >> 16 | 0x40);
    return (uint16_t)((u + 0x7fff + (u >> 16 & 1)) >> 16);
}

static __device__ inline float from_f16(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, e = h >> 10 & 31, m = h & 0x3ff;
    if (e == 31)
        return __uint_as_float(sign | 0x7f800000u | m << 13 | (m != 0 ? 0x400000u : 0));
    if (e == 0)
        return __uint_as_float(__float_as_uint((float)m * 0x1p-24f) | sign);
    return __uint_as_float(sign | (e + 112) << 23 | m << 13);
}

static __device__ inline uint16_t to_f16(float f)
{
    uint32_t u = __float_as_uint(f), sign = u >> 16 & 0x8000, a = u & 0x7fffffffu;
    if (a > 0x7f800000u)
        return (uint16_t)(sign | 0x7e00 | (a >> 13 & 0x1ff));
    if (a >= 0x477ff000u) /* 65520 and above round to infinity */
        return (uint16_t)(sign | 0x7c00);
    if (a < 0x38800000u) /* below 2^-14: a multiple of 2^-24 */
        return (uint16_t)(sign | (uint32_t)rintf(__uint_as_float(a) * 0x1p24f));
    a += 0xfff + (a >> 13 & 1);
    return (uint16_t)(sign | (a - 0x38000000u) >> 13);
}

static __device__ inline float from_f8(uint8_t b)
{
    uint32_t sign = (uint32_t)(b & 0x80) << 24, e = b >> 3 & 15, m = b & 7;
    if (e == 15 && m == 7)
        return __uint_as_float(sign | 0x7fc00000u);
    if (e == 0)
        return __uint_as_float(__float_as_uint((float)m * 0x1p-9f) | sign);
    return __uint_as_float(sign | (e + 120) << 23 | m << 20);
}

static __device__ inline uint8_t to_f8(float f)
{
    uint32_t u = __float_as_uint(f), sign = u >> 24 & 0x80, a = u & 0x7fffffffu;
    if (a > 0x7f800000u)
        return 0x7f;
    if (a >= 0x43e00000u) /* 448 */
        return (uint8_t)(sign | 0x7e);
    if (a < 0x3c800000u) /* below 2^-6: a multiple of 2^-9 */
        return (uint8_t)(sign | (uint32_t)rintf(__uint_as_float(a) * 0x1p9f));
    a += 0x7ffff + (a >> 20 & 1);
    return (uint8_t)(sign | (a - 0x3c000000u) >> 20);
}

/* As kern_get: scaled where the tensor has scales. */
static __device__ inline float get(const struct tm_tensor &t, int64_t r, int64_t c)
{
    const int64_t i = r * t.stride + c;
    switch (t.dtype) {
    case TM_F32:
        return ((const float *)t.data)[i];
    case TM_BF16:
        return from_bf16(((const uint16_t *)t.data)[i]);
    case TM_F16:
        return from_f16(((const uint16_t *)t.data)[i]);
    case TM_I8:
        return (float)((const int8_t *)t.data)[i] * (t.scale != NULL ? t.scale[r] : 1);
    default:
        return from_f8(((const uint8_t *)t.data)[i]) * (t.scale != NULL ? t.scale[r] : 1);
    }
}

static __device__ inline void put(const struct tm_tensor &t, int64_t r, int64_t c, float v)
{
    const int64_t i = r * t.stride + c;
    if (t.dtype == TM_F32)
        ((float *)t.data)[i] = v;
    else
        ((uint16_t *)t.data)[i] = t.dtype == TM_BF16 ? to_bf16(v) : to_f16(v);
}

static __device__ inline bool aligned(const void *p)
{
    return ((uintptr_t)p & 15) == 0;
}

/* Columns c … c + WIDE - 1 of a float tensor, those past the last as zeros: 16 bytes at a time
 * where they lie so. */
static __device__ inline void get_wide(const struct tm_tensor &t, int64_t r, int64_t c, float *v)
{
    const bool whole = c + WIDE <= t.cols;
    if (t.dtype == TM_F32 && whole && aligned((const float *)t.data + r * t.stride + c)) {
        const float4 *from = (const float4 *)((const float *)t.data + r * t.stride + c);
        const float4 a = from[0], b = from[1];
        v[0] = a.x, v[1] = a.y, v[2] = a.z, v[3] = a.w;
        v[4] = b.x, v[5] = b.y, v[6] = b.z, v[7] = b.w;
        return;
    }
    if (t.dtype == TM_BF16 && whole && aligned((const uint16_t *)t.data + r * t.stride + c)) {
        const uint4 a = *(const uint4 *)((const uint16_t *)t.data + r * t.stride + c);
        const uint32_t pair[4] = {a.x, a.y, a.z, a.w};
        for (int i = 0; i < WIDE; i++)
            v[i] = __uint_as_float(i % 2 == 0 ? pair[i / 2] << 16 : pair[i / 2] & 0xffff0000u);
        return;
    }
    for (int i = 0; i < WIDE; i++)
        v[i] = c + i < t.cols ? get(t, r, c + i) : 0;
}

static __device__ inline void put_wide(const struct tm_tensor &t, int64_t r, int64_t c,
                                       const float *v)
{
    const bool whole = c + WIDE <= t.cols;
    if (t.dtype == TM_F32 && whole && aligned((const float *)t.data + r * t.stride + c)) {
        float4 *to = (float4 *)((float *)t.data + r * t.stride + c);
        to[0] = {v[0], v[1], v[2], v[3]};
        to[1] = {v[4], v[5], v[6], v[7]};
        return;
    }
    if (t.dtype == TM_BF16 && whole && aligned((const uint16_t *)t.data + r * t.stride + c)) {
        uint32_t pair[4];
        for (int i = 0; i < 4; i++)
            pair[i] = to_bf16(v[2 * i]) | (uint32_t)to_bf16(v[2 * i + 1]) << 16;
        *(uint4 *)((uint16_t *)t.data + r * t.stride + c) = {pair[0], pair[1], pair[2], pair[3]};
        return;
    }
    for (int i = 0; i < WIDE && c + i < t.cols; i++)
        put(t, r, c + i, v[i]);
}

/* ---- over a warp, over a block: in an order that does not change ---- */

static __device__ inline float warp_sum(float v)
{
    for (int with = WARP / 2; with > 0; with /= 2)
        v += __shfl_xor_sync(0xffffffffu, v, with);
    return v;
}

static __device__ inline float warp_max(float v)
{
    for (int with = WARP / 2; with > 0; with /= 2)
        v = fmaxf(v, __shfl_xor_sync(0xffffffffu, v, with));
    return v;
}

/* Threads of a block in one dimension, whole warps; partial: a float a warp of shared memory. */
static __device__ inline float block_sum(float v, float *partial)
{
    const unsigned warps = blockDim.x / WARP;
    v = warp_sum(v);
    if (threadIdx.x % WARP == 0)
        partial[threadIdx.x / WARP] = v;
    __syncthreads();
    v = 0;
    for (unsigned w = 0; w < warps; w++)
        v += partial[w];
    __syncthreads(); /* partial may be used again */
    return v;
}

static __device__ inline float block_max(float v, float *partial)
{
    const unsigned warps = blockDim.x / WARP;
    v = warp_max(v);
    if (threadIdx.x % WARP == 0)
        partial[threadIdx.x / WARP] = v;
    __syncthreads();
    v = partial[0];
    for (unsigned w = 1; w < warps; w++)
        v = fmaxf(v, partial[w]);
    __syncthreads();
    return v;
}

/* ---- arithmetic ---- */

static __device__ inline float activate(enum tm_act act, float x)
{
    switch (act) {
    case TM_ACT_RELU:
        return x > 0 ? x : 0;
    case TM_ACT_GELU_ERF:
        return 0.5f * x * erfcf(-x * 0.70710678f);
    case TM_ACT_GELU_TANH:
        return 0.5f * x * (1 + tanhf(0.79788456f * (x + 0.044715f * x * x * x)));
    case TM_ACT_SILU:
        return x / (1 + expf(-x));
    case TM_ACT_QUICK_GELU:
        return x / (1 + expf(-1.702f * x));
    case TM_ACT_TANH:
        return tanhf(x);
    default:
        return x;
    }
}

/* ---- a row a block: embed, add_norm, quantize_rows ---- */

/* The block's row in shared memory. Each thread reads and writes the same columns everywhere,
 * WIDE of them at a time, so that only sums need a barrier. */
struct row {
    float *v; /* (cols, rounded up to WIDE) */
    float *partial;
    int32_t cols;
};
enum { ROW_MOST = 12000 /* columns: 48 KiB of shared memory less the partial sums */ };

static inline unsigned row_threads(int64_t cols)
{
    const int64_t threads = kern_round_up((cols + WIDE - 1) / WIDE, WARP);
    return (unsigned)TM_MIN(256, TM_MAX(threads, (int64_t)WARP));
}

static inline size_t row_shared(int64_t cols)
{
    return ((size_t)kern_round_up(cols, WIDE) + WARP) * sizeof(float);
}

static __device__ inline struct row row_at(unsigned char *shared, int64_t cols)
{
    struct row r = {(float *)shared + WARP, (float *)shared, (int32_t)cols};
    return r;
}

#define FOR_WIDE(c, cols)                                                                          \
    for (int c = (int)threadIdx.x * WIDE; c < cols; c += (int)blockDim.x * WIDE)

static __device__ inline void row_norm(const struct row &r, const struct tm_norm &norm)
{
    float mean = 0, square = 0;
    if (norm.kind == tm_norm::TM_NORM_NONE || r.cols == 0)
        return;
    if (norm.kind == tm_norm::TM_NORM_LAYER) {
        FOR_WIDE(c, r.cols)
        for (int i = c; i < c + WIDE && i < r.cols; i++)
            mean += r.v[i];
        mean = block_sum(mean, r.partial) / (float)r.cols;
    }
    FOR_WIDE(c, r.cols)
    for (int i = c; i < c + WIDE && i < r.cols; i++)
        square += (r.v[i] - mean) * (r.v[i] - mean);
    square = block_sum(square, r.partial);
    const float inverse = 1 / sqrtf(square / (float)r.cols + norm.eps);
    FOR_WIDE(c, r.cols)
    {
        for (int i = c; i < c + WIDE && i < r.cols; i++) {
            float v = (r.v[i] - mean) * inverse;
            v = norm.weight != NULL ? v * norm.weight[i] : v;
            r.v[i] =
                norm.bias != NULL && norm.kind == tm_norm::TM_NORM_LAYER ? v + norm.bias[i] : v;
        }
    }
}

/* What quantize_rows says of the row (ref/quantize_rows.c), to the bit; returns the scale. */
static __device__ inline float row_quantize(const struct row &r, void *out, enum tm_dtype dtype)
{
    const float limit = dtype == TM_I8 ? 127 : 448;
    float top = 0;
    FOR_WIDE(c, r.cols)
    for (int i = c; i < c + WIDE && i < r.cols; i++)
        top = fmaxf(top, fabsf(r.v[i]));
    top = block_max(top, r.partial);
    const float times = top > 0 ? fminf(limit / top, FLT_MAX) : 0;
    FOR_WIDE(c, r.cols)
    {
        for (int i = c; i < c + WIDE && i < r.cols; i++) {
            float v = r.v[i] * times;
            if (dtype == TM_I8) {
                v = v < 127 ? v : 127;
                v = v > -127 ? v : -127;
                ((int8_t *)out)[i] = (int8_t)rintf(v);
            } else {
                ((uint8_t *)out)[i] = to_f8(v);
            }
        }
    }
    return top / limit;
}

static inline struct tm_norm norm_or_none(const struct tm_norm *norm)
{
    struct tm_norm none = {};
    return norm != NULL ? *norm : none;
}

static inline struct tm_tensor tensor_or_none(const struct tm_tensor *t)
{
    struct tm_tensor none = {};
    return t != NULL ? *t : none;
}

#endif
