/* Pre-tokenizers: cut normalized text into the words that the model sees one by one.
 *
 * Read on the loading thread, run by every encoding thread. Offsets need nothing here: a piece is
 * a stretch of cells, which know what they stand for. */
#include "tokenize.h"
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

static bool split_removed(const struct pre_tokenizer *p, const struct cell *c, uint32_t begin,
                          uint32_t end, struct tm_buf *out)
{
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

static bool split_isolated(const struct pre_tokenizer *p, const struct cell *c, uint32_t begin,
                           uint32_t end, struct tm_buf *out)
{
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
static bool split_previous(const struct pre_tokenizer *p, const struct cell *c, uint32_t begin,
                           uint32_t end, struct tm_buf *out)
{
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
static bool split_next(const struct pre_tokenizer *p, const struct cell *c, uint32_t begin,
                       uint32_t end, struct tm_buf *out)
{
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

static bool split_contiguous(const struct pre_tokenizer *p, const struct cell *c, uint32_t begin,
                             uint32_t end, struct tm_buf *out)
{
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

static bool split(const struct pre_tokenizer *p, const struct cell *c, uint32_t begin, uint32_t end,
                  struct tm_buf *out)
{
    static bool (*const ways[])(const struct pre_tokenizer *, const struct cell *, uint32_t,
                                uint32_t, struct tm_buf *) = {
        [SPLIT_REMOVED] = split_removed,       [SPLIT_ISOLATED] = split_isolated,
        [SPLIT_PREVIOUS] = split_previous,     [SPLIT_NEXT] = split_next,
        [SPLIT_CONTIGUOUS] = split_contiguous,
    };
    return ways[p->behavior](p, c, begin, end, out);
}

/* White space goes, then punctuation stands alone; in one pass. */
bool tok_pre_tokenizer_bert(const struct pre_tokenizer *p, const struct cell *c, uint32_t begin,
                            uint32_t end, struct tm_buf *out)
{
    (void)p;
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
static bool whitespace(const struct pre_tokenizer *p, const struct cell *c, uint32_t begin,
                       uint32_t end, struct tm_buf *out)
{
    (void)p;
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

static const struct pre_tokenizer_row {
    struct component c;
    struct pre_tokenizer start; /* before the fields are read; split NULL: a sequence */
} rows[] = {
    {{"BertPreTokenizer", NULL, no_fields}, {.split = tok_pre_tokenizer_bert}},
    {{"ByteLevel", NULL, NULL}, {0}},
    {{"CharDelimiterSplit", "Delimiter", delimiter_fields},
     {.split = split, .behavior = SPLIT_REMOVED}},
    {{"Metaspace", NULL, NULL}, {0}},
    {{"Whitespace", NULL, no_fields}, {.split = whitespace}},
    {{"Sequence", NULL, sequence_fields}, {0}},
    {{"Split", NULL, NULL}, {0}},
    {{"Punctuation", NULL, punctuation_fields},
     {.split = split, .behavior = SPLIT_ISOLATED, .flags = UNI_PUNCT}},
    {{"WhitespaceSplit", NULL, no_fields},
     {.split = split, .behavior = SPLIT_REMOVED, .flags = UNI_SPACE}},
    {{"Digits", NULL, digits_fields}, {.split = split, .flags = UNI_NUMERIC}},
    {{"UnicodeScripts", NULL, NULL}, {0}},
    {{"FixedLength", NULL, NULL}, {0}},
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
    if (s != TM_OK || p.split == NULL)
        return s;
    if (r->t->n_pre_tokenizers == STEPS_MOST)
        return tm_json_fail(&r->j, TM_TOOLARGE, err, "more than %d pre-tokenizers", STEPS_MOST);
    r->t->pre_tokenizers[r->t->n_pre_tokenizers++] = p;
    return TM_OK;
}
