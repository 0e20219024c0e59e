/* The instructions that CUDA C++ has no name for: tensor cores, copies that do not pass through
 * registers, transposed loads. Each has a scalar twin in the shim. All are there from sm_80 on.
 * Fragments: PTX ISA, "Matrix Fragments for mma.m16n8k16". */
#ifndef TM_PTX_H
#define TM_PTX_H

#include "device.h"

/* d = a * b + c: 16 x 8, over 16 (bf16) or 32 (int8) of k. */
static __device__ inline void mma_bf16(float d[4], const uint32_t a[4], const uint32_t b[2],
                                       const float c[4])
{
#ifdef __CUDACC__
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
                 "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%10, %11, %12, %13};"
                 : "=f"(d[0]), "=f"(d[1]), "=f"(d[2]), "=f"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]), "f"(c[0]),
                   "f"(c[1]), "f"(c[2]), "f"(c[3]));
#else
    shim_mma_bf16(d, a, b, c);
#endif
}

static __device__ inline void mma_s8(int32_t d[4], const uint32_t a[4], const uint32_t b[2],
                                     const int32_t c[4])
{
#ifdef __CUDACC__
    asm volatile("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 "
                 "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%10, %11, %12, %13};"
                 : "=r"(d[0]), "=r"(d[1]), "=r"(d[2]), "=r"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]), "r"(c[0]),
                   "r"(c[1]), "r"(c[2]), "r"(c[3]));
#else
    shim_mma_s8(d, a, b, c);
#endif
}

/* 16 bytes from global to shared memory, or zeros. They are there after copy_wait, for the other
 * threads after a barrier. `from` must be an address that may be read even when !there. */
static __device__ inline void copy_async(void *shared, const void *from, bool there)
{
#ifdef __CUDACC__
    const uint32_t to = (uint32_t)__cvta_generic_to_shared(shared);
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(from),
                 "r"(there ? 16 : 0)
                 : "memory");
#else
    shim_copy_async(shared, from, 16, there);
#endif
}

static __device__ inline void copy_commit()
{
#ifdef __CUDACC__
    asm volatile("cp.async.commit_group;" ::: "memory");
#else
    shim_copy_commit();
#endif
}

/* Until all but the last LEFT groups have arrived. */
template <int LEFT> static __device__ inline void copy_wait()
{
#ifdef __CUDACC__
    asm volatile("cp.async.wait_group %0;" ::"n"(LEFT) : "memory");
#else
    shim_copy_wait(LEFT);
#endif
}

/* The B fragment of mma_bf16 from a matrix of 16 rows (k) whose columns (n) lie together: lanes 0
 * to 15 say where their row's 8 columns begin, 16-byte aligned. */
static __device__ inline void load_transposed(uint32_t b[2], const void *row)
{
#ifdef __CUDACC__
    const uint32_t from = (uint32_t)__cvta_generic_to_shared(row);
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0, %1}, [%2];"
                 : "=r"(b[0]), "=r"(b[1])
                 : "r"(from)
                 : "memory");
#else
    shim_load_transposed(b, row);
#endif
}

#endif
