/* Tokenizers: text to ids and back, as Hugging Face's `tokenizers` gives them.
 *
 * A tokenizer is read once from tokenizer.json and is then immutable: any number of threads may
 * encode with it, each with its own tm_encoding. Offsets are in code points of the text given. */
#ifndef TM_TOKENIZER_H
#define TM_TOKENIZER_H

#include "tm_base.h"

struct tm_tokenizer;

/* Opens folder/tokenizer.json. TM_NOTFOUND, TM_UNSUPPORTED (names the component and its place),
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
    struct tm_buf scratch[4]; /* the tokenizer's working memory */
};
void tm_encoding_finish(struct tm_encoding *e);

/* Encodes text (valid UTF-8, n bytes), appending nothing to what was there before: e is cleared.
 * special: the post-processor adds its tokens ([CLS] … [SEP]). No truncation, no padding. */
enum tm_status tm_tokenizer_encode(const struct tm_tokenizer *t, const char *text, size_t n,
                                   bool special, struct tm_encoding *e, struct tm_err *err);
enum tm_status tm_tokenizer_encode_pair(const struct tm_tokenizer *t, const char *text, size_t n,
                                        const char *pair, size_t n_pair, struct tm_encoding *e,
                                        struct tm_err *err);
/* Appends the text of ids to out; an id without a token is left out. */
enum tm_status tm_tokenizer_decode(const struct tm_tokenizer *t, const int32_t *ids, size_t n,
                                   bool skip_special, struct tm_buf *out, struct tm_err *err);
/* How many special tokens the post-processor adds to one text, and which ids come before and after
 * it, for callers that build windows themselves. prefix and suffix are borrowed. */
void tm_tokenizer_frame(const struct tm_tokenizer *t, const int32_t **ret_prefix,
                        size_t *ret_n_prefix, const int32_t **ret_suffix, size_t *ret_n_suffix);
int32_t tm_tokenizer_id(const struct tm_tokenizer *t, const char *token); /* -1: not there */
const char *tm_tokenizer_token(const struct tm_tokenizer *t, int32_t id); /* NULL: not there */
/* One past the largest id, added tokens included; ids in between may be without a token. */
int32_t tm_tokenizer_vocab_size(const struct tm_tokenizer *t);

#endif
