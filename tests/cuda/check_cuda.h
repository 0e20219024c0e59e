/* Checks beyond those of the contract: 16-bit activations, tensor cores, float8, graphs. */
#ifndef TM_CHECK_CUDA_H
#define TM_CHECK_CUDA_H

#include "cuda/backend.h"

enum { CUDA_TEST_SCRATCH = 1 << 20 }; /* so small that rows go through in several blocks */

#define CUDA_CHECKS(X)
#define X(op) void check_##op(void);
CUDA_CHECKS(X)
#undef X

#endif
