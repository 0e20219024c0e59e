/* convert: out = x in out's dtype, I8 and F8 by their scales; narrowing rounds to nearest even.
 * Writing I8 or F8 is quantize_rows. */
#include "ref.h"

enum tm_status ref_convert(struct tm_stream *stream, struct tm_tensor *out,
                           const struct tm_tensor *x)
{
    (void)stream;
    if (!kern_is_float(out->dtype) || x->dtype == TM_I32 || x->dtype == TM_U8)
        return TM_UNSUPPORTED;
    for (int64_t r = 0; r < out->rows; r++)
        for (int64_t c = 0; c < out->cols; c++)
            kern_put(out, r, c, kern_get(x, r, c));
    return TM_OK;
}
