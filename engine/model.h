/* An open model: what its folders say, its weights and its layer programs. Read only once open. */
#ifndef ENGINE_MODEL_H
#define ENGINE_MODEL_H

#include "precision.h"
#include "program.h"

struct model {
    struct tm_arena *arena;
    struct tm_backend *backend;
    struct config config;
    struct modules modules;
    struct weights weights;
    struct programs programs;
    struct tm_generation generation; /* the folder's */
    int32_t max_length;
    const char *device, *isa; /* as resolved */
    const struct precision *precision;
};

/* As tm_engine_open. model_finish() afterwards, on failure too. */
enum tm_status model_open(const char *folder, const char *base, const char *device,
                          const char *precision, struct model *ret_model, struct tm_err *err);
void model_finish(struct model *m); /* zeroed or opened */

#endif
