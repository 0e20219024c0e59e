/* PEFT LoRA adapters: adapter_config.json, and the merge of one matrix.
 *
 * Called by model.c and weights.c while a model is opened. What changes the arithmetic in another
 * way than plain LoRA (DoRA, biases in B, replicated layers …) is refused by name. fan_in_fan_out
 * is not looked at: the layers of these families are Linear, for which PEFT ignores it. */
#include "lora.h"
#include "json_file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char config_name[] = "adapter_config.json";

enum { MODULES_MOST = 1024 };

struct reading {
    struct lora *l;
    struct tm_arena *arena;
    bool is_lora;
};

bool lora_present(const char *folder)
{
    return folder_has(folder, config_name);
}

/* A pattern is a regular expression for PEFT: names with dots, which is what is written, match as
 * they stand; anything else is refused. */
static bool is_plain(const char *name)
{
    return name[0] != '\0' && strpbrk(name, "^$*+?[](){}|\\") == NULL;
}

static enum tm_status read_pattern(struct tm_json *j, struct lora_pattern **list,
                                   struct tm_arena *arena, struct tm_err *err)
{
    struct tm_json_event ev;
    enum tm_status s = tm_json_next(j, &ev, err);
    if (s == TM_OK && ev.type == TM_JSON_NULL)
        return TM_OK;
    if (s == TM_OK && ev.type != TM_JSON_OBJECT)
        return tm_json_fail(j, TM_MODEL, err, "not an object");
    /* Kept in order: the first pattern that matches counts. */
    while (s == TM_OK && (s = tm_json_next(j, &ev, err)) == TM_OK && ev.type == TM_JSON_KEY) {
        if (!is_plain(ev.text))
            return tm_json_fail(j, TM_UNSUPPORTED, err,
                                "pattern %s: only names of modules are supported", ev.text);
        struct lora_pattern *p = tm_arena_alloc(arena, sizeof *p);
        if (p == NULL || (p->name = tm_arena_strdup(arena, ev.text)) == NULL)
            return tm_err_set(err, TM_NOMEM, "%s", config_name);
        s = tm_json_f64(j, &p->value, err);
        *list = p;
        list = &p->next;
    }
    return s;
}

static enum tm_status read_list(struct tm_json *j, struct reading *r, struct tm_err *err)
{
    struct tm_json_event ev;
    struct lora *l = r->l;
    enum tm_status s = tm_json_next(j, &ev, err);
    if (s != TM_OK || ev.type == TM_JSON_NULL)
        return s;
    if (ev.type != TM_JSON_ARRAY)
        return tm_json_fail(j, TM_MODEL, err, "modules_to_save is not a list");
    l->modules_to_save = tm_arena_array(r->arena, MODULES_MOST, sizeof *l->modules_to_save);
    if (l->modules_to_save == NULL)
        return tm_err_set(err, TM_NOMEM, "%s", config_name);
    while ((s = tm_json_next(j, &ev, err)) == TM_OK && ev.type == TM_JSON_STRING) {
        if (l->n_modules_to_save == MODULES_MOST)
            return tm_json_fail(j, TM_MODEL, err, "more than %d modules_to_save", MODULES_MOST);
        const char *name = tm_arena_strdup(r->arena, ev.text);
        if (name == NULL)
            return tm_err_set(err, TM_NOMEM, "%s", config_name);
        l->modules_to_save[l->n_modules_to_save++] = name;
    }
    if (s == TM_OK && ev.type != TM_JSON_ARRAY_END)
        s = tm_json_fail(j, TM_MODEL, err, "modules_to_save holds something that is no name");
    return s;
}

/* A string or null. */
static enum tm_status read_text(struct tm_json *j, const char **ret, struct tm_arena *arena,
                                struct tm_err *err)
{
    struct tm_json_event ev;
    enum tm_status s = tm_json_next(j, &ev, err);
    if (s != TM_OK || ev.type == TM_JSON_NULL)
        return s;
    if (ev.type != TM_JSON_STRING)
        return tm_json_fail(j, TM_MODEL, err, "not a string");
    *ret = tm_arena_strdup(arena, ev.text);
    return *ret != NULL ? TM_OK : tm_err_set(err, TM_NOMEM, "%s", config_name);
}

/* Some initialisations change the base weights as well, so that the adapter alone says too little.
 */
static enum tm_status check_init(struct tm_json *j, struct tm_err *err)
{
    static const char *const harmless[] = {"gaussian", "eva", "orthogonal"};
    struct tm_json_event ev;
    enum tm_status s = tm_json_next(j, &ev, err);
    if (s != TM_OK || ev.type != TM_JSON_STRING)
        return s;
    for (size_t i = 0; i < TM_COUNTOF(harmless); i++)
        if (strcmp(ev.text, harmless[i]) == 0)
            return TM_OK;
    return tm_json_fail(j, TM_UNSUPPORTED, err, "init_lora_weights %s is not supported", ev.text);
}

static enum tm_status visit(void *arg, struct tm_json *j, const char *key, struct tm_err *err)
{
    static const char *const refused[] = {"use_dora",          "lora_bias",
                                          "layer_replication", "trainable_token_indices",
                                          "target_parameters", "alora_invocation_tokens",
                                          "use_qalora",        "use_bdlora",
                                          "kasa_config",       "velora_config",
                                          "arrow_config",      "monteclora_config"};
    struct reading *r = arg;
    const char *text = NULL;
    enum tm_status s;
    for (size_t i = 0; i < TM_COUNTOF(refused); i++)
        if (strcmp(refused[i], key) == 0)
            return json_refuse(j, key, err);
    if (strcmp(key, "peft_type") == 0) {
        s = read_text(j, &text, r->arena, err);
        if (s == TM_OK && text != NULL && strcmp(text, "LORA") != 0)
            s = tm_json_fail(j, TM_UNSUPPORTED, err, "peft_type %s is not supported", text);
        r->is_lora = s == TM_OK && text != NULL;
        return s;
    }
    if (strcmp(key, "r") == 0)
        return tm_json_f64(j, &r->l->r, err);
    if (strcmp(key, "lora_alpha") == 0)
        return tm_json_f64(j, &r->l->lora_alpha, err);
    if (strcmp(key, "use_rslora") == 0)
        return tm_json_bool(j, &r->l->use_rslora, err);
    if (strcmp(key, "rank_pattern") == 0)
        return read_pattern(j, &r->l->rank_pattern, r->arena, err);
    if (strcmp(key, "alpha_pattern") == 0)
        return read_pattern(j, &r->l->alpha_pattern, r->arena, err);
    if (strcmp(key, "modules_to_save") == 0)
        return read_list(j, r, err);
    if (strcmp(key, "task_type") == 0)
        return read_text(j, &r->l->task_type, r->arena, err);
    if (strcmp(key, "base_model_name_or_path") == 0)
        return read_text(j, &r->l->base, r->arena, err);
    return strcmp(key, "init_lora_weights") == 0 ? check_init(j, err) : tm_json_skip(j, err);
}

enum tm_status lora_read_config(const char *folder, struct tm_arena *arena, struct lora *ret_lora,
                                struct tm_err *err)
{
    struct lora l = {.r = 8, .lora_alpha = 8}; /* the class's defaults */
    struct reading r = {.l = &l, .arena = arena};
    enum tm_status s = json_file(folder, config_name, visit, &r, err);
    if (s == TM_OK && !r.is_lora)
        s = tm_err_set(err, TM_MODEL, "%s: no peft_type", config_name);
    if (s == TM_OK && !(l.r >= 1 && isfinite(l.lora_alpha)))
        s = tm_err_set(err, TM_MODEL, "%s: r or lora_alpha is out of range", config_name);
    if (s == TM_OK)
        *ret_lora = l;
    return s;
}

enum tm_status lora_open(const char *folder, struct tm_arena *arena, struct lora *ret_lora,
                         struct tm_err *err)
{
    enum tm_status s = lora_read_config(folder, arena, ret_lora, err);
    return s != TM_OK ? s : tensors_open(folder, "adapter_model", &ret_lora->set, err);
}

void lora_finish(struct lora *l)
{
    tensors_close(l->set);
    l->set = NULL;
}

/* ---- merging ---- */

/* name is module itself or ends it after a dot. */
static double pattern_value(const struct lora_pattern *list, const char *module, double other)
{
    size_t n = strlen(module);
    for (const struct lora_pattern *p = list; p != NULL; p = p->next) {
        size_t m = strlen(p->name);
        if (m <= n && strcmp(module + n - m, p->name) == 0 && (m == n || module[n - m - 1] == '.'))
            return p->value;
    }
    return other;
}

static bool has_shape(const struct tensor *t, int64_t rows, int64_t cols)
{
    return t->rank == 2 && t->shape[0] == rows && t->shape[1] == cols;
}

static enum tm_status add_product(const struct lora *l, const struct tensor *a,
                                  const struct tensor *b, float scale, float *w, int64_t rows,
                                  int64_t cols, struct tm_err *err)
{
    int64_t r = a->shape[0];
    float *fa = calloc((size_t)(r * cols + rows * r + cols), sizeof *fa);
    if (fa == NULL)
        return tm_err_set(err, TM_NOMEM, "adapter");
    float *fb = fa + r * cols, *sum = fb + rows * r;
    enum tm_status s = tensors_read(l->set, a, 0, r * cols, fa, err);
    if (s == TM_OK)
        s = tensors_read(l->set, b, 0, rows * r, fb, err);
    for (int64_t i = 0; s == TM_OK && i < rows; i++) {
        memset(sum, 0, (size_t)cols * sizeof *sum);
        for (int64_t k = 0; k < r; k++)
            for (int64_t c = 0; c < cols; c++)
                sum[c] += fb[i * r + k] * fa[k * cols + c];
        for (int64_t c = 0; c < cols; c++)
            w[i * cols + c] += scale * sum[c];
    }
    free(fa);
    return s;
}

enum tm_status lora_merge(const struct lora *l, const char *module, const struct tensor *a,
                          const struct tensor *b, float *w, int64_t rows, int64_t cols,
                          struct tm_err *err)
{
    double rank = pattern_value(l->rank_pattern, module, l->r);
    double alpha = pattern_value(l->alpha_pattern, module, l->lora_alpha);
    int64_t r = a->rank == 2 ? a->shape[0] : 0;
    if (r < 1 || (double)r != rank || !has_shape(a, r, cols) || !has_shape(b, rows, r))
        return tm_err_set(err, TM_MODEL,
                          "adapter of %s: lora_A and lora_B are not (%g, %lld) and (%lld, %g)",
                          module, rank, (long long)cols, (long long)rows, rank);
    double scale = l->use_rslora ? alpha / sqrt(rank) : alpha / rank;
    return add_product(l, a, b, (float)scale, w, rows, cols, err);
}
