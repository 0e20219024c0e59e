/* BPE (bpe.h): the table of merges, and the merging of a word.
 *
 * Called for every word by every encoding thread; the model is constant. A short word is searched
 * for its least rank again and again, a long one has a heap, so that a text without spaces takes
 * n log n. Ranks order merges, then places from left to right. */
#include "tokenize.h"
#include <stdlib.h>

enum { SHORT = 40, NONE = -1, MERGES_FIRST = 1 << 10 };
#define NO_RANK UINT32_MAX

struct symbol {
    int32_t id;
    uint32_t len;       /* bytes of the word; 0: merged into another */
    int32_t prev, next; /* places, NONE at the ends */
    uint32_t rank;      /* of the merge with the next */
    int32_t merged;     /* id that it would give */
};

struct candidate { /* of a heap: a merge at a place */
    uint32_t rank, at;
    int32_t id;
};

static enum tm_status no_memory(struct tm_err *err)
{
    return tm_err_set(err, TM_NOMEM, "no memory for tokens");
}

static inline uint32_t hash_pair(int32_t left, int32_t right)
{
    uint64_t h = ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) * UINT64_C(0x9e3779b97f4a7c15);
    return (uint32_t)(h >> 32) ^ (uint32_t)(h >> 11);
}

static struct merge *new_table(size_t size)
{
    struct merge *table = size > UINT32_MAX / 2 ? NULL : malloc(size * sizeof *table);
    for (size_t i = 0; table != NULL && i < size; i++)
        table[i].id = NONE;
    return table;
}

enum tm_status tok_merges_create(struct merges *m, struct tm_err *err)
{
    tok_merges_finish(m);
    m->table = new_table(MERGES_FIRST);
    if (m->table == NULL)
        return tm_err_set(err, TM_NOMEM, "no memory for merges");
    m->mask = MERGES_FIRST - 1;
    m->apart = true;
    return TM_OK;
}

void tok_merges_finish(struct merges *m)
{
    free(m->table);
    *m = (struct merges){0};
}

/* Where the pair is in a table, or may be put. */
static inline uint32_t place(const struct merge *table, uint32_t mask, int32_t left, int32_t right)
{
    uint32_t i = hash_pair(left, right) & mask;
    while (table[i].id >= 0 && (table[i].left != left || table[i].right != right))
        i = (i + 1) & mask;
    return i;
}

static bool grow(struct merges *m)
{
    size_t size = ((size_t)m->mask + 1) * 2;
    struct merge *table = new_table(size);
    if (table == NULL)
        return false;
    for (size_t i = 0; i <= m->mask; i++) {
        const struct merge *old = &m->table[i];
        if (old->id >= 0)
            table[place(table, (uint32_t)size - 1, old->left, old->right)] = *old;
    }
    free(m->table);
    m->table = table;
    m->mask = (uint32_t)size - 1;
    return true;
}

bool tok_merges_add(struct merges *m, int32_t left, int32_t right, uint32_t rank, int32_t id)
{
    if (m->n >= m->mask / 3 * 2 && !grow(m))
        return false;
    struct merge *at = &m->table[place(m->table, m->mask, left, right)];
    m->n += at->id < 0;
    *at = (struct merge){left, right, rank, id};
    return true;
}

static inline const struct merge *find(const struct merges *m, int32_t left, int32_t right)
{
    const struct merge *at = &m->table[place(m->table, m->mask, left, right)];
    return at->id >= 0 ? at : NULL;
}

size_t tok_space_end(const char *text, size_t n)
{
    bool other = false;
    for (size_t i = 0; i < n;) {
        bool space =
            text[i] == '\xe2' && n - i >= 3 && text[i + 1] == '\x96' && text[i + 2] == '\x81';
        if (space && other)
            return i;
        other = other || !space;
        i += space ? 3 : 1;
    }
    return n;
}

bool tok_space_inside(const char *text, size_t n)
{
    return n > 0 && tok_space_end(text, n) < n;
}

static inline void rate(const struct merges *m, struct symbol *s, size_t i)
{
    const struct merge *found = s[i].next < 0 ? NULL : find(m, s[i].id, s[s[i].next].id);
    s[i].rank = found != NULL ? found->rank : NO_RANK;
    s[i].merged = found != NULL ? found->id : NONE;
}

static inline void join(struct symbol *s, size_t i)
{
    struct symbol *right = &s[s[i].next];
    s[i].id = s[i].merged;
    s[i].len += right->len;
    s[i].next = right->next;
    right->len = 0;
    if (s[i].next >= 0)
        s[s[i].next].prev = (int32_t)i;
}

static void merge_short(const struct merges *m, struct symbol *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        rate(m, s, i);
    for (;;) {
        uint32_t least = NO_RANK;
        int32_t at = NONE;
        for (int32_t i = 0; i >= 0; i = s[i].next) {
            if (s[i].rank < least) {
                least = s[i].rank;
                at = i;
            }
        }
        if (at < 0)
            return;
        join(s, (size_t)at);
        rate(m, s, (size_t)at);
        if (s[at].prev >= 0)
            rate(m, s, (size_t)s[at].prev);
    }
}

static inline bool before(const struct candidate *a, const struct candidate *b)
{
    return a->rank != b->rank ? a->rank < b->rank : a->at < b->at;
}

static bool heap_push(struct tm_buf *b, struct candidate c)
{
    if (!tm_buf_append(b, &c, sizeof c))
        return false;
    struct candidate *h = (void *)b->data;
    size_t i = b->len / sizeof c - 1;
    for (; i > 0 && before(&c, &h[(i - 1) / 2]); i = (i - 1) / 2)
        h[i] = h[(i - 1) / 2];
    h[i] = c;
    return true;
}

static struct candidate heap_pop(struct tm_buf *b)
{
    struct candidate *h = (void *)b->data, top = h[0];
    b->len -= sizeof top;
    size_t n = b->len / sizeof top, i = 0;
    struct candidate last = h[n];
    for (size_t child; (child = 2 * i + 1) < n; i = child) {
        child += child + 1 < n && before(&h[child + 1], &h[child]);
        if (!before(&h[child], &last))
            break;
        h[i] = h[child];
    }
    h[i] = last;
    return top;
}

static bool propose(const struct merges *m, struct symbol *s, size_t i, struct tm_buf *heap)
{
    rate(m, s, i);
    struct candidate c = {s[i].rank, (uint32_t)i, s[i].merged};
    return s[i].rank == NO_RANK || heap_push(heap, c);
}

static bool merge_long(const struct merges *m, struct symbol *s, size_t n, struct tm_buf *heap)
{
    bool ok = true;
    heap->len = 0;
    for (size_t i = 0; i < n && ok; i++)
        ok = propose(m, s, i, heap);
    while (ok && heap->len > 0) {
        struct candidate c = heap_pop(heap);
        if (s[c.at].len == 0 || s[c.at].rank != c.rank || s[c.at].merged != c.id)
            continue; /* a neighbour has changed since */
        join(s, c.at);
        ok = propose(m, s, c.at, heap) &&
             (s[c.at].prev < 0 || propose(m, s, (size_t)s[c.at].prev, heap));
    }
    return ok;
}

static bool put_symbol(struct tm_buf *b, int32_t id, size_t len)
{
    struct symbol s = {.id = id, .len = (uint32_t)len};
    return tm_buf_append(b, &s, sizeof s);
}

/* The character as the vocabulary writes it at this place of the word. */
static int32_t find_char(const struct model *m, const char *s, size_t len, bool first, bool last)
{
    const struct trie *t = &m->vocab.trie;
    uint32_t node = first ? TRIE_ROOT : m->continuing;
    if (node != TRIE_NONE)
        node = trie_walk(t, node, s, len);
    if (last && m->suffix.n > 0 && node != TRIE_NONE)
        node = trie_walk(t, node, m->suffix.s, m->suffix.n);
    return node == TRIE_NONE ? -1 : t->units[node].value;
}

/* What a character not in the vocabulary becomes byte by byte, affixes included; false: it does
 * not. */
static bool fall_back(const struct model *m, const char *s, size_t len, bool first, bool last,
                      struct tm_buf *out, bool *ret_ok)
{
    struct str parts[3] = {
        first ? (struct str){"", 0} : m->prefix, {s, len}, last ? m->suffix : (struct str){"", 0}};
    for (int put = 0; put < 2; put++) {
        for (size_t k = 0; k < TM_COUNTOF(parts); k++) {
            for (size_t i = 0; i < parts[k].n; i++) {
                int32_t id = m->byte_ids[(unsigned char)parts[k].s[i]];
                if (id < 0)
                    return false;
                if (put)
                    *ret_ok = put_symbol(out, id, 1) && *ret_ok;
            }
        }
    }
    return true;
}

/* Characters to symbols. An unknown one waits for the next, to be fused with it; bytes do not end
 * the waiting, as in the package. */
static enum tm_status start(const struct model *m, const char *word, size_t n, struct tm_buf *out,
                            struct tm_err *err)
{
    size_t unknown = 0, len;
    bool ok = true;
    out->len = 0;
    for (size_t i = 0; i < n && ok; i += len) {
        uint32_t cp;
        len = (unsigned char)word[i] < 0x80 ? 1 : tm_utf8_decode(word + i, n - i, &cp);
        bool first = i == 0, last = i + len == n;
        int32_t id = find_char(m, word + i, len, first, last);
        if (id >= 0) {
            ok = (unknown == 0 || put_symbol(out, m->unk_id, unknown)) && put_symbol(out, id, len);
            unknown = 0;
        } else if (!m->byte_fallback || !fall_back(m, word + i, len, first, last, out, &ok)) {
            if (m->unk_token.s == NULL)
                continue;
            if (m->unk_id < 0)
                return tm_err_set(err, TM_MODEL,
                                  "the unknown token \"%.40s\" is not in the "
                                  "vocabulary",
                                  m->unk_token.s);
            if (unknown > 0 && !m->fuse_unk)
                ok = put_symbol(out, m->unk_id, unknown);
            unknown = m->fuse_unk ? unknown + len : len;
        }
    }
    if (ok && unknown > 0)
        ok = put_symbol(out, m->unk_id, unknown);
    return ok ? TM_OK : no_memory(err);
}

/* sentencepiece's characters; user-defined symbols are whole. Pieces' tries have every character of
 * every piece; what is not there has no merges. */
static enum tm_status start_spm(const struct model *m, const char *word, size_t n,
                                struct tm_buf *out, struct tm_err *err)
{
    const struct spm *spm = m->spm;
    size_t len;
    out->len = 0;
    for (size_t i = 0; i < n; i += len) {
        uint32_t cp;
        int32_t id = -1;
        if (spm->has_user)
            id = trie_longest(&spm->user, TRIE_ROOT, word + i, n - i, &len);
        if (id < 0) {
            len = (unsigned char)word[i] < 0x80 ? 1 : tm_utf8_decode(word + i, n - i, &cp);
            id = trie_find(&spm->pieces.trie, word + i, len);
        }
        if (!put_symbol(out, id, len))
            return no_memory(err);
    }
    return TM_OK;
}

static enum tm_status put_spm(const struct model *m, const struct symbol *s, bool any,
                              const char *word, size_t base, struct tm_encoding *e,
                              struct tm_err *err)
{
    const struct spm *spm = m->spm;
    size_t at = 0, unknown = SIZE_MAX;
    enum tm_status status = TM_OK;
    for (int32_t i = any ? 0 : NONE; i >= 0 && status == TM_OK; i = s[i].next) {
        bool known = s[i].id >= 0 && spm->types[s[i].id] != PIECE_UNKNOWN;
        if (unknown != SIZE_MAX && (known || m->byte_fallback)) {
            status = tok_spm_put_unknown(m, word, unknown, at, base, e, err);
            unknown = SIZE_MAX;
        }
        if (!known && unknown == SIZE_MAX)
            unknown = at;
        if (known && status == TM_OK &&
            !encoding_append(e, spm->remap[s[i].id], base + at, base + at + s[i].len))
            status = no_memory(err);
        at += s[i].len;
    }
    if (status == TM_OK && unknown != SIZE_MAX)
        status = tok_spm_put_unknown(m, word, unknown, at, base, e, err);
    return status;
}

static enum tm_status encode(const struct model *m, const char *word, size_t n, size_t base,
                             struct tm_encoding *e, struct tm_err *err)
{
    struct tm_buf *symbols = &e->scratch[SCRATCH_MODEL];
    enum tm_status status =
        m->spm != NULL ? start_spm(m, word, n, symbols, err) : start(m, word, n, symbols, err);
    if (status != TM_OK)
        return status;
    struct symbol *s = (void *)symbols->data;
    size_t count = symbols->len / sizeof *s, at = base;
    for (size_t i = 0; i < count; i++) {
        s[i].prev = (int32_t)i - 1;
        s[i].next = i + 1 < count ? (int32_t)i + 1 : NONE;
    }
    if (count <= SHORT && count > 1)
        merge_short(&m->merges, s, count);
    else if (count > 1 && !merge_long(&m->merges, s, count, &e->scratch[SCRATCH_QUEUE]))
        return no_memory(err);
    if (m->spm != NULL)
        return put_spm(m, s, count > 0, word, base, e, err);
    for (int32_t i = count > 0 ? 0 : NONE; i >= 0; i = s[i].next) {
        if (!encoding_append(e, s[i].id, at, at + s[i].len))
            return no_memory(err);
        at += s[i].len;
    }
    return TM_OK;
}

/* n_chars is not needed. A word is cut before each ▁ that follows another character, where no merge
 * reaches across, so that the parts are found among those seen before. */
enum tm_status tok_bpe_encode(const struct model *m, const char *word, size_t n, size_t n_chars,
                              struct tm_encoding *e, struct tm_err *err)
{
    (void)n_chars;
    int32_t whole = m->ignore_merges ? trie_find(&m->vocab.trie, word, n) : -1;
    if (whole >= 0)
        return encoding_append(e, whole, 0, n) ? TM_OK : no_memory(err);
    if (!m->merges.apart)
        return tok_cache_encode(m, encode, word, n, 0, e, err);
    for (size_t at = 0; at < n;) {
        size_t len = tok_space_end(word + at, n - at);
        enum tm_status s = tok_cache_encode(m, encode, word + at, len, at, e, err);
        if (s != TM_OK)
            return s;
        at += len;
    }
    return TM_OK;
}
