/* Families of models are rows of data. A row says what a family's config.json leaves out, which
 * tensors its files hold and how its layers are put together; program.c makes steps from it. A new
 * family is a row in families.c and a golden in tests/conformance. */
#ifndef ENGINE_FAMILIES_H
#define ENGINE_FAMILIES_H

#include "config.h"

/* Where the engine keeps a weight. Those from SLOT_QKV on exist once a layer; a decoder's layers
 * come after the encoder's. */
enum slot {
    SLOT_WORD,
    SLOT_POSITION,
    SLOT_TYPE,
    SLOT_EMBED_NORM,
    SLOT_EMBED_PROJ,    /* embedding_size to hidden_size */
    SLOT_RELATIVE_BIAS, /* T5 buckets, shared by the layers */
    SLOT_RELATIVE,      /* DeBERTa's table of relative positions, shared too, and its norm */
    SLOT_RELATIVE_NORM,
    SLOT_CONV, /* DeBERTa's convolution behind the first layer, and its norm */
    SLOT_CONV_NORM,
    SLOT_FINAL_NORM,
    SLOT_DECODER_WORD, /* not there: SLOT_WORD serves both sides */
    SLOT_DECODER_POSITION,
    SLOT_DECODER_EMBED_NORM,
    SLOT_DECODER_RELATIVE_BIAS,
    SLOT_DECODER_FINAL_NORM,
    SLOT_OUTPUT, /* hidden to vocabulary */
    SLOT_OUTPUT_BIAS,
    SLOT_HEAD_0, /* up to three dense layers after the last one, and the norms behind them */
    SLOT_HEAD_1,
    SLOT_HEAD_2,
    SLOT_HEAD_NORM_0,
    SLOT_QKV,
    SLOT_ATTN_OUT,
    SLOT_ATTN_NORM,
    SLOT_UP,
    SLOT_DOWN,
    SLOT_FFN_NORM,
    SLOT_DISTANCE, /* relative_key */
    SLOT_Q_NORM,   /* over a head, before rotary positions */
    SLOT_K_NORM,
    SLOT_CROSS_Q,
    SLOT_CROSS_KV,
    SLOT_CROSS_OUT,
    SLOT_CROSS_NORM,
    SLOT_OWN_BIAS,       /* UMT5: a layer's own table of relative positions */
    SLOT_POST_ATTN_NORM, /* Gemma: over a branch's result, before it is added */
    SLOT_POST_FFN_NORM,
    SLOT_POS_KEY, /* DeBERTa: SLOT_RELATIVE to keys and queries */
    SLOT_POS_QUERY,
    SLOT_COUNT
};

enum row_kind {
    ROW_END,
    ROW_LINEAR,          /* name.weight (rows, cols) and name.bias (rows) */
    ROW_NORM,            /* name.weight (cols) and name.bias (cols); gamma and beta in old files */
    ROW_TABLE,           /* name.weight (rows, cols) */
    ROW_PLAIN,           /* name (rows, cols) */
    ROW_SINUSOID,        /* name.weight (rows, cols), computed where the file has none */
    ROW_SINUSOID_PADDED, /* M2M100's, always computed; padding's row is zero */
    ROW_CONV,            /* name.weight (rows, cols / groups, kernel) and name.bias (rows) */
};

enum bias_rule {
    BIAS_YES,
    BIAS_NEVER,
    BIAS_ATTENTION,
    BIAS_MLP,
    BIAS_NORM,
    BIAS_CLASSIFIER,
    BIAS_QV, /* DeBERTa: q_bias and v_bias lie beside the matrix, the keys have none */
};

enum when { /* which configurations, and which layers, have the tensor */
            WHEN_ALWAYS,
            WHEN_NOT_FIRST,
            WHEN_RELATIVE_KEY,
            WHEN_TYPES,        /* type_vocab_size */
            WHEN_PROJECTED,    /* embedding_size is not hidden_size */
            WHEN_BIASED_INPUT, /* position_biased_input */
            WHEN_RELATIVE,     /* relative_attention … */
            WHEN_RELATIVE_NORM,
            WHEN_C2P, /* … with a projection of its own for either term */
            WHEN_P2C,
            WHEN_CONV,
            WHEN_SHARED, /* share_encoder_decoder_embeddings */
            WHEN_SPLIT,
            WHEN_GATED,
            WHEN_UNGATED,
            WHEN_TIED_SHARED,
            WHEN_TIED_SPLIT,
            WHEN_TIED,
            WHEN_UNTIED,
            WHEN_PRESENT /* where the file has it */
};

/* How a file has the matrix of a linear layer. */
enum weight_order {
    ORDER_PLAIN,
    ORDER_HEADS,      /* query, key and value of a head lie together */
    ORDER_TRANSPOSED, /* (cols, rows), as GPT-2's Conv1D */
};

/* One tensor or pair of tensors of a file. {i} in a name is the layer, counted from 0 on either
 * side, {g} and {k} are ALBERT's group and layer within it; names of which a file has some are
 * separated by "|", the first one found counts. Sizes are symbols, with a factor: V vocabulary, H
 * hidden, F intermediate, G the decoder's intermediate, P positions, O positions with
 * position_offset, T types, E embedding, L labels, A heads, D width of a head, Q width of all
 * heads, K of all key-value heads, B buckets, R relative distances, S DeBERTa's rows of them. Rows
 * of one slot that follow one another under one condition are concatenated, as query, key and value
 * are. */
struct tensor_row {
    enum row_kind kind;
    enum slot slot;
    const char *name, *rows, *cols;
    enum bias_rule bias;
    enum when when;
    enum weight_order order;
};

struct head_row {
    enum tm_head head;
    struct tensor_row dense[6]; /* SLOT_HEAD_0 …; ends with ROW_END */
    enum tm_act act[3];         /* ACT_CLASSIFIER: the configuration's */
};
#define ACT_CLASSIFIER TM_ACT_COUNT

struct key_alias {
    const char *theirs, *ours; /* ours NULL: the family does not read this key */
};

enum locality { LOCAL_NONE, LOCAL_EVERY, LOCAL_ALL, LOCAL_UPPER, LOCAL_LED }; /* config_window */
enum shape { SHAPE_ENCODER, SHAPE_ENCODER_DECODER, SHAPE_DECODER };

struct family {
    const char *model_type;   /* of config.json, and the family's name */
    const char *class_prefix; /* "Bert" of BertForSequenceClassification */
    const char *prefix;       /* of tensor names where a head is on top; may be absent in files */
    struct config defaults;
    const struct key_alias *aliases;  /* ends with NULL */
    const struct tensor_row *tensors; /* the model's and the encoder's; ends with ROW_END */
    const struct tensor_row *decoder; /* NULL: none */
    const struct head_row *heads;     /* n_heads */
    int32_t n_heads;
    const char *const *unused; /* patterns of tensors that a base model may carry; ends with NULL */
    enum shape shape;
    int32_t position_offset; /* row of the position table where position 0 is */
    bool types; /* the second part of a pair has token type 1; RoBERTa's has type 0 as well */
    bool shared_layers;   /* ALBERT's groups */
    bool projected_first; /* the projection of embeddings comes before their norm */
    bool pre_norm;        /* norms before attention and feed-forward, and one at the end */
    bool rms;             /* norms without mean */
    bool norm_plus_one;   /* norms multiply by 1 + weight */
    bool scaled_output;   /* a tied output layer takes hidden / sqrt(hidden_size) */
    enum locality locality;
    bool unscaled;         /* attention without 1 / sqrt(width of a head) */
    int32_t fixed_buckets; /* of relative positions, whatever the configuration says; 0: its own */
    bool rotary;           /* rotary positions */
    bool pad_offset;       /* positions count from pad_token_id + 1, pads stay at pad_token_id */
    int32_t fixed_pad;     /* that id where it is not the configuration's; -1: it is */
};

/* The rows: bert.c, deberta.c, bart.c, t5.c, decoders.c. */
extern const struct family bert_families[], deberta_families[], bart_families[], t5_families[],
    decoder_families[];
extern const size_t n_bert_families, n_deberta_families, n_bart_families, n_t5_families,
    n_decoder_families;

const struct family *family_find(const char *model_type); /* NULL: unknown */
const struct head_row *family_head(const struct family *f, enum tm_head head);
/* Names of all families, for messages. */
void family_names(char *out, size_t size);
/* Value of a size symbol, "2F" … */
bool family_has(const struct config *c, const struct tensor_row *row, int32_t layer);
int64_t family_size(const struct config *c, const char *symbol);
bool family_bias(const struct config *c, enum bias_rule rule);

#endif
