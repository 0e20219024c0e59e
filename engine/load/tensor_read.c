/* Values of tensors as float32: positioned reads and conversion.
 *
 * Called by tensors.c and the formats while a model is opened, and by whoever reads a tensor, on
 * that thread. */
#include "tensor_file.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { BLOCK = 1 << 16 };

enum tm_status tensor_read_bytes(const struct tensor_file *f, uint64_t at, void *out, size_t n,
                                 struct tm_err *err)
{
    for (char *p = out; n > 0;) {
        ssize_t got = pread(f->fd, p, n, (off_t)at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return tm_err_errno(err, errno, "%s", f->name);
        if (got == 0)
            return tm_err_set(err, TM_MODEL, "%s: ends at byte %llu, more was there before",
                              f->name, (unsigned long long)at);
        p += got;
        at += (uint64_t)got;
        n -= (size_t)got;
    }
    return TM_OK;
}

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

static enum tm_status read_halves(const struct tensor_file *f, enum tensor_type type, uint64_t at,
                                  int64_t count, float *out, struct tm_err *err)
{
    uint16_t block[BLOCK / 2];
    while (count > 0) {
        int64_t n = TM_MIN(count, (int64_t)TM_COUNTOF(block));
        enum tm_status s = tensor_read_bytes(f, at, block, (size_t)n * 2, err);
        if (s != TM_OK)
            return s;
        for (int64_t i = 0; i < n; i++)
            out[i] = type == TENSOR_BF16 ? from_bits((uint32_t)block[i] << 16) : from_f16(block[i]);
        out += n;
        at += (uint64_t)n * 2;
        count -= n;
    }
    return TM_OK;
}

int64_t tensor_elements(const struct tensor *t)
{
    int64_t n = 1;
    for (int32_t i = 0; i < t->rank; i++)
        n *= t->shape[i];
    return n;
}

enum tm_status tensors_read(const struct tensor_set *set, const struct tensor *t, int64_t first,
                            int64_t count, float *out, struct tm_err *err)
{
    const struct tensor_file *f = &set->files[t->file];
    uint64_t size = t->type == TENSOR_F32 ? 4 : 2;
    if (t->type == TENSOR_OTHER)
        return tm_err_set(err, TM_UNSUPPORTED, "%s: tensor %s is %s; F32, F16 and BF16 can be read",
                          f->name, t->name, t->dtype);
    tm_assert(first >= 0 && count >= 0 && (uint64_t)(first + count) * size <= t->bytes);
    uint64_t at = t->begin + (uint64_t)first * size;
    return t->type == TENSOR_F32 ? tensor_read_bytes(f, at, out, (size_t)count * 4, err)
                                 : read_halves(f, t->type, at, count, out, err);
}
