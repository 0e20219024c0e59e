/* gather_rows: out[i] = x[index[i]], bytes as they are, zeros for -1; both have one dtype. */
#include "ref.h"

#include <string.h>

enum tm_status ref_gather_rows(struct tm_stream *stream, struct tm_tensor *out,
                               const struct tm_tensor *x, const int32_t *index)
{
    (void)stream;
    if (out->dtype != x->dtype)
        return TM_UNSUPPORTED;
    size_t size = tm_dtype_size(x->dtype);
    for (int64_t r = 0; r < out->rows; r++) {
        char *to = (char *)out->data + (size_t)(r * out->stride) * size;
        tm_dassert(index[r] >= -1 && index[r] < x->rows);
        if (index[r] < 0)
            memset(to, 0, (size_t)out->cols * size);
        else
            memcpy(to, (const char *)x->data + (size_t)(index[r] * x->stride) * size,
                   (size_t)out->cols * size);
    }
    return TM_OK;
}
