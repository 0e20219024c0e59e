/* Makes a tokenizer of a sentencepiece model (spm.h).
 *
 * Called when a tokenizer is opened. BPE's merges are made of the pieces: a pair of pieces whose
 * texts together are a piece may merge, the better the score of the whole the earlier. */
#include "tokenize.h"
#include <float.h>
#include <math.h>
#include <stdlib.h>

enum { UNK_PENALTY = 10 };

void tok_spm_free(struct spm *s)
{
    if (s == NULL)
        return;
    tok_trie_finish(&s->pieces.trie);
    tok_trie_finish(&s->user);
}

static enum tm_status no_memory(struct tm_err *err)
{
    return tm_err_set(err, TM_NOMEM, "no memory for a sentencepiece model");
}

static bool is_text(uint8_t type)
{
    return type == PIECE_NORMAL || type == PIECE_USER_DEFINED || type == PIECE_UNUSED;
}

/* Characters that are in pieces and are none themselves, for BPE and CHAR. */
static bool add_characters(const struct spm_file *f, struct vocab_builder *b, int32_t *next)
{
    for (size_t i = 0; i < spm_n(f); i++) {
        const struct spm_piece *p = &spm_pieces(f)[i];
        for (size_t at = 0, len; at < p->text.n && is_text(p->type); at += len) {
            uint32_t cp;
            len = tm_utf8_decode(p->text.s + at, p->text.n - at, &cp);
            if (!tok_vocab_add(b, p->text.s + at, len, (*next)++, 0))
                return false;
        }
    }
    return true;
}

/* Pieces come first, so that of a character and a piece of the same text the piece stays. */
static enum tm_status build_pieces(struct tm_tokenizer *t, struct spm *s, const struct spm_file *f,
                                   const char *name, struct tm_err *err)
{
    struct vocab_builder b = {0};
    int32_t next = (int32_t)spm_n(f);
    bool ok = true;
    for (int32_t i = 0; ok && i < next; i++) {
        const struct spm_piece *p = &spm_pieces(f)[i];
        if (is_text(p->type))
            ok = tok_vocab_add(&b, p->text.s, p->text.n, i, 0);
    }
    if (ok && (s->type == SPM_BPE || s->type == SPM_CHAR))
        ok = add_characters(f, &b, &next);
    s->types = tm_arena_alloc(t->arena, (size_t)next + 1);
    s->remap = tm_arena_array(t->arena, (size_t)next + 1, sizeof *s->remap);
    size_t at = 0;
    enum tm_status status = ok && s->types != NULL && s->remap != NULL ? TM_OK : no_memory(err);
    if (status == TM_OK)
        status = tok_vocab_build(&b, &s->pieces, t->arena, TWICE_FIRST, &at, err);
    tok_vocab_builder_finish(&b);
    for (int32_t i = 0; status == TM_OK && i < (int32_t)spm_n(f); i++) {
        const struct spm_piece *p = &spm_pieces(f)[i];
        if (is_text(p->type) && trie_find(&s->pieces.trie, p->text.s, p->text.n) != i)
            status = tm_err_set(err, TM_BADINPUT, "%s: piece %d is there twice", name, i);
    }
    for (int32_t i = 0; status == TM_OK && i < next; i++)
        s->types[i] = i < (int32_t)spm_n(f) ? spm_pieces(f)[i].type : PIECE_UNKNOWN;
    return status;
}

static enum tm_status build_user(struct spm *s, const struct spm_file *f, struct tm_err *err)
{
    struct trie_key *keys = malloc((spm_n(f) + 1) * sizeof *keys);
    size_t n = 0;
    if (keys == NULL)
        return no_memory(err);
    for (size_t i = 0; i < spm_n(f); i++) {
        const struct spm_piece *p = &spm_pieces(f)[i];
        if (p->type == PIECE_USER_DEFINED)
            keys[n++] = (struct trie_key){p->text.s, (uint32_t)p->text.n, (int32_t)i};
    }
    s->has_user = n > 0;
    qsort(keys, n, sizeof *keys, tok_trie_key_compare);
    enum tm_status status = tok_trie_build(&s->user, keys, n, err);
    free(keys);
    return status;
}

static enum tm_status build_scores(struct tm_tokenizer *t, struct spm *s, const struct spm_file *f,
                                   struct tm_err *err)
{
    struct model *m = &t->model;
    float least = FLT_MAX, most = FLT_MIN;
    m->scores = tm_arena_array(t->arena, spm_n(f) + 1, sizeof *m->scores);
    if (m->scores == NULL)
        return no_memory(err);
    for (size_t i = 0; i < spm_n(f); i++) {
        float score = spm_pieces(f)[i].score;
        m->scores[i] = score;
        if (spm_pieces(f)[i].type == PIECE_NORMAL) {
            least = fminf(least, score);
            most = fmaxf(most, score);
        }
    }
    s->max_score = most;
    m->unk_score = least - (float)UNK_PENALTY;
    return TM_OK;
}

struct scored {
    float score;
    int32_t id;
};

static int by_score(const void *a, const void *b)
{
    const struct scored *x = a, *y = b;
    return x->score != y->score ? (x->score < y->score ? 1 : -1)
                                : (x->id > y->id) - (x->id < y->id);
}

/* Every way to cut a piece into two pieces is a merge; user-defined symbols do not merge. */
static bool add_merges(struct merges *merges, const struct spm *s, int32_t id, uint32_t rank)
{
    const struct trie *t = &s->pieces.trie;
    const char *text = s->pieces.tokens[id];
    size_t n = s->pieces.lens[id];
    uint32_t node = TRIE_ROOT;
    for (size_t at = 1; at < n; at++) {
        node = trie_walk(t, node, text + at - 1, 1);
        if (node == TRIE_NONE)
            break;
        int32_t left = t->units[node].value;
        if (left < 0 || s->types[left] == PIECE_USER_DEFINED)
            continue;
        int32_t right = trie_find(t, text + at, n - at);
        if (right < 0 || s->types[right] == PIECE_USER_DEFINED)
            continue;
        if (!tok_merges_add(merges, left, right, rank, id))
            return false;
    }
    return true;
}

static enum tm_status build_merges(struct tm_tokenizer *t, struct spm *s, const struct spm_file *f,
                                   const char *name, struct tm_err *err)
{
    struct scored *order = malloc((spm_n(f) + 1) * sizeof *order);
    size_t n = 0;
    if (order == NULL)
        return no_memory(err);
    enum tm_status status = TM_OK;
    for (size_t i = 0; i < spm_n(f); i++) {
        const struct spm_piece *p = &spm_pieces(f)[i];
        if (p->type == PIECE_UNUSED)
            status = tm_err_set(err, TM_UNSUPPORTED, "%s: BPE with unused pieces is not supported",
                                name);
        if (p->type != PIECE_NORMAL)
            continue;
        order[n++] = (struct scored){p->score, (int32_t)i};
    }
    if (status == TM_OK)
        status = tok_merges_create(&t->model.merges, err);
    qsort(order, n, sizeof *order, by_score);
    uint32_t rank = 0;
    for (size_t i = 0; status == TM_OK && i < n; i++) {
        rank += i > 0 && order[i].score != order[i - 1].score;
        if (!add_merges(&t->model.merges, s, order[i].id, rank))
            status = no_memory(err);
    }
    for (size_t i = 0; status == TM_OK && i < spm_n(f); i++) {
        const struct spm_piece *p = &spm_pieces(f)[i];
        if (is_text(p->type) && tok_space_inside(p->text.s, p->text.n))
            t->model.merges.apart = false;
    }
    free(order);
    return status;
}

static enum tm_status build_map(struct tm_tokenizer *t, struct spm *s, const struct spm_file *f,
                                int32_t offset, struct tm_err *err)
{
    struct vocab *v = &t->model.vocab;
    s->kinds = tm_arena_array(t->arena, (size_t)v->n_ids + 1, sizeof *s->kinds);
    if (s->kinds == NULL)
        return no_memory(err);
    s->by_text = offset == INT32_MIN;
    for (int32_t i = 0; i < (int32_t)spm_n(f); i++) {
        const struct spm_piece *p = &spm_pieces(f)[i];
        int32_t id = s->by_text ? trie_find(&v->trie, p->text.s, p->text.n) : i + offset;
        s->remap[i] = id >= 0 && id < (int32_t)v->n_ids ? id : t->model.unk_id;
        if (id >= 0 && id < (int32_t)v->n_ids)
            s->kinds[id] = p->type;
    }
    return TM_OK;
}

static void set_model(struct tm_tokenizer *t, struct spm *s, const struct spm_file *f)
{
    static const struct {
        const char *kind;
        enum tm_status (*encode)(const struct model *, const char *, size_t, size_t,
                                 struct tm_encoding *, struct tm_err *);
    } ways[] = {
        [SPM_UNIGRAM] = {"SentencePiece Unigram", tok_unigram_encode},
        [SPM_BPE] = {"SentencePiece BPE", tok_bpe_encode},
        [SPM_WORD] = {"SentencePiece word", tok_spm_word_encode},
        [SPM_CHAR] = {"SentencePiece char", tok_bpe_encode},
    };
    struct model *m = &t->model;
    m->spm = s;
    m->encode = ways[s->type].encode;
    m->kind = ways[s->type].kind;
    m->byte_fallback = f->byte_fallback;
    t->normalizers[t->n_normalizers++] = (struct normalizer){.apply = tok_spm_normalize, .spm = s};
}

enum tm_status tok_spm_build(struct tm_tokenizer *t, const struct spm_file *f, const char *name,
                             int32_t offset, struct tm_err *err)
{
    struct spm *s = tm_arena_alloc(t->arena, sizeof *s);
    char *surface = tm_arena_strndup(t->arena, f->unk_surface.s, f->unk_surface.n);
    if (s == NULL || surface == NULL)
        return no_memory(err);
    *s = (struct spm){.type = f->type,
                      .dummy_prefix = f->dummy_prefix,
                      .remove_spaces = f->remove_spaces,
                      .escape = f->escape,
                      .suffix = f->suffix,
                      .unk_surface = {surface, f->unk_surface.n}};
    t->model.spm = s;
    enum tm_status status =
        tok_charsmap_init(&s->charsmap, t->arena, f->charsmap.s, f->charsmap.n, err);
    if (status == TM_OK)
        status = tok_charsmap_init(&s->denormalizer, t->arena, f->denormalizer.s, f->denormalizer.n,
                                   err);
    if (status == TM_OK)
        status = build_pieces(t, s, f, name, err);
    if (status == TM_OK)
        status = build_user(s, f, err);
    if (status == TM_OK)
        status = build_scores(t, s, f, err);
    if (status == TM_OK && s->type == SPM_BPE)
        status = build_merges(t, s, f, name, err);
    if (status == TM_OK && s->type == SPM_CHAR)
        status = tok_merges_create(&t->model.merges, err);
    if (status == TM_OK)
        status = build_map(t, s, f, offset, err);
    if (status == TM_OK)
        set_model(t, s, f);
    return status;
}
