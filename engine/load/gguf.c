/* Reads the header of GGUF files, version 2 and 3 (ggml's docs/gguf.md): values by key, then the
 * tensors' names, shapes and places. Counts and lengths are 64-bit numbers of whoever wrote the
 * file: none is used before the bytes it stands for have been seen.
 *
 * Called by gguf_model.c while a set is opened and for its configuration, and for the tokenizer. */
#include "gguf.h"
#include "bytes.h"
#include "tensor_blocks.h"

#include <stdio.h>
#include <string.h>

enum {
    BUFFER = 1 << 16,
    KEY_MOST = 65535,
    TEXT_MOST = 1 << 20, /* a longer string is passed over */
    NAME_MOST = 255,     /* the format says 64 */
    VALUES_MOST = 1 << 12,
    TENSORS_MOST = 1 << 16,
    NESTING_MOST = 4,
    ALIGNMENT_MOST = 1 << 20,
    ARENA_MOST = 64 << 20,
};

/* ---- a window that moves over the file ---- */

struct cursor {
    const struct tensor_file *f;
    struct tm_arena *arena;
    uint64_t at; /* of the next byte in the file */
    uint64_t window;
    size_t have;
    uint8_t bytes[BUFFER];
    tm_said_fn *visit; /* told of every value; NULL: nobody asks */
    void *arg;
    struct tm_buf text; /* the value it is told */
    struct tm_err *err;
};

__attribute__((format(printf, 2, 3))) static enum tm_status fail(const struct cursor *c,
                                                                 const char *fmt, ...)
{
    struct tm_err text = {TM_OK};
    va_list args;
    va_start(args, fmt);
    vsnprintf(text.text, sizeof text.text, fmt, args);
    va_end(args);
    return tm_err_set(c->err, TM_MODEL, "%s: byte %llu: %s", c->f->name, (unsigned long long)c->at,
                      text.text);
}

static enum tm_status no_memory(const struct cursor *c)
{
    return tm_err_set(c->err, tm_arena_full(c->arena) ? TM_TOOLARGE : TM_NOMEM,
                      "%s: its header needs too much memory", c->f->name);
}

static enum tm_status skip(struct cursor *c, uint64_t n)
{
    if (n > c->f->size - c->at)
        return fail(c, "%llu bytes are missing (truncated?)",
                    (unsigned long long)(n - (c->f->size - c->at)));
    c->at += n;
    return TM_OK;
}

static enum tm_status take(struct cursor *c, void *out, size_t n)
{
    uint64_t at = c->at;
    enum tm_status s = skip(c, n);
    if (s != TM_OK || n > sizeof c->bytes)
        return s != TM_OK ? s : tensor_read_bytes(c->f, at, out, n, c->err);
    if (at < c->window || at + n > c->window + c->have) {
        c->window = at;
        c->have = (size_t)TM_MIN(c->f->size - at, (uint64_t)sizeof c->bytes);
        s = tensor_read_bytes(c->f, at, c->bytes, c->have, c->err);
    }
    if (s == TM_OK)
        memcpy(out, c->bytes + (at - c->window), n);
    else
        c->have = 0;
    return s;
}

static enum tm_status take_u32(struct cursor *c, uint32_t *ret)
{
    uint8_t word[4] = {0};
    enum tm_status s = take(c, word, sizeof word);
    *ret = le32(word);
    return s;
}

static enum tm_status take_u64(struct cursor *c, uint64_t *ret)
{
    uint8_t word[8] = {0};
    enum tm_status s = take(c, word, sizeof word);
    *ret = le64(word);
    return s;
}

/* A name: its length, then so many bytes, which must be text. */
static enum tm_status take_name(struct cursor *c, size_t most, const char **ret)
{
    uint64_t n = 0;
    enum tm_status s = take_u64(c, &n);
    if (s != TM_OK)
        return s;
    if (n > most)
        return fail(c, "a name of %llu bytes, at most %zu are allowed", (unsigned long long)n,
                    most);
    char *name = tm_arena_alloc(c->arena, n + 1);
    if (name == NULL)
        return no_memory(c);
    s = take(c, name, n);
    if (s == TM_OK && (strlen(name) != n || tm_utf8_valid(name, n) != n))
        return fail(c, "a name that is no text");
    *ret = name;
    return s;
}

/* ---- values ---- */

static const uint8_t sizes[GGUF_TYPES] = {
    [GGUF_U8] = 1,  [GGUF_I8] = 1,   [GGUF_U16] = 2, [GGUF_I16] = 2, [GGUF_U32] = 4, [GGUF_I32] = 4,
    [GGUF_F32] = 4, [GGUF_BOOL] = 1, [GGUF_U64] = 8, [GGUF_I64] = 8, [GGUF_F64] = 8,
};

static enum tm_status take_number(struct cursor *c, struct gguf_value *v)
{
    uint8_t b[8] = {0};
    float f;
    enum tm_status s = take(c, b, sizes[v->type]);
    if (s != TM_OK)
        return s;
    switch (v->type) {
    case GGUF_I8:
        v->integer = (int8_t)b[0];
        break;
    case GGUF_I16:
        v->integer = (int16_t)le16(b);
        break;
    case GGUF_I32:
        v->integer = (int32_t)le32(b);
        break;
    case GGUF_F32:
        memcpy(&f, b, sizeof f);
        v->number = (double)f;
        break;
    case GGUF_F64:
        memcpy(&v->number, b, sizeof v->number);
        break;
    default:
        v->integer = (int64_t)TM_MIN(le64(b), (uint64_t)INT64_MAX);
    }
    return v->type == GGUF_BOOL && b[0] > 1 ? fail(c, "a bool of %d", b[0]) : TM_OK;
}

static enum tm_status take_text(struct cursor *c, const char **ret)
{
    uint64_t n = 0, at = c->at;
    enum tm_status s = take_u64(c, &n);
    if (s == TM_OK && n > TEXT_MOST) {
        *ret = "";
        return skip(c, n);
    }
    c->at = at;
    return s == TM_OK ? take_name(c, TEXT_MOST, ret) : s;
}

static enum tm_status skip_text(struct cursor *c)
{
    uint64_t n = 0;
    enum tm_status s = take_u64(c, &n);
    return s == TM_OK ? skip(c, n) : s;
}

/* A text or a number, to whoever asks. */
static enum tm_status tell(struct cursor *c, const char *key, enum gguf_type type, uint64_t index,
                           uint64_t n)
{
    struct gguf_value v = {.type = type};
    struct tm_said said = {.key = key, .index = index, .n = n};
    uint64_t length = 0;
    enum tm_status s = type == GGUF_STRING ? take_u64(c, &length) : take_number(c, &v);
    if (s == TM_OK && length > TEXT_MOST)
        return fail(c, "a text of %llu bytes, at most %d are allowed", (unsigned long long)length,
                    TEXT_MOST);
    if (s == TM_OK && type == GGUF_STRING) {
        c->text.len = 0;
        if (!tm_buf_reserve(&c->text, length + 1))
            return no_memory(c);
        s = take(c, c->text.data, length);
        c->text.data[length] = '\0';
        said.text = c->text.data;
        said.len = length;
    }
    said.number = type == GGUF_F32 || type == GGUF_F64 ? v.number : (double)v.integer;
    return s == TM_OK && !c->visit(c->arg, &said) ? TM_CANCELLED : s;
}

/* Tokens, scores, merges: only how many there are is kept. */
static enum tm_status skip_array(struct cursor *c, const char *key, int depth,
                                 uint64_t *ret_elements)
{
    uint32_t type = 0;
    uint64_t n = 0, inner;
    enum tm_status s = take_u32(c, &type);
    if (s == TM_OK)
        s = take_u64(c, &n);
    if (s == TM_OK && (type >= GGUF_TYPES || depth == NESTING_MOST))
        return fail(c, type >= GGUF_TYPES ? "an array of type %u" : "an array within arrays, %u",
                    type);
    if (s == TM_OK && n > c->f->size - c->at)
        return fail(c, "an array of %llu elements (truncated?)", (unsigned long long)n);
    bool told = c->visit != NULL && depth == 0 && type != GGUF_ARRAY;
    if (s == TM_OK && sizes[type] > 0 && !told)
        s = skip(c, n * sizes[type]);
    for (uint64_t i = 0; s == TM_OK && (told || sizes[type] == 0) && i < n; i++)
        s = told                  ? tell(c, key, (enum gguf_type)type, i, n)
            : type == GGUF_STRING ? skip_text(c)
                                  : skip_array(c, key, depth + 1, &inner);
    *ret_elements = n;
    return s;
}

static enum tm_status take_value(struct cursor *c, struct gguf_value *v)
{
    uint32_t type = 0;
    enum tm_status s = take_name(c, KEY_MOST, &v->key);
    if (s == TM_OK)
        s = take_u32(c, &type);
    if (s == TM_OK && type >= GGUF_TYPES)
        return fail(c, "%.64s has type %u", v->key, type);
    v->type = (enum gguf_type)type;
    if (s != TM_OK)
        return s;
    if (c->visit != NULL && type != GGUF_ARRAY)
        return tell(c, v->key, v->type, 0, 1);
    return type == GGUF_STRING  ? take_text(c, &v->text)
           : type == GGUF_ARRAY ? skip_array(c, v->key, 0, &v->elements)
                                : take_number(c, v);
}

const struct gguf_value *gguf_find(const struct gguf *g, const char *key)
{
    for (size_t i = 0; i < g->n_values; i++)
        if (strcmp(g->values[i].key, key) == 0)
            return &g->values[i];
    return NULL;
}

/* ---- tensors ---- */

/* ggml's number of a type; blocks and bytes follow from tensor_blocks. Other types are known by
 * name, for messages. */
static const struct {
    uint32_t number;
    enum tensor_type type;
    const char *name;
} types[] = {
    {0, TENSOR_F32, "F32"},     {1, TENSOR_F16, "F16"},     {30, TENSOR_BF16, "BF16"},
    {8, TENSOR_Q8_0, "Q8_0"},   {2, TENSOR_Q4_0, "Q4_0"},   {12, TENSOR_Q4_K, "Q4_K"},
    {14, TENSOR_Q6_K, "Q6_K"},  {3, TENSOR_OTHER, "Q4_1"},  {6, TENSOR_OTHER, "Q5_0"},
    {7, TENSOR_OTHER, "Q5_1"},  {10, TENSOR_OTHER, "Q2_K"}, {11, TENSOR_OTHER, "Q3_K"},
    {13, TENSOR_OTHER, "Q5_K"}, {28, TENSOR_OTHER, "F64"},
};

static enum tm_status find_type(struct cursor *c, uint32_t number, struct tensor *t)
{
    t->type = TENSOR_OTHER;
    for (size_t i = 0; i < TM_COUNTOF(types); i++) {
        if (types[i].number == number) {
            t->type = types[i].type;
            t->dtype = types[i].name;
            return TM_OK;
        }
    }
    t->dtype = tm_arena_printf(c->arena, "type %u", number);
    return t->dtype != NULL ? TM_OK : no_memory(c);
}

/* The bytes of whole rows of blocks. */
static enum tm_status find_size(struct cursor *c, struct tensor *t)
{
    const struct tensor_block *b = &tensor_blocks[t->type];
    uint64_t bytes = (uint64_t)b->bytes;
    if (t->type == TENSOR_OTHER)
        return TM_OK;
    int64_t row = t->rank > 0 ? t->shape[t->rank - 1] : 1;
    if (row % b->elements != 0)
        return fail(c, "tensor %s: rows of %lld are no whole blocks of %s", t->name, (long long)row,
                    t->dtype);
    for (int32_t i = 0; i < t->rank; i++) {
        int64_t n = i == t->rank - 1 ? t->shape[i] / b->elements : t->shape[i];
        if (__builtin_mul_overflow(bytes, (uint64_t)n, &bytes) || bytes > c->f->size)
            return fail(c, "tensor %s is larger than the file (truncated?)", t->name);
    }
    t->bytes = bytes;
    return TM_OK;
}

/* begin is from the start of the data until the header has been read. */
static enum tm_status take_tensor(struct cursor *c, struct tensor *t)
{
    uint32_t rank = 0, type = 0;
    enum tm_status s = take_name(c, NAME_MOST, &t->name);
    if (s == TM_OK)
        s = take_u32(c, &rank);
    if (s == TM_OK && rank > TENSOR_RANK)
        return fail(c, "tensor %s has %u dimensions", t->name, rank);
    t->rank = (int32_t)rank;
    for (uint32_t i = 0; s == TM_OK && i < rank; i++) {
        uint64_t n = 0;
        s = take_u64(c, &n); /* the fastest dimension comes first */
        if (s == TM_OK && n > INT64_MAX)
            return fail(c, "tensor %s: a dimension of %llu", t->name, (unsigned long long)n);
        t->shape[rank - 1 - i] = (int64_t)n;
    }
    if (s == TM_OK)
        s = take_u32(c, &type);
    if (s == TM_OK)
        s = take_u64(c, &t->begin);
    if (s == TM_OK)
        s = find_type(c, type, t);
    return s == TM_OK ? find_size(c, t) : s;
}

const struct tensor *gguf_tensor(const struct gguf *g, const char *name)
{
    for (size_t i = 0; i < g->n_tensors; i++)
        if (strcmp(g->tensors[i].name, name) == 0)
            return &g->tensors[i];
    return NULL;
}

/* The data begin at the next multiple of the alignment, and so does each tensor. */
static enum tm_status place_tensors(struct cursor *c, struct gguf *g)
{
    const struct gguf_value *v = gguf_find(g, "general.alignment");
    uint64_t alignment = v != NULL && v->type == GGUF_U32 ? (uint64_t)v->integer : 32;
    if (alignment == 0 || alignment > ALIGNMENT_MOST || alignment % 8 != 0)
        return fail(c, "general.alignment of %llu", (unsigned long long)alignment);
    uint64_t data = (c->at + alignment - 1) / alignment * alignment;
    for (size_t i = 0; i < g->n_tensors; i++) {
        struct tensor *t = &g->tensors[i];
        if (t->begin % alignment != 0 || data > c->f->size || t->begin > c->f->size - data ||
            t->bytes > c->f->size - data - t->begin)
            return tm_err_set(c->err, TM_MODEL,
                              "%s: tensor %s at byte %llu of the data ends beyond the file or is "
                              "not aligned (truncated?)",
                              c->f->name, t->name, (unsigned long long)t->begin);
        t->begin += data;
    }
    return TM_OK;
}

/* ---- the header ---- */

static enum tm_status take_counts(struct cursor *c, struct gguf *g)
{
    uint8_t magic[4] = {0};
    uint32_t version = 0;
    uint64_t n_tensors = 0, n_values = 0;
    enum tm_status s = take(c, magic, sizeof magic);
    if (s == TM_OK && memcmp(magic, "GGUF", 4) != 0)
        return fail(c, "not a GGUF file");
    if (s == TM_OK)
        s = take_u32(c, &version);
    if (s == TM_OK && version != 2 && version != 3)
        return tm_err_set(c->err, TM_UNSUPPORTED, "%s: version %u of GGUF%s, 2 and 3 are read",
                          c->f->name, version,
                          version != 0 && version % 65536 == 0 ? " (big-endian?)" : "");
    if (s == TM_OK)
        s = take_u64(c, &n_tensors);
    if (s == TM_OK)
        s = take_u64(c, &n_values);
    if (s == TM_OK && (n_tensors > TENSORS_MOST || n_values > VALUES_MOST))
        return fail(c, "%llu tensors and %llu values are more than are allowed",
                    (unsigned long long)n_tensors, (unsigned long long)n_values);
    if (s != TM_OK)
        return s;
    g->n_values = n_values;
    g->n_tensors = n_tensors;
    g->values = tm_arena_array(c->arena, n_values + 1, sizeof *g->values);
    g->tensors = tm_arena_array(c->arena, n_tensors + 1, sizeof *g->tensors);
    return g->values != NULL && g->tensors != NULL ? TM_OK : no_memory(c);
}

enum tm_status gguf_read(const struct tensor_file *f, struct tm_arena *arena, struct gguf *ret_gguf,
                         struct tm_err *err)
{
    struct gguf g = {NULL};
    struct cursor *c = tm_arena_alloc(arena, sizeof *c);
    if (c == NULL)
        return tm_err_set(err, TM_NOMEM, "%s", f->name);
    *c = (struct cursor){.f = f, .arena = arena, .err = err};
    enum tm_status s = take_counts(c, &g);
    for (size_t i = 0; s == TM_OK && i < g.n_values; i++)
        s = take_value(c, &g.values[i]);
    for (size_t i = 0; s == TM_OK && i < g.n_tensors; i++)
        s = take_tensor(c, &g.tensors[i]);
    if (s == TM_OK)
        s = place_tensors(c, &g);
    if (s == TM_OK)
        *ret_gguf = g;
    return s;
}

enum tm_status gguf_said(const struct tensor_file *f, tm_said_fn *visit, void *arg,
                         struct tm_err *err)
{
    struct gguf g = {NULL};
    TM_CLEANUP(tm_arena_destroyp) struct tm_arena *arena = tm_arena_create(ARENA_MOST);
    struct cursor *c = arena != NULL ? tm_arena_alloc(arena, sizeof *c) : NULL;
    if (c == NULL)
        return tm_err_set(err, TM_NOMEM, "%s", f->name);
    *c = (struct cursor){.f = f, .arena = arena, .visit = visit, .arg = arg, .err = err};
    enum tm_status s = take_counts(c, &g);
    for (size_t i = 0; s == TM_OK && i < g.n_values; i++)
        s = take_value(c, &g.values[i]);
    tm_buf_finish(&c->text);
    return s;
}
