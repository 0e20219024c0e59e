/* Matrices as files have them, to the (rows, cols) that a gemm takes. Host memory. */
#ifndef ENGINE_LAYOUT_H
#define ENGINE_LAYOUT_H

#include <stdint.h>

/* (heads, 3, head_dim, cols) to (3, heads, head_dim, cols). */
void layout_heads(float *out, const float *in, int64_t heads, int64_t head_dim, int64_t cols);
/* (cols, rows) to (rows, cols). */
void layout_transpose(float *out, const float *in, int64_t rows, int64_t cols);
/* A convolution's (rows, cols / groups, kernel) to (rows, kernel, cols), zero across groups. */
void layout_conv(float *out, const float *in, int64_t rows, int64_t cols, int64_t groups,
                 int64_t kernel);

#endif
