/* Encoder-decoders of BART's kind: BART, mBART, PEGASUS, Marian, M2M100 with NLLB, LED. They differ
 * in where norms stand, in positions and in what a file may leave out. See families.h for what a
 * row means. Defaults are the class defaults of transformers 4.57. */
#include "rows.h"

/* ---- tensors ---- */

#define ANY_WORDS "shared|encoder.embed_tokens|decoder.embed_tokens|lm_head"

/* clang-format off */
#define BART_ATTENTION(side)                                                                \
    {ROW_LINEAR, SLOT_QKV, side ".layers.{i}.self_attn.q_proj", "H", "H"},                  \
    {ROW_LINEAR, SLOT_QKV, side ".layers.{i}.self_attn.k_proj", "H", "H"},                  \
    {ROW_LINEAR, SLOT_QKV, side ".layers.{i}.self_attn.v_proj", "H", "H"},                  \
    {ROW_LINEAR, SLOT_ATTN_OUT, side ".layers.{i}.self_attn.out_proj", "H", "H"}
#define BART_REST(side, ffn)                                                                \
    {ROW_NORM, SLOT_ATTN_NORM, side ".layers.{i}.self_attn_layer_norm", "1", "H"},          \
    {ROW_LINEAR, SLOT_UP, side ".layers.{i}.fc1", ffn, "H"},                                \
    {ROW_LINEAR, SLOT_DOWN, side ".layers.{i}.fc2", "H", ffn},                              \
    {ROW_NORM, SLOT_FFN_NORM, side ".layers.{i}.final_layer_norm", "1", "H"}
#define BART_DECODER_LAYER                                                                  \
    BART_ATTENTION("decoder"),                                                              \
    {ROW_LINEAR, SLOT_CROSS_Q, "decoder.layers.{i}.encoder_attn.q_proj", "H", "H"},         \
    {ROW_LINEAR, SLOT_CROSS_KV, "decoder.layers.{i}.encoder_attn.k_proj", "H", "H"},        \
    {ROW_LINEAR, SLOT_CROSS_KV, "decoder.layers.{i}.encoder_attn.v_proj", "H", "H"},        \
    {ROW_LINEAR, SLOT_CROSS_OUT, "decoder.layers.{i}.encoder_attn.out_proj", "H", "H"},     \
    {ROW_NORM, SLOT_CROSS_NORM, "decoder.layers.{i}.encoder_attn_layer_norm", "1", "H"},    \
    BART_REST("decoder", "G")
#define BART_FINAL_NORM(side, slot) {ROW_NORM, slot, side ".layer_norm", "1", "H"}
#define BART_EMBED_NORM(side, slot) {ROW_NORM, slot, side ".layernorm_embedding", "1", "H"}
/* clang-format on */

static const struct tensor_row bart_tensors[] = {
    {ROW_TABLE, SLOT_WORD, ANY_WORDS, "V", "H"},
    {ROW_TABLE, SLOT_POSITION, "encoder.embed_positions", "O", "H"},
    BART_EMBED_NORM("encoder", SLOT_EMBED_NORM),
    BART_ATTENTION("encoder"),
    BART_REST("encoder", "F"),
    {ROW_END},
};
static const struct tensor_row bart_decoder[] = {
    {ROW_TABLE, SLOT_DECODER_POSITION, "decoder.embed_positions", "O", "H"},
    BART_EMBED_NORM("decoder", SLOT_DECODER_EMBED_NORM),
    BART_DECODER_LAYER,
    {ROW_END},
};

static const struct tensor_row mbart_tensors[] = {
    {ROW_TABLE, SLOT_WORD, ANY_WORDS, "V", "H"},
    {ROW_TABLE, SLOT_POSITION, "encoder.embed_positions", "O", "H"},
    BART_EMBED_NORM("encoder", SLOT_EMBED_NORM),
    BART_ATTENTION("encoder"),
    BART_REST("encoder", "F"),
    BART_FINAL_NORM("encoder", SLOT_FINAL_NORM),
    {ROW_END},
};
static const struct tensor_row mbart_decoder[] = {
    {ROW_TABLE, SLOT_DECODER_POSITION, "decoder.embed_positions", "O", "H"},
    BART_EMBED_NORM("decoder", SLOT_DECODER_EMBED_NORM),
    BART_DECODER_LAYER,
    BART_FINAL_NORM("decoder", SLOT_DECODER_FINAL_NORM),
    {ROW_END},
};

static const struct tensor_row pegasus_tensors[] = {
    {ROW_TABLE, SLOT_WORD, ANY_WORDS, "V", "H"},
    {ROW_SINUSOID, SLOT_POSITION, "encoder.embed_positions", "P", "H"},
    BART_ATTENTION("encoder"),
    BART_REST("encoder", "F"),
    BART_FINAL_NORM("encoder", SLOT_FINAL_NORM),
    {ROW_END},
};
static const struct tensor_row pegasus_decoder[] = {
    {ROW_SINUSOID, SLOT_DECODER_POSITION, "decoder.embed_positions", "P", "H"},
    BART_DECODER_LAYER,
    BART_FINAL_NORM("decoder", SLOT_DECODER_FINAL_NORM),
    {ROW_END},
};

static const struct tensor_row marian_tensors[] = {
    {ROW_TABLE, SLOT_WORD, ANY_WORDS, "V", "H", BIAS_NEVER, WHEN_SHARED},
    {ROW_TABLE, SLOT_WORD, "encoder.embed_tokens", "V", "H", BIAS_NEVER, WHEN_SPLIT},
    {ROW_SINUSOID, SLOT_POSITION, "encoder.embed_positions", "P", "H"},
    BART_ATTENTION("encoder"),
    BART_REST("encoder", "F"),
    {ROW_END},
};
static const struct tensor_row marian_decoder[] = {
    {ROW_TABLE, SLOT_DECODER_WORD, "decoder.embed_tokens", "U", "H", BIAS_NEVER, WHEN_SPLIT},
    {ROW_SINUSOID, SLOT_DECODER_POSITION, "decoder.embed_positions", "P", "H"},
    BART_DECODER_LAYER,
    {ROW_END},
};

static const struct tensor_row m2m_tensors[] = {
    {ROW_TABLE, SLOT_WORD, ANY_WORDS, "V", "H"},
    {ROW_SINUSOID_PADDED, SLOT_POSITION, "encoder.embed_positions", "O", "H"},
    BART_ATTENTION("encoder"),
    BART_REST("encoder", "F"),
    BART_FINAL_NORM("encoder", SLOT_FINAL_NORM),
    {ROW_END},
};
static const struct tensor_row m2m_decoder[] = {
    {ROW_SINUSOID_PADDED, SLOT_DECODER_POSITION, "decoder.embed_positions", "O", "H"},
    BART_DECODER_LAYER,
    BART_FINAL_NORM("decoder", SLOT_DECODER_FINAL_NORM),
    {ROW_END},
};

#define LED_ATTENTION "encoder.layers.{i}.self_attn."
static const struct tensor_row led_tensors[] = {
    {ROW_TABLE, SLOT_WORD, ANY_WORDS, "V", "H"},
    {ROW_TABLE, SLOT_POSITION, "encoder.embed_positions", "P", "H"},
    BART_EMBED_NORM("encoder", SLOT_EMBED_NORM),
    {ROW_LINEAR, SLOT_QKV, LED_ATTENTION "longformer_self_attn.query", "H", "H"},
    {ROW_LINEAR, SLOT_QKV, LED_ATTENTION "longformer_self_attn.key", "H", "H"},
    {ROW_LINEAR, SLOT_QKV, LED_ATTENTION "longformer_self_attn.value", "H", "H"},
    {ROW_LINEAR, SLOT_ATTN_OUT, LED_ATTENTION "output", "H", "H"},
    BART_REST("encoder", "F"),
    {ROW_END},
};
static const struct tensor_row led_decoder[] = {
    {ROW_TABLE, SLOT_DECODER_POSITION, "decoder.embed_positions", "M", "H"},
    BART_EMBED_NORM("decoder", SLOT_DECODER_EMBED_NORM),
    BART_DECODER_LAYER,
    {ROW_END},
};

/* ---- heads ---- */

/* clang-format off */
#define FINAL_LOGITS_BIAS \
    {ROW_PLAIN, SLOT_OUTPUT_BIAS, "final_logits_bias", "1", "U", BIAS_NEVER, WHEN_PRESENT}
#define HEAD_GENERATE                                                                      \
    {.head = TM_HEAD_GENERATE,                                                             \
     .dense = {{ROW_LINEAR, SLOT_OUTPUT, ANY_WORDS, "V", "H", BIAS_NEVER, WHEN_TIED},      \
               {ROW_LINEAR, SLOT_OUTPUT, "lm_head", "V", "H", BIAS_NEVER, WHEN_UNTIED},    \
               FINAL_LOGITS_BIAS}}
/* clang-format on */

static const struct head_row bart_heads[] = {
    HEAD_GENERATE,
    HEAD_SEQUENCE("classification_head.dense", TM_ACT_TANH, "classification_head.out_proj"),
};
static const struct head_row generate_heads[] = {HEAD_GENERATE};
static const struct head_row marian_heads[] = {
    {.head = TM_HEAD_GENERATE,
     .dense = {{ROW_LINEAR, SLOT_OUTPUT, ANY_WORDS, "V", "H", BIAS_NEVER, WHEN_TIED_SHARED},
               {ROW_LINEAR, SLOT_OUTPUT, "decoder.embed_tokens|lm_head", "U", "H", BIAS_NEVER,
                WHEN_TIED_SPLIT},
               {ROW_LINEAR, SLOT_OUTPUT, "lm_head", "U", "H", BIAS_NEVER, WHEN_UNTIED},
               FINAL_LOGITS_BIAS}},
};

static const char *const bart_unused[] = {"lm_head.weight", "final_logits_bias", NULL};
static const char *const led_unused[] = {"*_global.weight", "*_global.bias", NULL};
static const char *const none_unused[] = {NULL};
/* Copies of what is computed, in old files. */
static const char *const m2m_unused[] = {"*embed_positions.weights", NULL};

/* ---- configuration keys ---- */

/* clang-format off */
#define BART_ALIASES                                                                   \
    {"d_model", "hidden_size"}, {"encoder_layers", "num_hidden_layers"},               \
    {"encoder_attention_heads", "num_attention_heads"},                                \
    {"encoder_ffn_dim", "intermediate_size"}, {"activation_function", "hidden_act"},   \
    {"hidden_size", NULL}, {"num_hidden_layers", NULL}, {"num_attention_heads", NULL}, \
    {"intermediate_size", NULL}, {"hidden_act", NULL}, {"type_vocab_size", NULL},      \
    {"position_embedding_type", NULL}, {"layer_norm_eps", NULL},                       \
    {"num_key_value_heads", NULL}, {"head_dim", NULL}
/* clang-format on */

static const struct key_alias bart_aliases[] = {BART_ALIASES, {NULL, NULL}};
static const struct key_alias led_aliases[] = {
    BART_ALIASES,
    {"max_encoder_position_embeddings", "max_position_embeddings"},
    {"max_position_embeddings", NULL},
    {"scale_embedding", NULL},
    {NULL, NULL},
};

/* ---- the table ---- */

/* clang-format off */
#define BART_DEFAULTS(vocab, act, bos, eos, pad, start, forced_eos)                       \
    .vocab_size = vocab, .hidden_size = 1024, .num_hidden_layers = 12,                    \
    .num_attention_heads = 16, .intermediate_size = 4096, .decoder_layers = 12,           \
    .decoder_attention_heads = 16, .decoder_ffn_dim = 4096, .hidden_act = act,            \
    .max_position_embeddings = 1024, .layer_norm_eps = 1e-5, .tie_word_embeddings = true, \
    .share_encoder_decoder_embeddings = true, .n_labels = 3, .bos_token_id = bos,         \
    .eos_token_id = eos, .pad_token_id = pad, .decoder_start_token_id = start,            \
    .forced_eos_token_id = forced_eos
/* clang-format on */

const struct family bart_families[] = {
    {.model_type = "bart",
     .class_prefix = "Bart",
     .prefix = "model.",
     .defaults = {BART_DEFAULTS(50265, TM_ACT_GELU_ERF, 0, 2, 1, 2, 2)},
     .aliases = bart_aliases,
     .tensors = bart_tensors,
     .decoder = bart_decoder,
     .heads = bart_heads,
     .n_heads = TM_COUNTOF(bart_heads),
     .unused = bart_unused,
     .shape = SHAPE_ENCODER_DECODER,
     .position_offset = 2,
     .fixed_pad = -1},
    {.model_type = "mbart",
     .class_prefix = "MBart",
     .prefix = "model.",
     .defaults = {BART_DEFAULTS(50265, TM_ACT_GELU_ERF, 0, 2, 1, -1, 2)},
     .aliases = bart_aliases,
     .tensors = mbart_tensors,
     .decoder = mbart_decoder,
     .heads = generate_heads,
     .n_heads = TM_COUNTOF(generate_heads),
     .unused = none_unused,
     .shape = SHAPE_ENCODER_DECODER,
     .pre_norm = true,
     .position_offset = 2,
     .fixed_pad = -1},
    {.model_type = "pegasus",
     .class_prefix = "Pegasus",
     .prefix = "model.",
     .defaults = {BART_DEFAULTS(50265, TM_ACT_GELU_ERF, -1, 1, 0, 0, 1)},
     .aliases = bart_aliases,
     .tensors = pegasus_tensors,
     .decoder = pegasus_decoder,
     .heads = generate_heads,
     .n_heads = TM_COUNTOF(generate_heads),
     .unused = none_unused,
     .shape = SHAPE_ENCODER_DECODER,
     .pre_norm = true,
     .fixed_pad = -1},
    {.model_type = "marian",
     .class_prefix = "Marian",
     .prefix = "model.",
     .defaults = {BART_DEFAULTS(58101, TM_ACT_GELU_ERF, -1, 0, 58100, 58100, 0)},
     .aliases = bart_aliases,
     .tensors = marian_tensors,
     .decoder = marian_decoder,
     .heads = marian_heads,
     .n_heads = TM_COUNTOF(marian_heads),
     .unused = none_unused,
     .shape = SHAPE_ENCODER_DECODER,
     .fixed_pad = -1},
    {.model_type = "m2m_100",
     .class_prefix = "M2M100",
     .prefix = "model.",
     .defaults = {BART_DEFAULTS(128112, TM_ACT_RELU, 0, 2, 1, 2, -1), .scale_embedding = true},
     .aliases = bart_aliases,
     .tensors = m2m_tensors,
     .decoder = m2m_decoder,
     .heads = generate_heads,
     .n_heads = TM_COUNTOF(generate_heads),
     .unused = m2m_unused,
     .shape = SHAPE_ENCODER_DECODER,
     .pre_norm = true,
     .pad_offset = true,
     .position_offset = 2,
     .fixed_pad = -1},
    {.model_type = "led",
     .class_prefix = "LED",
     .prefix = "led.",
     .defaults = {BART_DEFAULTS(50265, TM_ACT_GELU_ERF, 0, 2, 1, 2, -1),
                  .max_decoder_position_embeddings = 1024, .attention_window = 512},
     .aliases = led_aliases,
     .tensors = led_tensors,
     .decoder = led_decoder,
     .heads = generate_heads,
     .n_heads = TM_COUNTOF(generate_heads),
     .unused = led_unused,
     .shape = SHAPE_ENCODER_DECODER,
     .locality = LOCAL_LED,
     .fixed_pad = -1},
};
const size_t n_bart_families = TM_COUNTOF(bart_families);
