/* The files of a folder that tokenizers are made of, and the ways to open them. Implemented in
 * tokenizer.c (which way) and folder_slow.c. */
#ifndef TOKENIZE_FOLDER_H
#define TOKENIZE_FOLDER_H

#include "tokenize.h"
#include <stdio.h>

/* Paths in the tokenizer's arena; NULL: the folder does not have it. */
struct files {
    const char *tokenizer_json, *vocab_txt, *vocab_json, *merges_txt, *spm, *source_spm,
        *target_spm, *target_vocab, *vocab_yml;
};

enum tm_status tok_open_bpe(struct tm_tokenizer *t, const struct files *f, struct tm_err *err);
enum tm_status tok_open_spm(struct tm_tokenizer *t, const struct files *f, struct tm_err *err);
enum tm_status tok_open_pieces(struct tm_tokenizer *t, const struct spm_file *f, const char *name,
                               struct tm_err *err);
/* What a GGUF file says of its tokenizer: gguf.c. TM_NOTFOUND (err not set) when the folder has
 * none. */
enum tm_status tok_open_gguf(struct tm_tokenizer *t, const char *folder, struct tm_err *err);
enum tm_status tok_open_marian(struct tm_tokenizer *t, const struct files *f, bool target,
                               struct tm_err *err);
/* Post-processing by the family; ids of added tokens are known. */
void tok_set_frame(struct tm_tokenizer *t, enum frame frame);

#endif
