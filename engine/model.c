/* Opens a model: backend, config.json, modules, adapter, weights, programs, generation's defaults.
 *
 * Called by engine.c on the opening thread. */
#include "model.h"
#include "generation.h"
#include "json_file.h"
#include "tm_weights.h"

#include <stdio.h>
#include <string.h>

enum { ARENA_MOST = 256 << 20 };

/* ---- devices ---- */

static const struct device {
    const char *name;
    enum { ON_CPU, ON_BLAS, ON_CUDA } kind;
    uint32_t mask; /* of a CPU: instruction sets allowed */
} devices[] = {
    {"auto", ON_CPU, UINT32_MAX},  {"cpu", ON_CPU, UINT32_MAX},
    {"cuda", ON_CUDA, 0},          {"ref", ON_CPU, 0},
    {"avx2", ON_CPU, TM_ISA_AVX2}, {"avx512", ON_CPU, TM_ISA_AVX2 | TM_ISA_AVX512},
    {"blas", ON_BLAS, 0},
};

static enum tm_status open_device(struct model *m, const struct device *d, const char *precision,
                                  struct tm_err *err)
{
    static const char *const names[] = {"cpu", "blas", "cuda"};
    if (d->mask != UINT32_MAX && (d->mask & ~tm_cpu_isa()) != 0)
        return tm_err_set(err, TM_UNSUPPORTED, "this machine has no %s", d->name);
    /* tensor cores multiply bfloat16 at many times the rate of float32 */
    const bool fast = d->kind == ON_CUDA && strcmp(precision, "auto") == 0;
    enum tm_status s = precision_find(fast ? "bf16" : precision, d->mask, &m->precision, err);
    m->device = names[d->kind];
    m->isa = d->kind == ON_CPU ? tm_isa_name(d->mask & tm_cpu_isa()) : names[d->kind];
    if (s != TM_OK)
        return s;
    if (d->kind == ON_CUDA)
        return tm_backend_cuda(0, &m->backend, err);
    return d->kind == ON_BLAS ? tm_backend_blas(&m->backend, err)
                              : tm_backend_cpu(d->mask, &m->backend, err);
}

static enum tm_status open_backend(struct model *m, const char *device, const char *precision,
                                   struct tm_err *err)
{
    for (size_t i = 0; i < TM_COUNTOF(devices); i++)
        if (strcmp(devices[i].name, device) == 0)
            return open_device(m, &devices[i], precision, err);
    return tm_err_set(err, TM_UNSUPPORTED, "device %s is not known", device);
}

/* ---- adapters ---- */

/* Without a configuration of its own an adapter says by its task_type which head it brings, and by
 * the classifier's rows how many labels. */
static enum tm_status take_task(struct model *m, const struct lora *lora, struct tm_err *err)
{
    struct config *c = &m->config;
    if (lora->task_type == NULL)
        return TM_OK;
    enum tm_status s = config_set_task(c, lora->task_type, m->arena, err);
    if (s != TM_OK || (c->head != TM_HEAD_SEQUENCE && c->head != TM_HEAD_TOKEN))
        return s;
    const struct tensor_row *row = family_head(c->family, c->head)->dense;
    while (row[1].kind != ROW_END)
        row++;
    char name[512];
    snprintf(name, sizeof name, LORA_PREFIX "%s.weight", row->name);
    const struct tensor *t = tensors_find(lora->set, name);
    if (t == NULL || t->rank != 2 || t->shape[0] < 1 || t->shape[0] > 1 << 20)
        return tm_err_set(err, TM_MODEL,
                          "tensor %s is missing or misshapen, and the adapter has no "
                          "config.json that says how many labels there are",
                          name);
    return config_make_labels(c, (int32_t)t->shape[0], m->arena, err);
}

static enum tm_status read_config(struct model *m, const char *folder, const char *base,
                                  struct lora *lora, struct tm_err *err)
{
    if (base == NULL) {
        if (lora_present(folder))
            return tm_err_set(err, TM_MODEL, "%s is an adapter: its base model is needed too",
                              folder);
        return config_read(folder, m->arena, &m->config, err);
    }
    enum tm_status s = lora_open(folder, m->arena, lora, err);
    if (s != TM_OK)
        return s;
    if (folder_has(folder, "config.json"))
        return config_read(folder, m->arena, &m->config, err);
    s = config_read(base, m->arena, &m->config, err);
    return s == TM_OK ? take_task(m, lora, err) : s;
}

/* ---- opening ---- */

/* Rotary models may name 131,072 positions. As many as this are planned for: what generates keeps
 * its ids by position, what classifies runs all of them at once. */
enum { PROMPT_MOST = 32768, WHOLE_MOST = 8192, PATH_ROOM = 4096 };

static enum tm_status open_with(struct model *m, const char *folder, const char *base,
                                struct lora *lora, struct tm_err *err)
{
    const char *model = base != NULL ? base : folder;
    char weights[PATH_ROOM];
    enum tm_status s = tm_weights_folder(model, weights, sizeof weights, err);
    if (s == TM_OK)
        s = read_config(m, base != NULL ? folder : weights, base != NULL ? weights : NULL, lora,
                        err);
    if (s != TM_OK)
        return s;
    m->max_length = config_max_length(&m->config);
    if (m->config.family->rotary)
        m->max_length =
            TM_MIN(m->max_length, m->config.head == TM_HEAD_GENERATE ? PROMPT_MOST : WHOLE_MOST);
    bool pooled = m->config.head == TM_HEAD_EMBEDDING;
    if (pooled) {
        s = modules_read(model, weights, m->arena, &m->modules, err);
        if (s == TM_OK && m->modules.max_length > 0)
            m->max_length = TM_MIN(m->max_length, m->modules.max_length);
    }
    struct weights_source source = {.config = &m->config,
                                    .modules = pooled ? &m->modules : NULL,
                                    .folder = weights,
                                    .lora = base != NULL ? lora : NULL,
                                    .dtype = m->precision->weights};
    if (s == TM_OK)
        s = weights_load(&source, m->backend, &m->weights, err);
    if (s == TM_OK)
        s = programs_build(&m->config, source.modules, &m->weights, m->max_length, m->arena,
                           &m->programs, err);
    if (s == TM_OK && m->config.head == TM_HEAD_GENERATE)
        s = generation_read(weights, &m->config, m->arena, &m->generation, err);
    return s;
}

enum tm_status model_open(const char *folder, const char *base, const char *device,
                          const char *precision, struct model *ret_model, struct tm_err *err)
{
    struct model *m = ret_model;
    struct lora lora = {.set = NULL};
    *m = (struct model){.arena = tm_arena_create(ARENA_MOST)};
    if (m->arena == NULL)
        return tm_err_set(err, TM_NOMEM, "model %s", folder);
    enum tm_status s = open_backend(m, device, precision, err);
    if (s == TM_OK)
        s = open_with(m, folder, base, &lora, err);
    lora_finish(&lora);
    return s;
}

void model_finish(struct model *m)
{
    weights_finish(&m->weights);
    tm_backend_destroy(m->backend);
    tm_arena_destroy(m->arena);
    *m = (struct model){.arena = NULL};
}
