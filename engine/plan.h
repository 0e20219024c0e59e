/* Memory of activations: which buffers live when, and where each lies in a worker's slab. */
#ifndef ENGINE_PLAN_H
#define ENGINE_PLAN_H

#include "tm_base.h"

enum { PLAN_BUFFERS = 32768 };

/* One result of a step: rows (tokens or sequences of the batch) x cols float32. */
struct buffer {
    int32_t cols;
    bool per_sequence;   /* one row a sequence, else one a token */
    int32_t first, last; /* steps that write it and read it last */
    size_t offset;       /* in the slab */
};

/* Places n buffers for at most `rows` rows, so that those alive at the same step do not overlap.
 * Returns the bytes of the slab. */
size_t plan_place(struct buffer *buffers, int32_t n, int64_t rows);

#endif
