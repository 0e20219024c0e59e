/* qk_prep: norms of each head of q and k, rotary positions, both in place; K/V into the cache. */
#include "ref.h"

/* Split halves: with d = dims / 2, (a, b) = (x[c], x[c + d]) becomes
 * (a cos - b sin, b cos + a sin). The head's dims past `dims` stay. */
static void rotate(float *head, const struct tm_rope *rope, int64_t position)
{
    int64_t half = rope->dims / 2;
    const float *cos = rope->cos + position * half, *sin = rope->sin + position * half;
    for (int64_t c = 0; c < half; c++) {
        float a = head[c], b = head[c + half];
        head[c] = a * cos[c] - b * sin[c];
        head[c + half] = b * cos[c] + a * sin[c];
    }
}

static void prepare(struct tm_tensor *t, int32_t heads, const struct tm_norm *norm, float *head,
                    const struct tm_qk_args *args)
{
    for (int64_t r = 0; r < t->rows; r++) {
        for (int64_t h = 0; h < heads; h++) {
            int64_t at = h * args->head_dim;
            for (int64_t c = 0; c < args->head_dim; c++)
                head[c] = kern_get(t, r, at + c);
            ref_norm(head, args->head_dim, norm);
            if (args->rope != NULL)
                rotate(head, args->rope, args->positions[r]);
            for (int64_t c = 0; c < args->head_dim; c++)
                kern_put(t, r, at + c, head[c]);
        }
    }
}

static void append(const struct tm_tensor *t, int32_t plane, const struct tm_qk_args *args)
{
    const struct tm_kv_cache *cache = args->append;
    const struct tm_kv_pool *pool = cache->pool;
    for (int64_t r = 0; r < t->rows; r++) {
        int32_t at =
            args->append_positions != NULL ? args->append_positions[r] : args->positions[r];
        int64_t entry = (int64_t)args->append_rows[r] * cache->max_pages + at / pool->positions;
        int64_t row = (int64_t)args->layer * pool->pages + cache->pages[entry];
        for (int64_t h = 0; h < args->kv_heads; h++)
            for (int64_t c = 0; c < args->head_dim; c++)
                kern_put(&pool->data, row, kern_kv_at(pool, plane, h, at % pool->positions, c),
                         kern_get(t, r, h * args->head_dim + c));
    }
}

enum tm_status ref_qk_prep(struct tm_stream *stream, struct tm_tensor *q, struct tm_tensor *k,
                           const struct tm_tensor *v, const struct tm_qk_args *args)
{
    size_t mark = stream->used;
    float *head = kern_scratch(stream, (size_t)args->head_dim * sizeof *head);
    if (q != NULL)
        prepare(q, args->heads, args->q_norm, head, args);
    if (k != NULL)
        prepare(k, args->kv_heads, args->k_norm, head, args);
    if (args->append != NULL) {
        append(k, 0, args);
        append(v, 1, args);
    }
    stream->used = mark;
    return TM_OK;
}
