/* Orders of weights that are not (rows, cols). Called by weights.c while a model is opened. */
#include "layout.h"

#include <string.h>

void layout_heads(float *out, const float *in, int64_t heads, int64_t head_dim, int64_t cols)
{
    int64_t n = head_dim * cols;
    for (int64_t h = 0; h < heads; h++)
        for (int64_t part = 0; part < 3; part++)
            memcpy(out + (part * heads + h) * n, in + (h * 3 + part) * n, (size_t)n * sizeof *out);
}

void layout_transpose(float *out, const float *in, int64_t rows, int64_t cols)
{
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < cols; c++)
            out[r * cols + c] = in[c * rows + r];
}

void layout_conv(float *out, const float *in, int64_t rows, int64_t cols, int64_t groups,
                 int64_t kernel)
{
    int64_t share = cols / groups, rows_each = rows / groups;
    memset(out, 0, (size_t)(rows * kernel * cols) * sizeof *out);
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < share; c++)
            for (int64_t t = 0; t < kernel; t++)
                out[(r * kernel + t) * cols + r / rows_each * share + c] =
                    in[(r * share + c) * kernel + t];
}
