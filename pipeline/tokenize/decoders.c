/* Decoders: from the texts of tokens to the text they make.
 *
 * Read on the loading thread; applied on any thread. Each decoder maps a list of strings to a list
 * of strings; what the last one gives is put together. */
#include "tokenize.h"
#include "byte_level.h"

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
    b->data[kept] = '\0';
}

/* Undoes what splitting at punctuation did to English, in this order. */
static const char *const clean_rules[][2] = {
    {" .", "."},     {" ?", "?"},   {" !", "!"},   {" ,", ","},     {" ' ", "'"},
    {" n't", "n't"}, {" 'm", "'m"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"},
};

/* transformers' clean_up_tokenization. */
static void clean_up_decoded(struct tm_buf *b, size_t begin)
{
    if (begin == b->len || memchr(b->data + begin, ' ', b->len - begin) == NULL)
        return;
    for (size_t i = 0; i < TM_COUNTOF(clean_rules); i++)
        replace_from(b, begin, clean_rules[i][0], clean_rules[i][1]);
}

/* That of the `tokenizers` package has one rule more, after 'm. */
static void clean_up(struct tm_buf *b, size_t begin)
{
    if (begin == b->len || memchr(b->data + begin, ' ', b->len - begin) == NULL)
        return;
    for (size_t i = 0; i < TM_COUNTOF(clean_rules); i++) {
        replace_from(b, begin, clean_rules[i][0], clean_rules[i][1]);
        if (strcmp(clean_rules[i][1], "'m") == 0)
            replace_from(b, begin, " do not", " don't");
    }
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

static size_t strings_n(const struct strings *s)
{
    return s->ends.len / sizeof(size_t);
}

/* text with every `from` replaced by `to`. */
static void put_replaced(struct tm_buf *out, const char *text, size_t n, struct str from,
                         const char *to, size_t n_to)
{
    size_t kept = 0;
    for (size_t i = 0; from.n > 0 && i + from.n <= n;) {
        if (memcmp(text + i, from.s, from.n) != 0) {
            i++;
            continue;
        }
        tm_buf_append(out, text + kept, i - kept);
        tm_buf_append(out, to, n_to);
        kept = i += from.n;
    }
    tm_buf_append(out, text + kept, n - kept);
}

/* The suffix is the end of a word. */
static bool bpe(const struct decoder *d, const struct strings *in, struct strings *out)
{
    size_t n = strings_n(in);
    for (size_t i = 0; i < n; i++) {
        size_t len;
        const char *text = string_at(in, i, &len);
        put_replaced(&out->bytes, text, len, d->prefix, " ", i + 1 < n);
        end_string(out);
    }
    return strings_ok(out);
}

/* One U+FFFD for each longest beginning of a character, as Rust's from_utf8_lossy. */
static void put_lossy(struct tm_buf *out, const char *s, size_t n)
{
    while (n > 0) {
        size_t valid = tm_utf8_valid(s, n), bad = 1;
        tm_buf_append(out, s, valid);
        s += valid;
        n -= valid;
        if (n == 0)
            break;
        unsigned char c = (unsigned char)s[0], d = n > 1 ? (unsigned char)s[1] : 0;
        size_t want = c >= 0xf0 && c <= 0xf4 ? 4 : c >= 0xe0 && c < 0xf0 ? 3 : 1;
        bool second = (d & 0xc0) == 0x80 && !(c == 0xe0 && d < 0xa0) && !(c == 0xed && d >= 0xa0) &&
                      !(c == 0xf0 && d < 0x90) && !(c == 0xf4 && d >= 0x90);
        if (want > 2 && second) {
            bad = 2;
            while (bad < want - 1 && bad < n && ((unsigned char)s[bad] & 0xc0) == 0x80)
                bad++;
        }
        tm_buf_puts(out, "\xef\xbf\xbd");
        s += bad;
        n -= bad;
    }
}

void tok_byte_level_put(struct tm_buf *out, const char *text, size_t n)
{
    size_t begin = out->len;
    for (size_t i = 0; i < n;) {
        uint32_t cp;
        size_t len = tm_utf8_decode(text + i, n - i, &cp);
        int byte = len > 0 ? byte_level_byte(cp) : -1;
        if (byte < 0) {
            out->len = begin;
            tm_buf_append(out, text, n);
            return;
        }
        tm_buf_putc(out, (char)byte);
        i += len;
    }
}

static bool byte_level(const struct decoder *d, const struct strings *in, struct strings *out)
{
    (void)d;
    TM_CLEANUP(tm_buf_finish) struct tm_buf bytes = {0};
    for (size_t i = 0; i < strings_n(in); i++) {
        size_t n;
        const char *text = string_at(in, i, &n);
        tok_byte_level_put(&bytes, text, n);
    }
    if (bytes.len > 0)
        put_lossy(&out->bytes, bytes.data, bytes.len);
    end_string(out);
    return strings_ok(out) && !bytes.failed;
}

/* The mark of a word is a space, and nothing in the first token. */
static bool metaspace(const struct decoder *d, const struct strings *in, struct strings *out)
{
    char mark[4];
    size_t n_mark = tm_utf8_encode(d->character, mark), n;
    for (size_t i = 0; i < strings_n(in); i++) {
        const char *text = string_at(in, i, &n);
        put_replaced(&out->bytes, text, n, (struct str){mark, n_mark}, " ",
                     i > 0 || d->prepend == PREPEND_NEVER);
        end_string(out);
    }
    return strings_ok(out);
}

/* Of equal tokens in a row the first; then without padding, words apart, and not those left empty.
 */
static bool ctc(const struct decoder *d, const struct strings *in, struct strings *out)
{
    TM_CLEANUP(tm_buf_finish) struct tm_buf text = {0};
    for (size_t i = 0; i < strings_n(in); i++) {
        size_t n, before, begin = out->bytes.len;
        const char *s = string_at(in, i, &n), *last = i > 0 ? string_at(in, i - 1, &before) : NULL;
        if (last != NULL && before == n && memcmp(last, s, n) == 0)
            continue;
        text.len = 0;
        put_replaced(&text, s, n, d->prefix, "", 0);
        if (d->cleanup && !text.failed)
            clean_up(&text, 0);
        if (text.len == 0)
            continue;
        if (d->cleanup)
            put_replaced(&out->bytes, text.data, text.len, d->content, " ", 1);
        else
            tm_buf_append(&out->bytes, text.data, text.len);
        if (out->bytes.len > begin)
            end_string(out);
    }
    return strings_ok(out) && !text.failed;
}

static bool replace(const struct decoder *d, const struct strings *in, struct strings *out)
{
    struct tm_encoding e = {0};
    struct cells x = {
        .now = &e.scratch[SCRATCH_CELLS], .next = &e.scratch[SCRATCH_CELLS + 1], .e = &e};
    bool ok = true;
    for (size_t i = 0; i < strings_n(in) && ok; i++) {
        const struct stretch *m = NULL;
        size_t n, n_m = 0;
        const char *text = string_at(in, i, &n);
        ok = tok_cells_decode(&x, text, n, 0, NULL) == TM_OK &&
             tok_finder_cut(&d->finder, &x, 0, (uint32_t)cells_n(x.now), &m, &n_m);
        for (size_t k = 0; ok && k < n_m; k++) {
            if (m[k].match)
                tm_buf_append(&out->bytes, d->content.s, d->content.n);
            for (size_t c = m[k].begin; c < m[k].end && !m[k].match; c++) {
                char bytes[4];
                tm_buf_append(&out->bytes, bytes, tm_utf8_encode(cells_of(x.now)[c].cp, bytes));
            }
        }
        end_string(out);
    }
    tm_encoding_finish(&e);
    return ok && strings_ok(out);
}

static bool fuse(const struct decoder *d, const struct strings *in, struct strings *out)
{
    (void)d;
    tm_buf_append(&out->bytes, in->bytes.data, in->bytes.len);
    end_string(out);
    return strings_ok(out);
}

static bool strip(const struct decoder *d, const struct strings *in, struct strings *out)
{
    char c[4];
    size_t len = tm_utf8_encode(d->character, c), n;
    for (size_t i = 0; i < strings_n(in); i++) {
        const char *text = string_at(in, i, &n);
        for (uint64_t k = 0; k < d->start && n >= len && memcmp(text, c, len) == 0; k++) {
            text += len;
            n -= len;
        }
        for (uint64_t k = 0; k < d->stop && n >= len && memcmp(text + n - len, c, len) == 0; k++)
            n -= len;
        tm_buf_append(&out->bytes, text, n);
        end_string(out);
    }
    return strings_ok(out);
}

/* The byte of <0xNN>; -1: the token is none. A plus for the first digit is as good, as in Rust. */
int tok_byte_token(const char *s, size_t n)
{
    if (n != 6 || memcmp(s, "<0x", 3) != 0 || s[5] != '>')
        return -1;
    int value = 0;
    for (size_t i = 3; i < 5; i++) {
        const char *digits = "0123456789abcdef", *at;
        char c = (char)(s[i] >= 'A' && s[i] <= 'F' ? s[i] + 32 : s[i]);
        if (i == 3 && c == '+')
            continue;
        if (c == '\0' || (at = strchr(digits, c)) == NULL)
            return -1;
        value = value * 16 + (int)(at - digits);
    }
    return value;
}

static void put_fallen_back(struct tm_buf *bytes, struct strings *out)
{
    if (bytes->len == 0)
        return;
    if (tm_utf8_valid(bytes->data, bytes->len) == bytes->len) {
        tm_buf_append(&out->bytes, bytes->data, bytes->len);
        end_string(out);
    } else {
        for (size_t i = 0; i < bytes->len; i++) {
            tm_buf_puts(&out->bytes, "\xef\xbf\xbd");
            end_string(out);
        }
    }
    bytes->len = 0;
}

static bool byte_fallback(const struct decoder *d, const struct strings *in, struct strings *out)
{
    (void)d;
    TM_CLEANUP(tm_buf_finish) struct tm_buf bytes = {0};
    for (size_t i = 0; i < strings_n(in); i++) {
        size_t n;
        const char *text = string_at(in, i, &n);
        int byte = tok_byte_token(text, n);
        if (byte >= 0) {
            tm_buf_putc(&bytes, (char)byte);
            continue;
        }
        put_fallen_back(&bytes, out);
        tm_buf_append(&out->bytes, text, n);
        end_string(out);
    }
    put_fallen_back(&bytes, out);
    return strings_ok(out) && !bytes.failed;
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
    size_t begin = out->len;
    if (t->target != NULL)
        return tm_tokenizer_decode(t->target, ids, n, how, out, err);
    if (t->model.spm != NULL) {
        enum tm_status s = tok_spm_decode(t, ids, n, how, out, err);
        if (s == TM_OK && (how & TM_DECODE_CLEAN_UP) != 0 && t->config.clean_up)
            clean_up_decoded(out, begin);
        return s;
    }
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
    if ((how & TM_DECODE_CLEAN_UP) != 0 && t->config.clean_up)
        clean_up_decoded(out, begin);
    return TM_OK;
}

static enum tm_status read_decoders(struct reader *r, void *base, struct tm_err *err)
{
    (void)base;
    return tok_read_sequence(r, tok_decoder_read, NULL, err);
}

static enum tm_status read_finder(struct reader *r, void *base, struct tm_err *err)
{
    struct decoder *d = base;
    return tok_finder_read(r, &d->finder, err);
}

#define AT(member) offsetof(struct decoder, member)

static const char *const schemes[] = {
    [PREPEND_ALWAYS] = "always", [PREPEND_FIRST] = "first", [PREPEND_NEVER] = "never", NULL};

static const struct field no_fields[] = {{0}};
static const struct field bpe_fields[] = {
    {"suffix", FIELD_STR, true, AT(prefix), NULL, NULL},
    {0},
};
static const struct field wordpiece_fields[] = {
    {"prefix", FIELD_STR, true, AT(prefix), NULL, NULL},
    {"cleanup", FIELD_BOOL, true, AT(cleanup), NULL, NULL},
    {0},
};
static const struct field metaspace_fields[] = {
    {"replacement", FIELD_CHAR, true, AT(character), NULL, NULL},
    {"add_prefix_space", FIELD_BOOL, false, AT(add_prefix_space), NULL, NULL},
    {"prepend_scheme", FIELD_CHOICE, false, AT(prepend), schemes, NULL},
    {0},
};
static const struct field ctc_fields[] = {
    {"pad_token", FIELD_STR, true, AT(prefix), NULL, NULL},
    {"word_delimiter_token", FIELD_STR, true, AT(content), NULL, NULL},
    {"cleanup", FIELD_BOOL, true, AT(cleanup), NULL, NULL},
    {0},
};
static const struct field replace_fields[] = {
    {"pattern", FIELD_READ, true, 0, NULL, read_finder},
    {"content", FIELD_STR, true, AT(content), NULL, NULL},
    {0},
};
static const struct field strip_fields[] = {
    {"content", FIELD_CHAR, true, AT(character), NULL, NULL},
    {"start", FIELD_U64, true, AT(start), NULL, NULL},
    {"stop", FIELD_U64, true, AT(stop), NULL, NULL},
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
    {{"BPEDecoder", NULL, bpe_fields}, bpe},
    {{"ByteLevel", NULL, no_fields}, byte_level},
    {{"WordPiece", NULL, wordpiece_fields}, tok_decoder_wordpiece},
    {{"Metaspace", NULL, metaspace_fields}, metaspace},
    {{"CTC", NULL, ctc_fields}, ctc},
    {{"Sequence", NULL, sequence_fields}, NULL},
    {{"Replace", NULL, replace_fields}, replace},
    {{"Fuse", NULL, no_fields}, fuse},
    {{"Strip", NULL, strip_fields}, strip},
    {{"ByteFallback", NULL, no_fields}, byte_fallback},
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
    struct decoder d = {.apply = row->apply, .add_prefix_space = true};
    s = tok_read_fields(r, row->c.name, row->c.fields, &d, err);
    if (s != TM_OK || row->apply == NULL)
        return s;
    if (r->t->n_decoders == STEPS_MOST)
        return tm_json_fail(&r->j, TM_TOOLARGE, err, "more than %d decoders", STEPS_MOST);
    r->t->decoders[r->t->n_decoders++] = d;
    return TM_OK;
}

void tok_decoder_add_byte_level(struct tm_tokenizer *t)
{
    t->decoders[t->n_decoders++] = (struct decoder){.apply = byte_level};
}

enum spelling tok_decoder_spelling(const struct decoder *d)
{
    if (d->apply == byte_level)
        return SPELLING_BYTE_LEVEL;
    if (d->apply == metaspace ||
        (d->apply == replace && d->finder.n == 1 && d->finder.text[0] == 0x2581))
        return SPELLING_MARK;
    return d->apply == tok_decoder_wordpiece ? SPELLING_WORDPIECE : SPELLING_PLAIN;
}

bool tok_decoder_drops_space(const struct decoder *d)
{
    return d->apply == tok_decoder_wordpiece ||
           (d->apply == metaspace && d->prepend != PREPEND_NEVER) ||
           (d->apply == strip && d->character == ' ' && d->start > 0);
}
