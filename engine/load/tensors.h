/* The named tensors of a model's files, whatever their format, read on demand as float32.
 *
 * A set is one file or the shards that an index names. tensors.c has the table of formats; each
 * format reads its own directory and leaves `struct tensor`s, tensor_read.c reads their values.
 * Nothing is mapped: values are read with pread, so that a file shortened meanwhile is an error and
 * not a signal. */
#ifndef ENGINE_TENSORS_H
#define ENGINE_TENSORS_H

#include "tm_weights.h"

enum { TENSOR_RANK = 8 }; /* most dimensions */

enum tensor_type { /* what can be read as float32; everything else is known by size only */
                   TENSOR_OTHER,
                   TENSOR_F32,
                   TENSOR_F16,
                   TENSOR_BF16,
                   TENSOR_Q8_0, /* ggml's blocks: a row is a whole number of them */
                   TENSOR_Q4_0,
                   TENSOR_Q4_K,
                   TENSOR_Q6_K,
                   TENSOR_TYPES
};

enum tensor_layout {                 /* where the elements of a tensor lie */
                     LAYOUT_ROWS,    /* row by row, as everywhere in Hugging Face's files */
                     LAYOUT_STRIDED, /* as stride says */
                     LAYOUT_ROTARY,  /* rows of each head interleaved, as llama.cpp turns them */
};

struct tensor {
    const char *name;
    const char *dtype; /* as the file says: "F32" */
    enum tensor_type type;
    int32_t rank;
    int64_t shape[TENSOR_RANK];
    int32_t file;
    uint64_t begin, bytes; /* in its file */
    enum tensor_layout layout;
    int64_t stride[TENSOR_RANK]; /* in elements */
    int32_t heads;               /* of LAYOUT_ROTARY; divides the rows into even heads */
    int64_t zeros;               /* elements at the end that are zero and not in the file */
    float add;                   /* to every value that is in the file */
};

struct tensor_set;

/* The weights that lie in a folder under a stem ("model", "adapter_model"), in the first format of
 * the table that has a file there. TM_NOTFOUND when none has. */
enum tm_status tensors_open(const char *folder, const char *stem, struct tensor_set **ret_set,
                            struct tm_err *err);
void tensors_close(struct tensor_set *set); /* NULL is fine */
void tensors_closep(struct tensor_set **set);
const char *tensors_format(const struct tensor_set *set); /* "safetensors" */
size_t tensors_count(const struct tensor_set *set);
const struct tensor *tensors_at(const struct tensor_set *set, size_t i); /* in name order */
/* NULL: not there. */
const struct tensor *tensors_find(const struct tensor_set *set, const char *name);
/* The name of the file it lies in, without the folder. */
const char *tensors_file(const struct tensor_set *set, const struct tensor *t);
int64_t tensor_elements(const struct tensor *t);
const char *tensor_type_name(enum tensor_type type); /* "Q4_K" */
/* Elements first … first + count - 1, row by row, as float32. TM_UNSUPPORTED when the dtype is none
 * that is read, TM_MODEL when the file has become shorter. */
enum tm_status tensors_read(const struct tensor_set *set, const struct tensor *t, int64_t first,
                            int64_t count, float *out, struct tm_err *err);
/* What the weights' file says beside its tensors. TM_NOTFOUND when its format says nothing. */
enum tm_status tensors_said(const struct tensor_set *set, tm_said_fn *visit, void *arg,
                            struct tm_err *err);
/* A config.json made of what the weights of a folder say of themselves. TM_NOTFOUND when their
 * format says nothing. */
enum tm_status tensors_config(const char *folder, struct tm_buf *json, struct tm_err *err);

#endif
