/* The families: rows of data, no code but the look-ups. See families.h for what a row means and
 * README.md for how to add one. Defaults are the class defaults of transformers 4.57. */
#include "families.h"

#include <stdio.h>
#include <string.h>

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

static const struct tensor_row bart_tensors[] = {
    {ROW_TABLE, SLOT_WORD, "shared|encoder.embed_tokens|decoder.embed_tokens|lm_head", "V", "H"},
    {ROW_TABLE, SLOT_POSITION, "encoder.embed_positions", "O", "H"},
    {ROW_NORM, SLOT_EMBED_NORM, "encoder.layernorm_embedding", "1", "H"},
    {ROW_LINEAR, SLOT_QKV, "encoder.layers.{i}.self_attn.q_proj", "H", "H"},
    {ROW_LINEAR, SLOT_QKV, "encoder.layers.{i}.self_attn.k_proj", "H", "H"},
    {ROW_LINEAR, SLOT_QKV, "encoder.layers.{i}.self_attn.v_proj", "H", "H"},
    {ROW_LINEAR, SLOT_ATTN_OUT, "encoder.layers.{i}.self_attn.out_proj", "H", "H"},
    {ROW_NORM, SLOT_ATTN_NORM, "encoder.layers.{i}.self_attn_layer_norm", "1", "H"},
    {ROW_LINEAR, SLOT_UP, "encoder.layers.{i}.fc1", "F", "H"},
    {ROW_LINEAR, SLOT_DOWN, "encoder.layers.{i}.fc2", "H", "F"},
    {ROW_NORM, SLOT_FFN_NORM, "encoder.layers.{i}.final_layer_norm", "1", "H"},
    {ROW_END},
};
static const struct tensor_row bart_decoder[] = {
    {ROW_TABLE, SLOT_DECODER_POSITION, "decoder.embed_positions", "O", "H"},
    {ROW_NORM, SLOT_DECODER_EMBED_NORM, "decoder.layernorm_embedding", "1", "H"},
    {ROW_LINEAR, SLOT_QKV, "decoder.layers.{i}.self_attn.q_proj", "H", "H"},
    {ROW_LINEAR, SLOT_QKV, "decoder.layers.{i}.self_attn.k_proj", "H", "H"},
    {ROW_LINEAR, SLOT_QKV, "decoder.layers.{i}.self_attn.v_proj", "H", "H"},
    {ROW_LINEAR, SLOT_ATTN_OUT, "decoder.layers.{i}.self_attn.out_proj", "H", "H"},
    {ROW_NORM, SLOT_ATTN_NORM, "decoder.layers.{i}.self_attn_layer_norm", "1", "H"},
    {ROW_LINEAR, SLOT_CROSS_Q, "decoder.layers.{i}.encoder_attn.q_proj", "H", "H"},
    {ROW_LINEAR, SLOT_CROSS_KV, "decoder.layers.{i}.encoder_attn.k_proj", "H", "H"},
    {ROW_LINEAR, SLOT_CROSS_KV, "decoder.layers.{i}.encoder_attn.v_proj", "H", "H"},
    {ROW_LINEAR, SLOT_CROSS_OUT, "decoder.layers.{i}.encoder_attn.out_proj", "H", "H"},
    {ROW_NORM, SLOT_CROSS_NORM, "decoder.layers.{i}.encoder_attn_layer_norm", "1", "H"},
    {ROW_LINEAR, SLOT_UP, "decoder.layers.{i}.fc1", "G", "H"},
    {ROW_LINEAR, SLOT_DOWN, "decoder.layers.{i}.fc2", "H", "G"},
    {ROW_NORM, SLOT_FFN_NORM, "decoder.layers.{i}.final_layer_norm", "1", "H"},
    {ROW_END},
};

/* ---- heads ---- */

/* clang-format off */
#define DENSE(slot, name, rows) {ROW_LINEAR, (slot), (name), (rows), "H"}
#define HEAD_EMBEDDING          {.head = TM_HEAD_EMBEDDING}
#define HEAD_TOKEN(name)        {.head = TM_HEAD_TOKEN, .dense = {DENSE(SLOT_HEAD_0, name, "L")}}
#define HEAD_SPAN(name)         {.head = TM_HEAD_SPAN, .dense = {DENSE(SLOT_HEAD_0, name, "2")}}
#define HEAD_SEQUENCE(first, activation, second)                                   \
    {.head = TM_HEAD_SEQUENCE,                                                     \
     .dense = {DENSE(SLOT_HEAD_0, first, "H"), DENSE(SLOT_HEAD_1, second, "L")},   \
     .act = {activation}}
/* dense, act, norm, classifier */
#define HEAD_MODERN(kind, n)                                                       \
    {.head = (kind),                                                               \
     .dense = {{ROW_LINEAR, SLOT_HEAD_0, "head.dense", "H", "H", BIAS_CLASSIFIER}, \
               {ROW_NORM, SLOT_HEAD_NORM_0, "head.norm", "1", "H", BIAS_NORM},     \
               DENSE(SLOT_HEAD_1, "classifier", n)},                               \
     .act = {ACT_CLASSIFIER}}
/* clang-format on */

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

static const struct head_row bart_heads[] = {
    {.head = TM_HEAD_GENERATE,
     .dense = {{ROW_LINEAR, SLOT_OUTPUT, "shared|encoder.embed_tokens|decoder.embed_tokens|lm_head",
                "V", "H", BIAS_NEVER, WHEN_TIED},
               {ROW_LINEAR, SLOT_OUTPUT, "lm_head", "V", "H", BIAS_NEVER, WHEN_UNTIED},
               {ROW_PLAIN, SLOT_OUTPUT_BIAS, "final_logits_bias", "1", "V", BIAS_NEVER,
                WHEN_PRESENT}}},
    HEAD_SEQUENCE("classification_head.dense", TM_ACT_TANH, "classification_head.out_proj"),
};

/* Heads of pre-training, which nothing here runs; the pooler, where the head does without. */
static const char *const bert_unused[] = {"pooler.*", "cls.*", NULL};
static const char *const roberta_unused[] = {"pooler.*", "lm_head.*", NULL};
static const char *const distilbert_unused[] = {"vocab_transform.*", "vocab_layer_norm.*",
                                                "vocab_projector.*", NULL};
static const char *const bart_unused[] = {"lm_head.weight", "final_logits_bias", NULL};
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
    {"rope_theta", "global_rope_theta"},
    {"layer_norm_eps", NULL},
    {"type_vocab_size", NULL},
    {"position_embedding_type", NULL},
    {"hidden_act", NULL},
    {NULL, NULL},
};

static const struct key_alias bart_aliases[] = {
    {"d_model", "hidden_size"},
    {"encoder_layers", "num_hidden_layers"},
    {"encoder_attention_heads", "num_attention_heads"},
    {"encoder_ffn_dim", "intermediate_size"},
    {"activation_function", "hidden_act"},
    {"hidden_size", NULL},
    {"num_hidden_layers", NULL},
    {"num_attention_heads", NULL},
    {"intermediate_size", NULL},
    {"hidden_act", NULL},
    {"type_vocab_size", NULL},
    {"position_embedding_type", NULL},
    {"layer_norm_eps", NULL},
    {"num_key_value_heads", NULL},
    {"head_dim", NULL},
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

static const struct family families[] = {
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
                  .global_rope_theta = 160000,
                  .local_rope_theta = 10000,
                  .global_attn_every_n_layers = 3,
                  .local_attention = 128,
                  .classifier_activation = TM_ACT_GELU_ERF},
     .aliases = modernbert_aliases,
     .tensors = modernbert_tensors,
     .heads = modernbert_heads,
     .n_heads = TM_COUNTOF(modernbert_heads),
     .unused = modernbert_unused,
     .pre_norm = true,
     .gated = true,
     .rope = true,
     .fixed_pad = -1},
    {.model_type = "bart",
     .class_prefix = "Bart",
     .prefix = "model.",
     .defaults = {.vocab_size = 50265,
                  .hidden_size = 1024,
                  .num_hidden_layers = 12,
                  .num_attention_heads = 16,
                  .intermediate_size = 4096,
                  .decoder_layers = 12,
                  .decoder_attention_heads = 16,
                  .decoder_ffn_dim = 4096,
                  .hidden_act = TM_ACT_GELU_ERF,
                  .max_position_embeddings = 1024,
                  .layer_norm_eps = 1e-5,
                  .tie_word_embeddings = true,
                  .n_labels = 3,
                  .pad_token_id = 1,
                  .bos_token_id = 0,
                  .eos_token_id = 2,
                  .decoder_start_token_id = 2,
                  .forced_eos_token_id = 2},
     .aliases = bart_aliases,
     .tensors = bart_tensors,
     .decoder = bart_decoder,
     .heads = bart_heads,
     .n_heads = TM_COUNTOF(bart_heads),
     .unused = bart_unused,
     .shape = SHAPE_ENCODER_DECODER,
     .position_offset = 2,
     .fixed_pad = -1},
};

/* ---- look-ups ---- */

const struct family *family_find(const char *model_type)
{
    for (size_t i = 0; i < TM_COUNTOF(families); i++)
        if (strcmp(families[i].model_type, model_type) == 0)
            return &families[i];
    return NULL;
}

const struct head_row *family_head(const struct family *f, enum tm_head head)
{
    for (int32_t i = 0; i < f->n_heads; i++)
        if (f->heads[i].head == head)
            return &f->heads[i];
    return NULL;
}

void family_names(char *out, size_t size)
{
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < TM_COUNTOF(families) && used < size; i++)
        used += (size_t)snprintf(out + used, size - used, "%s%s", i > 0 ? ", " : "",
                                 families[i].model_type);
}

int64_t family_size(const struct config *c, const char *symbol)
{
    const struct stack s =
        c->family->shape == SHAPE_ENCODER ? config_encoder(c) : config_decoder(c);
    const struct {
        char symbol;
        int64_t size;
    } sizes[] = {
        {'\0', 1},
        {'V', c->vocab_size},
        {'H', c->hidden_size},
        {'F', c->intermediate_size},
        {'G', c->decoder_ffn_dim},
        {'P', c->max_position_embeddings},
        {'O', c->max_position_embeddings + c->family->position_offset},
        {'T', c->type_vocab_size},
        {'L', c->n_labels},
        {'A', c->num_attention_heads},
        {'D', s.head_dim},
        {'Q', (int64_t)s.heads * s.head_dim},
        {'K', (int64_t)s.kv_heads * s.head_dim},
        {'B', c->relative_attention_num_buckets},
        {'R', 2 * (int64_t)c->max_position_embeddings - 1},
    };
    int64_t factor = 0;
    size_t i = 0;
    for (; *symbol >= '0' && *symbol <= '9'; symbol++)
        factor = factor * 10 + (*symbol - '0');
    while (i < TM_COUNTOF(sizes) && sizes[i].symbol != *symbol)
        i++;
    tm_assert(i < TM_COUNTOF(sizes));
    return TM_MAX(factor, 1) * sizes[i].size;
}

bool family_bias(const struct config *c, enum bias_rule rule)
{
    switch (rule) {
    case BIAS_YES:
        return true;
    case BIAS_NEVER:
        return false;
    case BIAS_ATTENTION:
        return c->attention_bias;
    case BIAS_MLP:
        return c->mlp_bias;
    case BIAS_NORM:
        return c->norm_bias;
    case BIAS_CLASSIFIER:
        return c->classifier_bias;
    }
    return false;
}
