/* The stored weights of a model folder, looked through without opening the model. */
#ifndef TM_WEIGHTS_H
#define TM_WEIGHTS_H

#include "tm_base.h"

/* Where a model's own files lie, tokenizer and config.json too: in the folder, or in one within it
 * that modules.json names for the Transformer, as sentence-transformers saved them before 2.0. */
enum tm_status tm_weights_folder(const char *folder, char *out, size_t out_size,
                                 struct tm_err *err);

struct tm_stored { /* one tensor; valid during the call */
    const char *format, *file, *name, *dtype;
    int64_t elements;
    bool read; /* the dtype is one whose values can be read */
};

/* values: elements first … first + n - 1 as float32; n is 0, once, where they are not read.
 * false ends the walk with TM_CANCELLED. */
typedef bool tm_stored_fn(void *arg, const struct tm_stored *t, int64_t first, const float *values,
                          size_t n);
/* Every tensor of the folder's weights in name order, an adapter's as well, in blocks. TM_NOTFOUND
 * when there are none. */
enum tm_status tm_weights_visit(const char *folder, tm_stored_fn *visit, void *arg,
                                struct tm_err *err);
/* The same by the files' directories alone, without a value: n is 0. */
enum tm_status tm_weights_list(const char *folder, tm_stored_fn *visit, void *arg,
                               struct tm_err *err);

/* What a GGUF file says beside its tensors: one number or text; of an array element `index` of n.
 */
struct tm_said {
    const char *key;
    uint64_t index, n; /* of a value that is no array 0 and 1 */
    const char *text;  /* len bytes, and a NUL; NULL: it is a number */
    size_t len;
    double number;
};

/* false ends the walk with TM_CANCELLED. */
typedef bool tm_said_fn(void *arg, const struct tm_said *said);
/* Every value in the file's order, for the tokenizer that such a file carries. Arrays within arrays
 * are passed over. TM_NOTFOUND when the folder's weights are in another format. */
enum tm_status tm_weights_said(const char *folder, tm_said_fn *visit, void *arg,
                               struct tm_err *err);

#endif
