/* BERT and what was made from it: DistilBERT, RoBERTa, MPNet, ModernBERT. See families.h for what a
 * row means. Defaults are the class defaults of transformers 4.57. */
#include "rows.h"

/* ---- tensors ---- */

static const struct tensor_row bert_tensors[] = {
    {ROW_TABLE, SLOT_WORD, "embeddings.word_embeddings", "V", "H"},
    {ROW_TABLE, SLOT_POSITION, "embeddings.position_embeddings", "P", "H"},
    {ROW_TABLE, SLOT_TYPE, "embeddings.token_type_embeddings", "T", "H"},
    {ROW_NORM, SLOT_EMBED_NORM, "embeddings.LayerNorm", "1", "H"},
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

static const struct tensor_row distilbert_tensors[] = {
    {ROW_TABLE, SLOT_WORD, "embeddings.word_embeddings", "V", "H"},
    {ROW_TABLE, SLOT_POSITION, "embeddings.position_embeddings", "P", "H"},
    {ROW_NORM, SLOT_EMBED_NORM, "embeddings.LayerNorm", "1", "H"},
    {ROW_LINEAR, SLOT_QKV, "transformer.layer.{i}.attention.q_lin", "H", "H"},
    {ROW_LINEAR, SLOT_QKV, "transformer.layer.{i}.attention.k_lin", "H", "H"},
    {ROW_LINEAR, SLOT_QKV, "transformer.layer.{i}.attention.v_lin", "H", "H"},
    {ROW_LINEAR, SLOT_ATTN_OUT, "transformer.layer.{i}.attention.out_lin", "H", "H"},
    {ROW_NORM, SLOT_ATTN_NORM, "transformer.layer.{i}.sa_layer_norm", "1", "H"},
    {ROW_LINEAR, SLOT_UP, "transformer.layer.{i}.ffn.lin1", "F", "H"},
    {ROW_LINEAR, SLOT_DOWN, "transformer.layer.{i}.ffn.lin2", "H", "F"},
    {ROW_NORM, SLOT_FFN_NORM, "transformer.layer.{i}.output_layer_norm", "1", "H"},
    {ROW_END},
};

static const struct tensor_row mpnet_tensors[] = {
    {ROW_TABLE, SLOT_WORD, "embeddings.word_embeddings", "V", "H"},
    {ROW_TABLE, SLOT_POSITION, "embeddings.position_embeddings", "P", "H"},
    {ROW_NORM, SLOT_EMBED_NORM, "embeddings.LayerNorm", "1", "H"},
    {ROW_TABLE, SLOT_RELATIVE_BIAS, "encoder.relative_attention_bias", "B", "A"},
    {ROW_LINEAR, SLOT_QKV, "encoder.layer.{i}.attention.attn.q", "H", "H"},
    {ROW_LINEAR, SLOT_QKV, "encoder.layer.{i}.attention.attn.k", "H", "H"},
    {ROW_LINEAR, SLOT_QKV, "encoder.layer.{i}.attention.attn.v", "H", "H"},
    {ROW_LINEAR, SLOT_ATTN_OUT, "encoder.layer.{i}.attention.attn.o", "H", "H"},
    {ROW_NORM, SLOT_ATTN_NORM, "encoder.layer.{i}.attention.LayerNorm", "1", "H"},
    {ROW_LINEAR, SLOT_UP, "encoder.layer.{i}.intermediate.dense", "F", "H"},
    {ROW_LINEAR, SLOT_DOWN, "encoder.layer.{i}.output.dense", "H", "F"},
    {ROW_NORM, SLOT_FFN_NORM, "encoder.layer.{i}.output.LayerNorm", "1", "H"},
    {ROW_END},
};

/* The first layer takes the embeddings as they are: their norm is its norm. */
static const struct tensor_row modernbert_tensors[] = {
    {ROW_TABLE, SLOT_WORD, "embeddings.tok_embeddings", "V", "H"},
    {ROW_NORM, SLOT_EMBED_NORM, "embeddings.norm", "1", "H", BIAS_NORM},
    {ROW_NORM, SLOT_ATTN_NORM, "layers.{i}.attn_norm", "1", "H", BIAS_NORM, WHEN_NOT_FIRST},
    {ROW_LINEAR, SLOT_QKV, "layers.{i}.attn.Wqkv", "3H", "H", BIAS_ATTENTION},
    {ROW_LINEAR, SLOT_ATTN_OUT, "layers.{i}.attn.Wo", "H", "H", BIAS_ATTENTION},
    {ROW_NORM, SLOT_FFN_NORM, "layers.{i}.mlp_norm", "1", "H", BIAS_NORM},
    {ROW_LINEAR, SLOT_UP, "layers.{i}.mlp.Wi", "2F", "H", BIAS_MLP},
    {ROW_LINEAR, SLOT_DOWN, "layers.{i}.mlp.Wo", "H", "F", BIAS_MLP},
    {ROW_NORM, SLOT_FINAL_NORM, "final_norm", "1", "H", BIAS_NORM},
    {ROW_END},
};

/* ---- heads ---- */

static const struct head_row bert_heads[] = {
    HEAD_EMBEDDING,
    HEAD_SEQUENCE("pooler.dense", TM_ACT_TANH, "classifier"),
    HEAD_TOKEN("classifier"),
    HEAD_SPAN("qa_outputs"),
};
static const struct head_row roberta_heads[] = {
    HEAD_EMBEDDING,
    HEAD_SEQUENCE("classifier.dense", TM_ACT_TANH, "classifier.out_proj"),
    HEAD_TOKEN("classifier"),
    HEAD_SPAN("qa_outputs"),
};
static const struct head_row distilbert_heads[] = {
    HEAD_EMBEDDING,
    HEAD_SEQUENCE("pre_classifier", TM_ACT_RELU, "classifier"),
    HEAD_TOKEN("classifier"),
    HEAD_SPAN("qa_outputs"),
};
static const struct head_row modernbert_heads[] = {
    HEAD_EMBEDDING,
    HEAD_MODERN(TM_HEAD_SEQUENCE, "L"),
    HEAD_MODERN(TM_HEAD_TOKEN, "L"),
    HEAD_MODERN(TM_HEAD_SPAN, "2"),
};

/* Heads of pre-training, which nothing here runs; the pooler, where the head does without. */
static const char *const bert_unused[] = {"pooler.*", "cls.*", NULL};
static const char *const roberta_unused[] = {"pooler.*", "lm_head.*", NULL};
static const char *const distilbert_unused[] = {"vocab_transform.*", "vocab_layer_norm.*",
                                                "vocab_projector.*", NULL};
static const char *const modernbert_unused[] = {"head.*", "decoder.*", NULL};

/* ---- configuration keys that go by another name, or that the family's class does not read ---- */

static const struct key_alias no_aliases[] = {{NULL, NULL}};
static const struct key_alias distilbert_aliases[] = {
    {"dim", "hidden_size"},
    {"n_layers", "num_hidden_layers"},
    {"n_heads", "num_attention_heads"},
    {"hidden_dim", "intermediate_size"},
    {"activation", "hidden_act"},
    {"layer_norm_eps", NULL},
    {"type_vocab_size", NULL},
    {"position_embedding_type", NULL},
    {"hidden_act", NULL},
    {"intermediate_size", NULL},
    {NULL, NULL},
};
static const struct key_alias mpnet_aliases[] = {{"type_vocab_size", NULL},
                                                 {"position_embedding_type", NULL},
                                                 {"relative_attention_max_distance", NULL},
                                                 {NULL, NULL}};
static const struct key_alias modernbert_aliases[] = {
    {"hidden_activation", "hidden_act"},
    {"norm_eps", "layer_norm_eps"},
    {"global_rope_theta", "rope_theta"},
    {"layer_norm_eps", NULL},
    {"type_vocab_size", NULL},
    {"position_embedding_type", NULL},
    {"hidden_act", NULL},
    {NULL, NULL},
};

/* ---- the table ---- */

/* clang-format off */
#define ROBERTA_ROW(type, class)                                                           \
    {.model_type = type, .class_prefix = class, .prefix = "roberta.",                      \
     .defaults = {.vocab_size = 30522, .hidden_size = 768, .num_hidden_layers = 12,        \
                  .num_attention_heads = 12, .intermediate_size = 3072,                    \
                  .hidden_act = TM_ACT_GELU_ERF, .max_position_embeddings = 512,           \
                  .type_vocab_size = 2, .layer_norm_eps = 1e-12, .pad_token_id = 1},       \
     .aliases = no_aliases, .tensors = bert_tensors, .heads = roberta_heads,               \
     .n_heads = TM_COUNTOF(roberta_heads), .unused = roberta_unused, .pad_offset = true,   \
     .fixed_pad = -1}
/* clang-format on */

const struct family bert_families[] = {
    {.model_type = "bert",
     .class_prefix = "Bert",
     .prefix = "bert.",
     .defaults = {.vocab_size = 30522,
                  .hidden_size = 768,
                  .num_hidden_layers = 12,
                  .num_attention_heads = 12,
                  .intermediate_size = 3072,
                  .hidden_act = TM_ACT_GELU_ERF,
                  .max_position_embeddings = 512,
                  .type_vocab_size = 2,
                  .layer_norm_eps = 1e-12,
                  .pad_token_id = 0},
     .aliases = no_aliases,
     .tensors = bert_tensors,
     .heads = bert_heads,
     .n_heads = TM_COUNTOF(bert_heads),
     .unused = bert_unused,
     .types = true,
     .fixed_pad = -1},
    {.model_type = "distilbert",
     .class_prefix = "DistilBert",
     .prefix = "distilbert.",
     .defaults = {.vocab_size = 30522,
                  .hidden_size = 768,
                  .num_hidden_layers = 6,
                  .num_attention_heads = 12,
                  .intermediate_size = 3072,
                  .hidden_act = TM_ACT_GELU_ERF,
                  .max_position_embeddings = 512,
                  .layer_norm_eps = 1e-12,
                  .pad_token_id = 0},
     .aliases = distilbert_aliases,
     .tensors = distilbert_tensors,
     .heads = distilbert_heads,
     .n_heads = TM_COUNTOF(distilbert_heads),
     .unused = distilbert_unused,
     .fixed_pad = -1},
    ROBERTA_ROW("roberta", "Roberta"),
    ROBERTA_ROW("xlm-roberta", "XLMRoberta"),
    ROBERTA_ROW("camembert", "Camembert"),
    {.model_type = "mpnet",
     .class_prefix = "MPNet",
     .prefix = "mpnet.",
     .defaults = {.vocab_size = 30527,
                  .hidden_size = 768,
                  .num_hidden_layers = 12,
                  .num_attention_heads = 12,
                  .intermediate_size = 3072,
                  .hidden_act = TM_ACT_GELU_ERF,
                  .max_position_embeddings = 512,
                  .layer_norm_eps = 1e-12,
                  .pad_token_id = 1,
                  .relative_attention_num_buckets = 32,
                  .relative_attention_max_distance = 128},
     .aliases = mpnet_aliases,
     .tensors = mpnet_tensors,
     .heads = roberta_heads,
     .n_heads = TM_COUNTOF(roberta_heads),
     .unused = roberta_unused,
     .pad_offset = true,
     .fixed_buckets = 32,
     .fixed_pad = 1 /* the class does not ask the configuration */},
    {.model_type = "modernbert",
     .class_prefix = "ModernBert",
     .prefix = "model.",
     .defaults = {.vocab_size = 50368,
                  .hidden_size = 768,
                  .num_hidden_layers = 22,
                  .num_attention_heads = 12,
                  .intermediate_size = 1152,
                  .hidden_act = TM_ACT_GELU_ERF,
                  .max_position_embeddings = 8192,
                  .layer_norm_eps = 1e-5,
                  .pad_token_id = 50283,
                  .rope = {{.theta = 160000}, {.theta = 10000}},
                  .gated = true,
                  .global_attn_every_n_layers = 3,
                  .local_attention = 128,
                  .classifier_activation = TM_ACT_GELU_ERF},
     .aliases = modernbert_aliases,
     .tensors = modernbert_tensors,
     .heads = modernbert_heads,
     .n_heads = TM_COUNTOF(modernbert_heads),
     .unused = modernbert_unused,
     .pre_norm = true,
     .rotary = true,
     .locality = LOCAL_EVERY,
     .fixed_pad = -1},
};
const size_t n_bert_families = TM_COUNTOF(bert_families);
