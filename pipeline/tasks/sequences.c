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
    if (l->seqs == NULL || l->part == NULL || l->weight == NULL)
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
    if (seqs == NULL || part == NULL || weight == NULL)
        return tm_err_set(err, TM_NOMEM, "no memory for %zu sequences", room);
    l->seqs = seqs;
    l->part = part;
    l->weight = weight;
    l->room = room;
    return TM_OK;
}

/* One sequence: the model's frame of special tokens around n ids. */
static enum tm_status add_window(struct seq_list *l, const int32_t *ids, int32_t n, int32_t part,
                                 int32_t weight, struct tm_err *err)
{
    if (l->n == l->room) {
        enum tm_status s = grow(l, err);
        if (s != TM_OK)
            return s;
    }
    const int32_t *prefix, *suffix;
    size_t n_prefix, n_suffix;
    tm_tokenizer_frame(l->task->model->tok, &prefix, &n_prefix, &suffix, &n_suffix);
    const struct tm_engine *engine = l->task->model->engine;
    int32_t total = (int32_t)(n_prefix + n_suffix) + n;
    size_t out_size = tm_engine_output_size(engine, total);
    int32_t *all = tm_arena_array(l->doc->arena, (size_t)total, sizeof *all);
    float *out = tm_arena_array(l->doc->arena, out_size, sizeof *out);
    if (all == NULL || out == NULL)
        return tm_err_set(err, TM_NOMEM, "no memory for a sequence of %d tokens", total);
    memcpy(all, prefix, n_prefix * sizeof *all);
    memcpy(all + n_prefix, ids, (size_t)n * sizeof *all);
    memcpy(all + n_prefix + (size_t)n, suffix, n_suffix * sizeof *all);
    const struct tm_sequence seq = {.ids = all, .n_ids = total, .out = out, .out_size = out_size};
    enum tm_status s = tm_engine_fits(engine, &seq, err);
    if (s != TM_OK)
        return s;
    l->part[l->n] = part;
    l->weight[l->n] = weight;
    l->seqs[l->n++] = (struct tm_seq){.ids = all, .n_ids = total, .out = out, .out_size = out_size};
    return TM_OK;
}

enum tm_status seq_list_add(struct seq_list *l, const char *text, size_t n, int32_t part,
                            int32_t stride, struct tm_err *err)
{
    const struct tm_model *m = l->task->model;
    enum tm_status s = tm_tokenizer_encode(m->tok, text, n, false, l->enc, err);
    if (s != TM_OK)
        return s;
    const int32_t *prefix, *suffix;
    size_t n_prefix, n_suffix;
    tm_tokenizer_frame(m->tok, &prefix, &n_prefix, &suffix, &n_suffix);
    int32_t width = tm_engine_info(m->engine)->max_length - (int32_t)(n_prefix + n_suffix);
    if (width < 1)
        return tm_err_set(err, TM_MODEL, "model %s takes no text: %d tokens at most", m->name,
                          tm_engine_info(m->engine)->max_length);
    /* At least half of a window is new, whatever the configuration says. */
    stride = TM_MIN(stride, width / 2);
    int32_t total = (int32_t)l->enc->n;
    int32_t covered = 0;
    for (int32_t from = 0; covered < total; from += width - stride) {
        int32_t len = TM_MIN(width, total - from);
        s = add_window(l, l->enc->ids + from, len, part, from + len - covered, err);
        if (s != TM_OK)
            return s;
        covered = from + len;
    }
    return TM_OK;
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
