/* Rotary angles and relative buckets. Called by program.c once a model is opened. */
#include "tables.h"

#include <math.h>

void tables_rope(float *cos, float *sin, int32_t positions, int32_t dims, double theta)
{
    int32_t half = dims / 2;
    for (int32_t c = 0; c < half; c++) {
        float frequency = 1.0f / powf((float)theta, (float)(2 * c) / (float)dims);
        for (int32_t p = 0; p < positions; p++) {
            float angle = frequency * (float)p;
            cos[p * half + c] = cosf(angle);
            sin[p * half + c] = sinf(angle);
        }
    }
}

void tables_buckets(int32_t bucket[2 * BUCKET_REACH + 1])
{
    const int32_t half = BUCKET_COUNT / 2, exact = half / 2;
    for (int32_t d = -BUCKET_REACH; d <= BUCKET_REACH; d++) {
        int32_t n = d < 0 ? -d : d, b = n;
        if (n >= exact) { /* logarithmic up to BUCKET_REACH */
            float scaled = logf((float)n / (float)exact) /
                           (float)log((double)BUCKET_REACH / exact) * (float)(half - exact);
            b = exact + (int32_t)scaled;
            b = b < half ? b : half - 1;
        }
        bucket[d + BUCKET_REACH] = b + (d > 0 ? half : 0);
    }
}
