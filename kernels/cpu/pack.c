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

/* Where weight (n, k) lies, in elements. */
static int64_t place(const struct tm_weight *w, int64_t n, int64_t k)
{
    if (w->panel == 0)
        return n * w->k + k;
    int64_t p = n / w->panel, width = kern_panel_width(w, p), group = w->group;
    int64_t begin = p * w->panel * kern_round_up(w->k, group);
    return begin + (k / group * width + n % w->panel) * group + k % group;
}

static void fill_row(struct tm_weight *w, int64_t n, const float *row)
{
    for (int64_t k = 0; k < w->k; k++) {
        if (w->dtype == TM_F32)
            ((float *)w->data)[place(w, n, k)] = row[k];
        else
            ((uint16_t *)w->data)[place(w, n, k)] = kern_to_bf16(row[k]);
    }
}

/* The rule of quantize_rows, an output a row: every instruction set gets the same integers. */
static void fill_int8(struct tm_weight *w, int64_t n, const float *row, int8_t *ints,
                      int32_t offset)
{
    int32_t sum = 0;
    w->scale[n] = kern_quantize_row(ints, row, w->k);
    for (int64_t k = 0; k < w->k; k++) {
        ((int8_t *)w->data)[place(w, n, k)] = ints[k];
        sum += ints[k];
    }
    w->start[n] = -offset * sum;
}

static enum tm_status fill(struct tm_weight *w, const struct tm_tensor *from, int32_t offset)
{
    float *row = calloc((size_t)w->k + 1, sizeof *row);
    int8_t *ints = calloc((size_t)w->k + 1, 1);
    for (int64_t n = 0; row != NULL && ints != NULL && n < w->n; n++) {
        read_row(row, from, n);
        if (w->dtype == TM_I8)
            fill_int8(w, n, row, ints, offset);
        else
            fill_row(w, n, row);
    }
    bool failed = row == NULL || ints == NULL;
    free(row);
    free(ints);
    return failed ? TM_NOMEM : TM_OK;
}

static enum tm_status allocate(struct tm_backend *b, struct tm_weight *w)
{
    int64_t padded = kern_round_up(w->n, w->lanes);
    size_t numbers =
        (size_t)padded * (size_t)kern_round_up(w->k, w->group) * tm_dtype_size(w->dtype);
    size_t vector = w->dtype == TM_I8 ? (size_t)padded * sizeof(float) : 0;
    w->data = b->dev.alloc(b, numbers);
    w->bytes = numbers + 2 * vector;
    if (w->data == NULL)
        return TM_NOMEM;
    memset(w->data, 0, numbers); /* what fills up is multiplied too, and thrown away */
    if (vector == 0)
        return TM_OK;
    w->scale = b->dev.alloc(b, vector);
    w->start = b->dev.alloc(b, vector);
    if (w->scale == NULL || w->start == NULL)
        return TM_NOMEM;
    memset(w->scale, 0, vector);
    memset(w->start, 0, vector);
    return TM_OK;
}

enum tm_status kern_pack(struct tm_backend *b, const struct tm_tensor *from, enum tm_dtype as,
                         struct tm_weight **ret_weight, struct tm_err *err)
{
    const struct kern_gemm *gemm = &((const struct kern_cpu *)b->self)->gemm[as];
    if (gemm->run == NULL || !kern_is_float(from->dtype))
        return tm_err_set(err, TM_UNSUPPORTED, "weights of %s as %s on a CPU",
                          tm_dtype_name(from->dtype), tm_dtype_name(as));
    struct tm_weight *w = calloc(1, sizeof *w);
    if (w == NULL)
        return tm_err_set(err, TM_NOMEM, "weight");
    *w = (struct tm_weight){.dtype = as,
                            .n = from->rows,
                            .k = from->cols,
                            .panel = gemm->panel,
                            .lanes = gemm->lanes,
                            .group = gemm->group};
    if (allocate(b, w) != TM_OK || fill(w, from, gemm->offset) != TM_OK) {
        size_t bytes = w->bytes;
        kern_weight_free(b, w);
        return tm_err_set(err, TM_NOMEM, "weight of %zu bytes", bytes);
    }
    *ret_weight = w;
    return TM_OK;
}

void kern_weight_free(struct tm_backend *b, struct tm_weight *w)
{
    if (w == NULL)
        return;
    b->dev.free(b, w->data);
    b->dev.free(b, w->scale);
    b->dev.free(b, w->start);
    free(w);
}

size_t kern_weight_bytes(const struct tm_weight *w)
{
    return w->bytes;
}
