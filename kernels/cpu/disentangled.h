/* DeBERTa's terms of attention scores: queries against projected relative positions, and these
 * against keys. Both are products of whole blocks on the tiles of gemm; what a pair of tokens needs
 * is then picked by its distance. Only positions that the sequence can reach are computed. */
#ifndef KERN_CPU_DISENTANGLED_H
#define KERN_CPU_DISENTANGLED_H

#include "simd.h"

enum { SPAN_MAX = 1152 }; /* rows of a relative table; with it the scratch stays below 5 MiB */

struct disentangled {
    const struct tm_attn_args *args;
    int64_t first, rows; /* of the tables: what distances within the sequence pick from */
    int64_t width;       /* rows in whole vectors */
    float *panels;       /* (width, dim), as load_keys has them */
    float *by_query;     /* (queries of a pass, width) */
    float *by_key;       /* (keys of a block, width) */
    int32_t *row;        /* by distance, as struct job's bias; less `first` */
};

static inline int64_t disentangled_row(const struct tm_attn_bias *t, int64_t distance)
{
    int64_t d = TM_MAX(-(int64_t)t->reach, TM_MIN((int64_t)t->reach, distance));
    return t->bucket[d + t->reach];
}

/* Buckets grow with the distance, so that the farthest ones bound the rest. */
static void disentangled_begin(struct disentangled *t, int64_t len)
{
    t->first = disentangled_row(&t->args->bias, 1 - len);
    t->rows = disentangled_row(&t->args->bias, len - 1) + 1 - t->first;
    t->width = (t->rows + VL - 1) / VL * VL;
}

static void load_panels(const struct disentangled *t, const struct tm_tensor *table, int64_t h)
{
    int64_t dim = t->args->head_dim;
    for (int64_t p = 0; p < t->width; p += TILE_COLS) {
        int64_t width = TM_MIN(TILE_COLS, t->width - p);
        float *panel = t->panels + p * dim;
        for (int64_t j = 0; j < width; j++) {
            bool there = p + j < t->rows;
            const float *from = there ? kern_row(table, t->first + p + j) + h * dim : NULL;
            for (int64_t d = 0; d < dim; d++)
                panel[d * width + j] = there ? from[d] : 0;
        }
    }
}

/* out (n, width) = head h of rows from … from + n - 1 of x against the table. */
static void disentangled_term(const struct disentangled *t, const struct tm_tensor *table,
                              const struct tm_tensor *x, int64_t from, int64_t n, int64_t h,
                              float *out)
{
    int64_t dim = t->args->head_dim;
    if (table == NULL)
        return;
    load_panels(t, table, h);
    for (int64_t r = 0; r < n; r += TILE_ROWS) {
        int64_t rows = TM_MIN(TILE_ROWS, n - r);
        const float *a = kern_row(x, from + r) + h * dim;
        const struct simd_ahead here = {(const char *)a, 0};
        for (int64_t p = 0; p < t->width; p += TILE_COLS) {
            int64_t width = TM_MIN(TILE_COLS, t->width - p);
            SIMD(tiles)
            [rows - 1][width / VL - 1](a, x->stride, t->panels + p * dim, width, dim,
                                       out + r * t->width + p, t->width, false, here);
        }
    }
}

/* row[j - r + queries] for key `from` + j and query i + r. */
static void disentangled_rows(const struct disentangled *t, int64_t i, int64_t from,
                              int64_t queries, int64_t keys)
{
    for (int64_t at = 1; at < queries + keys; at++)
        t->row[at] =
            (int32_t)(disentangled_row(&t->args->bias, i - from - at + queries) - t->first);
}

/* Adds both terms to the scores of one query: row r of the pass; at: row + queries - r. Distances
 * of keys behind the sequence's last may lie outside. */
static void disentangled_add(const struct disentangled *t, float *s, int64_t r, const int32_t *at,
                             int64_t begin, int64_t end)
{
    const float *by_query = t->by_query + r * t->width;
    if (t->args->bias.pos_k != NULL)
        for (int64_t j = begin; j < end; j++)
            s[j] += by_query[at[j]];
    if (t->args->bias.pos_q != NULL)
        for (int64_t j = begin; j < end; j++)
            s[j] += t->by_key[j * t->width + at[j]];
}

#endif
