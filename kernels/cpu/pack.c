/* Weights: from (N, K) in any float dtype to the panels that the chosen gemm reads. At load only;
 * the source may be dropped afterwards. Layout: see struct tm_weight. */
#include "../kern.h"

#include <stdlib.h>
#include <string.h>

void kern_read_row(float *to, const struct tm_tensor *w, int64_t n)
{
    if (w->dtype == TM_F32) {
        memcpy(to, kern_row(w, n), (size_t)w->cols * sizeof *to);
        return;
    }
    const uint16_t *from = (const uint16_t *)w->data + n * w->stride;
    for (int64_t k = 0; k < w->cols; k++)
        to[k] = w->dtype == TM_BF16 ? kern_from_bf16(from[k]) : kern_from_f16(from[k]);
}

/* Where the weights of output n lie, in elements: group by group from `at` on, `step` apart. */
struct place {
    int64_t at, step, group;
};

static struct place place(const struct tm_weight *w, int64_t n)
{
    if (w->panel == 0)
        return (struct place){n * w->k, 1, 1};
    int64_t p = n / w->panel, group = w->group;
    int64_t at = p * w->panel * kern_round_up(w->k, group) + n % w->panel * group;
    return (struct place){at, kern_panel_width(w, p) * group, group};
}

static void fill_float(struct tm_weight *w, int64_t n, const float *row)
{
    const struct place to = place(w, n);
    float *data = (float *)w->data + to.at;
    for (int64_t k = 0; k < w->k; k++)
        data[k * to.step] = row[k];
}

static void fill_bf16(struct tm_weight *w, int64_t n, const float *row)
{
    const struct place to = place(w, n);
    uint16_t *data = (uint16_t *)w->data + to.at;
    for (int64_t k = 0; k < w->k; data += to.step)
        for (int64_t i = 0; i < to.group && k < w->k; i++)
            data[i] = kern_to_bf16(row[k++]);
}

/* The rule of quantize_rows, an output a row: every instruction set gets the same integers. */
static void fill_int8(struct tm_weight *w, int64_t n, const float *row, int8_t *ints,
                      int32_t offset)
{
    const struct place to = place(w, n);
    int8_t *data = (int8_t *)w->data + to.at;
    int32_t sum = 0;
    w->scale[n] = kern_quantize_row(ints, row, w->k);
    for (int64_t k = 0; k < w->k; k++)
        sum += ints[k];
    for (int64_t k = 0; k < w->k; data += to.step)
        for (int64_t i = 0; i < to.group && k < w->k; i++)
            data[i] = ints[k++];
    w->start[n] = -offset * sum;
}

static enum tm_status fill(struct tm_weight *w, const struct tm_tensor *from, int32_t offset)
{
    float *row = calloc((size_t)w->k + 1, sizeof *row);
    int8_t *ints = calloc((size_t)w->k + 1, 1);
    for (int64_t n = 0; row != NULL && ints != NULL && n < w->n; n++) {
        kern_read_row(row, from, n);
        if (w->dtype == TM_I8)
            fill_int8(w, n, row, ints, offset);
        else if (w->dtype == TM_BF16)
            fill_bf16(w, n, row);
        else
            fill_float(w, n, row);
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
