/* A layer program: the steps of one forward pass, made once from a family's row. */
#ifndef ENGINE_PROGRAM_H
#define ENGINE_PROGRAM_H

#include "plan.h"
#include "weights.h"

enum step_op {
    STEP_EMBED,
    STEP_GEMM,     /* out = act(in * W + bias) */
    STEP_ADD_NORM, /* out = norm(in + other), sum = in + other */
    STEP_GLU,
    STEP_ROPE, /* in place */
    STEP_ATTENTION,
    STEP_GATHER, /* the first row of each sequence */
    STEP_POOL,
};

struct step {
    enum step_op op;
    int32_t in, other, out, sum; /* buffers; -1: none */
    const struct linear *linear;
    enum tm_act act;
    const struct tm_norm *norm;
    const struct tm_rope *rope;
    const struct tm_attn_args *attn;
};

struct program {
    struct step *steps;
    struct buffer *buffers;
    int32_t n_steps, n_buffers;
    int32_t out, out_cols;     /* the result */
    bool per_sequence;         /* one row of it a sequence, else one a token */
    struct tm_rope rope[2];    /* global, local */
    struct tm_attn_args *attn; /* one a layer */
    struct tm_pool_args pool;  /* starts, n and skip are the batch's */
    const struct config *config;
    const struct weights *weights;
    const struct tm_norm *embed_norm;
    bool gathered; /* the pool sees one row a sequence */
};

/* One batch in the backend's memory. */
struct batch {
    int32_t rows, n;                        /* tokens, sequences */
    const int32_t *ids, *positions, *types; /* (rows) */
    const int32_t *starts;                  /* (n + 1) */
    const int32_t *count;                   /* (n + 1): 0, 1, 2 … */
    const uint8_t *skip;                    /* (rows) */
    char *slab;
    struct tm_stream *stream;
};

/* Makes the steps. Everything lies in the arena or, for the device, in the weights' memory.
 * modules: as for weights_load. TM_UNSUPPORTED when the backend lacks an operation. */
enum tm_status program_build(const struct config *c, const struct modules *modules,
                             struct weights *w, int32_t max_length, struct tm_arena *arena,
                             struct program *ret_program, struct tm_err *err);
/* Runs it; the result is program_out(). */
enum tm_status program_run(const struct program *p, const struct batch *batch);
const float *program_out(const struct program *p, const struct batch *batch);

#endif
