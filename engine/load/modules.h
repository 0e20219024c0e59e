/* The modules of a sentence-transformers folder: pooling, dense layers, normalisation. */
#ifndef ENGINE_MODULES_H
#define ENGINE_MODULES_H

#include "tm_kernels.h"

enum { MODULES_DENSE = 3 };

struct modules {
    int pool; /* TM_POOL_… */
    struct {
        const char *folder; /* in the arena, below the model's: "2_Dense" */
        int32_t in, out;
        bool bias;
        enum tm_act act;
    } dense[MODULES_DENSE];
    int32_t n_dense;
    bool normalize;
    int32_t max_length; /* of sentence_bert_config.json; 0: no limit of its own */
};

/* Reads folder/modules.json and what it names. A folder without it is a bare model: the mean of
 * all ids, not normalised, as sentence-transformers takes it. */
enum tm_status modules_read(const char *folder, struct tm_arena *arena, struct modules *ret_modules,
                            struct tm_err *err);

#endif
