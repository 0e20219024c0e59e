/* The weights of an open model in the backend's memory, by slot and layer. */
#ifndef ENGINE_WEIGHTS_H
#define ENGINE_WEIGHTS_H

#include "families.h"
#include "lora.h"
#include "modules.h"

struct linear {
    struct tm_weight *weight;
    float *bias; /* NULL: none */
    int32_t rows, cols;
};

struct slot_value { /* which member counts follows from the row's kind */
    struct linear linear;
    struct tm_norm norm; /* kind NONE: the model has none here */
    struct tm_tensor table;
};

struct weights {
    struct tm_backend *backend;
    struct slot_value *slots; /* those of the model, then those of each layer */
    int32_t layers;
    void **memory; /* everything allocated besides the packed weights */
    size_t n_memory, room_memory;
    size_t bytes;
};

struct weights_source { /* what a model is made of */
    const struct config *config;
    const struct modules *modules; /* NULL unless the head is an embedding */
    const char *folder;            /* of the base model */
    const struct lora *lora;       /* NULL: no adapter */
    enum tm_dtype dtype;           /* of linear layers; heads are float32 */
};

/* Loads every tensor of the family's rows and head. A missing, unknown or misshapen tensor is
 * TM_MODEL and named. */
enum tm_status weights_load(const struct weights_source *source, struct tm_backend *backend,
                            struct weights *ret_weights, struct tm_err *err);
void weights_finish(struct weights *w); /* zeroed or loaded */
struct slot_value *weights_at(const struct weights *w, enum slot slot, int32_t layer);
/* Backend memory that lives as long as the weights, filled from host memory; NULL when short. */
void *weights_keep(struct weights *w, struct tm_stream *stream, const void *host, size_t bytes);
void *weights_room(struct weights *w, size_t bytes); /* the same, not filled */

#endif
