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
    SLOT_RELATIVE_BIAS, /* T5 buckets, shared by the layers */
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
    SLOT_COUNT
};

enum row_kind {
    ROW_END,
    ROW_LINEAR, /* name.weight (rows, cols) and name.bias (rows) */
    ROW_NORM,   /* name.weight (cols) and name.bias (cols); gamma and beta in old files */
    ROW_TABLE,  /* name.weight (rows, cols) */
    ROW_PLAIN,  /* name (rows, cols) */
};

enum bias_rule { BIAS_YES, BIAS_NEVER, BIAS_ATTENTION, BIAS_MLP, BIAS_NORM, BIAS_CLASSIFIER };

enum when { /* layers and models that have the tensor */
            WHEN_ALWAYS,
            WHEN_NOT_FIRST,
            WHEN_RELATIVE_KEY,
            WHEN_TIED,
            WHEN_UNTIED,
            WHEN_PRESENT
};

/* One tensor or pair of tensors of a file. {i} in a name is the layer, counted from 0 on either
 * side; names of which a file has some are separated by "|", the first one found counts. Sizes are
 * symbols, with a factor: V vocabulary, H hidden, F intermediate, G the decoder's intermediate, P
 * positions, O positions with position_offset, T types, L labels, A heads, D width of a head, Q
 * width of all heads, K of all key-value heads, B buckets, R relative distances. Rows of one slot
 * that follow one another under one condition are concatenated, as query, key and value are. */
struct tensor_row {
    enum row_kind kind;
    enum slot slot;
    const char *name, *rows, *cols;
    enum bias_rule bias;
    enum when when;
};

struct head_row {
    enum tm_head head;
    struct tensor_row dense[4]; /* SLOT_HEAD_0 …; ends with ROW_END */
    enum tm_act act[3];         /* ACT_CLASSIFIER: the configuration's */
};
#define ACT_CLASSIFIER TM_ACT_COUNT

struct key_alias {
    const char *theirs, *ours; /* ours NULL: the family does not read this key */
};

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
    bool types;    /* the second part of a pair has token type 1; RoBERTa's has type 0 as well */
    bool pre_norm; /* norms before attention and feed-forward, and one at the end */
    bool gated;    /* feed-forward: act(a) * b */
    bool rms;      /* norms without mean */
    bool unscaled; /* attention without 1 / sqrt(width of a head) */
    int32_t fixed_buckets; /* of relative positions, whatever the configuration says; 0: its own */
    bool rope;             /* rotary positions, some layers local */
    bool pad_offset;       /* positions count from pad_token_id + 1, pads stay at pad_token_id */
    int32_t fixed_pad;     /* that id where it is not the configuration's; -1: it is */
};

const struct family *family_find(const char *model_type); /* NULL: unknown */
const struct head_row *family_head(const struct family *f, enum tm_head head);
/* Names of all families, for messages. */
void family_names(char *out, size_t size);
/* Value of a size symbol, "2F" … */
int64_t family_size(const struct config *c, const char *symbol);
bool family_bias(const struct config *c, enum bias_rule rule);

#endif
