/* The directory of a ZIP archive with stored entries: what torch.save and numpy.savez write. */
#ifndef ENGINE_ZIP_H
#define ENGINE_ZIP_H

#include "tensor_file.h"

struct zip_entry {
    const char *name;
    uint64_t header; /* where its local header begins */
    uint64_t size;
    uint16_t method, flags;
};

struct zip {
    struct zip_entry *entries; /* in name order */
    size_t n;
};

/* Reads the central directory, ZIP64 too (APPNOTE 6.3, sections 4.3.12 to 4.3.16). Everything lies
 * in the arena. */
enum tm_status zip_read(const struct tensor_file *f, struct tm_arena *arena, struct zip *ret_zip,
                        struct tm_err *err);
const struct zip_entry *zip_find(const struct zip *z, const char *name); /* NULL: not there */
/* Where the bytes of an entry begin. TM_UNSUPPORTED when they are compressed or encrypted. */
enum tm_status zip_place(const struct tensor_file *f, const struct zip_entry *e, uint64_t *ret_at,
                         struct tm_err *err);
/* The whole entry, at most cap bytes; appends to b. */
enum tm_status zip_load(const struct tensor_file *f, const struct zip_entry *e, size_t cap,
                        struct tm_buf *b, struct tm_err *err);

#endif
