/* Between safetensors.c and st_header.c. */
#ifndef ENGINE_ST_HEADER_H
#define ENGINE_ST_HEADER_H

#include "safetensors.h"

enum { ST_FILES = 1024, ST_HEADER_MOST = 100000000 };

struct st_file {
    int fd;
    const char *name;    /* without the folder */
    uint64_t size, data; /* data: where the tensors' bytes begin */
};

struct st_set {
    struct tm_arena *arena; /* names */
    struct st_file files[ST_FILES];
    int32_t n_files;
    struct st_tensor *tensors;
    size_t n, room;
};

/* Reads the header of one file, checks every bound, adds its tensors to the set. */
enum tm_status st_header_read(struct st_set *set, int32_t file, struct tm_err *err);
enum tm_status st_read_bytes(const struct st_file *f, uint64_t at, void *out, size_t n,
                             struct tm_err *err);

#endif
