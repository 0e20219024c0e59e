/* The header of a safetensors file: eight bytes of length, JSON, then the tensors' bytes.
 *
 * Called by tensors.c when a set is opened. Nothing in a header is believed: sizes are products
 * checked for overflow, and the tensors must tile the data without hole, overlap or rest. */
#include "bytes.h"
#include "tensor_file.h"

#include <stdlib.h>
#include <string.h>

enum { HEADER_MOST = 100000000 };

/* Sizes in bits; sub-byte tensors must end on a byte. */
static const struct {
    const char *name;
    enum tensor_type type;
    uint64_t bits;
} dtypes[] = {
    {"F32", TENSOR_F32, 32},          {"F16", TENSOR_F16, 16},
    {"BF16", TENSOR_BF16, 16},        {"BOOL", TENSOR_OTHER, 8},
    {"U8", TENSOR_OTHER, 8},          {"I8", TENSOR_OTHER, 8},
    {"U16", TENSOR_OTHER, 16},        {"I16", TENSOR_OTHER, 16},
    {"U32", TENSOR_OTHER, 32},        {"I32", TENSOR_OTHER, 32},
    {"U64", TENSOR_OTHER, 64},        {"I64", TENSOR_OTHER, 64},
    {"F64", TENSOR_OTHER, 64},        {"C64", TENSOR_OTHER, 64},
    {"F8_E4M3", TENSOR_OTHER, 8},     {"F8_E5M2", TENSOR_OTHER, 8},
    {"F8_E8M0", TENSOR_OTHER, 8},     {"F8_E4M3FNUZ", TENSOR_OTHER, 8},
    {"F8_E5M2FNUZ", TENSOR_OTHER, 8}, {"F6_E2M3", TENSOR_OTHER, 6},
    {"F6_E3M2", TENSOR_OTHER, 6},     {"F4", TENSOR_OTHER, 4},
};

struct entry { /* one tensor while it is being read */
    struct tensor t;
    int64_t begin, end;
    uint64_t bits; /* of an element */
    bool dtype, shape, offsets;
};

static enum tm_status read_dtype(struct tm_json *j, struct entry *e, struct tm_err *err)
{
    const char *text;
    size_t len;
    enum tm_status s = tm_json_string(j, &text, &len, err);
    if (s != TM_OK)
        return s;
    for (size_t i = 0; i < TM_COUNTOF(dtypes); i++) {
        if (strcmp(dtypes[i].name, text) == 0) {
            e->t.dtype = dtypes[i].name;
            e->t.type = dtypes[i].type;
            e->bits = dtypes[i].bits;
            e->dtype = true;
            return TM_OK;
        }
    }
    return tm_json_fail(j, TM_MODEL, err, "tensor %s: unknown dtype %s", e->t.name, text);
}

/* An array of at most `most` integers that are not negative. */
static enum tm_status read_integers(struct tm_json *j, const struct entry *e, const char *key,
                                    int64_t *out, int32_t most, int32_t *ret_n, struct tm_err *err)
{
    struct tm_json_event ev;
    int32_t n = 0;
    enum tm_status s = tm_json_next(j, &ev, err);
    if (s == TM_OK && ev.type != TM_JSON_ARRAY)
        return tm_json_fail(j, TM_MODEL, err, "tensor %s: %s is not an array", e->t.name, key);
    while (s == TM_OK && (s = tm_json_next(j, &ev, err)) == TM_OK && ev.type != TM_JSON_ARRAY_END) {
        if (n == most)
            return tm_json_fail(j, TM_MODEL, err, "tensor %s: more than %d numbers in %s",
                                e->t.name, most, key);
        if (ev.type != TM_JSON_NUMBER || !tm_json_number_i64(ev.text, ev.len, &out[n]) ||
            out[n] < 0)
            return tm_json_fail(j, TM_MODEL, err, "tensor %s: %s holds something that is no size",
                                e->t.name, key);
        n++;
    }
    *ret_n = n;
    return s;
}

static enum tm_status read_key(struct tm_json *j, const char *key, struct entry *e,
                               struct tm_err *err)
{
    int64_t offsets[2];
    int32_t n = 0;
    if (strcmp(key, "dtype") == 0 && !e->dtype)
        return read_dtype(j, e, err);
    if (strcmp(key, "shape") == 0 && !e->shape) {
        e->shape = true;
        return read_integers(j, e, "shape", e->t.shape, TENSOR_RANK, &e->t.rank, err);
    }
    if (strcmp(key, "data_offsets") != 0 || e->offsets)
        return tm_json_fail(j, TM_MODEL, err, "tensor %s: key %s is unknown or there twice",
                            e->t.name, key);
    enum tm_status s = read_integers(j, e, "data_offsets", offsets, 2, &n, err);
    if (s == TM_OK && (n != 2 || offsets[0] > offsets[1]))
        s = tm_json_fail(j, TM_MODEL, err, "tensor %s: data_offsets are not a range", e->t.name);
    if (s == TM_OK) {
        e->begin = offsets[0];
        e->end = offsets[1];
        e->offsets = true;
    }
    return s;
}

/* The product of the shape must fill the range exactly. */
static enum tm_status check_size(struct tm_json *j, struct entry *e, struct tm_err *err)
{
    uint64_t bits = e->bits;
    if (!e->dtype || !e->shape || !e->offsets)
        return tm_json_fail(j, TM_MODEL, err, "tensor %s: %s is missing", e->t.name,
                            !e->dtype   ? "dtype"
                            : !e->shape ? "shape"
                                        : "data_offsets");
    for (int32_t i = 0; i < e->t.rank; i++)
        if (__builtin_mul_overflow(bits, (uint64_t)e->t.shape[i], &bits))
            return tm_json_fail(j, TM_MODEL, err, "tensor %s: shape overflows", e->t.name);
    e->t.begin = (uint64_t)e->begin;
    e->t.bytes = (uint64_t)(e->end - e->begin);
    if (bits % 8 != 0 || bits / 8 != e->t.bytes)
        return tm_json_fail(j, TM_MODEL, err,
                            "tensor %s: shape and dtype make %llu bits, data_offsets %llu bytes",
                            e->t.name, (unsigned long long)bits, (unsigned long long)e->t.bytes);
    return TM_OK;
}

static enum tm_status read_tensor(struct tensor_set *set, struct tm_json *j, const char *name,
                                  size_t len, int32_t file, struct tm_err *err)
{
    struct tm_json_event ev;
    if (strlen(name) != len)
        return tm_json_fail(j, TM_MODEL, err, "the name of a tensor holds U+0000");
    struct entry e = {.t = {.name = tm_arena_strdup(set->arena, name), .file = file}};
    if (e.t.name == NULL)
        return tm_err_set(err, TM_NOMEM, "names of tensors");
    enum tm_status s = tm_json_next(j, &ev, err);
    if (s == TM_OK && ev.type != TM_JSON_OBJECT)
        s = tm_json_fail(j, TM_MODEL, err, "tensor %s is not an object", e.t.name);
    while (s == TM_OK && (s = tm_json_next(j, &ev, err)) == TM_OK && ev.type == TM_JSON_KEY)
        s = read_key(j, ev.text, &e, err);
    if (s == TM_OK)
        s = check_size(j, &e, err);
    return s == TM_OK ? tensors_add(set, &e.t, err) : s;
}

/* A map of strings to strings, not otherwise looked at. */
static enum tm_status read_metadata(struct tm_json *j, struct tm_err *err)
{
    struct tm_json_event ev;
    const char *text;
    size_t len;
    enum tm_status s = tm_json_next(j, &ev, err);
    if (s == TM_OK && ev.type != TM_JSON_OBJECT)
        s = tm_json_fail(j, TM_MODEL, err, "__metadata__ is not an object");
    while (s == TM_OK && (s = tm_json_next(j, &ev, err)) == TM_OK && ev.type == TM_JSON_KEY)
        s = tm_json_string(j, &text, &len, err);
    return s;
}

static int by_place(const void *a, const void *b)
{
    const struct tensor *x = a, *y = b;
    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    return x->bytes < y->bytes ? -1 : x->bytes > y->bytes; /* empty ones first */
}

/* tensors: those of this file, whose offsets count from its data on until here. */
static enum tm_status check_tiling(const struct tensor_file *f, uint64_t data,
                                   struct tensor *tensors, size_t n, struct tm_err *err)
{
    uint64_t at = 0, size = f->size - data;
    if (n > 0)
        qsort(tensors, n, sizeof *tensors, by_place);
    for (size_t i = 0; i < n; i++) {
        if (tensors[i].begin != at)
            return tm_err_set(err, TM_MODEL, "%s: tensor %s %s at byte %llu of the data", f->name,
                              tensors[i].name,
                              tensors[i].begin < at ? "overlaps the one before" : "leaves a hole",
                              (unsigned long long)TM_MIN(at, tensors[i].begin));
        tensors[i].begin += data;
        at += tensors[i].bytes;
    }
    if (at != size)
        return tm_err_set(err, TM_MODEL, "%s: holds %llu bytes of data, its header says %llu%s",
                          f->name, (unsigned long long)size, (unsigned long long)at,
                          size < at ? " (truncated?)" : "");
    return TM_OK;
}

static enum tm_status parse(struct tensor_set *set, int32_t file, const char *text, size_t len,
                            struct tm_err *err)
{
    struct tm_json_event ev;
    TM_CLEANUP(tm_json_finish) struct tm_json j;
    TM_CLEANUP(tm_buf_finish) struct tm_buf key = {0};
    tm_json_init(&j, set->files[file].name, text, len);
    enum tm_status s = tm_json_next(&j, &ev, err); /* an object: its first byte was looked at */
    while (s == TM_OK && (s = tm_json_next(&j, &ev, err)) == TM_OK && ev.type == TM_JSON_KEY) {
        tm_buf_clear(&key); /* the event's text lives until the next one */
        if (!tm_buf_append(&key, ev.text, ev.len))
            return tm_err_set(err, TM_NOMEM, "name of a tensor");
        s = strcmp(key.data, "__metadata__") == 0
                ? read_metadata(&j, err)
                : read_tensor(set, &j, key.data, key.len, file, err);
    }
    return s == TM_OK ? tm_json_next(&j, &ev, err) : s; /* nothing may follow */
}

enum tm_status safetensors_directory(struct tensor_set *set, int32_t file, struct tm_err *err)
{
    struct tensor_file *f = &set->files[file];
    uint8_t word[8];
    uint64_t len = 0;
    if (f->size < sizeof word)
        return tm_err_set(err, TM_MODEL, "%s: %llu bytes are too short for a header", f->name,
                          (unsigned long long)f->size);
    enum tm_status s = tensor_read_bytes(f, 0, word, sizeof word, err);
    if (s != TM_OK)
        return s;
    len = le64(word);
    if (len > HEADER_MOST)
        return tm_err_set(err, TM_MODEL, "%s: header of %llu bytes, more than %d are not allowed",
                          f->name, (unsigned long long)len, HEADER_MOST);
    if (len < 2 || len > f->size - sizeof word)
        return tm_err_set(err, TM_MODEL, "%s: header of %llu bytes in a file of %llu%s", f->name,
                          (unsigned long long)len, (unsigned long long)f->size,
                          len < 2 ? "" : " (truncated?)");
    TM_CLEANUP(tm_buf_finish) struct tm_buf text = {0};
    if (!tm_buf_reserve(&text, len))
        return tm_err_set(err, TM_NOMEM, "%s: header", f->name);
    s = tensor_read_bytes(f, sizeof word, text.data, len, err);
    if (s != TM_OK)
        return s;
    if (text.data[0] != '{')
        return tm_err_set(err, TM_MODEL, "%s: the header does not begin with {", f->name);
    size_t first = set->n;
    s = parse(set, file, text.data, len, err);
    return s != TM_OK
               ? s
               : check_tiling(f, sizeof word + len, set->tensors + first, set->n - first, err);
}
