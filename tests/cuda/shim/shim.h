/* CUDA's device side on the host, for tests: the .cu files of kernels/cuda/ compiled by a C++
 * compiler. Threads of a block are fibres, run one after the other on one host thread, in an order
 * that the test chooses: what a missing barrier leaves to chance changes with the order.
 *
 * device.h includes this file where nvcc is not the compiler. What is here has the names and the
 * meaning of the CUDA C++ Programming Guide; a launch runs before LAUNCH returns, or is recorded
 * while the stream is captured. Not modelled: time, coalescing, bank conflicts, registers, memory
 * order between blocks. */
#ifndef SHIM_H
#define SHIM_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#include <cuda_runtime_api.h>
#include <functional>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __restrict__
#define __launch_bounds__(...)

struct shim_dim3 {
    unsigned x, y, z;
};
struct dim3 : shim_dim3 {
    dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : shim_dim3{x_, y_, z_}
    {
    }
};
struct alignas(8) uint2 {
    uint32_t x, y;
};
struct alignas(16) uint4 {
    uint32_t x, y, z, w;
};
struct alignas(16) float4 {
    float x, y, z, w;
};

/* Of the fibre that runs. */
extern shim_dim3 threadIdx, blockIdx, blockDim, gridDim;
extern unsigned char *shim_shared; /* of the block: exactly what the launch asked for */

/* Runs a grid now (shim.cpp); shim_launch decides when (runtime.cpp). */
void shim_run(const char *kernel, dim3 grid, dim3 block, size_t shared,
              const std::function<void()> &what);
void shim_launch(cudaStream_t stream, const char *kernel, dim3 grid, dim3 block, size_t shared,
                 std::function<void()> body);
void shim_block_barrier(void);
/* All lanes of the mask meet; each leaves `bytes` and gets the place where all have left theirs,
 * SHIM_BOX apart. Valid until the lane's next meeting but one. */
enum { SHIM_BOX = 64 };
const unsigned char *shim_meet(uint32_t mask, const void *mine, size_t bytes);

#define LAUNCH(stream, grid, block, shared, kernel, ...)                                           \
    shim_launch(stream, #kernel, grid, block, shared, [=] { kernel(__VA_ARGS__); })
#define SHARED_MEMORY(name) unsigned char *const name = shim_shared

static inline void __syncthreads()
{
    shim_block_barrier();
}

static inline void __syncwarp(uint32_t mask = 0xffffffffu)
{
    shim_meet(mask, nullptr, 0);
}

static inline void __threadfence()
{
}

template <typename T> static inline T shim_from(const unsigned char *boxes, unsigned lane)
{
    T v;
    memcpy(&v, boxes + lane % 32 * SHIM_BOX, sizeof v);
    return v;
}

template <typename T> static inline T __shfl_sync(uint32_t mask, T v, int lane)
{
    return shim_from<T>(shim_meet(mask, &v, sizeof v), (unsigned)lane);
}

template <typename T> static inline T __shfl_xor_sync(uint32_t mask, T v, int with)
{
    return shim_from<T>(shim_meet(mask, &v, sizeof v), threadIdx.x % 32 ^ (unsigned)with);
}

static inline uint32_t __ballot_sync(uint32_t mask, int on)
{
    const unsigned char *boxes = shim_meet(mask, &on, sizeof on);
    uint32_t all = 0;
    for (unsigned l = 0; l < 32; l++)
        if ((mask >> l & 1) != 0 && shim_from<int>(boxes, l) != 0)
            all |= 1u << l;
    return all;
}

static inline int __popc(uint32_t x)
{
    return __builtin_popcount(x);
}

static inline uint32_t __float_as_uint(float f)
{
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return u;
}

static inline float __uint_as_float(uint32_t u)
{
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}

static inline uint64_t __umul64hi(uint64_t a, uint64_t b)
{
    return (uint64_t)((unsigned __int128)a * b >> 64);
}

template <typename T> static inline T atomicOr(T *at, T v)
{
    T old = *at;
    *at = old | v;
    return old;
}

template <typename T> static inline T atomicAdd(T *at, T v)
{
    T old = *at;
    *at = old + v;
    return old;
}

static inline int __dp4a(int a, int b, int c)
{
    for (int i = 0; i < 4; i++)
        c += (int8_t)(a >> 8 * i) * (int8_t)(b >> 8 * i);
    return c;
}

/* The scalar twins of the PTX in kernels/cuda/ptx.h. */
void shim_mma_bf16(float d[4], const uint32_t a[4], const uint32_t b[2], const float c[4]);
void shim_mma_s8(int32_t d[4], const uint32_t a[4], const uint32_t b[2], const int32_t c[4]);
void shim_load_transposed(uint32_t b[2], const void *row);
/* A copy that happens when the thread waits for it, not before. */
void shim_copy_async(void *shared, const void *global, size_t bytes, bool there);
void shim_copy_wait(int groups_left);
void shim_copy_commit(void);

#endif
