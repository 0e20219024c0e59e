/* pytorch_model.bin: what torch.save makes of a dictionary of tensors.
 *
 * Called by tensors.c when a set is opened. Since PyTorch 1.6 the file is a ZIP archive: a pickle
 * (data.pkl) that names storages, and one stored entry per storage. Before, it was a row of pickles
 * (magic number, version, facts of the machine, the dictionary, the storages' keys) with the
 * storages behind them, each after its number of elements. pickle.c reads pickles without running
 * anything; torch/serialization.py is the description of both files. */
#include "bytes.h"
#include "pickle.h"
#include "tensor_file.h"
#include "zip.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PICKLE_MOST = 64 << 20, ARENA_MOST = 512 << 20, NAME_ROOM = 1024 };

struct storage {
    const char *key;
    int32_t size; /* of an element */
    uint64_t at, bytes;
};

struct reading {
    struct tensor_set *set;
    int32_t file;
    struct tm_arena *arena;   /* of the pickles */
    struct zip zip;           /* entries NULL: a file without archive */
    const char *root;         /* of the archive: "archive/" */
    struct storage *storages; /* of a file without archive, in key order */
    size_t n_storages;
};

static const struct tensor_file *file_of(const struct reading *r)
{
    return &r->set->files[r->file];
}

/* ---- tensors ---- */

static int by_key(const void *a, const void *b)
{
    return strcmp(((const struct storage *)a)->key, ((const struct storage *)b)->key);
}

static struct storage *find_key(const struct reading *r, const char *text)
{
    struct storage key = {.key = text};
    return bsearch(&key, r->storages, r->n_storages, sizeof key, by_key);
}

/* Where the bytes of a storage lie. */
static enum tm_status find_storage(const struct reading *r, const struct pickle_value *v,
                                   uint64_t *ret_at, struct tm_err *err)
{
    const struct tensor_file *f = file_of(r);
    uint64_t needs = (uint64_t)v->storage.elements * (uint64_t)v->storage.type->bytes, has = 0;
    char name[NAME_ROOM];
    if (r->zip.entries == NULL) {
        const struct storage *s = find_key(r, v->storage.key);
        has = s != NULL ? s->bytes : 0;
        *ret_at = s != NULL ? s->at : 0;
    } else {
        if ((size_t)snprintf(name, sizeof name, "%sdata/%s", r->root, v->storage.key) >=
            sizeof name)
            return tm_err_set(err, TM_MODEL, "%s: the name of a storage is too long", f->name);
        const struct zip_entry *e = zip_find(&r->zip, name);
        enum tm_status s = e != NULL ? zip_place(f, e, ret_at, err) : TM_OK;
        if (s != TM_OK)
            return s;
        has = e != NULL ? e->size : 0;
    }
    if (has < needs)
        return tm_err_set(err, TM_MODEL, "%s: storage %s has %llu bytes, %llu are needed", f->name,
                          v->storage.key, (unsigned long long)has, (unsigned long long)needs);
    return TM_OK;
}

/* Does the stride say no more than that rows follow one another? */
static bool in_rows(const struct pickle_tensor *p)
{
    int64_t step = 1;
    for (int32_t i = p->rank - 1; i >= 0; i--) {
        if (p->shape[i] != 1 && p->stride[i] != step)
            return false;
        step *= p->shape[i];
    }
    return true;
}

static enum tm_status add_tensor(const struct reading *r, const struct pickle_value *key,
                                 const struct pickle_value *value, struct tm_err *err)
{
    const struct tensor_file *f = file_of(r);
    if (key->kind != PICKLE_STRING || strlen(key->string.text) != key->string.len ||
        tm_utf8_valid(key->string.text, key->string.len) != key->string.len)
        return tm_err_set(err, TM_MODEL, "%s: the name of a tensor is no text", f->name);
    if (value->kind != PICKLE_TENSOR)
        return tm_err_set(err, TM_MODEL, "%s: %s is no tensor: not a dictionary of weights",
                          f->name, key->string.text);
    const struct pickle_tensor *p = value->tensor;
    const struct pickle_symbol *type = p->storage->storage.type;
    uint64_t at = 0;
    enum tm_status s = find_storage(r, p->storage, &at, err);
    if (s != TM_OK)
        return s;
    struct tensor t = {.name = tm_arena_strdup(r->set->arena, key->string.text),
                       .dtype = type->dtype,
                       .type = type->type,
                       .rank = p->rank,
                       .file = r->file,
                       .begin = at + (uint64_t)p->offset * (uint64_t)type->bytes,
                       .bytes = (uint64_t)(p->storage->storage.elements - p->offset) *
                                (uint64_t)type->bytes,
                       .layout = in_rows(p) ? LAYOUT_ROWS : LAYOUT_STRIDED};
    if (t.name == NULL)
        return tm_err_set(err, TM_NOMEM, "%s: names of tensors", f->name);
    memcpy(t.shape, p->shape, sizeof t.shape);
    memcpy(t.stride, p->stride, sizeof t.stride);
    if (t.layout == LAYOUT_ROWS)
        t.bytes = (uint64_t)tensor_elements(&t) * (uint64_t)type->bytes;
    return tensors_add(r->set, &t, err);
}

static enum tm_status add_tensors(const struct reading *r, const struct pickle_value *dict,
                                  struct tm_err *err)
{
    if (dict->kind != PICKLE_DICT)
        return tm_err_set(err, TM_MODEL, "%s: holds no dictionary of tensors", file_of(r)->name);
    enum tm_status s = TM_OK;
    for (size_t i = 0; s == TM_OK && i + 1 < dict->list.n; i += 2)
        s = add_tensor(r, dict->list.item[i], dict->list.item[i + 1], err);
    return s;
}

/* ---- archives ---- */

/* The one entry NAME/data.pkl tells the root that the others are under. */
static const struct zip_entry *find_pickle(struct reading *r)
{
    static const char suffix[] = "/data.pkl";
    for (size_t i = 0; i < r->zip.n; i++) {
        const char *name = r->zip.entries[i].name;
        size_t n = strlen(name), end = sizeof suffix - 1;
        if (n > end && strcmp(name + n - end, suffix) == 0) {
            r->root = tm_arena_strndup(r->arena, name, n - end + 1);
            return &r->zip.entries[i];
        }
    }
    return NULL;
}

static enum tm_status check_byte_order(const struct reading *r, struct tm_err *err)
{
    char name[NAME_ROOM];
    TM_CLEANUP(tm_buf_finish) struct tm_buf text = {0};
    snprintf(name, sizeof name, "%sbyteorder", r->root);
    const struct zip_entry *e = zip_find(&r->zip, name);
    if (e == NULL) /* older files do not say, and are little-endian */
        return TM_OK;
    enum tm_status s = zip_load(file_of(r), e, NAME_ROOM, &text, err);
    if (s == TM_OK && strcmp(text.data, "little") != 0)
        s = tm_err_set(err, TM_UNSUPPORTED, "%s: byte order %.16s", file_of(r)->name, text.data);
    return s;
}

static enum tm_status read_archive(struct reading *r, struct tm_err *err)
{
    const struct tensor_file *f = file_of(r);
    const struct pickle_value *dict;
    size_t used;
    TM_CLEANUP(tm_buf_finish) struct tm_buf text = {0};
    enum tm_status s = zip_read(f, r->arena, &r->zip, err);
    if (s != TM_OK)
        return s;
    const struct zip_entry *e = find_pickle(r);
    if (e == NULL)
        return tm_err_set(err, TM_MODEL, "%s: no data.pkl in the archive", f->name);
    if (r->root == NULL)
        return tm_err_set(err, TM_NOMEM, "%s", f->name);
    s = check_byte_order(r, err);
    if (s == TM_OK)
        s = zip_load(f, e, PICKLE_MOST, &text, err);
    if (s == TM_OK)
        s = pickle_read(f->name, (const uint8_t *)text.data, text.len, r->arena, &dict, &used, err);
    return s == TM_OK ? add_tensors(r, dict, err) : s;
}

/* ---- files without archive ---- */

static const char magic[] = "\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";

enum legacy_part { PART_MAGIC, PART_VERSION, PART_MACHINE, PART_DICT, PART_KEYS, PART_COUNT };

static enum tm_status check_parts(const struct tensor_file *f,
                                  const struct pickle_value *const part[PART_COUNT],
                                  struct tm_err *err)
{
    const struct pickle_value *m = part[PART_MACHINE];
    if (part[PART_MAGIC]->kind != PICKLE_LONG || part[PART_MAGIC]->string.len != sizeof magic - 1 ||
        memcmp(part[PART_MAGIC]->string.text, magic, sizeof magic - 1) != 0 ||
        part[PART_VERSION]->kind != PICKLE_INT || m->kind != PICKLE_DICT ||
        part[PART_KEYS]->kind != PICKLE_LIST)
        return tm_err_set(err, TM_MODEL, "%s: not a file that torch.save wrote", f->name);
    if (part[PART_VERSION]->integer != 1001)
        return tm_err_set(err, TM_UNSUPPORTED, "%s: version %lld of the format", f->name,
                          (long long)part[PART_VERSION]->integer);
    for (size_t i = 0; i + 1 < m->list.n; i += 2) {
        const struct pickle_value *key = m->list.item[i], *value = m->list.item[i + 1];
        if (key->kind == PICKLE_STRING && strcmp(key->string.text, "little_endian") == 0 &&
            (value->kind != PICKLE_BOOL || value->integer != 1))
            return tm_err_set(err, TM_UNSUPPORTED, "%s: written on a big-endian machine", f->name);
    }
    return TM_OK;
}

/* Types of storages are said where tensors use them: one entry for each that is used. */
static enum tm_status list_storages(struct reading *r, const struct pickle_value *dict,
                                    struct tm_err *err)
{
    size_t most = dict->kind == PICKLE_DICT ? dict->list.n / 2 : 0, n = 0;
    struct storage *list = tm_arena_array(r->arena, most + 1, sizeof *list);
    if (list == NULL)
        return tm_err_set(err, TM_NOMEM, "%s: storages", file_of(r)->name);
    for (size_t i = 0; i < most; i++) {
        const struct pickle_value *v = dict->list.item[2 * i + 1];
        if (v->kind == PICKLE_TENSOR)
            list[n++] = (struct storage){.key = v->tensor->storage->storage.key,
                                         .size = v->tensor->storage->storage.type->bytes};
    }
    qsort(list, n, sizeof *list, by_key);
    r->storages = list;
    for (size_t i = 0; i < n; i++)
        if (i == 0 || strcmp(list[i].key, list[r->n_storages - 1].key) != 0)
            list[r->n_storages++] = list[i];
    return TM_OK;
}

/* at: where the storages begin, in the order of the keys. Each is its number of elements in eight
 * bytes, then those. */
static enum tm_status place_storages(const struct reading *r, const struct pickle_value *keys,
                                     uint64_t at, struct tm_err *err)
{
    const struct tensor_file *f = file_of(r);
    for (size_t i = 0; i < keys->list.n; i++) {
        const struct pickle_value *key = keys->list.item[i];
        struct storage *s = key->kind == PICKLE_STRING ? find_key(r, key->string.text) : NULL;
        uint8_t word[8];
        if (s == NULL)
            return tm_err_set(err, TM_MODEL, "%s: storage %zu belongs to no tensor", f->name, i);
        if (at > f->size || f->size - at < sizeof word)
            return tm_err_set(err, TM_MODEL, "%s: storage %s is missing (truncated?)", f->name,
                              s->key);
        enum tm_status status = tensor_read_bytes(f, at, word, sizeof word, err);
        if (status != TM_OK)
            return status;
        uint64_t elements = le64(word), left = f->size - at - sizeof word;
        if (elements > left / (uint64_t)s->size)
            return tm_err_set(err, TM_MODEL,
                              "%s: storage %s of %llu elements ends beyond the file (truncated?)",
                              f->name, s->key, (unsigned long long)elements);
        s->at = at + sizeof word;
        s->bytes = elements * (uint64_t)s->size;
        at = s->at + s->bytes;
    }
    return TM_OK;
}

static enum tm_status read_legacy(struct reading *r, struct tm_err *err)
{
    const struct tensor_file *f = file_of(r);
    const struct pickle_value *part[PART_COUNT];
    size_t n = (size_t)TM_MIN(f->size, (uint64_t)PICKLE_MOST), at = 0;
    TM_CLEANUP(tm_buf_finish) struct tm_buf text = {0};
    if (!tm_buf_reserve(&text, n + 1))
        return tm_err_set(err, TM_NOMEM, "%s", f->name);
    enum tm_status s = tensor_read_bytes(f, 0, text.data, n, err);
    for (int i = 0; s == TM_OK && i < PART_COUNT; i++) {
        size_t used = 0;
        s = pickle_read(f->name, (const uint8_t *)text.data + at, n - at, r->arena, &part[i], &used,
                        err);
        at += used;
    }
    if (s == TM_OK)
        s = check_parts(f, part, err);
    if (s == TM_OK)
        s = list_storages(r, part[PART_DICT], err);
    if (s == TM_OK)
        s = place_storages(r, part[PART_KEYS], at, err);
    return s == TM_OK ? add_tensors(r, part[PART_DICT], err) : s;
}

enum tm_status pytorch_directory(struct tensor_set *set, int32_t file, struct tm_err *err)
{
    struct tensor_file *f = &set->files[file];
    uint8_t first[2] = {0};
    TM_CLEANUP(tm_arena_destroyp) struct tm_arena *arena = tm_arena_create(ARENA_MOST);
    struct reading r = {.set = set, .file = file, .arena = arena};
    if (arena == NULL)
        return tm_err_set(err, TM_NOMEM, "%s", f->name);
    if (f->size < sizeof first)
        return tm_err_set(err, TM_MODEL, "%s: %llu bytes are too short", f->name,
                          (unsigned long long)f->size);
    enum tm_status s = tensor_read_bytes(f, 0, first, sizeof first, err);
    if (s != TM_OK)
        return s;
    return memcmp(first, "PK", 2) == 0 ? read_archive(&r, err) : read_legacy(&r, err);
}
