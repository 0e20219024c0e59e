/* sample_step: scores as logits_topk has them, then a block a row: temperature, top_k, top_p,
 * min_p, typical_p in that order, and one draw a beam (ref/sample_step.c). Probabilities and their
 * sums are double, as there.
 *
 * Rows with a small top_k rank what gather_best finds; the others sort the whole vocabulary in
 * scratch, a row a block at a time. */
#include "decoded.h"
#include "scores.h"

/* A ranked id: `key` orders by score, best first, then by id. */
struct ranked {
    uint64_t key;
    float p;
    uint32_t keep;
};

struct sample {
    struct scores scores;
    struct tm_decoded d;
    struct tm_ancestry ancestry;
    struct ranked *memory; /* (blocks, room) */
    int32_t room;          /* a power of two, at least V */
};

/* Orders floats as unsigned integers, the greatest first. */
static __device__ inline uint32_t descending(float f)
{
    const uint32_t u = __float_as_uint(f + 0.0f); /* no negative zero */
    return (u & 0x80000000u) != 0 ? u : ~u & 0x7fffffffu;
}

static __device__ inline float score_of(const struct ranked &r)
{
    const uint32_t u = (uint32_t)(r.key >> 32);
    return __uint_as_float((u & 0x80000000u) != 0 ? u : ~u & 0x7fffffffu);
}

static __device__ inline int32_t id_of(const struct ranked &r)
{
    return (int32_t)(uint32_t)r.key;
}

/* Bitonic, n a power of two. */
static __device__ inline void sort(struct ranked *r, int32_t n)
{
    for (int32_t size = 2; size <= n; size *= 2) {
        for (int32_t step = size / 2; step > 0; step /= 2) {
            FOR_THREADS(i, n / 2)
            {
                const int32_t low = i / step * 2 * step + i % step, high = low + step;
                const bool up = (low & size) == 0;
                if ((r[low].key > r[high].key) == up) {
                    const struct ranked swap = r[low];
                    r[low] = r[high];
                    r[high] = swap;
                }
            }
            __syncthreads();
        }
    }
}

/* ---- sums in double over the block, always in the same order ---- */

struct totals {
    double *part; /* (SCORE_THREADS) */
    int32_t *n;
};

static __device__ inline double total(const struct totals &t, double mine)
{
    double all = 0;
    t.part[threadIdx.x] = mine;
    __syncthreads();
    for (int32_t i = 0; i < SCORE_THREADS; i++)
        all += t.part[i];
    __syncthreads();
    return all;
}

/* Thread t has the ids [t * each, (t + 1) * each) of n. */
static __device__ inline int32_t share(int32_t n)
{
    return (n + SCORE_THREADS - 1) / SCORE_THREADS;
}

/* Probabilities of the first n; temperature has been divided by. */
static __device__ inline void softmax(struct ranked *r, int32_t n, float temperature,
                                      const struct totals &t)
{
    const double top = (double)(score_of(r[0]) / temperature);
    double sum = 0;
    FOR_THREADS(i, n)
    sum += exp((double)(score_of(r[i]) / temperature) - top);
    sum = total(t, sum);
    FOR_THREADS(i, n)
    r[i].p = (float)(exp((double)(score_of(r[i]) / temperature) - top) / sum);
    __syncthreads();
}

/* How many remain: from the last on, until what was passed holds more than 1 - top_p. */
static __device__ inline int32_t top_p(struct ranked *r, int32_t n, float p, const struct totals &t)
{
    const int32_t each = share(n), from = (int32_t)threadIdx.x * each;
    double mine = 0;
    for (int32_t i = from; i < TM_MIN(from + each, n); i++)
        mine += (double)r[i].p;
    t.part[threadIdx.x] = mine;
    __syncthreads();
    if (threadIdx.x == 0) {
        double tail = 0;
        int32_t chunk = SCORE_THREADS - 1;
        while (chunk > 0 && !(tail + t.part[chunk] > 1 - (double)p))
            tail += t.part[chunk--];
        int32_t left = TM_MIN((chunk + 1) * each, n);
        for (; left > 1; left--) {
            tail += (double)r[left - 1].p;
            if (tail > 1 - (double)p)
                break;
        }
        *t.n = left;
    }
    __syncthreads();
    n = *t.n;
    __syncthreads();
    return n;
}

static __device__ inline int32_t min_p(const struct ranked *r, int32_t n, float p,
                                       const struct totals &t)
{
    double beyond = 0; /* they are in order: those below are at the end */
    FOR_THREADS(i, n)
    beyond += i > 0 && r[i].p < p * r[0].p;
    return n - (int32_t)total(t, beyond);
}

/* Those whose surprise is nearest to the expected one, until they hold the mass; back in order of
 * their scores. Sorts twice: by distance with the rank as the lower half, then by what was there.
 */
static __device__ inline int32_t typical(struct ranked *r, int32_t n, int32_t room, float mass,
                                         const struct totals &t)
{
    double entropy = 0;
    FOR_THREADS(i, n)
    entropy -= r[i].p > 0 ? (double)r[i].p * log((double)r[i].p) : 0;
    entropy = total(t, entropy);
    /* the score's key goes into p and keep, 64 bits as before */
    FOR_THREADS(i, room)
    {
        struct ranked *x = &r[i];
        const float distance = i < n ? (float)fabs(-log((double)x->p) - entropy) : INFINITY;
        const uint64_t key = x->key;
        x->key = i < n ? (uint64_t)__float_as_uint(distance) << 32 | __float_as_uint(x->p) : ~0ull;
        x->p = __uint_as_float((uint32_t)(key >> 32));
        x->keep = (uint32_t)key;
    }
    __syncthreads();
    sort(r, room);
    if (threadIdx.x == 0) {
        double sum = 0;
        int32_t keep = 0;
        do
            sum += (double)__uint_as_float((uint32_t)r[keep++].key);
        while (keep < n && sum < (double)mass);
        while (keep < n && r[keep].key >> 32 == r[keep - 1].key >> 32)
            keep++;
        *t.n = keep;
    }
    __syncthreads();
    n = *t.n;
    FOR_THREADS(i, room)
    {
        struct ranked *x = &r[i];
        x->key = i < n ? (uint64_t)__float_as_uint(x->p) << 32 | x->keep : ~0ull;
    }
    __syncthreads();
    sort(r, room);
    return n;
}

/* How many of n ids in order remain, with their probabilities. */
static __device__ inline int32_t warp_scores(const struct tm_decoding &how, struct ranked *r,
                                             int32_t n, int32_t room, const struct totals &t)
{
    const float heat = how.temperature;
    if (how.top_k > 0 && how.top_k < n) {
        const float last = score_of(r[how.top_k - 1]) / heat;
        double more = 0;
        for (int32_t i = how.top_k + (int32_t)threadIdx.x; i < n; i += SCORE_THREADS)
            more += score_of(r[i]) / heat == last; /* ties with the last one stay */
        n = how.top_k + (int32_t)total(t, more);
    }
    if (how.top_p < 1) {
        softmax(r, n, heat, t);
        n = top_p(r, n, how.top_p, t);
    }
    if (how.min_p > 0) {
        softmax(r, n, heat, t);
        n = min_p(r, n, how.min_p, t);
    }
    if (how.typical_p < 1) {
        softmax(r, n, heat, t);
        n = typical(r, n, room, how.typical_p, t);
    }
    softmax(r, n, heat, t);
    return n;
}

/* ---- the draw ---- */

/* Philox 4x64-10 (Salmon et al., 2011), as ref/philox.h: in [0, 1), 53 bits. */
static __device__ inline double uniform(const uint64_t key[2], uint64_t a, uint64_t b)
{
    uint64_t c[4] = {a, b, 0, 0}, key0 = key[0], key1 = key[1];
    for (int round = 0; round < 10; round++) {
        const uint64_t x = 0xd2e7470ee14c6c93, y = 0xca5a826395121157;
        const uint64_t high0 = __umul64hi(x, c[0]), high2 = __umul64hi(y, c[2]);
        const uint64_t c1 = c[1], c3 = c[3];
        c[1] = y * c[2];
        c[3] = x * c[0];
        c[0] = high2 ^ c1 ^ key0;
        c[2] = high0 ^ c3 ^ key1;
        key0 += 0x9e3779b97f4a7c15;
        key1 += 0xbb67ae8584caa73b;
    }
    return (double)(c[0] >> 11) * 0x1p-53;
}

static __device__ inline int32_t draw(const struct tm_decoding &how, const struct ranked *r,
                                      int32_t n, int32_t beam, int32_t position)
{
    double u = uniform(how.key, (uint64_t)beam, (uint64_t)position);
    for (int32_t i = 0; i < n; i++) {
        u -= (double)r[i].p;
        if (u < 0)
            return id_of(r[i]);
    }
    return n > 0 ? id_of(r[0]) : -1; /* what rounding left over */
}

/* ---- the kernels ---- */

/* Ids that may be drawn, best first; how many. Those past them up to `room` sort last. */
static __device__ inline int32_t rank_ids(const struct scored_row &row, const struct candidates &c,
                                          struct ranked *r, int32_t *room, const struct totals &t)
{
    const int32_t k = row.how->top_k;
    if (k > 0 && k < row.n && gather_best(row, k, row.how->temperature, c)) {
        const int32_t n = *c.n;
        for (*room = 1; *room < n;)
            *room *= 2;
        FOR_THREADS(i, n)
        r[rank_of(c, n, i)].key = (uint64_t)descending(c.score[i]) << 32 | (uint32_t)c.id[i];
        for (int32_t i = n + (int32_t)threadIdx.x; i < *room; i += SCORE_THREADS)
            r[i].key = ~0ull;
        __syncthreads();
        return n;
    }
    double some = 0;
    FOR_THREADS(i, *room)
    {
        const bool there = i < row.n && row.at[i] > -INFINITY;
        r[i].key = there ? (uint64_t)descending(row.at[i]) << 32 | (uint32_t)i : ~0ull;
        some += there;
    }
    __syncthreads();
    sort(r, *room);
    return (int32_t)total(t, some);
}

static __device__ inline void sample_row(const struct sample &s, int64_t index, struct ranked *r,
                                         unsigned char *shared)
{
    const struct candidates c = candidates_at(shared);
    const struct totals t = {(double *)(c.id + CANDIDATES),
                             (int32_t *)((double *)(c.id + CANDIDATES) + SCORE_THREADS)};
    const struct scored_row row = scored_row(s.scores, index);
    const struct tm_step &step = s.scores.step;
    if (row.slot < 0 || s.d.done[row.slot] != 0 || !row.how->do_sample)
        return;
    score_row(s.scores, index, row, (float *)shared);
    int32_t room = s.room;
    int32_t n = rank_ids(row, c, r, &room, t);
    if (n > 0)
        n = warp_scores(*row.how, r, n, room, t);
    const bool alone = (index == 0 || step.slot_of_row[index - 1] != row.slot) &&
                       (index + 1 == step.rows || step.slot_of_row[index + 1] != row.slot);
    const bool first = alone && row.how->beams > 1 && row.length == row.how->prompt;
    const int32_t beams = first ? row.how->beams : 1;
    for (int32_t at = (int32_t)threadIdx.x; first && at < row.length; at += SCORE_THREADS) {
        for (int32_t b = 1; b < beams; b++) { /* the prompt is everyone's */
            beam_ids(s.d, row.slot, b)[at] = beam_ids(s.d, row.slot, 0)[at];
            if (s.ancestry.owner != NULL && at < s.ancestry.positions)
                owners(s.ancestry, row.slot, b)[at] = owners(s.ancestry, row.slot, 0)[at];
        }
    }
    __syncthreads();
    FOR_THREADS(b, beams)
    take(s.d, s.ancestry, *row.how, row.slot, row.beam + b,
         draw(*row.how, r, n, row.beam + b, row.length));
    __syncthreads(); /* shared and r are used again */
}

static __global__ void __launch_bounds__(SCORE_THREADS) sample_kernel(struct sample s)
{
    SHARED_MEMORY(shared);
    struct ranked *r = s.memory + (int64_t)blockIdx.x * s.room;
    for (int64_t i = blockIdx.x; i < s.scores.logits.rows; i += gridDim.x)
        sample_row(s, s.scores.first + i, r, shared);
}

/* All rows of the slots have drawn: one position further. A thread a slot. */
static __global__ void sample_end_kernel(struct sample s)
{
    const int32_t i = (int32_t)(blockIdx.x * blockDim.x + threadIdx.x);
    if (i >= s.scores.step.slots)
        return;
    const int64_t slot = s.scores.step.slot[i];
    if (slot < 0 || s.d.done[slot] != 0 || !s.scores.decoding[slot].do_sample)
        return;
    const struct tm_decoding &how = s.scores.decoding[slot];
    bool all = true;
    for (int32_t b = 0; b < how.beams; b++) {
        s.d.parent[slot * s.d.beams + b] = s.d.lengths[slot] == how.prompt ? 0 : b;
        all &= s.d.ended[slot * s.d.beams + b] != 0;
    }
    s.d.lengths[slot]++;
    s.d.done[slot] = all;
}

enum tm_status cuda_sample_step(struct tm_stream *stream, const struct tm_tensor *x,
                                const struct tm_sample_args *args)
{
    const struct tm_logits_args *logits = &args->logits;
    const int64_t v = logits->head->n, pitch = kern_round_up(v, WIDE), all = logits->step->rows;
    const size_t mark = stream->used, words = ((size_t)v + 31) / 32 * 4;
    struct sample s = {};
    for (s.room = 1; s.room < v;)
        s.room *= 2;
    /* an eighth for sorting, a quarter for scores: gemm may want some too */
    const size_t free_bytes = stream->size - mark;
    const size_t sorts = free_bytes / 8 / ((size_t)s.room * sizeof(struct ranked));
    const size_t fit = free_bytes / 4 / ((size_t)pitch * sizeof(float) + words);
    const int64_t rows = TM_MIN(all, (int64_t)fit), blocks = TM_MIN(rows, (int64_t)sorts);
    if (all == 0)
        return TM_OK;
    if (blocks == 0)
        return TM_UNSUPPORTED;
    float *memory = (float *)kern_scratch(stream, (size_t)(rows * pitch) * sizeof(float));
    uint32_t *seen = (uint32_t *)kern_scratch(stream, (size_t)rows * words);
    s.memory =
        (struct ranked *)kern_scratch(stream, (size_t)(blocks * s.room) * sizeof(struct ranked));
    s.scores = scores_of(logits, memory, seen);
    s.d = *args->decoded;
    s.ancestry = ancestry_or_none(args->ancestry);
    enum tm_status status = TM_OK;
    for (int64_t at = 0; at < all && status == TM_OK; at += rows) {
        status = run_head(stream, x, logits, &s.scores, at, TM_MIN(rows, all - at));
        if (status != TM_OK)
            break;
        LAUNCH(cuda_handle(stream), (unsigned)TM_MIN(blocks, s.scores.logits.rows), SCORE_THREADS,
               CANDIDATES_SHARED + (SCORE_THREADS + 1) * sizeof(double), sample_kernel, s);
    }
    if (status == TM_OK)
        LAUNCH(cuda_handle(stream), (unsigned)(logits->step->slots + 127) / 128, 128, 0,
               sample_end_kernel, s);
    stream->used = mark;
    return status == TM_OK ? cuda_launched() : status;
}
