/* What config.json says of a model, with its family's defaults where it says nothing. */
#ifndef ENGINE_CONFIG_H
#define ENGINE_CONFIG_H

#include "tm_engine.h"
#include "tm_kernels.h"

struct family;

enum position_type { POSITION_ABSOLUTE, POSITION_RELATIVE_KEY, POSITION_RELATIVE_KEY_QUERY };

/* Field names are Hugging Face's key names; families.c lists the aliases of each family. */
struct config {
    const struct family *family;
    const char *architecture; /* in the arena */
    enum tm_head head;
    enum tm_problem problem;
    bool problem_given; /* by problem_type; else it follows from the number of labels */
    int32_t vocab_size, hidden_size, num_hidden_layers, num_attention_heads, intermediate_size;
    int32_t max_position_embeddings, type_vocab_size;
    /* Encoder-decoders: the above is the encoder's. Decoder-only models have the above alone. */
    int32_t decoder_layers, decoder_attention_heads, decoder_ffn_dim;
    int32_t num_key_value_heads, head_dim; /* 0: as many as heads; hidden_size / heads */
    int32_t pad_token_id;                  /* -1: none */
    /* Generation's, where there is no generation_config.json (generation.c); -1: none */
    int32_t bos_token_id, eos_token_id, decoder_start_token_id, forced_eos_token_id;
    int32_t relative_attention_num_buckets, relative_attention_max_distance;
    int32_t global_attn_every_n_layers, local_attention;
    double layer_norm_eps, global_rope_theta, local_rope_theta;
    enum tm_act hidden_act, classifier_activation;
    enum position_type position_embedding_type;
    bool scale_embedding, tie_word_embeddings;
    bool attention_bias, mlp_bias, norm_bias, classifier_bias;
    bool classifier_mean; /* classifier_pooling: mean, else cls */
    int32_t n_labels;
    const char **labels; /* (n_labels), in the arena; NULL: LABEL_0 … are made later */
};

/* Reads folder/config.json. Strings lie in the arena. */
enum tm_status config_read(const char *folder, struct tm_arena *arena, struct config *ret_config,
                           struct tm_err *err);
/* Sets head and architecture for a task that an adapter names: "SEQ_CLS" … */
enum tm_status config_set_task(struct config *c, const char *task_type, struct tm_arena *arena,
                               struct tm_err *err);
/* LABEL_0 … where there are no labels; n: how many. */
enum tm_status config_make_labels(struct config *c, int32_t n, struct tm_arena *arena,
                                  struct tm_err *err);
bool config_activation(const char *name, enum tm_act *ret_act);
/* Most ids of one sequence. */
int32_t config_max_length(const struct config *c);
/* Most ids of a decoder. */
int32_t config_decoder_positions(const struct config *c);

/* One side of a model, as its layers are put together. */
struct stack {
    int32_t first; /* its first layer's number among all layers, the encoder's being first */
    int32_t layers, heads, kv_heads, head_dim;
};
struct stack config_encoder(const struct config *c); /* layers 0: there is none */
struct stack config_decoder(const struct config *c);

#endif
