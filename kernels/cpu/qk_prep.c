/* qk_prep: norms of each head of q and k and rotary positions, both in place; K/V into the cache.
 */
#include "simd.h"

#include <string.h>

/* (a, b) of the two halves become (a cos - b sin, b cos + a sin). */
static void rotate(float *head, const struct tm_rope *rope, int64_t position)
{
    int64_t half = rope->dims / 2;
    const float *cos = rope->cos + position * half, *sin = rope->sin + position * half;
    for (int64_t i = 0; i < half; i += VL) {
        int64_t left = TM_MIN(VL, half - i);
        vf a = v_loadn(head + i, left), b = v_loadn(head + half + i, left);
        vf c = v_loadn(cos + i, left), s = v_loadn(sin + i, left);
        v_storen(head + i, left, v_fnma(b, s, v_mul(a, c)));
        v_storen(head + half + i, left, v_fma(a, s, v_mul(b, c)));
    }
}

static void prepare(struct tm_tensor *t, int32_t heads, const struct tm_norm *norm,
                    const struct tm_qk_args *args)
{
    if (norm != NULL && norm->kind == TM_NORM_NONE)
        norm = NULL;
    for (int64_t r = 0; r < t->rows; r++) {
        float *head = kern_row(t, r);
        for (int32_t h = 0; h < heads; h++, head += args->head_dim) {
            if (norm != NULL)
                SIMD(norm_row)(head, head, args->head_dim, norm);
            if (args->rope != NULL)
                rotate(head, args->rope, args->positions[r]);
        }
    }
}

/* n numbers (at most VL) in the pool's dtype, behind one another. */
SIMD_INLINE void put(char *to, enum tm_dtype dtype, vf v, int64_t n)
{
    uint16_t part[VL];
    if (dtype == TM_F32) {
        v_storen((float *)(void *)to, n, v);
        return;
    }
    v_store16(dtype, part, v);
    memcpy(to, part, (size_t)n * sizeof *part);
}

/* n numbers of a key, a position's place in each dimension's row: `step` numbers apart. */
static void scatter(char *to, enum tm_dtype dtype, int64_t step, const char *from, int64_t n)
{
    if (dtype == TM_F32) {
        float *at = (float *)(void *)to;
        for (int64_t i = 0; i < n; i++)
            at[i * step] = ((const float *)(const void *)from)[i];
    } else {
        uint16_t *at = (uint16_t *)(void *)to;
        for (int64_t i = 0; i < n; i++)
            at[i * step] = ((const uint16_t *)(const void *)from)[i];
    }
}

/* A value's dimensions lie together in its page, a key's are a column of it. */
static void append_row(const struct tm_kv_pool *pool, char *page, int64_t plane, const float *row,
                       int64_t at)
{
    const enum tm_dtype dtype = pool->data.dtype;
    const int64_t size = (int64_t)tm_dtype_size(dtype), dim = pool->head_dim;
    for (int64_t h = 0; h < pool->kv_heads; h++, row += dim) {
        char *to = page + kern_kv_at(pool, plane, h, at, 0) * size;
        for (int64_t d = 0; d < dim; d += VL) {
            int64_t n = TM_MIN(VL, dim - d);
            _Alignas(float) char part[VL * sizeof(float)];
            put(plane == 0 ? part : to + d * size, dtype, v_loadn(row + d, n), n);
            if (plane == 0)
                scatter(to + d * pool->positions * size, dtype, pool->positions, part, n);
        }
    }
}

static void append(const struct tm_tensor *t, int64_t plane, const struct tm_qk_args *args)
{
    const struct tm_kv_cache *cache = args->append;
    const struct tm_kv_pool *pool = cache->pool;
    const int32_t *positions = args->append_positions;
    if (positions == NULL)
        positions = args->positions;
    for (int64_t r = 0; r < t->rows; r++) {
        int64_t entry = (int64_t)args->append_rows[r] * cache->max_pages;
        int64_t page = cache->pages[entry + positions[r] / pool->positions];
        int64_t row = ((int64_t)args->layer * pool->pages + page) * pool->data.stride;
        append_row(pool, (char *)pool->data.data + row * (int64_t)tm_dtype_size(pool->data.dtype),
                   plane, kern_row(t, r), positions[r] % pool->positions);
    }
}

enum tm_status SIMD(qk_prep)(struct tm_stream *stream, struct tm_tensor *q, struct tm_tensor *k,
                             const struct tm_tensor *v, const struct tm_qk_args *args)
{
    const struct tm_kv_cache *cache = args->append;
    (void)stream;
    if ((q != NULL && q->dtype != TM_F32) || (k != NULL && k->dtype != TM_F32) ||
        (cache != NULL && (v->dtype != TM_F32 || !kern_is_float(cache->pool->data.dtype))))
        return TM_UNSUPPORTED;
    if (q != NULL)
        prepare(q, args->heads, args->q_norm, args);
    if (k != NULL)
        prepare(k, args->kv_heads, args->k_norm, args);
    if (cache != NULL) {
        append(k, 0, args);
        append(v, 1, args);
    }
    return TM_OK;
}
