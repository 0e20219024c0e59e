/* Models: the table of those that tokenizer.json may name, and the reading of their vocabulary.
 * WordPiece and WordLevel themselves are in word_models.c, BPE in bpe.c, Unigram in unigram.c.
 *
 * Runs on the loading thread. Old files do not say the type of their model; then its fields do. */
#include "tokenize.h"
#include <stdio.h>

enum { UNK_PENALTY = 10 };

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
        (s = tok_vocab_build(&b, &m->vocab, r->t->arena, TWICE_ERROR, &at, &local)) != TM_OK) {
        r->j.at = at;
        s = tm_json_fail(&r->j, s, err, "%s", local.text);
    }
    tok_vocab_builder_finish(&b);
    return s;
}

/* A number as the package's JSON reader (serde_json) makes it a double, which is not always the
 * nearest one: 64 bits of digits, the rest left out, times or by a power of ten. Near-ties between
 * segmentations depend on it. text is a JSON number. */
static double score_of(const char *text, size_t n)
{
    uint64_t digits = 0;
    int32_t exponent = 0;
    bool negative = n > 0 && text[0] == '-', fraction = false, full = false;
    size_t i = negative;
    for (; i < n && text[i] != 'e' && text[i] != 'E'; i++) {
        if (text[i] == '.') {
            fraction = true;
            continue;
        }
        unsigned digit = (unsigned)(text[i] - '0');
        full = full || digits > (UINT64_MAX - digit) / 10;
        if (!full)
            digits = digits * 10 + digit;
        exponent += full ? !fraction : -(int32_t)fraction;
    }
    int64_t more = 0;
    if (i < n)
        tm_json_number_i64(text + i + 1 + (text[i + 1] == '+'), n - i - 1 - (text[i + 1] == '+'),
                           &more);
    exponent += (int32_t)TM_MAX(TM_MIN(more, INT64_C(100000)), INT64_C(-100000));
    double value = (double)digits;
    for (; exponent < -308 && value != 0; exponent += 308)
        value /= 1e308;
    char power[16];
    double scale = 1;
    int len = snprintf(power, sizeof power, "1e%d", exponent < 0 ? -exponent : exponent);
    if (value != 0 && tm_json_number_f64(power, (size_t)len, &scale))
        value = exponent < 0 ? value / scale : value * scale;
    return negative ? -value : value;
}

/* [[token, score], …]: a token's id is its place. */
static enum tm_status read_scored(struct reader *r, struct vocab_builder *b, struct tm_buf *scores,
                                  struct tm_err *err)
{
    struct tm_json_event ev;
    enum tm_status s = tm_json_next(&r->j, &ev, err);
    if (s == TM_OK && ev.type != TM_JSON_ARRAY)
        s = tm_json_fail(&r->j, TM_BADINPUT, err, "vocab is not an array");
    for (int32_t id = 0; s == TM_OK; id++) {
        const char *text;
        size_t n;
        double score;
        s = tm_json_next(&r->j, &ev, err);
        if (s != TM_OK || ev.type == TM_JSON_ARRAY_END)
            break;
        if (ev.type != TM_JSON_ARRAY)
            return tm_json_fail(&r->j, TM_BADINPUT, err, "[token, score] expected");
        if (id == ID_MOST)
            return tm_json_fail(&r->j, TM_TOOLARGE, err, "more than %d tokens", ID_MOST);
        s = tm_json_string(&r->j, &text, &n, err);
        if (s == TM_OK && !tok_vocab_add(b, text, n, id, r->j.at))
            return tm_json_fail(&r->j, TM_NOMEM, err, "no memory for the vocabulary");
        if (s == TM_OK)
            s = tm_json_next(&r->j, &ev, err);
        if (s == TM_OK && ev.type != TM_JSON_NUMBER)
            s = tm_json_fail(&r->j, TM_BADINPUT, err, "score is not a number");
        score = s == TM_OK ? score_of(ev.text, ev.len) : 0;
        if (s == TM_OK && !tm_buf_append(scores, &score, sizeof score))
            return tm_json_fail(&r->j, TM_NOMEM, err, "no memory for the vocabulary");
        if (s == TM_OK)
            s = tm_json_next(&r->j, &ev, err);
        if (s == TM_OK && ev.type != TM_JSON_ARRAY_END)
            s = tm_json_fail(&r->j, TM_BADINPUT, err, "[token, score] expected");
    }
    return s;
}

static enum tm_status read_unigram_vocab(struct reader *r, void *base, struct tm_err *err)
{
    struct model *m = base;
    struct vocab_builder b = {0};
    TM_CLEANUP(tm_buf_finish) struct tm_buf scores = {0};
    size_t at = 0;
    enum tm_status s = read_scored(r, &b, &scores, err);
    struct tm_err local = {0};
    if (s == TM_OK &&
        (s = tok_vocab_build(&b, &m->vocab, r->t->arena, TWICE_LAST, &at, &local)) != TM_OK)
        s = tm_json_fail(&r->j, s, err, "%s", local.text);
    tok_vocab_builder_finish(&b);
    if (s != TM_OK)
        return s;
    m->scores = tm_arena_alloc(r->t->arena, scores.len + sizeof *m->scores);
    if (m->scores == NULL)
        return tm_json_fail(&r->j, TM_NOMEM, err, "no memory for the vocabulary");
    if (scores.len > 0)
        memcpy(m->scores, scores.data, scores.len);
    double least = scores.len > 0 ? m->scores[0] : 0;
    for (size_t i = 0; i < scores.len / sizeof least; i++)
        least = TM_MIN(least, m->scores[i]);
    m->unk_score = least - UNK_PENALTY;
    m->vocab.n_tokens = m->vocab.n_ids; /* a token given twice has two ids */
    return TM_OK;
}

static enum tm_status read_unk_id(struct reader *r, void *base, struct tm_err *err)
{
    struct model *m = base;
    return tok_read_id(r, &m->unk_id, err);
}

static enum tm_status read_dropout(struct reader *r, void *base, struct tm_err *err)
{
    (void)base;
    double dropout;
    enum tm_status s = tm_json_f64(&r->j, &dropout, err);
    if (s == TM_OK && dropout != 0)
        s = tm_json_fail(&r->j, TM_UNSUPPORTED, err, "dropout is not supported");
    return s;
}

enum tm_status tok_model_add_merge(struct model *m, struct str left, struct str right,
                                   uint32_t rank, struct tm_err *err)
{
    const struct trie *t = &m->vocab.trie;
    size_t cut = TM_MIN(m->prefix.n, right.n);
    uint32_t node = trie_walk(t, TRIE_ROOT, left.s, left.n);
    int32_t a = node == TRIE_NONE ? -1 : t->units[node].value;
    int32_t b = trie_find(t, right.s, right.n);
    if (node != TRIE_NONE)
        node = trie_walk(t, node, right.s + cut, right.n - cut);
    int32_t id = node == TRIE_NONE ? -1 : t->units[node].value;
    if (a < 0 || b < 0 || id < 0)
        return tm_err_set(err, TM_BADINPUT, "merge \"%.40s %.40s\" is not of the vocabulary",
                          left.s, right.s);
    if (!tok_merges_add(&m->merges, a, b, rank, id))
        return tm_err_set(err, TM_NOMEM, "no memory for merges");
    m->merges.apart = m->merges.apart && !tok_space_inside(m->vocab.tokens[id], m->vocab.lens[id]);
    return TM_OK;
}

/* "left right", or [left, right] with the array's begin read. */
static enum tm_status read_merge(struct reader *r, const struct tm_json_event *ev, struct model *m,
                                 uint32_t *rank, struct tm_buf *text, struct tm_err *err)
{
    struct tm_err local = {0};
    enum tm_status s = TM_OK;
    struct tm_json_event next;
    size_t left = 0, right = 0;
    text->len = 0;
    if (ev->type == TM_JSON_STRING) {
        if (ev->len >= 8 && memcmp(ev->text, "#version", 8) == 0)
            return TM_OK;
        const char *space = memchr(ev->text, ' ', ev->len);
        left = space != NULL ? (size_t)(space - ev->text) : ev->len;
        right = space != NULL ? ev->len - left - 1 : 0;
        if (space == NULL || memchr(space + 1, ' ', right) != NULL)
            return tm_json_fail(&r->j, TM_BADINPUT, err, "merge is not two tokens");
        tm_buf_append(text, ev->text, ev->len);
        if (!text->failed)
            text->data[left] = '\0';
    } else if (ev->type == TM_JSON_ARRAY) {
        const char *part;
        size_t *lens[2] = {&left, &right};
        for (int i = 0; i < 2 && s == TM_OK; i++) {
            s = tm_json_string(&r->j, &part, lens[i], err);
            if (s == TM_OK) {
                tm_buf_append(text, part, *lens[i]);
                tm_buf_putc(text, '\0');
            }
        }
        if (s == TM_OK)
            s = tm_json_next(&r->j, &next, err);
        if (s == TM_OK && next.type != TM_JSON_ARRAY_END)
            s = tm_json_fail(&r->j, TM_BADINPUT, err, "merge is not two tokens");
    } else {
        s = tm_json_fail(&r->j, TM_BADINPUT, err, "merge is not two tokens");
    }
    if (s == TM_OK && text->failed)
        s = tm_json_fail(&r->j, TM_NOMEM, err, "no memory for merges");
    if (s != TM_OK)
        return s;
    struct str a = {text->data, left}, b = {text->data + left + 1, right};
    s = tok_model_add_merge(m, a, b, (*rank)++, &local);
    return s == TM_OK ? s : tm_json_fail(&r->j, s, err, "%s", local.text);
}

static enum tm_status read_merge_list(struct reader *r, struct model *m, struct tm_err *err)
{
    TM_CLEANUP(tm_buf_finish) struct tm_buf text = {0};
    struct tm_json_event ev;
    uint32_t rank = 0;
    enum tm_status s = tok_merges_create(&m->merges, err);
    if (s == TM_OK)
        s = tm_json_next(&r->j, &ev, err);
    if (s == TM_OK && ev.type != TM_JSON_ARRAY)
        s = tm_json_fail(&r->j, TM_BADINPUT, err, "merges is not an array");
    while (s == TM_OK) {
        s = tm_json_next(&r->j, &ev, err);
        if (s != TM_OK || ev.type == TM_JSON_ARRAY_END)
            break;
        s = read_merge(r, &ev, m, &rank, &text, err);
    }
    return s;
}

/* Merges need the vocabulary and the prefix. Files have these first; where they come later, the
 * place of the merges is kept. */
static enum tm_status read_merges(struct reader *r, void *base, struct tm_err *err)
{
    struct model *m = base;
    r->merges = r->j;
    r->merges_prefix = m->prefix.n;
    r->merges_read = m->vocab.n_tokens > 0;
    return r->merges_read ? read_merge_list(r, m, err) : tm_json_skip(&r->j, err);
}

static enum tm_status finish_merges(struct reader *r, struct model *m, struct tm_err *err)
{
    if (r->merges_read && r->merges_prefix == m->prefix.n)
        return TM_OK;
    struct tm_json after = r->j;
    r->merges.scratch = r->j.scratch;
    r->j = r->merges;
    enum tm_status s = read_merge_list(r, m, err);
    if (s == TM_OK) {
        after.scratch = r->j.scratch;
        r->j = after;
    }
    return s;
}

enum tm_status tok_model_read_vocab(struct reader *r, struct model *m, struct tm_err *err)
{
    return read_vocab(r, m, err);
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
static const struct field bpe_fields[] = {
    {"dropout", FIELD_PART, false, 0, NULL, read_dropout},
    {"unk_token", FIELD_TOKEN, false, AT(unk_token), NULL, NULL},
    {"continuing_subword_prefix", FIELD_TOKEN, false, AT(prefix), NULL, NULL},
    {"end_of_word_suffix", FIELD_TOKEN, false, AT(suffix), NULL, NULL},
    {"fuse_unk", FIELD_BOOL, false, AT(fuse_unk), NULL, NULL},
    {"byte_fallback", FIELD_BOOL, false, AT(byte_fallback), NULL, NULL},
    {"ignore_merges", FIELD_BOOL, false, AT(ignore_merges), NULL, NULL},
    {"vocab", FIELD_READ, true, 0, NULL, read_vocab},
    {"merges", FIELD_READ, true, 0, NULL, read_merges},
    {0},
};
static const struct field unigram_fields[] = {
    {"unk_id", FIELD_PART, false, 0, NULL, read_unk_id},
    {"byte_fallback", FIELD_BOOL, false, AT(byte_fallback), NULL, NULL},
    {"vocab", FIELD_READ, true, 0, NULL, read_unigram_vocab},
    {0},
};

static const struct model_row {
    struct component c;
    enum tm_status (*encode)(const struct model *m, const char *word, size_t n, size_t n_chars,
                             struct tm_encoding *e, struct tm_err *err);
} rows[] = {
    {{"BPE", NULL, bpe_fields}, tok_bpe_encode},
    {{"WordPiece", NULL, wordpiece_fields}, tok_wordpiece_encode},
    {{"WordLevel", NULL, wordlevel_fields}, tok_wordlevel_encode},
    {{"Unigram", NULL, unigram_fields}, tok_unigram_encode},
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
    m->kind = row->c.name;
    m->unk_id = -1;
    s = tok_read_fields(r, row->c.name, row->c.fields, m, err);
    if (s == TM_OK && m->encode == tok_unigram_encode && m->unk_id >= (int32_t)m->vocab.n_ids)
        s = tm_json_fail(&r->j, TM_BADINPUT, err, "unk_id is not in the vocabulary");
    if (s == TM_OK && m->encode == tok_bpe_encode)
        s = finish_merges(r, m, err);
    if (s == TM_OK)
        tok_model_finish_reading(m);
    return s;
}

void tok_model_finish_reading(struct model *m)
{
    const struct trie *t = &m->vocab.trie;
    if (m->unk_token.s != NULL)
        m->unk_id = trie_find(t, m->unk_token.s, m->unk_token.n);
    m->continuing = trie_walk(t, TRIE_ROOT, m->prefix.s, m->prefix.n);
    m->serial = tm_clock_ns() ^ (uint64_t)(uintptr_t)t->units << 20;
    for (unsigned b = 0; b < 256; b++) {
        char name[8];
        snprintf(name, sizeof name, "<0x%02X>", b);
        m->byte_ids[b] = trie_find(t, name, 6);
    }
    /* A word is cut at ▁ only where that can decide nothing: see tok_bpe_encode. */
    const struct trie *pieces = m->spm != NULL ? &m->spm->pieces.trie : t;
    m->merges.apart = m->merges.apart && m->prefix.n == 0 && m->suffix.n == 0 &&
                      trie_find(pieces, "\xe2\x96\x81", 3) >= 0 && !m->ignore_merges;
}
