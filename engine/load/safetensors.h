/* safetensors files: headers checked to the last byte, tensors read on demand.
 *
 * A set is one file or the shards that an index names. Nothing is mapped: a tensor is read with
 * pread, so that a file shortened meanwhile is an error and not a signal. */
#ifndef ENGINE_SAFETENSORS_H
#define ENGINE_SAFETENSORS_H

#include "tm_base.h"

enum { ST_RANK = 8 }; /* most dimensions of a tensor */

enum st_type { /* what can be read as float32; everything else is known by size only */
               ST_OTHER,
               ST_F32,
               ST_F16,
               ST_BF16,
};

struct st_tensor {
    const char *name;
    const char *dtype; /* as the file says: "F32" */
    enum st_type type;
    int32_t rank;
    int64_t shape[ST_RANK];
    uint64_t begin, bytes; /* in the data part of its file */
    int32_t file;
};

struct st_set;

/* folder/stem.safetensors, or the shards of folder/stem.safetensors.index.json. */
enum tm_status st_open(const char *folder, const char *stem, struct st_set **ret_set,
                       struct tm_err *err);
void st_close(struct st_set *set); /* NULL is fine */
void st_closep(struct st_set **set);
size_t st_count(const struct st_set *set);
const struct st_tensor *st_at(const struct st_set *set, size_t i);           /* in name order */
const struct st_tensor *st_find(const struct st_set *set, const char *name); /* NULL: not there */
/* Elements first … first + count - 1 as float32. TM_MODEL when the dtype is no float that is read
 * or the file has become shorter. */
enum tm_status st_read(const struct st_set *set, const struct st_tensor *t, int64_t first,
                       int64_t count, float *out, struct tm_err *err);

#endif
