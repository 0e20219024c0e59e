/* What the files of kernels/cuda/ share on the host: the backend's self, its streams, the
 * operations. C and C++: the .cu files see it through device.h. */
#ifndef TM_CUDA_H
#define TM_CUDA_H

#include <cuda_runtime_api.h>

#ifdef __cplusplus
#include <math.h> /* before extern "C": in C++ they have templates */
#include <stdlib.h>
extern "C" {
#endif

#include "../kern.h"

struct cuda {
    struct tm_backend backend;
    int device;
    int capability; /* 90: sm_90 */
    int processors; /* streaming multiprocessors */
    size_t scratch; /* bytes of a stream's scratch that belong to the operations */
};

struct cuda_stream {
    struct tm_stream base; /* its scratch is device memory */
    cudaStream_t handle;
    char *staging; /* pinned; copy_in and copy_out of what is small pass through it */
    size_t staged;
};

static inline cudaStream_t cuda_handle(const struct tm_stream *s)
{
    return ((const struct cuda_stream *)s)->handle;
}

static inline const struct cuda *cuda_self(const struct tm_stream *s)
{
    return (const struct cuda *)s->backend->self;
}

/* After launches: what the runtime has to say about them. Errors inside kernels come later, with
 * stream_sync; after one of those every call fails and the process has to start again. */
static inline enum tm_status cuda_launched(void)
{
    return cudaGetLastError() == cudaSuccess ? TM_OK : TM_DEVICE;
}

#define X(op) tm_##op##_fn cuda_##op;
TM_OPS(X)
#undef X

#ifdef __cplusplus
}
#endif
#endif
