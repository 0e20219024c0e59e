/* Answers in a text (tm_answers.h): a question with windows of the context, and the best spans over
 * all windows, as Hugging Face's question-answering pipeline finds them (Chen et al. 2017). */
#include "tm_answers.h"

#include <math.h>
#include <string.h>
#include <strings.h>

/* ---- windows ---- */

/* Where in a pair's encoding the two texts lie. */
struct parts {
    size_t question, n_question, context, n_context;
};

static size_t run_of(const uint8_t *special, size_t n, size_t at, uint8_t value)
{
    size_t i = at;
    while (i < n && (special[i] != 0) == (value != 0))
        i++;
    return i - at;
}

static struct parts find_parts(const struct tm_encoding *e)
{
    struct parts p = {0};
    p.question = run_of(e->special, e->n, 0, 1);
    p.n_question = run_of(e->special, e->n, p.question, 0);
    p.context = p.question + p.n_question;
    p.context += run_of(e->special, e->n, p.context, 1);
    p.n_context = run_of(e->special, e->n, p.context, 0);
    return p;
}

static bool add_window(struct tm_qa *qa, const struct tm_encoding *e, const struct parts *p,
                       size_t from, size_t n, struct tm_arena *arena)
{
    size_t after = e->n - p->context - p->n_context;
    int32_t *ids = tm_arena_array(arena, p->context + n + after, sizeof *ids);
    if (ids == NULL)
        return false;
    memcpy(ids, e->ids, p->context * sizeof *ids);
    memcpy(ids + p->context, e->ids + p->context + from, n * sizeof *ids);
    memcpy(ids + p->context + n, e->ids + p->context + p->n_context, after * sizeof *ids);
    struct tm_qa_window *w = &qa->window[qa->n_windows++];
    *w = (struct tm_qa_window){.ids = ids,
                               .n_ids = (int32_t)(p->context + n + after),
                               .at = (int32_t)p->context,
                               .from = from,
                               .n_context = n};
    for (size_t i = 0; i < p->context + 1 && i < e->n && w->n_first == 0; i++)
        if (e->types[i] == 1)
            w->n_first = (int32_t)i;
    return true;
}

enum tm_status tm_qa_plan(struct tm_qa *qa, const struct tm_tokenizer *tok, const char *question,
                          size_t n_question, const char *context, size_t n_context,
                          struct tm_encoding *enc, struct tm_arena *arena, struct tm_err *err)
{
    enum tm_status s =
        tm_tokenizer_encode_pair(tok, question, n_question, context, n_context, enc, err);
    if (s != TM_OK)
        return s;
    struct parts p = find_parts(enc);
    if (p.n_question == 0 || p.n_context == 0)
        return tm_err_set(err, TM_EMPTY, "question or context is empty");
    size_t other = enc->n - p.n_context;
    size_t width = (size_t)qa->max_seq_len > other ? (size_t)qa->max_seq_len - other : 0;
    if (width <= (size_t)qa->doc_stride && p.n_context > width)
        return tm_err_set(err, TM_TOOLARGE,
                          "the question has %zu tokens: it leaves no room for a window of %d with "
                          "a stride of %d",
                          p.n_question, qa->max_seq_len, qa->doc_stride);
    size_t step = p.n_context > width ? width - (size_t)qa->doc_stride : p.n_context;
    qa->has_none = tm_tokenizer_special_id(tok, TM_SPECIAL_CLS) == enc->ids[0];
    qa->n_context = p.n_context;
    qa->window = tm_arena_array(arena, p.n_context / step + 1, sizeof *qa->window);
    uint32_t(*offsets)[2] = tm_arena_array(arena, p.n_context, sizeof *offsets);
    int32_t *words = tm_arena_array(arena, p.n_context, sizeof *words);
    if (qa->window == NULL || offsets == NULL || words == NULL)
        return tm_err_set(err, TM_NOMEM, "no memory for %zu tokens", enc->n);
    memcpy(offsets, enc->offsets + p.context, p.n_context * sizeof *offsets);
    memcpy(words, enc->words + p.context, p.n_context * sizeof *words);
    qa->offsets = (const uint32_t(*)[2])offsets;
    qa->words = words;
    for (size_t from = 0;; from += step) {
        size_t n = TM_MIN(width, p.n_context - from);
        if (!add_window(qa, enc, &p, from, n, arena))
            return tm_err_set(err, TM_NOMEM, "no memory for a window of %zu tokens", n);
        if (from + n == p.n_context)
            return TM_OK;
    }
}

/* ---- answers ---- */

struct span {
    double score;
    size_t start, end; /* context tokens of the window */
};

struct best { /* the best so far, sorted */
    struct span *span;
    size_t n, room;
};

static void offer(struct best *b, double score, size_t start, size_t end)
{
    if (score <= 0 || (b->n == b->room && score <= b->span[b->n - 1].score))
        return;
    size_t at = b->n < b->room ? b->n++ : b->n - 1;
    for (; at > 0 && b->span[at - 1].score < score; at--)
        b->span[at] = b->span[at - 1];
    b->span[at] = (struct span){score, start, end};
}

/* Probabilities of the window's context tokens; beside them the first special token counts, which
 * stands for "no answer": *ret_none. */
static void normalise(const struct tm_qa *qa, const struct tm_qa_window *w, const float *logits,
                      double *p, double *ret_none)
{
    const float *x = logits + w->at;
    double none = qa->has_none ? (double)logits[0] : -INFINITY, most = none, sum;
    for (size_t i = 0; i < w->n_context; i++)
        most = TM_MAX(most, (double)x[i]);
    sum = none = exp(none - most);
    for (size_t i = 0; i < w->n_context; i++)
        sum += p[i] = exp((double)x[i] - most);
    for (size_t i = 0; i < w->n_context; i++)
        p[i] /= sum;
    *ret_none = none / sum;
}

/* From the first token of a span's first word to the last of its last, within the window. */
static struct tm_qa_answer answer_of(const struct tm_qa *qa, const struct tm_qa_window *w,
                                     const struct span *s)
{
    size_t first = w->from + s->start, last = w->from + s->end;
    while (first > w->from && qa->words[first - 1] == qa->words[first])
        first--;
    while (last + 1 < w->from + w->n_context && qa->words[last + 1] == qa->words[last])
        last++;
    return (struct tm_qa_answer){s->score, qa->offsets[first][0], qa->offsets[last][1]};
}

static bool same_text(const struct tm_qa_answer *a, const struct tm_qa_answer *b,
                      const char *context, size_t n)
{
    if (a->start == b->start && a->end == b->end)
        return true;
    if (a->end - a->start != b->end - b->start)
        return false;
    size_t from_a = tm_utf8_at(context, n, a->start), from_b = tm_utf8_at(context, n, b->start);
    size_t len_a = tm_utf8_at(context + from_a, n - from_a, a->end - a->start);
    size_t len_b = tm_utf8_at(context + from_b, n - from_b, b->end - b->start);
    return len_a == len_b && strncasecmp(context + from_a, context + from_b, len_a) == 0;
}

/* The windows' answers joined: equal texts add up. */
struct answers {
    struct tm_qa_answer *list;
    size_t n;
};

static void add_answer(struct answers *all, struct tm_qa_answer a, const char *context, size_t n)
{
    for (size_t i = 0; i < all->n; i++)
        if (same_text(&all->list[i], &a, context, n)) {
            all->list[i].score += a.score;
            return;
        }
    all->list[all->n++] = a;
}

static void sort_answers(struct answers *all)
{
    for (size_t i = 1; i < all->n; i++)
        for (size_t k = i; k > 0 && all->list[k - 1].score < all->list[k].score; k--) {
            struct tm_qa_answer a = all->list[k];
            all->list[k] = all->list[k - 1];
            all->list[k - 1] = a;
        }
}

size_t tm_qa_answers(const struct tm_qa *qa, const float *const *logits, const char *context,
                     size_t n_context, struct tm_arena *arena, struct tm_qa_answer *ret)
{
    size_t width = 0, room = qa->top_k * 2 + 10; /* whole words make some of them one */
    for (size_t i = 0; i < qa->n_windows; i++)
        width = TM_MAX(width, qa->window[i].n_context);
    double *start = tm_arena_array(arena, width, sizeof *start);
    double *end = tm_arena_array(arena, width, sizeof *end);
    struct best best = {.span = tm_arena_array(arena, room, sizeof *best.span), .room = room};
    struct answers all = {tm_arena_array(arena, qa->n_windows * room + 1, sizeof *all.list), 0};
    if (start == NULL || end == NULL || best.span == NULL || all.list == NULL)
        return SIZE_MAX;
    double least_none = INFINITY;
    for (size_t i = 0; i < qa->n_windows; i++) {
        const struct tm_qa_window *w = &qa->window[i];
        double none_start, none_end;
        normalise(qa, w, logits[i], start, &none_start);
        normalise(qa, w, logits[i] + w->n_ids, end, &none_end);
        least_none = TM_MIN(least_none, none_start * none_end);
        best.n = 0;
        for (size_t s = 0; s < w->n_context; s++)
            for (size_t e = s; e < TM_MIN(w->n_context, s + (size_t)qa->max_answer_len); e++)
                offer(&best, start[s] * end[e], s, e);
        for (size_t k = 0; k < best.n; k++)
            add_answer(&all, answer_of(qa, w, &best.span[k]), context, n_context);
    }
    if (qa->handle_impossible_answer)
        all.list[all.n++] = (struct tm_qa_answer){least_none, 0, 0};
    sort_answers(&all);
    size_t n = TM_MIN(all.n, qa->top_k);
    memcpy(ret, all.list, n * sizeof *ret);
    return n;
}
