/* GGUF models as Hugging Face knows them: tensors under their names, config.json from the values.
 *
 * Called by tensors.c when a set is opened, and for its configuration. llama.cpp's converter
 * (convert_hf_to_gguf.py) is what is undone here: rows of q and k of the llama architecture are
 * interleaved, Gemma's norms are stored with 1 added, GPT-2's Conv1D matrices lie transposed. An
 * architecture is a row of `architectures`. */
#include "gguf.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ARENA_MOST = 256 << 20, NAME_ROOM = 256, ROPE_MOST = 1024 };

enum change { PLAIN, ROTARY_Q, ROTARY_K, TURNED };

struct name_row { /* without .weight and .bias */
    const char *theirs, *ours;
    enum change change;
};

struct key_row {
    const char *theirs, *ours; /* theirs without "ARCHITECTURE." */
    bool required;
};

struct architecture {
    const char *name, *model_type, *class;
    const struct name_row *names; /* ends with NULL */
    const struct key_row *keys;   /* ends with NULL */
    const char *more;             /* members of config.json that no value says; "" or with comma */
    bool interleaved;             /* q and k, as ROTARY_Q and ROTARY_K say */
    float norm_add;
};

/* ---- the tables ---- */

#define LLAMA_NAMES                                                                                \
    {"token_embd", "model.embed_tokens", PLAIN}, {"output_norm", "model.norm", PLAIN},             \
        {"output", "lm_head", PLAIN},                                                              \
        {"blk.{i}.attn_norm", "model.layers.{i}.input_layernorm", PLAIN},                          \
        {"blk.{i}.attn_q", "model.layers.{i}.self_attn.q_proj", ROTARY_Q},                         \
        {"blk.{i}.attn_k", "model.layers.{i}.self_attn.k_proj", ROTARY_K},                         \
        {"blk.{i}.attn_v", "model.layers.{i}.self_attn.v_proj", PLAIN},                            \
        {"blk.{i}.attn_output", "model.layers.{i}.self_attn.o_proj", PLAIN},                       \
        {"blk.{i}.attn_q_norm", "model.layers.{i}.self_attn.q_norm", PLAIN},                       \
        {"blk.{i}.attn_k_norm", "model.layers.{i}.self_attn.k_norm", PLAIN},                       \
        {"blk.{i}.ffn_gate", "model.layers.{i}.mlp.gate_proj", PLAIN},                             \
        {"blk.{i}.ffn_up", "model.layers.{i}.mlp.up_proj", PLAIN},                                 \
    {                                                                                              \
        "blk.{i}.ffn_down", "model.layers.{i}.mlp.down_proj", PLAIN                                \
    }

static const struct name_row llama_names[] = {
    LLAMA_NAMES,
    {"blk.{i}.ffn_norm", "model.layers.{i}.post_attention_layernorm", PLAIN},
    {NULL, NULL, PLAIN},
};

static const struct name_row gemma2_names[] = {
    LLAMA_NAMES,
    {"blk.{i}.post_attention_norm", "model.layers.{i}.post_attention_layernorm", PLAIN},
    {"blk.{i}.ffn_norm", "model.layers.{i}.pre_feedforward_layernorm", PLAIN},
    {"blk.{i}.post_ffw_norm", "model.layers.{i}.post_feedforward_layernorm", PLAIN},
    {NULL, NULL, PLAIN},
};

static const struct name_row gpt2_names[] = {
    {"token_embd", "transformer.wte", PLAIN},
    {"position_embd", "transformer.wpe", PLAIN},
    {"output_norm", "transformer.ln_f", PLAIN},
    {"output", "lm_head", PLAIN},
    {"blk.{i}.attn_norm", "transformer.h.{i}.ln_1", PLAIN},
    {"blk.{i}.attn_qkv", "transformer.h.{i}.attn.c_attn", TURNED},
    {"blk.{i}.attn_output", "transformer.h.{i}.attn.c_proj", TURNED},
    {"blk.{i}.ffn_norm", "transformer.h.{i}.ln_2", PLAIN},
    {"blk.{i}.ffn_up", "transformer.h.{i}.mlp.c_fc", TURNED},
    {"blk.{i}.ffn_down", "transformer.h.{i}.mlp.c_proj", TURNED},
    {NULL, NULL, PLAIN},
};

static const struct key_row llama_keys[] = {
    {"context_length", "max_position_embeddings", true},
    {"embedding_length", "hidden_size", true},
    {"block_count", "num_hidden_layers", true},
    {"feed_forward_length", "intermediate_size", true},
    {"attention.head_count", "num_attention_heads", true},
    {"attention.head_count_kv", "num_key_value_heads", false},
    {"attention.layer_norm_rms_epsilon", "rms_norm_eps", true},
    {"attention.key_length", "head_dim", false},
    {"attention.sliding_window", "sliding_window", false},
    {"rope.freq_base", "rope_theta", false},
    {"attn_logit_softcapping", "attn_logit_softcapping", false},
    {"final_logit_softcapping", "final_logit_softcapping", false},
    {NULL, NULL, false},
};

static const struct key_row gpt2_keys[] = {
    {"context_length", "n_positions", true},
    {"embedding_length", "n_embd", true},
    {"block_count", "n_layer", true},
    {"feed_forward_length", "n_inner", true},
    {"attention.head_count", "n_head", true},
    {"attention.layer_norm_epsilon", "layer_norm_epsilon", true},
    {NULL, NULL, false},
};

static const struct key_row id_keys[] = {
    {"tokenizer.ggml.bos_token_id", "bos_token_id", false},
    {"tokenizer.ggml.eos_token_id", "eos_token_id", false},
    {"tokenizer.ggml.padding_token_id", "pad_token_id", false},
    {NULL, NULL, false},
};

/* clang-format off */
static const struct architecture architectures[] = {
    {"llama",  "llama",  "LlamaForCausalLM",  llama_names,  llama_keys, "", true,  0},
    {"qwen2",  "qwen2",  "Qwen2ForCausalLM",  llama_names,  llama_keys, "", false, 0},
    {"qwen3",  "qwen3",  "Qwen3ForCausalLM",  llama_names,  llama_keys, "", false, 0},
    {"gemma",  "gemma",  "GemmaForCausalLM",  llama_names,  llama_keys,
     "\"hidden_act\":\"gelu_pytorch_tanh\",", false, -1},
    {"gemma2", "gemma2", "Gemma2ForCausalLM", gemma2_names, llama_keys,
     "\"hidden_activation\":\"gelu_pytorch_tanh\",", false, -1},
    {"gpt2",   "gpt2",   "GPT2LMHeadModel",   gpt2_names,   gpt2_keys,  "", false, 0},
};
/* clang-format on */

/* ---- names ---- */

/* {i} of a pattern is a number; where a name matches, ret_index is that number's text. */
static bool match(const char *pattern, const char *name, size_t n, const char **ret_index,
                  size_t *ret_digits)
{
    const char *mark = strstr(pattern, "{i}");
    size_t head = mark != NULL ? (size_t)(mark - pattern) : strlen(pattern), digits = 0;
    if (n < head || memcmp(pattern, name, head) != 0)
        return false;
    while (mark != NULL && head + digits < n && name[head + digits] >= '0' &&
           name[head + digits] <= '9')
        digits++;
    *ret_index = name + head;
    *ret_digits = digits;
    const char *tail = mark != NULL ? mark + 3 : "";
    return (mark == NULL || digits > 0) && n - head - digits == strlen(tail) &&
           memcmp(name + head + digits, tail, strlen(tail)) == 0;
}

/* The name that Hugging Face has for a tensor, and its row; NULL where there is none. */
static const struct name_row *translate(const struct architecture *a, const char *name,
                                        char out[NAME_ROOM])
{
    const char *dot = strrchr(name, '.'), *index;
    size_t digits, n = dot != NULL ? (size_t)(dot - name) : 0;
    if (dot == NULL || (strcmp(dot, ".weight") != 0 && strcmp(dot, ".bias") != 0))
        return NULL;
    for (const struct name_row *row = a->names; row->theirs != NULL; row++) {
        if (!match(row->theirs, name, n, &index, &digits))
            continue;
        const char *mark = strstr(row->ours, "{i}");
        int room = mark == NULL ? snprintf(out, NAME_ROOM, "%s%s", row->ours, dot)
                                : snprintf(out, NAME_ROOM, "%.*s%.*s%s%s", (int)(mark - row->ours),
                                           row->ours, (int)digits, index, mark + 3, dot);
        return room < NAME_ROOM ? row : NULL;
    }
    return NULL;
}

/* ---- a file and its architecture ---- */

struct model {
    const struct tensor_file *file;
    struct gguf gguf;
    const struct architecture *arch;
};

static enum tm_status read_model(const struct tensor_file *f, struct tm_arena *arena,
                                 struct model *ret_model, struct tm_err *err)
{
    struct model m = {.file = f};
    enum tm_status s = gguf_read(f, arena, &m.gguf, err);
    if (s != TM_OK)
        return s;
    const struct gguf_value *name = gguf_find(&m.gguf, "general.architecture");
    if (name == NULL || name->type != GGUF_STRING)
        return tm_err_set(err, TM_MODEL, "%s: no general.architecture", f->name);
    const struct gguf_value *split = gguf_find(&m.gguf, "split.count");
    if (split != NULL && split->type <= GGUF_I32 && split->integer > 1)
        return tm_err_set(err, TM_UNSUPPORTED,
                          "%s: one of %lld parts; put them together with llama-gguf-split --merge",
                          f->name, (long long)split->integer);
    char known[128] = "";
    for (size_t i = 0, at = 0; i < TM_COUNTOF(architectures); i++) {
        if (strcmp(architectures[i].name, name->text) == 0)
            m.arch = &architectures[i];
        at += (size_t)snprintf(known + at, sizeof known - at, "%s%s", i > 0 ? ", " : "",
                               architectures[i].name);
    }
    if (m.arch == NULL)
        return tm_err_set(err, TM_UNSUPPORTED, "%s: architecture %.64s is not among %s", f->name,
                          name->text, known);
    *ret_model = m;
    return TM_OK;
}

static const struct gguf_value *find_own(const struct model *m, const char *key)
{
    char full[NAME_ROOM];
    snprintf(full, sizeof full, "%s.%s", m->arch->name, key);
    return gguf_find(&m->gguf, full);
}

static bool is_integer(const struct gguf_value *v)
{
    return v != NULL && (v->type <= GGUF_I32 || v->type == GGUF_U64 || v->type == GGUF_I64);
}

/* ---- tensors ---- */

static enum tm_status change(const struct model *m, enum change how, struct tensor *t,
                             struct tm_err *err)
{
    if (how == TURNED && t->rank == 2) {
        int64_t rows = t->shape[0], cols = t->shape[1];
        t->shape[0] = cols;
        t->shape[1] = rows;
        t->stride[0] = 1;
        t->stride[1] = cols;
        t->layout = LAYOUT_STRIDED;
    }
    if ((how != ROTARY_Q && how != ROTARY_K) || !m->arch->interleaved)
        return TM_OK;
    const struct gguf_value *heads = find_own(m, "attention.head_count");
    const struct gguf_value *kv = find_own(m, "attention.head_count_kv");
    if (how == ROTARY_K && kv != NULL)
        heads = kv;
    if (!is_integer(heads) || heads->integer < 1 || heads->integer > INT32_MAX || t->rank < 1 ||
        t->rank > 2 || t->shape[0] % (2 * heads->integer) != 0)
        return tm_err_set(err, TM_MODEL, "%s: the rows of tensor %s are no whole heads",
                          m->file->name, t->name);
    t->layout = LAYOUT_ROTARY;
    t->heads = (int32_t)heads->integer;
    return TM_OK;
}

static bool is_norm(const char *name)
{
    static const char suffix[] = "norm.weight";
    size_t n = strlen(name), end = sizeof suffix - 1;
    return n >= end && strcmp(name + n - end, suffix) == 0;
}

enum tm_status gguf_directory(struct tensor_set *set, int32_t file, struct tm_err *err)
{
    struct model m;
    TM_CLEANUP(tm_arena_destroyp) struct tm_arena *arena = tm_arena_create(ARENA_MOST);
    if (arena == NULL)
        return tm_err_set(err, TM_NOMEM, "%s", set->files[file].name);
    enum tm_status s = read_model(&set->files[file], arena, &m, err);
    for (size_t i = 0; s == TM_OK && i < m.gguf.n_tensors; i++) {
        char name[NAME_ROOM];
        struct tensor t = m.gguf.tensors[i];
        if (strcmp(t.name, "rope_freqs.weight") == 0) /* goes into the configuration */
            continue;
        const struct name_row *row = translate(m.arch, t.name, name);
        t.file = file;
        if (is_norm(t.name))
            t.add = m.arch->norm_add;
        if (row != NULL)
            s = change(&m, row->change, &t, err);
        t.name = tm_arena_strdup(set->arena, row != NULL ? name : t.name);
        t.dtype = tm_arena_strdup(set->arena, t.dtype);
        if (t.name == NULL || t.dtype == NULL)
            s = tm_err_set(err, TM_NOMEM, "%s: names of tensors", m.file->name);
        if (s == TM_OK)
            s = tensors_add(set, &t, err);
    }
    return s;
}

/* ---- config.json ---- */

static enum tm_status put_value(const struct model *m, const char *prefix,
                                const struct key_row *row, struct tm_buf *json, struct tm_err *err)
{
    char key[NAME_ROOM];
    snprintf(key, sizeof key, "%s%s%s", prefix, *prefix != '\0' ? "." : "", row->theirs);
    const struct gguf_value *v = gguf_find(&m->gguf, key);
    if (v == NULL)
        return row->required ? tm_err_set(err, TM_MODEL, "%s: no %s", m->file->name, key) : TM_OK;
    if (is_integer(v))
        tm_buf_printf(json, "\"%s\":%lld,", row->ours, (long long)v->integer);
    else if (v->type == GGUF_F32 && isfinite(v->number))
        tm_buf_printf(json, "\"%s\":%.9g,", row->ours, v->number);
    else if (v->type == GGUF_F64 && isfinite(v->number))
        tm_buf_printf(json, "\"%s\":%.17g,", row->ours, v->number);
    else
        return tm_err_set(
            err, v->type == GGUF_ARRAY ? TM_UNSUPPORTED : TM_MODEL, "%s: %s is %s", m->file->name,
            key, v->type == GGUF_ARRAY ? "a list, one for all layers is supported" : "no number");
    return TM_OK;
}

/* Llama 3's scaling is stored as a factor for each frequency. The four numbers that Hugging Face
 * computes them from (modeling_rope_utils.py, llama3) are the same in every such model but for the
 * factor: they are put in when they give the stored values. */
static enum tm_status put_llama3(const struct model *m, const struct tensor_set *set,
                                 const struct tensor *freqs, struct tm_buf *json,
                                 struct tm_err *err)
{
    const double low = 1, high = 4, context = 8192, pi = 3.14159265358979323846;
    float stored[ROPE_MOST];
    int64_t n = freqs->rank == 1 ? freqs->shape[0] : 0;
    const struct gguf_value *base = find_own(m, "rope.freq_base");
    double theta = base != NULL && base->type == GGUF_F32 ? base->number : 10000;
    if (n < 1 || n > ROPE_MOST || freqs->type != TENSOR_F32)
        return tm_err_set(err, TM_MODEL, "%s: rope_freqs.weight is misshapen", m->file->name);
    enum tm_status s = tensors_read(set, freqs, 0, n, stored, err);
    double factor = (double)stored[n - 1];
    for (int64_t i = 0; s == TM_OK && i < n; i++) {
        double length = 2 * pi * pow(theta, (double)i / (double)n);
        double smooth = (context / length - low) / (high - low);
        double want = length < context / high  ? 1
                      : length > context / low ? factor
                                               : 1 / ((1 - smooth) / factor + smooth);
        if (!(fabs((double)stored[i] - want) <= 1e-3 * want))
            return tm_err_set(err, TM_UNSUPPORTED, "%s: rope_freqs.weight is not Llama 3's scaling",
                              m->file->name);
    }
    tm_buf_printf(
        json,
        "\"rope_scaling\":{\"rope_type\":\"llama3\",\"factor\":%.9g,\"low_freq_factor\":%g,"
        "\"high_freq_factor\":%g,\"original_max_position_embeddings\":%g},",
        factor, low, high, context);
    return s;
}

static enum tm_status put_rope(const struct model *m, const struct tensor_set *set,
                               struct tm_buf *json, struct tm_err *err)
{
    const struct gguf_value *type = find_own(m, "rope.scaling.type");
    const struct gguf_value *factor = find_own(m, "rope.scaling.factor");
    const struct tensor *freqs = gguf_tensor(&m->gguf, "rope_freqs.weight");
    if (freqs != NULL)
        return put_llama3(m, set, freqs, json, err);
    if (type == NULL || type->type != GGUF_STRING || strcmp(type->text, "none") == 0)
        return TM_OK;
    if (strcmp(type->text, "linear") != 0 || factor == NULL || factor->type != GGUF_F32)
        return tm_err_set(err, TM_UNSUPPORTED, "%s: rope scaling %.32s is not supported",
                          m->file->name, type->text);
    tm_buf_printf(json, "\"rope_scaling\":{\"rope_type\":\"linear\",\"factor\":%.9g},",
                  factor->number);
    return TM_OK;
}

/* Gemma 2 scales queries by this; the file does not say it. The 27B model alone differs from the
 * width of a head. */
static void put_gemma2(const struct model *m, struct tm_buf *json)
{
    const struct gguf_value *width = find_own(m, "attention.key_length");
    const struct gguf_value *layers = find_own(m, "block_count");
    const struct gguf_value *hidden = find_own(m, "embedding_length");
    const struct gguf_value *heads = find_own(m, "attention.head_count");
    bool large = is_integer(layers) && layers->integer == 46 && is_integer(hidden) &&
                 is_integer(heads) && heads->integer > 0;
    int64_t scalar = large               ? hidden->integer / heads->integer
                     : is_integer(width) ? width->integer
                                         : 256;
    tm_buf_printf(json, "\"query_pre_attn_scalar\":%lld,", (long long)scalar);
}

static bool has_tensor(const struct model *m, const char *name)
{
    return gguf_tensor(&m->gguf, name) != NULL;
}

/* Written as if by the model's class; config.c checks it like any other. */
enum tm_status gguf_config(const struct tensor_set *set, const char *folder, struct tm_buf *json,
                           struct tm_err *err)
{
    struct model m;
    (void)folder;
    TM_CLEANUP(tm_arena_destroyp) struct tm_arena *arena = tm_arena_create(ARENA_MOST);
    if (arena == NULL)
        return tm_err_set(err, TM_NOMEM, "configuration");
    enum tm_status s = read_model(&set->files[0], arena, &m, err);
    if (s != TM_OK)
        return s;
    const struct tensor *words = gguf_tensor(&m.gguf, "token_embd.weight");
    if (words == NULL || words->rank != 2)
        return tm_err_set(err, TM_MODEL, "%s: no token_embd.weight", m.file->name);
    tm_buf_printf(json, "{\"model_type\":\"%s\",\"architectures\":[\"%s\"],%s", m.arch->model_type,
                  m.arch->class, m.arch->more);
    for (const struct key_row *row = m.arch->keys; s == TM_OK && row->theirs != NULL; row++)
        s = put_value(&m, m.arch->name, row, json, err);
    for (const struct key_row *row = id_keys; s == TM_OK && row->theirs != NULL; row++)
        s = put_value(&m, "", row, json, err);
    if (s == TM_OK)
        s = put_rope(&m, set, json, err);
    if (strcmp(m.arch->name, "gemma2") == 0)
        put_gemma2(&m, json);
    if (m.arch->interleaved)
        tm_buf_printf(json, "\"attention_bias\":%s,\"mlp_bias\":%s,",
                      has_tensor(&m, "blk.0.attn_q.bias") ? "true" : "false",
                      has_tensor(&m, "blk.0.ffn_down.bias") ? "true" : "false");
    tm_buf_printf(json, "\"tie_word_embeddings\":%s,\"vocab_size\":%lld}",
                  has_tensor(&m, "output.weight") ? "false" : "true", (long long)words->shape[0]);
    if (s == TM_OK && json->failed)
        s = tm_err_set(err, TM_NOMEM, "configuration");
    return s;
}
