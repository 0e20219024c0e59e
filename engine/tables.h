/* Tables that are computed when a model is opened: rotary angles, buckets of relative positions. */
#ifndef ENGINE_TABLES_H
#define ENGINE_TABLES_H

#include "config.h"

/* cos and sin (positions, dims / 2) of position * theta^(-2c / dims), all in float32 as the
 * reference computes them. */
void tables_rope(float *cos, float *sin, int32_t positions, int32_t dims, const struct rope *r,
                 int32_t max_position_embeddings);
/* Sinusoids (rows, cols), sines before cosines: Marian's and PEGASUS's. */
void tables_sinusoid(float *out, int32_t rows, int32_t cols);
/* M2M100's, with zeros for the row of padding. */
void tables_sinusoid_padded(float *out, int32_t rows, int32_t cols, int32_t pad);

/* T5's buckets of relative positions: bucket[d + reach] of d = j - i, the key's place less the
 * query's. Distances past `reach` fall into the last bucket on their side. two_sided: half of the
 * `count` buckets for the keys behind the query (an encoder's), else none (a decoder's). */
void tables_buckets(int32_t *bucket, int32_t reach, int32_t count, bool two_sided);

/* DeBERTa's rows of relative positions: row[d + reach] of d = i - j, the query's place less the
 * key's, in a table of 2 * span. buckets above 0: distances past half of them fall into ever wider
 * buckets up to distance `most`. */
void tables_log_buckets(int32_t *row, int32_t reach, int32_t buckets, int32_t most, int32_t span);

#endif
