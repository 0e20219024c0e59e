/* gemm: bfloat16 and float8 weights on tensor cores, 8-bit integers too, float32
 * on ordinary cores without TF32.
 *
 * Every sum runs over k in the same order whatever the tile and the number of rows: a row's result
 * does not depend on the batch. */
#include "ptx.h"

/* Where sums go: out = act(sum * scales + bias) + residual. */
struct finish {
    struct tm_tensor out, residual;
    const float *bias;
    const float *row_scale, *col_scale; /* of I8 and F8E4M3 */
    enum tm_act act;
};

static __device__ inline void finish(const struct finish &f, int64_t m, int64_t n, float v)
{
    if (m >= f.out.rows || n >= f.out.cols)
        return;
    if (f.row_scale != NULL)
        v *= f.row_scale[m];
    if (f.col_scale != NULL)
        v *= f.col_scale[n];
    if (f.bias != NULL)
        v += f.bias[n];
    v = activate(f.act, v);
    if (f.residual.data != NULL)
        v += get(f.residual, m, n);
    put(f.out, m, n, v);
}

/* W as it lies: rows of `pitch` elements, whole 16 bytes, zeros at their end. */
struct matrix {
    const void *data;
    int64_t n, k, pitch;
    enum tm_dtype dtype;
};

/* ---- ordinary cores ---- */

enum { F32_TILE = 64, F32_DEPTH = 16, F32_THREADS = 256, F32_PITCH = F32_TILE + 4 };

/* F32_DEPTH columns from k on of F32_TILE rows, transposed. */
static __device__ inline void f32_load(float *to, const struct tm_tensor &t, int64_t row, int64_t k)
{
    for (unsigned i = threadIdx.x; i < F32_TILE * F32_DEPTH; i += F32_THREADS) {
        const int64_t r = row + i / F32_DEPTH, c = k + i % F32_DEPTH;
        to[i % F32_DEPTH * F32_PITCH + i / F32_DEPTH] = r < t.rows && c < t.cols ? get(t, r, c) : 0;
    }
}

static __global__ void __launch_bounds__(F32_THREADS)
    gemm_f32_kernel(struct tm_tensor x, struct tm_tensor w, struct finish f)
{
    SHARED_MEMORY(shared);
    float *a = (float *)shared, *b = a + F32_DEPTH * F32_PITCH;
    const int64_t m = (int64_t)blockIdx.y * F32_TILE, n = (int64_t)blockIdx.x * F32_TILE;
    const unsigned row = threadIdx.x / 16 * 4, col = threadIdx.x % 16 * 4;
    float sum[4][4] = {};
    for (int64_t k = 0; k < x.cols; k += F32_DEPTH) {
        f32_load(a, x, m, k);
        f32_load(b, w, n, k);
        __syncthreads();
        for (unsigned d = 0; d < F32_DEPTH; d++)
            for (unsigned i = 0; i < 4; i++)
                for (unsigned j = 0; j < 4; j++)
                    sum[i][j] =
                        fmaf(a[d * F32_PITCH + row + i], b[d * F32_PITCH + col + j], sum[i][j]);
        __syncthreads();
    }
    for (unsigned i = 0; i < 4; i++)
        for (unsigned j = 0; j < 4; j++)
            finish(f, m + row + i, n + col + j, sum[i][j]);
}

/* ---- tensor cores ---- */

/* A tile's rows in shared memory: 64 bytes of k (32 of bf16, 64 of int8), 16 more so that the
 * lanes of a warp read from different banks. */
enum { DEPTH_BYTES = 64, TILE_PITCH = DEPTH_BYTES + 16, CHUNK = 16, STAGES = 2 };

template <typename T> struct kind;
template <> struct kind<float> {
    enum { SIZE = 2 }; /* bytes of a number in the tile: bf16 */
    static __device__ inline void mma(float d[4], const uint32_t a[4], const uint32_t b[2])
    {
        mma_bf16(d, a, b, d);
    }
};
template <> struct kind<int32_t> {
    enum { SIZE = 1 };
    static __device__ inline void mma(int32_t d[4], const uint32_t a[4], const uint32_t b[2])
    {
        mma_s8(d, a, b, d);
    }
};

/* 16 bytes of a row of W. Those of float8 become bfloat16, exactly. */
static __device__ inline void load_w(unsigned char *to, const struct matrix &w, int64_t n,
                                     int64_t k)
{
    const bool there = n < w.n && k < w.pitch;
    const int64_t at = there ? n * w.pitch + k : 0;
    if (w.dtype == TM_BF16) {
        copy_async(to, (const uint16_t *)w.data + at, there);
    } else if (w.dtype == TM_I8) {
        copy_async(to, (const int8_t *)w.data + at, there);
    } else {
        uint2 eight = {0, 0};
        if (there)
            eight = *(const uint2 *)((const uint8_t *)w.data + at);
        for (int i = 0; i < 8; i++) {
            const uint32_t half = i < 4 ? eight.x : eight.y;
            ((uint16_t *)to)[i] = to_bf16(from_f8((uint8_t)(half >> i % 4 * 8)));
        }
    }
}

/* 16 bytes of a row of x, converted where they are not what the tile holds. */
static __device__ inline void load_x(unsigned char *to, const struct tm_tensor &x, int64_t m,
                                     int64_t k, int size)
{
    const int many = CHUNK / size;
    const bool same = x.dtype == (size == 1 ? TM_I8 : TM_BF16);
    const char *from = (const char *)x.data + (m * x.stride + k) * size;
    if (same && m < x.rows && k + many <= x.cols && aligned(from)) {
        copy_async(to, from, true);
        return;
    }
    for (int i = 0; i < many; i++) {
        const bool there = m < x.rows && k + i < x.cols;
        if (size == 1)
            ((int8_t *)to)[i] = there ? ((const int8_t *)x.data)[m * x.stride + k + i] : (int8_t)0;
        else
            ((uint16_t *)to)[i] = there ? to_bf16(get(x, m, k + i)) : (uint16_t)0;
    }
}

/* Two tiles of 64 bytes of k into one stage. */
template <typename T, int BM, int BN, int THREADS>
static __device__ inline void load_stage(unsigned char *a, const struct tm_tensor &x,
                                         const struct matrix &w, int64_t m, int64_t n, int64_t k)
{
    const int size = kind<T>::SIZE, chunks = DEPTH_BYTES / CHUNK;
    unsigned char *b = a + BM * TILE_PITCH;
    for (int i = (int)threadIdx.x; i < (BM + BN) * chunks; i += THREADS) {
        const int row = i / chunks, at = i % chunks * CHUNK;
        if (row < BM)
            load_x(a + row * TILE_PITCH + at, x, m + row, k + at / size, size);
        else
            load_w(b + (row - BM) * TILE_PITCH + at, w, n + row - BM, k + at / size);
    }
    copy_commit();
}

/* A warp's part of a stage: WM x WN sums, 32 bytes of k at a time. */
template <typename T, int WM, int WN>
static __device__ inline void multiply(T (*sum)[WN / 8][4], const unsigned char *a,
                                       const unsigned char *b)
{
    const int g = (int)threadIdx.x % WARP / 4, t = (int)threadIdx.x % 4;
    for (int at = 0; at < DEPTH_BYTES; at += 32) {
        uint32_t left[WM / 16][4];
        for (int i = 0; i < WM / 16; i++) {
            const unsigned char *p = a + (16 * i + g) * TILE_PITCH + at + 4 * t;
            left[i][0] = *(const uint32_t *)p;
            left[i][1] = *(const uint32_t *)(p + 8 * TILE_PITCH);
            left[i][2] = *(const uint32_t *)(p + 16);
            left[i][3] = *(const uint32_t *)(p + 8 * TILE_PITCH + 16);
        }
        for (int j = 0; j < WN / 8; j++) {
            const unsigned char *p = b + (8 * j + g) * TILE_PITCH + at + 4 * t;
            const uint32_t right[2] = {*(const uint32_t *)p, *(const uint32_t *)(p + 16)};
            for (int i = 0; i < WM / 16; i++)
                kind<T>::mma(sum[i][j], left[i], right);
        }
    }
}

/* A block computes BM x BN of out, its warps WM x WN each; two stages, so that one is filled while
 * the other is read. */
template <typename T, int BM, int BN, int WM, int WN>
static __global__ void __launch_bounds__(BM / WM * (BN / WN) * WARP)
    gemm_mma_kernel(struct tm_tensor x, struct matrix w, struct finish f)
{
    enum { THREADS = BM / WM * (BN / WN) * WARP, STAGE = (BM + BN) * TILE_PITCH };
    SHARED_MEMORY(shared);
    const int64_t m = (int64_t)blockIdx.y * BM, n = (int64_t)blockIdx.x * BN;
    const int warp = (int)threadIdx.x / WARP, wm = warp / (BN / WN) * WM,
              wn = warp % (BN / WN) * WN;
    const int step = DEPTH_BYTES / kind<T>::SIZE;
    const int64_t steps = (w.k + step - 1) / step;
    const bool idle = m + wm >= x.rows || n + wn >= w.n; /* nothing of its part is wanted */
    T sum[WM / 16][WN / 8][4] = {};
    if (steps > 0)
        load_stage<T, BM, BN, THREADS>(shared, x, w, m, n, 0);
    for (int64_t s = 0; s < steps; s++) {
        if (s + 1 < steps)
            load_stage<T, BM, BN, THREADS>(shared + (s + 1) % STAGES * STAGE, x, w, m, n,
                                           (s + 1) * step);
        else
            copy_commit(); /* an empty group, so that the one before is waited for */
        copy_wait<1>();
        __syncthreads();
        const unsigned char *a = shared + s % STAGES * STAGE;
        if (!idle)
            multiply<T, WM, WN>(sum, a + wm * TILE_PITCH, a + (BM + wn) * TILE_PITCH);
        __syncthreads();
    }
    const int g = (int)threadIdx.x % WARP / 4, t = (int)threadIdx.x % 4;
    for (int i = 0; i < WM / 16; i++)
        for (int j = 0; j < WN / 8; j++)
            for (int e = 0; e < 4; e++)
                finish(f, m + wm + 16 * i + g + e / 2 * 8, n + wn + 8 * j + 2 * t + e % 2,
                       (float)sum[i][j][e]);
}

template <typename T, int BM, int BN, int WM, int WN>
static void launch_mma(struct tm_stream *stream, const struct tm_tensor &x, const struct matrix &w,
                       const struct finish &f)
{
    const dim3 grid((unsigned)((w.n + BN - 1) / BN), (unsigned)((x.rows + BM - 1) / BM));
    const unsigned threads = BM / WM * (BN / WN) * WARP;
    LAUNCH(cuda_handle(stream), grid, threads, STAGES * (BM + BN) * TILE_PITCH,
           (gemm_mma_kernel<T, BM, BN, WM, WN>), x, w, f);
}

/* Large tiles where there are enough of them for all processors. */
template <typename T>
static void choose_tile(struct tm_stream *stream, const struct tm_tensor &x, const struct matrix &w,
                        const struct finish &f)
{
    const int64_t large = (x.rows + 127) / 128 * ((w.n + 127) / 128);
    if (x.rows > 64 && large >= cuda_self(stream)->processors)
        launch_mma<T, 128, 128, 64, 32>(stream, x, w, f);
    else
        launch_mma<T, 64, 64, 32, 32>(stream, x, w, f);
}

/* ---- dispatch ---- */

static struct tm_tensor rows_of(const struct tm_tensor &t, int64_t from, int64_t rows)
{
    struct tm_tensor part = t;
    part.data = (char *)t.data + from * t.stride * (int64_t)tm_dtype_size(t.dtype);
    part.rows = rows;
    part.scale = t.scale != NULL ? t.scale + from : NULL;
    return part;
}

static void run_int8(struct tm_stream *stream, const struct tm_tensor &x, const struct matrix &w,
                     struct finish f)
{
    f.row_scale = x.scale;
    choose_tile<int32_t>(stream, x, w, f);
}

/* x as 8-bit integers in scratch, as many rows at a time as fit. */
static enum tm_status quantised(struct tm_stream *stream, const struct tm_tensor &x,
                                const struct matrix &w, const struct finish &f)
{
    const size_t mark = stream->used;
    const int64_t pitch = kern_round_up(TM_MAX(x.cols, 1), CHUNK);
    const int64_t fit = (int64_t)(stream->size - stream->used) / (pitch + 4) - 64;
    const int64_t most = TM_MIN(x.rows, TM_MAX(fit, 1));
    enum tm_status s = TM_OK;
    int8_t *ints = (int8_t *)kern_scratch(stream, (size_t)(most * pitch));
    float *scale = (float *)kern_scratch(stream, (size_t)most * sizeof *scale);
    for (int64_t at = 0; at < x.rows && s == TM_OK; at += most) {
        const int64_t rows = TM_MIN(most, x.rows - at);
        struct tm_tensor q = {ints, TM_I8, rows, x.cols, pitch, scale};
        const struct tm_tensor part = rows_of(x, at, rows);
        struct finish g = f;
        g.out = rows_of(f.out, at, rows);
        if (f.residual.data != NULL)
            g.residual = rows_of(f.residual, at, rows);
        s = cuda_quantize_rows(stream, &q, scale, &part);
        if (s == TM_OK)
            run_int8(stream, q, w, g);
    }
    stream->used = mark;
    return s;
}

enum tm_status cuda_gemm(struct tm_stream *stream, struct tm_tensor *out, const struct tm_tensor *x,
                         const struct tm_weight *w, const struct tm_epilogue *epilogue)
{
    const struct matrix b = {w->data, w->n, w->k, kern_round_up(w->k, w->group), w->dtype};
    struct finish f = {*out, tensor_or_none(NULL), NULL, NULL, w->scale, TM_ACT_NONE};
    if (epilogue != NULL) {
        f.bias = epilogue->bias;
        f.act = epilogue->act;
        f.residual = tensor_or_none(epilogue->residual);
    }
    if (x->dtype == TM_I8 && w->dtype != TM_I8)
        return TM_UNSUPPORTED;
    if (x->rows == 0 || w->n == 0)
        return TM_OK;
    if (w->dtype == TM_F32) {
        const struct tm_tensor v = {w->data, TM_F32, w->n, w->k, b.pitch, NULL};
        const dim3 grid((unsigned)((w->n + F32_TILE - 1) / F32_TILE),
                        (unsigned)((x->rows + F32_TILE - 1) / F32_TILE));
        LAUNCH(cuda_handle(stream), grid, F32_THREADS, 2 * F32_DEPTH * F32_PITCH * sizeof(float),
               gemm_f32_kernel, *x, v, f);
    } else if (w->dtype != TM_I8) {
        choose_tile<float>(stream, *x, b, f);
    } else if (x->dtype == TM_I8) {
        run_int8(stream, *x, b, f);
    } else {
        const enum tm_status s = quantised(stream, *x, b, f);
        if (s != TM_OK)
            return s;
    }
    return cuda_launched();
}
