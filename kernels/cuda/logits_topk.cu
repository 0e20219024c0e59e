/* logits_topk: the output layer for as many rows as the scratch holds, then a block a row: scores,
 * processors, the k best. The best are found without a sort: see gather_best. */
#include "scores.h"

struct topk {
    struct scores scores;
    int32_t k;
    int32_t *ids;
    float *best;
};

/* The way that always works: k times the best of what comes after the last one. */
static __device__ inline void one_by_one(const struct scored_row &r, int32_t k, int32_t *ids,
                                         float *best, const struct candidates &c)
{
    float last = INFINITY;
    int32_t last_id = -1;
    for (int32_t at = 0; at < k; at++) {
        float mine = -INFINITY;
        int32_t mine_id = r.n;
        FOR_THREADS(i, r.n)
        if (better(last, last_id, r.at[i], i) && better(r.at[i], i, mine, mine_id))
            mine = r.at[i], mine_id = i;
        c.best[threadIdx.x] = mine;
        c.id[threadIdx.x] = mine_id;
        __syncthreads();
        last = -INFINITY;
        last_id = r.n;
        for (int32_t t = 0; t < SCORE_THREADS; t++)
            if (better(c.best[t], c.id[t], last, last_id))
                last = c.best[t], last_id = c.id[t];
        __syncthreads();
        if (threadIdx.x == 0) {
            best[at] = last;
            ids[at] = last > -INFINITY ? last_id : NOT_AN_ID;
        }
    }
}

static __global__ void __launch_bounds__(SCORE_THREADS) topk_kernel(struct topk t)
{
    SHARED_MEMORY(shared);
    float *partial = (float *)shared;
    const struct candidates c = candidates_at(shared);
    const int64_t row = t.scores.first + blockIdx.x;
    const struct scored_row r = scored_row(t.scores, row);
    int32_t *ids = t.ids + row * t.k;
    float *best = t.best + row * t.k;
    if (r.slot < 0 || r.how->do_sample) { /* nobody's, or sample_step's */
        FOR_THREADS(i, t.k)
        {
            ids[i] = NOT_AN_ID;
            best[i] = -INFINITY;
        }
        return;
    }
    score_row(t.scores, row, r, partial);
    if (r.how->renormalize_logits)
        log_softmax(r, partial);
    if (!gather_best(r, t.k, 1, c)) {
        one_by_one(r, t.k, ids, best, c);
        return;
    }
    const int32_t n = *c.n;
    FOR_THREADS(i, n)
    {
        const int32_t rank = rank_of(c, n, i);
        if (rank < t.k) {
            ids[rank] = c.id[i];
            best[rank] = c.score[i];
        }
    }
    for (int32_t i = n + (int32_t)threadIdx.x; i < t.k; i += SCORE_THREADS) {
        ids[i] = NOT_AN_ID;
        best[i] = -INFINITY;
    }
}

enum tm_status cuda_logits_topk(struct tm_stream *stream, const struct tm_tensor *x,
                                const struct tm_topk_args *args)
{
    const struct tm_logits_args *logits = &args->logits;
    const size_t mark = stream->used, v = (size_t)kern_round_up(logits->head->n, WIDE);
    const size_t each = v * sizeof(float) + ((size_t)logits->head->n + 31) / 32 * 4;
    /* half of the scratch: gemm may want some too */
    const int64_t fit = (int64_t)((stream->size - mark) / 2 / (each + 128));
    const int64_t rows = TM_MIN((int64_t)logits->step->rows, fit);
    enum tm_status s = rows > 0 || logits->step->rows == 0 ? TM_OK : TM_UNSUPPORTED;
    if (rows == 0)
        return s;
    float *memory = (float *)kern_scratch(stream, (size_t)rows * v * sizeof(float));
    uint32_t *seen = (uint32_t *)kern_scratch(stream, (size_t)rows * (each - v * sizeof(float)));
    struct topk t = {scores_of(logits, memory, seen), args->k, args->ret_ids, args->ret_scores};
    for (int64_t at = 0; at < logits->step->rows && s == TM_OK; at += rows) {
        const int64_t some = TM_MIN(rows, logits->step->rows - at);
        s = run_head(stream, x, logits, &t.scores, at, some);
        if (s != TM_OK)
            break;
        LAUNCH(cuda_handle(stream), (unsigned)some, SCORE_THREADS, CANDIDATES_SHARED, topk_kernel,
               t);
        s = cuda_launched();
    }
    stream->used = mark;
    return s;
}
