/* The modules of a sentence-transformers folder: pooling, dense layers, normalisation. */
#ifndef ENGINE_MODULES_H
#define ENGINE_MODULES_H

#include "tm_kernels.h"

enum { MODULES_DENSE = 3 };

struct modules {
    int pool; /* TM_POOL_… */
    struct {
        const char *folder; /* in the arena */
        int32_t in, out;
        bool bias;
        enum tm_act act;
    } dense[MODULES_DENSE];
    int32_t n_dense;
    bool normalize;
    int32_t max_length; /* of sentence_bert_config.json; 0: no limit of its own */
};

/* Reads folder/modules.json and what it names; transformer: where tm_weights_folder has found the
 * model. A folder without that file is a bare model: the mean of all ids, not normalised, as
 * sentence-transformers takes it. */
enum tm_status modules_read(const char *folder, const char *transformer, struct tm_arena *arena,
                            struct modules *ret_modules, struct tm_err *err);

#endif
