/* Pre-tokenizers: cut normalized text into the words that the model sees one by one.
 *
 * Read on the loading thread, run by every encoding thread. Offsets need nothing here: a piece is
 * a stretch of cells, which know what they stand for. */
#include "tokenize.h"
#include "byte_level.h"
#include "finder.h"
#include "unicode.h"

static bool put(struct tm_buf *out, uint32_t begin, uint32_t end)
{
    struct piece p = {.begin = begin, .end = end, .id = -1};
    return piece_add(out, &p);
}

/* What a splitter cuts at. */
static bool is_delimiter(const struct pre_tokenizer *p, uint32_t cp)
{
    return p->flags != 0 ? uni_is(cp, p->flags) : cp == p->delimiter;
}

static bool split_removed(const struct pre_tokenizer *p, struct cells *x, uint32_t begin,
                          uint32_t end, struct tm_buf *out)
{
    const struct cell *c = cells_of(x->now);
    uint32_t start = begin;
    for (uint32_t i = begin; i < end; i++) {
        if (!is_delimiter(p, c[i].cp))
            continue;
        if (!put(out, start, i))
            return false;
        start = i + 1;
    }
    return put(out, start, end);
}

static bool split_isolated(const struct pre_tokenizer *p, struct cells *x, uint32_t begin,
                           uint32_t end, struct tm_buf *out)
{
    const struct cell *c = cells_of(x->now);
    uint32_t start = begin;
    for (uint32_t i = begin; i < end; i++) {
        if (!is_delimiter(p, c[i].cp))
            continue;
        if (!put(out, start, i) || !put(out, i, i + 1))
            return false;
        start = i + 1;
    }
    return put(out, start, end);
}

/* A delimiter joins the text before it; of several in a row the first does. */
static bool split_previous(const struct pre_tokenizer *p, struct cells *x, uint32_t begin,
                           uint32_t end, struct tm_buf *out)
{
    const struct cell *c = cells_of(x->now);
    uint32_t start = begin;
    for (uint32_t i = begin; i < end; i++) {
        if (!is_delimiter(p, c[i].cp))
            continue;
        if (!put(out, start, i + 1))
            return false;
        start = i + 1;
    }
    return put(out, start, end);
}

/* A delimiter joins the text after it; of several in a row the last does. */
static bool split_next(const struct pre_tokenizer *p, struct cells *x, uint32_t begin, uint32_t end,
                       struct tm_buf *out)
{
    const struct cell *c = cells_of(x->now);
    uint32_t start = begin;
    for (uint32_t i = begin; i < end; i++) {
        if (!is_delimiter(p, c[i].cp))
            continue;
        if (!put(out, start, i))
            return false;
        start = i;
    }
    return put(out, start, end);
}

static bool split_contiguous(const struct pre_tokenizer *p, struct cells *x, uint32_t begin,
                             uint32_t end, struct tm_buf *out)
{
    const struct cell *c = cells_of(x->now);
    uint32_t start = begin;
    for (uint32_t i = begin + 1; i < end; i++) {
        if (is_delimiter(p, c[i].cp) == is_delimiter(p, c[i - 1].cp))
            continue;
        if (!put(out, start, i))
            return false;
        start = i;
    }
    return put(out, start, end);
}

static bool split(const struct pre_tokenizer *p, struct cells *x, uint32_t begin, uint32_t end,
                  struct tm_buf *out)
{
    static bool (*const ways[])(const struct pre_tokenizer *, struct cells *, uint32_t, uint32_t,
                                struct tm_buf *) = {
        [SPLIT_REMOVED] = split_removed,       [SPLIT_ISOLATED] = split_isolated,
        [SPLIT_PREVIOUS] = split_previous,     [SPLIT_NEXT] = split_next,
        [SPLIT_CONTIGUOUS] = split_contiguous,
    };
    return ways[p->behavior](p, x, begin, end, out);
}

/* White space goes, then punctuation stands alone; in one pass. */
bool tok_pre_tokenizer_bert(const struct pre_tokenizer *p, struct cells *x, uint32_t begin,
                            uint32_t end, struct tm_buf *out)
{
    (void)p;
    const struct cell *c = cells_of(x->now);
    uint32_t start = begin;
    for (uint32_t i = begin; i < end; i++) {
        unsigned flags = uni_kind(c[i].cp).flags;
        if ((flags & (UNI_SPACE | UNI_PUNCT)) == 0)
            continue;
        if (!put(out, start, i) || ((flags & UNI_SPACE) == 0 && !put(out, i, i + 1)))
            return false;
        start = i + 1;
    }
    return put(out, start, end);
}

/* The pattern \w+|[^\w\s]+ */
static bool whitespace(const struct pre_tokenizer *p, struct cells *x, uint32_t begin, uint32_t end,
                       struct tm_buf *out)
{
    (void)p;
    const struct cell *c = cells_of(x->now);
    uint32_t start = begin;
    unsigned was = UNI_SPACE;
    for (uint32_t i = begin; i < end; i++) {
        unsigned is = uni_kind(c[i].cp).flags & (UNI_WORD | UNI_SPACE);
        if (is == was)
            continue;
        if (was != UNI_SPACE && !put(out, start, i))
            return false;
        start = i;
        was = is;
    }
    return was == UNI_SPACE || put(out, start, end);
}

static bool put_stretches(const struct stretch *m, size_t n, enum split behavior, bool invert,
                          struct tm_buf *out)
{
    bool was = false;
    size_t first = pieces_n(out);
    for (size_t i = 0; i < n; i++) {
        bool is = m[i].match != invert, join = false;
        struct piece *last = pieces_n(out) > first ? &pieces_of(out)[pieces_n(out) - 1] : NULL;
        if (behavior == SPLIT_PREVIOUS)
            join = is && !was;
        else if (behavior == SPLIT_CONTIGUOUS)
            join = is == was;
        if (join && last != NULL)
            last->end = m[i].end;
        else if ((behavior != SPLIT_REMOVED || !is) && !put(out, m[i].begin, m[i].end))
            return false;
        was = is;
    }
    return true;
}

/* MergedWithNext: the same as with the one before, seen from the end. */
static bool put_stretches_next(const struct stretch *m, size_t n, bool invert, struct tm_buf *out)
{
    for (size_t i = 0; i < n; i++) {
        bool is = m[i].match != invert;
        bool join = is && i + 1 < n && m[i + 1].match == invert;
        if (!put(out, m[i].begin, join ? m[i + 1].end : m[i].end))
            return false;
        i += join;
    }
    return true;
}

static bool split_by_pattern(const struct pre_tokenizer *p, struct cells *x, uint32_t begin,
                             uint32_t end, struct tm_buf *out)
{
    const struct stretch *m;
    size_t n;
    if (!tok_finder_cut(&p->finder, x, begin, end, &m, &n))
        return false;
    return p->behavior == SPLIT_NEXT ? put_stretches_next(m, n, p->invert, out)
                                     : put_stretches(m, n, p->behavior, p->invert, out);
}

/* Cuts where the script changes; characters of any script go with what is before. Those that begin
 * a text are lost, as in the package. */
static bool scripts(const struct pre_tokenizer *p, struct cells *x, uint32_t begin, uint32_t end,
                    struct tm_buf *out)
{
    (void)p;
    const struct cell *c = cells_of(x->now);
    uint32_t start = end, last = 0;
    for (uint32_t i = begin; i < end; i++) {
        uint32_t script = uni_script(c[i].cp);
        if (script == 0 || script == last)
            continue;
        if (last != 0 && !put(out, start, i))
            return false;
        start = i;
        last = script;
    }
    return put(out, start, end);
}

static bool fixed_length(const struct pre_tokenizer *p, struct cells *x, uint32_t begin,
                         uint32_t end, struct tm_buf *out)
{
    (void)x;
    for (uint32_t i = begin; i < end;) {
        uint32_t n = (uint32_t)TM_MIN(p->length, (uint64_t)(end - i));
        if (!put(out, i, i + n))
            return false;
        i += n;
    }
    return true;
}

/* ByteLevel's and Metaspace's first step: a character before the piece, unless it begins with it.
 * It stands for what the first character stands for. */
static bool put_prefixed(struct cells *x, struct piece in, uint32_t prefix)
{
    const struct cell *c = cells_of(x->now) + in.begin;
    struct cell first = {prefix, c->from, c->to};
    return (c->cp == prefix || cells_put(x->next, first)) &&
           tm_buf_append(x->next, c, (in.end - in.begin) * sizeof *c);
}

static bool prefix_space(const struct pre_tokenizer *p, struct cells *x, struct piece in,
                         struct tm_buf *out)
{
    (void)p;
    uint32_t begin = (uint32_t)cells_n(x->next);
    return put_prefixed(x, in, ' ') && put(out, begin, (uint32_t)cells_n(x->next));
}

/* A piece cut by GPT-2's pattern, its bytes as characters. */
static bool byte_level(const struct pre_tokenizer *p, struct cells *x, struct piece in,
                       struct tm_buf *out)
{
    const struct cell *c = cells_of(x->now);
    for (uint32_t i = in.begin; i < in.end;) {
        uint32_t begin = (uint32_t)cells_n(x->next);
        uint32_t end = p->use_regex ? tok_scan_gpt2(c, i, in.end) : in.end;
        if (!byte_level_put(x->next, c + i, end - i) ||
            !put(out, begin, (uint32_t)cells_n(x->next)))
            return false;
        i = end;
    }
    return true;
}

static bool metaspace(const struct pre_tokenizer *p, struct cells *x, struct piece in,
                      struct tm_buf *out)
{
    struct cell *c = cells_of(x->now);
    uint32_t begin = (uint32_t)cells_n(x->next);
    for (uint32_t i = in.begin; i < in.end; i++) {
        if (c[i].cp == ' ')
            c[i].cp = p->delimiter;
    }
    /* A text that nothing has cut yet begins where it began before normalization. */
    uint32_t from = in.begin == 0 && p == x->first ? x->origin : c[in.begin].from;
    bool prepend = p->prepend == PREPEND_ALWAYS || (p->prepend == PREPEND_FIRST && from == 0);
    bool ok = prepend ? put_prefixed(x, in, p->delimiter)
                      : tm_buf_append(x->next, c + in.begin, (in.end - in.begin) * sizeof *c);
    return ok && put(out, begin, (uint32_t)cells_n(x->next));
}

#define AT(member) offsetof(struct pre_tokenizer, member)

static enum tm_status read_pre_tokenizers(struct reader *r, void *base, struct tm_err *err)
{
    return tok_read_sequence(r, tok_pre_tokenizer_read, base, err);
}

static enum tm_status read_individual(struct reader *r, void *base, struct tm_err *err)
{
    struct pre_tokenizer *p = base;
    bool individual;
    enum tm_status s = tm_json_bool(&r->j, &individual, err);
    if (s == TM_OK)
        p->behavior = individual ? SPLIT_ISOLATED : SPLIT_CONTIGUOUS;
    return s;
}

static const char *const behaviors[] = {
    [SPLIT_REMOVED] = "Removed",
    [SPLIT_ISOLATED] = "Isolated",
    [SPLIT_PREVIOUS] = "MergedWithPrevious",
    [SPLIT_NEXT] = "MergedWithNext",
    [SPLIT_CONTIGUOUS] = "Contiguous",
    NULL,
};

/* Metaspace as old files write it: true is "always"; false goes with "never" only. */
static enum tm_status read_add_prefix(struct reader *r, void *base, struct tm_err *err)
{
    struct pre_tokenizer *p = base;
    return tm_json_bool(&r->j, &p->add_prefix_space, err);
}

static enum tm_status read_metaspace_split(struct reader *r, void *base, struct tm_err *err)
{
    struct pre_tokenizer *p = base;
    bool on;
    enum tm_status s = tm_json_bool(&r->j, &on, err);
    p->split = on ? split : NULL;
    return s;
}

static enum tm_status read_finder(struct reader *r, void *base, struct tm_err *err)
{
    struct pre_tokenizer *p = base;
    return tok_finder_read(r, &p->finder, err);
}

static const char *const schemes[] = {
    [PREPEND_ALWAYS] = "always", [PREPEND_FIRST] = "first", [PREPEND_NEVER] = "never", NULL};

static const struct field no_fields[] = {{0}};
static const struct field punctuation_fields[] = {
    {"behavior", FIELD_CHOICE, false, AT(behavior), behaviors, NULL},
    {0},
};
static const struct field digits_fields[] = {
    {"individual_digits", FIELD_READ, true, 0, NULL, read_individual},
    {0},
};
static const struct field delimiter_fields[] = {
    {"delimiter", FIELD_CHAR, true, AT(delimiter), NULL, NULL},
    {0},
};
static const struct field sequence_fields[] = {
    {"pretokenizers", FIELD_READ, true, 0, NULL, read_pre_tokenizers},
    {0},
};
static const struct field byte_level_fields[] = {
    {"add_prefix_space", FIELD_BOOL, true, AT(add_prefix_space), NULL, NULL},
    {"trim_offsets", FIELD_READ, true, 0, NULL, tok_read_nothing},
    {"use_regex", FIELD_BOOL, false, AT(use_regex), NULL, NULL},
    {0},
};
static const struct field metaspace_fields[] = {
    {"replacement", FIELD_CHAR, true, AT(delimiter), NULL, NULL},
    {"add_prefix_space", FIELD_READ, false, 0, NULL, read_add_prefix},
    {"prepend_scheme", FIELD_CHOICE, false, AT(prepend), schemes, NULL},
    {"split", FIELD_READ, false, 0, NULL, read_metaspace_split},
    {0},
};
static const struct field split_fields[] = {
    {"pattern", FIELD_READ, true, 0, NULL, read_finder},
    {"behavior", FIELD_CHOICE, true, AT(behavior), behaviors, NULL},
    {"invert", FIELD_BOOL, true, AT(invert), NULL, NULL},
    {0},
};
static const struct field fixed_length_fields[] = {
    {"length", FIELD_U64, false, AT(length), NULL, NULL},
    {0},
};

/* What depends on more than one field. */
static enum tm_status finish_byte_level(struct reader *r, struct pre_tokenizer *p,
                                        struct tm_err *err)
{
    (void)r;
    (void)err;
    if (!p->add_prefix_space)
        p->rewrite[0] = NULL;
    return TM_OK;
}

static enum tm_status finish_metaspace(struct reader *r, struct pre_tokenizer *p,
                                       struct tm_err *err)
{
    if (!p->add_prefix_space && p->prepend != PREPEND_NEVER)
        return tm_json_fail(&r->j, TM_BADINPUT, err,
                            "add_prefix_space is false but prepend_scheme is not \"never\"");
    return TM_OK;
}

static enum tm_status finish_fixed_length(struct reader *r, struct pre_tokenizer *p,
                                          struct tm_err *err)
{
    return p->length > 0 ? TM_OK : tm_json_fail(&r->j, TM_BADINPUT, err, "length is 0");
}

static const struct pre_tokenizer_row {
    struct component c;
    struct pre_tokenizer start; /* before the fields are read */
    enum tm_status (*finish)(struct reader *r, struct pre_tokenizer *p, struct tm_err *err);
} rows[] = {
    {{"BertPreTokenizer", NULL, no_fields}, {.split = tok_pre_tokenizer_bert}, NULL},
    {{"ByteLevel", NULL, byte_level_fields},
     {.rewrite = {prefix_space, byte_level}, .use_regex = true},
     finish_byte_level},
    {{"CharDelimiterSplit", "Delimiter", delimiter_fields},
     {.split = split, .behavior = SPLIT_REMOVED},
     NULL},
    {{"Metaspace", NULL, metaspace_fields},
     {.rewrite = {metaspace}, .split = split, .behavior = SPLIT_NEXT, .add_prefix_space = true},
     finish_metaspace},
    {{"Whitespace", NULL, no_fields}, {.split = whitespace}, NULL},
    {{"Sequence", NULL, sequence_fields}, {.split = NULL}, NULL},
    {{"Split", NULL, split_fields}, {.split = split_by_pattern}, NULL},
    {{"Punctuation", NULL, punctuation_fields},
     {.split = split, .behavior = SPLIT_ISOLATED, .flags = UNI_PUNCT},
     NULL},
    {{"WhitespaceSplit", NULL, no_fields},
     {.split = split, .behavior = SPLIT_REMOVED, .flags = UNI_SPACE},
     NULL},
    {{"Digits", NULL, digits_fields}, {.split = split, .flags = UNI_NUMERIC}, NULL},
    {{"UnicodeScripts", NULL, no_fields}, {.split = scripts}, NULL},
    {{"FixedLength", NULL, fixed_length_fields},
     {.split = fixed_length, .length = 5},
     finish_fixed_length},
};

enum tm_status tok_pre_tokenizer_read(struct reader *r, void *unused, struct tm_err *err)
{
    (void)unused;
    const struct component *c;
    enum tm_status s =
        tok_read_component(r, "pre-tokenizer", rows, TM_COUNTOF(rows), sizeof *rows, NULL, &c, err);
    if (s != TM_OK)
        return s;
    const struct pre_tokenizer_row *row = (const void *)c;
    struct pre_tokenizer p = row->start;
    s = tok_read_fields(r, row->c.name, row->c.fields, &p, err);
    if (s == TM_OK && row->finish != NULL)
        s = row->finish(r, &p, err);
    if (s != TM_OK || (row->start.split == NULL && row->start.rewrite[1] == NULL))
        return s;
    if (r->t->n_pre_tokenizers == STEPS_MOST)
        return tm_json_fail(&r->j, TM_TOOLARGE, err, "more than %d pre-tokenizers", STEPS_MOST);
    r->t->pre_tokenizers[r->t->n_pre_tokenizers++] = p;
    return TM_OK;
}

void tok_pre_tokenizer_add_byte_level(struct tm_tokenizer *t, bool qwen2, bool add_prefix_space)
{
    if (qwen2)
        t->pre_tokenizers[t->n_pre_tokenizers++] =
            (struct pre_tokenizer){.split = split_by_pattern,
                                   .behavior = SPLIT_ISOLATED,
                                   .finder = {.scan = tok_scan_qwen2}};
    t->pre_tokenizers[t->n_pre_tokenizers++] = (struct pre_tokenizer){
        .rewrite = {add_prefix_space ? prefix_space : NULL, byte_level}, .use_regex = !qwen2};
}

static bool run_pieces(const struct pre_tokenizer *p, struct cells *x,
                       bool (*rewrite)(const struct pre_tokenizer *, struct cells *, struct piece,
                                       struct tm_buf *),
                       struct tm_buf **in, struct tm_buf **out)
{
    struct tm_buf *to = *out;
    to->len = x->next->len = 0;
    for (size_t i = 0; i < pieces_n(*in); i++) {
        struct piece one = pieces_of(*in)[i];
        bool ok;
        if (one.id >= 0 && rewrite != NULL) {
            size_t n = one.end - one.begin;
            ok = tm_buf_append(x->next, cells_of(x->now) + one.begin, n * sizeof(struct cell));
            one.end = (uint32_t)cells_n(x->next);
            one.begin = one.end - (uint32_t)n;
            ok = ok && piece_add(to, &one);
        } else if (one.id >= 0) {
            ok = piece_add(to, &one);
        } else {
            ok = rewrite != NULL ? rewrite(p, x, one, to) : p->split(p, x, one.begin, one.end, to);
        }
        if (!ok)
            return false;
    }
    if (rewrite != NULL)
        cells_swap(x);
    *out = *in;
    *in = to;
    return true;
}

bool tok_pre_tokenize(const struct tm_tokenizer *t, struct cells *x, struct tm_buf **pieces,
                      struct tm_buf **other)
{
    x->first = t->pre_tokenizers;
    for (size_t i = 0; i < t->n_pre_tokenizers; i++) {
        const struct pre_tokenizer *p = &t->pre_tokenizers[i];
        for (size_t k = 0; k < TM_COUNTOF(p->rewrite); k++) {
            if (p->rewrite[k] != NULL && !run_pieces(p, x, p->rewrite[k], pieces, other))
                return false;
        }
        if (p->split != NULL && !run_pieces(p, x, NULL, pieces, other))
            return false;
    }
    return true;
}
