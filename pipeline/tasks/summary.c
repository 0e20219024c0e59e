/* Summary. Models that generate write one (abstract.c); with a model of embeddings it is
 * extractive: the sentences that say most of the text, in the text's own order and words.
 *
 * Each sentence is embedded; its worth is how near it lies to the mean of all of them (centrality)
 * and how early it stands (position: news puts what matters first). Sentences are taken greedily,
 * each time the one with the best worth less its likeness to what is taken already (maximal
 * marginal relevance, Carbonell and Goldstein 1998). The mean of cosines to all sentences equals
 * the dot product with the mean of the unit vectors, so this is linear in the number of sentences.
 *
 * A text no longer than the target comes back whole. Headings are not candidates. */
#include "tasks.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

/* Weights were set on lead-biased news and scientific abstracts; they sum worth in [-1, 1]. */
static const double POSITION_WEIGHT = 0.25, REDUNDANCY_WEIGHT = 0.35;
/* So like one that is taken already, a sentence is the same again and never taken. */
static const double REPEAT = 0.98;
enum { FEW_WORDS = 5 }; /* a shorter sentence is a caption, a credit, a label */

struct candidate {
    size_t sentence; /* index into doc->sentences */
    uint32_t words;
    double worth, likeness; /* likeness: most to a sentence taken already */
    bool taken;
    float *vector; /* unit length */
};

struct state {
    struct candidate *candidate;
    size_t n;
    const int32_t *part, *weight;
    size_t n_seqs;
};

uint32_t summary_words(const char *s, size_t n)
{
    uint32_t words = 0;
    bool inside = false;
    for (size_t i = 0; i < n; i++) {
        bool space = s[i] == ' ' || s[i] == '\n' || s[i] == '\t';
        words += !space && !inside;
        inside = !space;
    }
    return words;
}

static bool in_heading(const struct tm_doc *doc, const struct tm_span *sentence, size_t *paragraph)
{
    while (*paragraph < doc->n_paragraphs &&
           doc->paragraphs[*paragraph].span.end <= sentence->start)
        ++*paragraph;
    return *paragraph < doc->n_paragraphs && doc->paragraphs[*paragraph].kind == TM_BLOCK_HEADING;
}

/* Sentences that may be taken; when the filters leave none, all of them. */
static enum tm_status find_candidates(struct tm_doc *doc, struct state *st, struct tm_err *err)
{
    st->candidate = tm_arena_array(doc->arena, doc->n_sentences, sizeof *st->candidate);
    if (st->candidate == NULL && doc->n_sentences > 0)
        return tm_err_set(err, TM_NOMEM, "summary of %zu sentences", doc->n_sentences);
    for (int strict = 1; strict >= 0 && st->n == 0; strict--) {
        size_t paragraph = 0;
        for (size_t i = 0; i < doc->n_sentences; i++) {
            const struct tm_span *sp = &doc->sentences[i];
            uint32_t words = summary_words(doc->text + sp->start, sp->end - sp->start);
            bool heading = in_heading(doc, sp, &paragraph);
            if (strict && (heading || words < FEW_WORDS))
                continue;
            st->candidate[st->n++] = (struct candidate){.sentence = i, .words = words};
        }
    }
    return TM_OK;
}

/* In the order of the text, joined by blanks. */
json_t *summary_extract(const struct tm_doc *doc, const bool *used, const char *method, int chunks)
{
    TM_CLEANUP(tm_buf_finish) struct tm_buf text = {.cap = 0};
    json_t *list = json_array();
    for (size_t i = 0; i < doc->n_sentences; i++) {
        if (!used[i])
            continue;
        const struct tm_span *sp = &doc->sentences[i];
        if (text.len > 0)
            tm_buf_putc(&text, ' ');
        tm_buf_append(&text, doc->text + sp->start, sp->end - sp->start);
        json_array_append_new(list, json_integer((json_int_t)i));
    }
    return json_pack("{s:s%, s:s, s:s, s:o, s:i, s:f, s:b}", "text",
                     text.data != NULL ? text.data : "", text.len, "style", "extractive", "method",
                     method, "sentences_used", list, "chunks", chunks, "coverage", 1.0, "truncated",
                     0);
}

/* A text within the target: all of it, as it stands. */
enum tm_status summary_whole(struct tm_doc *doc, struct tm_task_run *run, struct tm_err *err)
{
    json_t *used = json_array();
    for (size_t i = 0; i < doc->n_sentences; i++)
        json_array_append_new(used, json_integer((json_int_t)i));
    json_t *json = json_pack("{s:s%, s:s, s:s, s:o, s:i, s:f, s:b}", "text", doc->text,
                             doc->text_len, "style", "extractive", "method", "whole",
                             "sentences_used", used, "chunks", 0, "coverage", 1.0, "truncated", 0);
    return task_finish(doc, run, json, err);
}

static bool is_within_target(const struct tm_doc *doc, const struct tm_conf_task *c)
{
    if (c->words > 0)
        return summary_words(doc->text, doc->text_len) <= (uint64_t)c->words;
    return doc->n_sentences <= (size_t)c->sentences;
}

static enum tm_status plan_extract(const struct tm_task *t, struct tm_doc *doc,
                                   struct tm_task_run *run, struct tm_encoding *enc,
                                   struct tm_err *err)
{
    if (is_within_target(doc, t->conf))
        return summary_whole(doc, run, err);
    struct state *st = tm_arena_alloc(doc->arena, sizeof *st);
    if (st == NULL)
        return tm_err_set(err, TM_NOMEM, "summary");
    enum tm_status s = find_candidates(doc, st, err);
    struct seq_list l;
    if (s == TM_OK)
        s = seq_list_init(&l, t, doc, enc, st->n, err);
    for (size_t i = 0; i < st->n && s == TM_OK; i++) {
        const struct tm_span *sp = &doc->sentences[st->candidate[i].sentence];
        s = seq_list_add(&l, doc->text + sp->start, sp->end - sp->start, (int32_t)i, 0, err);
    }
    if (s != TM_OK)
        return s;
    if (l.n == 0)
        return tm_err_set(err, TM_EMPTY, "the text has no tokens");
    st->part = l.part;
    st->weight = l.weight;
    st->n_seqs = l.n;
    run->state = st;
    run->seqs = l.seqs;
    run->n_seqs = l.n;
    return TM_OK;
}

static double dot(const float *a, const float *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

static void normalize(float *v, size_t n)
{
    double length = sqrt(dot(v, v, n));
    for (size_t i = 0; i < n && length > 0; i++)
        v[i] = (float)(v[i] / length);
}

/* Unit vectors of the candidates: a sentence of several windows gets their weighted mean. */
static enum tm_status set_vectors(struct tm_doc *doc, struct state *st, const struct tm_seq *seqs,
                                  size_t dims, struct tm_err *err)
{
    float *all = tm_arena_array(doc->arena, st->n * dims, sizeof *all);
    if (all == NULL)
        return tm_err_set(err, TM_NOMEM, "summary of %zu sentences", st->n);
    for (size_t i = 0; i < st->n; i++)
        st->candidate[i].vector = all + i * dims;
    for (size_t i = 0; i < st->n_seqs; i++) {
        float *v = st->candidate[st->part[i]].vector;
        for (size_t d = 0; d < dims; d++)
            v[d] += seqs[i].out[d] * (float)st->weight[i];
    }
    for (size_t i = 0; i < st->n; i++)
        normalize(st->candidate[i].vector, dims);
    return TM_OK;
}

static enum tm_status set_worth(struct tm_doc *doc, struct state *st, size_t dims,
                                struct tm_err *err)
{
    float *mean = tm_arena_array(doc->arena, dims, sizeof *mean);
    if (mean == NULL)
        return tm_err_set(err, TM_NOMEM, "summary");
    for (size_t i = 0; i < st->n; i++)
        for (size_t d = 0; d < dims; d++)
            mean[d] += st->candidate[i].vector[d] / (float)st->n;
    normalize(mean, dims);
    for (size_t i = 0; i < st->n; i++)
        st->candidate[i].worth =
            dot(st->candidate[i].vector, mean, dims) + POSITION_WEIGHT / (1.0 + (double)i);
    return TM_OK;
}

/* Takes the best candidate that still fits; false when there is none. */
static bool take_one(struct state *st, size_t dims, uint32_t words_left)
{
    struct candidate *b = NULL;
    double most = -INFINITY;
    for (size_t i = 0; i < st->n; i++) {
        struct candidate *c = &st->candidate[i];
        double value = c->worth - REDUNDANCY_WEIGHT * c->likeness;
        if (!c->taken && c->likeness < REPEAT && c->words <= words_left && value > most) {
            most = value;
            b = c;
        }
    }
    if (b == NULL)
        return false;
    b->taken = true;
    for (size_t i = 0; i < st->n; i++) {
        double likeness = dot(st->candidate[i].vector, b->vector, dims);
        st->candidate[i].likeness = TM_MAX(st->candidate[i].likeness, likeness);
    }
    return true;
}

static uint32_t words_taken(const struct state *st)
{
    uint32_t words = 0;
    for (size_t i = 0; i < st->n; i++)
        words += st->candidate[i].taken ? st->candidate[i].words : 0;
    return words;
}

static enum tm_status next_extract(const struct tm_task *t, struct tm_doc *doc,
                                   struct tm_task_run *run, struct tm_encoding *enc,
                                   struct tm_err *err)
{
    (void)enc;
    struct state *st = run->state;
    size_t dims = run->seqs[0].out_size;
    enum tm_status s = set_vectors(doc, st, run->seqs, dims, err);
    if (s == TM_OK)
        s = set_worth(doc, st, dims, err);
    if (s != TM_OK)
        return s;
    size_t taken = 0;
    if (t->conf->words > 0) {
        uint32_t target = (uint32_t)t->conf->words;
        while (words_taken(st) < target && take_one(st, dims, target - words_taken(st)))
            taken++;
    } else {
        while (taken < (size_t)t->conf->sentences && take_one(st, dims, UINT32_MAX))
            taken++;
    }
    if (taken == 0) /* every sentence is longer than the target: the best one all the same */
        take_one(st, dims, UINT32_MAX);
    bool *used = tm_arena_array(doc->arena, doc->n_sentences, sizeof *used);
    if (used == NULL)
        return tm_err_set(err, TM_NOMEM, "summary");
    for (size_t i = 0; i < st->n; i++)
        used[st->candidate[i].sentence] = st->candidate[i].taken;
    return task_finish(doc, run, summary_extract(doc, used, "centrality", 1), err);
}

/* ---- by what the model is for ---- */

static bool generates(const struct tm_task *t)
{
    return tm_engine_info(t->model->engine)->head == TM_HEAD_GENERATE;
}

static enum tm_status open_task(struct tm_task *t, struct tm_err *err)
{
    return generates(t) ? abstract_open(t, err) : TM_OK;
}

static void close_task(struct tm_task *t)
{
    if (generates(t))
        abstract_close(t);
}

static enum tm_status plan(const struct tm_task *t, struct tm_doc *doc, struct tm_task_run *run,
                           struct tm_encoding *enc, struct tm_err *err)
{
    return generates(t) ? abstract_plan(t, doc, run, enc, err)
                        : plan_extract(t, doc, run, enc, err);
}

static enum tm_status next(const struct tm_task *t, struct tm_doc *doc, struct tm_task_run *run,
                           struct tm_encoding *enc, struct tm_err *err)
{
    return generates(t) ? abstract_next(t, doc, run, enc, err)
                        : next_extract(t, doc, run, enc, err);
}

const struct tm_task_ops summary_ops = {
    .name = "summary",
    .key = "summary",
    .default_model = "all-MiniLM-L6-v2",
    .heads = 1u << TM_HEAD_EMBEDDING | 1u << TM_HEAD_GENERATE,
    .open = open_task,
    .close = close_task,
    .plan = plan,
    .next = next,
};
