/* Between the host files of kernels/cuda/: backend.c, weights.c. */
#ifndef CUDA_BACKEND_H
#define CUDA_BACKEND_H

#include "cuda.h"

/* Device memory of a stream for the operations themselves: the logits of a block of rows, and room
 * to sort them (sample_step.cu). Whatever is larger goes through in blocks. */
enum { CUDA_SCRATCH = 256 << 20 };

/* Says what failed; clears the error unless the device is lost. */
enum tm_status cuda_failed(struct tm_err *err, const char *what, cudaError_t e);

/* tm_backend_cuda with another amount of scratch: tests make blocks small with it. */
enum tm_status cuda_create(int device, size_t scratch, struct tm_backend **ret_backend,
                           struct tm_err *err);

/* --- weights.c --- */
/* (N, K) as it came, each row filled up to whole 16 bytes; I8 and F8E4M3 with a scale a row. */
enum tm_status cuda_pack(struct tm_backend *b, const struct tm_tensor *from, enum tm_dtype as,
                         struct tm_weight **ret_weight, struct tm_err *err);
void cuda_weight_free(struct tm_backend *b, struct tm_weight *w);

#endif
