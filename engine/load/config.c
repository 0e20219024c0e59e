/* config.json to struct config: which family and class it is, then its keys over the defaults of
 * the family's row.
 *
 * Called by model.c while a model is opened. A key that config_keys.c does not have is passed over,
 * except those that change what the model computes: they are refused by name. */
#include "config_parts.h"
#include "families.h"
#include "json_file.h"

#include <string.h>

static const char file_name[] = "config.json";

struct reading {
    struct config *c;
    struct tm_arena *arena;
    int64_t num_labels; /* 0: not there */
};

static enum tm_status read_key(void *arg, struct tm_json *j, const char *name, struct tm_err *err)
{
    struct reading *r = arg;
    bool known;
    enum tm_status s = config_key_read(j, name, r->c, r->arena, &known, err);
    if (known)
        return s;
    if (strcmp(name, "id2label") == 0)
        return labels_read(j, r->c, r->arena, err);
    if (strcmp(name, "problem_type") == 0)
        return problem_read(j, r->c, err);
    if (strcmp(name, "num_labels") != 0)
        return tm_json_skip(j, err);
    s = tm_json_i64(j, &r->num_labels, err);
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

/* transformers 5 writes tie_word_embeddings for every T5. What it meant is that outputs are scaled,
 * which it says apart; of mT5, whose outputs never were, it says nothing. */
static void outputs_settle(struct config *c)
{
    bool never = c->transformers_version >= 5 && !c->family->defaults.tie_word_embeddings;
    if (c->family->scaled_output && (never || !c->scale_decoder_outputs))
        c->tie_word_embeddings = false;
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
    sizes_settle(&c);
    outputs_settle(&c);
    if (s == TM_OK)
        s = find_head(&r, err);
    int32_t n_labels = r.num_labels > 0 ? (int32_t)r.num_labels : c.n_labels > 0 ? c.n_labels : 2;
    if (s == TM_OK && c.labels == NULL)
        s = config_make_labels(&c, n_labels, arena, err);
    if (s == TM_OK)
        s = check(&c, err);
    if (s != TM_OK)
        return s;
    problem_settle(&c);
    *ret_config = c;
    return TM_OK;
}
