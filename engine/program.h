/* Layer programs: the steps of a forward pass, made once from a family's row. */
#ifndef ENGINE_PROGRAM_H
#define ENGINE_PROGRAM_H

#include "plan.h"
#include "tm_engine.h"
#include "weights.h"

enum step_op {
    STEP_EMBED,
    STEP_GEMM,     /* out = act(in * W + bias) */
    STEP_ADD_NORM, /* out = norm(in + other), sum = in + other */
    STEP_GLU,
    STEP_QK,        /* q in `in` (-1: none) and k, v in `other`, in place; k, v into the cache */
    STEP_ATTENTION, /* q in `in` against k, v in `other`, within each sequence */
    STEP_CACHED,    /* q in `in` against the cache */
    STEP_GATHER,    /* one row of each sequence */
    STEP_TAPS,      /* each row with its neighbours side by side, zeros past a sequence's ends */
    STEP_POOL,
};

/* Attention of one layer to its own side, or of a decoder's layer to the encoder. A buffer that
 * holds q, k and v has them in this order; one of k and v begins with k. */
struct attention {
    struct tm_attn_args args;
    const struct tm_rope *rope;            /* NULL: none */
    const struct tm_norm *q_norm, *k_norm; /* NULL: none */
    bool cross;
    int32_t layer; /* of the cache */
};

struct embed {
    const struct tm_tensor *word, *position, *type; /* NULL: none */
    const struct tm_norm *norm;
    float scale;
    bool decoder; /* the decoder's ids */
};

struct step {
    enum step_op op;
    int32_t in, other, out, sum; /* buffers; -1: none */
    const struct linear *linear;
    enum tm_act act;
    const struct tm_norm *norm;
    const struct attention *attn;
    const struct embed *embed;
    bool append;  /* STEP_QK */
    int32_t taps; /* STEP_TAPS */
};

struct program {
    struct step *steps;
    struct buffer *buffers;
    int32_t n_steps, n_buffers; /* n_steps 0: the model has no such program */
    int32_t out, out_cols;      /* the result; -1: what is left in the cache */
    bool per_sequence;          /* one row of it a sequence, else one a token */
    bool gathered;              /* the pool sees one row a sequence */
    struct tm_pool_args pool;   /* starts, n and skip are the batch's */
    const struct weights *weights;
};

/* The output layer: logits = softcap(scale * x W^T + bias). */
struct output {
    const struct tm_weight *head;
    const float *bias;
    float scale, softcap;
};

struct programs {
    /* Encoder and head. For generation it ends with K/V of cross-attention in the cache; a decoder
     * that classifies runs whole, its ids being given. */
    struct program main;
    struct program prompt; /* a decoder's ids but the last one, into the cache */
    struct program step;   /* a decoder's next position of every row: hidden states, normed */
    struct output output;
    struct attention *self, *cross; /* by layer: of all; of the decoder's */
    struct embed embed[2];          /* encoder, decoder */
    struct tm_rope rope[2];         /* global, local */
};

/* Where a worker's processor time went, by what it did. */
struct spent {
    double seconds[TM_SPENT_COUNT];
    double operations; /* of matrices: a multiply-add is two */
};

/* One batch in the backend's memory. */
struct batch {
    int32_t rows, n;                                /* tokens, sequences */
    const int32_t *ids, *positions, *types;         /* (rows) */
    const int32_t *decoder_ids, *decoder_positions; /* (rows) where a program has both sides */
    const int32_t *starts;                          /* (n + 1) */
    const int32_t *count;                           /* (n + 1): 0, 1, 2 … */
    const int32_t *gather;                          /* (n) the row of each sequence that counts */
    const int32_t *taps;                            /* (taps, rows) neighbours' rows; -1: none */
    const uint8_t *skip;                            /* (rows) */
    /* Decoding: */
    const struct tm_kv_cache *self, *cross;
    const int32_t *append_rows, *append_positions; /* (rows) */
    const struct tm_step *step;
    char *slab;
    struct tm_stream *stream;
    struct spent *spent; /* NULL: not asked for */
};

/* Makes the programs. Everything lies in the arena or, for the device, in the weights' memory.
 * modules: as for weights_load. TM_UNSUPPORTED when the backend lacks an operation. */
enum tm_status programs_build(const struct config *c, const struct modules *modules,
                              struct weights *w, int32_t max_length, struct tm_arena *arena,
                              struct programs *ret_programs, struct tm_err *err);
/* Runs one; the result is program_out(). */
enum tm_status program_run(const struct program *p, const struct batch *batch);
/* Adds the time since `since` (spent_now(), 0 where nobody asks) to what the batch has spent. */
double spent_now(const struct batch *batch);
void spent_add(const struct batch *batch, enum tm_spent on, double since);
const float *program_out(const struct program *p, const struct batch *batch);

#endif
