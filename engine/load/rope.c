/* Rotary positions and kinds of layers in config.json. Called by config.c while a model is opened.
 */
#include "rope.h"
#include "json_file.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

enum { LAYERS_MOST = 512 };

static const struct {
    const char *name;
    size_t offset;
} numbers[] = {
    {"rope_theta", offsetof(struct rope, theta)},
    {"factor", offsetof(struct rope, factor)},
    {"low_freq_factor", offsetof(struct rope, low_freq_factor)},
    {"high_freq_factor", offsetof(struct rope, high_freq_factor)},
    {"beta_fast", offsetof(struct rope, beta_fast)},
    {"beta_slow", offsetof(struct rope, beta_slow)},
    {"attention_factor", offsetof(struct rope, attention_factor)},
    {"mscale", offsetof(struct rope, mscale)},
    {"mscale_all_dim", offsetof(struct rope, mscale_all_dim)},
    {"original_max_position_embeddings", offsetof(struct rope, original_max_position_embeddings)},
};

static enum tm_status read_type(struct tm_json *j, struct rope *r, struct tm_err *err)
{
    static const char *const names[] = {
        [ROPE_DEFAULT] = "default", [ROPE_LINEAR] = "linear", [ROPE_DYNAMIC] = "dynamic",
        [ROPE_YARN] = "yarn",       [ROPE_LLAMA3] = "llama3",
    };
    const char *text;
    size_t len;
    enum tm_status s = tm_json_string(j, &text, &len, err);
    for (size_t i = 0; s == TM_OK && i < TM_COUNTOF(names); i++) {
        if (names[i] != NULL && strcmp(names[i], text) == 0) {
            r->type = (enum rope_type)i;
            return TM_OK;
        }
    }
    return s != TM_OK ? s
                      : tm_json_fail(j, TM_UNSUPPORTED, err, "rope_type %s is not supported", text);
}

static enum tm_status visit_rope(void *arg, struct tm_json *j, const char *key, struct tm_err *err)
{
    struct rope *r = arg;
    struct tm_json_event ev;
    if (strcmp(key, "rope_type") == 0 || strcmp(key, "type") == 0)
        return read_type(j, r, err);
    for (size_t i = 0; i < TM_COUNTOF(numbers); i++) {
        double *field = (double *)((char *)r + numbers[i].offset);
        if (strcmp(key, numbers[i].name) != 0)
            continue;
        enum tm_status s = tm_json_next(j, &ev, err);
        if (s != TM_OK || ev.type == TM_JSON_NULL)
            return s;
        if (ev.type != TM_JSON_NUMBER || !tm_json_number_f64(ev.text, ev.len, field) ||
            !isfinite(*field) || *field <= 0)
            return tm_json_fail(j, TM_MODEL, err, "%s is not positive", numbers[i].name);
        return TM_OK;
    }
    return tm_json_fail(j, TM_UNSUPPORTED, err, "rotary positions with %s are not supported", key);
}

static enum tm_status visit_kinds(struct rope rope[2], struct tm_json *j, const char *key,
                                  struct tm_err *err)
{
    if (strcmp(key, "full_attention") == 0)
        return json_file_object(j, visit_rope, &rope[0], err);
    if (strcmp(key, "sliding_attention") == 0)
        return json_file_object(j, visit_rope, &rope[1], err);
    return visit_rope(&rope[0], j, key, err);
}

enum tm_status rope_read(struct tm_json *j, struct rope rope[2], struct tm_err *err)
{
    struct tm_json_event ev;
    enum tm_status s = tm_json_next(j, &ev, err);
    if (s != TM_OK || ev.type == TM_JSON_NULL)
        return s;
    if (ev.type != TM_JSON_OBJECT)
        return tm_json_fail(j, TM_MODEL, err, "rotary positions are not an object");
    while ((s = tm_json_next(j, &ev, err)) == TM_OK && ev.type == TM_JSON_KEY) {
        s = visit_kinds(rope, j, ev.text, err);
        if (s != TM_OK)
            return s;
    }
    return s;
}

enum tm_status layer_types_read(struct tm_json *j, struct tm_arena *arena, struct config *c,
                                struct tm_err *err)
{
    struct tm_json_event ev;
    int32_t *types = tm_arena_array(arena, LAYERS_MOST, sizeof *types);
    enum tm_status s = tm_json_next(j, &ev, err);
    if (types == NULL)
        return tm_err_set(err, TM_NOMEM, "layer_types");
    if (s != TM_OK || ev.type == TM_JSON_NULL)
        return s;
    if (ev.type != TM_JSON_ARRAY)
        return tm_json_fail(j, TM_MODEL, err, "layer_types is not a list");
    while ((s = tm_json_next(j, &ev, err)) == TM_OK && ev.type == TM_JSON_STRING) {
        bool local = strcmp(ev.text, "sliding_attention") == 0;
        if (!local && strcmp(ev.text, "full_attention") != 0)
            return tm_json_fail(j, TM_UNSUPPORTED, err, "layers of type %s are not supported",
                                ev.text);
        if (c->n_layer_types == LAYERS_MOST)
            return tm_json_fail(j, TM_MODEL, err, "layer_types is too long");
        types[c->n_layer_types++] = local;
    }
    if (s == TM_OK && ev.type != TM_JSON_ARRAY_END)
        s = tm_json_fail(j, TM_MODEL, err, "layer_types holds something that is no name");
    c->layer_types = types;
    return s;
}

enum tm_status windows_read(struct tm_json *j, struct tm_arena *arena, struct config *c,
                            struct tm_err *err)
{
    struct tm_json_event ev;
    int64_t n;
    int32_t *windows = tm_arena_array(arena, LAYERS_MOST, sizeof *windows);
    enum tm_status s = tm_json_next(j, &ev, err);
    if (windows == NULL)
        return tm_err_set(err, TM_NOMEM, "attention_window");
    bool list = s == TM_OK && ev.type == TM_JSON_ARRAY;
    if (list)
        s = tm_json_next(j, &ev, err);
    for (; s == TM_OK && ev.type == TM_JSON_NUMBER; s = tm_json_next(j, &ev, err)) {
        if (!tm_json_number_i64(ev.text, ev.len, &n) || n < 2 || n > 1 << 20 ||
            c->n_windows == LAYERS_MOST)
            return tm_json_fail(j, TM_MODEL, err, "attention_window is out of range");
        if (!list) {
            c->attention_window = (int32_t)n;
            return TM_OK;
        }
        windows[c->n_windows++] = (int32_t)n;
    }
    if (s == TM_OK && (!list || ev.type != TM_JSON_ARRAY_END))
        s = tm_json_fail(j, TM_MODEL, err, "attention_window is neither a number nor a list");
    c->windows = windows;
    return s;
}
