/* Pieces of a sentencepiece model to text, as transformers' classes for such folders do it:
 * stretches of pieces by sentencepiece's rules, special tokens between them.
 *
 * Called on any thread. */
#include "tokenize.h"

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

static void put_token(const struct tm_tokenizer *t, struct stretch_out *o, int32_t id)
{
    const struct spm *s = t->model.spm;
    int32_t kind = id < (int32_t)t->model.vocab.n_ids ? s->kinds[id] : 0;
    if (kind == PIECE_CONTROL)
        return;
    if (kind == PIECE_UNKNOWN) {
        end_bytes(o);
        tm_buf_append(o->out, s->unk_surface.s, s->unk_surface.n);
        return;
    }
    int byte = kind == PIECE_BYTE ? tok_byte_token(t->tokens[id], t->token_lens[id]) : -1;
    if (byte < 0) {
        put_piece(s, o, t->tokens[id], t->token_lens[id]);
        return;
    }
    if (o->bytes == SIZE_MAX)
        o->bytes = o->out->len;
    tm_buf_putc(o->out, (char)byte);
}

enum tm_status tok_spm_decode(const struct tm_tokenizer *t, const int32_t *ids, size_t n,
                              unsigned how, struct tm_buf *out, struct tm_err *err)
{
    size_t start = out->len;
    struct stretch_out o = {out, start, false, SIZE_MAX};
    bool after_special = false;
    for (size_t i = 0; i < n; i++) {
        int32_t id = ids[i];
        if (id < 0 || id >= t->n_ids || t->tokens[id] == NULL)
            continue;
        if (!t->special_ids[id]) {
            put_token(t, &o, id);
            after_special = false;
            continue;
        }
        if ((how & TM_DECODE_SKIP_SPECIAL) != 0)
            continue;
        end_bytes(&o);
        if (!t->marian && !after_special)
            tm_buf_putc(out, ' ');
        tm_buf_append(out, t->tokens[id], t->token_lens[id]);
        if (t->marian)
            tm_buf_putc(out, ' ');
        after_special = true;
        o = (struct stretch_out){out, out->len, false, SIZE_MAX};
    }
    end_bytes(&o);
    if (out->failed)
        return tm_err_set(err, TM_NOMEM, "no memory to decode %zu tokens", n);
    size_t end = out->len, begin = start;
    while (end > begin && out->data[end - 1] == ' ')
        end--;
    while (begin < end && out->data[begin] == ' ')
        begin++;
    if (out->len > start)
        memmove(out->data + start, out->data + begin, end - begin);
    out->len = start + end - begin;
    return TM_OK;
}
