/* Embedding: one vector for the document, pooled and normalised as the model's folder says. A text
 * longer than the model takes is read in windows; the vector is their mean, weighted by the tokens
 * each adds, of unit length where theirs are. */
#include "tasks.h"

#include <jansson.h>
#include <math.h>

enum { STRIDE = 64 };

struct state {
    const int32_t *weight;
    size_t n;
};

static enum tm_status plan(const struct tm_task *t, struct tm_doc *doc, struct tm_task_run *run,
                           struct tm_encoding *enc, struct tm_err *err)
{
    struct seq_list l;
    struct state *st = tm_arena_alloc(doc->arena, sizeof *st);
    if (st == NULL)
        return tm_err_set(err, TM_NOMEM, "embedding");
    enum tm_status s = seq_list_init(&l, t, doc, enc, 1, err);
    if (s == TM_OK)
        s = seq_list_add(&l, doc->text, doc->text_len, 0, task_stride(t, STRIDE), err);
    if (s != TM_OK)
        return s;
    *st = (struct state){l.weight, l.n};
    run->state = st;
    return seq_list_start(&l, run, err);
}

static double length(const double *v, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += v[i] * v[i];
    return sqrt(sum);
}

static enum tm_status next(const struct tm_task *t, struct tm_doc *doc, struct tm_task_run *run,
                           struct tm_encoding *enc, struct tm_err *err)
{
    (void)t;
    (void)enc;
    const struct state *st = run->state;
    size_t dims = run->seqs[0].out_size;
    double *mean = tm_arena_array(doc->arena, dims, sizeof *mean), total = 0;
    double *one = tm_arena_array(doc->arena, dims, sizeof *one);
    if (mean == NULL || one == NULL)
        return tm_err_set(err, TM_NOMEM, "embedding of %zu numbers", dims);
    bool unit = true;
    for (size_t i = 0; i < st->n; i++) {
        total += st->weight[i];
        for (size_t d = 0; d < dims; d++) {
            one[d] = (double)run->seqs[i].out[d];
            mean[d] += one[d] * st->weight[i];
        }
        unit &= fabs(length(one, dims) - 1) < 1e-3;
    }
    double by = st->n > 1 && unit ? length(mean, dims) : total;
    json_t *vector = json_array();
    for (size_t d = 0; d < dims; d++)
        json_array_append_new(vector, json_real(task_round(mean[d] / (by > 0 ? by : 1))));
    return task_finish(doc, run,
                       json_pack("{s:o, s:I, s:I, s:f}", "vector", vector, "dims", (json_int_t)dims,
                                 "windows", (json_int_t)st->n, "coverage", 1.0),
                       err);
}

const struct tm_task_ops embedding_ops = {
    .name = "embedding",
    .key = "embedding",
    .default_model = "all-MiniLM-L6-v2",
    .heads = 1u << TM_HEAD_EMBEDDING,
    .plan = plan,
    .next = next,
};
