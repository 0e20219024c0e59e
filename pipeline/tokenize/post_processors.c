/* Post-processors: special tokens around one text or two, and token types.
 *
 * Read on the loading thread into two templates (for one text, for a pair), which encode.c walks:
 * every kind of post-processor is only another way to write them. */
#include "tokenize.h"

/* A template under way: special tokens are named before the file says what ids they have. */
struct draft_item {
    struct str name; /* of a special token */
    size_t at;
    int64_t type;
    enum item_kind kind;
};

struct draft_special {
    struct str name;
    size_t first, n; /* in ids */
};

struct draft {
    struct tm_buf single, pair; /* struct draft_item */
    struct tm_buf specials;     /* struct draft_special */
    struct tm_buf ids;          /* int32_t */
    struct str name, sequence;  /* of the entry being read */
    struct str sep, cls;        /* BertProcessing, RobertaProcessing */
    int32_t sep_id, cls_id;
    int64_t type;
    bool trim_offsets, add_prefix_space;
};

#define AT(member) offsetof(struct draft, member)

static enum tm_status no_memory(struct reader *r, struct tm_err *err)
{
    return tm_json_fail(&r->j, TM_NOMEM, err, "no memory for the post-processor");
}

/* Token types are bytes for the engine. */
static enum tm_status read_type_id(struct reader *r, void *base, struct tm_err *err)
{
    struct draft *d = base;
    enum tm_status s = tm_json_i64(&r->j, &d->type, err);
    if (s == TM_OK && (d->type < 0 || d->type > UINT8_MAX))
        s = tm_json_fail(&r->j, TM_UNSUPPORTED, err, "type_id is not between 0 and 255");
    return s;
}

static const struct field entry_fields[] = {
    {"id", FIELD_STR, true, AT(name), NULL, NULL},
    {"type_id", FIELD_READ, true, 0, NULL, read_type_id},
    {0},
};

static enum tm_status read_special_item(struct reader *r, void *base, struct tm_err *err)
{
    struct draft *d = base;
    d->sequence = (struct str){0};
    return tok_read_fields(r, "SpecialToken", entry_fields, d, err);
}

static enum tm_status read_sequence_item(struct reader *r, void *base, struct tm_err *err)
{
    struct draft *d = base;
    enum tm_status s = tok_read_fields(r, "Sequence", entry_fields, d, err);
    if (s == TM_OK && strcmp(d->name.s, "A") != 0 && strcmp(d->name.s, "B") != 0)
        s = tm_json_fail(&r->j, TM_BADINPUT, err, "Sequence is neither A nor B");
    d->sequence = d->name;
    return s;
}

/* {"SpecialToken": {"id": name, "type_id": n}} or {"Sequence": {"id": "A", "type_id": n}} */
static enum tm_status read_item(struct reader *r, struct draft *d, struct tm_buf *items,
                                struct tm_err *err)
{
    static const struct field fields[] = {
        {"SpecialToken", FIELD_READ, false, 0, NULL, read_special_item},
        {"Sequence", FIELD_READ, false, 0, NULL, read_sequence_item},
        {0},
    };
    d->name = d->sequence = (struct str){0};
    enum tm_status s = tok_read_fields(r, "template item", fields, d, err);
    if (s != TM_OK)
        return s;
    if (d->name.s == NULL)
        return tm_json_fail(&r->j, TM_BADINPUT, err, "neither SpecialToken nor Sequence");
    if (items->len / sizeof(struct draft_item) == TEMPLATE_MOST)
        return tm_json_fail(&r->j, TM_TOOLARGE, err, "more than %d items", TEMPLATE_MOST);
    struct draft_item item = {.name = d->name, .at = r->j.at, .type = d->type};
    item.kind = d->sequence.s == NULL ? ITEM_SPECIAL : d->sequence.s[0] == 'A' ? ITEM_A : ITEM_B;
    return tm_buf_append(items, &item, sizeof item) ? TM_OK : no_memory(r, err);
}

static enum tm_status read_single_item(struct reader *r, void *base, struct tm_err *err)
{
    struct draft *d = base;
    return read_item(r, d, &d->single, err);
}

static enum tm_status read_pair_item(struct reader *r, void *base, struct tm_err *err)
{
    struct draft *d = base;
    return read_item(r, d, &d->pair, err);
}

static enum tm_status read_single(struct reader *r, void *base, struct tm_err *err)
{
    return tok_read_array(r, read_single_item, base, err);
}

static enum tm_status read_pair(struct reader *r, void *base, struct tm_err *err)
{
    return tok_read_array(r, read_pair_item, base, err);
}

static enum tm_status read_special_id(struct reader *r, void *base, struct tm_err *err)
{
    struct draft *d = base;
    int32_t id;
    enum tm_status s = tok_read_id(r, &id, err);
    if (s == TM_OK && !tm_buf_append(&d->ids, &id, sizeof id))
        s = no_memory(r, err);
    return s;
}

static enum tm_status read_special_ids(struct reader *r, void *base, struct tm_err *err)
{
    return tok_read_array(r, read_special_id, base, err);
}

/* {name: {"id": name, "ids": [n, …], "tokens": [text, …]}, …} */
static enum tm_status read_special_tokens(struct reader *r, void *base, struct tm_err *err)
{
    static const struct field fields[] = {
        {"id", FIELD_STR, true, AT(name), NULL, NULL},
        {"ids", FIELD_READ, true, 0, NULL, read_special_ids},
        {"tokens", FIELD_READ, true, 0, NULL, tok_read_nothing},
        {0},
    };
    struct draft *d = base;
    struct tm_json_event ev;
    enum tm_status s = tm_json_next(&r->j, &ev, err);
    if (s == TM_OK && ev.type != TM_JSON_OBJECT)
        s = tm_json_fail(&r->j, TM_BADINPUT, err, "special_tokens is not an object");
    while (s == TM_OK) {
        s = tm_json_next(&r->j, &ev, err);
        if (s != TM_OK || ev.type == TM_JSON_OBJECT_END)
            break;
        struct draft_special one = {.first = d->ids.len / sizeof(int32_t)};
        char *name = tm_arena_strndup(r->t->arena, ev.text, ev.len);
        one.name = (struct str){name, ev.len};
        s = tok_read_fields(r, "special token", fields, d, err);
        one.n = d->ids.len / sizeof(int32_t) - one.first;
        if (s == TM_OK && (name == NULL || !tm_buf_append(&d->specials, &one, sizeof one)))
            s = no_memory(r, err);
    }
    return s;
}

/* ["[SEP]", 102] */
static enum tm_status read_token_pair(struct reader *r, struct str *text, int32_t *id,
                                      struct tm_err *err)
{
    struct tm_json_event ev;
    enum tm_status s = tm_json_next(&r->j, &ev, err);
    if (s == TM_OK && ev.type != TM_JSON_ARRAY)
        s = tm_json_fail(&r->j, TM_BADINPUT, err, "[token, id] expected");
    if (s == TM_OK)
        s = tok_read_str(r, text, err);
    if (s == TM_OK)
        s = tok_read_id(r, id, err);
    if (s == TM_OK)
        s = tm_json_next(&r->j, &ev, err);
    if (s == TM_OK && ev.type != TM_JSON_ARRAY_END)
        s = tm_json_fail(&r->j, TM_BADINPUT, err, "[token, id] expected");
    return s;
}

static enum tm_status read_sep(struct reader *r, void *base, struct tm_err *err)
{
    struct draft *d = base;
    return read_token_pair(r, &d->sep, &d->sep_id, err);
}

static enum tm_status read_cls(struct reader *r, void *base, struct tm_err *err)
{
    struct draft *d = base;
    return read_token_pair(r, &d->cls, &d->cls_id, err);
}

static void put(struct post_template *t, enum item_kind kind, int32_t id, uint8_t type)
{
    t->items[t->n++] = (struct post_item){kind, id, type};
}

/* [CLS] A [SEP], and then B [SEP] with type 1. */
void tok_post_processor_bert(struct post_processor *p, int32_t cls, int32_t sep)
{
    for (int pair = 0; pair < 2; pair++) {
        struct post_template *t = pair ? &p->pair : &p->single;
        put(t, ITEM_SPECIAL, cls, 0);
        put(t, ITEM_A, -1, 0);
        put(t, ITEM_SPECIAL, sep, 0);
    }
    put(&p->pair, ITEM_B, -1, 1);
    put(&p->pair, ITEM_SPECIAL, sep, 1);
}

static enum tm_status build_bert(struct reader *r, const struct draft *d, struct tm_err *err)
{
    (void)err;
    tok_post_processor_bert(&r->t->post, d->cls_id, d->sep_id);
    return TM_OK;
}

/* <s> A </s>, and then </s> B </s>; every type is 0. */
static enum tm_status build_roberta(struct reader *r, const struct draft *d, struct tm_err *err)
{
    (void)err;
    struct post_processor *p = &r->t->post;
    for (int pair = 0; pair < 2; pair++) {
        struct post_template *t = pair ? &p->pair : &p->single;
        put(t, ITEM_SPECIAL, d->cls_id, 0);
        put(t, ITEM_A, -1, 0);
        put(t, ITEM_SPECIAL, d->sep_id, 0);
    }
    put(&p->pair, ITEM_SPECIAL, d->sep_id, 0);
    put(&p->pair, ITEM_B, -1, 0);
    put(&p->pair, ITEM_SPECIAL, d->sep_id, 0);
    p->trim_offsets = d->trim_offsets;
    p->add_prefix_space = d->add_prefix_space;
    return TM_OK;
}

/* Trims offsets and leaves everything else to what comes after or before. */
static enum tm_status build_byte_level(struct reader *r, const struct draft *d, struct tm_err *err)
{
    (void)err;
    r->t->post.trim_offsets = d->trim_offsets;
    r->t->post.add_prefix_space = d->add_prefix_space;
    return TM_OK;
}

static const struct draft_special *find_special(const struct draft *d, struct str name)
{
    const struct draft_special *s = (const void *)d->specials.data;
    for (size_t i = 0; i < d->specials.len / sizeof *s; i++) {
        if (s[i].name.n == name.n && memcmp(s[i].name.s, name.s, name.n) == 0)
            return &s[i];
    }
    return NULL;
}

static enum tm_status build_template(struct reader *r, const struct draft *d,
                                     const struct tm_buf *items, struct post_template *t,
                                     struct tm_err *err)
{
    const struct draft_item *item = (const void *)items->data;
    for (size_t i = 0; i < items->len / sizeof *item; i++) {
        const struct draft_special *s =
            item[i].kind == ITEM_SPECIAL ? find_special(d, item[i].name) : NULL;
        size_t n = s != NULL ? s->n : 1;
        r->j.at = item[i].at;
        if (item[i].kind == ITEM_SPECIAL && s == NULL)
            return tm_json_fail(&r->j, TM_BADINPUT, err, "special token \"%.40s\" has no ids",
                                item[i].name.s);
        if (item[i].kind == ITEM_B && t == &r->t->post.single)
            return tm_json_fail(&r->j, TM_BADINPUT, err, "Sequence B in the template of one text");
        if (n > TEMPLATE_MOST - t->n)
            return tm_json_fail(&r->j, TM_TOOLARGE, err, "more than %d items", TEMPLATE_MOST);
        const int32_t *ids = (const void *)d->ids.data;
        for (size_t k = 0; k < n; k++)
            put(t, item[i].kind, s != NULL ? ids[s->first + k] : -1, (uint8_t)item[i].type);
    }
    return TM_OK;
}

static enum tm_status build_templates(struct reader *r, const struct draft *d, struct tm_err *err)
{
    enum tm_status s = build_template(r, d, &d->single, &r->t->post.single, err);
    return s != TM_OK ? s : build_template(r, d, &d->pair, &r->t->post.pair, err);
}

static enum tm_status read_processors(struct reader *r, void *base, struct tm_err *err)
{
    (void)base;
    return tok_read_sequence(r, tok_post_processor_read, NULL, err);
}

static const struct field template_fields[] = {
    {"single", FIELD_READ, true, 0, NULL, read_single},
    {"pair", FIELD_READ, true, 0, NULL, read_pair},
    {"special_tokens", FIELD_READ, true, 0, NULL, read_special_tokens},
    {0},
};
static const struct field bert_fields[] = {
    {"sep", FIELD_READ, true, 0, NULL, read_sep},
    {"cls", FIELD_READ, true, 0, NULL, read_cls},
    {0},
};
static const struct field roberta_fields[] = {
    {"sep", FIELD_READ, true, 0, NULL, read_sep},
    {"cls", FIELD_READ, true, 0, NULL, read_cls},
    {"trim_offsets", FIELD_BOOL, true, AT(trim_offsets), NULL, NULL},
    {"add_prefix_space", FIELD_BOOL, true, AT(add_prefix_space), NULL, NULL},
    {0},
};
static const struct field byte_level_fields[] = {
    {"add_prefix_space", FIELD_BOOL, true, AT(add_prefix_space), NULL, NULL},
    {"trim_offsets", FIELD_BOOL, true, AT(trim_offsets), NULL, NULL},
    {0},
};
static const struct field sequence_fields[] = {
    {"processors", FIELD_READ, true, 0, NULL, read_processors},
    {0},
};

static const struct post_processor_row {
    struct component c;
    enum tm_status (*build)(struct reader *r, const struct draft *d, struct tm_err *err);
} rows[] = {
    {{"BertProcessing", NULL, bert_fields}, build_bert},
    {{"RobertaProcessing", NULL, roberta_fields}, build_roberta},
    {{"ByteLevel", NULL, byte_level_fields}, build_byte_level},
    {{"TemplateProcessing", NULL, template_fields}, build_templates},
    {{"Sequence", NULL, sequence_fields}, NULL},
};

enum tm_status tok_post_processor_read(struct reader *r, void *unused, struct tm_err *err)
{
    (void)unused;
    const struct component *c;
    enum tm_status s = tok_read_component(r, "post-processor", rows, TM_COUNTOF(rows), sizeof *rows,
                                          NULL, &c, err);
    if (s != TM_OK)
        return s;
    const struct post_processor_row *row = (const void *)c;
    /* A second one would work on the output of the first; no released file has that. */
    bool templates = row->build != NULL && row->build != build_byte_level;
    if (templates && r->t->post.present)
        return tm_json_fail(&r->j, TM_UNSUPPORTED, err, "a second post-processor is not supported");
    struct draft d = {0};
    s = tok_read_fields(r, row->c.name, row->c.fields, &d, err);
    if (s == TM_OK && row->build != NULL) {
        r->t->post.present = r->t->post.present || templates;
        s = row->build(r, &d, err);
    }
    tm_buf_finish(&d.single);
    tm_buf_finish(&d.pair);
    tm_buf_finish(&d.specials);
    tm_buf_finish(&d.ids);
    return s;
}

/* The templates without a post-processor, and the frame that the template of one text makes. */
enum tm_status tok_post_processor_build(struct tm_tokenizer *t, struct tm_err *err)
{
    struct post_processor *p = &t->post;
    if (!p->present) {
        put(&p->single, ITEM_A, -1, 0);
        put(&p->pair, ITEM_A, -1, 0);
        put(&p->pair, ITEM_B, -1, 1);
    }
    size_t first = 0, last = p->single.n;
    while (first < p->single.n && p->single.items[first].kind == ITEM_SPECIAL)
        first++;
    while (last > first && p->single.items[last - 1].kind == ITEM_SPECIAL)
        last--;
    t->frame = tm_arena_array(t->arena, p->single.n + 1, sizeof *t->frame);
    if (t->frame == NULL)
        return tm_err_set(err, TM_NOMEM, "no memory for the post-processor");
    for (size_t i = 0; i < p->single.n; i++) {
        if (i < first || i >= last)
            t->frame[t->n_prefix + t->n_suffix] = p->single.items[i].id;
        t->n_prefix += i < first;
        t->n_suffix += i >= last;
    }
    return TM_OK;
}
