/* The second half of sample_step, from ranked ids to the draw: for every backend on the host. */
#ifndef TM_SAMPLE_H
#define TM_SAMPLE_H

#include "../kern.h"

struct kern_ranked {
    float score;
    int32_t id;
    float p, distance; /* of the warpers */
};

/* Is slot s of the step (not its number) one that samples, and not done? */
bool kern_sampled(const struct tm_sample_args *args, int32_t s);

/* Warps the row's n best ids (best first, the lower id first among equals; scores after the
 * processors), draws, and writes the id: for all beams when the slot is at its first step. */
void kern_sample_row(const struct tm_sample_args *args, int32_t s, int32_t row,
                     struct kern_ranked *ranked, int64_t n);

/* The slot's rows have been drawn: one position further. */
void kern_sample_end(const struct tm_sample_args *args, int32_t s);

#endif
