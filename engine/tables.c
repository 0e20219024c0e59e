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

void tables_buckets(int32_t *bucket, int32_t reach, int32_t count, bool two_sided)
{
    const int32_t side = two_sided ? count / 2 : count, exact = side / 2;
    for (int32_t d = -reach; d <= reach; d++) {
        int32_t n = two_sided && d > 0 ? d : d < 0 ? -d : 0, b = n;
        if (n >= exact) { /* logarithmic up to reach */
            float scaled = logf((float)n / (float)exact) / (float)log((double)reach / exact) *
                           (float)(side - exact);
            b = exact + (int32_t)scaled;
            b = b < side ? b : side - 1;
        }
        bucket[d + reach] = b + (two_sided && d > 0 ? side : 0);
    }
}
