/* Reads tokenizer.json: the top level, and what all components share (tables of fields, "type",
 * sequences). The components themselves are in the files of their names.
 *
 * Called by tm_tokenizer_open on the loading thread. The file is other people's bytes: every size
 * has a cap, sequences have a depth, and every error has a line and a column. */
#include "tokenize.h"
#include <sys/stat.h>

enum { FILE_MOST = 128 << 20, FILE_SLACK = 128 << 10, SEQUENCE_DEPTH = 16 };

/* Where the reader stands, to come back to; what is between is read again. */
static struct tm_json save(const struct reader *r)
{
    return r->j;
}

static void restore(struct reader *r, const struct tm_json *mark)
{
    struct tm_buf scratch = r->j.scratch; /* may have moved since */
    r->j = *mark;
    r->j.scratch = scratch;
}

static enum tm_status expect(struct reader *r, enum tm_json_type type, const char *what,
                             struct tm_err *err)
{
    struct tm_json_event ev;
    enum tm_status s = tm_json_next(&r->j, &ev, err);
    if (s == TM_OK && ev.type != type)
        s = tm_json_fail(&r->j, TM_BADINPUT, err, "%s expected", what);
    return s;
}

struct tm_arena *tok_reader_arena(const struct reader *r)
{
    return r->t->arena;
}

enum tm_status tok_read_null(struct reader *r, bool *ret_null, struct tm_err *err)
{
    struct tm_json mark = save(r);
    struct tm_json_event ev;
    enum tm_status s = tm_json_next(&r->j, &ev, err);
    *ret_null = s == TM_OK && ev.type == TM_JSON_NULL;
    if (s == TM_OK && !*ret_null)
        restore(r, &mark);
    return s;
}

enum tm_status tok_read_is_object(struct reader *r, bool *ret_object, struct tm_err *err)
{
    struct tm_json mark = save(r);
    struct tm_json_event ev;
    enum tm_status s = tm_json_next(&r->j, &ev, err);
    if (s != TM_OK)
        return s;
    *ret_object = ev.type == TM_JSON_OBJECT;
    restore(r, &mark);
    return TM_OK;
}

enum tm_status tok_read_str(struct reader *r, struct str *ret, struct tm_err *err)
{
    const char *text;
    size_t n;
    enum tm_status s = tm_json_string(&r->j, &text, &n, err);
    if (s != TM_OK)
        return s;
    char *copy = tm_arena_strndup(r->t->arena, text, n);
    if (copy == NULL)
        return tm_json_fail(&r->j, TM_NOMEM, err, "no memory for a string");
    *ret = (struct str){copy, n};
    return TM_OK;
}

enum tm_status tok_read_id(struct reader *r, int32_t *ret, struct tm_err *err)
{
    int64_t id;
    enum tm_status s = tm_json_i64(&r->j, &id, err);
    if (s == TM_OK && (id < 0 || id >= ID_MOST))
        s = tm_json_fail(&r->j, TM_BADINPUT, err, "id is not between 0 and %d", ID_MOST - 1);
    if (s == TM_OK)
        *ret = (int32_t)id;
    return s;
}

enum tm_status tok_read_nothing(struct reader *r, void *base, struct tm_err *err)
{
    (void)base;
    return tm_json_skip(&r->j, err);
}

static enum tm_status read_choice(struct reader *r, const struct field *f, unsigned *ret,
                                  struct tm_err *err)
{
    const char *text;
    size_t n;
    enum tm_status s = tm_json_string(&r->j, &text, &n, err);
    if (s != TM_OK)
        return s;
    for (unsigned i = 0; f->choices[i] != NULL; i++) {
        if (strlen(f->choices[i]) == n && memcmp(f->choices[i], text, n) == 0) {
            *ret = i;
            return TM_OK;
        }
    }
    return tm_json_fail(&r->j, TM_BADINPUT, err, "%s cannot be \"%.40s\"", f->key, text);
}

static enum tm_status read_char(struct reader *r, const struct field *f, uint32_t *ret,
                                struct tm_err *err)
{
    const char *text;
    size_t n;
    enum tm_status s = tm_json_string(&r->j, &text, &n, err);
    if (s == TM_OK && (n == 0 || tm_utf8_decode(text, n, ret) != n))
        s = tm_json_fail(&r->j, TM_BADINPUT, err, "%s is not one character", f->key);
    return s;
}

static enum tm_status read_u64(struct reader *r, const struct field *f, uint64_t *ret,
                               struct tm_err *err)
{
    int64_t v;
    enum tm_status s = tm_json_i64(&r->j, &v, err);
    if (s == TM_OK && v < 0)
        s = tm_json_fail(&r->j, TM_BADINPUT, err, "%s is negative", f->key);
    if (s == TM_OK)
        *ret = (uint64_t)v;
    return s;
}

static enum tm_status read_token(struct reader *r, struct str *ret, struct tm_err *err)
{
    static const struct field fields[] = {{"content", FIELD_STR, true, 0, NULL, NULL}, {0}};
    bool null, object;
    enum tm_status s = tok_read_null(r, &null, err);
    if (s != TM_OK || null)
        return s;
    s = tok_read_is_object(r, &object, err);
    if (s != TM_OK)
        return s;
    return object ? tok_read_fields(r, "token", fields, ret, err) : tok_read_str(r, ret, err);
}

static enum tm_status read_field(struct reader *r, const struct field *f, void *base,
                                 struct tm_err *err)
{
    void *at = (char *)base + f->offset;
    bool null = false, on = false;
    enum tm_status s = TM_OK;
    switch (f->type) {
    case FIELD_BOOL:
        return tm_json_bool(&r->j, at, err);
    case FIELD_BOOL_OR_NULL:
        s = tok_read_null(r, &null, err);
        if (s == TM_OK && !null)
            s = tm_json_bool(&r->j, &on, err);
        if (s == TM_OK)
            *(int8_t *)at = (int8_t)(null ? -1 : on);
        return s;
    case FIELD_STR:
        return tok_read_str(r, at, err);
    case FIELD_TOKEN:
        return read_token(r, at, err);
    case FIELD_CHAR:
        return read_char(r, f, at, err);
    case FIELD_U64:
        return read_u64(r, f, at, err);
    case FIELD_CHOICE:
        return read_choice(r, f, at, err);
    case FIELD_READ:
        return f->read(r, base, err);
    case FIELD_PART:
        s = tok_read_null(r, &null, err);
        return s != TM_OK || null ? s : f->read(r, base, err);
    }
    return TM_INTERNAL;
}

static const struct field *find_field(const struct field *fields, const struct tm_json_event *ev,
                                      unsigned *ret_i)
{
    for (unsigned i = 0; fields[i].key != NULL; i++) {
        if (strlen(fields[i].key) == ev->len && memcmp(fields[i].key, ev->text, ev->len) == 0) {
            *ret_i = i;
            return &fields[i];
        }
    }
    return NULL;
}

enum tm_status tok_read_fields(struct reader *r, const char *what, const struct field *fields,
                               void *base, struct tm_err *err)
{
    uint64_t seen = 0;
    enum tm_status s = expect(r, TM_JSON_OBJECT, "an object", err);
    size_t begin = r->j.at;
    while (s == TM_OK) {
        struct tm_json_event ev;
        s = tm_json_next(&r->j, &ev, err);
        if (s != TM_OK || ev.type == TM_JSON_OBJECT_END)
            break;
        unsigned i = 0;
        const struct field *f = find_field(fields, &ev, &i);
        if (f == NULL) {
            s = tm_json_skip(&r->j, err);
            continue;
        }
        if ((seen >> i & 1) != 0)
            return tm_json_fail(&r->j, TM_BADINPUT, err, "%s has \"%s\" twice", what, f->key);
        seen |= UINT64_C(1) << i;
        s = read_field(r, f, base, err);
    }
    for (unsigned i = 0; s == TM_OK && fields[i].key != NULL; i++) {
        if (fields[i].required && (seen >> i & 1) == 0) {
            r->j.at = begin;
            s = tm_json_fail(&r->j, TM_BADINPUT, err, "%s has no \"%s\"", what, fields[i].key);
        }
    }
    return s;
}

enum tm_status tok_read_array(struct reader *r,
                              enum tm_status (*read)(struct reader *, void *, struct tm_err *),
                              void *base, struct tm_err *err)
{
    enum tm_status s = expect(r, TM_JSON_ARRAY, "an array", err);
    while (s == TM_OK) {
        struct tm_json mark = save(r);
        struct tm_json_event ev;
        s = tm_json_next(&r->j, &ev, err);
        if (s != TM_OK || ev.type == TM_JSON_ARRAY_END)
            break;
        restore(r, &mark);
        s = read(r, base, err);
    }
    return s;
}

enum tm_status tok_read_sequence(struct reader *r,
                                 enum tm_status (*read)(struct reader *, void *, struct tm_err *),
                                 void *base, struct tm_err *err)
{
    if (r->depth == SEQUENCE_DEPTH)
        return tm_json_fail(&r->j, TM_DEPTH, err, "more than %d sequences in each other",
                            SEQUENCE_DEPTH);
    r->depth++;
    enum tm_status s = tok_read_array(r, read, base, err);
    r->depth--;
    return s;
}

/* The value of "type" in the object that comes next, or the type that its fields are a sign of. */
static enum tm_status peek_type(struct reader *r, const char *what, const struct signs *signs,
                                char *type, size_t size, struct tm_err *err)
{
    struct tm_json mark = save(r);
    const char *text = NULL, *by_sign = signs != NULL ? signs->otherwise : NULL;
    size_t n;
    enum tm_status s = expect(r, TM_JSON_OBJECT, "an object", err);
    mark.at = r->j.at;
    while (s == TM_OK && text == NULL) {
        struct tm_json_event ev;
        s = tm_json_next(&r->j, &ev, err);
        if (s != TM_OK)
            break;
        if (ev.type == TM_JSON_OBJECT_END) {
            text = by_sign;
            n = text != NULL ? strlen(text) : 0;
            if (text == NULL) {
                r->j.at = mark.at;
                s = tm_json_fail(&r->j, TM_BADINPUT, err, "%s has no \"type\"", what);
            }
        } else if (ev.len == 4 && memcmp(ev.text, "type", 4) == 0) {
            s = tm_json_string(&r->j, &text, &n, err);
            mark.at = r->j.at;
        } else {
            for (size_t i = 0; signs != NULL && i < signs->n; i++) {
                if (strcmp(signs->rows[i].field, ev.text) == 0)
                    by_sign = signs->rows[i].type;
            }
            s = tm_json_skip(&r->j, err);
        }
    }
    if (s == TM_OK && (n >= size || strlen(text) != n))
        s = tm_json_fail(&r->j, TM_UNSUPPORTED, err, "%s of an unknown type", what);
    if (s != TM_OK)
        return s;
    memcpy(type, text, n + 1);
    restore(r, &mark);
    return TM_OK;
}

enum tm_status tok_read_component(struct reader *r, const char *what, const void *rows, size_t n,
                                  size_t size, const struct signs *signs,
                                  const struct component **ret_row, struct tm_err *err)
{
    char type[64];
    enum tm_status s = peek_type(r, what, signs, type, sizeof type, err);
    if (s != TM_OK)
        return s;
    for (size_t i = 0; i < n; i++) {
        const struct component *row = (const void *)((const char *)rows + i * size);
        if (strcmp(row->name, type) != 0 &&
            (row->short_name == NULL || strcmp(row->short_name, type) != 0))
            continue;
        if (row->fields == NULL)
            return tm_json_fail(&r->j, TM_UNSUPPORTED, err, "%s %s is not supported", what, type);
        *ret_row = row;
        return TM_OK;
    }
    return tm_json_fail(&r->j, TM_UNSUPPORTED, err, "%s of unknown type %s", what, type);
}

static enum tm_status read_version(struct reader *r, void *unused, struct tm_err *err)
{
    (void)unused;
    struct str version = {0};
    enum tm_status s = tok_read_str(r, &version, err);
    if (s == TM_OK && strcmp(version.s, "1.0") != 0)
        s = tm_json_fail(&r->j, TM_UNSUPPORTED, err, "version %.20s is not supported", version.s);
    return s;
}

/* Truncation and padding are the caller's business: checked, not used. */
struct unused {
    uint64_t number[4];
    unsigned choice[3];
    struct str text;
};

static const char *const directions[] = {"Left", "Right", NULL};
static const char *const strategies[] = {"LongestFirst", "OnlyFirst", "OnlySecond", NULL};

static enum tm_status read_truncation(struct reader *r, void *unused, struct tm_err *err)
{
    static const struct field fields[] = {
        {"direction", FIELD_CHOICE, false, offsetof(struct unused, choice[0]), directions, NULL},
        {"max_length", FIELD_U64, true, offsetof(struct unused, number[0]), NULL, NULL},
        {"strategy", FIELD_CHOICE, true, offsetof(struct unused, choice[1]), strategies, NULL},
        {"stride", FIELD_U64, true, offsetof(struct unused, number[1]), NULL, NULL},
        {0},
    };
    (void)unused;
    struct unused u;
    return tok_read_fields(r, "truncation", fields, &u, err);
}

/* "BatchLongest" or {"Fixed": length}. */
static enum tm_status read_padding_strategy(struct reader *r, void *base, struct tm_err *err)
{
    static const char *const names[] = {"BatchLongest", NULL};
    static const struct field named = {"strategy", FIELD_CHOICE, true, 0, names, NULL};
    static const struct field fixed[] = {
        {"Fixed", FIELD_U64, true, offsetof(struct unused, number[0]), NULL, NULL}, {0}};
    bool object;
    unsigned choice;
    enum tm_status s = tok_read_is_object(r, &object, err);
    if (s != TM_OK)
        return s;
    return object ? tok_read_fields(r, "padding strategy", fixed, base, err)
                  : read_choice(r, &named, &choice, err);
}

static enum tm_status read_multiple(struct reader *r, void *base, struct tm_err *err)
{
    static const struct field f = {"pad_to_multiple_of", FIELD_U64, true, 0, NULL, NULL};
    struct unused *u = base;
    return read_u64(r, &f, &u->number[1], err);
}

static enum tm_status read_padding(struct reader *r, void *unused, struct tm_err *err)
{
    static const struct field fields[] = {
        {"strategy", FIELD_READ, true, 0, NULL, read_padding_strategy},
        {"direction", FIELD_CHOICE, true, offsetof(struct unused, choice[0]), directions, NULL},
        {"pad_to_multiple_of", FIELD_PART, false, 0, NULL, read_multiple},
        {"pad_id", FIELD_U64, true, offsetof(struct unused, number[2]), NULL, NULL},
        {"pad_type_id", FIELD_U64, true, offsetof(struct unused, number[3]), NULL, NULL},
        {"pad_token", FIELD_STR, true, offsetof(struct unused, text), NULL, NULL},
        {0},
    };
    (void)unused;
    struct unused u;
    return tok_read_fields(r, "padding", fields, &u, err);
}

/* Room for the whole file at once: growing to see its end would double what it takes. */
enum tm_status tok_read_file(const char *path, size_t most, struct tm_buf *file, struct tm_err *err)
{
    struct stat st;
    if (stat(path, &st) == 0 && st.st_size > 0 && (size_t)st.st_size <= most &&
        !tm_buf_reserve(file, (size_t)st.st_size + FILE_SLACK))
        return tm_err_set(err, TM_NOMEM, "no memory to read %s", path);
    return tm_read_file(path, most, file, err);
}

enum tm_status tok_parse_tokenizer_json(struct tm_tokenizer *t, const char *name, const char *text,
                                        size_t n, struct tm_err *err)
{
    static const struct field fields[] = {
        {"version", FIELD_READ, false, 0, NULL, read_version},
        {"truncation", FIELD_PART, false, 0, NULL, read_truncation},
        {"padding", FIELD_PART, false, 0, NULL, read_padding},
        {"added_tokens", FIELD_READ, false, 0, NULL, tok_added_tokens_read},
        {"normalizer", FIELD_PART, false, 0, NULL, tok_normalizer_read},
        {"pre_tokenizer", FIELD_PART, false, 0, NULL, tok_pre_tokenizer_read},
        {"post_processor", FIELD_PART, false, 0, NULL, tok_post_processor_read},
        {"decoder", FIELD_PART, false, 0, NULL, tok_decoder_read},
        {"model", FIELD_READ, true, 0, NULL, tok_model_read},
        {0},
    };
    struct reader r = {.t = t};
    tm_json_init(&r.j, name, text, n);
    enum tm_status s = tok_read_fields(&r, "the tokenizer", fields, t, err);
    if (s == TM_OK)
        s = expect(&r, TM_JSON_END, "the end", err);
    tm_json_finish(&r.j);
    return s;
}

enum tm_status tok_read_tokenizer_json(struct tm_tokenizer *t, const char *path, struct tm_err *err)
{
    TM_CLEANUP(tm_buf_finish) struct tm_buf file = {0};
    enum tm_status s = tok_read_file(path, FILE_MOST, &file, err);
    return s == TM_OK ? tok_parse_tokenizer_json(t, path, file.data != NULL ? file.data : "",
                                                 file.len, err)
                      : s;
}
