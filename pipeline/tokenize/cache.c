/* Words seen before, with their tokens: one table a tm_encoding, so that threads share nothing.
 *
 * A slot holds the word itself and is taken over by the next word that falls into it. Words that
 * are long or make many tokens are not kept. */
#include "tokenize.h"

enum { SLOTS = 1 << 13, BYTES_MOST = 46, TOKENS_MOST = 8 };

struct slot {
    uint64_t hash;
    uint8_t n_bytes, n_tokens; /* n_bytes 0: free */
    uint8_t begins[TOKENS_MOST], ends[TOKENS_MOST];
    char bytes[BYTES_MOST];
    int32_t ids[TOKENS_MOST];
};

struct cache {
    uint64_t serial; /* of the tokenizer that the words are of */
    struct slot slots[SLOTS];
};

/* An empty cache when there is none for this tokenizer; NULL: no memory. */
static struct cache *cache_of(const struct model *m, struct tm_encoding *e)
{
    struct tm_buf *b = &e->scratch[SCRATCH_CACHE];
    if (b->len == 0) {
        if (!tm_buf_reserve(b, sizeof(struct cache)))
            return NULL;
        b->len = sizeof(struct cache);
        memset(b->data, 0, b->len);
    }
    struct cache *c = (void *)b->data;
    if (c->serial != m->serial) {
        memset(c, 0, sizeof *c);
        c->serial = m->serial;
    }
    return c;
}

enum tm_status tok_cache_encode(const struct model *m, tok_encode_fn *encode, const char *word,
                                size_t n, size_t base, struct tm_encoding *e, struct tm_err *err)
{
    if (n == 0 || n > BYTES_MOST)
        return encode(m, word, n, base, e, err);
    struct cache *c = cache_of(m, e);
    if (c == NULL)
        return tm_err_set(err, TM_NOMEM, "no memory for tokens");
    uint64_t hash = tm_hash(word, n, 0);
    struct slot *s = &c->slots[hash % SLOTS];
    if (s->hash == hash && s->n_bytes == n && memcmp(s->bytes, word, n) == 0) {
        for (size_t i = 0; i < s->n_tokens; i++) {
            if (!encoding_append(e, s->ids[i], base + s->begins[i], base + s->ends[i]))
                return tm_err_set(err, TM_NOMEM, "no memory for tokens");
        }
        return TM_OK;
    }
    size_t first = e->n;
    enum tm_status status = encode(m, word, n, base, e, err);
    if (status != TM_OK || e->n - first > TOKENS_MOST)
        return status;
    for (size_t i = first; i < e->n; i++) {
        size_t end = e->offsets[i][1] - base;
        if (end > UINT8_MAX)
            return TM_OK;
        s->ids[i - first] = e->ids[i];
        s->begins[i - first] = (uint8_t)(e->offsets[i][0] - base);
        s->ends[i - first] = (uint8_t)end;
    }
    s->hash = hash;
    s->n_bytes = (uint8_t)n;
    s->n_tokens = (uint8_t)(e->n - first);
    memcpy(s->bytes, word, n);
    return TM_OK;
}
