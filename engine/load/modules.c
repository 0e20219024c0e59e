/* modules.json of sentence-transformers and the small files it leads to.
 *
 * Called by model.c for models without a head, while they are opened. The order that is supported
 * is the one that is used: Transformer, Pooling, any Dense, and Normalize last. */
#include "modules.h"
#include "json_file.h"
#include "tm_weights.h"

#include <stdio.h>
#include <string.h>

enum { FILE_MOST = 1 << 20, PATH_ROOM = 4096 };
static const char list[] = "modules.json";

/* ---- 1_Pooling/config.json ---- */

static const struct {
    const char *key;
    int pool; /* -1: cannot be run */
    bool on;  /* where the key is absent */
} poolings[] = {
    {"pooling_mode_cls_token", TM_POOL_FIRST, false},
    {"pooling_mode_mean_tokens", TM_POOL_MEAN, true},
    {"pooling_mode_max_tokens", TM_POOL_MAX, false},
    {"pooling_mode_mean_sqrt_len_tokens", TM_POOL_MEAN_SQRT, false},
    {"pooling_mode_lasttoken", TM_POOL_LAST, false},
    {"pooling_mode_weightedmean_tokens", -1, false},
};

static enum tm_status visit_pooling(void *arg, struct tm_json *j, const char *key,
                                    struct tm_err *err)
{
    bool *on = arg;
    for (size_t i = 0; i < TM_COUNTOF(poolings); i++)
        if (strcmp(poolings[i].key, key) == 0)
            return tm_json_bool(j, &on[i], err);
    /* include_prompt too: the caller says what is left out of pooling */
    return tm_json_skip(j, err);
}

static enum tm_status read_pooling(const char *folder, const char *path, struct modules *m,
                                   struct tm_err *err)
{
    char name[PATH_ROOM];
    bool on[TM_COUNTOF(poolings)];
    for (size_t i = 0; i < TM_COUNTOF(poolings); i++)
        on[i] = poolings[i].on;
    snprintf(name, sizeof name, "%s/config.json", path);
    enum tm_status s = json_file(folder, name, visit_pooling, on, err);
    int n = 0;
    for (size_t i = 0; s == TM_OK && i < TM_COUNTOF(poolings); i++) {
        if (!on[i])
            continue;
        if (poolings[i].pool < 0)
            return tm_err_set(err, TM_UNSUPPORTED, "%s: %s is not supported", name,
                              poolings[i].key);
        m->pool = poolings[i].pool;
        n++;
    }
    if (s == TM_OK && n != 1)
        s = tm_err_set(err, TM_UNSUPPORTED, "%s: %d ways of pooling, 1 is supported", name, n);
    return s;
}

/* ---- 2_Dense/config.json ---- */

struct dense_reading {
    int64_t in, out;
    bool bias, act_given;
    enum tm_act act;
};

/* "torch.nn.modules.activation.Tanh": what comes after the last dot. */
static bool find_module(const char *name, enum tm_act *ret_act)
{
    static const struct {
        const char *name;
        enum tm_act act;
    } acts[] = {{"Identity", TM_ACT_NONE},
                {"Tanh", TM_ACT_TANH},
                {"ReLU", TM_ACT_RELU},
                {"GELU", TM_ACT_GELU_ERF},
                {"SiLU", TM_ACT_SILU}};
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; i < TM_COUNTOF(acts); i++) {
        if (strcmp(acts[i].name, dot != NULL ? dot + 1 : name) == 0) {
            *ret_act = acts[i].act;
            return true;
        }
    }
    return false;
}

static enum tm_status visit_dense(void *arg, struct tm_json *j, const char *key, struct tm_err *err)
{
    struct dense_reading *d = arg;
    const char *text;
    size_t len;
    if (strcmp(key, "in_features") == 0)
        return tm_json_i64(j, &d->in, err);
    if (strcmp(key, "out_features") == 0)
        return tm_json_i64(j, &d->out, err);
    if (strcmp(key, "bias") == 0)
        return tm_json_bool(j, &d->bias, err);
    if (strcmp(key, "activation_function") != 0)
        return tm_json_skip(j, err);
    enum tm_status s = tm_json_string(j, &text, &len, err);
    if (s == TM_OK && !find_module(text, &d->act))
        s = tm_json_fail(j, TM_UNSUPPORTED, err, "activation_function %s is not supported", text);
    d->act_given = s == TM_OK;
    return s;
}

static enum tm_status read_dense(const char *folder, const char *path, struct modules *m,
                                 struct tm_arena *arena, struct tm_err *err)
{
    char name[PATH_ROOM];
    struct dense_reading d = {.bias = true};
    if (m->n_dense == MODULES_DENSE)
        return tm_err_set(err, TM_UNSUPPORTED, "modules.json: more than %d Dense", MODULES_DENSE);
    snprintf(name, sizeof name, "%s/config.json", path);
    enum tm_status s = json_file(folder, name, visit_dense, &d, err);
    if (s != TM_OK)
        return s;
    if (d.in < 1 || d.in > 1 << 16 || d.out < 1 || d.out > 1 << 16)
        return tm_err_set(err, TM_MODEL,
                          "%s: in_features or out_features is missing or out of "
                          "range",
                          name);
    const char *copy = tm_arena_printf(arena, "%s/%s", folder, path);
    if (copy == NULL)
        return tm_err_set(err, TM_NOMEM, "%s", name);
    m->dense[m->n_dense].folder = copy;
    m->dense[m->n_dense].in = (int32_t)d.in;
    m->dense[m->n_dense].out = (int32_t)d.out;
    m->dense[m->n_dense].bias = d.bias;
    m->dense[m->n_dense].act = d.act_given ? d.act : TM_ACT_TANH; /* the class's default */
    m->n_dense++;
    return TM_OK;
}

/* ---- modules.json ---- */

enum module_kind { MODULE_TRANSFORMER, MODULE_POOLING, MODULE_DENSE, MODULE_NORMALIZE };

struct module {
    char path[256], type[256];
};

static enum tm_status visit_module(void *arg, struct tm_json *j, const char *key,
                                   struct tm_err *err)
{
    struct module *m = arg;
    char *to = strcmp(key, "path") == 0 ? m->path : strcmp(key, "type") == 0 ? m->type : NULL;
    const char *text;
    size_t len;
    if (to == NULL)
        return tm_json_skip(j, err);
    enum tm_status s = tm_json_string(j, &text, &len, err);
    if (s == TM_OK && len >= sizeof m->path)
        s = tm_json_fail(j, TM_MODEL, err, "a name of %zu bytes", len);
    if (s == TM_OK)
        memcpy(to, text, len + 1);
    return s;
}

static bool find_kind(const char *type, enum module_kind *ret_kind)
{
    static const char *const names[] = {
        [MODULE_TRANSFORMER] = "Transformer",
        [MODULE_POOLING] = "Pooling",
        [MODULE_DENSE] = "Dense",
        [MODULE_NORMALIZE] = "Normalize",
    };
    const char *dot = strrchr(type, '.');
    for (size_t i = 0; i < TM_COUNTOF(names); i++) {
        if (strcmp(names[i], dot != NULL ? dot + 1 : type) == 0) {
            *ret_kind = (enum module_kind)i;
            return true;
        }
    }
    return false;
}

struct adding {
    const char *folder;
    struct modules *m;
    struct tm_arena *arena;
    int prev; /* kind of the module before, -1 for the first */
};

static enum tm_status check_path(struct tm_json *j, const struct module *mod, struct tm_err *err)
{
    return strchr(mod->path, '/') == NULL && strstr(mod->path, "..") == NULL
               ? TM_OK
               : tm_json_fail(j, TM_MODEL, err, "path %s is not a plain name", mod->path);
}

static enum tm_status add_module(void *arg, struct tm_json *j, const struct module *mod,
                                 struct tm_err *err)
{
    struct adding *a = arg;
    enum module_kind kind;
    if (!find_kind(mod->type, &kind))
        return tm_json_fail(j, TM_UNSUPPORTED, err, "module %s is not supported", mod->type);
    if ((int)kind < a->prev || ((int)kind == a->prev && kind != MODULE_DENSE) ||
        (int)kind > a->prev + 1 + (a->prev == MODULE_POOLING))
        return tm_json_fail(j, TM_UNSUPPORTED, err,
                            "module %s is out of order (Transformer, Pooling, Dense, Normalize)",
                            mod->type);
    a->prev = (int)kind;
    enum tm_status s = check_path(j, mod, err);
    if (s == TM_OK && kind == MODULE_NORMALIZE)
        a->m->normalize = true;
    if (s == TM_OK && kind == MODULE_POOLING)
        s = read_pooling(a->folder, mod->path, a->m, err);
    return s == TM_OK && kind == MODULE_DENSE
               ? read_dense(a->folder, mod->path, a->m, a->arena, err)
               : s;
}

/* The path of the first Transformer into arg, a struct module. */
static enum tm_status take_transformer(void *arg, struct tm_json *j, const struct module *mod,
                                       struct tm_err *err)
{
    enum module_kind kind;
    struct module *to = arg;
    if (to->type[0] != '\0' || !find_kind(mod->type, &kind) || kind != MODULE_TRANSFORMER)
        return TM_OK;
    *to = *mod;
    return check_path(j, mod, err);
}

typedef enum tm_status each_module_fn(void *arg, struct tm_json *j, const struct module *mod,
                                      struct tm_err *err);

static enum tm_status parse_list(struct tm_json *j, each_module_fn *each, void *arg,
                                 struct tm_err *err)
{
    struct tm_json_event ev;
    enum tm_status s = tm_json_next(j, &ev, err);
    if (s == TM_OK && ev.type != TM_JSON_ARRAY)
        s = tm_json_fail(j, TM_MODEL, err, "not a list");
    while (s == TM_OK && (s = tm_json_next(j, &ev, err)) == TM_OK && ev.type == TM_JSON_OBJECT) {
        struct module mod = {.path = ""};
        while (s == TM_OK && (s = tm_json_next(j, &ev, err)) == TM_OK && ev.type == TM_JSON_KEY)
            s = visit_module(&mod, j, ev.text, err);
        if (s == TM_OK)
            s = each(arg, j, &mod, err);
    }
    if (s == TM_OK && ev.type != TM_JSON_ARRAY_END)
        s = tm_json_fail(j, TM_MODEL, err, "a module is not an object");
    return s == TM_OK ? tm_json_next(j, &ev, err) : s;
}

static enum tm_status read_list(const char *folder, each_module_fn *each, void *arg,
                                struct tm_err *err)
{
    char path[PATH_ROOM];
    TM_CLEANUP(tm_json_finish) struct tm_json j = {.name = list};
    TM_CLEANUP(tm_buf_finish) struct tm_buf text = {0};
    if ((size_t)snprintf(path, sizeof path, "%s/%s", folder, list) >= sizeof path)
        return tm_err_set(err, TM_TOOLARGE, "path of %s is too long", list);
    enum tm_status s = tm_read_file(path, FILE_MOST, &text, err);
    if (s != TM_OK)
        return s;
    tm_json_init(&j, list, text.data, text.len);
    return parse_list(&j, each, arg, err);
}

static enum tm_status visit_limits(void *arg, struct tm_json *j, const char *key,
                                   struct tm_err *err)
{
    struct modules *m = arg;
    struct tm_json_event ev;
    int64_t n = 0;
    if (strcmp(key, "max_seq_length") != 0)
        return tm_json_skip(j, err);
    enum tm_status s = tm_json_next(j, &ev, err);
    if (s != TM_OK || ev.type == TM_JSON_NULL)
        return s;
    if (ev.type != TM_JSON_NUMBER || !tm_json_number_i64(ev.text, ev.len, &n) || n < 1)
        return tm_json_fail(j, TM_MODEL, err, "max_seq_length is not a length");
    m->max_length = (int32_t)TM_MIN(n, INT32_MAX);
    return TM_OK;
}

enum tm_status tm_weights_folder(const char *folder, char *out, size_t out_size, struct tm_err *err)
{
    struct module transformer = {.path = ""};
    enum tm_status s =
        folder_has(folder, list) ? read_list(folder, take_transformer, &transformer, err) : TM_OK;
    if (s == TM_OK &&
        (size_t)snprintf(out, out_size, "%s%s%s", folder, transformer.path[0] != '\0' ? "/" : "",
                         transformer.path) >= out_size)
        s = tm_err_set(err, TM_TOOLARGE, "path of model %s is too long", folder);
    return s;
}

enum tm_status modules_read(const char *folder, const char *transformer, struct tm_arena *arena,
                            struct modules *ret_modules, struct tm_err *err)
{
    static const char limits[] = "sentence_bert_config.json";
    struct modules m = {.pool = TM_POOL_MEAN};
    struct adding adding = {.folder = folder, .m = &m, .arena = arena, .prev = -1};
    enum tm_status s = TM_OK;
    if (folder_has(folder, list)) {
        s = read_list(folder, add_module, &adding, err);
        if (s == TM_OK && adding.prev < MODULE_POOLING)
            s = tm_err_set(err, TM_UNSUPPORTED, "%s: no module Pooling", list);
    }
    if (s == TM_OK && folder_has(transformer, limits))
        s = json_file(transformer, limits, visit_limits, &m, err);
    if (s == TM_OK)
        *ret_modules = m;
    return s;
}
