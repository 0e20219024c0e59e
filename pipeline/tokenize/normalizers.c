/* Normalizers: the table of those that tokenizer.json may name, and those that need no Unicode
 * normal form (normal_forms.c).
 *
 * Read on the loading thread; applied by every encoding thread, each to its own cells. What a
 * changed, added or removed character does to offsets follows the `tokenizers` package: a new
 * character stands for what the one before it stands for. */
#include "tokenize.h"
#include "byte_level.h"
#include "unicode.h"

static void keep_unless(struct cells *x, unsigned flags)
{
    struct cell *c = cells_of(x->now);
    size_t n = cells_n(x->now), kept = 0;
    for (size_t i = 0; i < n; i++) {
        if (!uni_is(c[i].cp, flags))
            c[kept++] = c[i];
    }
    x->now->len = kept * sizeof *c;
}

static bool lowercase(const struct normalizer *norm, struct cells *x)
{
    (void)norm;
    struct cell *c = cells_of(x->now);
    size_t n = cells_n(x->now), longer = 0;
    uint32_t to[2];
    for (size_t i = 0; i < n; i++)
        longer += uni_lower_of(c[i].cp, to) - 1;
    struct cell *out = c;
    if (longer > 0 && (out = cells_room(x->next, n + longer)) == NULL)
        return false;
    size_t made = 0;
    for (size_t i = 0; i < n; i++) {
        struct cell from = c[i];
        unsigned k = uni_lower_of(from.cp, to);
        for (unsigned l = 0; l < k; l++)
            out[made++] = (struct cell){to[l], from.from, from.to};
    }
    if (longer > 0) {
        x->next->len = made * sizeof *c;
        cells_swap(x);
    }
    return true;
}

/* clean_text and handle_chinese_chars; gives all flags that were seen in what is left. */
static bool bert_first(const struct normalizer *norm, struct cells *x, unsigned *ret_seen)
{
    const struct cell *c = cells_of(x->now);
    size_t n = cells_n(x->now), made = 0;
    struct cell *out = cells_room(x->next, 3 * n);
    unsigned seen = 0;
    if (out == NULL)
        return false;
    for (size_t i = 0; i < n; i++) {
        struct cell one = c[i];
        unsigned flags = uni_kind(one.cp).flags;
        if (norm->clean && (flags & UNI_REMOVED) != 0)
            continue;
        seen |= flags | (uni_kind(one.cp).ccc != 0 ? UNI_MARK : 0);
        if (norm->clean && (flags & UNI_SPACE) != 0)
            one.cp = ' ';
        struct cell blank = {' ', one.from, one.to};
        bool cjk = norm->cjk && (flags & UNI_CJK) != 0;
        if (cjk)
            out[made++] = blank;
        out[made++] = one;
        if (cjk)
            out[made++] = blank;
    }
    x->next->len = made * sizeof *c;
    cells_swap(x);
    *ret_seen = seen;
    return true;
}

/* Clean, ideographs, accents, lower case: in this order. Passes that would change nothing are left
 * out. */
bool tok_normalizer_bert(const struct normalizer *norm, struct cells *x)
{
    unsigned seen;
    if (!bert_first(norm, x, &seen))
        return false;
    bool accents = norm->accents >= 0 ? norm->accents != 0 : norm->lower;
    if (accents && (seen & (UNI_NFD | UNI_MARK | UNI_NONSPACING)) != 0) {
        if (!tok_normal_form(x, false, false))
            return false;
        keep_unless(x, UNI_NONSPACING);
        seen |= UNI_LOWER;
    }
    return !norm->lower || (seen & UNI_LOWER) == 0 || lowercase(norm, x);
}

static bool strip(const struct normalizer *norm, struct cells *x)
{
    struct cell *c = cells_of(x->now);
    size_t begin = 0, end = cells_n(x->now);
    while (norm->left && begin < end && uni_is(c[begin].cp, UNI_SPACE))
        begin++;
    while (norm->right && end > begin && uni_is(c[end - 1].cp, UNI_SPACE))
        end--;
    if (begin > 0)
        memmove(c, c + begin, (end - begin) * sizeof *c);
    x->now->len = (end - begin) * sizeof *c;
    return true;
}

static bool strip_accents(const struct normalizer *norm, struct cells *x)
{
    (void)norm;
    keep_unless(x, UNI_MARK);
    return true;
}

static bool nfc(const struct normalizer *norm, struct cells *x)
{
    (void)norm;
    return tok_normal_form(x, false, true);
}

static bool nfd(const struct normalizer *norm, struct cells *x)
{
    (void)norm;
    return tok_normal_form(x, false, false);
}

static bool nfkc(const struct normalizer *norm, struct cells *x)
{
    (void)norm;
    return tok_normal_form(x, true, true);
}

static bool nfkd(const struct normalizer *norm, struct cells *x)
{
    (void)norm;
    return tok_normal_form(x, true, false);
}

/* Appends text to next, all of it standing for what `as` stands for. */
static bool put_text(struct cells *x, struct str text, struct cell as)
{
    struct cell *out = cells_room(x->next, text.n);
    if (out == NULL)
        return false;
    size_t made = 0;
    for (size_t i = 0; i < text.n; made++) {
        out[made] = as;
        i += tm_utf8_decode(text.s + i, text.n - i, &out[made].cp);
    }
    x->next->len += made * sizeof *out;
    return true;
}

static bool put_cells(struct cells *x, const struct cell *c, size_t n)
{
    return tm_buf_append(x->next, c, n * sizeof *c);
}

/* What replaces a match stands for the last character of the match. */
static bool replace(const struct normalizer *norm, struct cells *x)
{
    const struct stretch *m;
    size_t n;
    if (!tok_finder_cut(&norm->finder, x, 0, (uint32_t)cells_n(x->now), &m, &n))
        return false;
    if (n == 0 || (n == 1 && !m[0].match))
        return true;
    const struct cell *c = cells_of(x->now);
    struct cell last = {0};
    for (size_t i = 0; i < n; i++) {
        if (m[i].end > m[i].begin)
            last = c[m[i].end - 1];
        bool ok = m[i].match ? put_text(x, norm->content, last)
                             : put_cells(x, c + m[i].begin, m[i].end - m[i].begin);
        if (!ok)
            return false;
    }
    cells_swap(x);
    return true;
}

/* Control characters go; what is like a space becomes one. */
static bool nmt(const struct normalizer *norm, struct cells *x)
{
    (void)norm;
    struct cell *c = cells_of(x->now);
    size_t n = cells_n(x->now), kept = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t cp = c[i].cp;
        if ((cp >= 0x01 && cp <= 0x08) || cp == 0x0b || (cp >= 0x0e && cp <= 0x1f) || cp == 0x7f ||
            cp == 0x8f || cp == 0x9f)
            continue;
        bool space = cp == 0x09 || cp == 0x0a || cp == 0x0c || cp == 0x0d || cp == 0x1680 ||
                     (cp >= 0x200b && cp <= 0x200f) || cp == 0x2028 || cp == 0x2029 ||
                     cp == 0x2581 || cp == 0xfeff || cp == 0xfffd;
        c[kept] = c[i];
        c[kept++].cp = space ? ' ' : cp;
    }
    x->now->len = kept * sizeof *c;
    return true;
}

static bool precompiled(const struct normalizer *norm, struct cells *x)
{
    return tok_charsmap_apply(norm->charsmap, x);
}

static bool byte_level(const struct normalizer *norm, struct cells *x)
{
    (void)norm;
    if (!byte_level_put(x->next, cells_of(x->now), cells_n(x->now)))
        return false;
    cells_swap(x);
    return true;
}

static bool prepend(const struct normalizer *norm, struct cells *x)
{
    const struct cell *c = cells_of(x->now);
    size_t n = cells_n(x->now);
    if (n == 0 || norm->content.n == 0)
        return true;
    if (!put_text(x, norm->content, c[0]) || !put_cells(x, c, n))
        return false;
    cells_swap(x);
    return true;
}

bool tok_normalize(const struct tm_tokenizer *t, struct cells *x)
{
    for (size_t i = 0; i < t->n_normalizers; i++) {
        x->next->len = 0;
        if (!t->normalizers[i].apply(&t->normalizers[i], x))
            return false;
    }
    return true;
}

#define AT(member) offsetof(struct normalizer, member)

static enum tm_status read_pattern(struct reader *r, void *base, struct tm_err *err)
{
    struct normalizer *norm = base;
    return tok_finder_read(r, &norm->finder, err);
}

/* null is a map of nothing. */
static enum tm_status read_charsmap(struct reader *r, void *base, struct tm_err *err)
{
    struct normalizer *norm = base;
    struct charsmap *m = tm_arena_alloc(r->t->arena, sizeof *m);
    TM_CLEANUP(tm_buf_finish) struct tm_buf bytes = {0};
    const char *text;
    size_t n;
    if (m == NULL)
        return tm_json_fail(&r->j, TM_NOMEM, err, "no memory for precompiled_charsmap");
    norm->charsmap = m;
    enum tm_status s = tm_json_string(&r->j, &text, &n, err);
    if (s != TM_OK)
        return s;
    if (!tm_buf_reserve(&bytes, n / 4 * 3 + 3))
        return tm_json_fail(&r->j, TM_NOMEM, err, "no memory for precompiled_charsmap");
    if (tm_base64_decode(text, n, false, bytes.data, &bytes.len) < n)
        return tm_json_fail(&r->j, TM_BADINPUT, err, "precompiled_charsmap is not base64");
    struct tm_err local = {0};
    s = tok_charsmap_init(m, r->t->arena, bytes.data, bytes.len, &local);
    return s == TM_OK ? s : tm_json_fail(&r->j, s, err, "%s", local.text);
}

static enum tm_status read_normalizers(struct reader *r, void *base, struct tm_err *err)
{
    return tok_read_sequence(r, tok_normalizer_read, base, err);
}

static const struct field no_fields[] = {{0}};
static const struct field bert_fields[] = {
    {"clean_text", FIELD_BOOL, true, AT(clean), NULL, NULL},
    {"handle_chinese_chars", FIELD_BOOL, true, AT(cjk), NULL, NULL},
    {"strip_accents", FIELD_BOOL_OR_NULL, false, AT(accents), NULL, NULL},
    {"lowercase", FIELD_BOOL, true, AT(lower), NULL, NULL},
    {0},
};
static const struct field strip_fields[] = {
    {"strip_left", FIELD_BOOL, true, AT(left), NULL, NULL},
    {"strip_right", FIELD_BOOL, true, AT(right), NULL, NULL},
    {0},
};
static const struct field replace_fields[] = {
    {"pattern", FIELD_READ, true, 0, NULL, read_pattern},
    {"content", FIELD_STR, true, AT(content), NULL, NULL},
    {0},
};
static const struct field prepend_fields[] = {
    {"prepend", FIELD_STR, true, AT(content), NULL, NULL},
    {0},
};
static const struct field precompiled_fields[] = {
    {"precompiled_charsmap", FIELD_READ, true, 0, NULL, read_charsmap},
    {0},
};
static const struct field sequence_fields[] = {
    {"normalizers", FIELD_READ, true, 0, NULL, read_normalizers},
    {0},
};

static const struct normalizer_row {
    struct component c;
    bool (*apply)(const struct normalizer *norm, struct cells *x); /* NULL: a sequence */
} rows[] = {
    {{"BertNormalizer", "Bert", bert_fields}, tok_normalizer_bert},
    {{"Strip", NULL, strip_fields}, strip},
    {{"StripAccents", NULL, no_fields}, strip_accents},
    {{"NFC", NULL, no_fields}, nfc},
    {{"NFD", NULL, no_fields}, nfd},
    {{"NFKC", NULL, no_fields}, nfkc},
    {{"NFKD", NULL, no_fields}, nfkd},
    {{"Sequence", NULL, sequence_fields}, NULL},
    {{"Lowercase", NULL, no_fields}, lowercase},
    {{"Nmt", NULL, no_fields}, nmt},
    {{"Precompiled", NULL, precompiled_fields}, precompiled},
    {{"Replace", NULL, replace_fields}, replace},
    {{"Prepend", NULL, prepend_fields}, prepend},
    {{"ByteLevel", NULL, no_fields}, byte_level},
};

enum tm_status tok_normalizer_read(struct reader *r, void *unused, struct tm_err *err)
{
    (void)unused;
    const struct component *c;
    enum tm_status s =
        tok_read_component(r, "normalizer", rows, TM_COUNTOF(rows), sizeof *rows, NULL, &c, err);
    if (s != TM_OK)
        return s;
    const struct normalizer_row *row = (const void *)c;
    struct normalizer norm = {.apply = row->apply, .accents = -1};
    s = tok_read_fields(r, row->c.name, row->c.fields, &norm, err);
    if (s != TM_OK || row->apply == NULL)
        return s;
    if (r->t->n_normalizers == STEPS_MOST)
        return tm_json_fail(&r->j, TM_TOOLARGE, err, "more than %d normalizers", STEPS_MOST);
    r->t->normalizers[r->t->n_normalizers++] = norm;
    return TM_OK;
}

void tok_normalizer_add_nfc(struct tm_tokenizer *t)
{
    t->normalizers[t->n_normalizers++] = (struct normalizer){.apply = nfc};
}

void tok_normalizer_add_lowercase(struct tm_tokenizer *t)
{
    t->normalizers[t->n_normalizers++] = (struct normalizer){.apply = lowercase};
}
