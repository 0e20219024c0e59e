/* attn_cached: for each slot and key head, all query rows of the slot against its positions, page
 * by page, on the tiles of gemm. Beams that see the same page read it once: in cross-attention all
 * of them, in self-attention those whose ancestry agrees within the page. Where a page is made of
 * several beams' positions it is put together in scratch first.
 *
 * Everything is counted from position 0 and each row meets its positions in order, so that neither
 * the other rows nor the place of pages changes a bit. Scratch does not grow with the length. */
#include "simd.h"
#include "softmax.h"

#include <string.h>

enum {
    ROWS = 128,  /* query rows in one pass: rows of the slot times query heads of a key head */
    BLOCK = 256, /* positions whose scores are kept: whole pages */
    LDS = BLOCK + 2 * VL, /* row of scores: whole vectors are written from any position on */
    DIM_MAX = 256,
    AHEAD = 3, /* pages from what is read to what is fetched */
};

struct job {
    const struct tm_cached_args *args;
    const struct tm_kv_pool *pool;
    int64_t slot, length, first; /* positions first … length - 1 are seen */
    int64_t next_slot;           /* -1: none */
    int64_t row, rows;           /* of the step, in this pass */
    int64_t kv, group;           /* key head; query heads that read it */
    int64_t dim, padded;         /* padded: dim in whole vectors, or pairs of them */
    float *q;                    /* (ROWS, dim), scaled: rows of the step, heads within */
    float *scores;               /* (ROWS, LDS) */
    float *sums;                 /* (ROWS, padded) */
    float *top, *total;          /* (ROWS) */
    float *bias;                 /* (group, BLOCK) or NULL */
    bool pairs;                  /* the pool is BF16, else F32 */
    int64_t size;                /* of a number there */
    char *keys, *values;         /* of a page, as there: (dim, positions), (positions, padded) */
};

/* The owners of the positions of a page that row r (counted in the pass) sees; NULL: the slot's. */
static const uint8_t *owners(const struct job *b, int64_t r, int64_t page)
{
    const struct tm_ancestry *a = b->args->cache->ancestry;
    if (a == NULL)
        return NULL;
    int64_t beam = b->args->step->beam_of_row[b->row + r];
    return a->owner + (b->slot * a->beams + beam) * a->positions + page * b->pool->positions;
}

/* A page as its owner wrote it: first element of a head's keys (plane 0) or values. */
static const char *stored_of(const struct job *b, int64_t slot, int64_t kv, int64_t plane,
                             int64_t page, int64_t owner)
{
    const struct tm_kv_cache *cache = b->args->cache;
    int64_t sequence = cache->ancestry != NULL ? slot * cache->beams + owner : slot;
    int64_t number = cache->pages[sequence * cache->max_pages + page];
    int64_t at = ((int64_t)b->args->layer * b->pool->pages + number) * b->pool->data.stride +
                 kern_kv_at(b->pool, plane, kv, 0, 0);
    return (const char *)b->pool->data.data + at * b->size;
}

static const char *stored(const struct job *b, int64_t plane, int64_t page, int64_t owner)
{
    return stored_of(b, b->slot, b->kv, plane, page, owner);
}

/* A page's keys (plane 0) or values of a slot and key head. */
struct place {
    int64_t slot, kv, plane, page;
};

/* What is read after a page: the next one of its block, behind a block's keys its values, behind
 * those the next block's keys, then the next head's, then the next slot's. */
static struct place next_place(const struct job *b, struct place p)
{
    const int64_t positions = b->pool->positions, n = BLOCK / positions;
    const int64_t begin = b->first / positions, last = (b->length - 1) / positions;
    if (p.page < last && (p.page + 1) % n != 0)
        p.page++;
    else if (p.plane == 0)
        p = (struct place){p.slot, p.kv, 1, TM_MAX(begin, p.page / n * n)};
    else if (p.page < last)
        p = (struct place){p.slot, p.kv, 0, p.page + 1};
    else if (p.kv + 1 < b->args->attn.kv_heads)
        p = (struct place){p.slot, p.kv + 1, 0, begin};
    else
        p = (struct place){b->next_slot, 0, 0, 0};
    return p;
}

/* What to fetch meanwhile, far enough ahead that memory has the time. Without a guess at its owner
 * where that matters. */
static const char *read_next(const struct job *b, int64_t plane, int64_t page, int64_t owner)
{
    struct place p = {b->slot, b->kv, plane, page};
    for (int i = 0; i < AHEAD && p.slot == b->slot; i++)
        p = next_place(b, p);
    if (p.slot == b->slot)
        return stored_of(b, p.slot, p.kv, p.plane, p.page, owner);
    return p.slot >= 0 ? stored_of(b, p.slot, 0, 0, 0, 0) : stored(b, plane, page, owner);
}

/* Whole vectors: reads and writes up to 63 bytes too many. Scratch has room for that; in the pool
 * values come behind keys, and behind values nothing is read (see copy_values). */
static void copy(char *to, const char *from, int64_t bytes)
{
    for (int64_t i = 0; i < bytes; i += VL * 4)
        v_store((float *)(void *)(to + i), v_load((const float *)(const void *)(from + i)));
}

/* Positions t … end - 1 of a page that one beam wrote. */
struct run {
    const char *from;
    int64_t t, end;
};

/* Of positions t … end - 1. */
static int64_t runs_of(const struct job *b, int64_t plane, int64_t page, int64_t t, int64_t end,
                       const uint8_t *owner, struct run *runs)
{
    int64_t count = 0, next;
    for (; t < end; t = next) {
        for (next = t + 1; next < end && (owner == NULL || owner[next] == owner[t]);)
            next++;
        runs[count++] = (struct run){stored(b, plane, page, owner != NULL ? owner[t] : 0), t, next};
    }
    return count;
}

/* Dimension by dimension, so that what a run writes too much is written over. */
static void copy_keys(const struct job *b, const struct run *runs, int64_t count)
{
    const int64_t positions = b->pool->positions;
    for (int64_t d = 0; d < b->dim; d++) {
        for (int64_t i = 0; i < count; i++) {
            int64_t at = (d * positions + runs[i].t) * b->size;
            copy(b->keys + at, runs[i].from + at, (runs[i].end - runs[i].t) * b->size);
        }
    }
}

/* The last numbers of a page may be the pool's last: not a byte is read behind them. */
static void copy_values(const struct job *b, const struct run *runs, int64_t count)
{
    const int64_t row = b->dim * b->size, padded = b->padded * b->size;
    for (int64_t i = 0; i < count; i++) {
        int64_t t = runs[i].t, end = runs[i].end;
        if (row == padded)
            copy(b->values + t * row, runs[i].from + t * row, (end - t) * row);
        for (; row != padded && t < end; t++)
            memcpy(b->values + t * padded, runs[i].from + t * row, (size_t)row);
    }
}

/* Positions t … end - 1 of one head's part of a page as rows with these owners see them: in place
 * where one beam wrote them all. */
static const char *load(const struct job *b, int64_t plane, int64_t page, int64_t t, int64_t end,
                        const uint8_t *owner)
{
    struct run runs[BLOCK];
    int64_t count = runs_of(b, plane, page, t, end, owner, runs);
    if (count == 1 && plane == 0)
        return runs[0].from + t * b->size;
    if (count == 1 && b->dim == b->padded)
        return runs[0].from + t * b->dim * b->size;
    if (plane == 0) {
        copy_keys(b, runs, count);
        return b->keys + t * b->size;
    }
    copy_values(b, runs, count);
    return b->values + t * b->padded * b->size;
}

/* c (rows, …) = or += a (rows, k) times `cols` columns of b (k, ldb), which are of the pool's
 * dtype; what is added to is in the order of tiles16 then. */
static void multiply(const struct job *b, bool add, const float *a, int64_t lda, const char *w,
                     int64_t ldb, int64_t k, float *c, int64_t ldc, int64_t rows, int64_t cols,
                     struct simd_ahead ahead)
{
    for (int64_t r = 0, m; r < rows; r += m) {
        m = simd_tile_rows(rows - r);
        for (int64_t j = 0; b->pairs && j < cols; j += 2 * VL)
            SIMD(tiles16)
        [add][m - 1](a + r * lda, lda, (const uint16_t *)(const void *)w + j, ldb, k,
                     c + r * ldc + j, ldc, (struct simd_ahead){ahead.from + j * 2, ahead.step});
        for (int64_t j = 0; !b->pairs && j < cols; j += TILE_COLS)
            SIMD(tiles)
        [m - 1][TM_MIN(TILE_COLS, kern_round_up(cols - j, VL)) / VL - 1](
            a + r * lda, lda, (const float *)(const void *)w + j, ldb, k, c + r * ldc + j, ldc, add,
            (struct simd_ahead){ahead.from + j * 4, ahead.step});
    }
}

/* Query rows m … m + rows - 1 and n positions of a page, at column c of the block: their scores; or
 * the values times what the scores have become, added to the sums. */
static void part_of_page(const struct job *b, int64_t plane, int64_t m, int64_t rows,
                         const char *loaded, int64_t n, int64_t c, struct simd_ahead ahead)
{
    if (plane == 0)
        multiply(b, false, b->q + m * b->dim, b->dim, loaded, b->pool->positions, b->dim,
                 b->scores + m * LDS + c, LDS, rows, n, ahead);
    else
        multiply(b, true, b->scores + m * LDS + c, LDS, loaded, b->padded, n,
                 b->sums + m * b->padded, b->padded, rows, b->padded, ahead);
}

/* Positions t … end - 1 of a page for all rows of the pass, those that see the same together.
 * Meanwhile the next page is fetched, row by row. */
static void span(const struct job *b, int64_t plane, int64_t page, int64_t from, int64_t t,
                 int64_t end)
{
    const int64_t c = page * b->pool->positions + t - from;
    bool met[ROWS] = {false};
    for (int64_t r = 0; r < b->rows; r++) {
        if (met[r])
            continue;
        const uint8_t *own = owners(b, r, page);
        const char *loaded = load(b, plane, page, t, end, own);
        struct simd_ahead ahead = {read_next(b, plane, page, own != NULL ? own[0] : 0),
                                   (plane == 0 ? b->pool->positions : b->dim) * b->size};
        int64_t to;
        for (int64_t at = r; at < b->rows; at = to + 1) { /* neighbours that agree */
            for (to = at; to < b->rows && !met[to]; to++) {
                if (own != NULL && memcmp(own + t, owners(b, to, page) + t, (size_t)(end - t)) != 0)
                    break;
                met[to] = true;
            }
            part_of_page(b, plane, at * b->group, (to - at) * b->group, loaded, end - t, c, ahead);
        }
    }
}

/* Beams part where their ancestry does: up to there all rows go together. */
static void one_page(const struct job *b, int64_t plane, int64_t page, int64_t from)
{
    const int64_t n = TM_MIN(b->pool->positions, b->length - page * b->pool->positions);
    const uint8_t *own = owners(b, 0, page);
    int64_t common = n;
    for (int64_t r = 1; own != NULL && r < b->rows; r++) {
        const uint8_t *other = owners(b, r, page);
        int64_t t = 0;
        while (t < common && own[t] == other[t])
            t++;
        common = t;
    }
    if (common > 0)
        span(b, plane, page, from, 0, common);
    if (common < n)
        span(b, plane, page, from, common, n);
}

/* The T5 bias of head g of the group for positions from … end - 1, seen from the last one. */
static void load_bias(const struct job *b, int64_t from, int64_t end)
{
    const struct tm_attn_bias *t = &b->args->attn.bias;
    for (int64_t g = 0; g < b->group; g++) {
        const float *table = t->table + b->kv * b->group + g;
        for (int64_t j = from; j < end; j++) {
            int64_t d = TM_MAX(-(int64_t)t->reach, j - (b->length - 1));
            b->bias[g * BLOCK + j - from] =
                table[(int64_t)t->bucket[d + t->reach] * b->args->attn.heads];
        }
    }
}

/* Cap, bias and window of the scores of query row m for positions from … end - 1. */
static void adjust(const struct job *b, int64_t m, int64_t from, int64_t end)
{
    float *s = b->scores + m * LDS, cap = b->args->attn.softcap;
    for (int64_t j = 0; cap != 0 && j < end - from; j += VL)
        v_store(s + j, v_mul(v_tanh(v_div(v_load(s + j), v_set1(cap))), v_set1(cap)));
    for (int64_t j = 0; b->bias != NULL && j < end - from; j += VL)
        v_store(s + j, v_add(v_load(s + j), v_load(b->bias + m % b->group * BLOCK + j)));
    for (int64_t j = from; j < b->first; j++)
        s[j - from] = -INFINITY;
}

static void attend(const struct job *b)
{
    const int64_t positions = b->pool->positions, block = BLOCK / positions * positions;
    const int64_t queries = b->rows * b->group;
    for (int64_t m = 0; m < queries; m++) {
        b->top[m] = -INFINITY;
        b->total[m] = 0;
    }
    memset(b->sums, 0, (size_t)(queries * b->padded) * sizeof *b->sums);
    for (int64_t from = b->first / block * block; from < b->length; from += block) {
        int64_t end = TM_MIN(b->length, from + block);
        int64_t page = TM_MAX(from, b->first) / positions, last = (end - 1) / positions;
        for (int64_t p = page; p <= last; p++)
            one_page(b, 0, p, from);
        if (b->bias != NULL)
            load_bias(b, from, end);
        for (int64_t m = 0; m < queries; m++) {
            struct simd_softmax state = {b->top + m, b->total + m, b->sums + m * b->padded,
                                         b->padded};
            adjust(b, m, from, end);
            simd_soften(state, b->scores + m * LDS, page * positions - from, end - from);
        }
        for (int64_t p = page; p <= last; p++)
            one_page(b, 1, p, from);
    }
}

/* The queries of the pass, scaled, in; their results out. With nothing to see they are zeros. */
static void queries_in(const struct job *b, const struct tm_tensor *q)
{
    vf scale = v_set1(b->args->attn.scale);
    for (int64_t m = 0; m < b->rows * b->group; m++) {
        const float *from =
            kern_row(q, b->row + m / b->group) + (b->kv * b->group + m % b->group) * b->dim;
        for (int64_t d = 0; d < b->dim; d += VL) {
            int64_t left = TM_MIN(VL, b->dim - d);
            v_storen(b->q + m * b->dim + d, left, v_mul(v_loadn(from + d, left), scale));
        }
    }
}

static void results_out(const struct job *b, struct tm_tensor *out)
{
    for (int64_t m = 0; m < b->rows * b->group; m++) {
        float *to =
            kern_row(out, b->row + m / b->group) + (b->kv * b->group + m % b->group) * b->dim;
        const float *sums = b->sums + m * b->padded;
        vf inv = v_set1(b->total[m] > 0 ? 1 / b->total[m] : 0);
        for (int64_t d = 0; d < b->dim; d += 2 * VL) {
            vf first = v_load(sums + d), second = v_zero();
            if (b->pairs)
                v_interleave(first, v_load(sums + d + VL), &first, &second);
            else if (d + VL < b->dim)
                second = v_load(sums + d + VL);
            v_storen(to + d, TM_MIN(VL, b->dim - d), v_mul(first, inv));
            if (d + VL < b->dim)
                v_storen(to + d + VL, TM_MIN(VL, b->dim - d - VL), v_mul(second, inv));
        }
    }
}

static void one_slot(struct job *b, struct tm_tensor *out, const struct tm_tensor *q, int32_t s)
{
    const struct tm_attn_args *a = &b->args->attn;
    const struct tm_step *step = b->args->step;
    const bool self = b->args->cache->ancestry != NULL;
    b->slot = step->slot[s];
    b->next_slot = s + 1 < step->slots ? step->slot[s + 1] : -1;
    b->length = b->args->cache->lengths[b->slot];
    b->first = self && a->window != 0 ? TM_MAX(0, b->length - 1 - a->window) : 0;
    int64_t end = step->first_row[s + 1];
    for (b->kv = 0; b->kv < a->kv_heads; b->kv++) {
        for (b->row = step->first_row[s]; b->row < end; b->row += b->rows) {
            b->rows = TM_MIN(ROWS / b->group, end - b->row);
            queries_in(b, q);
            attend(b);
            results_out(b, out);
        }
    }
}

enum tm_status SIMD(attn_cached)(struct tm_stream *stream, struct tm_tensor *out,
                                 const struct tm_tensor *q, const struct tm_cached_args *args)
{
    const struct tm_attn_args *a = &args->attn;
    const struct tm_kv_pool *pool = args->cache->pool;
    if (out->dtype != TM_F32 || q->dtype != TM_F32)
        return TM_UNSUPPORTED;
    if ((a->bias.kind != TM_BIAS_NONE && a->bias.kind != TM_BIAS_T5) || a->head_dim > DIM_MAX ||
        (pool->data.dtype != TM_F32 && pool->data.dtype != TM_BF16) || pool->positions % 32 != 0 ||
        pool->positions > BLOCK || a->heads > ROWS * a->kv_heads || a->heads % a->kv_heads != 0)
        return kern_ref_ops.attn_cached(stream, out, q, args);
    size_t mark = stream->used;
    struct job b = {.args = args, .pool = pool, .dim = a->head_dim};
    b.group = a->heads / a->kv_heads;
    b.pairs = pool->data.dtype == TM_BF16;
    b.size = b.pairs ? 2 : 4;
    b.padded = kern_round_up(b.dim, b.pairs ? 2 * VL : VL);
    b.q = kern_scratch(stream, (size_t)(ROWS * b.dim) * sizeof(float));
    b.scores = kern_scratch(stream, (size_t)ROWS * LDS * sizeof(float));
    b.sums = kern_scratch(stream, (size_t)(ROWS * b.padded) * sizeof(float));
    b.top = kern_scratch(stream, ROWS * sizeof(float));
    b.total = kern_scratch(stream, ROWS * sizeof(float));
    b.keys = kern_scratch(stream, (size_t)(b.dim * pool->positions * b.size) + 64);
    size_t values = (size_t)(pool->positions * b.padded * b.size) + 64;
    b.values = kern_scratch(stream, values);
    memset(b.values, 0, values); /* the columns past dim stay so */
    if (a->bias.kind == TM_BIAS_T5 && args->cache->ancestry != NULL)
        b.bias = kern_scratch(stream, (size_t)(b.group * BLOCK) * sizeof(float));
    for (int32_t s = 0; s < args->step->slots; s++)
        one_slot(&b, out, q, s);
    stream->used = mark;
    return TM_OK;
}
