/* Reads directories of ZIP archives. Nothing in them is believed: every offset is checked against
 * the file's size before it is followed.
 *
 * Called by pytorch.c and marian.c while a set is opened. */
#include "zip.h"
#include "bytes.h"

#include <stdlib.h>
#include <string.h>

enum {
    END_BYTES = 22, /* end of central directory, before its comment */
    COMMENT_MOST = 65535,
    LOCATOR_BYTES = 20, /* before the end where there is a ZIP64 end */
    END64_BYTES = 56,
    ENTRY_BYTES = 46, /* in the central directory, before the name */
    LOCAL_BYTES = 30,
    DIRECTORY_MOST = 64 << 20,
    STORED = 0,
    ENCRYPTED = 1,
};

struct directory {
    uint64_t at, bytes, n;
};

static enum tm_status broken(const struct tensor_file *f, struct tm_err *err, const char *what)
{
    return tm_err_set(err, TM_MODEL, "%s: not a whole ZIP archive: %s (truncated?)", f->name, what);
}

/* The ZIP64 end of central directory, where the plain one's fields are too small. */
static enum tm_status find_end64(const struct tensor_file *f, uint64_t end, struct directory *d,
                                 struct tm_err *err)
{
    uint8_t locator[LOCATOR_BYTES], end64[END64_BYTES];
    if (end < sizeof locator)
        return broken(f, err, "no room for the ZIP64 locator");
    enum tm_status s = tensor_read_bytes(f, end - sizeof locator, locator, sizeof locator, err);
    if (s != TM_OK)
        return s;
    uint64_t at = le64(locator + 8);
    if (memcmp(locator, "PK\6\7", 4) != 0 || at > f->size || f->size - at < sizeof end64)
        return broken(f, err, "no ZIP64 locator");
    s = tensor_read_bytes(f, at, end64, sizeof end64, err);
    if (s == TM_OK && memcmp(end64, "PK\6\6", 4) != 0)
        s = broken(f, err, "no ZIP64 end record");
    if (s == TM_OK)
        *d = (struct directory){
            .n = le64(end64 + 32), .bytes = le64(end64 + 40), .at = le64(end64 + 48)};
    return s;
}

/* The end record is the last thing in the file but for a comment, so it is looked for backwards. */
static enum tm_status find_directory(const struct tensor_file *f, struct directory *d,
                                     struct tm_err *err)
{
    size_t n = (size_t)TM_MIN(f->size, (uint64_t)END_BYTES + COMMENT_MOST);
    TM_CLEANUP(tm_buf_finish) struct tm_buf tail = {0};
    if (n < END_BYTES)
        return broken(f, err, "too short");
    if (!tm_buf_reserve(&tail, n))
        return tm_err_set(err, TM_NOMEM, "%s", f->name);
    enum tm_status s = tensor_read_bytes(f, f->size - n, tail.data, n, err);
    if (s != TM_OK)
        return s;
    const uint8_t *p = (const uint8_t *)tail.data;
    size_t at = n - END_BYTES;
    while (memcmp(p + at, "PK\5\6", 4) != 0 || at + END_BYTES + le16(p + at + 20) != n)
        if (at-- == 0)
            return broken(f, err, "no central directory");
    *d = (struct directory){
        .n = le16(p + at + 10), .bytes = le32(p + at + 12), .at = le32(p + at + 16)};
    if (d->n == UINT16_MAX || d->bytes == UINT32_MAX || d->at == UINT32_MAX)
        s = find_end64(f, f->size - n + at, d, err);
    if (s == TM_OK && (d->at > f->size || d->bytes > f->size - d->at))
        s = broken(f, err, "its directory lies outside");
    if (s == TM_OK && d->bytes > DIRECTORY_MOST)
        s = tm_err_set(err, TM_TOOLARGE, "%s: a directory of %llu bytes", f->name,
                       (unsigned long long)d->bytes);
    return s;
}

/* Sizes that do not fit 32 bits are in the extra field with the number 1, in a fixed order. */
static bool read_extra(const uint8_t *extra, size_t n, uint64_t *size, uint64_t *packed,
                       uint64_t *header)
{
    uint64_t *const fields[] = {size, packed, header};
    for (size_t at = 0; at + 4 <= n;) {
        size_t bytes = le16(extra + at + 2), used = 0;
        if (bytes > n - at - 4)
            return false;
        for (size_t i = 0; le16(extra + at) == 1 && i < TM_COUNTOF(fields); i++) {
            if (*fields[i] != UINT32_MAX)
                continue;
            if (used + 8 > bytes)
                return false;
            *fields[i] = le64(extra + at + 4 + used);
            used += 8;
        }
        at += 4 + bytes;
    }
    return true;
}

/* One entry at p of the directory; returns its bytes, 0 when it is broken. */
static size_t read_entry(const uint8_t *p, size_t left, struct tm_arena *arena,
                         struct zip_entry *ret, bool *nomem)
{
    if (left < ENTRY_BYTES || memcmp(p, "PK\1\2", 4) != 0)
        return 0;
    size_t name = le16(p + 28), extra = le16(p + 30), comment = le16(p + 32);
    size_t bytes = ENTRY_BYTES + name + extra + comment;
    uint64_t packed = le32(p + 20), size = le32(p + 24), header = le32(p + 42);
    if (bytes > left || memchr(p + ENTRY_BYTES, '\0', name) != NULL ||
        tm_utf8_valid((const char *)p + ENTRY_BYTES, name) != name ||
        !read_extra(p + ENTRY_BYTES + name, extra, &size, &packed, &header))
        return 0;
    *ret = (struct zip_entry){.name = tm_arena_strndup(arena, (const char *)p + ENTRY_BYTES, name),
                              .header = header,
                              .size = size,
                              .method = le16(p + 10),
                              .flags = le16(p + 8)};
    *nomem = ret->name == NULL;
    return bytes;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct zip_entry *)a)->name, ((const struct zip_entry *)b)->name);
}

enum tm_status zip_read(const struct tensor_file *f, struct tm_arena *arena, struct zip *ret_zip,
                        struct tm_err *err)
{
    struct directory d = {0};
    TM_CLEANUP(tm_buf_finish) struct tm_buf text = {0};
    enum tm_status s = find_directory(f, &d, err);
    if (s != TM_OK)
        return s;
    if (d.n > d.bytes / ENTRY_BYTES)
        return broken(f, err, "more entries than its directory has room for");
    struct zip z = {.entries = tm_arena_array(arena, d.n + 1, sizeof *z.entries)};
    if (z.entries == NULL || !tm_buf_reserve(&text, d.bytes + 1))
        return tm_err_set(err, TM_NOMEM, "%s: directory", f->name);
    s = tensor_read_bytes(f, d.at, text.data, d.bytes, err);
    for (size_t at = 0; s == TM_OK && z.n < d.n; z.n++) {
        bool nomem = false;
        size_t bytes = read_entry((const uint8_t *)text.data + at, d.bytes - at, arena,
                                  &z.entries[z.n], &nomem);
        if (nomem)
            return tm_err_set(err, TM_NOMEM, "%s: directory", f->name);
        if (bytes == 0)
            return tm_err_set(err, TM_MODEL,
                              "%s: entry %zu of the directory, at byte %llu, is broken", f->name,
                              z.n, (unsigned long long)(d.at + at));
        at += bytes;
    }
    if (s != TM_OK)
        return s;
    qsort(z.entries, z.n, sizeof *z.entries, by_name);
    for (size_t i = 1; i < z.n; i++)
        if (strcmp(z.entries[i - 1].name, z.entries[i].name) == 0)
            return tm_err_set(err, TM_MODEL, "%s: two entries are called %s", f->name,
                              z.entries[i].name);
    *ret_zip = z;
    return TM_OK;
}

const struct zip_entry *zip_find(const struct zip *z, const char *name)
{
    struct zip_entry key = {.name = name};
    return bsearch(&key, z->entries, z->n, sizeof *z->entries, by_name);
}

enum tm_status zip_place(const struct tensor_file *f, const struct zip_entry *e, uint64_t *ret_at,
                         struct tm_err *err)
{
    uint8_t local[LOCAL_BYTES];
    if (e->method != STORED || (e->flags & ENCRYPTED) != 0)
        return tm_err_set(err, TM_UNSUPPORTED, "%s: entry %s is %s: only stored entries are read",
                          f->name, e->name, e->method != STORED ? "compressed" : "encrypted");
    if (e->header > f->size || f->size - e->header < sizeof local)
        return broken(f, err, e->name);
    enum tm_status s = tensor_read_bytes(f, e->header, local, sizeof local, err);
    if (s != TM_OK)
        return s;
    uint64_t at = e->header + sizeof local + le16(local + 26) + le16(local + 28);
    if (memcmp(local, "PK\3\4", 4) != 0 || at > f->size || e->size > f->size - at)
        return broken(f, err, e->name);
    *ret_at = at;
    return TM_OK;
}

enum tm_status zip_load(const struct tensor_file *f, const struct zip_entry *e, size_t cap,
                        struct tm_buf *b, struct tm_err *err)
{
    uint64_t at = 0;
    enum tm_status s = zip_place(f, e, &at, err);
    if (s != TM_OK)
        return s;
    if (e->size > cap)
        return tm_err_set(err, TM_TOOLARGE, "%s: entry %s of %llu bytes, at most %zu are read",
                          f->name, e->name, (unsigned long long)e->size, cap);
    if (!tm_buf_reserve(b, e->size + 1))
        return tm_err_set(err, TM_NOMEM, "%s: %s", f->name, e->name);
    s = tensor_read_bytes(f, at, b->data + b->len, e->size, err);
    if (s == TM_OK) {
        b->len += e->size;
        b->data[b->len] = '\0';
    }
    return s;
}
