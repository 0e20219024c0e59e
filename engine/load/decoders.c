/* Decoder-only families: GPT-2, Llama, Qwen2, Qwen3, Mistral, Gemma (1, 2 and the text of 3). See
 * families.h for what a row means. Defaults are the class defaults of transformers 4.57. */
#include "rows.h"

/* ---- tensors ---- */

static const struct tensor_row gpt2_tensors[] = {
    {ROW_TABLE, SLOT_WORD, "wte|lm_head", "V", "H"},
    {ROW_TABLE, SLOT_DECODER_POSITION, "wpe", "P", "H"},
    {ROW_NORM, SLOT_ATTN_NORM, "h.{i}.ln_1", "1", "H"},
    {ROW_LINEAR, SLOT_QKV, "h.{i}.attn.c_attn", "3H", "H", BIAS_YES, WHEN_ALWAYS, ORDER_TRANSPOSED},
    {ROW_LINEAR, SLOT_ATTN_OUT, "h.{i}.attn.c_proj", "H", "H", BIAS_YES, WHEN_ALWAYS,
     ORDER_TRANSPOSED},
    {ROW_NORM, SLOT_FFN_NORM, "h.{i}.ln_2", "1", "H"},
    {ROW_LINEAR, SLOT_UP, "h.{i}.mlp.c_fc", "F", "H", BIAS_YES, WHEN_ALWAYS, ORDER_TRANSPOSED},
    {ROW_LINEAR, SLOT_DOWN, "h.{i}.mlp.c_proj", "H", "F", BIAS_YES, WHEN_ALWAYS, ORDER_TRANSPOSED},
    {ROW_NORM, SLOT_DECODER_FINAL_NORM, "ln_f", "1", "H"},
    {ROW_END},
};

/* clang-format off */
#define RMS(slot, name) {ROW_NORM, slot, name, "1", "H", BIAS_NEVER}
#define LLAMA_WORDS {ROW_TABLE, SLOT_WORD, "embed_tokens|lm_head", "V", "H"}
#define LLAMA_ATTENTION(qkv_bias, out_bias)                                              \
    RMS(SLOT_ATTN_NORM, "layers.{i}.input_layernorm"),                                   \
    {ROW_LINEAR, SLOT_QKV, "layers.{i}.self_attn.q_proj", "Q", "H", qkv_bias},           \
    {ROW_LINEAR, SLOT_QKV, "layers.{i}.self_attn.k_proj", "K", "H", qkv_bias},           \
    {ROW_LINEAR, SLOT_QKV, "layers.{i}.self_attn.v_proj", "K", "H", qkv_bias},           \
    {ROW_LINEAR, SLOT_ATTN_OUT, "layers.{i}.self_attn.o_proj", "H", "Q", out_bias}
#define LLAMA_MLP(norm, bias)                                                            \
    RMS(SLOT_FFN_NORM, norm),                                                            \
    {ROW_LINEAR, SLOT_UP, "layers.{i}.mlp.gate_proj", "F", "H", bias},                   \
    {ROW_LINEAR, SLOT_UP, "layers.{i}.mlp.up_proj", "F", "H", bias},                     \
    {ROW_LINEAR, SLOT_DOWN, "layers.{i}.mlp.down_proj", "H", "F", bias},                 \
    RMS(SLOT_DECODER_FINAL_NORM, "norm")
#define HEAD_NORMS                                                                       \
    {ROW_NORM, SLOT_Q_NORM, "layers.{i}.self_attn.q_norm", "1", "D", BIAS_NEVER},        \
    {ROW_NORM, SLOT_K_NORM, "layers.{i}.self_attn.k_norm", "1", "D", BIAS_NEVER}
#define POST_NORMS                                                                       \
    RMS(SLOT_POST_ATTN_NORM, "layers.{i}.post_attention_layernorm"),                     \
    RMS(SLOT_POST_FFN_NORM, "layers.{i}.post_feedforward_layernorm")
/* clang-format on */

#define AFTER_ATTENTION "layers.{i}.post_attention_layernorm"
#define BEFORE_MLP      "layers.{i}.pre_feedforward_layernorm"

static const struct tensor_row llama_tensors[] = {
    LLAMA_WORDS,
    LLAMA_ATTENTION(BIAS_ATTENTION, BIAS_ATTENTION),
    LLAMA_MLP(AFTER_ATTENTION, BIAS_MLP),
    {ROW_END},
};
static const struct tensor_row mistral_tensors[] = {
    LLAMA_WORDS,
    LLAMA_ATTENTION(BIAS_NEVER, BIAS_NEVER),
    LLAMA_MLP(AFTER_ATTENTION, BIAS_NEVER),
    {ROW_END},
};
static const struct tensor_row qwen2_tensors[] = {
    LLAMA_WORDS,
    LLAMA_ATTENTION(BIAS_YES, BIAS_NEVER),
    LLAMA_MLP(AFTER_ATTENTION, BIAS_NEVER),
    {ROW_END},
};
static const struct tensor_row qwen3_tensors[] = {
    LLAMA_WORDS, LLAMA_ATTENTION(BIAS_ATTENTION, BIAS_ATTENTION),
    HEAD_NORMS,  LLAMA_MLP(AFTER_ATTENTION, BIAS_NEVER),
    {ROW_END},
};
static const struct tensor_row gemma_tensors[] = {
    LLAMA_WORDS,
    LLAMA_ATTENTION(BIAS_ATTENTION, BIAS_ATTENTION),
    LLAMA_MLP(AFTER_ATTENTION, BIAS_NEVER),
    {ROW_END},
};
static const struct tensor_row gemma2_tensors[] = {
    LLAMA_WORDS, LLAMA_ATTENTION(BIAS_ATTENTION, BIAS_ATTENTION),
    POST_NORMS,  LLAMA_MLP(BEFORE_MLP, BIAS_NEVER),
    {ROW_END},
};
static const struct tensor_row gemma3_tensors[] = {
    LLAMA_WORDS,
    LLAMA_ATTENTION(BIAS_ATTENTION, BIAS_ATTENTION),
    HEAD_NORMS,
    POST_NORMS,
    LLAMA_MLP(BEFORE_MLP, BIAS_NEVER),
    {ROW_END},
};

/* ---- heads ---- */

/* clang-format off */
#define HEAD_LM(words)                                                                    \
    {.head = TM_HEAD_GENERATE,                                                            \
     .dense = {{ROW_LINEAR, SLOT_OUTPUT, words "|lm_head", "V", "H", BIAS_NEVER, WHEN_TIED}, \
               {ROW_LINEAR, SLOT_OUTPUT, "lm_head", "V", "H", BIAS_NEVER, WHEN_UNTIED}}}
#define HEAD_SCORE                                                                        \
    {.head = TM_HEAD_SEQUENCE,                                                            \
     .dense = {{ROW_LINEAR, SLOT_HEAD_0, "score", "L", "H", BIAS_NEVER}}}
/* clang-format on */

static const struct head_row gpt2_heads[] = {HEAD_LM("wte"), HEAD_SCORE, HEAD_TOKEN("classifier"),
                                             HEAD_EMBEDDING};
static const struct head_row llama_heads[] = {HEAD_LM("embed_tokens"), HEAD_SCORE,
                                              HEAD_TOKEN("score"), HEAD_EMBEDDING};

static const char *const gpt2_unused[] = {"lm_head.weight", "h.*.attn.bias", NULL};
static const char *const llama_unused[] = {"lm_head.weight", "*.rotary_emb.cos_cached",
                                           "*.rotary_emb.sin_cached", NULL};

/* ---- configuration keys ---- */

static const struct key_alias gpt2_aliases[] = {
    {"n_embd", "hidden_size"},
    {"n_layer", "num_hidden_layers"},
    {"n_head", "num_attention_heads"},
    {"n_positions", "max_position_embeddings"},
    {"n_inner", "inner_size"},
    {"activation_function", "hidden_act"},
    {"layer_norm_epsilon", "layer_norm_eps"},
    {"hidden_act", NULL},
    {"intermediate_size", NULL},
    {"layer_norm_eps", NULL},
    {"num_key_value_heads", NULL},
    {"head_dim", NULL},
    {"type_vocab_size", NULL},
    {"position_embedding_type", NULL},
    {"scale_embedding", NULL},
    {NULL, NULL},
};

/* clang-format off */
#define LLAMA_ALIASES                                                                   \
    {"rms_norm_eps", "layer_norm_eps"}, {"layer_norm_eps", NULL},                       \
    {"type_vocab_size", NULL}, {"position_embedding_type", NULL}, {"scale_embedding", NULL}
/* Keys of the others that these classes do not read. */
#define NO_WINDOW {"sliding_window", NULL}, {"use_sliding_window", NULL}, {"layer_types", NULL}
#define NO_SOFTCAP                                                                      \
    {"query_pre_attn_scalar", NULL}, {"attn_logit_softcapping", NULL},                  \
    {"final_logit_softcapping", NULL}
/* clang-format on */

static const struct key_alias llama_aliases[] = {
    LLAMA_ALIASES, NO_WINDOW, NO_SOFTCAP, {NULL, NULL}};
static const struct key_alias qwen_aliases[] = {LLAMA_ALIASES, NO_SOFTCAP, {NULL, NULL}};
static const struct key_alias qwen2_aliases[] = {
    LLAMA_ALIASES, NO_SOFTCAP, {"head_dim", NULL}, {NULL, NULL}};
static const struct key_alias mistral_aliases[] = {
    LLAMA_ALIASES, NO_SOFTCAP, {"layer_types", NULL}, {NULL, NULL}};
static const struct key_alias gemma_aliases[] = {
    LLAMA_ALIASES, NO_WINDOW, NO_SOFTCAP, {NULL, NULL}};
static const struct key_alias gemma2_aliases[] = {LLAMA_ALIASES,
                                                  {"hidden_activation", "hidden_act"},
                                                  {"hidden_act", NULL},
                                                  {"rope_local_base_freq", "local_rope_theta"},
                                                  {NULL, NULL}};

/* ---- the table ---- */

/* clang-format off */
#define LLAMA_ROW(type, class, tensors_, aliases_, local, plus_one, ...)                              \
    {.model_type = type, .class_prefix = class, .prefix = "model.",                           \
     .defaults = {.layer_norm_eps = 1e-6, .gated = true, .decoder_start_token_id = -1,        \
                  .forced_eos_token_id = -1, .max_window_layers = 28,                         \
                  __VA_ARGS__},                                                               \
     .aliases = aliases_, .tensors = tensors_, .heads = llama_heads,                          \
     .n_heads = TM_COUNTOF(llama_heads), .unused = llama_unused, .shape = SHAPE_DECODER,      \
     .pre_norm = true, .rms = true, .rotary = true, .fixed_pad = -1,             \
     .locality = local, .norm_plus_one = plus_one}
#define QWEN_DEFAULTS                                                                         \
    .vocab_size = 151936, .hidden_size = 4096, .intermediate_size = 22016,                    \
    .num_hidden_layers = 32, .num_attention_heads = 32, .num_key_value_heads = 32,            \
    .hidden_act = TM_ACT_SILU, .max_position_embeddings = 32768, .sliding_window = 4096,      \
    .rope = {{.theta = 10000}}, .bos_token_id = -1, .eos_token_id = -1, .pad_token_id = -1
#define GEMMA_DEFAULTS                                                                        \
    .head_dim = 256, .hidden_act = TM_ACT_GELU_TANH, .tie_word_embeddings = true,             \
    .scale_embedding = true, .bos_token_id = 2, .eos_token_id = 1, .pad_token_id = 0
/* clang-format on */

const struct family decoder_families[] = {
    {.model_type = "gpt2",
     .class_prefix = "GPT2",
     .prefix = "transformer.",
     .defaults = {.vocab_size = 50257,
                  .hidden_size = 768,
                  .num_hidden_layers = 12,
                  .num_attention_heads = 12,
                  .hidden_act = TM_ACT_GELU_TANH,
                  .max_position_embeddings = 1024,
                  .layer_norm_eps = 1e-5,
                  .tie_word_embeddings = true,
                  .scale_attn_weights = true,
                  .bos_token_id = 50256,
                  .eos_token_id = 50256,
                  .pad_token_id = -1,
                  .decoder_start_token_id = -1,
                  .forced_eos_token_id = -1},
     .aliases = gpt2_aliases,
     .tensors = gpt2_tensors,
     .heads = gpt2_heads,
     .n_heads = TM_COUNTOF(gpt2_heads),
     .unused = gpt2_unused,
     .shape = SHAPE_DECODER,
     .pre_norm = true,
     .fixed_pad = -1},
    LLAMA_ROW("llama", "Llama", llama_tensors, llama_aliases, LOCAL_NONE, false,
              .vocab_size = 32000, .hidden_size = 4096, .intermediate_size = 11008,
              .num_hidden_layers = 32, .num_attention_heads = 32, .hidden_act = TM_ACT_SILU,
              .max_position_embeddings = 2048, .bos_token_id = 1, .eos_token_id = 2,
              .pad_token_id = -1, .rope = {{.theta = 10000}}),
    LLAMA_ROW("mistral", "Mistral", mistral_tensors, mistral_aliases, LOCAL_ALL, false,
              .vocab_size = 32000, .hidden_size = 4096, .intermediate_size = 14336,
              .num_hidden_layers = 32, .num_attention_heads = 32, .num_key_value_heads = 8,
              .hidden_act = TM_ACT_SILU, .max_position_embeddings = 131072, .sliding_window = 4096,
              .bos_token_id = 1, .eos_token_id = 2, .pad_token_id = -1, .rope = {{.theta = 10000}}),
    LLAMA_ROW("qwen2", "Qwen2", qwen2_tensors, qwen2_aliases, LOCAL_UPPER, false, QWEN_DEFAULTS),
    LLAMA_ROW("qwen3", "Qwen3", qwen3_tensors, qwen_aliases, LOCAL_UPPER, false, QWEN_DEFAULTS,
              .head_dim = 128),
    LLAMA_ROW("gemma", "Gemma", gemma_tensors, gemma_aliases, LOCAL_NONE, true, GEMMA_DEFAULTS,
              .vocab_size = 256000, .hidden_size = 3072, .intermediate_size = 24576,
              .num_hidden_layers = 28, .num_attention_heads = 16, .num_key_value_heads = 16,
              .max_position_embeddings = 8192, .rope = {{.theta = 10000}}),
    LLAMA_ROW("gemma2", "Gemma2", gemma2_tensors, gemma2_aliases, LOCAL_EVERY, true, GEMMA_DEFAULTS,
              .vocab_size = 256000, .hidden_size = 2304, .intermediate_size = 9216,
              .num_hidden_layers = 26, .num_attention_heads = 8, .num_key_value_heads = 4,
              .max_position_embeddings = 8192, .sliding_window = 4096, .sliding_window_pattern = 2,
              .query_pre_attn_scalar = 256, .attn_logit_softcapping = 50,
              .final_logit_softcapping = 30, .rope = {{.theta = 10000}}),
    LLAMA_ROW("gemma3_text", "Gemma3", gemma3_tensors, gemma2_aliases, LOCAL_EVERY, true,
              GEMMA_DEFAULTS, .vocab_size = 262208, .hidden_size = 2304, .intermediate_size = 9216,
              .num_hidden_layers = 26, .num_attention_heads = 8, .num_key_value_heads = 4,
              .max_position_embeddings = 131072, .sliding_window = 4096,
              .sliding_window_pattern = 6, .query_pre_attn_scalar = 256,
              .rope = {{.theta = 1000000}, {.theta = 10000}}),
};
const size_t n_decoder_families = TM_COUNTOF(decoder_families);
