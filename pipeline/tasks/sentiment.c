/* Sentiment: negative, neutral or positive, for the document, its title and each sentence.
 *
 * The document's scores are the mean over windows that cover all of the text, weighted by the
 * tokens each window adds; a text that fits the model is one window. Nothing is left out: coverage
 * is 1 and the result says so. Probabilities are the softmax over the model's labels. */
#include "tasks.h"

#include <jansson.h>
#include <math.h>
#include <string.h>
#include <strings.h>

enum polarity { NEGATIVE, NEUTRAL, POSITIVE, POLARITIES };
static const char *const polarity_name[POLARITIES] = {"negative", "neutral", "positive"};

/* How models call them. LABEL_n is the order of TweetEval's three-class models. */
static const struct {
    const char *label;
    enum polarity polarity;
} labels[] = {
    {"negative", NEGATIVE}, {"neg", NEGATIVE}, {"label_0", NEGATIVE},
    {"neutral", NEUTRAL},   {"neu", NEUTRAL},  {"label_1", NEUTRAL},
    {"positive", POSITIVE}, {"pos", POSITIVE}, {"label_2", POSITIVE},
};

/* Sequences of one document: windows of the text are part DOCUMENT, then the title, then sentences
 * from 0. A document of one sentence has no sentence sequences: the window says it. */
enum { PART_DOCUMENT = -2, PART_TITLE = -1 };

struct state {
    const int32_t *part, *weight;
    size_t n;
};

struct scores {
    double p[POLARITIES];
    double weight; /* 0: none */
};

static int find_polarity(const char *label)
{
    for (size_t i = 0; i < TM_COUNTOF(labels); i++)
        if (strcasecmp(labels[i].label, label) == 0)
            return (int)labels[i].polarity;
    return -1;
}

static enum tm_status open_task(struct tm_task *t, struct tm_err *err)
{
    const struct tm_engine_info *info = tm_engine_info(t->model->engine);
    bool seen[POLARITIES] = {false};
    bool ok = info->problem == TM_PROBLEM_SINGLE_LABEL && info->n_labels <= POLARITIES;
    for (int32_t i = 0; i < info->n_labels && ok; i++) {
        int p = find_polarity(info->labels[i]);
        ok = p >= 0 && !seen[p];
        if (ok)
            seen[p] = true;
    }
    if (!ok || !seen[NEGATIVE] || !seen[POSITIVE])
        return tm_err_set(err, TM_MODEL,
                          "sentiment: model %s does not tell negative from positive: it needs the "
                          "labels negative, neutral (optional) and positive",
                          t->model->name);
    return TM_OK;
}

static enum tm_status plan(const struct tm_task *t, struct tm_doc *doc, struct tm_task_run *run,
                           struct tm_encoding *enc, struct tm_err *err)
{
    struct seq_list l;
    int32_t stride = task_stride(t, 64);
    enum tm_status s = seq_list_init(&l, t, doc, enc, doc->n_sentences + 2, err);
    if (s == TM_OK)
        s = seq_list_add(&l, doc->text, doc->text_len, PART_DOCUMENT, stride, err);
    if (s == TM_OK && l.n == 0)
        s = tm_err_set(err, TM_EMPTY, "the text has no tokens");
    if (s == TM_OK && doc->title != NULL)
        s = seq_list_add(&l, doc->title, strlen(doc->title), PART_TITLE, stride, err);
    for (size_t i = 0; i < doc->n_sentences && doc->n_sentences > 1 && s == TM_OK; i++) {
        const struct tm_span *sp = &doc->sentences[i];
        s = seq_list_add(&l, doc->text + sp->start, sp->end - sp->start, (int32_t)i, stride, err);
    }
    if (s != TM_OK)
        return s;
    struct state *st = tm_arena_alloc(doc->arena, sizeof *st);
    if (st == NULL)
        return tm_err_set(err, TM_NOMEM, "sentiment");
    *st = (struct state){l.part, l.weight, l.n};
    run->state = st;
    return seq_list_start(&l, run, err);
}

/* Softmax over the model's labels, put under their polarity. */
static void softmax(const struct tm_engine_info *info, const float *logits, double p[POLARITIES])
{
    double most = logits[0], sum = 0;
    for (int32_t i = 1; i < info->n_labels; i++)
        most = TM_MAX(most, (double)logits[i]);
    for (int32_t i = 0; i < info->n_labels; i++)
        sum += exp((double)logits[i] - most);
    memset(p, 0, POLARITIES * sizeof *p);
    for (int32_t i = 0; i < info->n_labels; i++)
        p[find_polarity(info->labels[i])] = exp((double)logits[i] - most) / sum;
}

static void add_scores(struct scores *to, const double p[POLARITIES], double weight)
{
    double total = to->weight + weight;
    for (int i = 0; i < POLARITIES; i++)
        to->p[i] = (to->p[i] * to->weight + p[i] * weight) / total;
    to->weight = total;
}

static enum polarity best(const struct scores *s)
{
    enum polarity b = NEGATIVE;
    for (enum polarity i = NEUTRAL; i < POLARITIES; i++)
        if (s->p[i] > s->p[b])
            b = i;
    return b;
}

/* {label, score, scores, compound} */
static json_t *scores_json(const struct scores *s)
{
    enum polarity b = best(s);
    return json_pack("{s:s, s:f, s:{s:f, s:f, s:f}, s:f}", "label", polarity_name[b], "score",
                     task_round(s->p[b]), "scores", "negative", task_round(s->p[NEGATIVE]),
                     "neutral", task_round(s->p[NEUTRAL]), "positive", task_round(s->p[POSITIVE]),
                     "compound", task_round(s->p[POSITIVE] - s->p[NEGATIVE]));
}

/* [{i, label, score}] */
static json_t *sentences_json(const struct scores *s, size_t n)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) {
        if (s[i].weight == 0) /* no tokens: marks the tokenizer drops */
            continue;
        enum polarity b = best(&s[i]);
        json_array_append_new(list, json_pack("{s:I, s:s, s:f}", "i", (json_int_t)i, "label",
                                              polarity_name[b], "score", task_round(s[i].p[b])));
    }
    return list;
}

static enum tm_status next(const struct tm_task *t, struct tm_doc *doc, struct tm_task_run *run,
                           struct tm_encoding *enc, struct tm_err *err)
{
    (void)enc;
    const struct tm_engine_info *info = tm_engine_info(t->model->engine);
    const struct state *st = run->state;
    struct scores document = {.weight = 0}, title = {.weight = 0};
    struct scores *sentences = tm_arena_array(doc->arena, doc->n_sentences + 1, sizeof *sentences);
    if (sentences == NULL)
        return tm_err_set(err, TM_NOMEM, "sentiment");
    json_int_t windows = 0;
    for (size_t i = 0; i < st->n; i++) {
        double p[POLARITIES];
        softmax(info, run->seqs[i].out, p);
        struct scores *to = st->part[i] == PART_DOCUMENT ? &document
                            : st->part[i] == PART_TITLE  ? &title
                                                         : &sentences[st->part[i]];
        add_scores(to, p, st->weight[i]);
        windows += st->part[i] == PART_DOCUMENT;
    }
    size_t n_sentences = doc->n_sentences;
    if (n_sentences == 1)
        sentences[0] = document;
    json_t *json = scores_json(&document);
    json_object_set_new(json, "sentences", sentences_json(sentences, n_sentences));
    if (title.weight > 0)
        json_object_set_new(json, "title", scores_json(&title));
    json_object_set_new(json, "windows", json_integer(windows));
    json_object_set_new(json, "coverage", json_real(1.0));
    return task_finish(doc, run, json, err);
}

const struct tm_task_ops sentiment_ops = {
    .name = "sentiment",
    .key = "sentiment",
    .default_model = "sentiment-en",
    .heads = 1u << TM_HEAD_SEQUENCE,
    .open = open_task,
    .plan = plan,
    .next = next,
};
