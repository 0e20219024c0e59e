/* Tokenizers: text to ids and back, as Hugging Face's `tokenizers` and transformers' tokenizer
 * classes give them.
 *
 * A tokenizer is read once from a model's folder and is then immutable: any number of threads may
 * encode with it, each with its own tm_encoding. Offsets are in code points of the text given. */
#ifndef TM_TOKENIZER_H
#define TM_TOKENIZER_H

#include "tm_base.h"

struct tm_tokenizer;

/* Opens what the folder has: tokenizer.json; else vocab.json with merges.txt, vocab.txt, a
 * sentencepiece model (spiece.model, sentencepiece.bpe.model, tokenizer.model), or source.spm,
 * target.spm and vocab.json (Marian). tokenizer_config.json, special_tokens_map.json and
 * added_tokens.json complete it. TM_NOTFOUND, TM_UNSUPPORTED (names the component and its place),
 * TM_BADINPUT with line and column. */
enum tm_status tm_tokenizer_open(const char *folder, struct tm_tokenizer **ret_tok,
                                 struct tm_err *err);
void tm_tokenizer_close(struct tm_tokenizer *t); /* NULL is fine */

/* Result buffers, reused from call to call so that nothing is allocated after warm-up. Zero to
 * start, finish to free. */
struct tm_encoding {
    int32_t *ids;
    uint32_t (*offsets)[2]; /* code points [start, end); [0, 0) for special tokens */
    int32_t *words;         /* index of the pre-token; -1 for special tokens */
    uint8_t *types;         /* token types */
    uint8_t *special;       /* 1: added by the post-processor */
    size_t n, room;
    struct tm_buf scratch[10]; /* the tokenizer's working memory */
    void *match;               /* of regular expressions */
};
void tm_encoding_finish(struct tm_encoding *e);

/* Bits of `how` of encoding. */
enum {
    TM_ENCODE_SPECIAL = 1, /* the post-processor adds its tokens ([CLS] … [SEP]) */
    TM_ENCODE_LITERAL = 2, /* special tokens written in the text are text (split_special_tokens) */
};
/* Encodes text (valid UTF-8, n bytes), appending nothing to what was there before: e is cleared.
 * No truncation, no padding. */
enum tm_status tm_tokenizer_encode(const struct tm_tokenizer *t, const char *text, size_t n,
                                   unsigned how, struct tm_encoding *e, struct tm_err *err);
/* With special tokens. */
enum tm_status tm_tokenizer_encode_pair(const struct tm_tokenizer *t, const char *text, size_t n,
                                        const char *pair, size_t n_pair, struct tm_encoding *e,
                                        struct tm_err *err);

/* Translation models. language is the model's own code: "eng_Latn" (NLLB), "en_XX" (mBART), "en"
 * (M2M100, T5 has none). The source's code goes where the family puts it; NULL: the folder's
 * src_lang. Marian folders of several targets want their ">>fra<<" at the begin of the text.
 * TM_NOTFOUND when the model does not know the language. */
enum tm_status tm_tokenizer_encode_source(const struct tm_tokenizer *t, const char *language,
                                          const char *text, size_t n, struct tm_encoding *e,
                                          struct tm_err *err);
/* Text in the target's language, without special tokens, for decoding with a forced prefix (Marian:
 * by target.spm; all others as encode). */
enum tm_status tm_tokenizer_encode_target(const struct tm_tokenizer *t, const char *text, size_t n,
                                          struct tm_encoding *e, struct tm_err *err);
/* The id of a language's token, for forced_bos_token_id; -1: there is none. */
int32_t tm_tokenizer_language_id(const struct tm_tokenizer *t, const char *language);
/* The i-th language the model knows by its code; NULL beyond the last, and at once for models
 * without. */
const char *tm_tokenizer_language(const struct tm_tokenizer *t, size_t i);

/* Bits of `how` of decoding. */
enum {
    TM_DECODE_SKIP_SPECIAL = 1, /* without special tokens */
    TM_DECODE_CLEAN_UP = 2,     /* clean_up_tokenization_spaces where the folder asks for it */
};
/* Appends the text of ids to out; an id without a token is left out. Marian: by target.spm. */
enum tm_status tm_tokenizer_decode(const struct tm_tokenizer *t, const int32_t *ids, size_t n,
                                   unsigned how, struct tm_buf *out, struct tm_err *err);
/* Appends the bytes that one id stands for inside a text, which need not be whole characters:
 * "Ġthe" and "▁the" are " the", "<0x0A>" is a line feed. For guides. TM_NOTFOUND: no token, or a
 * special one, which stands for no text. */
enum tm_status tm_tokenizer_bytes(const struct tm_tokenizer *t, int32_t id, struct tm_buf *out,
                                  struct tm_err *err);
/* Whether decoding drops the space that the first token of a text begins with ("▁the" → "the"). */
bool tm_tokenizer_drops_first_space(const struct tm_tokenizer *t);

/* How many special tokens the post-processor adds to one text, and which ids come before and after
 * it, for callers that build windows themselves. prefix and suffix are borrowed. */
void tm_tokenizer_frame(const struct tm_tokenizer *t, const int32_t **ret_prefix,
                        size_t *ret_n_prefix, const int32_t **ret_suffix, size_t *ret_n_suffix);
int32_t tm_tokenizer_id(const struct tm_tokenizer *t, const char *token); /* -1: not there */
const char *tm_tokenizer_token(const struct tm_tokenizer *t, int32_t id); /* NULL: not there */
/* One past the largest id, added tokens included; ids in between may be without a token. */
int32_t tm_tokenizer_vocab_size(const struct tm_tokenizer *t);

/* Tokens that tokenizer_config.json and special_tokens_map.json name, or the family has. */
enum tm_special {
    TM_SPECIAL_BOS,
    TM_SPECIAL_EOS,
    TM_SPECIAL_UNK,
    TM_SPECIAL_SEP,
    TM_SPECIAL_PAD,
    TM_SPECIAL_CLS,
    TM_SPECIAL_MASK,
    TM_SPECIAL_COUNT
};
int32_t tm_tokenizer_special_id(const struct tm_tokenizer *t, enum tm_special which); /* -1: none */
/* Whether the id is a special token, which TM_DECODE_SKIP_SPECIAL leaves out. */
bool tm_tokenizer_is_special(const struct tm_tokenizer *t, int32_t id);

/* For named entities: ret_subword[i] = 1 where token i of e continues the word of the token before,
 * by the rules of transformers' TokenClassificationPipeline. text is what e was made of;
 * ret_subword has room for e->n. */
void tm_tokenizer_subwords(const struct tm_tokenizer *t, const char *text, size_t n,
                           const struct tm_encoding *e, uint8_t *ret_subword);

/* The kind of the model: "WordPiece", "BPE", "Unigram", "WordLevel", or "SentencePiece Unigram". */
const char *tm_tokenizer_kind(const struct tm_tokenizer *t);
/* The default chat template, a Jinja text, and the name of the file that has it
 * (chat_template.jinja or tokenizer_config.json); NULL: there is none. Borrowed. */
const char *tm_tokenizer_chat_template(const struct tm_tokenizer *t, const char **ret_file);
/* model_max_length of tokenizer_config.json; SIZE_MAX: none is given. */
size_t tm_tokenizer_max_length(const struct tm_tokenizer *t);

#endif
