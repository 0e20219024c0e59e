/* Element types: sizes, names, and the scalar conversions that ref/ and pack() use.
 * Every narrowing rounds to nearest, ties to even. */
#include "kern.h"

#include <math.h>
#include <string.h>

static const struct {
    const char *name;
    size_t size;
} dtypes[] = {
    [TM_F32] = {"float32", 4}, [TM_BF16] = {"bfloat16", 2},      [TM_F16] = {"float16", 2},
    [TM_I8] = {"int8", 1},     [TM_F8E4M3] = {"float8_e4m3", 1}, [TM_I32] = {"int32", 4},
    [TM_U8] = {"uint8", 1},
};
_Static_assert(TM_COUNTOF(dtypes) == TM_DTYPE_COUNT, "one row a dtype");

size_t tm_dtype_size(enum tm_dtype t)
{
    return dtypes[t].size;
}

const char *tm_dtype_name(enum tm_dtype t)
{
    return dtypes[t].name;
}

bool kern_is_float(enum tm_dtype t)
{
    return t == TM_F32 || t == TM_BF16 || t == TM_F16;
}

static uint32_t bits_of(float f)
{
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return u;
}

static float float_of(uint32_t u)
{
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}

float kern_from_bf16(uint16_t h)
{
    return float_of((uint32_t)h << 16);
}

uint16_t kern_to_bf16(float f)
{
    uint32_t u = bits_of(f);
    if ((u & 0x7fffffffu) > 0x7f800000u)
        return (uint16_t)(u >> 16 | 0x40); /* a NaN stays one */
    return (uint16_t)((u + 0x7fff + (u >> 16 & 1)) >> 16);
}

float kern_from_f16(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, e = h >> 10 & 31, m = h & 0x3ff;
    if (e == 31)
        return float_of(sign | 0x7f800000u | m << 13 | (m != 0 ? 0x400000u : 0));
    if (e == 0) {
        float v = (float)m * 0x1p-24f;
        return sign != 0 ? -v : v;
    }
    return float_of(sign | (e + 112) << 23 | m << 13);
}

uint16_t kern_to_f16(float f)
{
    uint32_t u = bits_of(f), sign = u >> 16 & 0x8000, a = u & 0x7fffffffu;
    if (a > 0x7f800000u)
        return (uint16_t)(sign | 0x7e00 | (a >> 13 & 0x1ff));
    if (a >= 0x477ff000u) /* 65520 and above round to infinity */
        return (uint16_t)(sign | 0x7c00);
    if (a < 0x38800000u) { /* below 2^-14: a multiple of 2^-24 */
        float scaled = float_of(a) * 0x1p24f;
        return (uint16_t)(sign | (uint32_t)rintf(scaled));
    }
    a += 0xfff + (a >> 13 & 1);
    return (uint16_t)(sign | (a - 0x38000000u) >> 13);
}

float kern_from_f8(uint8_t b)
{
    int e = b >> 3 & 15, m = b & 7;
    float v;
    if (e == 15 && m == 7)
        v = NAN;
    else if (e == 0)
        v = ldexpf((float)m, -9);
    else
        v = ldexpf((float)(8 + m), e - 10);
    return (b & 0x80) != 0 ? -v : v;
}

uint8_t kern_to_f8(float f)
{
    uint8_t sign = signbit(f) ? 0x80 : 0;
    float a = fabsf(f);
    int e;
    if (isnan(f))
        return 0x7f;
    if (a >= 448)
        return (uint8_t)(sign | 0x7e);
    if (a < 0x1p-6f) /* denormal: a multiple of 2^-9; 8 of them carry into the exponent */
        return (uint8_t)(sign | (int)rintf(a * 0x1p9f));
    (void)frexpf(a, &e);
    int q = (int)rintf(ldexpf(a, 4 - e)); /* 8 … 16 */
    if (q == 16) {
        q = 8;
        e++;
    }
    return (uint8_t)(sign | (e + 6) << 3 | (q - 8));
}

float kern_get(const struct tm_tensor *t, int64_t r, int64_t c)
{
    int64_t i = r * t->stride + c;
    float scale = t->scale != NULL ? t->scale[r] : 1;
    switch (t->dtype) {
    case TM_F32:
        return ((const float *)t->data)[i];
    case TM_BF16:
        return kern_from_bf16(((const uint16_t *)t->data)[i]);
    case TM_F16:
        return kern_from_f16(((const uint16_t *)t->data)[i]);
    case TM_I8:
        return (float)((const int8_t *)t->data)[i] * scale;
    case TM_F8E4M3:
        return kern_from_f8(((const uint8_t *)t->data)[i]) * scale;
    default:
        tm_assert(false); /* an integer tensor where numbers are wanted */
        return 0;
    }
}

void kern_put(const struct tm_tensor *t, int64_t r, int64_t c, float v)
{
    int64_t i = r * t->stride + c;
    switch (t->dtype) {
    case TM_F32:
        ((float *)t->data)[i] = v;
        break;
    case TM_BF16:
        ((uint16_t *)t->data)[i] = kern_to_bf16(v);
        break;
    case TM_F16:
        ((uint16_t *)t->data)[i] = kern_to_f16(v);
        break;
    default:
        tm_assert(false); /* quantize_rows writes these */
    }
}
