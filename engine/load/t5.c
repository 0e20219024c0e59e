/* T5 and its kin: T5 (1.0, 1.1, FLAN), mT5, UMT5. Norms without mean, no positions but buckets of
 * distances in the scores. See families.h for what a row means. Defaults are the class defaults of
 * transformers 4.57. */
#include "rows.h"

/* ---- tensors ---- */

#define ANY_WORDS "shared|encoder.embed_tokens|decoder.embed_tokens|lm_head"

/* clang-format off */
#define NORM(slot, name) {ROW_NORM, slot, name ".layer_norm", "1", "H", BIAS_NEVER}
#define PLAIN(slot, name, rows, cols) {ROW_LINEAR, slot, name, rows, cols, BIAS_NEVER}
#define T5_SELF(side)                                                                      \
    NORM(SLOT_ATTN_NORM, side ".block.{i}.layer.0"),                                       \
    PLAIN(SLOT_QKV, side ".block.{i}.layer.0.SelfAttention.q", "Q", "H"),                  \
    PLAIN(SLOT_QKV, side ".block.{i}.layer.0.SelfAttention.k", "Q", "H"),                  \
    PLAIN(SLOT_QKV, side ".block.{i}.layer.0.SelfAttention.v", "Q", "H"),                  \
    PLAIN(SLOT_ATTN_OUT, side ".block.{i}.layer.0.SelfAttention.o", "H", "Q")
#define T5_FFN(layer)                                                                      \
    NORM(SLOT_FFN_NORM, layer),                                                            \
    {ROW_LINEAR, SLOT_UP, layer ".DenseReluDense.wi", "F", "H", BIAS_NEVER, WHEN_UNGATED}, \
    {ROW_LINEAR, SLOT_UP, layer ".DenseReluDense.wi_0", "F", "H", BIAS_NEVER, WHEN_GATED}, \
    {ROW_LINEAR, SLOT_UP, layer ".DenseReluDense.wi_1", "F", "H", BIAS_NEVER, WHEN_GATED}, \
    PLAIN(SLOT_DOWN, layer ".DenseReluDense.wo", "H", "F")
#define T5_CROSS(layer)                                                                    \
    NORM(SLOT_CROSS_NORM, layer),                                                          \
    PLAIN(SLOT_CROSS_Q, layer ".EncDecAttention.q", "Q", "H"),                             \
    PLAIN(SLOT_CROSS_KV, layer ".EncDecAttention.k", "Q", "H"),                            \
    PLAIN(SLOT_CROSS_KV, layer ".EncDecAttention.v", "Q", "H"),                            \
    PLAIN(SLOT_CROSS_OUT, layer ".EncDecAttention.o", "H", "Q")
#define BIAS_TABLE(slot, side, block)                                                      \
    {ROW_TABLE, slot, side ".block." block ".layer.0.SelfAttention.relative_attention_bias", "B", "A"}
/* clang-format on */

static const struct tensor_row t5_tensors[] = {
    {ROW_TABLE, SLOT_WORD, ANY_WORDS, "V", "H"},
    BIAS_TABLE(SLOT_RELATIVE_BIAS, "encoder", "0"),
    T5_SELF("encoder"),
    T5_FFN("encoder.block.{i}.layer.1"),
    {ROW_NORM, SLOT_FINAL_NORM, "encoder.final_layer_norm", "1", "H", BIAS_NEVER},
    {ROW_END},
};
static const struct tensor_row t5_decoder[] = {
    BIAS_TABLE(SLOT_DECODER_RELATIVE_BIAS, "decoder", "0"),
    T5_SELF("decoder"),
    T5_CROSS("decoder.block.{i}.layer.1"),
    T5_FFN("decoder.block.{i}.layer.2"),
    {ROW_NORM, SLOT_DECODER_FINAL_NORM, "decoder.final_layer_norm", "1", "H", BIAS_NEVER},
    {ROW_END},
};

/* Every layer has a table of its own. */
static const struct tensor_row umt5_tensors[] = {
    {ROW_TABLE, SLOT_WORD, ANY_WORDS, "V", "H"},
    BIAS_TABLE(SLOT_OWN_BIAS, "encoder", "{i}"),
    T5_SELF("encoder"),
    T5_FFN("encoder.block.{i}.layer.1"),
    {ROW_NORM, SLOT_FINAL_NORM, "encoder.final_layer_norm", "1", "H", BIAS_NEVER},
    {ROW_END},
};
static const struct tensor_row umt5_decoder[] = {
    BIAS_TABLE(SLOT_OWN_BIAS, "decoder", "{i}"),
    T5_SELF("decoder"),
    T5_CROSS("decoder.block.{i}.layer.1"),
    T5_FFN("decoder.block.{i}.layer.2"),
    {ROW_NORM, SLOT_DECODER_FINAL_NORM, "decoder.final_layer_norm", "1", "H", BIAS_NEVER},
    {ROW_END},
};

/* ---- heads ---- */

static const struct head_row t5_heads[] = {
    {.head = TM_HEAD_GENERATE,
     .dense = {{ROW_LINEAR, SLOT_OUTPUT, ANY_WORDS, "V", "H", BIAS_NEVER, WHEN_TIED},
               {ROW_LINEAR, SLOT_OUTPUT, "lm_head", "V", "H", BIAS_NEVER, WHEN_UNTIED}}},
    HEAD_SEQUENCE("classification_head.dense", TM_ACT_TANH, "classification_head.out_proj"),
    HEAD_TOKEN("classifier"),
    HEAD_EMBEDDING,
};

/* The first releases have a table of cross-attention that nothing reads; an encoder may come with
 * its decoder. */
static const char *const t5_unused[] = {
    "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight", "lm_head.weight",
    NULL};

/* ---- configuration keys ---- */

static const struct key_alias t5_aliases[] = {
    {"d_model", "hidden_size"},
    {"d_kv", "head_dim"},
    {"d_ff", "intermediate_size"},
    {"num_layers", "num_hidden_layers"},
    {"num_decoder_layers", "decoder_layers"},
    {"num_heads", "num_attention_heads"},
    {"layer_norm_epsilon", "layer_norm_eps"},
    {"hidden_size", NULL},
    {"head_dim", NULL},
    {"num_hidden_layers", NULL},
    {"num_attention_heads", NULL},
    {"intermediate_size", NULL},
    {"hidden_act", NULL},
    {"decoder_layers", NULL},
    {"layer_norm_eps", NULL},
    {"num_key_value_heads", NULL},
    {"max_position_embeddings", NULL},
    {"position_embedding_type", NULL},
    {"type_vocab_size", NULL},
    {"scale_embedding", NULL},
    {NULL, NULL},
};

/* ---- the table ---- */

/* max_position_embeddings is ours: the model itself has no limit. */
/* clang-format off */
#define T5_ROW(type, class, tensors_, decoder_, start, ...)                                    \
    {.model_type = type, .class_prefix = class, .prefix = "transformer.",                      \
     .defaults = {.hidden_size = 512, .head_dim = 64, .max_position_embeddings = 4096,         \
                  .relative_attention_num_buckets = 32, .relative_attention_max_distance = 128,\
                  .layer_norm_eps = 1e-6, .bos_token_id = -1, .eos_token_id = 1,               \
                  .scale_decoder_outputs = true,                                               \
                  .pad_token_id = 0, .decoder_start_token_id = start,                          \
                  .forced_eos_token_id = -1, __VA_ARGS__},                                     \
     .aliases = t5_aliases, .tensors = tensors_, .decoder = decoder_, .heads = t5_heads,       \
     .n_heads = TM_COUNTOF(t5_heads), .unused = t5_unused, .shape = SHAPE_ENCODER_DECODER,     \
     .pre_norm = true, .rms = true, .unscaled = true, .scaled_output = true, .fixed_pad = -1}
/* clang-format on */

const struct family t5_families[] = {
    T5_ROW("t5", "T5", t5_tensors, t5_decoder, -1, .vocab_size = 32128, .intermediate_size = 2048,
           .num_hidden_layers = 6, .num_attention_heads = 8, .hidden_act = TM_ACT_RELU,
           .tie_word_embeddings = true),
    T5_ROW("mt5", "MT5", t5_tensors, t5_decoder, 0, .vocab_size = 250112, .intermediate_size = 1024,
           .num_hidden_layers = 8, .num_attention_heads = 6, .hidden_act = TM_ACT_GELU_TANH,
           .gated = true),
    T5_ROW("umt5", "UMT5", umt5_tensors, umt5_decoder, 0, .vocab_size = 250112,
           .intermediate_size = 1024, .num_hidden_layers = 8, .num_attention_heads = 6,
           .hidden_act = TM_ACT_GELU_TANH, .gated = true, .tie_word_embeddings = true),
};
const size_t n_t5_families = TM_COUNTOF(t5_families);
