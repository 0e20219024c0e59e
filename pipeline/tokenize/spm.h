/* sentencepiece's own way from text to pieces and back. Implemented in spm.c (building),
 * spm_encode.c (text to pieces) and spm_decode.c. */
#ifndef TOKENIZE_SPM_H
#define TOKENIZE_SPM_H

#include "charsmap.h"
#include "spm_file.h"
#include "vocab.h"

struct tm_tokenizer;
struct model;

/* What is kept of a model. Pieces have the ids of their file, tokens those of the folder. */
struct spm {
    enum spm_type type;
    struct vocab pieces; /* those that text may become; of BPE and CHAR also lone characters */
    uint8_t *types;      /* enum piece_type by piece */
    int32_t *remap;      /* piece to token */
    struct trie user;    /* user-defined symbols */
    bool has_user;
    bool by_text; /* an unknown piece may be a token by its text */
    float max_score;
    struct charsmap charsmap, denormalizer;
    bool dummy_prefix, remove_spaces, escape, suffix;
    struct str unk_surface;
    int32_t *kinds; /* by token: enum piece_type of its piece; 0: none */
};

/* Makes t's model, normalizer and decoding of the file. t->model.vocab has been read and gives the
 * tokens; unknown: the token of the unknown piece. offset: of tokens to pieces, INT32_MIN: tokens
 * are found by text. */
enum tm_status tok_spm_build(struct tm_tokenizer *t, const struct spm_file *f, const char *name,
                             int32_t offset, struct tm_err *err);
void tok_spm_free(struct spm *s);
enum tm_status tok_spm_decode(const struct tm_tokenizer *t, const int32_t *ids, size_t n,
                              unsigned how, struct tm_buf *out, struct tm_err *err);

#endif
