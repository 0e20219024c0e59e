/* Added tokens: reading them, giving them ids, and finding them in a text.
 *
 * Read on the loading thread; tok_matcher_next runs on every encoding thread. Ids follow the
 * `tokenizers` package: a token of the vocabulary keeps its id, any other gets the next one after
 * the vocabulary, whatever the file says. */
#include "tokenize.h"
#include "unicode.h"
#include <stdlib.h>

enum { ADDED_MOST = 1 << 20 };

#define AT(member) offsetof(struct added_token, member)

static enum tm_status read_file_id(struct reader *r, void *base, struct tm_err *err)
{
    struct added_token *a = base;
    return tok_read_id(r, &a->id, err);
}

static enum tm_status read_added_token(struct reader *r, void *base, struct tm_err *err)
{
    static const struct field fields[] = {
        {"id", FIELD_READ, true, 0, NULL, read_file_id},
        {"content", FIELD_STR, true, AT(content), NULL, NULL},
        {"single_word", FIELD_BOOL, true, AT(single_word), NULL, NULL},
        {"lstrip", FIELD_BOOL, true, AT(lstrip), NULL, NULL},
        {"rstrip", FIELD_BOOL, true, AT(rstrip), NULL, NULL},
        {"normalized", FIELD_BOOL, true, AT(normalized), NULL, NULL},
        {"special", FIELD_BOOL, true, AT(special), NULL, NULL},
        {0},
    };
    struct tm_buf *list = base;
    struct added_token a = {0};
    enum tm_status s = tok_read_fields(r, "added token", fields, &a, err);
    if (s != TM_OK)
        return s;
    if (list->len / sizeof a == ADDED_MOST)
        return tm_json_fail(&r->j, TM_TOOLARGE, err, "more than %d added tokens", ADDED_MOST);
    if (!tm_buf_append(list, &a, sizeof a))
        return tm_json_fail(&r->j, TM_NOMEM, err, "no memory for added tokens");
    return TM_OK;
}

static int compare_content(const void *a, const void *b)
{
    const struct added_token *x = *(struct added_token *const *)a;
    const struct added_token *y = *(struct added_token *const *)b;
    int order = memcmp(x->content.s, y->content.s, TM_MIN(x->content.n, y->content.n));
    return order != 0 ? order : (x->content.n > y->content.n) - (x->content.n < y->content.n);
}

/* Two added tokens of the same text would leave their flags open. */
static const struct added_token *find_twice(struct added_token *added, size_t n, bool *ret_nomem)
{
    struct added_token **sorted = malloc((n + 1) * sizeof *sorted), *twice = NULL;
    *ret_nomem = sorted == NULL;
    if (sorted == NULL)
        return NULL;
    for (size_t i = 0; i < n; i++)
        sorted[i] = &added[i];
    qsort(sorted, n, sizeof *sorted, compare_content);
    for (size_t i = 1; i < n && twice == NULL; i++) {
        if (compare_content(&sorted[i - 1], &sorted[i]) == 0)
            twice = TM_MAX(sorted[i - 1], sorted[i]);
    }
    free(sorted);
    return twice;
}

enum tm_status tok_added_tokens_read(struct reader *r, void *unused, struct tm_err *err)
{
    (void)unused;
    struct tm_tokenizer *t = r->t;
    TM_CLEANUP(tm_buf_finish) struct tm_buf list = {0};
    enum tm_status s = tok_read_array(r, read_added_token, &list, err);
    if (s != TM_OK)
        return s;
    t->n_added = list.len / sizeof *t->added;
    t->added = tm_arena_array(t->arena, t->n_added + 1, sizeof *t->added);
    if (t->added == NULL)
        return tm_json_fail(&r->j, TM_NOMEM, err, "no memory for added tokens");
    if (t->n_added > 0)
        memcpy(t->added, list.data, list.len);
    bool no_memory;
    const struct added_token *twice = find_twice(t->added, t->n_added, &no_memory);
    if (no_memory)
        return tm_json_fail(&r->j, TM_NOMEM, err, "no memory for added tokens");
    if (twice != NULL)
        return tm_json_fail(&r->j, TM_BADINPUT, err, "added token \"%.40s\" is there twice",
                            twice->content.s);
    return TM_OK;
}

/* Ids, and the tables by id of all tokens. */
static enum tm_status give_ids(struct tm_tokenizer *t, struct tm_err *err)
{
    const struct vocab *v = &t->model.vocab;
    int32_t next = (int32_t)v->n_tokens, most = (int32_t)v->n_ids;
    for (size_t i = 0; i < t->n_added; i++) {
        struct added_token *a = &t->added[i];
        int32_t known = trie_find(&v->trie, a->content.s, a->content.n);
        if (!t->ids_given || a->id < 0)
            a->id = known >= 0 ? known : a->content.n > 0 ? next++ : -1;
        most = TM_MAX(most, a->id + 1);
        next = TM_MAX(next, t->ids_given ? most : next);
    }
    t->n_ids = most;
    t->tokens = tm_arena_array(t->arena, (size_t)most + 1, sizeof *t->tokens);
    t->token_lens = tm_arena_array(t->arena, (size_t)most + 1, sizeof *t->token_lens);
    t->special_ids = tm_arena_array(t->arena, (size_t)most + 1, sizeof *t->special_ids);
    if (t->tokens == NULL || t->token_lens == NULL || t->special_ids == NULL)
        return tm_err_set(err, TM_NOMEM, "no memory for %d tokens", most);
    memcpy(t->tokens, v->tokens, v->n_ids * sizeof *t->tokens);
    memcpy(t->token_lens, v->lens, v->n_ids * sizeof *t->token_lens);
    for (size_t i = 0; i < t->n_added; i++) {
        const struct added_token *a = &t->added[i];
        if (a->id < 0)
            continue;
        t->tokens[a->id] = a->content.s;
        t->token_lens[a->id] = (uint32_t)a->content.n;
        t->special_ids[a->id] = a->special;
    }
    return TM_OK;
}

/* What is looked for: the content, or for the second pass the content after normalization. */
static bool pattern_text(struct tm_tokenizer *t, const struct added_token *a, struct cells *x,
                         struct str *ret)
{
    *ret = a->content;
    if (!a->normalized || t->n_normalizers == 0)
        return true;
    if (tok_cells_decode(x, a->content.s, a->content.n, 0, NULL) != TM_OK || !tok_normalize(t, x))
        return false;
    size_t n = cells_n(x->now), len = 0;
    char *text = tm_arena_alloc(t->arena, n * 4 + 1);
    if (text == NULL)
        return false;
    for (size_t i = 0; i < n; i++)
        len += tm_utf8_encode(cells_of(x->now)[i].cp, text + len);
    *ret = (struct str){text, len};
    return true;
}

/* By bytes; of equal patterns first the one that counts: special tokens before others, then in the
 * order of the file. */
static int compare_patterns(const void *a, const void *b)
{
    const struct pattern *x = a, *y = b;
    int order = memcmp(x->text.s, y->text.s, TM_MIN(x->text.n, y->text.n));
    if (order != 0 || x->text.n != y->text.n)
        return order != 0 ? order : (x->text.n > y->text.n) - (x->text.n < y->text.n);
    if (x->token->special != y->token->special)
        return x->token->special ? -1 : 1;
    return (x->token > y->token) - (x->token < y->token);
}

/* literal: without special tokens. */
static bool build_matcher(struct tm_tokenizer *t, struct matcher *m, bool normalized, bool literal,
                          struct cells *x)
{
    m->patterns = tm_arena_array(t->arena, t->n_added + 1, sizeof *m->patterns);
    if (m->patterns == NULL)
        return false;
    uint32_t n = 0, kept = 0;
    for (size_t i = 0; i < t->n_added; i++) {
        const struct added_token *a = &t->added[i];
        struct pattern p = {.token = a};
        if (a->normalized != normalized || (literal && a->special))
            continue;
        if (!pattern_text(t, a, x, &p.text))
            return false;
        if (p.text.n > 0)
            m->patterns[n++] = p;
    }
    qsort(m->patterns, n, sizeof *m->patterns, compare_patterns);
    for (uint32_t i = 0; i < n; i++) {
        const struct pattern *last = kept > 0 ? &m->patterns[kept - 1] : NULL;
        const struct pattern *p = &m->patterns[i];
        if (last == NULL || last->text.n != p->text.n ||
            memcmp(last->text.s, p->text.s, p->text.n) != 0)
            m->patterns[kept++] = *p;
    }
    m->n = kept;
    for (uint32_t c = 0, i = 0; c <= 256; c++) {
        while (i < kept && (unsigned char)m->patterns[i].text.s[0] < c)
            i++;
        m->first[c] = i;
    }
    return true;
}

enum tm_status tok_added_tokens_build(struct tm_tokenizer *t, struct tm_err *err)
{
    enum tm_status s = give_ids(t, err);
    if (s != TM_OK)
        return s;
    struct tm_encoding e = {0};
    struct cells x = {.now = &e.scratch[SCRATCH_CELLS],
                      .next = &e.scratch[SCRATCH_CELLS + 1],
                      .e = &e,
                      .err = err};
    bool ok = true;
    for (int literal = 0; literal < 2 && ok; literal++)
        ok = build_matcher(t, &t->raw[literal], false, literal != 0, &x) &&
             build_matcher(t, &t->normalized[literal], true, literal != 0, &x);
    tm_encoding_finish(&e);
    if (!ok)
        return x.status != TM_OK ? x.status
                                 : tm_err_set(err, TM_NOMEM, "no memory for added tokens");
    return TM_OK;
}

/* First pattern of [lo, hi), which agree in depth bytes, whose next byte is not less than c. */
static uint32_t lower_bound(const struct matcher *m, uint32_t lo, uint32_t hi, size_t depth,
                            unsigned c)
{
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        const struct str *p = &m->patterns[mid].text;
        if (p->n <= depth || (unsigned char)p->s[depth] < c)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* The longest pattern that begins s; NULL: none does. */
static const struct pattern *longest_at(const struct matcher *m, const char *s, size_t n)
{
    unsigned char c = (unsigned char)s[0];
    uint32_t lo = m->first[c], hi = m->first[c + 1];
    const struct pattern *found = NULL;
    for (size_t depth = 1; lo < hi; depth++) {
        if (m->patterns[lo].text.n == depth)
            found = &m->patterns[lo++];
        if (depth == n || lo == hi)
            break;
        c = (unsigned char)s[depth];
        uint32_t from = lower_bound(m, lo, hi, depth, c);
        hi = lower_bound(m, from, hi, depth, c + 1u);
        lo = from;
    }
    return found;
}

static bool char_before(const char *s, size_t at, size_t floor, unsigned flags, size_t *ret_begin)
{
    size_t begin = at;
    while (begin > floor && at - begin < 4 && ((unsigned char)s[--begin] & 0xc0) == 0x80)
        continue;
    uint32_t cp;
    *ret_begin = begin;
    return begin < at && tm_utf8_decode(s + begin, at - begin, &cp) == at - begin &&
           uni_is(cp, flags);
}

static bool char_after(const char *s, size_t at, size_t n, unsigned flags, size_t *ret_end)
{
    uint32_t cp;
    size_t len = at < n ? tm_utf8_decode(s + at, n - at, &cp) : 0;
    *ret_end = at + len;
    return len > 0 && uni_is(cp, flags);
}

/* Applies the token's rules; false: the match does not count. last: end of the match before. */
static bool accept(const struct added_token *a, const char *s, size_t n, size_t last,
                   struct match *match)
{
    size_t to;
    if (a->single_word && (char_before(s, match->begin, 0, UNI_WORD, &to) ||
                           char_after(s, match->end, n, UNI_WORD, &to)))
        return false;
    if (a->lstrip) {
        while (match->begin > last && char_before(s, match->begin, last, UNI_SPACE, &to))
            match->begin = to;
        match->begin = TM_MAX(match->begin, last);
    }
    while (a->rstrip && char_after(s, match->end, n, UNI_SPACE, &to))
        match->end = to;
    return true;
}

bool tok_matcher_next(const struct matcher *m, const char *s, size_t n, size_t *pos, size_t *last,
                      struct match *ret)
{
    if (m->n == 0)
        return false;
    /* Usually all patterns begin with the same byte. */
    int only = -1;
    if (m->first[(unsigned char)m->patterns[0].text.s[0] + 1] == m->n)
        only = (unsigned char)m->patterns[0].text.s[0];
    for (size_t i = *pos; i < n; i++) {
        if (only >= 0) {
            const char *next = memchr(s + i, only, n - i);
            if (next == NULL)
                break;
            i = (size_t)(next - s);
        }
        unsigned char c = (unsigned char)s[i];
        if (m->first[c] == m->first[c + 1])
            continue;
        const struct pattern *p = longest_at(m, s + i, n - i);
        if (p == NULL)
            continue;
        struct match match = {i, i + p->text.n, p->token};
        *pos = match.end;
        if (accept(p->token, s, n, *last, &match)) {
            *last = match.end;
            *ret = match;
            return true;
        }
        i = *pos - 1;
    }
    *pos = n;
    return false;
}
