/* glu: out (M, F) = act(x[:, :F]) * x[:, F:]. */
#include "ref.h"

enum tm_status ref_glu(struct tm_stream *stream, struct tm_tensor *out, const struct tm_tensor *x,
                       enum tm_act act)
{
    (void)stream;
    tm_dassert(x->cols == 2 * out->cols);
    for (int64_t r = 0; r < out->rows; r++)
        for (int64_t c = 0; c < out->cols; c++)
            kern_put(out, r, c, ref_act(act, kern_get(x, r, c)) * kern_get(x, r, out->cols + c));
    return TM_OK;
}
