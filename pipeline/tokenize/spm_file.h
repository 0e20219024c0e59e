/* A sentencepiece model as it lies in a file: ModelProto of sentencepiece_model.proto, in
 * protobuf's wire format, of which only what is used is read. Implemented in spm_file.c. */
#ifndef TOKENIZE_SPM_FILE_H
#define TOKENIZE_SPM_FILE_H

#include "text.h"

enum spm_type { SPM_UNIGRAM = 1, SPM_BPE, SPM_WORD, SPM_CHAR };
enum piece_type {
    PIECE_NORMAL = 1,
    PIECE_UNKNOWN,
    PIECE_CONTROL,
    PIECE_USER_DEFINED,
    PIECE_UNUSED,
    PIECE_BYTE
};

struct spm_piece {
    struct str text; /* in the file's bytes, without a NUL */
    float score;
    uint8_t type; /* enum piece_type */
};

struct spm_file {
    struct tm_buf bytes;
    struct tm_buf pieces; /* struct spm_piece; the place is the id */
    enum spm_type type;
    bool byte_fallback, suffix; /* treat_whitespace_as_suffix */
    struct str unk_surface;
    struct str charsmap, denormalizer; /* precompiled maps */
    bool dummy_prefix, remove_spaces, escape;
};

static inline const struct spm_piece *spm_pieces(const struct spm_file *f)
{
    return (const void *)f->pieces.data;
}

static inline size_t spm_n(const struct spm_file *f)
{
    return f->pieces.len / sizeof(struct spm_piece);
}

/* TM_BADINPUT: not such a file, a piece twice or empty, not exactly one unknown piece. */
enum tm_status tok_spm_read(const char *path, struct spm_file *f, struct tm_err *err);
enum tm_status tok_spm_parse(const char *name, struct spm_file *f, struct tm_err *err);
/* For those who have the pieces from elsewhere: what a model is that says nothing of itself; one
 * more piece, false if it cannot be one; and whether all together are a model. */
void tok_spm_defaults(struct spm_file *f);
bool tok_spm_add(struct spm_file *f, const struct spm_piece *piece);
enum tm_status tok_spm_check(const char *name, const struct spm_file *f, struct tm_err *err);
void tok_spm_finish(struct spm_file *f);

#endif
