/* Inside of a tokenizer: its parts as they are read from tokenizer.json, and the text on its way.
 *
 * Each kind of part (normalizer, pre-tokenizer, model, post-processor, decoder) is a closed table
 * of rows in the file of that name: a row has the names files use, the fields to read and what to
 * run. A row without fields is known but not built. Sequences are flattened when they are read. */
#ifndef TOKENIZE_TOKENIZE_H
#define TOKENIZE_TOKENIZE_H

#include "tm_tokenizer.h"
#include "added_tokens.h"
#include "config.h"
#include "charsmap.h"
#include "encode.h"
#include "finder.h"
#include "read.h"
#include "spm.h"
#include "text.h"
#include "bpe.h"
#include "vocab.h"
#include <string.h>

enum {
    STEPS_MOST = 64,     /* normalizers, pre-tokenizers, decoders: each */
    TEMPLATE_MOST = 256, /* items of a post-processor's template */
};

/* One step of normalization; which members count depends on the row. */
struct normalizer {
    bool (*apply)(const struct normalizer *n, struct cells *x); /* false: no memory */
    bool clean, cjk, lower;                                     /* BertNormalizer */
    int8_t accents;                                             /* BertNormalizer: -1 is as lower */
    bool left, right;                                           /* Strip */
    struct finder finder;                                       /* Replace */
    const struct spm *spm;                                      /* sentencepiece */
    const struct charsmap *charsmap;                            /* Precompiled */
    struct str content;                                         /* Replace, Prepend */
};

enum split { SPLIT_REMOVED, SPLIT_ISOLATED, SPLIT_PREVIOUS, SPLIT_NEXT, SPLIT_CONTIGUOUS };

enum prepend { PREPEND_ALWAYS, PREPEND_FIRST, PREPEND_NEVER };

/* Up to two rewrites of each piece, then a cut; each may be NULL. */
struct pre_tokenizer {
    /* Appends the cells of a piece to x->next and what it is cut into to out. This and what
     * follows: false means that memory is short, unless x->status says more. */
    bool (*rewrite[2])(const struct pre_tokenizer *p, struct cells *x, struct piece in,
                       struct tm_buf *out);
    /* Cuts the cells [begin, end) into pieces. */
    bool (*split)(const struct pre_tokenizer *p, struct cells *x, uint32_t begin, uint32_t end,
                  struct tm_buf *out);
    enum split behavior;
    unsigned flags;                   /* what is cut at; 0: delimiter */
    uint32_t delimiter;               /* CharDelimiterSplit; Metaspace's replacement */
    enum prepend prepend;             /* Metaspace */
    bool add_prefix_space, use_regex; /* ByteLevel; the first of Metaspace too */
    struct finder finder;             /* Split */
    bool invert;                      /* Split */
    uint64_t length;                  /* FixedLength */
};

struct model {
    /* Appends the tokens of one word, offsets in bytes of the word. */
    enum tm_status (*encode)(const struct model *m, const char *word, size_t n, size_t n_chars,
                             struct tm_encoding *e, struct tm_err *err);
    const char *kind; /* "WordPiece", as tokenizer.json calls it */
    uint64_t serial;  /* tells this model's words from others' in a cache */
    struct vocab vocab;
    struct str unk_token;
    struct str prefix;     /* WordPiece, BPE: continuing_subword_prefix */
    struct str suffix;     /* BPE: end_of_word_suffix */
    uint64_t max_chars;    /* WordPiece: max_input_chars_per_word */
    int32_t unk_id;        /* -1: not in the vocabulary */
    uint32_t continuing;   /* node that prefix leads to, TRIE_NONE: no token begins with it */
    int32_t byte_ids[256]; /* BPE, Unigram: of <0x00> to <0xFF>; -1: not there */
    bool fuse_unk, byte_fallback, ignore_merges;
    struct merges merges;      /* BPE */
    double *scores, unk_score; /* Unigram: by id */
    struct spm *spm;           /* of a sentencepiece model; vocab has the folder's tokens */
};

/* Appends the tokens of n bytes that begin at byte `base` of the word. */
typedef enum tm_status tok_encode_fn(const struct model *m, const char *word, size_t n, size_t base,
                                     struct tm_encoding *e, struct tm_err *err);
/* The same by what e remembers of words seen before: cache.c. */
enum tm_status tok_cache_encode(const struct model *m, tok_encode_fn *encode, const char *word,
                                size_t n, size_t base, struct tm_encoding *e, struct tm_err *err);

enum item_kind { ITEM_SPECIAL, ITEM_A, ITEM_B };
struct post_item {
    enum item_kind kind;
    int32_t id; /* ITEM_SPECIAL */
    uint8_t type;
};
struct post_template {
    struct post_item items[TEMPLATE_MOST];
    size_t n;
};

struct post_processor {
    bool present;
    bool trim_offsets, add_prefix_space; /* RobertaProcessing, ByteLevel */
    struct post_template single, pair;
};

/* Token texts on their way through the decoders: text i ends at ends[i] (size_t) of bytes. */
struct strings {
    struct tm_buf bytes, ends;
};

struct decoder {
    bool (*apply)(const struct decoder *d, const struct strings *in, struct strings *out);
    struct str prefix;     /* WordPiece; BPEDecoder's suffix; CTC's pad_token */
    struct str content;    /* Replace; CTC's word_delimiter_token */
    uint32_t character;    /* Metaspace, Strip */
    enum prepend prepend;  /* Metaspace */
    bool add_prefix_space; /* Metaspace */
    bool cleanup;          /* WordPiece, CTC */
    uint64_t start, stop;  /* Strip: most characters of either end */
    struct finder finder;  /* Replace */
};

struct tm_tokenizer {
    struct tm_arena *arena;
    struct tok_config config;
    enum frame frame_of; /* by the family, where no file says */
    bool ids_given;      /* added tokens may have ids of their own, else -1 */
    struct normalizer normalizers[STEPS_MOST];
    struct pre_tokenizer pre_tokenizers[STEPS_MOST];
    struct decoder decoders[STEPS_MOST];
    size_t n_normalizers, n_pre_tokenizers, n_decoders;
    struct model model;
    struct added_token *added;
    size_t n_added;
    struct matcher raw[2],
        normalized[2]; /* the two passes over added tokens; 1: TM_ENCODE_LITERAL */
    struct post_processor post;
    int32_t *frame; /* ids of post.single before the text, then those after */
    size_t n_prefix, n_suffix;
    const char **tokens; /* by id, with the added ones */
    uint32_t *token_lens;
    bool *special_ids; /* by id: the text is that of a special added token */
    int32_t n_ids;
    struct tm_tokenizer *target; /* Marian's other side; NULL: this one is for both */
    bool marian;
    bool bert; /* tok_encode_bert does what tok_encode_any would */
};

enum tm_status tok_read_tokenizer_json(struct tm_tokenizer *t, const char *path,
                                       struct tm_err *err);
enum tm_status tok_parse_tokenizer_json(struct tm_tokenizer *t, const char *name, const char *text,
                                        size_t n, struct tm_err *err);
/* vocab.txt with tokenizer_config.json, as BERT's folders before tokenizer.json: vocab_txt.c. */
enum tm_status tok_read_vocab_txt(struct tm_tokenizer *t, const char *path, struct tm_err *err);
/* vocab.yml of Marian's own models: vocab_yml.c. */
enum tm_status tok_read_vocab_yml(struct tm_tokenizer *t, const char *path, struct tm_err *err);
/* Parts as folders without tokenizer.json have them. */
void tok_normalizer_add_nfc(struct tm_tokenizer *t);
void tok_normalizer_add_lowercase(struct tm_tokenizer *t);
void tok_pre_tokenizer_add_byte_level(struct tm_tokenizer *t, bool qwen2, bool add_prefix_space);
void tok_decoder_add_byte_level(struct tm_tokenizer *t);
enum tm_status tok_model_read_vocab(struct reader *r, struct model *m, struct tm_err *err);
void tok_language_token(const struct tm_tokenizer *t, const char *language, char *out, size_t size);

/* Parts; each reads one component, of the file that has its name. */
enum tm_status tok_normalizer_read(struct reader *r, void *unused, struct tm_err *err);
bool tok_normalizer_bert(const struct normalizer *n, struct cells *x);
/* Every step, on x->now; false: no memory. */
bool tok_normalize(const struct tm_tokenizer *t, struct cells *x);
bool tok_normal_form(struct cells *x, bool compatible, bool compose); /* normal_forms.c */

enum tm_status tok_pre_tokenizer_read(struct reader *r, void *unused, struct tm_err *err);
bool tok_pre_tokenizer_bert(const struct pre_tokenizer *p, struct cells *x, uint32_t begin,
                            uint32_t end, struct tm_buf *out);
/* Every step, on *pieces of x->now; both may change places with the other. */
bool tok_pre_tokenize(const struct tm_tokenizer *t, struct cells *x, struct tm_buf **pieces,
                      struct tm_buf **other);

enum tm_status tok_model_read(struct reader *r, void *unused, struct tm_err *err);
void tok_model_finish_reading(struct model *m);
/* merges.txt, or its lines in tokenizer.json: "left right". The vocabulary has been read. */
enum tm_status tok_model_add_merge(struct model *m, struct str left, struct str right,
                                   uint32_t rank, struct tm_err *err);
enum tm_status tok_bpe_encode(const struct model *m, const char *word, size_t n, size_t n_chars,
                              struct tm_encoding *e, struct tm_err *err);
enum tm_status tok_unigram_encode(const struct model *m, const char *word, size_t n, size_t n_chars,
                                  struct tm_encoding *e, struct tm_err *err);
enum tm_status tok_wordpiece_encode(const struct model *m, const char *word, size_t n,
                                    size_t n_chars, struct tm_encoding *e, struct tm_err *err);
enum tm_status tok_wordlevel_encode(const struct model *m, const char *word, size_t n,
                                    size_t n_chars, struct tm_encoding *e, struct tm_err *err);

bool tok_spm_normalize(const struct normalizer *n, struct cells *x);
enum tm_status tok_spm_word_encode(const struct model *m, const char *word, size_t n,
                                   size_t n_chars, struct tm_encoding *e, struct tm_err *err);
/* The unknown bytes [begin, end) of a word that begins at byte `base`: byte by byte, or unknown. */
enum tm_status tok_spm_put_unknown(const struct model *m, const char *word, size_t begin,
                                   size_t end, size_t base, struct tm_encoding *e,
                                   struct tm_err *err);

enum tm_status tok_added_tokens_read(struct reader *r, void *unused, struct tm_err *err);
/* Gives ids, makes both matchers and the table of ids; after everything else is read. */
enum tm_status tok_added_tokens_build(struct tm_tokenizer *t, struct tm_err *err);
enum tm_status tok_post_processor_read(struct reader *r, void *unused, struct tm_err *err);
/* The templates of BertProcessing. */
void tok_post_processor_bert(struct post_processor *p, int32_t cls, int32_t sep);
enum tm_status tok_post_processor_build(struct tm_tokenizer *t, struct tm_err *err);

enum tm_status tok_decoder_read(struct reader *r, void *unused, struct tm_err *err);
int tok_byte_token(const char *s, size_t n); /* the byte of <0xNN>; -1: it is none */
/* How a vocabulary writes text, as its decoder tells. */
enum spelling { SPELLING_PLAIN, SPELLING_BYTE_LEVEL, SPELLING_MARK, SPELLING_WORDPIECE };
enum spelling tok_decoder_spelling(const struct decoder *d);
bool tok_decoder_drops_space(const struct decoder *d); /* of the first token */
/* The bytes that a token's characters stand for; a token with any other character is text. */
void tok_byte_level_put(struct tm_buf *out, const char *text, size_t n);
bool tok_decoder_wordpiece(const struct decoder *d, const struct strings *in, struct strings *out);

#endif
