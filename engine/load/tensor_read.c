/* Values of tensors as float32: positioned reads, conversion, and the layouts that formats have.
 *
 * Called by the formats while a set is opened, and by whoever reads a tensor, on that thread. */
#include "tensor_blocks.h"
#include "tensor_file.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { STAGE_BYTES = 1 << 16, STAGE_FLOATS = 1024 };

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

int64_t tensor_elements(const struct tensor *t)
{
    int64_t n = 1;
    for (int32_t i = 0; i < t->rank; i++)
        n *= t->shape[i];
    return n;
}

const char *tensor_type_name(enum tensor_type type)
{
    return type == TENSOR_OTHER ? "other" : tensor_blocks[type].name;
}

/* ---- runs of stored elements ---- */

struct reader {
    const struct tensor_file *file;
    const struct tensor *tensor;
    const struct tensor_block *block;
    struct tm_err *err;
};

/* Blocks from, whose elements from skip on are wanted, count of them. */
static enum tm_status read_blocks(const struct reader *r, int64_t from, int64_t skip, int64_t count,
                                  float *out)
{
    uint8_t bytes[STAGE_BYTES];
    float floats[STAGE_FLOATS];
    const struct tensor_block *b = r->block;
    while (count > 0) {
        int64_t n = TM_MIN(STAGE_FLOATS / b->elements, (skip + count - 1) / b->elements + 1);
        uint64_t at = r->tensor->begin + (uint64_t)from * (uint64_t)b->bytes;
        enum tm_status s = tensor_read_bytes(r->file, at, bytes, (size_t)(n * b->bytes), r->err);
        if (s != TM_OK)
            return s;
        int64_t got = TM_MIN(n * b->elements - skip, count);
        b->convert(bytes, n, floats);
        memcpy(out, floats + skip, (size_t)got * sizeof *out);
        out += got;
        count -= got;
        from += n;
        skip = 0;
    }
    return TM_OK;
}

/* Elements that lie behind one another in the file, from `first` stored element on. */
static enum tm_status read_run(const struct reader *r, int64_t first, int64_t count, float *out)
{
    const struct tensor_block *b = r->block;
    tm_assert(first >= 0 && count >= 0);
    tm_assert((uint64_t)((first + count + b->elements - 1) / b->elements) * (uint64_t)b->bytes <=
              r->tensor->bytes);
    if (b->convert == NULL)
        return tensor_read_bytes(r->file, r->tensor->begin + (uint64_t)first * 4, out,
                                 (size_t)count * 4, r->err);
    return read_blocks(r, first / b->elements, first % b->elements, count, out);
}

/* ---- layouts ---- */

/* Where the element with this number, row by row, is stored. */
static int64_t strided_place(const struct tensor *t, int64_t element)
{
    int64_t at = 0;
    for (int32_t i = t->rank - 1; i >= 0; i--) {
        at += element % t->shape[i] * t->stride[i];
        element /= t->shape[i];
    }
    return at;
}

/* A transposed matrix: what is a column here is a run in the file. */
static enum tm_status read_transposed(const struct reader *r, int64_t first, int64_t count,
                                      float *out)
{
    const struct tensor *t = r->tensor;
    float column[STAGE_FLOATS];
    int64_t cols = t->shape[1], end = first + count;
    for (int64_t row = first / cols; row * cols < end; row += STAGE_FLOATS) {
        int64_t rows = TM_MIN((int64_t)STAGE_FLOATS, (end - 1) / cols - row + 1);
        for (int64_t c = 0; c < cols; c++) {
            enum tm_status s = read_run(r, row + c * t->stride[1], rows, column);
            if (s != TM_OK)
                return s;
            for (int64_t i = 0; i < rows; i++) {
                int64_t at = (row + i) * cols + c;
                if (at >= first && at < end)
                    out[at - first] = column[i];
            }
        }
    }
    return TM_OK;
}

static enum tm_status read_strided(const struct reader *r, int64_t first, int64_t count, float *out)
{
    const struct tensor *t = r->tensor;
    if (t->rank == 2 && t->stride[0] == 1 && t->stride[1] != 1)
        return read_transposed(r, first, count, out);
    int64_t cols = t->rank > 0 && t->stride[t->rank - 1] == 1 ? t->shape[t->rank - 1] : 1;
    while (count > 0) {
        int64_t n = TM_MIN(count, cols - first % cols);
        enum tm_status s = read_run(r, strided_place(t, first), n, out);
        if (s != TM_OK)
            return s;
        first += n;
        out += n;
        count -= n;
    }
    return TM_OK;
}

/* llama.cpp rotates neighbouring rows with one another, Hugging Face a row with the one half a head
 * further on: row i of a head's first half is stored at 2i, row i of the second half at 2i + 1. */
static enum tm_status read_rotary(const struct reader *r, int64_t first, int64_t count, float *out)
{
    const struct tensor *t = r->tensor;
    int64_t cols = t->rank == 2 ? t->shape[1] : 1, head = t->shape[0] / t->heads;
    while (count > 0) {
        int64_t row = first / cols, in_head = row % head, half = head / 2;
        int64_t stored = row - in_head + in_head % half * 2 + in_head / half;
        int64_t n = TM_MIN(count, cols - first % cols);
        enum tm_status s = read_run(r, stored * cols + first % cols, n, out);
        if (s != TM_OK)
            return s;
        first += n;
        out += n;
        count -= n;
    }
    return TM_OK;
}

enum tm_status tensors_read(const struct tensor_set *set, const struct tensor *t, int64_t first,
                            int64_t count, float *out, struct tm_err *err)
{
    const struct reader r = {&set->files[t->file], t, &tensor_blocks[t->type], err};
    if (t->type == TENSOR_OTHER)
        return tm_err_set(err, TM_UNSUPPORTED,
                          "%s: tensor %s is %s, which cannot be read as numbers", r.file->name,
                          t->name, t->dtype);
    tm_assert(first >= 0 && count >= 0 && first + count <= tensor_elements(t));
    if (count == 0)
        return TM_OK;
    int64_t stored = TM_MAX((int64_t)0, tensor_elements(t) - t->zeros - first);
    if (count > stored) {
        memset(out + stored, 0, (size_t)(count - stored) * sizeof *out);
        count = stored;
    }
    enum tm_status s = TM_OK;
    switch (t->layout) {
    case LAYOUT_ROWS:
        s = read_run(&r, first, count, out);
        break;
    case LAYOUT_STRIDED:
        s = read_strided(&r, first, count, out);
        break;
    case LAYOUT_ROTARY:
        s = read_rotary(&r, first, count, out);
        break;
    }
    for (int64_t i = 0; t->add != 0 && i < count; i++)
        out[i] += t->add;
    return s;
}
