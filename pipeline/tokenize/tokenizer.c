/* Opening and closing a tokenizer, and what can be asked of one (tm_tokenizer.h).
 *
 * Opened on the loading thread; constant from then on, so that any thread may ask. */
#include "tokenize.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { MEMORY_MOST = 1 << 30 };

static void closep(struct tm_tokenizer **t)
{
    tm_tokenizer_close(*t);
}

void tm_tokenizer_close(struct tm_tokenizer *t)
{
    if (t == NULL)
        return;
    tok_trie_finish(&t->model.vocab.trie);
    tok_merges_finish(&t->model.merges);
    tm_arena_destroy(t->arena);
    free(t);
}

static enum tm_status read_folder(struct tm_tokenizer *t, const char *folder, struct tm_err *err)
{
    TM_CLEANUP(tm_buf_finish) struct tm_buf json = {0};
    TM_CLEANUP(tm_buf_finish) struct tm_buf txt = {0};
    if (!tm_buf_printf(&json, "%s/tokenizer.json", folder) ||
        !tm_buf_printf(&txt, "%s/vocab.txt", folder))
        return tm_err_set(err, TM_NOMEM, "no memory for a path");
    if (access(json.data, F_OK) != 0 && access(txt.data, F_OK) == 0)
        return tok_read_vocab_txt(t, folder, txt.data, err);
    return tok_read_tokenizer_json(t, json.data, err);
}

enum tm_status tm_tokenizer_open(const char *folder, struct tm_tokenizer **ret_tok,
                                 struct tm_err *err)
{
    TM_CLEANUP(closep) struct tm_tokenizer *t = calloc(1, sizeof *t);
    if (t == NULL || (t->arena = tm_arena_create(MEMORY_MOST)) == NULL)
        return tm_err_set(err, TM_NOMEM, "no memory for a tokenizer");
    enum tm_status s = read_folder(t, folder, err);
    if (s == TM_OK)
        s = tok_added_tokens_build(t, err);
    if (s == TM_OK)
        s = tok_post_processor_build(t, err);
    if (s != TM_OK)
        return s;
    t->bert = tok_encode_bert_fits(t);
    *ret_tok = TM_TAKE(t);
    return TM_OK;
}

void tm_tokenizer_frame(const struct tm_tokenizer *t, const int32_t **ret_prefix,
                        size_t *ret_n_prefix, const int32_t **ret_suffix, size_t *ret_n_suffix)
{
    *ret_prefix = t->frame;
    *ret_n_prefix = t->n_prefix;
    *ret_suffix = t->frame + t->n_prefix;
    *ret_n_suffix = t->n_suffix;
}

int32_t tm_tokenizer_id(const struct tm_tokenizer *t, const char *token)
{
    size_t n = strlen(token);
    for (size_t i = 0; i < t->n_added; i++) {
        const struct str *content = &t->added[i].content;
        if (content->n == n && memcmp(content->s, token, n) == 0)
            return t->added[i].id;
    }
    return trie_find(&t->model.vocab.trie, token, n);
}

const char *tm_tokenizer_token(const struct tm_tokenizer *t, int32_t id)
{
    return id >= 0 && id < t->n_ids ? t->tokens[id] : NULL;
}

int32_t tm_tokenizer_vocab_size(const struct tm_tokenizer *t)
{
    return t->n_ids;
}
