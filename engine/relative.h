/* DeBERTa's relative positions as its attention takes them. */
#ifndef ENGINE_RELATIVE_H
#define ENGINE_RELATIVE_H

#include "weights.h"

/* Projects the table of relative positions through each layer's weights, which needs no input:
 * ret[i] of layer i. max_length: ids of a sequence. Does nothing without such a table. */
enum tm_status relative_make(const struct config *c, struct weights *w, struct tm_stream *stream,
                             int32_t max_length, struct tm_arena *arena, struct tm_attn_bias *ret,
                             struct tm_err *err);

#endif
