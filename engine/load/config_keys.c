/* The keys of config.json that a family may read: one table, and how each kind of value is read.
 *
 * Called by config.c while a model is opened. */
#include "config_parts.h"
#include "families.h"
#include "json_file.h"
#include "rope.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

enum key_type {
    KEY_INT,
    KEY_OPTIONAL_ID,
    KEY_F64,
    KEY_BOOL,
    KEY_ACT,
    KEY_POSITION,
    KEY_POOLING,
    KEY_POS_ATT,
    KEY_OPTIONAL_INT, /* null: 0 */
    KEY_OPTIONAL_F64,
    KEY_FEED_FORWARD,
    KEY_ROPE,
    KEY_LAYER_TYPES,
    KEY_WINDOWS,
    KEY_NORM_REL,
    KEY_VERSION,
    KEY_REFUSED
};

/* clang-format off */
static const struct key {
    const char *name;
    enum key_type type;
    size_t offset;
    int64_t lo, hi;
} keys[] = {
#define INT(field, lo, hi) {#field, KEY_INT, offsetof(struct config, field), (lo), (hi)}
#define FIELD(field, type) {#field, (type), offsetof(struct config, field), 0, 0}
    INT(vocab_size, 1, 1 << 24),
    INT(hidden_size, 1, 1 << 16),
    INT(num_hidden_layers, 1, 512),
    INT(num_attention_heads, 1, 1024),
    INT(intermediate_size, 1, 1 << 20),
    INT(max_position_embeddings, 1, 1 << 20),
    INT(type_vocab_size, 0, 1024),
    INT(decoder_attention_heads, 1, 1024),
    INT(decoder_ffn_dim, 1, 1 << 20),
    INT(relative_attention_num_buckets, 4, 1 << 16),
    INT(relative_attention_max_distance, 1, 1 << 20),
    INT(global_attn_every_n_layers, 1, 1024),
    INT(local_attention, 2, 1 << 20),
    INT(embedding_size, 1, 1 << 16),
    INT(num_hidden_groups, 1, 512),
    INT(inner_group_num, 1, 512),
    INT(max_relative_positions, -1, 1 << 20),
    INT(position_buckets, -1, 1 << 20),
    INT(attention_head_size, 1, 1 << 16),
    INT(pooler_hidden_size, 1, 1 << 16),
    INT(conv_kernel_size, 0, 255),
    INT(conv_groups, 1, 1 << 16),
    FIELD(conv_act, KEY_ACT),
    FIELD(pos_att_type, KEY_POS_ATT),
    FIELD(norm_rel_ebd, KEY_NORM_REL),
    FIELD(relative_attention, KEY_BOOL),
    FIELD(share_att_key, KEY_BOOL),
    FIELD(position_biased_input, KEY_BOOL),
    FIELD(pad_token_id, KEY_OPTIONAL_ID),
    FIELD(eos_token_id, KEY_OPTIONAL_ID),
    FIELD(decoder_start_token_id, KEY_OPTIONAL_ID),
    FIELD(scale_embedding, KEY_BOOL),
    FIELD(tie_word_embeddings, KEY_BOOL),
    FIELD(scale_decoder_outputs, KEY_BOOL),
    FIELD(transformers_version, KEY_VERSION),
    FIELD(layer_norm_eps, KEY_F64),
    {"rope_theta", KEY_F64, offsetof(struct config, rope[0].theta), 0, 0},
    {"local_rope_theta", KEY_F64, offsetof(struct config, rope[1].theta), 0, 0},
    {"rope_scaling", KEY_ROPE, 0, 0, 0},
    {"rope_parameters", KEY_ROPE, 0, 0, 0},
    {"feed_forward_proj", KEY_FEED_FORWARD, 0, 0, 0},
    {"layer_types", KEY_LAYER_TYPES, 0, 0, 0},
    {"attention_window", KEY_WINDOWS, 0, 0, 0},
    FIELD(query_pre_attn_scalar, KEY_OPTIONAL_F64),
    FIELD(attn_logit_softcapping, KEY_OPTIONAL_F64),
    FIELD(final_logit_softcapping, KEY_OPTIONAL_F64),
    FIELD(use_sliding_window, KEY_BOOL),
    FIELD(scale_attn_weights, KEY_BOOL),
    FIELD(scale_attn_by_inverse_layer_idx, KEY_BOOL),
    FIELD(share_encoder_decoder_embeddings, KEY_BOOL),
    INT(max_decoder_position_embeddings, 1, 1 << 20),
    INT(sliding_window_pattern, 1, 1024),
    INT(max_window_layers, 0, 1024),
#define OPTIONAL(field, hi) {#field, KEY_OPTIONAL_INT, offsetof(struct config, field), 0, (hi)}
    OPTIONAL(sliding_window, 1 << 24),
    OPTIONAL(decoder_vocab_size, 1 << 24),
    OPTIONAL(inner_size, 1 << 20),
    OPTIONAL(decoder_layers, 512),
    OPTIONAL(num_key_value_heads, 1024),
    OPTIONAL(head_dim, 1 << 16),
#undef OPTIONAL
    FIELD(hidden_act, KEY_ACT),
    FIELD(classifier_activation, KEY_ACT),
    FIELD(position_embedding_type, KEY_POSITION),
    FIELD(attention_bias, KEY_BOOL),
    FIELD(mlp_bias, KEY_BOOL),
    FIELD(norm_bias, KEY_BOOL),
    FIELD(classifier_bias, KEY_BOOL),
    {"classifier_pooling", KEY_POOLING, offsetof(struct config, classifier_mean), 0, 0},
    /* Anything but null, false and an empty list or object is refused. */
    {"auto_map", KEY_REFUSED, 0, 0, 0},
    {"quantization_config", KEY_REFUSED, 0, 0, 0},
    {"partial_rotary_factor", KEY_REFUSED, 0, 0, 0},
    {"pruned_heads", KEY_REFUSED, 0, 0, 0},
    {"is_decoder", KEY_REFUSED, 0, 0, 0},
    {"add_cross_attention", KEY_REFUSED, 0, 0, 0},
    {"talking_head", KEY_REFUSED, 0, 0, 0},
#undef INT
#undef FIELD
};
/* clang-format on */

static const struct {
    const char *name;
    enum tm_act act;
} activations[] = {
    {"gelu", TM_ACT_GELU_ERF},
    {"gelu_python", TM_ACT_GELU_ERF},
    {"gelu_new", TM_ACT_GELU_TANH},
    {"gelu_pytorch_tanh", TM_ACT_GELU_TANH},
    {"gelu_fast", TM_ACT_GELU_TANH},
    {"gelu_python_tanh", TM_ACT_GELU_TANH},
    {"gelu_accurate", TM_ACT_GELU_TANH},
    {"quick_gelu", TM_ACT_QUICK_GELU},
    {"relu", TM_ACT_RELU},
    {"silu", TM_ACT_SILU},
    {"swish", TM_ACT_SILU},
    {"tanh", TM_ACT_TANH},
    {"linear", TM_ACT_NONE},
};

bool config_activation(const char *name, enum tm_act *ret_act)
{
    for (size_t i = 0; i < TM_COUNTOF(activations); i++) {
        if (strcmp(activations[i].name, name) == 0) {
            *ret_act = activations[i].act;
            return true;
        }
    }
    return false;
}

static enum tm_status read_word(struct tm_json *j, const struct key *key, void *field,
                                struct tm_err *err)
{
    static const char *const positions[] = {
        [POSITION_ABSOLUTE] = "absolute",
        [POSITION_RELATIVE_KEY] = "relative_key",
        [POSITION_RELATIVE_KEY_QUERY] = "relative_key_query",
    };
    const char *text;
    size_t len;
    enum tm_status s = tm_json_string(j, &text, &len, err);
    if (s != TM_OK)
        return s;
    if (key->type == KEY_ACT && config_activation(text, field))
        return TM_OK;
    for (size_t i = 0; key->type == KEY_POSITION && i < TM_COUNTOF(positions); i++) {
        if (strcmp(text, positions[i]) == 0) {
            *(enum position_type *)field = (enum position_type)i;
            return TM_OK;
        }
    }
    if (key->type == KEY_POOLING && (strcmp(text, "cls") == 0 || strcmp(text, "mean") == 0)) {
        *(bool *)field = text[0] == 'm';
        return TM_OK;
    }
    return tm_json_fail(j, TM_UNSUPPORTED, err, "%s \"%s\" is not supported", key->name, text);
}

/* One of "c2p" and "p2c", or several as "c2p|p2c". */
static enum tm_status add_pos_att(struct tm_json *j, const char *text, int32_t *field,
                                  struct tm_err *err)
{
    for (const char *at = text; *at != '\0';) {
        at += strspn(at, " |");
        size_t n = strcspn(at, " |");
        if (n == 3 && strncmp(at, "c2p", n) == 0)
            *field |= POS_ATT_C2P;
        else if (n == 3 && strncmp(at, "p2c", n) == 0)
            *field |= POS_ATT_P2C;
        else if (n > 0)
            return tm_json_fail(j, TM_UNSUPPORTED, err, "pos_att_type \"%.*s\" is not supported",
                                (int)n, at);
        at += n;
    }
    return TM_OK;
}

static enum tm_status read_pos_att(struct tm_json *j, int32_t *field, struct tm_err *err)
{
    struct tm_json_event ev;
    enum tm_status s = tm_json_next(j, &ev, err);
    *field = 0;
    if (s != TM_OK || ev.type == TM_JSON_NULL)
        return s;
    if (ev.type == TM_JSON_STRING)
        return add_pos_att(j, ev.text, field, err);
    if (ev.type != TM_JSON_ARRAY)
        return tm_json_fail(j, TM_MODEL, err, "pos_att_type is not a list");
    while (s == TM_OK && (s = tm_json_next(j, &ev, err)) == TM_OK && ev.type == TM_JSON_STRING)
        s = add_pos_att(j, ev.text, field, err);
    if (s == TM_OK && ev.type != TM_JSON_ARRAY_END)
        s = tm_json_fail(j, TM_MODEL, err, "pos_att_type holds something that is no name");
    return s;
}

static enum tm_status read_norm_rel(struct tm_json *j, bool *field, struct tm_err *err)
{
    const char *text;
    size_t len;
    enum tm_status s = tm_json_string(j, &text, &len, err);
    if (s == TM_OK)
        *field = strstr(text, "layer_norm") != NULL;
    return s;
}

/* "5.2.0": 5. */
static enum tm_status read_version(struct tm_json *j, int32_t *field, struct tm_err *err)
{
    struct tm_json_event ev;
    int64_t n = 0;
    enum tm_status s = tm_json_next(j, &ev, err);
    if (s != TM_OK || ev.type != TM_JSON_STRING)
        return s == TM_OK && ev.type != TM_JSON_NULL
                   ? tm_json_fail(j, TM_MODEL, err, "transformers_version is not a text")
                   : s;
    if (tm_json_number_i64(ev.text, strspn(ev.text, "0123456789"), &n) && n <= INT32_MAX)
        *field = (int32_t)n;
    return TM_OK;
}

/* -1 and null mean none; of a list the first counts. */
static enum tm_status read_optional_id(struct tm_json *j, int32_t *field, struct tm_err *err)
{
    struct tm_json_event ev;
    int64_t n = -1;
    enum tm_status s = tm_json_next(j, &ev, err);
    if (s == TM_OK && ev.type == TM_JSON_ARRAY) {
        s = read_optional_id(j, field, err);
        while (s == TM_OK && (s = tm_json_next(j, &ev, err)) == TM_OK && ev.type == TM_JSON_NUMBER)
            ;
        if (s == TM_OK && ev.type != TM_JSON_ARRAY_END)
            s = tm_json_fail(j, TM_MODEL, err, "not a list of token ids");
        return s;
    }
    if (s != TM_OK)
        return s;
    if (ev.type != TM_JSON_NULL &&
        (ev.type != TM_JSON_NUMBER || !tm_json_number_i64(ev.text, ev.len, &n) || n < -1 ||
         n > INT32_MAX))
        return tm_json_fail(j, TM_MODEL, err, "not a token id");
    *field = (int32_t)n;
    return TM_OK;
}

static enum tm_status read_optional(struct tm_json *j, const struct key *key, void *field,
                                    struct tm_err *err)
{
    struct tm_json_event ev;
    int64_t n = 0;
    double f = 0;
    bool whole = key->type == KEY_OPTIONAL_INT;
    enum tm_status s = tm_json_next(j, &ev, err);
    if (s != TM_OK)
        return s;
    bool good = ev.type == TM_JSON_NULL ||
                (ev.type == TM_JSON_NUMBER &&
                 (whole ? tm_json_number_i64(ev.text, ev.len, &n) && n >= 0 && n <= key->hi
                        : tm_json_number_f64(ev.text, ev.len, &f) && isfinite(f) && f > 0));
    if (!good)
        return tm_json_fail(j, TM_MODEL, err, "%s is out of range", key->name);
    if (whole)
        *(int32_t *)field = (int32_t)n;
    else
        *(double *)field = f;
    return TM_OK;
}

/* "relu", "gated-gelu" …; T5 means the other GELU where it is gated. */
static enum tm_status read_feed_forward(struct tm_json *j, struct config *c, struct tm_err *err)
{
    const char *text;
    size_t len;
    enum tm_status s = tm_json_string(j, &text, &len, err);
    if (s != TM_OK)
        return s;
    c->gated = strncmp(text, "gated-", 6) == 0;
    const char *act = strcmp(text, "gated-gelu") == 0 ? "gelu_new" : c->gated ? text + 6 : text;
    return config_activation(act, &c->hidden_act)
               ? TM_OK
               : tm_json_fail(j, TM_UNSUPPORTED, err, "feed_forward_proj \"%s\" is not supported",
                              text);
}

static enum tm_status read_value(struct tm_json *j, const struct key *key, struct config *c,
                                 struct tm_arena *arena, struct tm_err *err)
{
    void *field = (char *)c + key->offset;
    int64_t n;
    double f;
    enum tm_status s = TM_OK;
    switch (key->type) {
    case KEY_INT:
        s = tm_json_i64(j, &n, err);
        if (s == TM_OK && (n < key->lo || n > key->hi))
            return tm_json_fail(j, TM_MODEL, err, "%s is %lld, outside %lld to %lld", key->name,
                                (long long)n, (long long)key->lo, (long long)key->hi);
        if (s == TM_OK)
            *(int32_t *)field = (int32_t)n;
        return s;
    case KEY_F64:
        s = tm_json_f64(j, &f, err);
        if (s == TM_OK && !(isfinite(f) && f > 0))
            return tm_json_fail(j, TM_MODEL, err, "%s is not positive", key->name);
        if (s == TM_OK)
            *(double *)field = f;
        return s;
    case KEY_BOOL:
        return tm_json_bool(j, field, err);
    case KEY_OPTIONAL_ID:
        return read_optional_id(j, field, err);
    case KEY_REFUSED:
        return json_refuse(j, key->name, err);
    case KEY_OPTIONAL_INT:
    case KEY_OPTIONAL_F64:
        return read_optional(j, key, field, err);
    case KEY_FEED_FORWARD:
        return read_feed_forward(j, c, err);
    case KEY_ROPE:
        return rope_read(j, c->rope, err);
    case KEY_LAYER_TYPES:
        return layer_types_read(j, arena, c, err);
    case KEY_WINDOWS:
        return windows_read(j, arena, c, err);
    case KEY_POS_ATT:
        return read_pos_att(j, field, err);
    case KEY_NORM_REL:
        return read_norm_rel(j, field, err);
    case KEY_VERSION:
        return read_version(j, field, err);
    case KEY_ACT:
    case KEY_POSITION:
    case KEY_POOLING:
        return read_word(j, key, field, err);
    }
    return s;
}

static const struct key *find_key(const struct family *f, const char *name)
{
    for (const struct key_alias *a = f->aliases; a->theirs != NULL; a++) {
        if (strcmp(a->theirs, name) == 0) {
            if (a->ours == NULL)
                return NULL;
            name = a->ours;
            break;
        }
    }
    for (size_t i = 0; i < TM_COUNTOF(keys); i++)
        if (strcmp(keys[i].name, name) == 0)
            return &keys[i];
    return NULL;
}

enum tm_status config_key_read(struct tm_json *j, const char *name, struct config *c,
                               struct tm_arena *arena, bool *ret_known, struct tm_err *err)
{
    const struct key *key = find_key(c->family, name);
    *ret_known = key != NULL;
    return key != NULL ? read_value(j, key, c, arena, err) : TM_OK;
}
