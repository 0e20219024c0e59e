/* Blocks of stored numbers to float32, by type. Between tensor_blocks.c and tensor_read.c. */
#ifndef ENGINE_TENSOR_BLOCKS_H
#define ENGINE_TENSOR_BLOCKS_H

#include "tensors.h"

struct tensor_block {
    const char *name;
    int32_t elements, bytes; /* of a block */
    /* n blocks to n * elements floats. NULL: stored as float32 */
    void (*convert)(const uint8_t *in, int64_t n, float *out);
};

extern const struct tensor_block tensor_blocks[TENSOR_TYPES]; /* elements 0: cannot be read */

#endif
