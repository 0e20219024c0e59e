/* What a model's numbers are kept in. */
#ifndef ENGINE_PRECISION_H
#define ENGINE_PRECISION_H

#include "tm_kernels.h"

struct precision {
    const char *name;      /* "float32", "bf16", "int8" */
    enum tm_dtype weights; /* of linear layers, the output layer among them */
    enum tm_dtype cache;   /* of K/V pages */
};

/* name: one of the above, or "auto": what is fastest with the instruction sets in isa on this
 * processor and costs no quality that anybody would measure, so never int8. */
enum tm_status precision_find(const char *name, uint32_t isa, const struct precision **ret,
                              struct tm_err *err);

#endif
