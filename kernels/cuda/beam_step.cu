/* beam_step: a block a slot. One thread decides (a few dozen candidates), all of them move ids and
 * ancestry. The search is that of ref/beam_step.c, number for number. */
#include "decoded.h"

enum { BEAM_THREADS = 64 };
static const float FAR_OFF = -1e9f;

struct candidate {
    float sum;
    int32_t beam, id;
    bool stopped;
};

struct beam_step {
    const int32_t *ids;
    const float *scores;
    int32_t k;
    const struct tm_decoding *decoding;
    struct tm_decoded d;
    struct tm_ancestry ancestry;
    struct tm_step step;
    const uint8_t *stops;
};

/* A slot at work. */
struct search {
    int64_t slot, state; /* its number; where its beams begin in (slots, beams) */
    int32_t row, rows, keep, beams, length;
    struct tm_decoding how;
    struct candidate *candidates; /* (keep) */
    int32_t *parent, *chosen;     /* (beams) */
    int32_t *next;                /* (beams) */
    int32_t *memory;              /* (BEAM_THREADS, beams) */
};

static size_t search_shared(int32_t k, int32_t beams)
{
    return (size_t)k * sizeof(struct candidate) +
           (size_t)(beams * (3 + BEAM_THREADS) + 1) * sizeof(int32_t);
}

/* The best `keep` of all rows: each row is in order already. A slot at its first step has one row
 * for all its beams. Among equal sums the lower beam is first. */
static __device__ void merge(const struct beam_step &a, const struct search &s)
{
    for (int32_t b = 0; b < s.beams; b++)
        s.next[b] = 0;
    for (int32_t i = 0; i < s.keep; i++) {
        struct candidate best = {-INFINITY, 0, 0, false};
        int32_t from = -1;
        for (int32_t b = 0; b < s.beams; b++) {
            const int64_t at = (int64_t)(s.row + (b < s.rows ? b : 0)) * a.k + s.next[b];
            if (s.next[b] == a.k || a.ids[at] < 0)
                continue;
            const float sum = a.scores[at] + a.d.running[s.state + b];
            if (from >= 0 && !(sum > best.sum))
                continue;
            best = {sum, b, a.ids[at],
                    ends(s.how, a.ids[at]) || (a.stops != NULL && a.stops[at] != 0)};
            from = b;
        }
        if (from >= 0)
            s.next[from]++;
        best.stopped |= s.length + 1 >= s.how.max_length;
        s.candidates[i] = best;
    }
}

static __device__ float penalty(const struct search &s, int32_t length)
{
    return (float)pow((double)(length - s.how.prompt), (double)s.how.length_penalty);
}

/* Where candidate c comes among the finished ones, the others moved down; -1: it does not. One
 * thread; the ids are written by all (copy_finished). */
static __device__ int32_t insert(const struct beam_step &a, const struct search &s, float score)
{
    float *scores = a.d.finished_scores + s.state;
    int32_t *lengths = a.d.finished_lengths + s.state;
    int32_t *ids = a.d.finished_ids + s.state * a.d.positions;
    int32_t at = s.beams - 1;
    if (!(score > scores[at]))
        return -1;
    for (; at > 0 && score > scores[at - 1]; at--) {
        scores[at] = scores[at - 1];
        lengths[at] = lengths[at - 1];
        for (int32_t t = 0; t < lengths[at]; t++)
            ids[(int64_t)at * a.d.positions + t] = ids[(int64_t)(at - 1) * a.d.positions + t];
    }
    scores[at] = score;
    lengths[at] = s.length + 1;
    return at;
}

static __device__ void finish(const struct beam_step &a, const struct search &s)
{
    for (int32_t c = 0; c < s.beams; c++) {
        const struct candidate &from = s.candidates[c];
        if (!from.stopped)
            continue;
        const int32_t at = insert(a, s, from.sum / penalty(s, s.length + 1));
        if (at < 0)
            continue;
        int32_t *to = a.d.finished_ids + (s.state + at) * a.d.positions;
        for (int32_t t = 0; t < s.length; t++)
            to[t] = beam_ids(a.d, s.slot, from.beam)[t];
        to[s.length] = from.id;
    }
}

/* The best `beams` candidates that go on become the beams. */
static __device__ void choose(const struct beam_step &a, const struct search &s)
{
    for (int32_t c = 0; c < s.keep; c++)
        if (s.candidates[c].stopped)
            s.candidates[c].sum += FAR_OFF;
    for (int32_t b = 0; b < s.beams; b++) {
        int32_t best = -1;
        for (int32_t c = 0; c < s.keep; c++)
            if (s.candidates[c].beam >= 0 &&
                (best < 0 || s.candidates[c].sum > s.candidates[best].sum))
                best = c;
        struct candidate *taken = &s.candidates[best];
        s.parent[b] = s.rows == 1 ? 0 : taken->beam; /* one row: only beam 0 has K and V */
        a.d.parent[s.state + b] = s.parent[b];
        a.d.running[s.state + b] = taken->sum;
        s.chosen[b] = taken->id;
        taken->beam = -1;
    }
}

/* Is there any use in going on? The length is that before the step. */
static __device__ bool over(const struct beam_step &a, const struct search &s, bool all_stopped)
{
    bool full = true;
    float worst = FAR_OFF;
    for (int32_t b = 0; b < s.beams; b++)
        full &= a.d.finished_lengths[s.state + b] != 0;
    if (full)
        worst = a.d.finished_scores[s.state + s.beams - 1];
    const int32_t length =
        s.how.early_stopping == tm_decoding::TM_EARLY_NEVER && s.how.length_penalty > 0
            ? s.how.max_length
            : s.length + 1;
    return all_stopped || (full && s.how.early_stopping == tm_decoding::TM_EARLY_TRUE) ||
           !(a.d.running[s.state] / penalty(s, length) > worst);
}

static __device__ void search(const struct beam_step &a, const struct search &s)
{
    const bool decides = threadIdx.x == 0;
    bool all = true;
    if (decides) {
        merge(a, s);
        for (int32_t c = 0; c < s.keep; c++)
            all &= s.candidates[c].stopped;
        finish(a, s);
        choose(a, s);
    }
    __syncthreads();
    reorder(a.d, a.ancestry, s.slot, s.parent, s.beams, s.memory);
    __syncthreads();
    if (!decides)
        return;
    for (int32_t b = 0; b < s.beams; b++)
        append_id(a.d, a.ancestry, s.slot, b, s.chosen[b]);
    a.d.done[s.slot] = over(a, s, all);
    a.d.lengths[s.slot]++;
}

static __global__ void beam_kernel(struct beam_step a)
{
    SHARED_MEMORY(shared);
    struct search s;
    s.slot = a.step.slot[blockIdx.x];
    if (s.slot < 0) /* fills up a graph's bucket */
        return;
    s.how = a.decoding[s.slot];
    if (a.d.done[s.slot] != 0 || s.how.do_sample)
        return;
    s.state = s.slot * a.d.beams;
    s.row = a.step.first_row[blockIdx.x];
    s.rows = a.step.first_row[blockIdx.x + 1] - s.row;
    s.beams = s.how.beams;
    s.length = a.d.lengths[s.slot];
    s.keep = TM_MAX(2, 1 + s.how.n_eos) * s.beams;
    if (s.beams == 1) {
        if (threadIdx.x != 0)
            return;
        take(a.d, a.ancestry, s.how, s.slot, 0, a.ids[(int64_t)s.row * a.k]);
        a.d.parent[s.state] = 0;
        a.d.lengths[s.slot]++;
        a.d.done[s.slot] = a.d.ended[s.state];
        return;
    }
    s.candidates = (struct candidate *)shared;
    s.parent = (int32_t *)(s.candidates + a.k);
    s.chosen = s.parent + s.beams;
    s.next = s.chosen + s.beams;
    s.memory = s.next + s.beams;
    search(a, s);
}

enum tm_status cuda_beam_step(struct tm_stream *stream, const struct tm_beam_args *args)
{
    const struct beam_step a = {args->ids,      args->scores,   args->k,
                                args->decoding, *args->decoded, ancestry_or_none(args->ancestry),
                                *args->step,    args->stops};
    /* k is at least twice the beams of every slot that searches. */
    const size_t shared = search_shared(args->k, TM_MAX(1, args->k / 2));
    if (shared > (48 << 10))
        return TM_UNSUPPORTED;
    if (args->step->slots == 0)
        return TM_OK;
    LAUNCH(cuda_handle(stream), (unsigned)args->step->slots, BEAM_THREADS, shared, beam_kernel, a);
    return cuda_launched();
}
