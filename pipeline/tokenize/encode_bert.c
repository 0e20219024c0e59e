/* The fast way for the tokenizers of BERT models: words of ASCII go from the text to the model
 * without becoming cells.
 *
 * Called by every encoding thread. White space of ASCII ends a word whatever comes after, and no
 * normalization reaches across it; so the text is taken from blank to blank, and a stretch with any
 * other character than ASCII letters, digits and punctuation takes the way of tok_encode_any. */
#include "tokenize.h"

enum { PLAIN = 0, PUNCT = 1, BLANK = 2, OTHER = 4 };

static inline unsigned kind(unsigned char c)
{
    static const uint8_t kinds[256] = {
        [0 ... 8] = OTHER,       ['\t'] = BLANK,        ['\n'] = BLANK,
        [0x0b ... 0x0c] = OTHER, ['\r'] = BLANK,        [0x0e ... 0x1f] = OTHER,
        [' '] = BLANK,           ['!' ... '/'] = PUNCT, [':' ... '@'] = PUNCT,
        ['[' ... '`'] = PUNCT,   ['{' ... '~'] = PUNCT, [0x7f ... 0xff] = OTHER,
    };
    return kinds[c];
}

bool tok_encode_bert_fits(const struct tm_tokenizer *t)
{
    return t->n_normalizers == 1 && t->normalizers[0].apply == tok_normalizer_bert &&
           t->n_pre_tokenizers == 1 && t->pre_tokenizers[0].split == tok_pre_tokenizer_bert &&
           t->normalized[0].n == 0;
}

static enum tm_status encode_word(struct encoder *c, const char *word, size_t n, uint32_t pos)
{
    const struct model *m = &c->t->model;
    size_t first = c->e->n;
    enum tm_status s = m->encode(m, word, n, n, c->e, c->err);
    if (s != TM_OK)
        return s;
    for (size_t i = first; i < c->e->n; i++) {
        c->e->offsets[i][0] += pos;
        c->e->offsets[i][1] += pos;
    }
    tok_finish_word(c, first);
    return TM_OK;
}

/* Letters, digits and punctuation, n of them; punctuation stands alone. */
static enum tm_status encode_stretch(struct encoder *c, const char *s, size_t n)
{
    if (c->t->normalizers[0].lower) {
        struct tm_buf *low = &c->e->scratch[SCRATCH_WORD];
        low->len = 0;
        if (!tm_buf_reserve(low, n))
            return tm_err_set(c->err, TM_NOMEM, "no memory to encode a text");
        for (size_t i = 0; i < n; i++) {
            unsigned char b = (unsigned char)s[i];
            low->data[i] = (char)(b + ((unsigned)(b - 'A') < 26 ? 'a' - 'A' : 0));
        }
        s = low->data;
    }
    for (size_t i = 0; i < n;) {
        size_t end = i;
        while (end < n && kind((unsigned char)s[end]) == PLAIN)
            end++;
        end += end == i;
        enum tm_status status = encode_word(c, s + i, end - i, c->pos + (uint32_t)i);
        if (status != TM_OK)
            return status;
        i = end;
    }
    c->pos += (uint32_t)n;
    return TM_OK;
}

enum tm_status tok_encode_bert(struct encoder *c, const char *s, size_t n)
{
    for (size_t i = 0; i < n;) {
        size_t begin = i;
        while (i < n && kind((unsigned char)s[i]) == BLANK)
            i++;
        c->pos += (uint32_t)(i - begin);
        begin = i;
        unsigned seen = 0, k;
        for (; i < n && (k = kind((unsigned char)s[i])) != BLANK; i++)
            seen |= k;
        enum tm_status status = (seen & OTHER) != 0 ? tok_encode_any(c, s + begin, i - begin)
                                                    : encode_stretch(c, s + begin, i - begin);
        if (status != TM_OK)
            return status;
    }
    return TM_OK;
}
