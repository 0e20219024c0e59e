/* Encoders whose embeddings have a width of their own, or whose layers are shared, or whose
 * attention knows relative positions: ELECTRA, ALBERT, DeBERTa. See families.h for what a row
 * means. Defaults are the class defaults of transformers 4.57. */
#include "rows.h"

/* ---- tensors ---- */

static const struct tensor_row electra_tensors[] = {
    {ROW_TABLE, SLOT_WORD, "embeddings.word_embeddings", "V", "E"},
    {ROW_TABLE, SLOT_POSITION, "embeddings.position_embeddings", "P", "E"},
    {ROW_TABLE, SLOT_TYPE, "embeddings.token_type_embeddings", "T", "E"},
    {ROW_NORM, SLOT_EMBED_NORM, "embeddings.LayerNorm", "1", "E"},
    {ROW_LINEAR, SLOT_EMBED_PROJ, "embeddings_project", "H", "E", BIAS_YES, WHEN_PROJECTED},
    {ROW_LINEAR, SLOT_QKV, "encoder.layer.{i}.attention.self.query", "H", "H"},
    {ROW_LINEAR, SLOT_QKV, "encoder.layer.{i}.attention.self.key", "H", "H"},
    {ROW_LINEAR, SLOT_QKV, "encoder.layer.{i}.attention.self.value", "H", "H"},
    {ROW_TABLE, SLOT_DISTANCE, "encoder.layer.{i}.attention.self.distance_embedding", "R", "D",
     BIAS_NEVER, WHEN_RELATIVE_KEY},
    {ROW_LINEAR, SLOT_ATTN_OUT, "encoder.layer.{i}.attention.output.dense", "H", "H"},
    {ROW_NORM, SLOT_ATTN_NORM, "encoder.layer.{i}.attention.output.LayerNorm", "1", "H"},
    {ROW_LINEAR, SLOT_UP, "encoder.layer.{i}.intermediate.dense", "F", "H"},
    {ROW_LINEAR, SLOT_DOWN, "encoder.layer.{i}.output.dense", "H", "F"},
    {ROW_NORM, SLOT_FFN_NORM, "encoder.layer.{i}.output.LayerNorm", "1", "H"},
    {ROW_END},
};

#define ALBERT_LAYER "encoder.albert_layer_groups.{g}.albert_layers.{k}."
static const struct tensor_row albert_tensors[] = {
    {ROW_TABLE, SLOT_WORD, "embeddings.word_embeddings", "V", "E"},
    {ROW_TABLE, SLOT_POSITION, "embeddings.position_embeddings", "P", "E"},
    {ROW_TABLE, SLOT_TYPE, "embeddings.token_type_embeddings", "T", "E"},
    {ROW_NORM, SLOT_EMBED_NORM, "embeddings.LayerNorm", "1", "E"},
    {ROW_LINEAR, SLOT_EMBED_PROJ, "encoder.embedding_hidden_mapping_in", "H", "E"},
    {ROW_LINEAR, SLOT_QKV, ALBERT_LAYER "attention.query", "H", "H"},
    {ROW_LINEAR, SLOT_QKV, ALBERT_LAYER "attention.key", "H", "H"},
    {ROW_LINEAR, SLOT_QKV, ALBERT_LAYER "attention.value", "H", "H"},
    {ROW_TABLE, SLOT_DISTANCE, ALBERT_LAYER "attention.distance_embedding", "R", "D", BIAS_NEVER,
     WHEN_RELATIVE_KEY},
    {ROW_LINEAR, SLOT_ATTN_OUT, ALBERT_LAYER "attention.dense", "H", "H"},
    {ROW_NORM, SLOT_ATTN_NORM, ALBERT_LAYER "attention.LayerNorm", "1", "H"},
    {ROW_LINEAR, SLOT_UP, ALBERT_LAYER "ffn", "F", "H"},
    {ROW_LINEAR, SLOT_DOWN, ALBERT_LAYER "ffn_output", "H", "F"},
    {ROW_NORM, SLOT_FFN_NORM, ALBERT_LAYER "full_layer_layer_norm", "1", "H"},
    {ROW_END},
};

/* Both DeBERTas have these, before and after what lies in their attention. */
/* clang-format off */
#define DEBERTA_EMBEDDINGS                                                                       \
    {ROW_TABLE, SLOT_WORD, "embeddings.word_embeddings", "V", "E"},                              \
    {ROW_TABLE, SLOT_POSITION, "embeddings.position_embeddings", "P", "E", BIAS_NEVER,           \
     WHEN_BIASED_INPUT},                                                                         \
    {ROW_TABLE, SLOT_TYPE, "embeddings.token_type_embeddings", "T", "E", BIAS_NEVER, WHEN_TYPES},\
    {ROW_LINEAR, SLOT_EMBED_PROJ, "embeddings.embed_proj", "H", "E", BIAS_NEVER, WHEN_PROJECTED},\
    {ROW_NORM, SLOT_EMBED_NORM, "embeddings.LayerNorm", "1", "H"},                               \
    {ROW_TABLE, SLOT_RELATIVE, "encoder.rel_embeddings", "S", "H", BIAS_NEVER, WHEN_RELATIVE}
#define DEBERTA_LAYER                                                                            \
    {ROW_LINEAR, SLOT_ATTN_OUT, "encoder.layer.{i}.attention.output.dense", "H", "H"},           \
    {ROW_NORM, SLOT_ATTN_NORM, "encoder.layer.{i}.attention.output.LayerNorm", "1", "H"},        \
    {ROW_LINEAR, SLOT_UP, "encoder.layer.{i}.intermediate.dense", "F", "H"},                     \
    {ROW_LINEAR, SLOT_DOWN, "encoder.layer.{i}.output.dense", "H", "F"},                         \
    {ROW_NORM, SLOT_FFN_NORM, "encoder.layer.{i}.output.LayerNorm", "1", "H"}
/* clang-format on */

static const struct tensor_row deberta_tensors[] = {
    DEBERTA_EMBEDDINGS,
    {ROW_LINEAR, SLOT_QKV, "encoder.layer.{i}.attention.self.in_proj", "3H", "H", BIAS_QV,
     WHEN_ALWAYS, ORDER_HEADS},
    {ROW_LINEAR, SLOT_POS_KEY, "encoder.layer.{i}.attention.self.pos_proj", "H", "H", BIAS_NEVER,
     WHEN_C2P},
    {ROW_LINEAR, SLOT_POS_QUERY, "encoder.layer.{i}.attention.self.pos_q_proj", "H", "H", BIAS_YES,
     WHEN_P2C},
    DEBERTA_LAYER,
    {ROW_END},
};

static const struct tensor_row deberta_v2_tensors[] = {
    DEBERTA_EMBEDDINGS,
    {ROW_NORM, SLOT_RELATIVE_NORM, "encoder.LayerNorm", "1", "H", BIAS_YES, WHEN_RELATIVE_NORM},
    {ROW_CONV, SLOT_CONV, "encoder.conv.conv", "H", "H", BIAS_YES, WHEN_CONV},
    {ROW_NORM, SLOT_CONV_NORM, "encoder.conv.LayerNorm", "1", "H", BIAS_YES, WHEN_CONV},
    {ROW_LINEAR, SLOT_QKV, "encoder.layer.{i}.attention.self.query_proj", "H", "H"},
    {ROW_LINEAR, SLOT_QKV, "encoder.layer.{i}.attention.self.key_proj", "H", "H"},
    {ROW_LINEAR, SLOT_QKV, "encoder.layer.{i}.attention.self.value_proj", "H", "H"},
    {ROW_LINEAR, SLOT_POS_KEY, "encoder.layer.{i}.attention.self.pos_key_proj", "H", "H", BIAS_YES,
     WHEN_C2P},
    {ROW_LINEAR, SLOT_POS_QUERY, "encoder.layer.{i}.attention.self.pos_query_proj", "H", "H",
     BIAS_YES, WHEN_P2C},
    DEBERTA_LAYER,
    {ROW_END},
};

/* ---- heads ---- */

static const struct head_row electra_heads[] = {
    HEAD_EMBEDDING,
    HEAD_SEQUENCE("classifier.dense", TM_ACT_GELU_ERF, "classifier.out_proj"),
    HEAD_TOKEN("classifier"),
    HEAD_SPAN("qa_outputs"),
};
static const struct head_row albert_heads[] = {
    HEAD_EMBEDDING,
    HEAD_SEQUENCE("pooler", TM_ACT_TANH, "classifier"),
    HEAD_TOKEN("classifier"),
    HEAD_SPAN("qa_outputs"),
};
static const struct head_row deberta_heads[] = {
    HEAD_EMBEDDING,
    HEAD_SEQUENCE("pooler.dense", ACT_CLASSIFIER, "classifier"),
    HEAD_TOKEN("classifier"),
    HEAD_SPAN("qa_outputs"),
};

static const char *const electra_unused[] = {
    "discriminator_predictions.*", "generator_predictions.*", "generator_lm_head.*", NULL};
static const char *const albert_unused[] = {"pooler.*", "predictions.*", "sop_classifier.*", NULL};
static const char *const deberta_unused[] = {
    "pooler.*", "cls.*", "lm_predictions.*", "mask_predictions.*", "*position_embeddings.*", NULL};

/* ---- configuration keys ---- */

static const struct key_alias no_aliases[] = {{NULL, NULL}};
static const struct key_alias deberta_aliases[] = {
    {"pooler_hidden_act", "classifier_activation"},
    {"position_embedding_type", NULL},
    {"position_buckets", NULL},
    {"share_att_key", NULL},
    {"norm_rel_ebd", NULL},
    {"conv_kernel_size", NULL},
    {"attention_head_size", NULL},
    {NULL, NULL},
};
static const struct key_alias deberta_v2_aliases[] = {
    {"pooler_hidden_act", "classifier_activation"},
    {"position_embedding_type", NULL},
    {"talking_head", NULL},
    {NULL, NULL},
};

/* ---- the table ---- */

/* clang-format off */
#define DEBERTA_ROW(type, class, vocab, hidden, layers, heads_, ffn, tensors_, aliases_)     \
    {.model_type = type, .class_prefix = class, .prefix = "deberta.",                        \
     .defaults = {.vocab_size = vocab, .hidden_size = hidden, .num_hidden_layers = layers,   \
                  .num_attention_heads = heads_, .intermediate_size = ffn,                   \
                  .hidden_act = TM_ACT_GELU_ERF, .max_position_embeddings = 512,             \
                  .layer_norm_eps = 1e-7, .pad_token_id = 0, .max_relative_positions = -1,   \
                  .position_buckets = -1, .position_biased_input = true, .conv_groups = 1,   \
                  .conv_act = TM_ACT_TANH, .classifier_activation = TM_ACT_GELU_ERF},        \
     .aliases = aliases_, .tensors = tensors_, .heads = deberta_heads,                       \
     .n_heads = TM_COUNTOF(deberta_heads), .unused = deberta_unused, .types = true,          \
     .projected_first = true, .fixed_pad = -1}
/* clang-format on */

const struct family deberta_families[] = {
    {.model_type = "electra",
     .class_prefix = "Electra",
     .prefix = "electra.",
     .defaults = {.vocab_size = 30522,
                  .embedding_size = 128,
                  .hidden_size = 256,
                  .num_hidden_layers = 12,
                  .num_attention_heads = 4,
                  .intermediate_size = 1024,
                  .hidden_act = TM_ACT_GELU_ERF,
                  .max_position_embeddings = 512,
                  .type_vocab_size = 2,
                  .layer_norm_eps = 1e-12,
                  .pad_token_id = 0},
     .aliases = no_aliases,
     .tensors = electra_tensors,
     .heads = electra_heads,
     .n_heads = TM_COUNTOF(electra_heads),
     .unused = electra_unused,
     .types = true,
     .fixed_pad = -1},
    {.model_type = "albert",
     .class_prefix = "Albert",
     .prefix = "albert.",
     .defaults = {.vocab_size = 30000,
                  .embedding_size = 128,
                  .hidden_size = 4096,
                  .num_hidden_layers = 12,
                  .num_hidden_groups = 1,
                  .inner_group_num = 1,
                  .num_attention_heads = 64,
                  .intermediate_size = 16384,
                  .hidden_act = TM_ACT_GELU_TANH,
                  .max_position_embeddings = 512,
                  .type_vocab_size = 2,
                  .layer_norm_eps = 1e-12,
                  .pad_token_id = 0},
     .aliases = no_aliases,
     .tensors = albert_tensors,
     .heads = albert_heads,
     .n_heads = TM_COUNTOF(albert_heads),
     .unused = albert_unused,
     .types = true,
     .shared_layers = true,
     .fixed_pad = -1},
    DEBERTA_ROW("deberta", "Deberta", 50265, 768, 12, 12, 3072, deberta_tensors, deberta_aliases),
    DEBERTA_ROW("deberta-v2", "DebertaV2", 128100, 1536, 24, 24, 6144, deberta_v2_tensors,
                deberta_v2_aliases),
};
const size_t n_deberta_families = TM_COUNTOF(deberta_families);
