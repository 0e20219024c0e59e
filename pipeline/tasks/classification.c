/* Classification: by the labels of the model, or zero-shot by labels that the entry names.
 *
 * Zero-shot asks a model of entailment (NLI) whether the text says "This example is {label}.", as
 * Hugging Face's pipeline does (Yin, Hay and Roth 2019): a softmax over the labels' entailment, or,
 * with multi_label, for each label alone over entailment and contradiction. A text longer than the
 * model takes is read in windows, whose probabilities are averaged by the tokens each adds. */
#include "tasks.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { STRIDE = 64, MOST_LABELS = 512 };

struct self {
    bool zero_shot;
    int32_t entailment, contradiction; /* among the model's labels */
};

struct state {
    const int32_t *part, *weight; /* part: the label; 0 without zero-shot */
    size_t n;                     /* sequences */
};

static void close_task(struct tm_task *t)
{
    free(t->self);
}

static size_t count_labels(const struct tm_task *t)
{
    const struct self *self = t->self;
    return self->zero_shot ? t->conf->labels.n : (size_t)tm_engine_info(t->model->engine)->n_labels;
}

static const char *label_name(const struct tm_task *t, size_t i)
{
    const struct self *self = t->self;
    return self->zero_shot ? t->conf->labels.item[i] : tm_engine_info(t->model->engine)->labels[i];
}

static enum tm_status open_zero_shot(const struct tm_task *t, struct self *self, struct tm_err *err)
{
    const struct tm_engine_info *info = tm_engine_info(t->model->engine);
    const char *place = strstr(t->conf->hypothesis_template, "{}");
    if (place == NULL || strstr(place + 1, "{}") != NULL)
        return tm_err_set(err, TM_CONFIG, "classification: hypothesis_template needs one {}");
    if (t->conf->labels.n > MOST_LABELS)
        return tm_err_set(err, TM_CONFIG, "classification: more than %d labels", MOST_LABELS);
    self->entailment = -1;
    for (int32_t i = 0; i < info->n_labels && self->entailment < 0; i++)
        if (strncasecmp(info->labels[i], "entail", 6) == 0)
            self->entailment = i;
    self->contradiction = self->entailment == 0 ? info->n_labels - 1 : 0;
    if (self->entailment < 0 || info->n_labels < 2)
        return tm_err_set(
            err, TM_MODEL,
            "classification: model %s has no label entailment, which labels to choose "
            "from need",
            t->model->name);
    return TM_OK;
}

static enum tm_status open_task(struct tm_task *t, struct tm_err *err)
{
    struct self *self = calloc(1, sizeof *self);
    if (self == NULL)
        return tm_err_set(err, TM_NOMEM, "classification");
    self->zero_shot = t->conf->labels.n > 0;
    enum tm_status s = self->zero_shot ? open_zero_shot(t, self, err) : TM_OK;
    t->self = self;
    if (s != TM_OK)
        close_task(t);
    return s;
}

/* ---- sequences ---- */

/* "This example is {label}." around the text, a frame a label. */
static enum tm_status make_frames(const struct tm_task *t, struct seq_list *l,
                                  struct seq_frame *frame, size_t *ret_longest, struct tm_err *err)
{
    TM_CLEANUP(tm_buf_finish) struct tm_buf hypothesis = {.cap = 0};
    const char *form = t->conf->hypothesis_template, *place = strstr(form, "{}");
    enum tm_status s = TM_OK;
    *ret_longest = 0;
    for (size_t i = 0; i < t->conf->labels.n && s == TM_OK; i++) {
        tm_buf_clear(&hypothesis);
        tm_buf_append(&hypothesis, form, (size_t)(place - form));
        tm_buf_puts(&hypothesis, t->conf->labels.item[i]);
        tm_buf_puts(&hypothesis, place + 2);
        if (hypothesis.failed)
            return tm_err_set(err, TM_NOMEM, "classification");
        s = seq_frame_pair(l, hypothesis.data, hypothesis.len, false, &frame[i], err);
        if (s == TM_OK)
            *ret_longest = TM_MAX(*ret_longest, frame[i].n_before + frame[i].n_after);
    }
    return s;
}

/* The longest label decides where windows end: scores are compared over the same text. */
static enum tm_status add_labels(const struct tm_task *t, struct seq_list *l, struct tm_err *err)
{
    const int32_t takes = tm_engine_info(t->model->engine)->max_length;
    struct seq_text text;
    size_t n = t->conf->labels.n, longest;
    struct seq_frame *frame = tm_arena_array(l->doc->arena, n, sizeof *frame);
    if (frame == NULL)
        return tm_err_set(err, TM_NOMEM, "classification by %zu labels", n);
    enum tm_status s = make_frames(t, l, frame, &longest, err);
    if (s == TM_OK)
        s = seq_text_encode(l, l->doc->text, l->doc->text_len, &text, err);
    for (size_t i = 0; i < n && s == TM_OK; i++) {
        int64_t shorter = (int64_t)(longest - frame[i].n_before - frame[i].n_after);
        s = seq_list_windows(l, &frame[i], &text, (int32_t)i, task_stride(t, STRIDE),
                             (int32_t)TM_MAX(takes - shorter, 1), err);
    }
    return s;
}

static enum tm_status plan(const struct tm_task *t, struct tm_doc *doc, struct tm_task_run *run,
                           struct tm_encoding *enc, struct tm_err *err)
{
    const struct self *self = t->self;
    struct seq_list l;
    struct state *st = tm_arena_alloc(doc->arena, sizeof *st);
    enum tm_status s = st != NULL ? seq_list_init(&l, t, doc, enc, count_labels(t), err)
                                  : tm_err_set(err, TM_NOMEM, "classification");
    if (s == TM_OK)
        s = self->zero_shot
                ? add_labels(t, &l, err)
                : seq_list_add(&l, doc->text, doc->text_len, 0, task_stride(t, STRIDE), err);
    if (s != TM_OK)
        return s;
    *st = (struct state){l.part, l.weight, l.n};
    run->state = st;
    return seq_list_start(&l, run, err);
}

/* ---- scores ---- */

/* One window of zero-shot: seqs[i] of each label at a distance of `windows`. */
static void entail(const struct self *self, const struct tm_seq *seqs, size_t windows, size_t n,
                   bool multi, double *p)
{
    double most = -INFINITY, sum = 0;
    for (size_t i = 0; i < n; i++)
        most = TM_MAX(most, (double)seqs[i * windows].out[self->entailment]);
    for (size_t i = 0; i < n; i++) {
        double yes = (double)seqs[i * windows].out[self->entailment];
        double no = (double)seqs[i * windows].out[self->contradiction];
        p[i] = multi ? 1 / (1 + exp(no - yes)) : exp(yes - most);
        sum += p[i];
    }
    for (size_t i = 0; i < n && !multi; i++)
        p[i] /= sum;
}

struct scored {
    size_t label;
    double score;
};

static int by_score(const void *a, const void *b)
{
    const struct scored *x = a, *y = b;
    int order = (x->score < y->score) - (x->score > y->score);
    return order != 0 ? order : (x->label > y->label) - (x->label < y->label);
}

static json_t *result_json(const struct tm_task *t, const struct scored *list, size_t n,
                           size_t windows)
{
    json_t *labels = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(labels, json_pack("{s:s, s:f}", "label", label_name(t, list[i].label),
                                                "score", task_round(list[i].score)));
    return json_pack("{s:s, s:f, s:o, s:I, s:f}", "label", label_name(t, list[0].label), "score",
                     task_round(list[0].score), "labels", labels, "windows", (json_int_t)windows,
                     "coverage", 1.0);
}

static enum tm_status next(const struct tm_task *t, struct tm_doc *doc, struct tm_task_run *run,
                           struct tm_encoding *enc, struct tm_err *err)
{
    (void)enc;
    const struct self *self = t->self;
    const struct state *st = run->state;
    const struct tm_engine_info *info = tm_engine_info(t->model->engine);
    size_t n = count_labels(t), windows = self->zero_shot ? st->n / n : st->n;
    bool multi = t->conf->multi_label || n == 1;
    double *p = tm_arena_array(doc->arena, n, sizeof *p), total = 0;
    struct scored *list = tm_arena_array(doc->arena, n, sizeof *list);
    if (p == NULL || list == NULL)
        return tm_err_set(err, TM_NOMEM, "classification by %zu labels", n);
    for (size_t w = 0; w < windows; w++) {
        if (self->zero_shot)
            entail(self, run->seqs + w, windows, n, multi, p);
        else
            tm_label_probabilities(info, run->seqs[w].out, p);
        total += st->weight[w];
        for (size_t i = 0; i < n; i++)
            list[i].score += p[i] * st->weight[w];
    }
    for (size_t i = 0; i < n; i++)
        list[i] = (struct scored){i, list[i].score / total};
    qsort(list, n, sizeof *list, by_score);
    return task_finish(doc, run, result_json(t, list, n, windows), err);
}

const struct tm_task_ops classification_ops = {
    .name = "classification",
    .key = "classification",
    .heads = 1u << TM_HEAD_SEQUENCE,
    .open = open_task,
    .close = close_task,
    .plan = plan,
    .next = next,
};
