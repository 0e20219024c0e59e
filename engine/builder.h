/* What the files that make layer programs share: build.c (layers, heads), attention.c (facts of
 * attention), emit.c (steps and buffers). */
#ifndef ENGINE_BUILDER_H
#define ENGINE_BUILDER_H

#include "program.h"

/* How a decoder's layers reach the positions before: all ids being there at once with the encoder's
 * rows beside them, all ids at once with K/V kept, or one id a row against what was kept. */
enum mode { MODE_WHOLE, MODE_PROMPT, MODE_STEP };

struct builder {
    struct program *p; /* the one that is being made */
    struct programs *all;
    const struct config *c;
    const struct modules *modules;
    struct weights *w;
    bool first_only; /* only one row of a sequence is looked at after the layers */
};

/* --- emit.c: each appends one step, notes which buffers live on, and returns the number of the
 * buffer it writes. --- */
int32_t emit_embed(struct builder *b, const struct embed *e);
int32_t emit_gemm(struct builder *b, int32_t in, enum slot slot, int32_t layer, enum tm_act act);
/* norm(in + other); *ret_sum (or NULL) is the sum itself. */
int32_t emit_add_norm(struct builder *b, int32_t in, int32_t other, enum slot slot, int32_t layer,
                      int32_t *ret_sum);
int32_t emit_glu(struct builder *b, int32_t in);
int32_t emit_taps(struct builder *b, int32_t in);
int32_t emit_gather(struct builder *b, int32_t in);
/* q and kv: buffers, the same one when q, k and v are together; q -1: none. */
void emit_qk(struct builder *b, int32_t q, int32_t kv, const struct attention *a, bool append);
int32_t emit_attention(struct builder *b, int32_t q, int32_t kv, const struct attention *a);
int32_t emit_cached(struct builder *b, int32_t q, const struct attention *a);
int32_t emit_pool(struct builder *b, int32_t in, int32_t cols);

/* --- attention.c --- */
/* Fills self, cross and rope of b->all; max_length: positions that can occur. */
enum tm_status attention_make(struct builder *b, int32_t max_length, struct tm_arena *arena,
                              struct tm_err *err);

#endif
