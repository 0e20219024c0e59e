/* attn_varlen's tensor-core variant, as attn_varlen.cu sees it. */
#ifndef TM_ATTN_MMA_H
#define TM_ATTN_MMA_H

#include "attn.h"

/* bfloat16 throughout, heads of at most 128 dimensions, no bias or T5's. */
bool attn_mma_has(const struct attn &a);
void attn_mma_launch(struct tm_stream *stream, const struct attn &a);

#endif
