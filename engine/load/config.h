/* What config.json says of a model, with its family's defaults where it says nothing. */
#ifndef ENGINE_CONFIG_H
#define ENGINE_CONFIG_H

#include "tm_engine.h"
#include "tm_kernels.h"

struct family;

enum { POS_ATT_C2P = 1 << 0, POS_ATT_P2C = 1 << 1 };
enum rope_type { ROPE_DEFAULT, ROPE_LINEAR, ROPE_DYNAMIC, ROPE_YARN, ROPE_LONGROPE, ROPE_LLAMA3 };
/* rope_theta and rope_scaling, or rope_parameters. */
struct rope {
    double theta; /* 0: there is none */
    enum rope_type type;
    double factor, low_freq_factor, high_freq_factor, beta_fast, beta_slow;
    double attention_factor, mscale, mscale_all_dim, original_max_position_embeddings; /* 0: none */
};

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
    double layer_norm_eps;
    enum tm_act hidden_act, classifier_activation;
    enum position_type position_embedding_type;
    bool scale_embedding, tie_word_embeddings, share_encoder_decoder_embeddings;
    bool scale_decoder_outputs;   /* T5's, as transformers 5 says it */
    int32_t transformers_version; /* that wrote the file, its first number; 0: not said */
    bool gated;                   /* feed-forward: act(a) * b */
    bool encoder_only;            /* of an encoder-decoder */
    int32_t decoder_vocab_size, max_decoder_position_embeddings; /* 0: as the encoder's */
    int32_t inner_size; /* GPT-2's n_inner; 0: four times hidden_size */
    /* Local attention */
    int32_t attention_window, sliding_window, sliding_window_pattern, max_window_layers;
    bool use_sliding_window;
    int32_t n_layer_types, n_windows;
    const int32_t *layer_types; /* (n_layer_types) 1: sliding_attention; in the arena */
    const int32_t *windows;     /* (n_windows) LED's, in the arena */
    double query_pre_attn_scalar, attn_logit_softcapping, final_logit_softcapping; /* 0: none */
    bool scale_attn_weights, scale_attn_by_inverse_layer_idx;
    struct rope rope[2]; /* of all layers; or of those that are not local, and of local ones */
    /* ELECTRA, ALBERT, DeBERTa */
    int32_t embedding_size; /* 0: hidden_size */
    int32_t num_hidden_groups, inner_group_num;
    int32_t pos_att_type;                             /* POS_ATT_… */
    int32_t max_relative_positions, position_buckets; /* below 1: none given */
    int32_t attention_head_size, pooler_hidden_size;  /* 0: as hidden_size says */
    int32_t conv_kernel_size, conv_groups;
    enum tm_act conv_act;
    bool relative_attention, share_att_key, norm_rel_ebd, position_biased_input;
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
/* Farthest relative position with a row of its own in DeBERTa's table, which has twice as many. */
int32_t config_span(const struct config *c);
/* Most ids of one sequence. */
int32_t config_max_length(const struct config *c);
/* Most ids of a decoder. */
int32_t config_decoder_positions(const struct config *c);

/* One side of a model, as its layers are put together. */
struct stack {
    int32_t first; /* its first layer's number among all layers, the encoder's being first */
    int32_t layers, heads, kv_heads, head_dim;
    int32_t own; /* layers with weights of their own, of which ALBERT runs each several times */
};
struct stack config_encoder(const struct config *c); /* layers 0: there is none */
struct stack config_decoder(const struct config *c);
/* How far layer i of a side looks either way; 0: everywhere. */
int32_t config_window(const struct config *c, bool decoder, int32_t i);
bool config_is_local(const struct config *c, int32_t i);
int32_t config_output_size(const struct config *c); /* ids that a decoder chooses from */
/* Which weights layer i of a stack runs with, 0 … own - 1. */
int32_t config_own_layer(const struct config *c, int32_t i);

#endif
