/* What both attentions over packed sequences share: which keys a query sees, what is added to a
 * score, and which tile of which sequence a block has. */
#ifndef TM_ATTN_H
#define TM_ATTN_H

#include "device.h"

struct attn {
    struct tm_tensor out, q, k, v;
    struct tm_tensor pos_k, pos_q; /* of the bias; data NULL: absent */
    const int32_t *starts;
    int32_t n;
    struct tm_attn_args args;
};

/* One head of one sequence; rows count from its first token. */
struct part {
    int64_t start;
    int32_t len, first; /* first row of the block's tile */
    int32_t h, kv;
};

/* Sequence s has the tiles from starts[s] / rows + s on, as many as it needs: never more than up to
 * the next one's first, whatever the lengths. So no table of tiles is needed, and a graph stays
 * valid. False: the block has nothing to do. */
static __device__ inline bool find_part(const struct attn &a, int32_t rows, struct part *p)
{
    int32_t low = 0, high = a.n - 1;
    const int64_t block = blockIdx.x;
    while (low < high) {
        const int32_t middle = (low + high + 1) / 2;
        if (a.starts[middle] / rows + middle <= block)
            low = middle;
        else
            high = middle - 1;
    }
    p->start = a.starts[low];
    p->len = a.starts[low + 1] - a.starts[low];
    p->first = (int32_t)(block - (a.starts[low] / rows + low)) * rows;
    p->h = (int32_t)blockIdx.y;
    p->kv = (int32_t)((int64_t)p->h * a.args.kv_heads / a.args.heads);
    return p->first < p->len;
}

static inline unsigned attn_blocks(int64_t rows, int32_t n, int32_t tile)
{
    return (unsigned)(rows / tile + n);
}

/* Keys [from, to) are all that the queries first … first + rows - 1 may see. */
static __device__ inline void key_range(const struct attn &a, const struct part &p, int32_t rows,
                                        int32_t *from, int32_t *to)
{
    const int32_t last = TM_MIN(p.first + rows, p.len) - 1;
    *from = 0;
    *to = a.args.causal ? last + 1 : p.len;
    if (a.args.window != 0 && a.args.global == NULL) {
        *from = TM_MAX(0, p.first - a.args.window);
        *to = TM_MIN(*to, last + a.args.window + 1);
    }
}

static __device__ inline bool allowed(const struct attn &a, const struct part &p, int32_t i,
                                      int32_t j)
{
    if (j >= p.len || (a.args.causal && j > i))
        return false;
    if (a.args.window == 0 || (i < j ? j - i : i - j) <= a.args.window)
        return true;
    return a.args.global != NULL &&
           (a.args.global[p.start + i] != 0 || a.args.global[p.start + j] != 0);
}

static __device__ inline int32_t clamped(int32_t d, int32_t reach)
{
    return d < -reach ? 0 : d > reach ? 2 * reach : d + reach;
}

/* From the product of q and k to the score. */
static __device__ inline float scored(const struct attn &a, const struct part &p, int32_t i,
                                      int32_t j, float dot)
{
    float s = dot * a.args.scale;
    if (a.args.softcap != 0)
        s = a.args.softcap * tanhf(s / a.args.softcap);
    if (a.args.bias.kind == tm_attn_bias::TM_BIAS_T5) {
        const int32_t bucket = a.args.bias.bucket[clamped(j - i, a.args.bias.reach)];
        s += a.args.bias.table[(int64_t)bucket * a.args.heads + p.h];
    }
    return s;
}

#endif
