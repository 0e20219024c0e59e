/* Tables that are computed when a model is opened: rotary angles, buckets of relative positions. */
#ifndef ENGINE_TABLES_H
#define ENGINE_TABLES_H

#include <stdbool.h>
#include <stdint.h>

/* cos and sin (positions, dims / 2) of position * theta^(-2c / dims), all in float32 as the
 * reference computes them. */
void tables_rope(float *cos, float *sin, int32_t positions, int32_t dims, double theta);

/* T5's buckets of relative positions: bucket[d + reach] of d = j - i, the key's place less the
 * query's. Distances past `reach` fall into the last bucket on their side. two_sided: half of the
 * `count` buckets for the keys behind the query (an encoder's), else none (a decoder's). */
void tables_buckets(int32_t *bucket, int32_t reach, int32_t count, bool two_sided);

#endif
