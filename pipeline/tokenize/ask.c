/* What can be asked of an open tokenizer: tokens, special ids, languages, bytes, subwords
 * (tm_tokenizer.h). Any thread. */
#include "tokenize.h"
#include "byte_level.h"
#include "unicode.h"
#include <stdio.h>

void tm_tokenizer_frame(const struct tm_tokenizer *t, const int32_t **ret_prefix,
                        size_t *ret_n_prefix, const int32_t **ret_suffix, size_t *ret_n_suffix)
{
    *ret_prefix = t->frame;
    *ret_n_prefix = t->n_prefix;
    *ret_suffix = t->frame + t->n_prefix;
    *ret_n_suffix = t->n_suffix;
}

static int32_t find_token(const struct tm_tokenizer *t, const char *token, size_t n)
{
    for (size_t i = 0; i < t->n_added; i++) {
        const struct str *content = &t->added[i].content;
        if (content->n == n && memcmp(content->s, token, n) == 0)
            return t->added[i].id;
    }
    return trie_find(&t->model.vocab.trie, token, n);
}

int32_t tm_tokenizer_id(const struct tm_tokenizer *t, const char *token)
{
    return find_token(t, token, strlen(token));
}

const char *tm_tokenizer_token(const struct tm_tokenizer *t, int32_t id)
{
    return id >= 0 && id < t->n_ids ? t->tokens[id] : NULL;
}

int32_t tm_tokenizer_vocab_size(const struct tm_tokenizer *t)
{
    return t->n_ids;
}

int32_t tm_tokenizer_special_id(const struct tm_tokenizer *t, enum tm_special which)
{
    const struct str *text = &t->config.specials[which].content;
    return text->s != NULL ? find_token(t, text->s, text->n) : -1;
}

bool tm_tokenizer_is_special(const struct tm_tokenizer *t, int32_t id)
{
    return id >= 0 && id < t->n_ids && t->special_ids[id];
}

const char *tm_tokenizer_chat_template(const struct tm_tokenizer *t, const char **ret_file)
{
    if (t->config.chat_template.s != NULL)
        *ret_file = t->config.chat_file;
    return t->config.chat_template.s;
}

const char *tm_tokenizer_kind(const struct tm_tokenizer *t)
{
    return t->model.kind;
}

size_t tm_tokenizer_max_length(const struct tm_tokenizer *t)
{
    return t->config.max_length;
}

/* ---- languages ---- */

const char *tm_tokenizer_language(const struct tm_tokenizer *t, size_t i)
{
    const struct family *f = t->config.family;
    const char *const *list = f != NULL ? tok_languages[f->languages] : NULL;
    for (size_t k = 0; list != NULL && list[k] != NULL; k++) {
        if (k == i)
            return list[k];
    }
    return NULL;
}

/* M2M100's tokens are __en__, those of the others the code itself. */
void tok_language_token(const struct tm_tokenizer *t, const char *language, char *out, size_t size)
{
    const struct family *f = t->config.family;
    bool m2m = f != NULL && (f->languages == LANGUAGES_M2M100 || f->languages == LANGUAGES_WMT21);
    snprintf(out, size, m2m ? "__%s__" : "%s", language);
}

int32_t tm_tokenizer_language_id(const struct tm_tokenizer *t, const char *language)
{
    const char *known;
    char token[64];
    for (size_t i = 0; language != NULL && (known = tm_tokenizer_language(t, i)) != NULL; i++) {
        if (strcmp(known, language) != 0)
            continue;
        tok_language_token(t, language, token, sizeof token);
        return tm_tokenizer_id(t, token);
    }
    return -1;
}

static bool is_language(const struct tm_tokenizer *t, int32_t id)
{
    const char *known, *text = tm_tokenizer_token(t, id);
    char token[64];
    for (size_t i = 0; text != NULL && (known = tm_tokenizer_language(t, i)) != NULL; i++) {
        tok_language_token(t, known, token, sizeof token);
        if (strcmp(token, text) == 0)
            return true;
    }
    return false;
}

enum tm_status tm_tokenizer_encode_source(const struct tm_tokenizer *t, const char *language,
                                          const char *text, size_t n, struct tm_encoding *e,
                                          struct tm_err *err)
{
    struct texts texts = {.a = text, .n_a = n};
    struct post_template items = t->post.single;
    if (language != NULL && tm_tokenizer_language(t, 0) != NULL) {
        int32_t id = tm_tokenizer_language_id(t, language);
        if (id < 0)
            return tm_err_set(err, TM_NOTFOUND, "the model does not know the language \"%.20s\"",
                              language);
        for (size_t i = 0; i < items.n; i++) {
            if (items.items[i].kind == ITEM_SPECIAL && is_language(t, items.items[i].id))
                items.items[i].id = id;
        }
    }
    return tok_encode_template(t, &items, &texts, TM_ENCODE_SPECIAL, e, err);
}

enum tm_status tm_tokenizer_encode_target(const struct tm_tokenizer *t, const char *text, size_t n,
                                          struct tm_encoding *e, struct tm_err *err)
{
    return tm_tokenizer_encode(t->target != NULL ? t->target : t, text, n, 0, e, err);
}

/* ---- bytes ---- */

static enum spelling spelling_of(const struct tm_tokenizer *t)
{
    if (t->model.spm != NULL)
        return SPELLING_MARK;
    for (size_t i = 0; i < t->n_decoders; i++) {
        enum spelling s = tok_decoder_spelling(&t->decoders[i]);
        if (s != SPELLING_PLAIN)
            return s;
    }
    return SPELLING_PLAIN;
}

static void put_marked(struct tm_buf *out, const char *s, size_t n)
{
    for (size_t i = 0; i < n;) {
        bool mark = n - i >= 3 && memcmp(s + i, "\xe2\x96\x81", 3) == 0;
        tm_buf_append(out, mark ? " " : s + i, 1);
        i += mark ? 3 : 1;
    }
}

enum tm_status tm_tokenizer_bytes(const struct tm_tokenizer *t, int32_t id, struct tm_buf *out,
                                  struct tm_err *err)
{
    if (t->target != NULL)
        return tm_tokenizer_bytes(t->target, id, out, err);
    if (tm_tokenizer_token(t, id) == NULL || t->special_ids[id])
        return tm_err_set(err, TM_NOTFOUND, "id %d stands for no text", id);
    const char *s = t->tokens[id];
    size_t n = t->token_lens[id];
    int byte = t->model.byte_fallback ? tok_byte_token(s, n) : -1;
    bool added = false;
    for (size_t i = 0; i < t->n_added && !added; i++)
        added = t->added[i].id == id;
    enum spelling spelling = added ? SPELLING_PLAIN : spelling_of(t);
    if (byte >= 0)
        tm_buf_putc(out, (char)byte);
    else if (spelling == SPELLING_BYTE_LEVEL)
        tok_byte_level_put(out, s, n);
    else if (spelling == SPELLING_MARK)
        put_marked(out, s, n);
    else if (spelling == SPELLING_WORDPIECE && n > 2 && memcmp(s, "##", 2) == 0)
        tm_buf_append(out, s + 2, n - 2);
    else if (spelling == SPELLING_WORDPIECE && (tm_buf_putc(out, ' '), true))
        tm_buf_append(out, s, n);
    else
        tm_buf_append(out, s, n);
    return out->failed ? tm_err_set(err, TM_NOMEM, "no memory for a token") : TM_OK;
}

bool tm_tokenizer_drops_first_space(const struct tm_tokenizer *t)
{
    if (t->model.spm != NULL)
        return t->model.spm->dummy_prefix || t->model.spm->remove_spaces;
    for (size_t i = 0; i < t->n_decoders; i++) {
        if (tok_decoder_drops_space(&t->decoders[i]))
            return true;
    }
    return false;
}

/* ---- subwords ---- */

/* Models with a continuing prefix: a token that is not written as the text it stands for continues
 * a word. Others: one that has no space before it or at its begin. */
void tm_tokenizer_subwords(const struct tm_tokenizer *t, const char *text, size_t n,
                           const struct tm_encoding *e, uint8_t *ret_subword)
{
    size_t at = 0;
    uint32_t pos = 0;
    for (size_t i = 0; i < e->n; i++) {
        uint32_t begin = e->offsets[i][0], end = e->offsets[i][1], cp;
        ret_subword[i] = 0;
        if (e->special[i] || e->ids[i] == t->model.unk_id)
            continue;
        if (t->model.prefix.n > 0) {
            const char *token = t->tokens[e->ids[i]];
            ret_subword[i] = tm_utf8_count(token, t->token_lens[e->ids[i]]) != end - begin;
            continue;
        }
        if (pos > begin)
            at = pos = 0;
        while (begin > 0 && pos < begin - 1 && at < n) {
            at += TM_MAX(tm_utf8_decode(text + at, n - at, &cp), (size_t)1);
            pos++;
        }
        if (begin == 0 || at >= n)
            continue;
        size_t len = TM_MAX(tm_utf8_decode(text + at, n - at, &cp), (size_t)1);
        ret_subword[i] = text[at] != ' ' && (at + len >= n || text[at + len] != ' ');
    }
}
