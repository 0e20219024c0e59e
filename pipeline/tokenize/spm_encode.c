/* sentencepiece's normalization, and its pieces where they do not come from Unigram or BPE.
 *
 * Called by every encoding thread. What a character of the normalized text stands for begins where
 * its source began and ends where that of the next begins, as sentencepiece counts. */
#include "tokenize.h"

enum { SPACE = 0x2581, SYMBOL_MOST = 256 };

/* Cells of the longest user-defined symbol at c; 0: there is none. */
static size_t user_defined(const struct spm *s, const struct cell *c, size_t n)
{
    const struct trie *t = &s->user;
    uint32_t node = TRIE_ROOT;
    size_t found = 0;
    for (size_t i = 0; i < n && i < SYMBOL_MOST; i++) {
        char bytes[4];
        node = trie_walk(t, node, bytes, tm_utf8_encode(c[i].cp, bytes));
        if (node == TRIE_NONE)
            break;
        if (t->units[node].value >= 0)
            found = i + 1;
    }
    return found;
}

static bool put(struct cells *x, const struct spm *s, uint32_t cp, uint32_t from)
{
    uint32_t is = cp == ' ' && s->escape ? SPACE : cp;
    return cells_put(x->next, (struct cell){is, from, from});
}

struct prefix { /* of the text: n cells that become len bytes of text, NULL: themselves */
    const char *text;
    size_t len, n;
};

static struct prefix normalize_prefix(const struct spm *s, const struct cell *c, size_t n)
{
    struct prefix p = {.n = 1};
    if (s->has_user && (p.n = user_defined(s, c, n)) > 0)
        return p;
    p.n = 1;
    if (c->cp < 0x80 && !s->charsmap.ascii[c->cp])
        return p;
    size_t cells = 0;
    const char *text = tok_charsmap_longest(&s->charsmap, c, n, &cells);
    if (text != NULL)
        p = (struct prefix){text, strlen(text), cells};
    return p;
}

static bool is_space(const struct prefix *p, const struct cell *c)
{
    return p->text != NULL ? p->len == 1 && p->text[0] == ' ' : p->n == 1 && c->cp == ' ';
}

/* Appends what a prefix becomes; after a space, without the spaces that it begins with. */
static bool put_prefix(struct cells *x, const struct spm *s, const struct prefix *p,
                       const struct cell *c, bool *after_space)
{
    uint32_t from = c->from, cp = 0;
    bool ok = true, skip = *after_space;
    size_t made = 0, at = 0;
    for (size_t i = 0; p->text == NULL ? i < p->n : at < p->len; i++) {
        if (p->text == NULL)
            cp = c[i].cp;
        else
            at += TM_MAX(tm_utf8_decode(p->text + at, p->len - at, &cp), (size_t)1);
        if (skip && cp == ' ')
            continue;
        skip = false;
        ok = ok && put(x, s, cp, from);
        made++;
    }
    if (made > 0)
        *after_space = cp == ' ';
    return ok;
}

bool tok_spm_normalize(const struct normalizer *norm, struct cells *x)
{
    const struct spm *s = norm->spm;
    const struct cell *c = cells_of(x->now);
    size_t n = cells_n(x->now), i = 0;
    struct prefix p = {0};
    uint32_t end = n > 0 ? c[n - 1].to : 0;
    bool after_space = s->remove_spaces, ok = true;
    for (; s->remove_spaces && i < n; i += p.n) {
        p = normalize_prefix(s, c + i, n - i);
        if (!is_space(&p, c + i))
            break;
    }
    if (i < n && s->dummy_prefix && !s->suffix)
        ok = put(x, s, ' ', c[i].from);
    for (; ok && i < n; i += p.n) {
        p = normalize_prefix(s, c + i, n - i);
        ok = put_prefix(x, s, &p, c + i, &after_space);
        after_space = after_space && s->remove_spaces;
    }
    struct cell *out = cells_of(x->next);
    size_t made = cells_n(x->next);
    uint32_t space = s->escape ? SPACE : ' ';
    for (; s->remove_spaces && made > 0 && out[made - 1].cp == space; made--)
        end = out[made - 1].from;
    x->next->len = made * sizeof *out;
    if (ok && made > 0 && s->dummy_prefix && s->suffix) {
        ok = put(x, s, ' ', end);
        out = cells_of(x->next);
        made++;
    }
    for (size_t k = 0; k < made; k++)
        out[k].to = k + 1 < made ? out[k + 1].from : end;
    cells_swap(x);
    return ok;
}

/* WORD: each word is one piece or unknown. */
enum tm_status tok_spm_word_encode(const struct model *m, const char *word, size_t n,
                                   size_t n_chars, struct tm_encoding *e, struct tm_err *err)
{
    (void)n_chars;
    static const char mark[] = "\xe2\x96\x81";
    enum tm_status status = TM_OK;
    for (size_t at = 0, end; at < n && status == TM_OK; at = end) {
        const char *next = n - at > 3 ? memmem(word + at + 3, n - at - 3, mark, 3) : NULL;
        end = next != NULL ? (size_t)(next - word) : n;
        int32_t id = trie_find(&m->spm->pieces.trie, word + at, end - at);
        if (id < 0)
            status = tok_spm_put_unknown(m, word, at, end, 0, e, err);
        else if (!encoding_append(e, m->spm->remap[id], at, end))
            status = tm_err_set(err, TM_NOMEM, "no memory for tokens");
    }
    return status;
}

enum tm_status tok_spm_put_unknown(const struct model *m, const char *word, size_t begin,
                                   size_t end, size_t base, struct tm_encoding *e,
                                   struct tm_err *err)
{
    int32_t id = m->spm->by_text ? trie_find(&m->vocab.trie, word + begin, end - begin) : -1;
    bool bytes = m->byte_fallback, ok = true;
    for (size_t i = begin; bytes && i < end; i++)
        bytes = m->byte_ids[(unsigned char)word[i]] >= 0;
    if (!bytes)
        ok = encoding_append(e, id >= 0 ? id : m->unk_id, base + begin, base + end);
    for (size_t i = begin; bytes && ok && i < end; i++) /* the last one stands for all of it */
        ok = encoding_append(e, m->byte_ids[(unsigned char)word[i]], base + begin,
                             i + 1 < end ? base + begin : base + end);
    return ok ? TM_OK : tm_err_set(err, TM_NOMEM, "no memory for tokens");
}
