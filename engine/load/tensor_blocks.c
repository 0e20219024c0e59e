/* The number formats that files of weights hold, one row each: halves, bfloat16 and ggml's blocks.
 *
 * Called by tensor_read.c. The blocks' layouts are those of ggml (ggml-common.h); products are
 * taken in the order of its reference dequantiser, so that the values are the same to the bit. */
#include "tensor_blocks.h"
#include "bytes.h"

#include <string.h>

static float from_bits(uint32_t bits)
{
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static float from_f16(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, exp = (h >> 10) & 0x1f, frac = h & 0x3ff;
    if (exp == 0) /* zero and subnormals: frac * 2^-24 */
        return sign != 0 ? -(float)frac * 0x1p-24f : (float)frac * 0x1p-24f;
    if (exp == 31)
        return from_bits(sign | 0x7f800000 | frac << 13);
    return from_bits(sign | (exp + 112) << 23 | frac << 13);
}

static void convert_f16(const uint8_t *in, int64_t n, float *out)
{
    for (int64_t i = 0; i < n; i++)
        out[i] = from_f16(le16(in + 2 * i));
}

static void convert_bf16(const uint8_t *in, int64_t n, float *out)
{
    for (int64_t i = 0; i < n; i++)
        out[i] = from_bits((uint32_t)le16(in + 2 * i) << 16);
}

/* {half d; int8 q[32]}: d * q */
static void convert_q8_0(const uint8_t *in, int64_t n, float *out)
{
    for (; n > 0; n--, in += 34, out += 32) {
        float d = from_f16(le16(in));
        for (int i = 0; i < 32; i++)
            out[i] = d * (float)(int8_t)in[2 + i];
    }
}

/* {half d; uint8 q[16]}: low halves are the first 16, d * (q - 8) */
static void convert_q4_0(const uint8_t *in, int64_t n, float *out)
{
    for (; n > 0; n--, in += 18, out += 32) {
        float d = from_f16(le16(in));
        for (int i = 0; i < 16; i++) {
            out[i] = d * (float)((in[2 + i] & 15) - 8);
            out[16 + i] = d * (float)((in[2 + i] >> 4) - 8);
        }
    }
}

/* Scale and minimum of 32 elements: eight pairs of 6 bits in 12 bytes. */
static void scale_and_min(const uint8_t s[12], int i, uint8_t *scale, uint8_t *min)
{
    if (i < 4) {
        *scale = s[i] & 63;
        *min = s[i + 4] & 63;
    } else {
        *scale = (uint8_t)((s[i + 4] & 15) | (s[i - 4] >> 6) << 4);
        *min = (uint8_t)(s[i + 4] >> 4 | (s[i] >> 6) << 4);
    }
}

/* {half d, dmin; uint8 scales[12], q[128]}: d * scale * q - dmin * min; 32 bytes hold 64 elements,
 * low halves first */
static void convert_q4_k(const uint8_t *in, int64_t n, float *out)
{
    for (; n > 0; n--, in += 144) {
        float d = from_f16(le16(in)), dmin = from_f16(le16(in + 2));
        const uint8_t *q = in + 16;
        for (int i = 0; i < 8; i++, out += 32) {
            uint8_t scale, min;
            scale_and_min(in + 4, i, &scale, &min);
            float step = d * (float)scale, low = dmin * (float)min;
            for (int k = 0; k < 32; k++)
                out[k] = step * (float)(i % 2 == 0 ? q[k] & 15 : q[k] >> 4) - low;
            q += i % 2 * 32;
        }
    }
}

/* {uint8 low[128], high[64]; int8 scales[16]; half d}: d * scale * (q - 32); q has 4 bits in low
 * and 2 in high. A half of the block is four runs of 32. */
static void convert_q6_k(const uint8_t *in, int64_t n, float *out)
{
    for (; n > 0; n--, in += 210) {
        float d = from_f16(le16(in + 208));
        for (int i = 0; i < 8; i++, out += 32) {
            int half = i / 4, run = i % 4;
            const uint8_t *low = in + 64 * half + 32 * (run % 2), *high = in + 128 + 32 * half;
            const int8_t *scales = (const int8_t *)in + 192 + 8 * half + 2 * run;
            for (int k = 0; k < 32; k++) {
                int q = (run < 2 ? low[k] & 15 : low[k] >> 4) | (high[k] >> (2 * run) & 3) << 4;
                out[k] = d * (float)scales[k / 16] * (float)(q - 32);
            }
        }
    }
}

const struct tensor_block tensor_blocks[TENSOR_TYPES] = {
    [TENSOR_F32] = {"F32", 1, 4, NULL},
    [TENSOR_F16] = {"F16", 1, 2, convert_f16},
    [TENSOR_BF16] = {"BF16", 1, 2, convert_bf16},
    [TENSOR_Q8_0] = {"Q8_0", 32, 34, convert_q8_0},
    [TENSOR_Q4_0] = {"Q4_0", 32, 18, convert_q4_0},
    [TENSOR_Q4_K] = {"Q4_K", 256, 144, convert_q4_k},
    [TENSOR_Q6_K] = {"Q6_K", 256, 210, convert_q6_k},
};
