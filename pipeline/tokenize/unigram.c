/* Unigram: the best path through the pieces of a word (Kudo 2018; Viterbi), in the arithmetic of
 * the `tokenizers` package (double) and in that of sentencepiece (float), since ties and near-ties
 * depend on it.
 *
 * Called for every word by every encoding thread; the model is constant. */
#include "tokenize.h"
#include <float.h>

struct node { /* the best path that ends at a byte */
    double score;
    uint32_t start; /* of its last piece; UINT32_MAX: no path ends here */
    int32_t id;
};

static enum tm_status no_memory(struct tm_err *err)
{
    return tm_err_set(err, TM_NOMEM, "no memory for tokens");
}

static inline void offer(struct node *to, double score, uint32_t start, int32_t id, bool single)
{
    if (to->start != UINT32_MAX && !(score > to->score))
        return;
    to->score = single ? (double)(float)score : score;
    to->start = start;
    to->id = id;
}

static double score_of(const struct model *m, int32_t id, size_t bytes)
{
    if (m->spm != NULL && m->spm->types[id] == PIECE_USER_DEFINED)
        return (double)((float)bytes * m->spm->max_score) - 0.1;
    return m->scores[id];
}

/* What stands for an unknown character in a path. */
static inline int32_t unknown_of(const struct model *m)
{
    return m->spm != NULL ? -1 : m->unk_id;
}

/* Fills nodes[0..n]; nodes[0] is the start. */
static void best_paths(const struct model *m, const char *word, size_t n, struct node *nodes)
{
    const struct spm *spm = m->spm;
    const struct trie_unit *units = spm != NULL ? spm->pieces.trie.units : m->vocab.trie.units;
    for (size_t i = 0; i <= n; i++)
        nodes[i].start = UINT32_MAX;
    nodes[0].score = 0;
    size_t len;
    for (size_t at = 0; at < n; at += len) {
        uint32_t node = TRIE_ROOT, cp;
        bool whole = false;
        double till = nodes[at].score;
        len = (unsigned char)word[at] < 0x80 ? 1 : tm_utf8_decode(word + at, n - at, &cp);
        for (size_t i = at; i < n; i++) {
            uint32_t child = units[node].base ^ (unsigned char)word[i];
            if (units[child].parent != node)
                break;
            node = child;
            int32_t id = units[node].value;
            if (id < 0 || (spm != NULL && spm->types[id] == PIECE_UNUSED))
                continue;
            double score = score_of(m, id, i + 1 - at) + till;
            if (spm != NULL && spm->types[id] != PIECE_USER_DEFINED)
                score = (float)score;
            offer(&nodes[i + 1], score, (uint32_t)at, id, spm != NULL);
            whole = whole || i + 1 - at == len;
        }
        if (!whole) {
            double score = m->unk_score + till;
            offer(&nodes[at + len], spm != NULL ? (double)(float)score : score, (uint32_t)at,
                  unknown_of(m), spm != NULL);
        }
    }
}

/* An unknown stretch: looked up again, then byte by byte, then unknown. */
static enum tm_status put_unknown(const struct model *m, const char *word, size_t begin, size_t end,
                                  size_t base, struct tm_encoding *e, struct tm_err *err)
{
    if (m->spm != NULL)
        return tok_spm_put_unknown(m, word, begin, end, base, e, err);
    int32_t id = trie_find(&m->vocab.trie, word + begin, end - begin);
    bool bytes = id < 0 && m->byte_fallback, ok = true;
    for (size_t i = begin; bytes && i < end; i++)
        bytes = m->byte_ids[(unsigned char)word[i]] >= 0;
    if (!bytes) {
        if (id < 0 && m->unk_id < 0)
            return tm_err_set(err, TM_MODEL, "the vocabulary has no unknown token");
        ok = encoding_append(e, id >= 0 ? id : m->unk_id, base + begin, base + end);
    }
    for (size_t i = begin; bytes && ok && i < end; i++)
        ok = encoding_append(e, m->byte_ids[(unsigned char)word[i]], base + begin, base + end);
    return ok ? TM_OK : no_memory(err);
}

/* Turns the links around: start of nodes[i] becomes the end of the piece that begins at i. */
static void turn(struct node *nodes, size_t n)
{
    uint32_t end = (uint32_t)n, next = UINT32_MAX;
    int32_t id = -1;
    for (;;) {
        uint32_t start = nodes[end].start;
        int32_t of_end = nodes[end].id;
        nodes[end].start = next;
        nodes[end].id = id;
        if (end == 0)
            return;
        next = end;
        id = of_end;
        end = start;
    }
}

static enum tm_status encode(const struct model *m, const char *word, size_t n, size_t base,
                             struct tm_encoding *e, struct tm_err *err)
{
    struct tm_buf *b = &e->scratch[SCRATCH_MODEL];
    b->len = 0;
    if (!tm_buf_reserve(b, (n + 1) * sizeof(struct node)))
        return no_memory(err);
    struct node *nodes = (void *)b->data;
    best_paths(m, word, n, nodes);
    turn(nodes, n);
    enum tm_status s = TM_OK;
    for (size_t at = 0, unknown = SIZE_MAX; at < n && s == TM_OK;) {
        size_t end = nodes[at].start;
        int32_t id = nodes[at].id, unknown_id = unknown_of(m);
        bool known = id != unknown_id, apart = m->spm != NULL && m->byte_fallback;
        if (!known && unknown == SIZE_MAX)
            unknown = at;
        if (!known && (end == n || nodes[end].id != unknown_id || apart)) {
            s = put_unknown(m, word, unknown, end, base, e, err);
            unknown = SIZE_MAX;
        } else if (known && !encoding_append(e, m->spm != NULL ? m->spm->remap[id] : id, base + at,
                                             base + end)) {
            s = no_memory(err);
        }
        at = end;
    }
    return s;
}

enum tm_status tok_unigram_encode(const struct model *m, const char *word, size_t n, size_t n_chars,
                                  struct tm_encoding *e, struct tm_err *err)
{
    (void)n_chars;
    if (m->spm != NULL) /* the whole text, which does not come again */
        return encode(m, word, n, 0, e, err);
    return tok_cache_encode(m, encode, word, n, 0, e, err);
}
