/* Text to sequences for the tasks: one window where the text fits the model, overlapping windows
 * where it does not, so that nothing is cut off in silence. Runs on tokenize and infer threads. */
#include "tasks.h"

#include <string.h>

enum tm_status seq_list_init(struct seq_list *l, const struct tm_task *task, struct tm_doc *doc,
                             struct tm_encoding *enc, size_t room, struct tm_err *err)
{
    *l = (struct seq_list){.doc = doc, .task = task, .enc = enc, .room = TM_MAX(room, 1)};
    l->seqs = tm_arena_array(doc->arena, l->room, sizeof *l->seqs);
    l->part = tm_arena_array(doc->arena, l->room, sizeof *l->part);
    l->weight = tm_arena_array(doc->arena, l->room, sizeof *l->weight);
    l->from = tm_arena_array(doc->arena, l->room, sizeof *l->from);
    if (l->seqs == NULL || l->part == NULL || l->weight == NULL || l->from == NULL)
        return tm_err_set(err, TM_NOMEM, "no memory for %zu sequences", l->room);
    return TM_OK;
}

static void *grown(struct tm_arena *a, const void *old, size_t n, size_t room, size_t size)
{
    void *p = tm_arena_array(a, room, size);
    if (p != NULL)
        memcpy(p, old, n * size);
    return p;
}

static enum tm_status grow(struct seq_list *l, struct tm_err *err)
{
    size_t room = l->room * 2;
    struct tm_arena *a = l->doc->arena;
    struct tm_seq *seqs = grown(a, l->seqs, l->n, room, sizeof *seqs);
    int32_t *part = grown(a, l->part, l->n, room, sizeof *part);
    int32_t *weight = grown(a, l->weight, l->n, room, sizeof *weight);
    int32_t *from = grown(a, l->from, l->n, room, sizeof *from);
    if (seqs == NULL || part == NULL || weight == NULL || from == NULL)
        return tm_err_set(err, TM_NOMEM, "no memory for %zu sequences", room);
    l->seqs = seqs;
    l->part = part;
    l->weight = weight;
    l->from = from;
    l->room = room;
    return TM_OK;
}

/* ---- frames ---- */

struct seq_frame seq_frame_single(const struct tm_model *m)
{
    struct seq_frame f = {.first_after = INT32_MAX};
    tm_tokenizer_frame(m->tok, &f.before, &f.n_before, &f.after, &f.n_after);
    return f;
}

/* The pair is encoded once with nothing in the other text's place, which then lies after the first
 * special tokens or before the last ones. */
enum tm_status seq_frame_pair(struct seq_list *l, const char *text, size_t n, bool is_first,
                              struct seq_frame *ret, struct tm_err *err)
{
    const struct tm_model *m = l->task->model;
    struct tm_encoding *enc = l->enc;
    enum tm_status s = is_first ? tm_tokenizer_encode_pair(m->tok, text, n, "", 0, enc, err)
                                : tm_tokenizer_encode_pair(m->tok, "", 0, text, n, enc, err);
    if (s != TM_OK)
        return s;
    const struct seq_frame single = seq_frame_single(m);
    int32_t *ids = tm_arena_array(l->doc->arena, enc->n, sizeof *ids);
    if (ids == NULL)
        return tm_err_set(err, TM_NOMEM, "no memory for a pair of %zu tokens", enc->n);
    memcpy(ids, enc->ids, enc->n * sizeof *ids);
    size_t at = is_first ? enc->n - single.n_after : single.n_before, turn = 0;
    while (turn < enc->n && enc->types[turn] == 0)
        turn++;
    *ret = (struct seq_frame){.before = ids,
                              .n_before = at,
                              .after = ids + at,
                              .n_after = enc->n - at,
                              .first_after = turn == enc->n ? INT32_MAX
                                             : is_first     ? -1
                                                            : (int32_t)(turn - at)};
    return TM_OK;
}

/* ---- windows ---- */

/* One sequence: the frame around n ids. */
static enum tm_status add_window(struct seq_list *l, const struct seq_frame *f, const int32_t *ids,
                                 int32_t n, struct tm_err *err)
{
    if (l->n == l->room) {
        enum tm_status s = grow(l, err);
        if (s != TM_OK)
            return s;
    }
    const struct tm_engine *engine = l->task->model->engine;
    int32_t total = (int32_t)(f->n_before + f->n_after) + n;
    size_t out_size = tm_engine_output_size(engine, total);
    int32_t *all = tm_arena_array(l->doc->arena, (size_t)total, sizeof *all);
    float *out = tm_arena_array(l->doc->arena, out_size, sizeof *out);
    if (all == NULL || out == NULL)
        return tm_err_set(err, TM_NOMEM, "no memory for a sequence of %d tokens", total);
    memcpy(all, f->before, f->n_before * sizeof *all);
    memcpy(all + f->n_before, ids, (size_t)n * sizeof *all);
    memcpy(all + f->n_before + (size_t)n, f->after, f->n_after * sizeof *all);
    struct tm_seq *q = &l->seqs[l->n];
    *q = (struct tm_seq){.ids = all, .n_ids = total, .out = out, .out_size = out_size};
    if (f->first_after == -1)
        q->n_first = (int32_t)f->n_before;
    else if (f->first_after != INT32_MAX)
        q->n_first = (int32_t)f->n_before + n + f->first_after;
    const struct tm_sequence seq = tm_seq_sequence(q);
    enum tm_status s = tm_engine_fits(engine, &seq, err);
    l->n += s == TM_OK;
    return s;
}

enum tm_status seq_text_encode(struct seq_list *l, const char *text, size_t n, struct seq_text *ret,
                               struct tm_err *err)
{
    struct tm_encoding *e = l->enc;
    enum tm_status s = tm_tokenizer_encode(l->task->model->tok, text, n, 0, e, err);
    if (s != TM_OK)
        return s;
    struct tm_arena *a = l->doc->arena;
    *ret = (struct seq_text){.text = text, .text_len = n, .n = e->n};
    ret->ids = grown(a, e->ids, e->n, TM_MAX(e->n, 1), sizeof *e->ids);
    ret->words = grown(a, e->words, e->n, TM_MAX(e->n, 1), sizeof *e->words);
    ret->offsets = grown(a, e->offsets, e->n, TM_MAX(e->n, 1), sizeof *e->offsets);
    return ret->ids != NULL && ret->words != NULL && ret->offsets != NULL
               ? TM_OK
               : tm_err_set(err, TM_NOMEM, "no memory for %zu tokens", e->n);
}

static enum tm_status add_windows(struct seq_list *l, const struct seq_frame *f, const int32_t *ids,
                                  int32_t total, int32_t part, int32_t stride, int32_t most,
                                  struct tm_err *err)
{
    const struct tm_model *m = l->task->model;
    int32_t takes = tm_engine_info(m->engine)->max_length;
    int32_t width = (most > 0 ? TM_MIN(most, takes) : takes) - (int32_t)(f->n_before + f->n_after);
    if (width < 1)
        return tm_err_set(err, TM_TOOLARGE, "model %s takes %d tokens, which leaves none for text",
                          m->name, takes);
    /* At least half of a window is new, whatever the configuration says. */
    stride = TM_MIN(stride, width / 2);
    int32_t covered = 0;
    for (int32_t from = 0; covered < total; from += width - stride) {
        int32_t len = TM_MIN(width, total - from);
        enum tm_status s = add_window(l, f, ids + from, len, err);
        if (s != TM_OK)
            return s;
        l->part[l->n - 1] = part;
        l->weight[l->n - 1] = from + len - covered;
        l->from[l->n - 1] = from;
        covered = from + len;
    }
    return TM_OK;
}

enum tm_status seq_list_windows(struct seq_list *l, const struct seq_frame *f,
                                const struct seq_text *t, int32_t part, int32_t stride,
                                int32_t most, struct tm_err *err)
{
    return add_windows(l, f, t->ids, (int32_t)t->n, part, stride, most, err);
}

enum tm_status seq_list_add(struct seq_list *l, const char *text, size_t n, int32_t part,
                            int32_t stride, struct tm_err *err)
{
    const struct tm_model *m = l->task->model;
    const struct seq_frame f = seq_frame_single(m);
    enum tm_status s = tm_tokenizer_encode(m->tok, text, n, 0, l->enc, err);
    if (s != TM_OK)
        return s;
    return add_windows(l, &f, l->enc->ids, (int32_t)l->enc->n, part, stride, 0, err);
}

enum tm_status seq_list_start(const struct seq_list *l, struct tm_task_run *run, struct tm_err *err)
{
    if (l->n == 0)
        return tm_err_set(err, TM_EMPTY, "the text has no tokens");
    run->seqs = l->seqs;
    run->n_seqs = l->n;
    return TM_OK;
}

int32_t task_stride(const struct tm_task *t, int32_t without)
{
    return t->conf->stride == TM_CONF_UNSET ? without : (int32_t)t->conf->stride;
}

enum tm_status seq_generate(struct tm_doc *doc, const struct tm_generator *g,
                            const struct tm_generation *how, const int32_t *ids, size_t n,
                            struct tm_seq *ret, struct tm_err *err)
{
    int32_t *own = tm_arena_array(doc->arena, n, sizeof *own);
    if (own == NULL)
        return tm_err_set(err, TM_NOMEM, "no memory for a sequence of %zu tokens", n);
    memcpy(own, ids, n * sizeof *own);
    *ret = (struct tm_seq){.ids = own, .n_ids = (int32_t)n, .generation = how};
    return tm_generator_prepare(g, doc->arena, ret, err);
}

size_t text_cut(const char *s, size_t n)
{
    enum { CLAUSE, BLANK, CHARACTER, WAYS };
    size_t best = 0, best_gap = SIZE_MAX;
    for (int way = CLAUSE; way < WAYS && best == 0; way++)
        for (size_t i = 1; i + 1 < n; i++) {
            size_t gap = i > n / 2 ? i - n / 2 : n / 2 - i;
            bool here = way == CHARACTER
                            ? ((unsigned char)s[i] & 0xc0) != 0x80
                            : s[i] == ' ' && (way == BLANK || strchr(",;:", s[i - 1]) != NULL);
            if (here && gap < best_gap && (way != CLAUSE || gap < n / 3)) {
                best = i;
                best_gap = gap;
            }
        }
    return best;
}
