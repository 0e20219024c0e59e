/* The folders of BERT models that have vocab.txt and no tokenizer.json: a token a line, its id the
 * line's number; tokenizer_config.json says how text is normalized and names the special tokens.
 *
 * Called by tm_tokenizer_open on the loading thread. What is made is what transformers' conversion
 * of such a folder makes. */
#include "tokenize.h"
#include "unicode.h"
#include <unistd.h>

enum { FILE_MOST = 64 << 20 };
enum { UNK, SEP, PAD, CLS, MASK, N_SPECIALS };

struct config {
    bool lower, cjk;
    int8_t accents;
    struct str specials[N_SPECIALS];
};

#define AT(member) offsetof(struct config, member)

static enum tm_status read_config(struct tm_tokenizer *t, const char *folder, struct config *c,
                                  struct tm_err *err)
{
    static const struct field fields[] = {
        {"do_lower_case", FIELD_BOOL, false, AT(lower), NULL, NULL},
        {"tokenize_chinese_chars", FIELD_BOOL, false, AT(cjk), NULL, NULL},
        {"strip_accents", FIELD_BOOL_OR_NULL, false, AT(accents), NULL, NULL},
        {"unk_token", FIELD_TOKEN, false, AT(specials[UNK]), NULL, NULL},
        {"sep_token", FIELD_TOKEN, false, AT(specials[SEP]), NULL, NULL},
        {"pad_token", FIELD_TOKEN, false, AT(specials[PAD]), NULL, NULL},
        {"cls_token", FIELD_TOKEN, false, AT(specials[CLS]), NULL, NULL},
        {"mask_token", FIELD_TOKEN, false, AT(specials[MASK]), NULL, NULL},
        {0},
    };
    TM_CLEANUP(tm_buf_finish) struct tm_buf path = {0};
    TM_CLEANUP(tm_buf_finish) struct tm_buf file = {0};
    if (!tm_buf_printf(&path, "%s/tokenizer_config.json", folder))
        return tm_err_set(err, TM_NOMEM, "no memory for a path");
    if (access(path.data, F_OK) != 0)
        return TM_OK;
    enum tm_status s = tm_read_file(path.data, FILE_MOST, &file, err);
    if (s != TM_OK)
        return s;
    struct reader r = {.t = t};
    tm_json_init(&r.j, path.data, file.data != NULL ? file.data : "", file.len);
    s = tok_read_fields(&r, "the configuration", fields, c, err);
    tm_json_finish(&r.j);
    return s;
}

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
    enum tm_status s = tm_read_file(path, FILE_MOST, &file, err);
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
        s = tok_vocab_build(&b, &t->model.vocab, t->arena, true, &at, err);
    tok_vocab_builder_finish(&b);
    return s;
}

/* Special tokens are added tokens too, so that they are found in a text. */
static enum tm_status set_specials(struct tm_tokenizer *t, const struct config *c, const char *path,
                                   struct tm_err *err)
{
    int32_t ids[N_SPECIALS];
    t->added = tm_arena_array(t->arena, N_SPECIALS, sizeof *t->added);
    if (t->added == NULL)
        return tm_err_set(err, TM_NOMEM, "no memory for special tokens");
    for (int i = 0; i < N_SPECIALS; i++) {
        ids[i] = trie_find(&t->model.vocab.trie, c->specials[i].s, c->specials[i].n);
        if (ids[i] < 0 && (i == CLS || i == SEP))
            return tm_err_set(err, TM_MODEL, "%s has no %.40s", path, c->specials[i].s);
        if (ids[i] >= 0)
            t->added[t->n_added++] =
                (struct added_token){.content = c->specials[i], .special = true};
    }
    t->post.present = true;
    tok_post_processor_bert(&t->post, ids[CLS], ids[SEP]);
    return TM_OK;
}

enum tm_status tok_read_vocab_txt(struct tm_tokenizer *t, const char *folder, const char *path,
                                  struct tm_err *err)
{
    struct config c = {
        .lower = true,
        .cjk = true,
        .accents = -1,
        .specials = {{"[UNK]", 5}, {"[SEP]", 5}, {"[PAD]", 5}, {"[CLS]", 5}, {"[MASK]", 6}}};
    enum tm_status s = read_config(t, folder, &c, err);
    if (s == TM_OK)
        s = read_lines(t, path, err);
    if (s != TM_OK)
        return s;
    t->normalizers[t->n_normalizers++] = (struct normalizer){.apply = tok_normalizer_bert,
                                                             .clean = true,
                                                             .cjk = c.cjk,
                                                             .lower = c.lower,
                                                             .accents = c.accents};
    t->pre_tokenizers[t->n_pre_tokenizers++] =
        (struct pre_tokenizer){.split = tok_pre_tokenizer_bert};
    t->decoders[t->n_decoders++] =
        (struct decoder){.apply = tok_decoder_wordpiece, .prefix = {"##", 2}, .cleanup = true};
    t->model.encode = tok_wordpiece_encode;
    t->model.unk_token = c.specials[UNK];
    t->model.prefix = (struct str){"##", 2};
    t->model.max_chars = 100;
    tok_model_finish_reading(&t->model);
    return set_specials(t, &c, path, err);
}
