/* attn_varlen on ordinary cores, in float32 whatever the tensors hold: for checking, for heads and
 * biases that the tensor cores' variant (attn_mma.cu) does not have. Online softmax: keys pass
 * once, tile by tile, through shared memory.
 *
 * A block has a tile of queries of one head, ROWS of them a warp. Scores: a lane has one key of the
 * tile and reads it once for all the warp's queries. Values: a lane has every 32nd dimension. */
#include "attn.h"
#include "attn_mma.h"

enum { ATTN_WARPS = 4, KEYS = WARP };

static __device__ inline void load_tile(float *to, int32_t pitch, const struct attn &a,
                                        const struct tm_tensor &t, const struct part &p,
                                        int32_t from, int32_t rows, int32_t head)
{
    const int32_t dim = a.args.head_dim;
    for (int32_t i = (int32_t)threadIdx.x; i < rows * dim; i += (int32_t)blockDim.x) {
        const int32_t r = i / dim, d = i % dim;
        to[r * pitch + d] =
            from + r < p.len ? get(t, p.start + from + r, (int64_t)head * dim + d) : 0;
    }
}

/* The terms of relative distances: q · pos_k and k · pos_q, whose row the distance gives. */
static __device__ inline float relative(const struct attn &a, const struct part &p, int32_t i,
                                        int32_t j, const float *q, const float *k)
{
    const struct tm_attn_bias &bias = a.args.bias;
    const int32_t dim = a.args.head_dim;
    int32_t row = clamped(i - j, bias.reach);
    int64_t col = 0;
    float sum = 0;
    if (bias.kind == tm_attn_bias::TM_BIAS_DEBERTA) {
        row = bias.bucket[row];
        col = (int64_t)p.h * dim;
    }
    if (a.pos_k.data != NULL)
        for (int32_t d = 0; d < dim; d++)
            sum = fmaf(q[d], get(a.pos_k, row, col + d), sum);
    if (a.pos_q.data != NULL)
        for (int32_t d = 0; d < dim; d++)
            sum = fmaf(k[d], get(a.pos_q, row, col + d), sum);
    return sum;
}

/* Scores of the warp's rows with the lane's key; -inf where it is not seen. */
template <int ROWS>
static __device__ inline void scores(const struct attn &a, const struct part &p, const float *q,
                                     int32_t row, const float *k, int32_t j, float *s)
{
    const int32_t dim = a.args.head_dim, pitch = dim + 1;
    const float *key = k + (int32_t)(threadIdx.x % WARP) * pitch;
    for (int r = 0; r < ROWS; r++)
        s[r] = 0;
    for (int32_t d = 0; d < dim; d++)
        for (int r = 0; r < ROWS; r++)
            s[r] = fmaf(q[(row + r) * dim + d], key[d], s[r]);
    for (int r = 0; r < ROWS; r++) {
        const int32_t i = p.first + row + r;
        if (i >= p.len || !allowed(a, p, i, j)) {
            s[r] = -INFINITY;
            continue;
        }
        if (a.pos_k.data != NULL || a.pos_q.data != NULL)
            s[r] += relative(a, p, i, j, q + (row + r) * dim, key);
        s[r] = scored(a, p, i, j, s[r]);
    }
}

template <int ROWS, int PARTS>
static __global__ void __launch_bounds__(ATTN_WARPS *WARP) attn_kernel(struct attn a)
{
    SHARED_MEMORY(shared);
    const int32_t dim = a.args.head_dim, pitch = dim + 1, lane = (int32_t)(threadIdx.x % WARP);
    const int32_t tile = ATTN_WARPS * ROWS, row = (int32_t)(threadIdx.x / WARP) * ROWS;
    float *weights = (float *)shared + row * KEYS; /* of the warp's rows */
    float *q = (float *)shared + tile * KEYS, *kv = q + tile * dim;
    float top[ROWS], total[ROWS], sum[ROWS][PARTS] = {};
    struct part p;
    int32_t from, to;
    if (!find_part(a, tile, &p))
        return;
    load_tile(q, dim, a, a.q, p, p.first, tile, p.h);
    for (int r = 0; r < ROWS; r++) {
        top[r] = -INFINITY;
        total[r] = 0;
    }
    key_range(a, p, tile, &from, &to);
    for (int32_t at = from / KEYS * KEYS; at < to; at += KEYS) {
        float s[ROWS];
        load_tile(kv, pitch, a, a.k, p, at, KEYS, p.kv);
        __syncthreads();
        scores<ROWS>(a, p, q, row, kv, at + lane, s);
        __syncthreads();
        load_tile(kv, pitch, a, a.v, p, at, KEYS, p.kv);
        __syncthreads();
        for (int r = 0; r < ROWS; r++) {
            const float most = fmaxf(top[r], warp_max(s[r]));
            const float kept = top[r] > -INFINITY ? expf(top[r] - most) : 0;
            s[r] = s[r] > -INFINITY ? expf(s[r] - most) : 0;
            total[r] = total[r] * kept + warp_sum(s[r]);
            top[r] = most;
            weights[r * KEYS + lane] = s[r];
            for (int c = 0; c < PARTS; c++)
                sum[r][c] *= kept;
        }
        __syncwarp();
        for (int j = 0; j < KEYS; j++) {
            for (int r = 0; r < ROWS; r++) {
                const float weight = weights[r * KEYS + j];
                for (int c = 0; c < PARTS; c++)
                    if (c * WARP + lane < dim)
                        sum[r][c] = fmaf(weight, kv[j * pitch + c * WARP + lane], sum[r][c]);
            }
        }
        __syncthreads();
    }
    for (int r = 0; r < ROWS; r++)
        for (int c = 0; c < PARTS; c++)
            if (p.first + row + r < p.len && c * WARP + lane < dim)
                put(a.out, p.start + p.first + row + r, (int64_t)p.h * dim + c * WARP + lane,
                    sum[r][c] / total[r]);
}

template <int ROWS, int PARTS> static void launch(struct tm_stream *stream, const struct attn &a)
{
    const int32_t tile = ATTN_WARPS * ROWS, dim = a.args.head_dim;
    LAUNCH(cuda_handle(stream), dim3(attn_blocks(a.q.rows, a.n, tile), (unsigned)a.args.heads),
           ATTN_WARPS * WARP, (size_t)(tile * (dim + KEYS) + KEYS * (dim + 1)) * sizeof(float),
           (attn_kernel<ROWS, PARTS>), a);
}

enum tm_status cuda_attn_varlen(struct tm_stream *stream, struct tm_tensor *out,
                                const struct tm_tensor *q, const struct tm_tensor *k,
                                const struct tm_tensor *v, const int32_t *starts, int32_t n,
                                const struct tm_attn_args *args)
{
    struct attn a = {*out, *q, *k, *v, {}, {}, starts, n, *args};
    const bool distances = args->bias.kind == tm_attn_bias::TM_BIAS_DEBERTA ||
                           args->bias.kind == tm_attn_bias::TM_BIAS_RELATIVE_KEY;
    if (args->head_dim > 256)
        return TM_UNSUPPORTED;
    if (q->rows == 0 || n == 0)
        return TM_OK;
    if (distances) {
        a.pos_k = tensor_or_none(args->bias.pos_k);
        a.pos_q = tensor_or_none(args->bias.pos_q);
    }
    if (attn_mma_has(a))
        attn_mma_launch(stream, a);
    else if (args->head_dim <= 64)
        launch<4, 2>(stream, a);
    else if (args->head_dim <= 128)
        launch<4, 4>(stream, a);
    else
        launch<2, 8>(stream, a);
    return cuda_launched();
}
