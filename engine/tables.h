/* Tables that are computed when a model is opened: rotary angles, buckets of relative positions. */
#ifndef ENGINE_TABLES_H
#define ENGINE_TABLES_H

#include <stdint.h>

/* cos and sin (positions, dims / 2) of position * theta^(-2c / dims), all in float32 as the
 * reference computes them. */
void tables_rope(float *cos, float *sin, int32_t positions, int32_t dims, double theta);

/* Distances past this fall into the last bucket on their side. */
enum { BUCKET_REACH = 128, BUCKET_COUNT = 32 };
/* bucket[d + BUCKET_REACH] of d = j - i: T5's bidirectional buckets, as MPNet has them. */
void tables_buckets(int32_t bucket[2 * BUCKET_REACH + 1]);

#endif
