/* The weights of a model: their memory, the order in which they are loaded, and what is refused
 * because nothing names it.
 *
 * Called by model.c while a model is opened, on the opening thread. */
#include "loader.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- memory ---- */

struct slot_value *weights_at(const struct weights *w, enum slot slot, int32_t layer)
{
    return slot < SLOT_QKV
               ? &w->slots[slot]
               : &w->slots[SLOT_QKV + layer * (SLOT_COUNT - SLOT_QKV) + (slot - SLOT_QKV)];
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

void *weights_room(struct weights *w, size_t bytes)
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
    void *p = weights_room(w, bytes);
    return p != NULL && w->backend->dev.copy_in(stream, p, host, bytes) == TM_OK ? p : NULL;
}

/* ---- what the rows do not name ---- */

/* base: the tensors are a base model's, which may carry heads that are not run. All that an adapter
 * brings must be used. */
static bool is_unused(const struct family *f, const char *name, bool base, bool encoder_only)
{
    static const char *const buffers[] = {"*.position_ids",        "*.token_type_ids",
                                          "position_ids",          "*.masked_bias",
                                          "*.rotary_emb.inv_freq", "*num_batches_tracked"};
    for (size_t i = 0; i < TM_COUNTOF(buffers); i++)
        if (fnmatch(buffers[i], name, 0) == 0)
            return true;
    if (base && encoder_only && fnmatch("decoder.*", name, 0) == 0)
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
        if (!is_unused(c->family, name, outer == 0, c->encoder_only))
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
    const struct modules *m = l->from->modules;
    int64_t rows = m->dense[i].out, cols = m->dense[i].in;
    TM_CLEANUP(tensors_closep) struct tensor_set *set = NULL;
    enum tm_status s = tensors_open(m->dense[i].folder, "model", &set, err);
    if (s != TM_OK)
        return s;
    bool *used = calloc(tensors_count(set) + 1, sizeof *used);
    struct loader sub = *l;
    sub.sources[0] = (struct source){set, "", used};
    sub.n_sources = 1;
    sub.prefix = "";
    struct weights_source from = *l->from;
    from.lora = NULL;
    sub.from = &from;
    if (used == NULL)
        s = tm_err_set(err, TM_NOMEM, "weights");
    if (s == TM_OK)
        s = rows_load_dense(&sub, "linear", rows, cols, m->dense[i].bias,
                            &weights_at(l->w, SLOT_HEAD_0 + (enum slot)i, 0)->linear, err);
    if (s == TM_OK)
        s = check_unknown(&sub, &sub.sources[0], err);
    l->host = sub.host; /* the staging may have grown */
    l->room = sub.room;
    free(used);
    return s;
}

/* ---- everything ---- */

static enum tm_status load_stack(struct loader *l, const struct tensor_row *rows,
                                 const struct stack stack, struct tm_err *err)
{
    enum tm_status s = rows_load(l, rows, -1, err);
    l->first = stack.first;
    for (int32_t i = 0; s == TM_OK && i < stack.own; i++)
        s = rows_load(l, rows, i, err);
    return s;
}

static enum tm_status load_all(struct loader *l, struct tm_err *err)
{
    const struct config *c = l->from->config;
    const struct head_row *head = family_head(c->family, c->head);
    enum tm_status s =
        load_stack(l, c->family->tensors,
                   c->family->shape == SHAPE_DECODER ? config_decoder(c) : config_encoder(c), err);
    if (s == TM_OK && c->family->decoder != NULL && !c->encoder_only)
        s = load_stack(l, c->family->decoder, config_decoder(c), err);
    if (s == TM_OK)
        s = rows_load(l, head->dense, -1, err);
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
                          .layers =
                              config_encoder(from->config).own + config_decoder(from->config).own};
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
