/* Models: the table of those that tokenizer.json may name, and the reading of their vocabulary.
 * WordPiece and WordLevel themselves are in word_models.c.
 *
 * Runs on the loading thread. Old files do not say the type of their model; then its fields do. */
#include "tokenize.h"

#define AT(member) offsetof(struct model, member)

/* {token: id, …} */
static enum tm_status read_entries(struct reader *r, struct vocab_builder *b, struct tm_err *err)
{
    struct tm_json_event ev;
    enum tm_status s = tm_json_next(&r->j, &ev, err);
    if (s == TM_OK && ev.type != TM_JSON_OBJECT)
        s = tm_json_fail(&r->j, TM_BADINPUT, err, "vocab is not an object");
    while (s == TM_OK) {
        s = tm_json_next(&r->j, &ev, err);
        if (s != TM_OK || ev.type == TM_JSON_OBJECT_END)
            break;
        size_t at = r->j.at;
        if (!tok_vocab_add(b, ev.text, ev.len, -1, at))
            return tm_json_fail(&r->j, TM_NOMEM, err, "no memory for the vocabulary");
        s = tok_read_id(r, tok_vocab_last_id(b), err);
    }
    return s;
}

static enum tm_status read_vocab(struct reader *r, void *base, struct tm_err *err)
{
    struct model *m = base;
    struct vocab_builder b = {0};
    size_t at = 0;
    enum tm_status s = read_entries(r, &b, err);
    struct tm_err local = {0};
    if (s == TM_OK &&
        (s = tok_vocab_build(&b, &m->vocab, r->t->arena, false, &at, &local)) != TM_OK) {
        r->j.at = at;
        s = tm_json_fail(&r->j, s, err, "%s", local.text);
    }
    tok_vocab_builder_finish(&b);
    return s;
}

static const struct field wordpiece_fields[] = {
    {"unk_token", FIELD_STR, true, AT(unk_token), NULL, NULL},
    {"continuing_subword_prefix", FIELD_STR, true, AT(prefix), NULL, NULL},
    {"max_input_chars_per_word", FIELD_U64, true, AT(max_chars), NULL, NULL},
    {"vocab", FIELD_READ, true, 0, NULL, read_vocab},
    {0},
};
static const struct field wordlevel_fields[] = {
    {"unk_token", FIELD_STR, true, AT(unk_token), NULL, NULL},
    {"vocab", FIELD_READ, true, 0, NULL, read_vocab},
    {0},
};

static const struct model_row {
    struct component c;
    enum tm_status (*encode)(const struct model *m, const char *word, size_t n, size_t n_chars,
                             struct tm_encoding *e, struct tm_err *err);
} rows[] = {
    {{"BPE", NULL, NULL}, NULL},
    {{"WordPiece", NULL, wordpiece_fields}, tok_wordpiece_encode},
    {{"WordLevel", NULL, wordlevel_fields}, tok_wordlevel_encode},
    {{"Unigram", NULL, NULL}, NULL},
};

/* Old files leave the type of the model out. */
static const struct signs signs = {
    {{"merges", "BPE"}, {"unk_id", "Unigram"}, {"max_input_chars_per_word", "WordPiece"}},
    3,
    "WordLevel",
};

enum tm_status tok_model_read(struct reader *r, void *unused, struct tm_err *err)
{
    (void)unused;
    const struct component *c;
    enum tm_status s =
        tok_read_component(r, "model", rows, TM_COUNTOF(rows), sizeof *rows, &signs, &c, err);
    if (s != TM_OK)
        return s;
    const struct model_row *row = (const void *)c;
    struct model *m = &r->t->model;
    m->encode = row->encode;
    s = tok_read_fields(r, row->c.name, row->c.fields, m, err);
    if (s == TM_OK)
        tok_model_finish_reading(m);
    return s;
}

void tok_model_finish_reading(struct model *m)
{
    m->unk_id = trie_find(&m->vocab.trie, m->unk_token.s, m->unk_token.n);
    m->continuing = trie_walk(&m->vocab.trie, TRIE_ROOT, m->prefix.s, m->prefix.n);
}
