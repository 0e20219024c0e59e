/* The folders of BERT models that have vocab.txt and no tokenizer.json: a token a line, its id the
 * line's number; tokenizer_config.json says how text is normalized and names the special tokens.
 *
 * Called by tm_tokenizer_open on the loading thread. What is made is what transformers' conversion
 * of such a folder makes. */
#include "tokenize.h"
#include "unicode.h"

enum { FILE_MOST = 64 << 20 };

/* Length of a line without the white space at its end. */
static size_t trimmed(const char *s, size_t n)
{
    while (n > 0) {
        size_t begin = n - 1;
        while (begin > 0 && ((unsigned char)s[begin] & 0xc0) == 0x80)
            begin--;
        uint32_t cp;
        if (tm_utf8_decode(s + begin, n - begin, &cp) != n - begin || !uni_is(cp, UNI_SPACE))
            break;
        n = begin;
    }
    return n;
}

static enum tm_status read_lines(struct tm_tokenizer *t, const char *path, struct tm_err *err)
{
    TM_CLEANUP(tm_buf_finish) struct tm_buf file = {0};
    enum tm_status s = tok_read_file(path, FILE_MOST, &file, err);
    struct vocab_builder b = {0};
    int32_t line = 0;
    size_t at = 0;
    while (s == TM_OK && at < file.len) {
        const char *text = file.data + at, *end = memchr(text, '\n', file.len - at);
        size_t n = end != NULL ? (size_t)(end - text) : file.len - at;
        if (tm_utf8_valid(text, n) != n)
            s = tm_err_set(err, TM_BADINPUT, "%s:%d: not UTF-8", path, line + 1);
        else if (line == ID_MOST)
            s = tm_err_set(err, TM_TOOLARGE, "%s:%d: more than %d tokens", path, line + 1, ID_MOST);
        else if (!tok_vocab_add(&b, text, trimmed(text, n), line++, 0))
            s = tm_err_set(err, TM_NOMEM, "no memory for the vocabulary");
        at += n + 1;
    }
    if (s == TM_OK && line == 0)
        s = tm_err_set(err, TM_BADINPUT, "%s is empty", path);
    if (s == TM_OK)
        s = tok_vocab_build(&b, &t->model.vocab, t->arena, TWICE_LAST, &at, err);
    tok_vocab_builder_finish(&b);
    return s;
}

/* Special tokens are added tokens too, so that they are found in a text. */
static enum tm_status set_specials(struct tm_tokenizer *t, const char *path, struct tm_err *err)
{
    static const enum tm_special order[] = {TM_SPECIAL_UNK, TM_SPECIAL_SEP, TM_SPECIAL_PAD,
                                            TM_SPECIAL_CLS, TM_SPECIAL_MASK};
    int32_t ids[TM_SPECIAL_COUNT];
    t->added = tm_arena_array(t->arena, TM_COUNTOF(order), sizeof *t->added);
    if (t->added == NULL)
        return tm_err_set(err, TM_NOMEM, "no memory for special tokens");
    for (size_t i = 0; i < TM_COUNTOF(order); i++) {
        const struct str *text = &t->config.specials[order[i]].content;
        ids[order[i]] = trie_find(&t->model.vocab.trie, text->s, text->n);
        if (ids[order[i]] < 0 && (order[i] == TM_SPECIAL_CLS || order[i] == TM_SPECIAL_SEP))
            return tm_err_set(err, TM_MODEL, "%s has no %.40s", path, text->s);
        if (ids[order[i]] >= 0)
            t->added[t->n_added++] = (struct added_token){.content = *text, .special = true};
    }
    t->post.present = true;
    tok_post_processor_bert(&t->post, ids[TM_SPECIAL_CLS], ids[TM_SPECIAL_SEP]);
    return TM_OK;
}

enum tm_status tok_read_vocab_txt(struct tm_tokenizer *t, const char *path, struct tm_err *err)
{
    struct tok_config *c = &t->config;
    const struct family *family = c->family;
    tok_config_set_family(c, tok_family("BertTokenizer", NULL));
    c->family = family != NULL ? family : c->family;
    enum tm_status s = read_lines(t, path, err);
    if (s != TM_OK)
        return s;
    t->normalizers[t->n_normalizers++] = (struct normalizer){.apply = tok_normalizer_bert,
                                                             .clean = true,
                                                             .cjk = c->cjk,
                                                             .lower = c->lower != 0,
                                                             .accents = c->strip_accents};
    t->pre_tokenizers[t->n_pre_tokenizers++] =
        (struct pre_tokenizer){.split = tok_pre_tokenizer_bert};
    t->decoders[t->n_decoders++] =
        (struct decoder){.apply = tok_decoder_wordpiece, .prefix = {"##", 2}, .cleanup = true};
    t->model.encode = tok_wordpiece_encode;
    t->model.kind = "WordPiece";
    t->model.unk_token = c->specials[TM_SPECIAL_UNK].content;
    t->model.prefix = (struct str){"##", 2};
    t->model.max_chars = 100;
    tok_model_finish_reading(&t->model);
    return set_specials(t, path, err);
}
