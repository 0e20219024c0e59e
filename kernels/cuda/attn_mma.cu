/* attn_varlen on tensor cores: bfloat16 products, float32 scores, softmax and sums. The scheme is
 * FlashAttention-2's (Dao, 2023): a warp has 16 queries, keys and values pass in tiles, and the
 * probabilities of a tile stay in the registers where the scores were computed. */
#include "attn_mma.h"
#include "ptx.h"

enum { MMA_WARPS = 4, MMA_ROWS = 16 * MMA_WARPS, MMA_KEYS = 32, PAD = 8 };

/* Rows of a head into shared memory, `dims` columns, zeros past the head's and the sequence's end.
 */
static __device__ inline void load_rows(uint16_t *to, int32_t dims, const struct tm_tensor &t,
                                        const struct part &p, int32_t from, int32_t rows,
                                        int32_t head, int32_t head_dim)
{
    for (int32_t i = (int32_t)threadIdx.x; i < rows * dims / 8; i += (int32_t)blockDim.x) {
        const int32_t r = i / (dims / 8), d = i % (dims / 8) * 8;
        uint16_t *at = to + r * (dims + PAD) + d;
        const uint16_t *x = (const uint16_t *)t.data + (p.start + from + r) * t.stride +
                            (int64_t)head * head_dim + d;
        if (from + r < p.len && d + 8 <= head_dim && aligned(x)) {
            copy_async(at, x, true);
            continue;
        }
        for (int e = 0; e < 8; e++)
            at[e] = from + r < p.len && d + e < head_dim ? x[e] : (uint16_t)0;
    }
    copy_commit();
}

/* scores (16 x MMA_KEYS) of the warp's queries: fragments of mma_bf16's C, 8 keys each. */
template <int DIMS>
static __device__ inline void products(float s[MMA_KEYS / 8][4], const uint16_t *q,
                                       const uint16_t *k)
{
    const int g = (int)threadIdx.x % WARP / 4, t = (int)threadIdx.x % 4, pitch = DIMS + PAD;
    for (int j = 0; j < MMA_KEYS / 8; j++)
        for (int e = 0; e < 4; e++)
            s[j][e] = 0;
    for (int d = 0; d < DIMS; d += 16) {
        const uint16_t *x = q + g * pitch + d + 2 * t;
        const uint32_t a[4] = {*(const uint32_t *)x, *(const uint32_t *)(x + 8 * pitch),
                               *(const uint32_t *)(x + 8), *(const uint32_t *)(x + 8 * pitch + 8)};
        for (int j = 0; j < MMA_KEYS / 8; j++) {
            const uint16_t *y = k + (8 * j + g) * pitch + d + 2 * t;
            const uint32_t b[2] = {*(const uint32_t *)y, *(const uint32_t *)(y + 8)};
            mma_bf16(s[j], a, b, s[j]);
        }
    }
}

/* Of the four lanes that share a row. */
static __device__ inline float quad_max(float v)
{
    v = fmaxf(v, __shfl_xor_sync(0xffffffffu, v, 1));
    return fmaxf(v, __shfl_xor_sync(0xffffffffu, v, 2));
}

static __device__ inline float quad_sum(float v)
{
    v += __shfl_xor_sync(0xffffffffu, v, 1);
    return v + __shfl_xor_sync(0xffffffffu, v, 2);
}

struct running { /* of the lane's two rows, g and g + 8 */
    float top[2], total[2];
};

/* From products to probabilities, in place; what was summed before shrinks by kept. */
static __device__ inline void soften(const struct attn &a, const struct part &p, int32_t row,
                                     int32_t at, float s[MMA_KEYS / 8][4], struct running *run,
                                     float kept[2])
{
    const int32_t g = (int32_t)threadIdx.x % WARP / 4, t = (int32_t)threadIdx.x % 4;
    for (int half = 0; half < 2; half++) {
        const int32_t i = row + g + 8 * half;
        float most = -INFINITY, sum = 0;
        for (int j = 0; j < MMA_KEYS / 8; j++) {
            for (int e = 0; e < 2; e++) {
                const int32_t key = at + 8 * j + 2 * t + e;
                float *score = &s[j][2 * half + e];
                *score =
                    i < p.len && allowed(a, p, i, key) ? scored(a, p, i, key, *score) : -INFINITY;
                most = fmaxf(most, *score);
            }
        }
        most = fmaxf(run->top[half], quad_max(most));
        kept[half] = run->top[half] > -INFINITY ? expf(run->top[half] - most) : 0;
        for (int j = 0; j < MMA_KEYS / 8; j++) {
            for (int e = 0; e < 2; e++) {
                float *score = &s[j][2 * half + e];
                *score = *score > -INFINITY ? expf(*score - most) : 0;
                sum += *score;
            }
        }
        run->top[half] = most;
        run->total[half] = run->total[half] * kept[half] + quad_sum(sum);
    }
}

static __device__ inline uint32_t pair(float low, float high)
{
    return to_bf16(low) | (uint32_t)to_bf16(high) << 16;
}

/* sum += probabilities * values. C's fragment of 16 x 8 scores is half of A's of 16 x 16. */
template <int DIMS>
static __device__ inline void weigh(float sum[DIMS / 8][4], const float s[MMA_KEYS / 8][4],
                                    const uint16_t *v)
{
    const int pitch = DIMS + PAD, lane = (int)threadIdx.x % WARP;
    for (int k = 0; k < MMA_KEYS / 16; k++) {
        const float *left = s[2 * k], *right = s[2 * k + 1];
        const uint32_t a[4] = {pair(left[0], left[1]), pair(left[2], left[3]),
                               pair(right[0], right[1]), pair(right[2], right[3])};
        for (int j = 0; j < DIMS / 8; j++) {
            uint32_t b[2];
            load_transposed(b, v + (16 * k + lane % 16) * pitch + 8 * j);
            mma_bf16(sum[j], a, b, sum[j]);
        }
    }
}

template <int DIMS>
static __global__ void __launch_bounds__(MMA_WARPS *WARP) attn_mma_kernel(struct attn a)
{
    SHARED_MEMORY(shared);
    const int32_t dim = a.args.head_dim, pitch = DIMS + PAD;
    const int32_t row = (int32_t)(threadIdx.x / WARP) * 16;
    uint16_t *q = (uint16_t *)shared, *k = q + MMA_ROWS * pitch, *v = k + MMA_KEYS * pitch;
    float sum[DIMS / 8][4] = {};
    struct running run = {{-INFINITY, -INFINITY}, {0, 0}};
    struct part p;
    int32_t from, to;
    if (!find_part(a, MMA_ROWS, &p))
        return;
    load_rows(q, DIMS, a.q, p, p.first, MMA_ROWS, p.h, dim);
    key_range(a, p, MMA_ROWS, &from, &to);
    for (int32_t at = from / MMA_KEYS * MMA_KEYS; at < to; at += MMA_KEYS) {
        float s[MMA_KEYS / 8][4], kept[2];
        load_rows(k, DIMS, a.k, p, at, MMA_KEYS, p.kv, dim);
        load_rows(v, DIMS, a.v, p, at, MMA_KEYS, p.kv, dim);
        copy_wait<1>(); /* values may still be on their way */
        __syncthreads();
        products<DIMS>(s, q + row * pitch, k);
        soften(a, p, p.first + row, at, s, &run, kept);
        for (int j = 0; j < DIMS / 8; j++)
            for (int e = 0; e < 4; e++)
                sum[j][e] *= kept[e / 2];
        copy_wait<0>();
        __syncthreads();
        weigh<DIMS>(sum, s, v);
        __syncthreads();
    }
    const int32_t g = (int32_t)threadIdx.x % WARP / 4, t = (int32_t)threadIdx.x % 4;
    for (int j = 0; j < DIMS / 8; j++) {
        for (int e = 0; e < 4; e++) {
            const int32_t i = p.first + row + g + e / 2 * 8, d = 8 * j + 2 * t + e % 2;
            if (i < p.len && d < dim)
                put(a.out, p.start + i, (int64_t)p.h * dim + d, sum[j][e] / run.total[e / 2]);
        }
    }
}

bool attn_mma_has(const struct attn &a)
{
    return a.q.dtype == TM_BF16 && a.k.dtype == TM_BF16 && a.v.dtype == TM_BF16 &&
           a.args.head_dim <= 128 && a.pos_k.data == NULL && a.pos_q.data == NULL;
}

template <int DIMS> static void launch(struct tm_stream *stream, const struct attn &a)
{
    LAUNCH(cuda_handle(stream), dim3(attn_blocks(a.q.rows, a.n, MMA_ROWS), (unsigned)a.args.heads),
           MMA_WARPS * WARP, (MMA_ROWS + 2 * MMA_KEYS) * (DIMS + PAD) * sizeof(uint16_t),
           attn_mma_kernel<DIMS>, a);
}

void attn_mma_launch(struct tm_stream *stream, const struct attn &a)
{
    if (a.args.head_dim <= 64)
        launch<64>(stream, a);
    else
        launch<128>(stream, a);
}
