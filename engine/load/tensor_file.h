/* Between tensors.c, tensor_read.c and the formats. */
#ifndef ENGINE_TENSOR_FILE_H
#define ENGINE_TENSOR_FILE_H

#include "tensors.h"

enum { TENSOR_FILES = 1024 };

struct tensor_file {
    int fd;
    const char *name; /* without the folder */
    uint64_t size;
};

struct format;

struct tensor_set {
    struct tm_arena *arena;      /* names */
    const struct format *format; /* row of tensors.c */
    struct tensor_file files[TENSOR_FILES];
    int32_t n_files;
    struct tensor *tensors;
    size_t n, room;
};

/* Reads and checks the directory of a file that has been opened, adds its tensors to the set. */
typedef enum tm_status tensor_directory_fn(struct tensor_set *set, int32_t file,
                                           struct tm_err *err);
tensor_directory_fn safetensors_directory, pytorch_directory, gguf_directory, marian_directory;

/* What a format that carries its own configuration says, as a config.json; appends to json. */
typedef enum tm_status tensor_config_fn(const struct tensor_set *set, const char *folder,
                                        struct tm_buf *json, struct tm_err *err);
tensor_config_fn gguf_config, marian_config;
/* Everything else that such a format says. */
typedef enum tm_status tensor_said_fn(const struct tensor_file *f, tm_said_fn *visit, void *arg,
                                      struct tm_err *err);
tensor_said_fn gguf_said;

/* *t is copied. */
enum tm_status tensors_add(struct tensor_set *set, const struct tensor *t, struct tm_err *err);
enum tm_status tensor_read_bytes(const struct tensor_file *f, uint64_t at, void *out, size_t n,
                                 struct tm_err *err);

#endif
