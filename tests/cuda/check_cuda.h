/* Checks beyond those of the contract: 16-bit activations and their aligned paths, attention on
 * tensor cores, float8 weights, large tiles, graphs, rows that fill up a bucket, failures. */
#ifndef TM_CHECK_CUDA_H
#define TM_CHECK_CUDA_H

#include "cuda/backend.h"

enum { CUDA_TEST_SCRATCH = 1 << 20 }; /* so small that rows go through in several blocks */

#define CUDA_CHECKS(X) X(tensor_cores) X(halves) X(tiles) X(graphs) X(failures)
#define X(what)        void check_##what(void);
CUDA_CHECKS(X)
#undef X

#endif
