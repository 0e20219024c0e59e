/* The vocabulary: strings with ids, as they are collected from a file, and the trie and the table
 * of tokens by id that are made of them.
 *
 * Runs on the loading thread. Tokens are length-counted: they may hold U+0000. */
#include "tokenize.h"
#include <stdlib.h>

struct entry {
    uint32_t text, len; /* in bytes */
    int32_t id;
    uint32_t at; /* files are smaller than 4 GiB */
};

bool tok_vocab_add(struct vocab_builder *b, const char *text, size_t n, int32_t id, size_t at)
{
    struct entry e = {(uint32_t)b->bytes.len, (uint32_t)n, id, (uint32_t)at};
    tm_buf_append(&b->bytes, text, n);
    tm_buf_append(&b->bytes, "", 1);
    return tm_buf_append(&b->entries, &e, sizeof e) && !b->bytes.failed;
}

int32_t *tok_vocab_last_id(struct vocab_builder *b)
{
    struct entry *end = (void *)(b->entries.data + b->entries.len);
    return &end[-1].id;
}

void tok_vocab_builder_finish(struct vocab_builder *b)
{
    tm_buf_finish(&b->bytes);
    tm_buf_finish(&b->entries);
}

static enum tm_status no_memory(struct tm_err *err)
{
    return tm_err_set(err, TM_NOMEM, "no memory for the vocabulary");
}

/* The tables by id, and the keys of the trie; sets *ret_at where an id comes twice. */
static enum tm_status fill(struct vocab *v, struct trie_key *keys, const struct entry *entries,
                           size_t n, char *bytes, size_t *ret_at, struct tm_err *err)
{
    for (size_t i = 0; i < n; i++) {
        const struct entry *e = &entries[i];
        if (v->tokens[e->id] != NULL) {
            *ret_at = e->at;
            return tm_err_set(err, TM_BADINPUT, "two tokens have id %d", e->id);
        }
        v->tokens[e->id] = bytes + e->text;
        v->lens[e->id] = e->len;
        keys[i] = (struct trie_key){bytes + e->text, e->len, e->id};
    }
    return TM_OK;
}

static size_t place_of_id(const struct entry *entries, int32_t id)
{
    while (entries->id != id)
        entries++;
    return entries->at;
}

/* Of equal keys one stays: ids are given in order, so that the greatest is the last. */
static enum tm_status unique(struct trie_key *keys, size_t *n, enum twice twice,
                             const struct entry *entries, size_t *ret_at, struct tm_err *err)
{
    size_t kept = 0;
    for (size_t i = 0; i < *n; i++) {
        struct trie_key *last = kept > 0 ? &keys[kept - 1] : NULL;
        if (last == NULL || tok_trie_key_compare(last, &keys[i]) != 0) {
            keys[kept++] = keys[i];
            continue;
        }
        last->value = twice == TWICE_FIRST ? TM_MIN(last->value, keys[i].value)
                                           : TM_MAX(last->value, keys[i].value);
        if (twice == TWICE_ERROR) {
            *ret_at = place_of_id(entries, last->value);
            return tm_err_set(err, TM_BADINPUT, "a token is in the vocabulary twice");
        }
    }
    *n = kept;
    return TM_OK;
}

enum tm_status tok_vocab_build(struct vocab_builder *b, struct vocab *v, struct tm_arena *arena,
                               enum twice twice, size_t *ret_at, struct tm_err *err)
{
    const struct entry *entries = (const void *)b->entries.data;
    size_t n = b->entries.len / sizeof *entries, n_keys = n;
    int32_t last = -1;
    for (size_t i = 0; i < n; i++)
        last = TM_MAX(last, entries[i].id);
    v->n_ids = (uint32_t)(last + 1);
    v->tokens = tm_arena_array(arena, (size_t)v->n_ids + 1, sizeof *v->tokens);
    v->lens = tm_arena_array(arena, (size_t)v->n_ids + 1, sizeof *v->lens);
    char *bytes = tm_arena_strndup(arena, b->bytes.data != NULL ? b->bytes.data : "", b->bytes.len);
    struct trie_key *keys = malloc((n + 1) * sizeof *keys);
    if (v->tokens == NULL || v->lens == NULL || bytes == NULL || keys == NULL) {
        free(keys);
        return no_memory(err);
    }
    tm_buf_finish(&b->bytes); /* what is not needed any more makes room for the trie */
    enum tm_status s = fill(v, keys, entries, n, bytes, ret_at, err);
    if (s == TM_OK && n > 0) {
        qsort(keys, n, sizeof *keys, tok_trie_key_compare);
        s = unique(keys, &n_keys, twice, entries, ret_at, err);
    }
    tm_buf_finish(&b->entries);
    v->n_tokens = (uint32_t)n_keys;
    if (s == TM_OK)
        s = tok_trie_build(&v->trie, keys, n_keys, err);
    free(keys);
    return s;
}
