/* From logits to the scores of a row, on the device: what logits_topk.cu and sample_step.cu begin
 * with. The rules are those of ref/processors.h (transformers 4.57, generation/logits_process.py),
 * in the same order; the threads of a block share the ids, histories and lists. */
#ifndef TM_SCORES_H
#define TM_SCORES_H

#include "device.h"

enum { SCORE_THREADS = 256, NOT_AN_ID = -1 };

struct scores {
    struct tm_tensor logits; /* (rows, V) float32, of rows first … of the step; become scores */
    uint32_t *seen;          /* (rows, words) bits, scratch */
    int64_t words;
    int64_t first;
    const float *bias;
    float scale, softcap;
    const struct tm_decoding *decoding;
    struct tm_decoded decoded;
    const uint32_t *masks;
    const uint8_t *masked;
    struct tm_step step;
};

/* One row at work. */
struct scored_row {
    float *at;
    uint32_t *seen;
    int32_t n; /* vocabulary */
    int32_t slot, beam, length;
    const int32_t *ids;
    const struct tm_decoding *how;
};

#define FOR_THREADS(i, n)                                                                          \
    for (int32_t i = (int32_t)threadIdx.x; i < (int32_t)(n); i += SCORE_THREADS)

static __device__ inline struct scored_row scored_row(const struct scores &s, int64_t r)
{
    struct scored_row row;
    row.at = (float *)s.logits.data + (r - s.first) * s.logits.stride;
    row.seen = s.seen + (r - s.first) * s.words;
    row.n = (int32_t)s.logits.cols;
    row.slot = s.step.slot_of_row[r];
    row.beam = s.step.beam_of_row[r];
    row.length = row.slot < 0 ? 0 : s.decoded.lengths[row.slot];
    row.how = row.slot < 0 ? s.decoding : s.decoding + row.slot;
    row.ids = s.decoded.ids +
              ((int64_t)TM_MAX(row.slot, 0) * s.decoded.beams + row.beam) * s.decoded.positions;
    return row;
}

static __device__ inline bool is_eos(const struct tm_decoding &d, int32_t id)
{
    for (int32_t i = 0; i < d.n_eos; i++)
        if (d.eos_token_ids[i] == id)
            return true;
    return false;
}

static __device__ inline void ban(const struct scored_row &r, int32_t id)
{
    if (id >= 0 && id < r.n)
        r.at[id] = -INFINITY;
}

/* The first n - 1 ids of `text` are the last ones of the row. */
static __device__ inline bool ends_with(const struct scored_row &r, const int32_t *text, int32_t n)
{
    bool same = n <= r.length;
    for (int32_t i = 0; i < n && same; i++)
        same = r.ids[r.length - n + i] == text[i];
    return same;
}

static __device__ inline void ban_ngrams(const struct scored_row &r, const int32_t *text,
                                         int32_t length, int32_t n)
{
    if (n <= 0 || r.length + 1 < n)
        return;
    FOR_THREADS(i, length - n + 1)
    if (ends_with(r, text + i, n - 1))
        ban(r, text[i + n - 1]);
}

/* Each thread walks the whole list and takes every SCORE_THREADS-th word. */
static __device__ inline void ban_words(const struct scored_row &r)
{
    const struct tm_decoding &d = *r.how;
    uint32_t word = 0;
    for (int32_t i = 0; i < d.n_bad_words; i += 1 + d.bad_words[i], word++) {
        const int32_t n = d.bad_words[i], *ids = d.bad_words + i + 1;
        if (word % SCORE_THREADS != threadIdx.x)
            continue;
        if (n == 1 ? !is_eos(d, ids[0]) : n <= r.length && ends_with(r, ids, n - 1))
            ban(r, ids[n - 1]);
    }
}

/* An id that occurs twice is penalised once: by the thread that marks it first. */
static __device__ inline void penalise(const struct scored_row &r, const int32_t *ids, int32_t n,
                                       float penalty)
{
    if (penalty == 1)
        return;
    FOR_THREADS(w, (r.n + 31) / 32)
    r.seen[w] = 0;
    __syncthreads();
    FOR_THREADS(i, n)
    {
        const int32_t id = ids[i];
        if (id < 0 || id >= r.n)
            continue;
        const uint32_t bit = 1u << id % 32;
        if ((atomicOr(&r.seen[id / 32], bit) & bit) == 0)
            r.at[id] = r.at[id] < 0 ? r.at[id] * penalty : r.at[id] / penalty;
    }
    __syncthreads();
}

static __device__ inline int32_t forced_id(const struct scored_row &r)
{
    const struct tm_decoding &d = *r.how;
    if (d.forced_eos_token_id >= 0 && r.length == d.max_length - 1)
        return d.forced_eos_token_id;
    return d.forced_bos_token_id >= 0 && r.length == 1 ? d.forced_bos_token_id : NOT_AN_ID;
}

static __device__ inline void suppress(const struct scored_row &r)
{
    const struct tm_decoding &d = *r.how;
    FOR_THREADS(i, d.n_suppress)
    ban(r, d.suppress_tokens[i]);
    /* the first free position: after a beginning that is forced */
    const int32_t begin = d.prompt > 1 || d.forced_bos_token_id < 0 ? d.prompt : d.prompt + 1;
    if (r.length == begin)
        FOR_THREADS(i, d.n_begin_suppress)
    ban(r, d.begin_suppress_tokens[i]);
}

/* partial: a float a warp of shared memory. */
static __device__ inline void log_softmax(const struct scored_row &r, float *partial)
{
    float top = -INFINITY, sum = 0;
    FOR_THREADS(i, r.n)
    top = fmaxf(top, r.at[i]);
    top = block_max(top, partial);
    if (top == -INFINITY) /* nothing allowed */
        return;
    FOR_THREADS(i, r.n)
    sum += expf(r.at[i] - top);
    const float log_sum = logf(block_sum(sum, partial));
    FOR_THREADS(i, r.n)
    r.at[i] = r.at[i] - top - log_sum;
    __syncthreads();
}

/* The row's scores after the processors, seen by all threads. */
static __device__ inline void score_row(const struct scores &s, int64_t row,
                                        const struct scored_row &r, float *partial)
{
    const struct tm_decoding &d = *r.how;
    FOR_THREADS(i, r.n)
    {
        const float v = r.at[i] * s.scale + (s.bias != NULL ? s.bias[i] : 0);
        r.at[i] = s.softcap != 0 ? s.softcap * tanhf(v / s.softcap) : v;
    }
    __syncthreads();
    if (d.beams > 1 && !d.do_sample)
        log_softmax(r, partial);
    penalise(r, d.source, d.n_source, 1 / d.encoder_repetition_penalty);
    penalise(r, r.ids, r.length, d.repetition_penalty);
    ban_ngrams(r, r.ids, r.length, d.no_repeat_ngram_size);
    ban_ngrams(r, d.source, d.n_source, d.encoder_no_repeat_ngram_size);
    ban_words(r);
    if (r.length < d.min_length)
        FOR_THREADS(i, d.n_eos)
    ban(r, d.eos_token_ids[i]);
    __syncthreads();
    const int32_t forced = forced_id(r);
    if (forced != NOT_AN_ID) /* what was banned before no longer counts */
        FOR_THREADS(i, r.n)
    r.at[i] = i == forced ? 0 : -INFINITY;
    __syncthreads();
    suppress(r);
    __syncthreads();
    if (s.masks != NULL && (s.masked == NULL || s.masked[row] != 0)) {
        const uint32_t *mask = s.masks + row * ((r.n + 31) / 32);
        FOR_THREADS(i, r.n)
        if ((mask[i / 32] >> i % 32 & 1) == 0)
            r.at[i] = -INFINITY;
    }
    __syncthreads();
}

/* Candidates of a row: at most this many are ranked in shared memory. */
enum { CANDIDATES = 1024 };

struct candidates {
    float *score; /* (CANDIDATES) */
    int32_t *id;  /* (CANDIDATES) */
    int32_t *n;   /* may be more than CANDIDATES: too many */
    float *best;  /* (SCORE_THREADS) */
};
static const size_t CANDIDATES_SHARED =
    CANDIDATES * (sizeof(float) + sizeof(int32_t)) + (SCORE_THREADS + WARP + 4) * sizeof(float);

static __device__ inline struct candidates candidates_at(unsigned char *shared)
{
    struct candidates c;
    c.best = (float *)shared + WARP; /* partial sums lie before */
    c.n = (int32_t *)(c.best + SCORE_THREADS);
    c.score = (float *)(c.n + 4);
    c.id = (int32_t *)(c.score + CANDIDATES);
    return c;
}

static __device__ inline bool better(float score, int32_t id, float than_score, int32_t than_id)
{
    return score > than_score || (score == than_score && id < than_id);
}

/* Gathers every id whose score, divided by `over`, is at least as good as the k-th best: those of
 * rank k and a few more, in no order. Each thread's own best says how good that is at least. False:
 * too many, or more wanted than there are threads. */
static __device__ inline bool gather_best(const struct scored_row &r, int32_t k, float over,
                                          const struct candidates &c)
{
    float mine = -INFINITY;
    if (k > SCORE_THREADS)
        return false;
    if (threadIdx.x == 0)
        *c.n = 0;
    FOR_THREADS(i, r.n)
    mine = fmaxf(mine, r.at[i]);
    c.best[threadIdx.x] = mine;
    __syncthreads();
    int32_t rank = 0; /* of this thread's best among those of all */
    for (int32_t t = 0; t < SCORE_THREADS; t++)
        rank += better(c.best[t], t, mine, (int32_t)threadIdx.x);
    __syncthreads();
    if (rank == k - 1)
        c.best[0] = mine;
    __syncthreads();
    const float least = c.best[0] / over;
    FOR_THREADS(i, r.n)
    {
        if (!(r.at[i] > -INFINITY) || r.at[i] / over < least)
            continue;
        const int32_t at = atomicAdd(c.n, 1);
        if (at < CANDIDATES) {
            c.score[at] = r.at[i];
            c.id[at] = i;
        }
    }
    __syncthreads();
    return *c.n <= CANDIDATES;
}

/* How many of n gathered ones are better than number i. */
static __device__ inline int32_t rank_of(const struct candidates &c, int32_t n, int32_t i)
{
    int32_t rank = 0;
    for (int32_t j = 0; j < n; j++)
        rank += better(c.score[j], c.id[j], c.score[i], c.id[i]);
    return rank;
}

/* ---- on the host ---- */

static inline struct scores scores_of(const struct tm_logits_args *args, float *logits,
                                      uint32_t *seen)
{
    const int64_t v = args->head->n;
    struct scores s = {};
    s.logits = {logits, TM_F32, 0, v, kern_round_up(v, WIDE), NULL};
    s.seen = seen;
    s.words = (v + 31) / 32;
    s.bias = args->bias;
    s.scale = args->scale;
    s.softcap = args->softcap;
    s.decoding = args->decoding;
    s.decoded = *args->decoded;
    s.masks = args->masks;
    s.masked = args->masked;
    s.step = *args->step;
    return s;
}

/* The output layer for rows first … first + rows - 1 of the step. */
static inline enum tm_status run_head(struct tm_stream *stream, const struct tm_tensor *x,
                                      const struct tm_logits_args *args, struct scores *s,
                                      int64_t first, int64_t rows)
{
    struct tm_tensor in = *x;
    in.data = (char *)x->data + first * x->stride * (int64_t)tm_dtype_size(x->dtype);
    in.rows = rows;
    s->first = first;
    s->logits.rows = rows;
    return cuda_gemm(stream, &s->logits, &in, args->head, NULL);
}

#endif
