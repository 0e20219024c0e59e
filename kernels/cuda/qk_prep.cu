/* qk_prep: a warp a head of a row: norm, rotation, the result in place and into the cache; then a
 * warp a head of v into the cache. One launch for all of it. */
#include "device.h"

enum { QK_WARPS = 4, QK_MOST = 512 /* dimensions of a head */ };

struct qk {
    struct tm_tensor q, k, v, pool;
    struct tm_qk_args args;
    struct tm_rope rope;
    struct tm_norm q_norm, k_norm;
    const int32_t *pages;
    int32_t max_pages, pool_pages, positions;
    int32_t q_heads; /* 0: no q */
    bool append;
};

/* As kern_kv_at. */
static __device__ inline int64_t kv_at(const struct qk &a, int64_t plane, int64_t head, int64_t t,
                                       int64_t d)
{
    const int64_t dim = a.args.head_dim;
    const int64_t at = (plane * a.args.kv_heads + head) * a.positions * dim;
    return at + (plane == 0 ? d * a.positions + t : t * dim + d);
}

static __device__ inline void head_norm(float *head, int32_t n, const struct tm_norm &norm)
{
    const unsigned lane = threadIdx.x % WARP;
    float mean = 0, square = 0;
    if (norm.kind == tm_norm::TM_NORM_NONE)
        return;
    if (norm.kind == tm_norm::TM_NORM_LAYER) {
        for (int32_t c = (int32_t)lane; c < n; c += WARP)
            mean += head[c];
        mean = warp_sum(mean) / (float)n;
    }
    for (int32_t c = (int32_t)lane; c < n; c += WARP)
        square += (head[c] - mean) * (head[c] - mean);
    const float inverse = 1 / sqrtf(warp_sum(square) / (float)n + norm.eps);
    for (int32_t c = (int32_t)lane; c < n; c += WARP) {
        float v = (head[c] - mean) * inverse;
        v = norm.weight != NULL ? v * norm.weight[c] : v;
        head[c] = norm.bias != NULL && norm.kind == tm_norm::TM_NORM_LAYER ? v + norm.bias[c] : v;
    }
    __syncwarp();
}

static __device__ inline void rotate(float *head, const struct tm_rope &rope, int64_t position)
{
    const int32_t half = rope.dims / 2;
    for (int32_t c = (int32_t)(threadIdx.x % WARP); c < half; c += WARP) {
        const float a = head[c], b = head[c + half];
        const float cos = rope.cos[position * half + c], sin = rope.sin[position * half + c];
        head[c] = a * cos - b * sin;
        head[c + half] = b * cos + a * sin;
    }
    __syncwarp();
}

static __device__ inline void append(const struct qk &a, int64_t r, int64_t plane, int64_t h,
                                     const float *head)
{
    const int32_t at =
        a.args.append_positions != NULL ? a.args.append_positions[r] : a.args.positions[r];
    const int32_t row = a.args.append_rows[r];
    if (row < 0) /* a row that fills up a graph's bucket */
        return;
    const int32_t page = a.pages[(int64_t)row * a.max_pages + at / a.positions];
    for (int32_t c = (int32_t)(threadIdx.x % WARP); c < a.args.head_dim; c += WARP)
        put(a.pool, (int64_t)a.args.layer * a.pool_pages + page,
            kv_at(a, plane, h, at % a.positions, c), head[c]);
}

static __global__ void qk_kernel(struct qk a)
{
    SHARED_MEMORY(shared);
    const int32_t dim = a.args.head_dim, kv_heads = a.k.data != NULL ? a.args.kv_heads : 0;
    const int32_t warp = (int32_t)(threadIdx.x / WARP), lane = (int32_t)(threadIdx.x % WARP);
    float *head = (float *)shared + warp * QK_MOST;
    const int64_t r = blockIdx.x;
    int32_t h = (int32_t)blockIdx.y * QK_WARPS + warp;
    const int32_t which = h < a.q_heads ? 0 : h < a.q_heads + kv_heads ? 1 : 2;
    h -= which == 0 ? 0 : which == 1 ? a.q_heads : a.q_heads + kv_heads;
    if (which == 2 && (!a.append || h >= kv_heads))
        return;
    const struct tm_tensor &t = which == 0 ? a.q : which == 1 ? a.k : a.v;
    for (int32_t c = lane; c < dim; c += WARP)
        head[c] = get(t, r, (int64_t)h * dim + c);
    __syncwarp();
    if (which == 2) {
        append(a, r, 1, h, head);
        return;
    }
    head_norm(head, dim, which == 0 ? a.q_norm : a.k_norm);
    if (a.rope.dims > 0)
        rotate(head, a.rope, a.args.positions[r]);
    for (int32_t c = lane; c < dim; c += WARP) {
        put(t, r, (int64_t)h * dim + c, head[c]);
        head[c] = get(t, r, (int64_t)h * dim + c); /* the cache holds what k holds */
    }
    if (which == 1 && a.append)
        append(a, r, 0, h, head);
}

enum tm_status cuda_qk_prep(struct tm_stream *stream, struct tm_tensor *q, struct tm_tensor *k,
                            const struct tm_tensor *v, const struct tm_qk_args *args)
{
    const int64_t rows = q != NULL ? q->rows : k != NULL ? k->rows : 0;
    if (rows == 0)
        return TM_OK;
    if (args->head_dim > QK_MOST)
        return TM_UNSUPPORTED;
    struct qk a = {};
    a.q = tensor_or_none(q);
    a.k = tensor_or_none(k);
    a.v = tensor_or_none(v);
    a.args = *args;
    a.q_norm = norm_or_none(args->q_norm);
    a.k_norm = norm_or_none(args->k_norm);
    a.q_heads = q != NULL ? args->heads : 0;
    if (args->rope != NULL)
        a.rope = *args->rope;
    if (args->append != NULL) {
        const struct tm_kv_cache *cache = args->append;
        a.append = true;
        a.pool = cache->pool->data;
        a.pages = cache->pages;
        a.max_pages = cache->max_pages;
        a.pool_pages = cache->pool->pages;
        a.positions = cache->pool->positions;
    }
    const int64_t heads = a.q_heads + (k != NULL ? 2 * (int64_t)args->kv_heads : 0);
    LAUNCH(cuda_handle(stream), dim3((unsigned)rows, (unsigned)((heads + QK_WARPS - 1) / QK_WARPS)),
           QK_WARPS * WARP, QK_WARPS * QK_MOST * sizeof(float), qk_kernel, a);
    return cuda_launched();
}
