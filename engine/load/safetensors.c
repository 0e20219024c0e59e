/* Sets of safetensors files: one file or shards, found by name, read as float32.
 *
 * Used by weights.c while a model is opened, on the opening thread. st_header.c reads and checks
 * the headers; here are files, the index of shards and conversion. */
#include "st_header.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_ROOM = 4096, INDEX_MOST = 64 << 20, BLOCK = 1 << 16 };

void st_close(struct st_set *set)
{
    if (set == NULL)
        return;
    for (int32_t i = 0; i < set->n_files; i++)
        close(set->files[i].fd);
    free(set->tensors);
    tm_arena_destroy(set->arena);
    free(set);
}

void st_closep(struct st_set **set)
{
    st_close(*set);
}

size_t st_count(const struct st_set *set)
{
    return set->n;
}

const struct st_tensor *st_at(const struct st_set *set, size_t i)
{
    return &set->tensors[i];
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct st_tensor *)a)->name, ((const struct st_tensor *)b)->name);
}

const struct st_tensor *st_find(const struct st_set *set, const char *name)
{
    struct st_tensor key = {.name = name};
    return set->n == 0 ? NULL : bsearch(&key, set->tensors, set->n, sizeof *set->tensors, by_name);
}

/* ---- opening ---- */

static enum tm_status add_file(struct st_set *set, const char *folder, const char *name,
                               struct tm_err *err)
{
    char path[PATH_ROOM];
    if ((size_t)snprintf(path, sizeof path, "%s/%s", folder, name) >= sizeof path)
        return tm_err_set(err, TM_TOOLARGE, "%s: path is too long", name);
    if (set->n_files == ST_FILES)
        return tm_err_set(err, TM_TOOLARGE, "more than %d files of weights", ST_FILES);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return tm_err_errno(err, errno, "%s", path);
    struct st_file *f = &set->files[set->n_files];
    *f = (struct st_file){.fd = fd, .name = tm_arena_strdup(set->arena, name)};
    set->n_files++; /* from here on st_close() closes it */
    struct stat st;
    if (f->name == NULL)
        return tm_err_set(err, TM_NOMEM, "%s", name);
    if (fstat(fd, &st) != 0)
        return tm_err_errno(err, errno, "%s", path);
    if (!S_ISREG(st.st_mode))
        return tm_err_set(err, TM_MODEL, "%s: not a regular file", name);
    f->size = (uint64_t)st.st_size;
    return st_header_read(set, set->n_files - 1, err);
}

/* A shard lies beside its index: a name that leads elsewhere is refused. */
static bool is_plain_name(const char *name, size_t len)
{
    return len > 0 && strlen(name) == len && name[0] != '.' && strchr(name, '/') == NULL &&
           strstr(name, "..") == NULL;
}

static enum tm_status add_shard(struct st_set *set, const char *folder, struct tm_json *j,
                                const char *name, size_t len, struct tm_err *err)
{
    if (!is_plain_name(name, len))
        return tm_json_fail(j, TM_MODEL, err, "shard name \"%s\" is not a plain file name", name);
    for (int32_t i = 0; i < set->n_files; i++)
        if (strcmp(set->files[i].name, name) == 0)
            return TM_OK;
    return add_file(set, folder, name, err);
}

/* {"weight_map": {tensor: file}}. total_size and other metadata are not relied on. */
static enum tm_status read_weight_map(struct st_set *set, const char *folder, struct tm_json *j,
                                      struct tm_err *err)
{
    struct tm_json_event ev;
    enum tm_status s = tm_json_next(j, &ev, err);
    if (s == TM_OK && ev.type != TM_JSON_OBJECT)
        s = tm_json_fail(j, TM_MODEL, err, "weight_map is not an object");
    while (s == TM_OK && (s = tm_json_next(j, &ev, err)) == TM_OK && ev.type == TM_JSON_KEY) {
        const char *file;
        size_t len;
        s = tm_json_string(j, &file, &len, err);
        if (s == TM_OK)
            s = add_shard(set, folder, j, file, len, err);
    }
    return s;
}

static enum tm_status read_index(struct st_set *set, const char *folder, const char *name,
                                 const struct tm_buf *text, struct tm_err *err)
{
    struct tm_json_event ev;
    TM_CLEANUP(tm_json_finish) struct tm_json j;
    tm_json_init(&j, name, text->data, text->len);
    enum tm_status s = tm_json_next(&j, &ev, err);
    if (s == TM_OK && ev.type != TM_JSON_OBJECT)
        s = tm_json_fail(&j, TM_MODEL, err, "not an object");
    while (s == TM_OK && (s = tm_json_next(&j, &ev, err)) == TM_OK && ev.type == TM_JSON_KEY)
        s = strcmp(ev.text, "weight_map") == 0 ? read_weight_map(set, folder, &j, err)
                                               : tm_json_skip(&j, err);
    if (s == TM_OK)
        s = tm_json_next(&j, &ev, err); /* nothing may follow */
    if (s == TM_OK && set->n_files == 0)
        s = tm_err_set(err, TM_MODEL, "%s: no weight_map", name);
    return s;
}

static enum tm_status add_shards(struct st_set *set, const char *folder, const char *stem,
                                 struct tm_err *err)
{
    char name[256], path[PATH_ROOM];
    TM_CLEANUP(tm_buf_finish) struct tm_buf text = {0};
    snprintf(name, sizeof name, "%s.safetensors.index.json", stem);
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (access(path, F_OK) != 0)
        return tm_err_set(err, TM_NOTFOUND, "neither %s.safetensors nor %s in %s", stem, name,
                          folder);
    enum tm_status s = tm_read_file(path, INDEX_MOST, &text, err);
    return s != TM_OK ? s : read_index(set, folder, name, &text, err);
}

/* Sorted by name; the same name twice, in one file or two, is an error. */
static enum tm_status sort_names(struct st_set *set, struct tm_err *err)
{
    if (set->n > 0)
        qsort(set->tensors, set->n, sizeof *set->tensors, by_name);
    for (size_t i = 1; i < set->n; i++) {
        const struct st_tensor *a = &set->tensors[i - 1], *b = &set->tensors[i];
        if (strcmp(a->name, b->name) == 0)
            return tm_err_set(err, TM_MODEL, "%s: tensor %s twice%s%s", set->files[a->file].name,
                              a->name, a->file != b->file ? ", again in " : "",
                              a->file != b->file ? set->files[b->file].name : "");
    }
    return TM_OK;
}

enum tm_status st_open(const char *folder, const char *stem, struct st_set **ret_set,
                       struct tm_err *err)
{
    char name[256], path[PATH_ROOM];
    snprintf(name, sizeof name, "%s.safetensors", stem);
    if ((size_t)snprintf(path, sizeof path, "%s/%s", folder, name) >= sizeof path)
        return tm_err_set(err, TM_TOOLARGE, "%s: path is too long", stem);
    TM_CLEANUP(st_closep) struct st_set *set = calloc(1, sizeof *set);
    if (set == NULL || (set->arena = tm_arena_create((size_t)1 << 30)) == NULL)
        return tm_err_set(err, TM_NOMEM, "%s", name);
    enum tm_status s = access(path, F_OK) == 0 ? add_file(set, folder, name, err)
                                               : add_shards(set, folder, stem, err);
    if (s == TM_OK)
        s = sort_names(set, err);
    if (s == TM_OK)
        *ret_set = TM_TAKE(set);
    return s;
}

/* ---- reading ---- */

enum tm_status st_read_bytes(const struct st_file *f, uint64_t at, void *out, size_t n,
                             struct tm_err *err)
{
    for (char *p = out; n > 0;) {
        ssize_t got = pread(f->fd, p, n, (off_t)at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return tm_err_errno(err, errno, "%s", f->name);
        if (got == 0)
            return tm_err_set(err, TM_MODEL, "%s: ends at byte %llu, more was there before",
                              f->name, (unsigned long long)at);
        p += got;
        at += (uint64_t)got;
        n -= (size_t)got;
    }
    return TM_OK;
}

static float from_bits(uint32_t bits)
{
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static float from_f16(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, exp = (h >> 10) & 0x1f, frac = h & 0x3ff;
    if (exp == 0) /* zero and subnormals: frac * 2^-24 */
        return sign != 0 ? -(float)frac * 0x1p-24f : (float)frac * 0x1p-24f;
    if (exp == 31)
        return from_bits(sign | 0x7f800000 | frac << 13);
    return from_bits(sign | (exp + 112) << 23 | frac << 13);
}

static enum tm_status read_halves(const struct st_file *f, enum st_type type, uint64_t at,
                                  int64_t count, float *out, struct tm_err *err)
{
    uint16_t block[BLOCK / 2];
    while (count > 0) {
        int64_t n = TM_MIN(count, (int64_t)TM_COUNTOF(block));
        enum tm_status s = st_read_bytes(f, at, block, (size_t)n * 2, err);
        if (s != TM_OK)
            return s;
        for (int64_t i = 0; i < n; i++)
            out[i] = type == ST_BF16 ? from_bits((uint32_t)block[i] << 16) : from_f16(block[i]);
        out += n;
        at += (uint64_t)n * 2;
        count -= n;
    }
    return TM_OK;
}

enum tm_status st_read(const struct st_set *set, const struct st_tensor *t, int64_t first,
                       int64_t count, float *out, struct tm_err *err)
{
    const struct st_file *f = &set->files[t->file];
    uint64_t size = t->type == ST_F32 ? 4 : 2;
    if (t->type == ST_OTHER)
        return tm_err_set(err, TM_UNSUPPORTED, "%s: tensor %s is %s; F32, F16 and BF16 can be read",
                          f->name, t->name, t->dtype);
    tm_assert(first >= 0 && count >= 0 && (uint64_t)(first + count) * size <= t->bytes);
    uint64_t at = f->data + t->begin + (uint64_t)first * size;
    return t->type == ST_F32 ? st_read_bytes(f, at, out, (size_t)count * 4, err)
                             : read_halves(f, t->type, at, count, out, err);
}
