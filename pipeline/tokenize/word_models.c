/* WordPiece and WordLevel: the models whose words are looked up in the vocabulary.
 *
 * Called for every word by every encoding thread; the model is constant. */
#include "tokenize.h"

static enum tm_status no_memory(struct tm_err *err)
{
    return tm_err_set(err, TM_NOMEM, "no memory for tokens");
}

static enum tm_status unknown(const struct model *m, size_t n, struct tm_encoding *e,
                              struct tm_err *err)
{
    if (m->unk_id < 0)
        return tm_err_set(err, TM_MODEL, "the unknown token \"%.40s\" is not in the vocabulary",
                          m->unk_token.s);
    return encoding_append(e, m->unk_id, 0, n) ? TM_OK : no_memory(err);
}

/* Greedy, longest first. One part that is not found makes the whole word unknown. */
enum tm_status tok_wordpiece_encode(const struct model *m, const char *word, size_t n,
                                    size_t n_chars, struct tm_encoding *e, struct tm_err *err)
{
    if (n_chars > m->max_chars)
        return unknown(m, n, e, err);
    size_t first = e->n, len = 0;
    uint32_t node = TRIE_ROOT;
    for (size_t at = 0; at < n; at += len) {
        int32_t id =
            node == TRIE_NONE ? -1 : trie_longest(&m->vocab.trie, node, word + at, n - at, &len);
        if (id < 0) {
            e->n = first;
            return unknown(m, n, e, err);
        }
        if (!encoding_append(e, id, at, at + len))
            return no_memory(err);
        node = m->continuing;
    }
    return TM_OK;
}

enum tm_status tok_wordlevel_encode(const struct model *m, const char *word, size_t n,
                                    size_t n_chars, struct tm_encoding *e, struct tm_err *err)
{
    (void)n_chars;
    int32_t id = trie_find(&m->vocab.trie, word, n);
    if (id < 0)
        return unknown(m, n, e, err);
    return encoding_append(e, id, 0, n) ? TM_OK : no_memory(err);
}
