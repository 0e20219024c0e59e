/* Answers to questions, as spans of the text: Hugging Face's question-answering pipeline
 * (transformers 4.57) over windows of question and text.
 *
 * Each window gives probabilities of beginning and end; its best spans of at most max_answer_len
 * tokens are widened to whole words. Spans of the same words add their scores. The best over all
 * windows is the answer, unless the model holds "no answer" (the product at its first token, least
 * over the windows) more likely and handle_impossible_answer is set. */
#include "tasks.h"

#include <jansson.h>
#include <math.h>
#include <string.h>
#include <strings.h>

enum { STRIDE = 128, BEST = 12 /* spans of a window, as the pipeline takes them */ };

struct question {
    const char *text;
    size_t first, n; /* its sequences */
    size_t n_before; /* ids before the window */
    size_t n_after;
};

struct state {
    struct seq_text text;
    const int32_t *from;
    struct question *question;
    size_t n;
};

struct span {
    double score;
    uint32_t start, end; /* code points */
};

/* ---- sequences ---- */

static size_t count_questions(const struct tm_task *t, const struct tm_doc *doc)
{
    return t->conf->questions.n + doc->n_questions;
}

static const char *get_question(const struct tm_task *t, const struct tm_doc *doc, size_t i)
{
    size_t own = t->conf->questions.n;
    return i < own ? t->conf->questions.item[i] : doc->questions[i - own];
}

static enum tm_status plan(const struct tm_task *t, struct tm_doc *doc, struct tm_task_run *run,
                           struct tm_encoding *enc, struct tm_err *err)
{
    struct seq_list l;
    size_t n = count_questions(t, doc);
    struct state *st = tm_arena_alloc(doc->arena, sizeof *st);
    struct question *question = tm_arena_array(doc->arena, TM_MAX(n, 1), sizeof *question);
    if (st == NULL || question == NULL)
        return tm_err_set(err, TM_NOMEM, "%zu questions", n);
    if (n == 0) /* nobody asks */
        return task_finish(doc, run, json_array(), err);
    enum tm_status s = seq_list_init(&l, t, doc, enc, n, err);
    if (s == TM_OK)
        s = seq_text_encode(&l, doc->text, doc->text_len, &st->text, err);
    for (size_t i = 0; i < n && s == TM_OK; i++) {
        struct seq_frame f;
        struct question *q = &question[i];
        *q = (struct question){.text = get_question(t, doc, i), .first = l.n};
        s = seq_frame_pair(&l, q->text, strlen(q->text), true, &f, err);
        if (s == TM_OK)
            s = seq_list_windows(&l, &f, &st->text, (int32_t)i, task_stride(t, STRIDE),
                                 (int32_t)t->conf->max_seq_len, err);
        q->n = l.n - q->first;
        q->n_before = s == TM_OK ? f.n_before : 0;
        q->n_after = s == TM_OK ? f.n_after : 0;
    }
    if (s != TM_OK)
        return s;
    st->from = l.from;
    st->question = question;
    st->n = n;
    run->state = st;
    return seq_list_start(&l, run, err);
}

/* ---- spans ---- */

/* Probabilities over the window's tokens; cls has its share, but is no place of an answer. */
static void softmax(const float *logits, const struct tm_seq *q, size_t first, size_t n,
                    int32_t cls, double *p, double *ret_none)
{
    double most = -INFINITY, sum = 0;
    for (int32_t i = 0; i < q->n_ids; i++)
        if ((size_t)i - first < n || q->ids[i] == cls)
            most = TM_MAX(most, (double)logits[i]);
    *ret_none = q->ids[0] == cls ? exp((double)logits[0] - most) : 0;
    for (int32_t i = 0; i < q->n_ids; i++)
        if ((size_t)i - first < n || q->ids[i] == cls)
            sum += exp((double)logits[i] - most);
    for (size_t i = 0; i < n; i++)
        p[i] = exp((double)logits[first + i] - most) / sum;
    *ret_none /= sum;
}

/* The code points of the words that tokens first to last belong to, within the window. */
static struct span whole_words(const struct seq_text *t, size_t from, size_t n, size_t first,
                               size_t last)
{
    while (first > from && t->words[first - 1] == t->words[first])
        first--;
    while (last + 1 < from + n && t->words[last + 1] == t->words[last])
        last++;
    return (struct span){.start = t->offsets[first][0], .end = t->offsets[last][1]};
}

static bool same_words(const struct seq_text *t, const struct span *a, const struct span *b)
{
    size_t at = tm_utf8_at(t->text, t->text_len, a->start);
    size_t other = tm_utf8_at(t->text, t->text_len, b->start);
    size_t n = tm_utf8_at(t->text + at, t->text_len - at, a->end - a->start);
    return a->end - a->start == b->end - b->start &&
           tm_utf8_at(t->text + other, t->text_len - other, b->end - b->start) == n &&
           strncasecmp(t->text + at, t->text + other, n) == 0;
}

static void add_span(const struct seq_text *t, struct span *list, size_t *n, struct span span)
{
    for (size_t i = 0; i < *n; i++)
        if (same_words(t, &list[i], &span)) {
            list[i].score += span.score;
            return;
        }
    list[(*n)++] = span;
}

struct token_span {
    double score;
    size_t first, last;
};

/* The BEST spans of at most `most` tokens, best first; of equals the earlier. */
static size_t best_spans(const double *start, const double *end, size_t n, size_t most,
                         struct token_span *best)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t k = i; k < n && k < i + most; k++) {
            double score = start[i] * end[k];
            if (!(score > 0) || (count == BEST && score <= best[BEST - 1].score))
                continue;
            size_t at = count < BEST ? count++ : BEST - 1;
            for (; at > 0 && best[at - 1].score < score; at--)
                best[at] = best[at - 1];
            best[at] = (struct token_span){score, i, k};
        }
    return count;
}

/* All windows of one question into list; *ret_none: how likely the model holds no answer. */
static enum tm_status find_spans(const struct tm_task *t, struct tm_doc *doc,
                                 const struct tm_task_run *run, const struct question *q,
                                 struct span *list, size_t *n, double *ret_none, struct tm_err *err)
{
    const struct state *st = run->state;
    int32_t cls = tm_tokenizer_special_id(t->model->tok, TM_SPECIAL_CLS);
    double *start = tm_arena_array(doc->arena, 2 * st->text.n, sizeof *start);
    double *end = start != NULL ? start + st->text.n : NULL;
    if (start == NULL)
        return tm_err_set(err, TM_NOMEM, "answers over %zu tokens", st->text.n);
    *ret_none = 1;
    for (size_t w = q->first; w < q->first + q->n; w++) {
        const struct tm_seq *seq = &run->seqs[w];
        size_t from = (size_t)st->from[w];
        size_t width = (size_t)seq->n_ids - q->n_before - q->n_after;
        double none_start, none_end;
        struct token_span best[BEST];
        softmax(seq->out, seq, q->n_before, width, cls, start, &none_start);
        softmax(seq->out + seq->n_ids, seq, q->n_before, width, cls, end, &none_end);
        *ret_none = TM_MIN(*ret_none, none_start * none_end);
        size_t found = best_spans(start, end, width, (size_t)t->conf->max_answer_len, best);
        for (size_t i = 0; i < found; i++) {
            struct span span =
                whole_words(&st->text, from, width, from + best[i].first, from + best[i].last);
            span.score = best[i].score;
            add_span(&st->text, list, n, span);
        }
    }
    return TM_OK;
}

/* ---- the answer ---- */

static json_t *answer_json(const struct tm_task *t, const struct tm_doc *doc,
                           const struct question *q, const struct span *list, size_t n, double none)
{
    const struct span *best = NULL;
    for (size_t i = 0; i < n; i++)
        if (best == NULL || list[i].score > best->score)
            best = &list[i];
    if (best == NULL || (t->conf->handle_impossible_answer && none > best->score))
        return json_pack("{s:s, s:n, s:n, s:n, s:f, s:f}", "question", q->text, "answer", "start",
                         "end", "score", task_round(none), "no_answer_score", task_round(none));
    size_t at = tm_utf8_at(doc->text, doc->text_len, best->start);
    size_t len = tm_utf8_at(doc->text + at, doc->text_len - at, best->end - best->start);
    return json_pack("{s:s, s:s%, s:I, s:I, s:f, s:f}", "question", q->text, "answer",
                     doc->text + at, len, "start", (json_int_t)best->start, "end",
                     (json_int_t)best->end, "score", task_round(best->score), "no_answer_score",
                     task_round(none));
}

static enum tm_status next(const struct tm_task *t, struct tm_doc *doc, struct tm_task_run *run,
                           struct tm_encoding *enc, struct tm_err *err)
{
    (void)enc;
    const struct state *st = run->state;
    json_t *answers = json_array();
    enum tm_status s = TM_OK;
    for (size_t i = 0; i < st->n && s == TM_OK; i++) {
        const struct question *q = &st->question[i];
        double none = 0;
        size_t n = 0;
        struct span *list = tm_arena_array(doc->arena, q->n * BEST, sizeof *list);
        s = list != NULL ? find_spans(t, doc, run, q, list, &n, &none, err)
                         : tm_err_set(err, TM_NOMEM, "answers");
        if (s == TM_OK)
            json_array_append_new(answers, answer_json(t, doc, q, list, n, none));
    }
    if (s == TM_OK)
        return task_finish(doc, run, answers, err);
    json_decref(answers);
    return s;
}

const struct tm_task_ops answers_ops = {
    .name = "answers",
    .key = "answers",
    .heads = 1u << TM_HEAD_SPAN,
    .plan = plan,
    .next = next,
};
