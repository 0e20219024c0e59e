/* The options that say how a model is opened, alike for every verb that opens one. */
#ifndef MODEL_OPTIONS_H
#define MODEL_OPTIONS_H

#include "args.h"

/* Rows of the verb's table. */
#define MODEL_OPTIONS                                                                              \
    {"device", '\0', "DEVICE", "auto, cpu, cuda, blas (OpenBLAS) or ref (plain C)"},               \
        {"precision", '\0', "PRECISION", "auto, float32, bf16 or int8"},                           \
    {                                                                                              \
        "threads", '\0', "N", "Workers; 0: one a core"                                             \
    }

struct model_options {
    const char *device, *precision; /* borrowed from the arguments */
    int threads;
};

/* EXIT_USAGE after a message. */
enum exit_code model_options(const struct args *a, struct model_options *ret);

#endif
