/* From text to tokens: added tokens, normalizers, pre-tokenizers, model, post-processor.
 *
 * Called by any number of threads at once, each with its own tm_encoding, whose scratch holds
 * everything under way: cells now and next, pieces, the bytes of a word. Nothing is allocated once
 * these have grown. */
#include "tokenize.h"
#include "byte_level.h"
#include "unicode.h"
#include <stdlib.h>

enum { TEXT_MOST = 1 << 30 };

static enum tm_status no_memory(struct tm_err *err)
{
    return tm_err_set(err, TM_NOMEM, "no memory to encode a text");
}

void tm_encoding_finish(struct tm_encoding *e)
{
    if (e == NULL)
        return;
    free(e->ids);
    free(e->offsets);
    free(e->words);
    free(e->types);
    free(e->special);
    for (size_t i = 0; i < TM_COUNTOF(e->scratch); i++)
        tm_buf_finish(&e->scratch[i]);
    tok_regex_finish(e->match);
    *e = (struct tm_encoding){0};
}

static bool grow_one(void *array, size_t room, size_t size)
{
    void **p = array;
    void *grown = realloc(*p, room * size);
    if (grown != NULL)
        *p = grown;
    return grown != NULL;
}

bool tok_encoding_grow(struct tm_encoding *e)
{
    size_t room = e->room == 0 ? 256 : e->room * 2;
    if (!grow_one(&e->ids, room, sizeof *e->ids) ||
        !grow_one(&e->offsets, room, sizeof *e->offsets) ||
        !grow_one(&e->words, room, sizeof *e->words) ||
        !grow_one(&e->types, room, sizeof *e->types) ||
        !grow_one(&e->special, room, sizeof *e->special))
        return false;
    e->room = room;
    return true;
}

enum tm_status tok_cells_decode(struct cells *x, const char *s, size_t n, uint32_t pos,
                                struct tm_err *err)
{
    x->now->len = 0;
    struct cell *out = cells_room(x->now, n);
    if (out == NULL)
        return no_memory(err);
    size_t made = 0;
    for (size_t i = 0; i < n; made++, pos++) {
        uint32_t cp = (unsigned char)s[i];
        size_t len = cp < 0x80 ? 1 : tm_utf8_decode(s + i, n - i, &cp);
        if (len == 0)
            return tm_err_set(err, TM_BADINPUT, "text is not UTF-8");
        out[made] = (struct cell){cp, pos, pos + 1};
        i += len;
    }
    x->now->len = made * sizeof *out;
    return TM_OK;
}

static void cells_encode(const struct cell *c, size_t n, char *out, size_t *ret_len)
{
    size_t len = 0;
    for (size_t i = 0; i < n; i++) {
        if (c[i].cp < 0x80)
            out[len++] = (char)c[i].cp;
        else
            len += tm_utf8_encode(c[i].cp, out + len);
    }
    *ret_len = len;
}

static size_t utf8_len(uint32_t cp)
{
    return cp < 0x80 ? 1 : cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;
}

/* RobertaProcessing's trim_offsets: white space at either end of a token's text is not part of what
 * it stands for; but the one space that add_prefix_space may have added is left. */
static void trim(const struct encoder *c, size_t i, const char *s, size_t n)
{
    size_t leading = 0, trailing = 0;
    bool begun = false;
    for (size_t k = 0; k < n;) {
        uint32_t cp;
        size_t len = tm_utf8_decode(s + k, n - k, &cp);
        bool space = len > 0 && (cp == BYTE_LEVEL_SPACE || uni_is(cp, UNI_SPACE));
        begun = begun || !space;
        leading += !begun;
        trailing = space ? trailing + 1 : 0;
        k += TM_MAX(len, (size_t)1);
    }
    uint32_t *o = c->e->offsets[i];
    if ((i == c->first || o[0] == 0) && c->t->post.add_prefix_space && leading == 1)
        leading = 0;
    o[0] = (uint32_t)TM_MIN(o[0] + leading, (size_t)o[1]);
    if (trailing > 0 && o[1] >= trailing)
        o[1] = (uint32_t)TM_MAX(o[1] - trailing, (size_t)o[0]);
}

void tok_finish_word(struct encoder *c, size_t first)
{
    for (size_t i = first; i < c->e->n; i++) {
        c->e->words[i] = c->word;
        if (c->t->post.trim_offsets)
            trim(c, i, c->t->tokens[c->e->ids[i]], c->t->token_lens[c->e->ids[i]]);
    }
    c->word++;
}

/* An added token, found as the n bytes of s. */
static enum tm_status put_added(struct encoder *c, int32_t id, uint32_t from, uint32_t to,
                                const char *s, size_t n)
{
    if (!encoding_append(c->e, id, from, to))
        return no_memory(c->err);
    size_t i = c->e->n - 1;
    c->e->words[i] = c->word++;
    if (c->t->post.trim_offsets)
        trim(c, i, s, n);
    return TM_OK;
}

/* Turns offsets in bytes of a word into those of the text given. A token of some bytes of a
 * character stands for all of it. */
static void place_tokens(struct encoder *c, size_t first, const struct cell *cells, size_t n)
{
    size_t cell = 0, byte = 0; /* of the begin of the cell */
    uint32_t last[2] = {UINT32_MAX, UINT32_MAX};
    for (size_t i = first; i < c->e->n; i++) {
        uint32_t *o = c->e->offsets[i];
        if (o[0] == last[0] && o[1] == last[1]) { /* bytes of the same unknown stretch */
            memcpy(o, c->e->offsets[i - 1], sizeof last);
            continue;
        }
        memcpy(last, o, sizeof last);
        while (byte > o[0])
            byte -= utf8_len(cells[--cell].cp);
        while (cell + 1 < n && byte + utf8_len(cells[cell].cp) <= o[0])
            byte += utf8_len(cells[cell++].cp);
        bool none = o[0] == o[1];
        o[0] = cells[cell].from;
        while (!none && cell + 1 < n && byte + utf8_len(cells[cell].cp) < o[1])
            byte += utf8_len(cells[cell++].cp);
        o[1] = none ? o[0] : cells[cell].to;
    }
}

static enum tm_status encode_piece(struct encoder *c, const struct piece *p,
                                   const struct cell *cells)
{
    struct tm_buf *word = &c->e->scratch[SCRATCH_WORD];
    size_t n = p->end - p->begin, len, first = c->e->n;
    word->len = 0;
    if (!tm_buf_reserve(word, 4 * n))
        return no_memory(c->err);
    cells += p->begin;
    cells_encode(cells, n, word->data, &len);
    if (p->id >= 0)
        return put_added(c, p->id, cells[0].from, cells[n - 1].to, word->data, len);
    const struct model *m = &c->t->model;
    enum tm_status s = m->encode(m, word->data, len, n, c->e, c->err);
    if (s != TM_OK)
        return s;
    place_tokens(c, first, cells, n);
    tok_finish_word(c, first);
    return TM_OK;
}

/* The cell at a byte of the text that the cells make; at and cell: a pair known, which moves. */
static uint32_t cell_at(const struct cell *cells, size_t byte, size_t *at, uint32_t *cell)
{
    while (*at < byte)
        *at += utf8_len(cells[(*cell)++].cp);
    while (*at > byte)
        *at -= utf8_len(cells[--*cell].cp);
    return *cell;
}

/* The second pass over added tokens: cuts normalized text into text and tokens. */
static enum tm_status find_pieces(struct encoder *c, const struct tm_buf *text, struct tm_buf *out)
{
    const struct cell *cells = cells_of(text);
    size_t n = cells_n(text), len = 0, at = 0, pos = 0, last = 0, before = 0;
    uint32_t cell = 0;
    out->len = 0;
    if (c->t->normalized[c->literal].n == 0) {
        struct piece all = {0, (uint32_t)n, -1};
        return piece_add(out, &all) ? TM_OK : no_memory(c->err);
    }
    struct tm_buf *bytes = &c->e->scratch[SCRATCH_WORD];
    bytes->len = 0;
    if (!tm_buf_reserve(bytes, 4 * n))
        return no_memory(c->err);
    cells_encode(cells, n, bytes->data, &len);
    struct match m;
    bool ok = true;
    while (ok &&
           tok_matcher_next(&c->t->normalized[c->literal], bytes->data, len, &pos, &last, &m)) {
        struct piece gap = {cell_at(cells, before, &at, &cell), 0, -1}, token = {0, 0, m.token->id};
        gap.end = token.begin = cell_at(cells, m.begin, &at, &cell);
        token.end = cell_at(cells, m.end, &at, &cell);
        ok = (gap.begin >= gap.end || piece_add(out, &gap)) && piece_add(out, &token);
        before = last;
    }
    struct piece rest = {cell_at(cells, last, &at, &cell), (uint32_t)n, -1};
    return ok && piece_add(out, &rest) ? TM_OK : no_memory(c->err);
}

enum tm_status tok_encode_any(struct encoder *c, const char *s, size_t n)
{
    struct cells x = {.now = &c->e->scratch[SCRATCH_CELLS],
                      .next = &c->e->scratch[SCRATCH_CELLS + 1],
                      .e = c->e,
                      .err = c->err,
                      .origin = c->pos};
    enum tm_status status = tok_cells_decode(&x, s, n, c->pos, c->err);
    if (status != TM_OK)
        return status;
    c->pos += (uint32_t)cells_n(x.now);
    if (!tok_normalize(c->t, &x))
        return x.status != TM_OK ? x.status : no_memory(c->err);
    struct tm_buf *pieces = &c->e->scratch[SCRATCH_PIECES], *other = pieces + 1;
    status = find_pieces(c, x.now, pieces);
    if (status != TM_OK)
        return status;
    if (!tok_pre_tokenize(c->t, &x, &pieces, &other))
        return x.status != TM_OK ? x.status : no_memory(c->err);
    for (size_t i = 0; i < pieces_n(pieces) && status == TM_OK; i++)
        status = encode_piece(c, &pieces_of(pieces)[i], cells_of(x.now));
    return status;
}

/* Marian: a code like >>fra<< at the begin is one token, known or not. */
static enum tm_status take_code(struct encoder *c, const char **s, size_t *n)
{
    const char *end = memmem(*s, *n, "<<", 2);
    if (*n < 4 || memcmp(*s, ">>", 2) != 0 || end == NULL)
        return TM_OK;
    size_t len = (size_t)(end + 2 - *s);
    int32_t id = trie_find(&c->t->model.vocab.trie, *s, len);
    uint32_t from = c->pos;
    c->pos += (uint32_t)tm_utf8_count(*s, len);
    enum tm_status status = put_added(c, id >= 0 ? id : c->t->model.unk_id, from, c->pos, *s, len);
    *s += len;
    *n -= len;
    return status;
}

static enum tm_status encode_segment(struct encoder *c, const char *s, size_t n)
{
    enum tm_status status = c->t->marian ? take_code(c, &s, &n) : TM_OK;
    if (n == 0 || status != TM_OK)
        return status;
    return c->t->bert ? tok_encode_bert(c, s, n) : tok_encode_any(c, s, n);
}

/* The first pass over added tokens, on the text as it is. */
static enum tm_status encode_segments(struct encoder *c, const char *s, size_t n)
{
    size_t pos = 0, last = 0, before = 0;
    struct match m;
    while (tok_matcher_next(&c->t->raw[c->literal], s, n, &pos, &last, &m)) {
        enum tm_status status = TM_OK;
        if (before < m.begin)
            status = encode_segment(c, s + before, m.begin - before);
        else /* white space that the token before took as well */
            c->pos -= (uint32_t)tm_utf8_count(s + m.begin, before - m.begin);
        if (status != TM_OK)
            return status;
        uint32_t from = c->pos;
        c->pos += (uint32_t)tm_utf8_count(s + m.begin, m.end - m.begin);
        status = put_added(c, m.token->id, from, c->pos, s + m.begin, m.end - m.begin);
        if (status != TM_OK)
            return status;
        before = last;
    }
    return encode_segment(c, s + last, n - last);
}

static enum tm_status encode_text(const struct tm_tokenizer *t, const char *text, size_t n,
                                  uint8_t type, bool literal, struct tm_encoding *e,
                                  struct tm_err *err)
{
    if (n >= TEXT_MOST)
        return tm_err_set(err, TM_TOOLARGE, "a text of %zu bytes cannot be encoded", n);
    if (n == 0) /* text may be NULL then */
        return TM_OK;
    struct encoder c = {.t = t, .e = e, .err = err, .first = e->n, .literal = literal};
    enum tm_status s = encode_segments(&c, text, n);
    if (s != TM_OK || e->n == c.first)
        return s;
    memset(e->types + c.first, type, (e->n - c.first) * sizeof *e->types);
    memset(e->special + c.first, 0, (e->n - c.first) * sizeof *e->special);
    return TM_OK;
}

static enum tm_status put_special(const struct post_item *item, struct tm_encoding *e,
                                  struct tm_err *err)
{
    if (!encoding_append(e, item->id, 0, 0))
        return no_memory(err);
    e->words[e->n - 1] = -1;
    e->types[e->n - 1] = item->type;
    e->special[e->n - 1] = 1;
    return TM_OK;
}

enum tm_status tok_encode_template(const struct tm_tokenizer *t, const struct post_template *items,
                                   const struct texts *texts, unsigned how, struct tm_encoding *e,
                                   struct tm_err *err)
{
    enum tm_status s = TM_OK;
    e->n = 0;
    for (size_t i = 0; i < items->n && s == TM_OK; i++) {
        const struct post_item *item = &items->items[i];
        bool literal = (how & TM_ENCODE_LITERAL) != 0;
        if (item->kind == ITEM_A)
            s = encode_text(t, texts->a, texts->n_a, item->type, literal, e, err);
        else if (item->kind == ITEM_B)
            s = encode_text(t, texts->b, texts->n_b, item->type, literal, e, err);
        else if ((how & TM_ENCODE_SPECIAL) != 0)
            s = put_special(item, e, err);
    }
    return s;
}

enum tm_status tm_tokenizer_encode(const struct tm_tokenizer *t, const char *text, size_t n,
                                   unsigned how, struct tm_encoding *e, struct tm_err *err)
{
    struct texts texts = {.a = text, .n_a = n};
    return tok_encode_template(t, &t->post.single, &texts, how, e, err);
}

enum tm_status tm_tokenizer_encode_pair(const struct tm_tokenizer *t, const char *text, size_t n,
                                        const char *pair, size_t n_pair, struct tm_encoding *e,
                                        struct tm_err *err)
{
    struct texts texts = {.a = text, .n_a = n, .b = pair, .n_b = n_pair};
    return tok_encode_template(t, &t->post.pair, &texts, TM_ENCODE_SPECIAL, e, err);
}
