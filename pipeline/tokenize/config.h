/* What a folder says about its tokenizer beside the vocabulary: tokenizer_config.json,
 * special_tokens_map.json, added_tokens.json, config.json, chat_template.jinja. Implemented in
 * config.c. */
#ifndef TOKENIZE_CONFIG_H
#define TOKENIZE_CONFIG_H

#include "added_tokens.h"
#include "families.h"

struct reader;

struct tok_config {
    const struct family *family; /* NULL: not known */
    struct str class_name, model_type;
    struct added_token specials[TM_SPECIAL_COUNT]; /* content.s NULL: not named */
    struct tm_buf added; /* struct added_token, with their ids: of added_tokens_decoder and
                            added_tokens.json */
    struct tm_buf extra; /* struct str: additional_special_tokens */
    struct str src_lang, chat_template;
    const char *chat_file;                     /* where chat_template is from */
    size_t max_length;                         /* SIZE_MAX: not given */
    int8_t add_bos, add_eos, add_prefix_space; /* -1: not given */
    int8_t lower, strip_accents;
    bool clean_up, cjk, separate_vocabs;
    uint64_t extra_ids;
};

enum tm_status tok_config_read(struct tm_tokenizer *t, const char *folder, struct tm_err *err);
/* Special tokens that no file names are those of the family. */
void tok_config_set_family(struct tok_config *c, const struct family *family);
void tok_config_finish(struct tok_config *c);

#endif
