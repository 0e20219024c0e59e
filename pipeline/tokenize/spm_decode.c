/* Pieces of a sentencepiece model to text, as transformers' classes for such folders do it:
 * stretches of pieces by sentencepiece's rules, special tokens between them.
 *
 * Called on any thread. */
#include "tokenize.h"
#include "unicode.h"

static const char mark[] = "\xe2\x96\x81";

struct stretch_out {
    struct tm_buf *out;
    size_t begin;     /* of the stretch in out */
    bool space_taken; /* the ▁ that begins the stretch has been dropped */
    size_t bytes;     /* where byte pieces in a row begin; SIZE_MAX: none */
};

/* Byte pieces have been appended as bytes; those that are no UTF-8 become U+FFFD. */
static void end_bytes(struct stretch_out *o)
{
    if (o->bytes == SIZE_MAX || o->out->failed)
        return;
    TM_CLEANUP(tm_buf_finish) struct tm_buf raw = {0};
    tm_buf_append(&raw, o->out->data + o->bytes, o->out->len - o->bytes);
    o->out->len = o->bytes;
    o->bytes = SIZE_MAX;
    for (size_t i = 0; i < raw.len && !raw.failed;) {
        uint32_t cp;
        size_t len = tm_utf8_decode(raw.data + i, raw.len - i, &cp);
        tm_buf_append(o->out, len > 0 ? raw.data + i : "\xef\xbf\xbd", len > 0 ? len : 3);
        i += TM_MAX(len, (size_t)1);
    }
    o->out->failed = o->out->failed || raw.failed;
}

static void put_piece(const struct spm *s, struct stretch_out *o, const char *text, size_t n)
{
    end_bytes(o);
    bool first = o->out->len == o->begin && !o->space_taken;
    size_t at = 0;
    if (first && (s->dummy_prefix || s->remove_spaces) && n >= 3 && memcmp(text, mark, 3) == 0) {
        at = 3;
        o->space_taken = !s->remove_spaces;
    }
    while (at < n) {
        bool space = n - at >= 3 && memcmp(text + at, mark, 3) == 0;
        tm_buf_append(o->out, space ? " " : text + at, 1);
        at += space ? 3 : 1;
    }
}

/* A token as it is written, ▁ a space. */
static void put_written(const struct tm_tokenizer *t, struct tm_buf *out, int32_t id)
{
    const char *text = t->tokens[id];
    for (size_t i = 0, n = t->token_lens[id]; i < n;) {
        bool space = n - i >= 3 && memcmp(text + i, mark, 3) == 0;
        tm_buf_append(out, space ? " " : text + i, 1);
        i += space ? 3 : 1;
    }
}

/* drop: bytes of the token that have been taken already. */
static void put_token(const struct tm_tokenizer *t, struct stretch_out *o, int32_t id, size_t drop)
{
    const struct spm *s = t->model.spm;
    int32_t kind = id < (int32_t)t->model.vocab.n_ids ? s->kinds[id] : 0;
    if (kind == PIECE_CONTROL)
        return;
    if (kind == 0) { /* not of this model: as it is written */
        end_bytes(o);
        put_written(t, o->out, id);
        return;
    }
    if (kind == PIECE_UNKNOWN) {
        end_bytes(o);
        tm_buf_append(o->out, s->unk_surface.s, s->unk_surface.n);
        return;
    }
    int byte = kind == PIECE_BYTE ? tok_byte_token(t->tokens[id], t->token_lens[id]) : -1;
    if (byte < 0) {
        put_piece(s, o, t->tokens[id] + drop, t->token_lens[id] - drop);
        return;
    }
    if (o->bytes == SIZE_MAX)
        o->bytes = o->out->len;
    tm_buf_putc(o->out, (char)byte);
}

/* What Python's str.strip takes. */
static bool is_blank(const char *s, size_t n, size_t *ret_len)
{
    uint32_t cp = 0;
    *ret_len = tm_utf8_decode(s, n, &cp);
    return *ret_len > 0 && (uni_is(cp, UNI_SPACE) || (cp >= 0x1c && cp <= 0x1f));
}

static void strip(struct tm_buf *out, size_t start)
{
    size_t begin = start, end = out->len, len;
    while (begin < end && is_blank(out->data + begin, end - begin, &len))
        begin += len;
    for (;;) {
        size_t at = end;
        while (at > begin && ((unsigned char)out->data[--at] & 0xc0) == 0x80)
            continue;
        if (at >= end || !is_blank(out->data + at, end - at, &len) || at + len != end)
            break;
        end = at;
    }
    if (out->len > start)
        memmove(out->data + start, out->data + begin, end - begin);
    out->len = start + end - begin;
    if (out->data != NULL)
        out->data[out->len] = '\0';
}

/* The text of a stretch by the model's denormalizer. */
static bool denormalize(const struct spm *s, struct tm_buf *out, size_t begin)
{
    struct tm_buf raw = {0}, next = {0};
    struct cells x = {.now = &raw, .next = &next};
    bool ok = s->denormalizer.n_units == 0 || out->len == begin ||
              tok_cells_decode(&x, out->data + begin, out->len - begin, 0, NULL) == TM_OK;
    if (ok && cells_n(&raw) > 0)
        out->len = begin;
    for (size_t i = 0, n; ok && i < cells_n(&raw); i += n) {
        const struct cell *c = cells_of(&raw) + i;
        const char *text = tok_charsmap_longest(&s->denormalizer, c, cells_n(&raw) - i, &n);
        char bytes[4];
        if (text != NULL) {
            tm_buf_puts(out, text);
        } else {
            tm_buf_append(out, bytes, tm_utf8_encode(c->cp, bytes));
            n = 1;
        }
    }
    tm_buf_finish(&raw);
    tm_buf_finish(&next);
    return ok;
}

/* Ends a stretch, with a space before it or not. */
static void put_special(const struct tm_tokenizer *t, struct stretch_out *o, int32_t id,
                        bool before, enum joint joint)
{
    end_bytes(o);
    o->out->failed = !denormalize(t->model.spm, o->out, o->begin) || o->out->failed;
    if (before && tm_buf_putc(o->out, ' ')) {
        memmove(o->out->data + o->begin + 1, o->out->data + o->begin, o->out->len - 1 - o->begin);
        o->out->data[o->begin] = ' ';
    }
    tm_buf_append(o->out, t->tokens[id], t->token_lens[id]);
    if (joint == JOINT_AFTER)
        tm_buf_putc(o->out, ' ');
    *o = (struct stretch_out){o->out, o->out->len, false, SIZE_MAX};
}

enum tm_status tok_spm_decode(const struct tm_tokenizer *t, const int32_t *ids, size_t n,
                              unsigned how, struct tm_buf *out, struct tm_err *err)
{
    const struct family *family = t->config.family;
    enum joint joint = family != NULL ? family->joint : JOINT_SPM;
    struct stretch_out o = {out, out->len, false, SIZE_MAX};
    size_t start = out->len, shown = 0; /* tokens */
    bool llama = joint == JOINT_LLAMA, after_special = false;
    for (size_t i = 0; i < n; i++) {
        int32_t id = ids[i];
        if (id < 0 || id >= t->n_ids || t->tokens[id] == NULL)
            continue;
        if (t->special_ids[id] && (how & TM_DECODE_SKIP_SPECIAL) != 0)
            continue;
        if (joint == JOINT_TEXT) {
            put_written(t, out, id);
        } else if (t->special_ids[id]) {
            bool before = !after_special && (joint == JOINT_T5 || (llama && shown > 0));
            put_special(t, &o, id, before, joint);
            after_special = true;
        } else { /* LlamaTokenizer takes a ▁ of the first token itself, and sentencepiece another */
            bool marked = t->token_lens[id] >= 3 && memcmp(t->tokens[id], mark, 3) == 0;
            if (llama && after_special && shown == 1 && !marked) {
                tm_buf_putc(out, ' ');
                o.begin = out->len;
            }
            put_token(t, &o, id, llama && shown == 0 && marked ? 3 : 0);
            after_special = false;
        }
        shown++;
    }
    end_bytes(&o);
    if (!denormalize(t->model.spm, out, o.begin) || out->failed)
        return tm_err_set(err, TM_NOMEM, "no memory to decode %zu tokens", n);
    if (joint != JOINT_LLAMA && joint != JOINT_SPM)
        strip(out, start);
    return TM_OK;
}
