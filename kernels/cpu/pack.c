/* Weights: from (N, K) in any float dtype to the panels that the chosen gemm reads. At load only;
 * the source may be dropped afterwards. Layout: see struct tm_weight. */
#include "../kern.h"

#include <stdlib.h>
#include <string.h>

static void read_row(float *to, const struct tm_tensor *w, int64_t n)
{
    if (w->dtype == TM_F32) {
        memcpy(to, kern_row(w, n), (size_t)w->cols * sizeof *to);
        return;
    }
    const uint16_t *from = (const uint16_t *)w->data + n * w->stride;
    for (int64_t k = 0; k < w->cols; k++)
        to[k] = w->dtype == TM_BF16 ? kern_from_bf16(from[k]) : kern_from_f16(from[k]);
}

/* One row of the source is one column of a panel; a panel is small enough to stay in cache. */
static void fill(struct tm_weight *w, const struct tm_tensor *from, float *row)
{
    for (int64_t n = 0; n < w->n; n++) {
        if (w->panel == 0) {
            read_row(w->data + n * w->k, from, n);
            continue;
        }
        int64_t p = n / w->panel, width = kern_panel_width(w, p);
        float *to = w->data + p * w->panel * w->k + n % w->panel;
        read_row(row, from, n);
        for (int64_t k = 0; k < w->k; k++)
            to[k * width] = row[k];
    }
}

enum tm_status kern_pack(struct tm_backend *b, const struct tm_tensor *from, enum tm_dtype as,
                         struct tm_weight **ret_weight, struct tm_err *err)
{
    const struct kern_cpu *cpu = b->self;
    if (as != TM_F32 || !kern_is_float(from->dtype))
        return tm_err_set(err, TM_UNSUPPORTED, "weights of %s as %s on a CPU",
                          tm_dtype_name(from->dtype), tm_dtype_name(as));
    struct tm_weight *w = calloc(1, sizeof *w);
    if (w == NULL)
        return tm_err_set(err, TM_NOMEM, "weight");
    *w = (struct tm_weight){
        .dtype = as, .n = from->rows, .k = from->cols, .panel = cpu->panel, .lanes = cpu->lanes};
    int64_t padded = (w->n + w->lanes - 1) / w->lanes * w->lanes;
    w->bytes = (size_t)padded * (size_t)w->k * sizeof *w->data;
    w->data = b->dev.alloc(b, w->bytes);
    float *row = calloc((size_t)w->k + 1, sizeof *row);
    if (w->data == NULL || row == NULL) {
        size_t bytes = w->bytes;
        free(row);
        kern_weight_free(b, w);
        return tm_err_set(err, TM_NOMEM, "weight of %zu bytes", bytes);
    }
    if (padded > w->n) /* columns past n are multiplied, and thrown away: keep them zero */
        memset(w->data, 0, w->bytes);
    fill(w, from, row);
    free(row);
    *ret_weight = w;
    return TM_OK;
}

void kern_weight_free(struct tm_backend *b, struct tm_weight *w)
{
    if (w == NULL)
        return;
    b->dev.free(b, w->data);
    free(w);
}

size_t kern_weight_bytes(const struct tm_weight *w)
{
    return w->bytes;
}
