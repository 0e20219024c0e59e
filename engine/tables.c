/* Rotary angles and relative buckets. Called by program.c once a model is opened. */
#include "tables.h"

#include <math.h>

/* YaRN (Peng et al., 2023): below `low` of the ramp as trained, above `high` stretched. */
static float yarn_frequency(const struct rope *r, float f, int32_t c, int32_t dims,
                            double positions)
{
    double at[2], fast = r->beta_fast > 0 ? r->beta_fast : 32;
    double slow = r->beta_slow > 0 ? r->beta_slow : 1;
    at[0] = floor(dims * log(positions / (fast * 2 * M_PI)) / (2 * log(r->theta)));
    at[1] = ceil(dims * log(positions / (slow * 2 * M_PI)) / (2 * log(r->theta)));
    at[0] = fmax(at[0], 0);
    at[1] = fmin(at[1], dims - 1);
    if (at[0] == at[1])
        at[1] += 0.001;
    float ramp = (float)fmin(fmax((c - at[0]) / (at[1] - at[0]), 0), 1);
    return f / (float)r->factor * ramp + f * (1 - ramp);
}

static float llama3_frequency(const struct rope *r, float f)
{
    double positions = r->original_max_position_embeddings;
    float length = (float)(2 * M_PI) / f;
    if (length > (float)(positions / r->low_freq_factor))
        return f / (float)r->factor;
    if (length < (float)(positions / r->high_freq_factor))
        return f;
    float smooth = ((float)positions / length - (float)r->low_freq_factor) /
                   (float)(r->high_freq_factor - r->low_freq_factor);
    return (1 - smooth) * f / (float)r->factor + smooth * f;
}

static double yarn_scale(const struct rope *r)
{
    if (r->attention_factor > 0)
        return r->attention_factor;
    if (r->factor <= 1)
        return 1;
    if (r->mscale > 0 && r->mscale_all_dim > 0)
        return (0.1 * r->mscale * log(r->factor) + 1) /
               (0.1 * r->mscale_all_dim * log(r->factor) + 1);
    return 0.1 * log(r->factor) + 1;
}

void tables_rope(float *cos, float *sin, int32_t positions, int32_t dims, const struct rope *r,
                 int32_t max_position_embeddings)
{
    int32_t half = dims / 2;
    double original = r->original_max_position_embeddings > 0 ? r->original_max_position_embeddings
                                                              : max_position_embeddings;
    float scale = r->type == ROPE_YARN ? (float)yarn_scale(r) : 1;
    for (int32_t c = 0; c < half; c++) {
        float frequency = 1.0f / powf((float)r->theta, (float)(2 * c) / (float)dims);
        if (r->type == ROPE_LINEAR)
            frequency /= (float)r->factor;
        else if (r->type == ROPE_YARN)
            frequency = yarn_frequency(r, frequency, c, dims, original);
        else if (r->type == ROPE_LLAMA3)
            frequency = llama3_frequency(r, frequency);
        for (int32_t p = 0; p < positions; p++) {
            float angle = frequency * (float)p;
            cos[p * half + c] = cosf(angle) * scale;
            sin[p * half + c] = sinf(angle) * scale;
        }
    }
}

void tables_sinusoid(float *out, int32_t rows, int32_t cols)
{
    int32_t sines = (cols + 1) / 2;
    for (int32_t p = 0; p < rows; p++) {
        for (int32_t c = 0; c < cols; c++) {
            int32_t j = c < sines ? c : c - sines;
            double angle = p / pow(10000, 2.0 * j / cols);
            out[(int64_t)p * cols + c] = (float)(c < sines ? sin(angle) : cos(angle));
        }
    }
}

void tables_sinusoid_padded(float *out, int32_t rows, int32_t cols, int32_t pad)
{
    int32_t half = cols / 2;
    float step = (float)-(log(10000) / (half - 1));
    for (int32_t p = 0; p < rows; p++) {
        for (int32_t c = 0; c < cols; c++) {
            float angle = (float)p * expf((float)(c % half) * step);
            out[(int64_t)p * cols + c] = p == pad || c >= 2 * half ? 0
                                         : c < half                ? sinf(angle)
                                                                   : cosf(angle);
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

void tables_log_buckets(int32_t *row, int32_t reach, int32_t buckets, int32_t most, int32_t span)
{
    const int32_t mid = buckets / 2;
    const float per_octave = logf((float)((double)(most - 1) / mid));
    for (int32_t d = -reach; d <= reach; d++) {
        int32_t n = d < 0 ? -d : d, r = d;
        if (buckets > 0 && n > mid) {
            float far = ceilf(logf((float)n / (float)mid) / per_octave * (float)(mid - 1));
            n = (int32_t)far + mid;
            r = d < 0 ? -n : n;
        }
        r += span;
        row[d + reach] = r < 0 ? 0 : r > 2 * span - 1 ? 2 * span - 1 : r;
    }
}
