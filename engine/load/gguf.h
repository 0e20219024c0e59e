/* The header of a GGUF file: its values and the places of its tensors. */
#ifndef ENGINE_GGUF_H
#define ENGINE_GGUF_H

#include "tensor_file.h"

enum gguf_type { /* as numbered in the file */
                 GGUF_U8,
                 GGUF_I8,
                 GGUF_U16,
                 GGUF_I16,
                 GGUF_U32,
                 GGUF_I32,
                 GGUF_F32,
                 GGUF_BOOL,
                 GGUF_STRING,
                 GGUF_ARRAY,
                 GGUF_U64,
                 GGUF_I64,
                 GGUF_F64,
                 GGUF_TYPES
};

struct gguf_value {
    const char *key;
    enum gguf_type type;
    union {
        int64_t integer; /* integers and booleans; what is above INT64_MAX is kept as that */
        double number;
        const char *text;
        uint64_t elements; /* of an array, which is not kept */
    };
};

struct gguf {
    struct gguf_value *values;
    size_t n_values;
    struct tensor *tensors; /* names as in the file; shapes with the slowest dimension first */
    size_t n_tensors;
};

/* Reads and checks the header. Everything lies in the arena. */
enum tm_status gguf_read(const struct tensor_file *f, struct tm_arena *arena, struct gguf *ret_gguf,
                         struct tm_err *err);
const struct gguf_value *gguf_find(const struct gguf *g, const char *key); /* NULL: not there */
const struct tensor *gguf_tensor(const struct gguf *g, const char *name);  /* NULL: not there */

#endif
