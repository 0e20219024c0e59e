/* attn_cached: a block has one slot and one key head, and answers all queries that read them: the
 * beams of the slot times the query heads that share the key head. Keys and values are read once
 * for up to QUERIES of them.
 *
 * A warp takes every fourth page and keeps a softmax of its own; the four are merged at the end, in
 * their order. Scores: a lane has a position of the page. Values: a lane has every 32nd dimension.
 * Which page holds a position is the ancestry's to say; where all beams of a warp's page agree, as
 * in cross-attention always, one read serves all. */
#include "device.h"

enum { CACHED_WARPS = 4, CACHED_DIMS = 256 };

struct cached {
    struct tm_tensor out, q, pool;
    struct tm_attn_args args;
    const int32_t *pages, *lengths;
    const uint8_t *owner; /* NULL: cross-attention */
    int32_t owner_beams, owner_positions, cache_beams, max_pages;
    int64_t first_page; /* of the layer, in the pool's rows */
    int32_t positions;
    const int32_t *slot, *first_row, *beam_of_row;
};

/* Queries at work: rows first_row …, heads first_head …, `group` of them a row. */
struct queries {
    int64_t slot, row;
    int32_t head, group, kv, n;
    int32_t length, from; /* positions [from, length) are seen */
};

/* The pool's row that holds position t for query i. */
static __device__ inline int64_t page_of(const struct cached &a, const struct queries &x, int32_t i,
                                         int32_t t)
{
    int64_t sequence = x.slot;
    if (a.owner != NULL) {
        const int64_t beam = a.beam_of_row[x.row + i / x.group];
        sequence = x.slot * a.cache_beams +
                   a.owner[(x.slot * a.owner_beams + beam) * a.owner_positions + t];
    }
    return a.first_page + a.pages[sequence * a.max_pages + t / a.positions];
}

/* Do all queries find the warp's positions in one page? Lanes past the end agree with all. */
static __device__ inline bool shared_page(const struct cached &a, const struct queries &x,
                                          int32_t t)
{
    bool same = true;
    if (a.owner == NULL)
        return true;
    const int32_t lane_t = TM_MIN(t, x.length - 1);
    const int64_t mine = page_of(a, x, 0, lane_t);
    for (int32_t i = x.group; i < x.n; i += x.group)
        same &= page_of(a, x, i, lane_t) == mine;
    const int32_t first = __shfl_sync(0xffffffffu, (int32_t)mine, 0);
    return __ballot_sync(0xffffffffu, same && (int32_t)mine == first) == 0xffffffffu;
}

static __device__ inline float scored(const struct cached &a, const struct queries &x, int32_t i,
                                      int32_t t, float dot)
{
    const struct tm_attn_bias &bias = a.args.bias;
    float s = dot * a.args.scale;
    if (t < x.from || t >= x.length)
        return -INFINITY;
    if (a.args.softcap != 0)
        s = a.args.softcap * tanhf(s / a.args.softcap);
    if (bias.kind == tm_attn_bias::TM_BIAS_T5 && a.owner != NULL) {
        const int32_t distance = TM_MAX(-bias.reach, t - (x.length - 1));
        const int32_t h = x.head + i % x.group;
        s += bias.table[(int64_t)bias.bucket[distance + bias.reach] * a.args.heads + h];
    }
    return s;
}

/* q: (n, dim) in shared memory. Scores of the lane's position t. */
template <int N>
static __device__ inline void scores(const struct cached &a, const struct queries &x,
                                     const float *q, int32_t t, bool one, float *s)
{
    const int32_t dim = a.args.head_dim, at = t % a.positions;
    const bool there = t < x.length;
    const int64_t plane = (int64_t)x.kv * a.positions * dim;
    for (int i = 0; i < N; i++)
        s[i] = 0;
    if (one) {
        const int64_t page = there ? page_of(a, x, 0, t) : 0;
        for (int32_t d = 0; d < dim && there; d++) {
            const float key = get(a.pool, page, plane + (int64_t)d * a.positions + at);
            for (int i = 0; i < N; i++)
                s[i] = fmaf(q[i * dim + d], key, s[i]);
        }
    } else {
        for (int i = 0; i < N; i++) {
            const int64_t page = there && i < x.n ? page_of(a, x, i, t) : 0;
            for (int32_t d = 0; d < dim && there && i < x.n; d++)
                s[i] = fmaf(q[i * dim + d],
                            get(a.pool, page, plane + (int64_t)d * a.positions + at), s[i]);
        }
    }
    for (int i = 0; i < N; i++)
        s[i] = i < x.n ? scored(a, x, i, t, s[i]) : -INFINITY;
}

/* sum += probabilities * values, over the 32 positions from t0 on. weights: (N, 32). */
template <int N, int PARTS>
static __device__ inline void weigh(const struct cached &a, const struct queries &x, int32_t t0,
                                    bool one, const float *weights, float (*sum)[PARTS])
{
    const int32_t dim = a.args.head_dim, lane = (int32_t)(threadIdx.x % WARP);
    const int64_t plane = ((int64_t)a.args.kv_heads + x.kv) * a.positions * dim;
    for (int32_t j = 0; j < WARP && t0 + j < x.length; j++) {
        const int32_t t = t0 + j;
        const int64_t col = plane + (int64_t)(t % a.positions) * dim;
        float v[PARTS];
        for (int i = 0; i < N; i++) {
            const float weight = weights[i * WARP + j];
            if (i < x.n && (i == 0 || !one)) {
                const int64_t page = page_of(a, x, i, t);
                for (int c = 0; c < PARTS; c++)
                    v[c] = c * WARP + lane < dim ? get(a.pool, page, col + c * WARP + lane) : 0;
            }
            for (int c = 0; c < PARTS && i < x.n; c++)
                sum[i][c] = fmaf(weight, v[c], sum[i][c]);
        }
    }
}

/* The warps' softmaxes become one; warp w answers the queries w, w + 4, … */
template <int N, int PARTS>
static __device__ inline void merge(const struct cached &a, const struct queries &x, float *memory,
                                    const float *top, const float *total, const float (*sum)[PARTS])
{
    const int32_t dim = a.args.head_dim, lane = (int32_t)(threadIdx.x % WARP);
    const int32_t warp = (int32_t)(threadIdx.x / WARP), each = dim + 2;
    for (int i = 0; i < N; i++) {
        float *to = memory + (warp * N + i) * each;
        to[0] = top[i]; /* all lanes write the same */
        to[1] = total[i];
        for (int c = 0; c < PARTS; c++)
            if (c * WARP + lane < dim)
                to[2 + c * WARP + lane] = sum[i][c];
    }
    __syncthreads();
    for (int32_t i = warp; i < x.n; i += CACHED_WARPS) {
        float most = -INFINITY, all = 0;
        for (int w = 0; w < CACHED_WARPS; w++)
            most = fmaxf(most, memory[(w * N + i) * each]);
        for (int w = 0; w < CACHED_WARPS; w++) {
            const float *from = memory + (w * N + i) * each;
            all += from[0] > -INFINITY ? from[1] * expf(from[0] - most) : 0;
        }
        for (int32_t d = lane; d < dim; d += WARP) {
            float v = 0;
            for (int w = 0; w < CACHED_WARPS; w++) {
                const float *from = memory + (w * N + i) * each;
                v += from[0] > -INFINITY ? from[2 + d] * expf(from[0] - most) : 0;
            }
            put(a.out, x.row + i / x.group, (int64_t)(x.head + i % x.group) * dim + d,
                all > 0 ? v / all : 0);
        }
    }
    __syncthreads();
}

/* N queries of the block's. */
template <int N, int PARTS>
static __device__ inline void answer(const struct cached &a, const struct queries &x, float *memory)
{
    const int32_t dim = a.args.head_dim, warp = (int32_t)(threadIdx.x / WARP);
    float *q = memory, *weights = memory + N * dim + warp * N * WARP;
    float top[N], total[N], sum[N][PARTS] = {};
    for (int32_t i = (int32_t)threadIdx.x; i < N * dim; i += CACHED_WARPS * WARP) {
        const int32_t of = i / dim;
        q[i] = of < x.n ? get(a.q, x.row + of / x.group,
                              (int64_t)(x.head + of % x.group) * dim + i % dim)
                        : 0;
    }
    __syncthreads();
    for (int i = 0; i < N; i++) {
        top[i] = -INFINITY;
        total[i] = 0;
    }
    for (int32_t t0 = (x.from / WARP / CACHED_WARPS * CACHED_WARPS + warp) * WARP; t0 < x.length;
         t0 += CACHED_WARPS * WARP) {
        const int32_t t = t0 + (int32_t)(threadIdx.x % WARP);
        const bool one = shared_page(a, x, t);
        float s[N];
        scores<N>(a, x, q, t, one, s);
        for (int i = 0; i < N; i++) {
            const float most = fmaxf(top[i], warp_max(s[i]));
            const float kept = top[i] > -INFINITY ? expf(top[i] - most) : 0;
            s[i] = s[i] > -INFINITY ? expf(s[i] - most) : 0;
            total[i] = total[i] * kept + warp_sum(s[i]);
            top[i] = most;
            weights[i * WARP + threadIdx.x % WARP] = s[i];
            for (int c = 0; c < PARTS; c++)
                sum[i][c] *= kept;
        }
        __syncwarp();
        weigh<N, PARTS>(a, x, t0, one, weights, sum);
        __syncwarp(); /* before the next page's weights */
    }
    __syncthreads(); /* q's memory is used again */
    merge<N, PARTS>(a, x, memory, top, total, sum);
}

template <int N, int PARTS>
static __global__ void __launch_bounds__(CACHED_WARPS *WARP) cached_kernel(struct cached a)
{
    SHARED_MEMORY(shared);
    const int32_t heads = a.args.heads, kv_heads = a.args.kv_heads, kv = (int32_t)blockIdx.y;
    struct queries x;
    x.slot = a.slot[blockIdx.x];
    if (x.slot < 0) /* fills up a graph's bucket */
        return;
    x.kv = kv;
    x.head = (kv * heads + kv_heads - 1) / kv_heads;
    x.group = ((kv + 1) * heads + kv_heads - 1) / kv_heads - x.head;
    x.length = a.lengths[x.slot];
    x.from = a.args.window != 0 && a.owner != NULL ? TM_MAX(0, x.length - 1 - a.args.window) : 0;
    const int32_t per = TM_MAX(1, N / x.group); /* whole rows at a time, or a part of one's heads */
    const int32_t first = a.first_row[blockIdx.x], end = a.first_row[blockIdx.x + 1];
    const struct queries all = x;
    for (int32_t row = first; row < end; row += per) {
        for (int32_t h = 0; h < all.group; h += N) {
            x.row = row;
            x.head = all.head + h;
            x.group = TM_MIN(N, all.group - h);
            x.n = TM_MIN(per, end - row) * x.group;
            answer<N, PARTS>(a, x, (float *)shared);
        }
    }
}

template <int N, int PARTS>
static void launch(struct tm_stream *stream, const struct cached &a, int32_t slots)
{
    const size_t merging = (size_t)CACHED_WARPS * N * (size_t)(a.args.head_dim + 2);
    const size_t reading = (size_t)N * (size_t)(a.args.head_dim + CACHED_WARPS * WARP);
    LAUNCH(cuda_handle(stream), dim3((unsigned)slots, (unsigned)a.args.kv_heads),
           CACHED_WARPS * WARP, TM_MAX(merging, reading) * sizeof(float), (cached_kernel<N, PARTS>),
           a);
}

enum tm_status cuda_attn_cached(struct tm_stream *stream, struct tm_tensor *out,
                                const struct tm_tensor *q, const struct tm_cached_args *args)
{
    const struct tm_kv_cache *cache = args->cache;
    const struct tm_kv_pool *pool = cache->pool;
    const struct tm_step *step = args->step;
    const int32_t dim = args->attn.head_dim;
    struct cached a = {*out,
                       *q,
                       pool->data,
                       args->attn,
                       cache->pages,
                       cache->lengths,
                       NULL,
                       0,
                       0,
                       cache->beams,
                       cache->max_pages,
                       (int64_t)args->layer * pool->pages,
                       pool->positions,
                       step->slot,
                       step->first_row,
                       step->beam_of_row};
    if ((args->attn.bias.kind != tm_attn_bias::TM_BIAS_NONE &&
         args->attn.bias.kind != tm_attn_bias::TM_BIAS_T5) ||
        dim > CACHED_DIMS || pool->positions % WARP != 0)
        return TM_UNSUPPORTED;
    if (step->slots == 0)
        return TM_OK;
    if (cache->ancestry != NULL) {
        a.owner = cache->ancestry->owner;
        a.owner_beams = cache->ancestry->beams;
        a.owner_positions = cache->ancestry->positions;
    }
    /* A greedy step of models without grouped heads has one query a block. */
    const bool single = step->rows == step->slots && args->attn.heads == args->attn.kv_heads;
    if (dim <= 64 && single)
        launch<1, 2>(stream, a, step->slots);
    else if (dim <= 64)
        launch<4, 2>(stream, a, step->slots);
    else if (dim <= 128 && single)
        launch<1, 4>(stream, a, step->slots);
    else if (dim <= 128)
        launch<4, 4>(stream, a, step->slots);
    else
        launch<2, 8>(stream, a, step->slots);
    return cuda_launched();
}
