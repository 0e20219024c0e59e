/* Loads tensors by the rows of a family: finds them, checks shapes, merges the adapter, packs.
 *
 * Called by model.c while a model is opened, on the opening thread. At most one matrix is held in
 * host memory at a time. */
#include "weights.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_ROOM = 512, BLOCK = 1 << 18 /* floats of a table copied at a time */ };

struct source {
    const struct tensor_set *set;
    const char *outer; /* what all names begin with */
    bool *used;        /* one a tensor */
};

struct loader {
    const struct weights_source *from;
    struct weights *w;
    struct tm_stream *stream;
    struct source sources[2]; /* the adapter first: its tensors replace the base's */
    int n_sources;
    const char *prefix; /* of names, where the file has it */
    float *host;        /* staging, grows to the largest matrix */
    size_t room;
    int32_t first; /* number of the first layer of the side that is being loaded */
};

/* ---- memory ---- */

struct slot_value *weights_at(const struct weights *w, enum slot slot, int32_t layer)
{
    return slot < SLOT_QKV
               ? &w->slots[slot]
               : &w->slots[SLOT_QKV + layer * (SLOT_COUNT - SLOT_QKV) + (slot - SLOT_QKV)];
}

static struct slot_value *slot_at(const struct loader *l, const struct tensor_row *row,
                                  int32_t layer)
{
    return weights_at(l->w, row->slot, l->first + layer);
}

static size_t slot_count(int32_t layers)
{
    return (size_t)SLOT_QKV + (size_t)layers * (SLOT_COUNT - SLOT_QKV);
}

void weights_finish(struct weights *w)
{
    if (w->backend == NULL)
        return;
    for (size_t i = 0; w->slots != NULL && i < slot_count(w->layers); i++)
        w->backend->dev.weight_free(w->backend, w->slots[i].linear.weight);
    for (size_t i = 0; i < w->n_memory; i++)
        w->backend->dev.free(w->backend, w->memory[i]);
    free(w->memory);
    free(w->slots);
    *w = (struct weights){0};
}

static void *keep_room(struct weights *w, size_t bytes)
{
    if (w->n_memory == w->room_memory) {
        size_t room = TM_MAX((size_t)64, 2 * w->room_memory);
        void **more = realloc(w->memory, room * sizeof *more);
        if (more == NULL)
            return NULL;
        w->memory = more;
        w->room_memory = room;
    }
    void *p = w->backend->dev.alloc(w->backend, bytes);
    if (p != NULL) {
        w->memory[w->n_memory++] = p;
        w->bytes += bytes;
    }
    return p;
}

void *weights_keep(struct weights *w, struct tm_stream *stream, const void *host, size_t bytes)
{
    void *p = keep_room(w, bytes);
    return p != NULL && w->backend->dev.copy_in(stream, p, host, bytes) == TM_OK ? p : NULL;
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

/* "layer.{i}.query" of layer 3 with ".weight" → "layer.3.query.weight". Of names separated by "|"
 * the first; returns the others, or NULL. */
static const char *expand(char out[NAME_ROOM], const char *pattern, int32_t layer,
                          const char *suffix)
{
    int n = (int)strcspn(pattern, "|");
    const char *mark = strstr(pattern, "{i}");
    if (mark == NULL || mark - pattern > n)
        snprintf(out, NAME_ROOM, "%.*s%s", n, pattern, suffix);
    else
        snprintf(out, NAME_ROOM, "%.*s%d%.*s%s", (int)(mark - pattern), pattern, layer,
                 n - (int)(mark + 3 - pattern), mark + 3, suffix);
    return pattern[n] == '|' ? pattern + n + 1 : NULL;
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
        rest = expand(to, rest, layer, suffix);
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
        expand(name, pattern, layer, suffix);
    return found;
}

/* The tensor of a name, (rows, cols) or with rank 1 (cols), as float32 into out. */
static enum tm_status read_tensor(struct loader *l, const char *name, const struct tensor *t,
                                  const struct source *src, int rank, int64_t rows, int64_t cols,
                                  float *out, struct tm_err *err)
{
    if (t == NULL)
        return tm_err_set(err, TM_MODEL, "tensor %s is missing, %s needs it", name,
                          l->from->config->architecture);
    if (t->rank != rank || t->shape[rank - 1] != cols || (rank == 2 && t->shape[0] != rows)) {
        char shape[TENSOR_RANK * 22] = "", want[64];
        for (int32_t i = 0, at = 0; i < t->rank && at < (int32_t)sizeof shape; i++)
            at += snprintf(shape + at, sizeof shape - (size_t)at, "%s%lld", i > 0 ? ", " : "",
                           (long long)t->shape[i]);
        if (rank == 2)
            snprintf(want, sizeof want, "%lld, %lld", (long long)rows, (long long)cols);
        else
            snprintf(want, sizeof want, "%lld", (long long)cols);
        return tm_err_set(err, TM_MODEL, "tensor %s is (%s) where (%s) is expected", name, shape,
                          want);
    }
    return out != NULL ? tensors_read(src->set, t, 0, rows * cols, out, err) : TM_OK;
}

/* Vector `name` + suffix, or its legacy suffix, kept in backend memory. */
static enum tm_status keep_vector(struct loader *l, const struct tensor_row *row, int32_t layer,
                                  const char *suffix, const char *legacy, int64_t n, float **ret,
                                  struct tm_err *err)
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
    enum tm_status s = read_tensor(l, name, t, src, 1, 1, n, host, err);
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
    enum tm_status s = keep_vector(l, row, layer, ".weight", ".gamma", n, &weight, err);
    if (s == TM_OK && family_bias(c, row->bias))
        s = keep_vector(l, row, layer, ".bias", ".beta", n, &bias, err);
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
    enum tm_status s = read_tensor(l, name, t, src, 2, rows, cols, NULL, err);
    if (s != TM_OK)
        return s;
    float *host = staging(l, TM_MIN(n, BLOCK));
    float *table = keep_room(l->w, (size_t)n * sizeof *table);
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

static enum tm_status load_part(struct loader *l, const struct tensor_row *row, int32_t layer,
                                int64_t rows, int64_t cols, float *w, float *bias,
                                struct tm_err *err)
{
    char name[NAME_ROOM];
    struct source *src = NULL;
    const struct tensor *t = find(l, row->name, layer, ".weight", name, &src);
    enum tm_status s = read_tensor(l, name, t, src, 2, rows, cols, w, err);
    if (s == TM_OK) {
        expand(name, row->name, layer, "");
        s = merge_adapter(l, name, w, rows, cols, err);
    }
    if (s == TM_OK && bias != NULL) {
        src = NULL;
        t = find(l, row->name, layer, ".bias", name, &src);
        s = read_tensor(l, name, t, src, 1, 1, rows, bias, err);
    }
    return s;
}

/* Packs w (rows, cols) and keeps the bias behind it in host memory. */
static enum tm_status keep_linear(struct loader *l, struct linear *lin, float *w, int64_t rows,
                                  int64_t cols, bool has_bias, const char *name, struct tm_err *err)
{
    struct tm_backend *b = l->w->backend;
    struct tm_tensor view = {w, TM_F32, rows, cols, cols, NULL};
    enum tm_status s = b->dev.pack(b, &view, TM_F32, &lin->weight, err);
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
                      : keep_linear(l, &slot_at(l, row, layer)->linear, w, rows, cols, has_bias,
                                    row->name, err);
}

static bool row_applies(struct loader *l, const struct tensor_row *row, int32_t layer)
{
    const struct config *c = l->from->config;
    char name[NAME_ROOM];
    struct source *src = NULL;
    switch (row->when) {
    case WHEN_ALWAYS:
        break;
    case WHEN_NOT_FIRST:
        return layer > 0;
    case WHEN_RELATIVE_KEY:
        return c->position_embedding_type != POSITION_ABSOLUTE;
    case WHEN_TIED:
    case WHEN_UNTIED:
        return c->tie_word_embeddings == (row->when == WHEN_TIED);
    case WHEN_PRESENT:
        return find(l, row->name, layer, row->kind == ROW_PLAIN ? "" : ".weight", name, &src) !=
               NULL;
    }
    return true;
}

/* The rows that belong to a layer, or with layer -1 those of the model as a whole. */
static enum tm_status load_rows(struct loader *l, const struct tensor_row *rows, int32_t layer,
                                struct tm_err *err)
{
    enum tm_status s = TM_OK;
    for (const struct tensor_row *row = rows; s == TM_OK && row->kind != ROW_END;) {
        int n = 1;
        while (row->kind == ROW_LINEAR && row[n].kind == ROW_LINEAR && row[n].slot == row->slot &&
               row[n].when == row->when)
            n++;
        if ((row->slot >= SLOT_QKV) == (layer >= 0) && row_applies(l, row, layer))
            s = row->kind == ROW_LINEAR ? load_linear(l, row, n, layer, err)
                : row->kind == ROW_NORM ? load_norm(l, row, layer, err)
                                        : load_table(l, row, layer, err);
        row += n;
    }
    return s;
}

/* ---- what the rows do not name ---- */

/* base: the tensors are a base model's, which may carry heads that are not run. All that an adapter
 * brings must be used. */
static bool is_unused(const struct family *f, const char *name, bool base)
{
    static const char *const buffers[] = {"*.position_ids",        "*.token_type_ids",
                                          "position_ids",          "*.masked_bias",
                                          "*.rotary_emb.inv_freq", "*num_batches_tracked"};
    for (size_t i = 0; i < TM_COUNTOF(buffers); i++)
        if (fnmatch(buffers[i], name, 0) == 0)
            return true;
    for (const char *const *p = f->unused; base && *p != NULL; p++)
        if (fnmatch(*p, name, 0) == 0)
            return true;
    return false;
}

static enum tm_status check_unknown(const struct loader *l, const struct source *src,
                                    struct tm_err *err)
{
    const struct config *c = l->from->config;
    size_t outer = strlen(src->outer), prefix = strlen(l->prefix);
    for (size_t i = 0; i < tensors_count(src->set); i++) {
        const char *name = tensors_at(src->set, i)->name;
        if (src->used[i])
            continue;
        if (strncmp(name, src->outer, outer) == 0)
            name += outer;
        if (strncmp(name, l->prefix, prefix) == 0)
            name += prefix;
        if (!is_unused(c->family, name, outer == 0))
            return tm_err_set(err, TM_MODEL, "tensor %s is not one that %s knows",
                              tensors_at(src->set, i)->name, c->architecture);
    }
    return TM_OK;
}

/* Every module that the adapter says it replaces must be in its file. */
static enum tm_status check_saved(const struct loader *l, struct tm_err *err)
{
    const struct lora *lora = l->from->lora;
    for (int32_t m = 0; m < lora->n_modules_to_save; m++) {
        char pattern[NAME_ROOM];
        bool found = false;
        snprintf(pattern, sizeof pattern, ".%s.", lora->modules_to_save[m]);
        for (size_t i = 0; !found && i < tensors_count(lora->set); i++)
            found = strstr(tensors_at(lora->set, i)->name, pattern) != NULL;
        /* PEFT adds both names of a classifier, whichever the model has. */
        if (!found && strcmp(lora->modules_to_save[m], "score") != 0 &&
            strcmp(lora->modules_to_save[m], "classifier") != 0)
            return tm_err_set(err, TM_MODEL, "adapter: no tensor of %s, which it says it replaces",
                              lora->modules_to_save[m]);
    }
    return TM_OK;
}

/* ---- sentence-transformers' dense layers ---- */

static enum tm_status load_dense(struct loader *l, int i, struct tm_err *err)
{
    static const struct tensor_row row = {.kind = ROW_LINEAR, .name = "linear"};
    const struct modules *m = l->from->modules;
    int64_t rows = m->dense[i].out, cols = m->dense[i].in;
    char folder[4096];
    TM_CLEANUP(tensors_closep) struct tensor_set *set = NULL;
    if ((size_t)snprintf(folder, sizeof folder, "%s/%s", l->from->folder, m->dense[i].folder) >=
        sizeof folder)
        return tm_err_set(err, TM_TOOLARGE, "path of %s is too long", m->dense[i].folder);
    enum tm_status s = tensors_open(folder, "model", &set, err);
    if (s != TM_OK)
        return s;
    bool *used = calloc(tensors_count(set) + 1, sizeof *used);
    struct loader sub = *l;
    float *w = staging(&sub, rows * cols + rows);
    sub.sources[0] = (struct source){set, "", used};
    sub.n_sources = 1;
    sub.prefix = "";
    struct weights_source from = *l->from;
    from.lora = NULL;
    sub.from = &from;
    if (used == NULL || w == NULL)
        s = tm_err_set(err, TM_NOMEM, "weights");
    if (s == TM_OK)
        s = load_part(&sub, &row, 0, rows, cols, w, m->dense[i].bias ? w + rows * cols : NULL, err);
    if (s == TM_OK)
        s = check_unknown(&sub, &sub.sources[0], err);
    if (s == TM_OK)
        s = keep_linear(&sub, &weights_at(l->w, SLOT_HEAD_0 + (enum slot)i, 0)->linear, w, rows,
                        cols, m->dense[i].bias, m->dense[i].folder, err);
    l->host = sub.host; /* the staging may have grown */
    l->room = sub.room;
    free(used);
    return s;
}

/* ---- everything ---- */

static enum tm_status load_stack(struct loader *l, const struct tensor_row *rows,
                                 const struct stack stack, struct tm_err *err)
{
    enum tm_status s = load_rows(l, rows, -1, err);
    l->first = stack.first;
    for (int32_t i = 0; s == TM_OK && i < stack.layers; i++)
        s = load_rows(l, rows, i, err);
    return s;
}

static enum tm_status load_all(struct loader *l, struct tm_err *err)
{
    const struct config *c = l->from->config;
    const struct head_row *head = family_head(c->family, c->head);
    enum tm_status s = load_stack(l, c->family->tensors, config_encoder(c), err);
    if (s == TM_OK && c->family->decoder != NULL)
        s = load_stack(l, c->family->decoder, config_decoder(c), err);
    if (s == TM_OK)
        s = load_rows(l, head->dense, -1, err);
    for (int i = 0; s == TM_OK && i < l->n_sources; i++)
        s = check_unknown(l, &l->sources[i], err);
    if (s == TM_OK && l->from->lora != NULL)
        s = check_saved(l, err);
    for (int i = 0; s == TM_OK && l->from->modules != NULL && i < l->from->modules->n_dense; i++)
        s = load_dense(l, i, err);
    return s;
}

enum tm_status weights_load(const struct weights_source *from, struct tm_backend *backend,
                            struct weights *ret_weights, struct tm_err *err)
{
    struct weights *w = ret_weights;
    struct loader l = {.from = from, .w = w, .prefix = from->config->family->prefix};
    TM_CLEANUP(tensors_closep) struct tensor_set *base = NULL;
    *w = (struct weights){.backend = backend,
                          .layers = config_encoder(from->config).layers +
                                    config_decoder(from->config).layers};
    enum tm_status s = tensors_open(from->folder, "model", &base, err);
    if (s == TM_OK)
        s = backend->dev.stream_create(backend, 0, &l.stream, err);
    if (s != TM_OK)
        return s;
    if (from->lora != NULL)
        l.sources[l.n_sources++] = (struct source){.set = from->lora->set, .outer = LORA_PREFIX};
    l.sources[l.n_sources++] = (struct source){.set = base, .outer = ""};
    w->slots = calloc(slot_count(w->layers), sizeof *w->slots);
    if (w->slots == NULL)
        s = tm_err_set(err, TM_NOMEM, "weights");
    for (int i = 0; i < l.n_sources; i++)
        if ((l.sources[i].used = calloc(tensors_count(l.sources[i].set) + 1, sizeof(bool))) == NULL)
            s = tm_err_set(err, TM_NOMEM, "weights");
    if (s == TM_OK)
        s = load_all(&l, err);
    for (int i = 0; i < l.n_sources; i++)
        free(l.sources[i].used);
    free(l.host);
    backend->dev.stream_destroy(l.stream);
    return s;
}
