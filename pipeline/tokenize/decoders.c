/* Decoders: from the texts of tokens to the text they make.
 *
 * Read on the loading thread; applied on any thread. Each decoder maps a list of strings to a list
 * of strings; what the last one gives is put together. */
#include "tokenize.h"

static void end_string(struct strings *s)
{
    tm_buf_append(&s->ends, &s->bytes.len, sizeof s->bytes.len);
}

static const char *string_at(const struct strings *s, size_t i, size_t *ret_len)
{
    const size_t *ends = (const void *)s->ends.data;
    size_t begin = i > 0 ? ends[i - 1] : 0;
    *ret_len = ends[i] - begin;
    return s->bytes.data + begin;
}

static bool strings_ok(const struct strings *s)
{
    return !s->bytes.failed && !s->ends.failed;
}

static void strings_finish(struct strings *s)
{
    tm_buf_finish(&s->bytes);
    tm_buf_finish(&s->ends);
}

/* Replaces every `from` in the bytes of b from offset begin on. `to` is not longer, so that this
 * can be done in place. */
static void replace_from(struct tm_buf *b, size_t begin, const char *from, const char *to)
{
    size_t n_from = strlen(from), n_to = strlen(to), kept = begin;
    for (size_t i = begin; i < b->len;) {
        if (b->len - i >= n_from && memcmp(b->data + i, from, n_from) == 0) {
            memcpy(b->data + kept, to, n_to);
            i += n_from;
            kept += n_to;
        } else {
            b->data[kept++] = b->data[i++];
        }
    }
    b->len = kept;
}

/* Undoes what splitting at punctuation did to English, in this order. */
static void clean_up(struct tm_buf *b, size_t begin)
{
    static const char *const rules[][2] = {
        {" .", "."},   {" ?", "?"},     {" !", "!"},     {" ,", ","},
        {" ' ", "'"},  {" n't", "n't"}, {" 'm", "'m"},   {" do not", " don't"},
        {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"},
    };
    if (begin == b->len || memchr(b->data + begin, ' ', b->len - begin) == NULL)
        return;
    for (size_t i = 0; i < TM_COUNTOF(rules); i++)
        replace_from(b, begin, rules[i][0], rules[i][1]);
}

/* A token after the first is joined to the one before if it has the prefix, which goes; otherwise
 * a space comes between. */
bool tok_decoder_wordpiece(const struct decoder *d, const struct strings *in, struct strings *out)
{
    for (size_t i = 0; i < in->ends.len / sizeof(size_t); i++) {
        size_t n, begin = out->bytes.len;
        const char *text = string_at(in, i, &n);
        bool joined = i > 0 && n >= d->prefix.n && memcmp(text, d->prefix.s, d->prefix.n) == 0;
        if (joined)
            tm_buf_append(&out->bytes, text + d->prefix.n, n - d->prefix.n);
        else if (i > 0 && tm_buf_putc(&out->bytes, ' '))
            tm_buf_append(&out->bytes, text, n);
        else if (i == 0)
            tm_buf_append(&out->bytes, text, n);
        if (d->cleanup && strings_ok(out))
            clean_up(&out->bytes, begin);
        end_string(out);
    }
    return strings_ok(out);
}

static bool decode_steps(const struct tm_tokenizer *t, struct strings *now, struct strings *next)
{
    for (size_t i = 0; i < t->n_decoders; i++) {
        tm_buf_clear(&next->bytes);
        tm_buf_clear(&next->ends);
        if (!t->decoders[i].apply(&t->decoders[i], now, next))
            return false;
        struct strings was = *now;
        *now = *next;
        *next = was;
    }
    return true;
}

enum tm_status tm_tokenizer_decode(const struct tm_tokenizer *t, const int32_t *ids, size_t n,
                                   unsigned how, struct tm_buf *out, struct tm_err *err)
{
    TM_CLEANUP(strings_finish) struct strings now = {0};
    TM_CLEANUP(strings_finish) struct strings next = {0};
    for (size_t i = 0; i < n; i++) {
        int32_t id = ids[i];
        if (id < 0 || id >= t->n_ids || t->tokens[id] == NULL)
            continue;
        if ((how & TM_DECODE_SKIP_SPECIAL) != 0 && t->special_ids[id])
            continue;
        if (t->n_decoders == 0 && now.ends.len > 0)
            tm_buf_putc(&now.bytes, ' ');
        tm_buf_append(&now.bytes, t->tokens[id], t->token_lens[id]);
        end_string(&now);
    }
    if (!strings_ok(&now) || !decode_steps(t, &now, &next) ||
        !tm_buf_append(out, now.bytes.data, now.bytes.len))
        return tm_err_set(err, TM_NOMEM, "no memory to decode %zu tokens", n);
    return TM_OK;
}

static enum tm_status read_decoders(struct reader *r, void *base, struct tm_err *err)
{
    (void)base;
    return tok_read_sequence(r, tok_decoder_read, NULL, err);
}

static const struct field wordpiece_fields[] = {
    {"prefix", FIELD_STR, true, offsetof(struct decoder, prefix), NULL, NULL},
    {"cleanup", FIELD_BOOL, true, offsetof(struct decoder, cleanup), NULL, NULL},
    {0},
};
static const struct field sequence_fields[] = {
    {"decoders", FIELD_READ, true, 0, NULL, read_decoders},
    {0},
};

static const struct decoder_row {
    struct component c;
    bool (*apply)(const struct decoder *d, const struct strings *in, struct strings *out);
} rows[] = {
    {{"BPEDecoder", NULL, NULL}, NULL},
    {{"ByteLevel", NULL, NULL}, NULL},
    {{"WordPiece", NULL, wordpiece_fields}, tok_decoder_wordpiece},
    {{"Metaspace", NULL, NULL}, NULL},
    {{"CTC", NULL, NULL}, NULL},
    {{"Sequence", NULL, sequence_fields}, NULL},
    {{"Replace", NULL, NULL}, NULL},
    {{"Fuse", NULL, NULL}, NULL},
    {{"Strip", NULL, NULL}, NULL},
    {{"ByteFallback", NULL, NULL}, NULL},
};

enum tm_status tok_decoder_read(struct reader *r, void *unused, struct tm_err *err)
{
    (void)unused;
    const struct component *c;
    enum tm_status s =
        tok_read_component(r, "decoder", rows, TM_COUNTOF(rows), sizeof *rows, NULL, &c, err);
    if (s != TM_OK)
        return s;
    const struct decoder_row *row = (const void *)c;
    struct decoder d = {.apply = row->apply};
    s = tok_read_fields(r, row->c.name, row->c.fields, &d, err);
    if (s != TM_OK || row->apply == NULL)
        return s;
    if (r->t->n_decoders == STEPS_MOST)
        return tm_json_fail(&r->j, TM_TOOLARGE, err, "more than %d decoders", STEPS_MOST);
    r->t->decoders[r->t->n_decoders++] = d;
    return TM_OK;
}
