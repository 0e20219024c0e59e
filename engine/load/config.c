/* config.json to struct config: one table of keys, defaults and aliases from the family's row.
 *
 * Called by model.c while a model is opened. A key that nothing here reads is passed over, except
 * those that change what the model computes: they are refused by name. */
#include "config.h"
#include "families.h"
#include "json_file.h"
#include "rope.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

enum { LABELS_MOST = 1 << 20 };

/* ---- the keys ---- */

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
    case KEY_ACT:
    case KEY_POSITION:
    case KEY_POOLING:
        return read_word(j, key, field, err);
    }
    return s;
}

/* ---- labels and problem_type ---- */

/* {"0": "NEGATIVE", …}: every number from 0 once, in any order. */
static enum tm_status read_labels(struct tm_json *j, struct config *c, struct tm_arena *arena,
                                  struct tm_err *err)
{
    struct tm_json_event ev;
    int32_t room = 0, n = 0;
    const char **labels = NULL;
    enum tm_status s = tm_json_next(j, &ev, err);
    if (s == TM_OK && ev.type == TM_JSON_NULL)
        return TM_OK;
    if (s == TM_OK && ev.type != TM_JSON_OBJECT)
        return tm_json_fail(j, TM_MODEL, err, "id2label is not an object");
    while (s == TM_OK && (s = tm_json_next(j, &ev, err)) == TM_OK && ev.type == TM_JSON_KEY) {
        int64_t id;
        if (!tm_json_number_i64(ev.text, ev.len, &id) || id < 0 || id >= LABELS_MOST)
            return tm_json_fail(j, TM_MODEL, err, "id2label: \"%s\" is not a label's number",
                                ev.text);
        if (id >= room) {
            int32_t more = (int32_t)TM_MAX(id + 1, 2 * (int64_t)room);
            const char **bigger = tm_arena_array(arena, (size_t)more, sizeof *bigger);
            if (bigger == NULL)
                return tm_err_set(err, TM_NOMEM, "labels");
            if (room > 0)
                memcpy(bigger, labels, (size_t)room * sizeof *labels);
            labels = bigger;
            room = more;
        }
        if (labels[id] != NULL)
            return tm_json_fail(j, TM_MODEL, err, "id2label names %lld twice", (long long)id);
        s = tm_json_next(j, &ev, err);
        if (s == TM_OK && ev.type != TM_JSON_STRING && ev.type != TM_JSON_NUMBER)
            return tm_json_fail(j, TM_MODEL, err, "id2label: label %lld is not a string",
                                (long long)id);
        if (s == TM_OK && (labels[id] = tm_arena_strndup(arena, ev.text, ev.len)) == NULL)
            return tm_err_set(err, TM_NOMEM, "labels");
        n++;
    }
    for (int32_t i = 0; s == TM_OK && i < n; i++)
        if (labels[i] == NULL)
            return tm_json_fail(j, TM_MODEL, err, "id2label leaves out %d", i);
    c->labels = labels;
    c->n_labels = n;
    return s;
}

static enum tm_status read_problem(struct tm_json *j, struct config *c, struct tm_err *err)
{
    static const char *const names[] = {
        [TM_PROBLEM_SINGLE_LABEL] = "single_label_classification",
        [TM_PROBLEM_MULTI_LABEL] = "multi_label_classification",
        [TM_PROBLEM_REGRESSION] = "regression",
    };
    struct tm_json_event ev;
    enum tm_status s = tm_json_next(j, &ev, err);
    if (s != TM_OK || ev.type == TM_JSON_NULL)
        return s;
    for (size_t i = 0; ev.type == TM_JSON_STRING && i < TM_COUNTOF(names); i++) {
        if (strcmp(names[i], ev.text) == 0) {
            c->problem = (enum tm_problem)i;
            c->problem_given = true;
            return TM_OK;
        }
    }
    return tm_json_fail(j, TM_MODEL, err, "unknown problem_type");
}

/* ---- the file ---- */

static const char file_name[] = "config.json";

struct reading {
    struct config *c;
    struct tm_arena *arena;
    int64_t num_labels; /* 0: not there */
};

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

static enum tm_status read_key(void *arg, struct tm_json *j, const char *name, struct tm_err *err)
{
    struct reading *r = arg;
    const struct key *key = find_key(r->c->family, name);
    if (key != NULL)
        return read_value(j, key, r->c, r->arena, err);
    if (strcmp(name, "id2label") == 0)
        return read_labels(j, r->c, r->arena, err);
    if (strcmp(name, "problem_type") == 0)
        return read_problem(j, r->c, err);
    if (strcmp(name, "num_labels") != 0)
        return tm_json_skip(j, err);
    enum tm_status s = tm_json_i64(j, &r->num_labels, err);
    if (s == TM_OK && (r->num_labels < 1 || r->num_labels > LABELS_MOST))
        s = tm_json_fail(j, TM_MODEL, err, "num_labels is out of range");
    return s;
}

/* The first pass: which family, which class. */
static enum tm_status read_identity(void *arg, struct tm_json *j, const char *name,
                                    struct tm_err *err)
{
    struct reading *r = arg;
    struct tm_json_event ev;
    const char *text;
    size_t len;
    if (strcmp(name, "model_type") == 0) {
        enum tm_status s = tm_json_string(j, &text, &len, err);
        if (s != TM_OK || (r->c->family = family_find(text)) != NULL)
            return s;
        char known[512];
        family_names(known, sizeof known);
        return tm_json_fail(j, TM_UNSUPPORTED, err, "model_type \"%s\" is not among %s", text,
                            known);
    }
    if (strcmp(name, "architectures") != 0)
        return tm_json_skip(j, err);
    enum tm_status s = tm_json_next(j, &ev, err);
    if (s == TM_OK && ev.type == TM_JSON_NULL)
        return TM_OK;
    if (s == TM_OK && ev.type != TM_JSON_ARRAY)
        return tm_json_fail(j, TM_MODEL, err, "architectures is not a list");
    while (s == TM_OK && (s = tm_json_next(j, &ev, err)) == TM_OK && ev.type == TM_JSON_STRING)
        if (r->c->architecture == NULL &&
            (r->c->architecture = tm_arena_strndup(r->arena, ev.text, ev.len)) == NULL)
            return tm_err_set(err, TM_NOMEM, "architectures");
    if (s == TM_OK && ev.type != TM_JSON_ARRAY_END)
        s = tm_json_fail(j, TM_MODEL, err, "architectures holds something that is no name");
    return s;
}

/* What comes after the family's prefix in a class's name. Models under pre-training heads are taken
 * without them: sentence-transformers and adapters name them so. */
static const struct {
    const char *suffix;
    enum tm_head head;
    const char *task; /* PEFT's task_type; NULL: none */
} architectures[] = {
    {"Model", TM_HEAD_EMBEDDING, "FEATURE_EXTRACTION"},
    {"ForSequenceClassification", TM_HEAD_SEQUENCE, "SEQ_CLS"},
    {"ForTokenClassification", TM_HEAD_TOKEN, "TOKEN_CLS"},
    {"ForQuestionAnswering", TM_HEAD_SPAN, "QUESTION_ANS"},
    {"ForConditionalGeneration", TM_HEAD_GENERATE, "SEQ_2_SEQ_LM"},
    {"ForCausalLM", TM_HEAD_GENERATE, "CAUSAL_LM"},
    {"LMHeadModel", TM_HEAD_GENERATE, NULL},
    {"MTModel", TM_HEAD_GENERATE, NULL},
    {"EncoderModel", TM_HEAD_EMBEDDING, NULL},
    {"TextModel", TM_HEAD_EMBEDDING, NULL},
    {"ForMaskedLM", TM_HEAD_EMBEDDING, NULL},
    {"ForPreTraining", TM_HEAD_EMBEDDING, NULL},
};

static enum tm_status find_head(struct reading *r, struct tm_err *err)
{
    struct config *c = r->c;
    const char *prefix = c->family->class_prefix;
    size_t n = strlen(prefix);
    if (c->architecture == NULL &&
        (c->architecture = tm_arena_printf(r->arena, "%sModel", prefix)) == NULL)
        return tm_err_set(err, TM_NOMEM, "%s", file_name);
    for (size_t i = 0; i < TM_COUNTOF(architectures); i++) {
        if (strncmp(c->architecture, prefix, n) == 0 &&
            strcmp(c->architecture + n, architectures[i].suffix) == 0) {
            c->head = architectures[i].head;
            c->encoder_only = strcmp(architectures[i].suffix, "EncoderModel") == 0 ||
                              (c->head == TM_HEAD_TOKEN && c->family->decoder != NULL);
            if (family_head(c->family, c->head) != NULL)
                return TM_OK;
        }
    }
    return tm_err_set(err, TM_UNSUPPORTED, "%s: architecture %s of model_type %s is not supported",
                      file_name, c->architecture, c->family->model_type);
}

enum tm_status config_set_task(struct config *c, const char *task_type, struct tm_arena *arena,
                               struct tm_err *err)
{
    for (size_t i = 0; i < TM_COUNTOF(architectures); i++) {
        if (architectures[i].task == NULL || strcmp(architectures[i].task, task_type) != 0 ||
            family_head(c->family, architectures[i].head) == NULL)
            continue;
        c->head = architectures[i].head;
        c->architecture =
            tm_arena_printf(arena, "%s%s", c->family->class_prefix, architectures[i].suffix);
        return c->architecture != NULL ? TM_OK : tm_err_set(err, TM_NOMEM, "architecture");
    }
    return tm_err_set(err, TM_UNSUPPORTED, "adapter_config.json: task_type %s is not supported",
                      task_type);
}

static void settle_problem(struct config *c)
{
    if (!c->problem_given)
        c->problem = c->n_labels == 1 ? TM_PROBLEM_MULTI_LABEL : TM_PROBLEM_SINGLE_LABEL;
}

enum tm_status config_make_labels(struct config *c, int32_t n, struct tm_arena *arena,
                                  struct tm_err *err)
{
    c->labels = tm_arena_array(arena, (size_t)TM_MAX(n, 1), sizeof *c->labels);
    for (int32_t i = 0; c->labels != NULL && i < n; i++)
        if ((c->labels[i] = tm_arena_printf(arena, "LABEL_%d", i)) == NULL)
            return tm_err_set(err, TM_NOMEM, "labels");
    c->n_labels = n;
    settle_problem(c);
    return c->labels != NULL ? TM_OK : tm_err_set(err, TM_NOMEM, "labels");
}

static enum tm_status check(const struct config *c, struct tm_err *err)
{
    const struct stack stacks[] = {config_encoder(c), config_decoder(c)};
    for (size_t i = 0; i < TM_COUNTOF(stacks); i++) {
        const struct stack *s = &stacks[i];
        if (c->head_dim == 0 && c->hidden_size % s->heads != 0)
            return tm_err_set(err, TM_MODEL, "%s: hidden_size %d is no multiple of %d heads",
                              file_name, c->hidden_size, s->heads);
        if (s->heads % s->kv_heads != 0)
            return tm_err_set(err, TM_MODEL, "%s: %d heads are no multiple of %d key-value heads",
                              file_name, s->heads, s->kv_heads);
        if (c->family->rotary && s->head_dim % 2 != 0)
            return tm_err_set(err, TM_MODEL, "%s: heads of %d, rotary positions need an even width",
                              file_name, s->head_dim);
    }
    if (c->family->pad_offset && c->family->fixed_pad < 0 && c->pad_token_id < 0)
        return tm_err_set(err, TM_MODEL, "%s: pad_token_id is missing, positions count from it",
                          file_name);
    if ((c->attention_head_size != 0 &&
         c->attention_head_size * c->num_attention_heads != c->hidden_size) ||
        (c->pooler_hidden_size != 0 && c->pooler_hidden_size != c->hidden_size))
        return tm_err_set(err, TM_UNSUPPORTED,
                          "%s: attention_head_size or pooler_hidden_size does not go with "
                          "hidden_size",
                          file_name);
    if (c->type_vocab_size < 1 && c->family->defaults.type_vocab_size > 0)
        return tm_err_set(err, TM_MODEL, "%s: type_vocab_size is 0", file_name);
    if (c->conv_kernel_size > 0 &&
        (c->conv_kernel_size % 2 == 0 || c->hidden_size % c->conv_groups != 0))
        return tm_err_set(err, TM_MODEL, "%s: a convolution of %d in %d groups", file_name,
                          c->conv_kernel_size, c->conv_groups);
    if (c->n_layer_types > 0 && c->n_layer_types != c->num_hidden_layers)
        return tm_err_set(err, TM_MODEL, "%s: %d layer_types of %d layers", file_name,
                          c->n_layer_types, c->num_hidden_layers);
    if (c->family->shape != SHAPE_DECODER &&
        (c->rope[0].type != ROPE_DEFAULT || c->rope[1].type != ROPE_DEFAULT))
        return tm_err_set(err, TM_UNSUPPORTED, "%s: models with rope_scaling", file_name);
    for (size_t i = 0; i < TM_COUNTOF(c->rope); i++) {
        const struct rope *r = &c->rope[i];
        bool bands = r->low_freq_factor > 0 && r->high_freq_factor > r->low_freq_factor &&
                     r->original_max_position_embeddings > 0;
        if (r->type != ROPE_DEFAULT && (r->factor < 1 || (r->type == ROPE_LLAMA3 && !bands)))
            return tm_err_set(err, TM_MODEL, "%s: rotary positions without a factor of at least 1",
                              file_name);
    }
    int32_t farthest =
        c->max_relative_positions > 0 ? c->max_relative_positions : c->max_position_embeddings;
    if (c->position_buckets > 0 &&
        (c->position_buckets < 4 || farthest - 1 <= c->position_buckets / 2))
        return tm_err_set(err, TM_MODEL, "%s: %d position_buckets up to position %d", file_name,
                          c->position_buckets, farthest);
    if (config_max_length(c) < 1)
        return tm_err_set(err, TM_MODEL, "%s: max_position_embeddings leaves no position",
                          file_name);
    return TM_OK;
}

static struct stack stack_of(const struct config *c, int32_t first, int32_t layers, int32_t heads)
{
    return (struct stack){
        .first = first,
        .layers = layers,
        .heads = heads,
        .kv_heads = c->num_key_value_heads > 0 ? c->num_key_value_heads : heads,
        .head_dim = c->head_dim > 0 ? c->head_dim : c->hidden_size / heads,
        .own = layers,
    };
}

struct stack config_encoder(const struct config *c)
{
    int32_t layers = c->family->shape == SHAPE_DECODER ? 0 : c->num_hidden_layers;
    struct stack s = stack_of(c, 0, layers, c->num_attention_heads);
    if (c->family->shared_layers) {
        s.layers = c->num_hidden_layers * c->inner_group_num;
        s.own = c->num_hidden_groups * c->inner_group_num;
    }
    return s;
}

struct stack config_decoder(const struct config *c)
{
    switch (c->family->shape) {
    case SHAPE_ENCODER:
        break;
    case SHAPE_DECODER:
        return stack_of(c, 0, c->num_hidden_layers, c->num_attention_heads);
    case SHAPE_ENCODER_DECODER:
        if (c->encoder_only)
            break;
        return stack_of(c, c->num_hidden_layers, c->decoder_layers, c->decoder_attention_heads);
    }
    return stack_of(c, 0, 0, c->num_attention_heads);
}

int32_t config_own_layer(const struct config *c, int32_t layer)
{
    if (!c->family->shared_layers)
        return layer;
    double share = (double)c->num_hidden_layers / c->num_hidden_groups;
    int32_t group = (int32_t)(layer / c->inner_group_num / share); /* the reference's division */
    return group * c->inner_group_num + layer % c->inner_group_num;
}

int32_t config_span(const struct config *c)
{
    if (c->position_buckets > 0)
        return c->position_buckets;
    return c->max_relative_positions > 0 ? c->max_relative_positions : c->max_position_embeddings;
}

int32_t config_max_length(const struct config *c)
{
    const struct family *f = c->family;
    if (!f->pad_offset)
        return c->max_position_embeddings;
    return c->max_position_embeddings + f->position_offset -
           (f->fixed_pad >= 0 ? f->fixed_pad : c->pad_token_id) - 1;
}

int32_t config_decoder_positions(const struct config *c)
{
    return c->max_decoder_position_embeddings > 0 ? c->max_decoder_position_embeddings
                                                  : config_max_length(c);
}

int32_t config_output_size(const struct config *c)
{
    return c->decoder_vocab_size > 0 ? c->decoder_vocab_size : c->vocab_size;
}

bool config_is_local(const struct config *c, int32_t i)
{
    if (c->n_layer_types > 0)
        return i < c->n_layer_types && c->layer_types[i] != 0;
    switch (c->family->locality) {
    case LOCAL_NONE:
        return false;
    case LOCAL_EVERY:
        return c->local_attention > 0 ? i % c->global_attn_every_n_layers != 0
                                      : (i + 1) % c->sliding_window_pattern != 0;
    case LOCAL_UPPER:
        return c->use_sliding_window && i >= c->max_window_layers;
    case LOCAL_ALL:
    case LOCAL_LED:
        return true;
    }
    return false;
}

int32_t config_window(const struct config *c, bool decoder, int32_t i)
{
    if (!config_is_local(c, i))
        return 0;
    if (c->family->locality == LOCAL_LED)
        return decoder ? 0 : (i < c->n_windows ? c->windows[i] : c->attention_window) / 2;
    return c->local_attention > 0 ? c->local_attention / 2 : TM_MAX(c->sliding_window - 1, 0);
}

/* Sizes that follow from others where the file leaves them out. */
static void settle_sizes(struct config *c)
{
    if (c->decoder_layers == 0)
        c->decoder_layers = c->num_hidden_layers;
    if (c->decoder_attention_heads == 0)
        c->decoder_attention_heads = c->num_attention_heads;
    if (c->intermediate_size == 0)
        c->intermediate_size = c->inner_size > 0 ? c->inner_size : 4 * c->hidden_size;
    if (c->decoder_ffn_dim == 0)
        c->decoder_ffn_dim = c->intermediate_size;
    if (c->family->decoder == NULL || c->share_encoder_decoder_embeddings)
        c->decoder_vocab_size = 0;
}

enum tm_status config_read(const char *folder, struct tm_arena *arena, struct config *ret_config,
                           struct tm_err *err)
{
    struct config c = {.family = NULL};
    struct reading r = {.c = &c, .arena = arena};
    enum tm_status s = json_file(folder, file_name, read_identity, &r, err);
    if (s == TM_OK && c.family == NULL)
        s = tm_err_set(err, TM_MODEL, "%s: no model_type", file_name);
    if (s != TM_OK)
        return s;
    const struct family *family = c.family;
    const char *architecture = c.architecture;
    c = family->defaults;
    c.family = family;
    c.architecture = architecture;
    s = json_file(folder, file_name, read_key, &r, err);
    settle_sizes(&c);
    if (s == TM_OK)
        s = find_head(&r, err);
    int32_t n_labels = r.num_labels > 0 ? (int32_t)r.num_labels : c.n_labels > 0 ? c.n_labels : 2;
    if (s == TM_OK && c.labels == NULL)
        s = config_make_labels(&c, n_labels, arena, err);
    if (s == TM_OK)
        s = check(&c, err);
    if (s != TM_OK)
        return s;
    settle_problem(&c);
    *ret_config = c;
    return TM_OK;
}
