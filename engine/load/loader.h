/* Between weights.c and rows.c: what is known while a model's tensors are loaded. */
#ifndef ENGINE_LOADER_H
#define ENGINE_LOADER_H

#include "weights.h"

enum { NAME_ROOM = 512 };

struct source {
    const struct tensor_set *set;
    const char *outer; /* what all names begin with */
    bool *used;        /* one a tensor */
};

struct loader {
    const struct weights_source *from;
    struct weights *w;
    struct tm_stream *stream;
    struct source sources[2]; /* the adapter first: its tensors replace the base's */
    int n_sources;
    const char *prefix; /* of names, where the file has it */
    float *host;        /* staging, grows to the largest matrix */
    size_t room;
    int32_t first; /* number of the first layer of the side that is being loaded */
};

/* --- rows.c --- */
/* The rows that belong to a layer, or with layer -1 those of the model as a whole. */
enum tm_status rows_load(struct loader *l, const struct tensor_row *rows, int32_t layer,
                         struct tm_err *err);
/* One matrix of `cols` and its bias (or none), into a slot. */
enum tm_status rows_load_dense(struct loader *l, const char *name, int64_t rows, int64_t cols,
                               bool bias, struct linear *ret, struct tm_err *err);

#endif
