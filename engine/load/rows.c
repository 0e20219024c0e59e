/* Loads tensors by the rows of a family: finds them, checks shapes, merges the adapter, packs.
 *
 * Called by weights.c while a model is opened, on the opening thread. At most one matrix is held in
 * host memory at a time. */
#include "layout.h"
#include "loader.h"
#include "tables.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 1 << 18 /* floats of a table copied at a time */ };

/* ---- where tensors go ---- */

static struct slot_value *slot_at(const struct loader *l, const struct tensor_row *row,
                                  int32_t layer)
{
    return weights_at(l->w, row->slot, l->first + layer);
}

static float *staging(struct loader *l, int64_t floats)
{
    if ((size_t)floats > l->room) {
        free(l->host);
        l->host = malloc((size_t)floats * sizeof *l->host);
        l->room = l->host != NULL ? (size_t)floats : 0;
    }
    return l->host;
}

/* ---- finding tensors ---- */

/* "layer.{i}.query" of layer 3 with ".weight" → "layer.3.query.weight"; of ALBERT's layers {g} is
 * the group and {k} the number in it. Of names separated by "|" the first; returns the others, or
 * NULL. */
static const char *expand(const struct loader *l, char out[NAME_ROOM], const char *pattern,
                          int32_t layer, const char *suffix)
{
    int32_t inner = TM_MAX(l->from->config->inner_group_num, 1);
    const char *end = pattern + strcspn(pattern, "|");
    size_t at = 0;
    while (pattern < end && at < NAME_ROOM) {
        size_t n = strcspn(pattern, "{|");
        at += (size_t)snprintf(out + at, NAME_ROOM - at, "%.*s", (int)n, pattern);
        pattern += n;
        if (*pattern != '{' || at >= NAME_ROOM)
            continue;
        int32_t number = pattern[1] == 'g'   ? layer / inner
                         : pattern[1] == 'k' ? layer % inner
                                             : layer;
        at += (size_t)snprintf(out + at, NAME_ROOM - at, "%d", number);
        pattern += 3;
    }
    if (at < NAME_ROOM)
        snprintf(out + at, NAME_ROOM - at, "%s", suffix);
    return *end == '|' ? end + 1 : NULL;
}

/* With the family's prefix, or without as exports of bare models have it. */
static const struct tensor *find_in(struct source *src, const char *prefix, const char *name)
{
    char full[NAME_ROOM + 64];
    const struct tensor *t;
    snprintf(full, sizeof full, "%s%s%s", src->outer, prefix, name);
    t = tensors_find(src->set, full);
    if (t == NULL) {
        snprintf(full, sizeof full, "%s%s", src->outer, name);
        t = tensors_find(src->set, full);
    }
    if (t != NULL)
        src->used[t - tensors_at(src->set, 0)] = true;
    return t;
}

/* The tensor of a row, and the name it was found by (else the first). */
static const struct tensor *find(struct loader *l, const char *pattern, int32_t layer,
                                 const char *suffix, char name[NAME_ROOM],
                                 struct source **ret_source)
{
    const struct tensor *found = NULL;
    char other[NAME_ROOM], *to = name;
    for (const char *rest = pattern; rest != NULL; to = found != NULL ? other : to) {
        rest = expand(l, to, rest, layer, suffix);
        for (int i = 0; i < l->n_sources; i++) {
            /* A tensor that is replaced, or there twice, is known too. */
            const struct tensor *t = find_in(&l->sources[i], l->prefix, to);
            if (t != NULL && found == NULL) {
                found = t;
                *ret_source = &l->sources[i];
            }
        }
    }
    if (found == NULL)
        expand(l, name, pattern, layer, suffix);
    return found;
}

static void shape_text(char *out, size_t size, const int64_t *shape, int32_t rank)
{
    size_t at = 0;
    out[0] = '\0';
    for (int32_t i = 0; i < rank && at < size; i++)
        at +=
            (size_t)snprintf(out + at, size - at, "%s%lld", i > 0 ? ", " : "", (long long)shape[i]);
}

/* The tensor of a name as float32 into out (or NULL: only looked at). */
static enum tm_status read_tensor(struct loader *l, const char *name, const struct tensor *t,
                                  const struct source *src, int32_t rank, const int64_t *shape,
                                  float *out, struct tm_err *err)
{
    int64_t n = 1;
    if (t == NULL)
        return tm_err_set(err, TM_MODEL, "tensor %s is missing, %s needs it", name,
                          l->from->config->architecture);
    bool same = t->rank == rank;
    for (int32_t i = 0; same && i < rank; i++) {
        same = t->shape[i] == shape[i];
        n *= shape[i];
    }
    if (!same) {
        char has[TENSOR_RANK * 22], want[TENSOR_RANK * 22];
        shape_text(has, sizeof has, t->shape, t->rank);
        shape_text(want, sizeof want, shape, rank);
        return tm_err_set(err, TM_MODEL, "tensor %s is (%s) where (%s) is expected", name, has,
                          want);
    }
    return out != NULL ? tensors_read(src->set, t, 0, n, out, err) : TM_OK;
}

/* Vector `name` + suffix, or its legacy suffix, kept in backend memory. */
static enum tm_status keep_vector(struct loader *l, const struct tensor_row *row, int32_t layer,
                                  const char *suffix, const char *legacy, int64_t n, float plus,
                                  float **ret, struct tm_err *err)
{
    char name[NAME_ROOM];
    struct source *src = NULL;
    float *host = staging(l, n);
    if (host == NULL)
        return tm_err_set(err, TM_NOMEM, "weights");
    const struct tensor *t = NULL;
    if (legacy != NULL)
        t = find(l, row->name, layer, legacy, name, &src);
    if (t == NULL)
        t = find(l, row->name, layer, suffix, name, &src);
    enum tm_status s = read_tensor(l, name, t, src, 1, &n, host, err);
    for (int64_t i = 0; s == TM_OK && i < n; i++)
        host[i] += plus;
    if (s == TM_OK &&
        (*ret = weights_keep(l->w, l->stream, host, (size_t)n * sizeof *host)) == NULL)
        s = tm_err_set(err, TM_NOMEM, "weights");
    return s;
}

/* ---- one row ---- */

static enum tm_status load_norm(struct loader *l, const struct tensor_row *row, int32_t layer,
                                struct tm_err *err)
{
    const struct config *c = l->from->config;
    struct tm_norm *norm = &slot_at(l, row, layer)->norm;
    int64_t n = family_size(c, row->cols);
    float *weight = NULL, *bias = NULL;
    float plus = c->family->norm_plus_one ? 1 : 0;
    enum tm_status s = keep_vector(l, row, layer, ".weight", ".gamma", n, plus, &weight, err);
    if (s == TM_OK && family_bias(c, row->bias))
        s = keep_vector(l, row, layer, ".bias", ".beta", n, 0, &bias, err);
    if (s == TM_OK)
        *norm = (struct tm_norm){c->family->rms ? TM_NORM_RMS : TM_NORM_LAYER, weight, bias,
                                 (float)c->layer_norm_eps};
    return s;
}

static enum tm_status load_table(struct loader *l, const struct tensor_row *row, int32_t layer,
                                 struct tm_err *err)
{
    char name[NAME_ROOM];
    struct source *src = NULL;
    int64_t rows = family_size(l->from->config, row->rows);
    int64_t cols = family_size(l->from->config, row->cols), n = rows * cols;
    const char *suffix = row->kind == ROW_PLAIN ? "" : ".weight";
    const struct tensor *t = find(l, row->name, layer, suffix, name, &src);
    const int64_t shape[] = {rows, cols};
    enum tm_status s = read_tensor(l, name, t, src, 2, shape, NULL, err);
    if (s != TM_OK)
        return s;
    float *host = staging(l, TM_MIN(n, BLOCK));
    float *table = weights_room(l->w, (size_t)n * sizeof *table);
    if (host == NULL || table == NULL)
        return tm_err_set(err, TM_NOMEM, "tensor %s", name);
    for (int64_t at = 0; s == TM_OK && at < n; at += BLOCK) {
        int64_t some = TM_MIN(n - at, BLOCK);
        s = tensors_read(src->set, t, at, some, host, err);
        if (s == TM_OK &&
            l->w->backend->dev.copy_in(l->stream, table + at, host, (size_t)some * 4) != TM_OK)
            s = tm_err_set(err, TM_DEVICE, "tensor %s", name);
    }
    if (s == TM_OK)
        slot_at(l, row, layer)->table = (struct tm_tensor){table, TM_F32, rows, cols, cols, NULL};
    return s;
}

/* Positions that are computed, unless the file has them. */
static enum tm_status load_sinusoid(struct loader *l, const struct tensor_row *row,
                                    struct tm_err *err)
{
    const struct config *c = l->from->config;
    char name[NAME_ROOM];
    struct source *src = NULL;
    if (row->kind == ROW_SINUSOID && find(l, row->name, 0, ".weight", name, &src) != NULL)
        return load_table(l, row, 0, err);
    int64_t rows = family_size(c, row->rows), cols = family_size(c, row->cols);
    float *host = staging(l, rows * cols);
    if (host == NULL)
        return tm_err_set(err, TM_NOMEM, "positions");
    if (row->kind == ROW_SINUSOID)
        tables_sinusoid(host, (int32_t)rows, (int32_t)cols);
    else
        tables_sinusoid_padded(host, (int32_t)rows, (int32_t)cols, c->pad_token_id);
    float *table = weights_keep(l->w, l->stream, host, (size_t)(rows * cols) * sizeof *host);
    slot_at(l, row, 0)->table = (struct tm_tensor){table, TM_F32, rows, cols, cols, NULL};
    return table != NULL ? TM_OK : tm_err_set(err, TM_NOMEM, "positions");
}

/* The adapter's lora_A and lora_B of a module, where there are any. */
static enum tm_status merge_adapter(struct loader *l, const char *module, float *w, int64_t rows,
                                    int64_t cols, struct tm_err *err)
{
    static const char *const parts[2] = {".lora_A.weight", ".lora_B.weight"};
    const struct tensor *t[2];
    if (l->from->lora == NULL)
        return TM_OK;
    for (int i = 0; i < 2; i++) {
        char name[NAME_ROOM + 16];
        snprintf(name, sizeof name, "%s%s", module, parts[i]);
        t[i] = find_in(&l->sources[0], l->prefix, name);
    }
    if (t[0] == NULL && t[1] == NULL)
        return TM_OK;
    if (t[0] == NULL || t[1] == NULL)
        return tm_err_set(err, TM_MODEL, "adapter of %s: %s is missing", module,
                          t[0] == NULL ? "lora_A" : "lora_B");
    /* Patterns speak of the module as the adapter's file names it. */
    char full[NAME_ROOM];
    snprintf(full, sizeof full, "%s", t[0]->name + strlen(LORA_PREFIX));
    full[strlen(full) - strlen(parts[0])] = '\0';
    return lora_merge(l->from->lora, full, t[0], t[1], w, rows, cols, err);
}

/* A matrix that the file has in another order; w keeps it in ours. */
static enum tm_status reorder(const struct config *c, const struct tensor_row *row, float *w,
                              int64_t rows, int64_t cols, struct tm_err *err)
{
    if (row->order == ORDER_PLAIN)
        return TM_OK;
    float *copy = malloc((size_t)(rows * cols) * sizeof *copy);
    if (copy == NULL)
        return tm_err_set(err, TM_NOMEM, "tensor %s", row->name);
    memcpy(copy, w, (size_t)(rows * cols) * sizeof *copy);
    if (row->order == ORDER_TRANSPOSED)
        layout_transpose(w, copy, rows, cols);
    else
        layout_heads(w, copy, c->num_attention_heads, rows / 3 / c->num_attention_heads, cols);
    free(copy);
    return TM_OK;
}

/* `name`.bias, or for BIAS_QV what lies beside it. */
static enum tm_status load_bias(struct loader *l, const struct tensor_row *row, int32_t layer,
                                int64_t rows, float *bias, struct tm_err *err)
{
    static const char *const beside[] = {"q_bias", NULL, "v_bias"};
    char name[NAME_ROOM];
    struct source *src = NULL;
    if (row->bias != BIAS_QV) {
        const struct tensor *t = find(l, row->name, layer, ".bias", name, &src);
        return read_tensor(l, name, t, src, 1, &rows, bias, err);
    }
    int64_t part = rows / 3;
    enum tm_status s = TM_OK;
    memset(bias, 0, (size_t)rows * sizeof *bias);
    for (int i = 0; s == TM_OK && i < 3; i++) {
        if (beside[i] == NULL)
            continue;
        char pattern[NAME_ROOM];
        int stem = (int)(strrchr(row->name, '.') + 1 - row->name);
        snprintf(pattern, sizeof pattern, "%.*s%s", stem, row->name, beside[i]);
        const struct tensor *t = find(l, pattern, layer, "", name, &src);
        s = read_tensor(l, name, t, src, 1, &part, bias + i * part, err);
    }
    return s;
}

static enum tm_status load_part(struct loader *l, const struct tensor_row *row, int32_t layer,
                                int64_t rows, int64_t cols, float *w, float *bias,
                                struct tm_err *err)
{
    char name[NAME_ROOM];
    bool turned = row->order == ORDER_TRANSPOSED;
    const int64_t shape[] = {turned ? cols : rows, turned ? rows : cols};
    struct source *src = NULL;
    const struct tensor *t = find(l, row->name, layer, ".weight", name, &src);
    enum tm_status s = read_tensor(l, name, t, src, 2, shape, w, err);
    if (s == TM_OK) {
        expand(l, name, row->name, layer, "");
        s = merge_adapter(l, name, w, rows, cols, err);
    }
    if (s == TM_OK)
        s = reorder(l->from->config, row, w, rows, cols, err);
    return s == TM_OK && bias != NULL ? load_bias(l, row, layer, rows, bias, err) : s;
}

/* A head's layers cost nothing and decide everything: they stay float32. */
static enum tm_dtype dtype_of(const struct loader *l, enum slot slot)
{
    return slot >= SLOT_HEAD_0 && slot <= SLOT_HEAD_2 ? TM_F32 : l->from->dtype;
}

/* Packs w (rows, cols) and keeps the bias that lies behind it. */
static enum tm_status keep_linear(struct loader *l, struct linear *lin, enum tm_dtype as, float *w,
                                  int64_t rows, int64_t cols, bool has_bias, const char *name,
                                  struct tm_err *err)
{
    struct tm_backend *b = l->w->backend;
    struct tm_tensor view = {w, TM_F32, rows, cols, cols, NULL};
    enum tm_status s = b->dev.pack(b, &view, as, &lin->weight, err);
    if (s != TM_OK)
        return tm_err_set(err, s, "tensor %s: %s", name, tm_status_text(s));
    l->w->bytes += b->dev.weight_bytes(lin->weight);
    lin->rows = (int32_t)rows;
    lin->cols = (int32_t)cols;
    if (has_bias)
        lin->bias = weights_keep(l->w, l->stream, w + rows * cols, (size_t)rows * sizeof *w);
    return has_bias && lin->bias == NULL ? tm_err_set(err, TM_NOMEM, "weights") : TM_OK;
}

/* Rows of one slot, one below the other in one matrix. */
static enum tm_status load_linear(struct loader *l, const struct tensor_row *row, int n,
                                  int32_t layer, struct tm_err *err)
{
    const struct config *c = l->from->config;
    bool has_bias = family_bias(c, row->bias);
    int64_t rows = 0, at = 0, cols = family_size(c, row->cols);
    for (int i = 0; i < n; i++)
        rows += family_size(c, row[i].rows);
    float *w = staging(l, rows * cols + rows);
    if (w == NULL)
        return tm_err_set(err, TM_NOMEM, "tensor %s", row->name);
    enum tm_status s = TM_OK;
    for (int i = 0; s == TM_OK && i < n; i++) {
        int64_t part = family_size(c, row[i].rows);
        s = load_part(l, &row[i], layer, part, cols, w + at * cols,
                      has_bias ? w + rows * cols + at : NULL, err);
        at += part;
    }
    return s != TM_OK ? s
                      : keep_linear(l, &slot_at(l, row, layer)->linear, dtype_of(l, row->slot), w,
                                    rows, cols, has_bias, row->name, err);
}

/* DeBERTa's convolution as a matrix over its taps. */
static enum tm_status load_conv(struct loader *l, const struct tensor_row *row, struct tm_err *err)
{
    const struct config *c = l->from->config;
    int64_t rows = family_size(c, row->rows), cols = family_size(c, row->cols);
    const int64_t shape[] = {rows, cols / c->conv_groups, c->conv_kernel_size};
    int64_t wide = cols * c->conv_kernel_size;
    struct source *src = NULL;
    char name[NAME_ROOM];
    const struct tensor *t = find(l, row->name, 0, ".weight", name, &src);
    float *w = staging(l, rows * wide + rows);
    float *read = malloc((size_t)(rows * shape[1] * shape[2]) * sizeof *read);
    enum tm_status s = w == NULL || read == NULL
                           ? tm_err_set(err, TM_NOMEM, "tensor %s", name)
                           : read_tensor(l, name, t, src, 3, shape, read, err);
    if (s == TM_OK) {
        layout_conv(w, read, rows, cols, c->conv_groups, c->conv_kernel_size);
        s = load_bias(l, row, 0, rows, w + rows * wide, err);
    }
    free(read);
    return s != TM_OK ? s
                      : keep_linear(l, &weights_at(l->w, row->slot, 0)->linear,
                                    dtype_of(l, row->slot), w, rows, wide, true, row->name, err);
}

static bool applies(struct loader *l, const struct tensor_row *row, int32_t layer)
{
    char name[NAME_ROOM];
    struct source *src = NULL;
    if (row->when != WHEN_PRESENT)
        return family_has(l->from->config, row, layer);
    return find(l, row->name, layer, row->kind == ROW_PLAIN ? "" : ".weight", name, &src) != NULL;
}

enum tm_status rows_load(struct loader *l, const struct tensor_row *rows, int32_t layer,
                         struct tm_err *err)
{
    enum tm_status s = TM_OK;
    for (const struct tensor_row *row = rows; s == TM_OK && row->kind != ROW_END;) {
        int n = 1;
        while (row->kind == ROW_LINEAR && row[n].kind == ROW_LINEAR && row[n].slot == row->slot &&
               row[n].when == row->when)
            n++;
        if ((row->slot >= SLOT_QKV) == (layer >= 0) && applies(l, row, layer))
            s = row->kind == ROW_LINEAR ? load_linear(l, row, n, layer, err)
                : row->kind == ROW_NORM ? load_norm(l, row, layer, err)
                : row->kind == ROW_SINUSOID || row->kind == ROW_SINUSOID_PADDED
                    ? load_sinusoid(l, row, err)
                : row->kind == ROW_CONV ? load_conv(l, row, err)
                                        : load_table(l, row, layer, err);
        row += n;
    }
    return s;
}

enum tm_status rows_load_dense(struct loader *l, const char *name, int64_t rows, int64_t cols,
                               bool bias, struct linear *ret, struct tm_err *err)
{
    const struct tensor_row row = {.kind = ROW_LINEAR, .name = name};
    float *w = staging(l, rows * cols + rows);
    if (w == NULL)
        return tm_err_set(err, TM_NOMEM, "weights");
    enum tm_status s = load_part(l, &row, 0, rows, cols, w, bias ? w + rows * cols : NULL, err);
    return s == TM_OK ? keep_linear(l, ret, TM_F32, w, rows, cols, bias, name, err) : s;
}
