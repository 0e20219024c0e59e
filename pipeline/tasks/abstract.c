/* Abstractive summary, by encoder-decoders (BART, PEGASUS, T5, LED). What the model reads of a text
 * that is too long for it is a policy: its beginning, both ends, the sentences that say most, or
 * all of it in chunks whose summaries are summarised again. The result says how much was read
 * (coverage), ends with a whole sentence, and names the numbers and names that the text has not.
 *
 * Called by summary.c: plan on the tokenize threads, next on the infer thread. */
#include "tasks.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum {
    SHORT = 60,      /* tokens: a text that needs no summary */
    MAX_FACTS = 128, /* numbers and names of a summary that are looked for */
    FALLBACK = 3     /* sentences, when the task does not say */
};

enum policy { LEAD, HEAD_TAIL, EXTRACT, MAP_REDUCE, N_POLICIES };
static const char *const policy_names[N_POLICIES] = {"lead", "head_tail", "extract_then_abstract",
                                                     "map_reduce"};

struct self {
    struct tm_generator *generator;
    enum policy policy;
};

/* A sentence of the text, a part of one that is too long, or, in later rounds of map_reduce, the
 * summary of a chunk. */
struct unit {
    const char *s;
    size_t n;
    int32_t tokens;
    size_t sentence;
    bool section; /* a heading: a chunk had better begin here */
    bool chosen;
};

struct state {
    struct unit *unit;
    size_t n, room;
    int32_t total, budget; /* tokens: of all units; that the model takes */
    size_t chunks;         /* of the present round */
    size_t first_chunks;   /* of the first */
    double coverage;
    bool *used; /* (n_sentences) */
};

void abstract_close(struct tm_task *t)
{
    struct self *self = t->self;
    tm_generator_close(self->generator);
    free(self);
}

enum tm_status abstract_open(struct tm_task *t, struct tm_err *err)
{
    if (!tm_engine_info(t->model->engine)->encoder_decoder)
        return tm_err_set(err, TM_MODEL,
                          "summary: model %s goes on with a text; for it there is the task "
                          "generation with a template",
                          t->model->name);
    struct self *self = calloc(1, sizeof *self);
    if (self == NULL)
        return tm_err_set(err, TM_NOMEM, "summary");
    t->self = self;
    for (enum policy p = LEAD; p < N_POLICIES; p++)
        if (strcmp(policy_names[p], t->conf->policy) == 0)
            self->policy = p;
    enum tm_status s = tm_generator_open(t->model, t->conf, &self->generator, err);
    if (s != TM_OK)
        abstract_close(t);
    return s;
}

/* ---- units ---- */

static enum tm_status nomem(struct tm_err *err)
{
    return tm_err_set(err, TM_NOMEM, "no memory for the summary");
}

/* The text as the model gets it: prefix, line breaks as blanks, its special tokens. */
static enum tm_status encode(const struct tm_task *t, struct tm_buf *text, struct tm_encoding *enc,
                             struct tm_err *err)
{
    if (text->failed)
        return nomem(err);
    for (size_t i = 0; i < text->len; i++)
        if (text->data[i] == '\n')
            text->data[i] = ' ';
    return tm_tokenizer_encode_source(t->model->tok, NULL, text->data != NULL ? text->data : "",
                                      text->len, enc, err);
}

static enum tm_status set_budget(const struct tm_task *t, struct state *st, struct tm_encoding *enc,
                                 struct tm_err *err)
{
    TM_CLEANUP(tm_buf_finish) struct tm_buf text = {.cap = 0};
    tm_buf_puts(&text, t->conf->prefix);
    enum tm_status s = encode(t, &text, enc, err);
    st->budget = tm_engine_info(t->model->engine)->max_length - (int32_t)enc->n;
    if (s == TM_OK && st->budget < 1)
        return tm_err_set(err, TM_MODEL, "model %s takes no text: %d tokens at most",
                          t->model->name, tm_engine_info(t->model->engine)->max_length);
    return s;
}

/* Appends a unit, or its parts when it is more than the model takes. */
static enum tm_status add_unit(const struct tm_task *t, struct tm_doc *doc, struct state *st,
                               struct unit u, struct tm_encoding *enc, struct tm_err *err)
{
    enum tm_status s = tm_tokenizer_encode(t->model->tok, u.s, u.n, 0, enc, err);
    size_t cut = s == TM_OK && enc->n > (size_t)st->budget ? text_cut(u.s, u.n) : 0;
    if (cut > 0) {
        struct unit rest = u;
        size_t skip = cut + (u.s[cut] == ' ');
        rest.s += skip;
        rest.n -= skip;
        rest.section = false;
        u.n = cut;
        s = add_unit(t, doc, st, u, enc, err);
        return s == TM_OK ? add_unit(t, doc, st, rest, enc, err) : s;
    }
    if (s != TM_OK || enc->n == 0)
        return s;
    if (st->n == st->room) {
        size_t room = TM_MAX(st->room * 2, 64);
        struct unit *all = tm_arena_array(doc->arena, room, sizeof *all);
        if (all == NULL)
            return nomem(err);
        if (st->n > 0)
            memcpy(all, st->unit, st->n * sizeof *all);
        st->unit = all;
        st->room = room;
    }
    u.tokens = (int32_t)enc->n;
    st->total += u.tokens;
    st->unit[st->n++] = u;
    return TM_OK;
}

static enum tm_status find_units(const struct tm_task *t, struct tm_doc *doc, struct state *st,
                                 struct tm_encoding *enc, struct tm_err *err)
{
    enum tm_status s = set_budget(t, st, enc, err);
    size_t p = 0;
    for (size_t i = 0; i < doc->n_sentences && s == TM_OK; i++) {
        const struct tm_span *sp = &doc->sentences[i];
        while (p < doc->n_paragraphs && doc->paragraphs[p].span.end <= sp->start)
            p++;
        bool section = p < doc->n_paragraphs && doc->paragraphs[p].kind == TM_BLOCK_HEADING;
        s = add_unit(t, doc, st,
                     (struct unit){.s = doc->text + sp->start,
                                   .n = sp->end - sp->start,
                                   .sentence = i,
                                   .section = section},
                     enc, err);
    }
    return s;
}

/* ---- what is read of them ---- */

static void choose_from(struct state *st, size_t first, bool backwards, int32_t budget)
{
    for (size_t k = 0; k < st->n; k++) {
        struct unit *u = &st->unit[backwards ? st->n - 1 - k : first + k];
        if (u->chosen || u->tokens > budget)
            return;
        u->chosen = true;
        budget -= u->tokens;
    }
}

/* Those that say most, as long as they fit. */
static enum tm_status choose_best(struct tm_doc *doc, struct state *st, struct tm_err *err)
{
    double *worth = tm_arena_array(doc->arena, doc->n_sentences, sizeof *worth);
    if (worth == NULL)
        return nomem(err);
    rank_sentences(doc, worth);
    int32_t left = st->budget;
    for (;;) {
        struct unit *best = NULL;
        for (size_t i = 0; i < st->n; i++) {
            struct unit *u = &st->unit[i];
            if (!u->chosen && u->tokens <= left &&
                (best == NULL || worth[u->sentence] > worth[best->sentence]))
                best = u;
        }
        if (best == NULL)
            return TM_OK;
        best->chosen = true;
        left -= best->tokens;
    }
}

static enum tm_status choose(const struct tm_task *t, struct tm_doc *doc, struct state *st,
                             struct tm_err *err)
{
    const struct self *self = t->self;
    switch (self->policy) {
    case HEAD_TAIL:
        choose_from(st, 0, false, st->total <= st->budget ? st->budget : st->budget / 2);
        choose_from(st, 0, true, st->total <= st->budget ? 0 : st->budget - st->budget / 2);
        return TM_OK;
    case EXTRACT:
        return choose_best(doc, st, err);
    default:
        choose_from(st, 0, false, st->budget);
        return TM_OK;
    }
}

/* ---- sequences ---- */

/* The chosen units from `first` to `end` as one sequence. Joined they may be some tokens more than
 * apart: then the last ones stay out. *ret_end: the first that did. */
static enum tm_status add_chunk(const struct tm_task *t, struct tm_doc *doc,
                                struct tm_task_run *run, size_t first, size_t end, size_t *ret_end,
                                struct tm_encoding *enc, struct tm_err *err)
{
    const struct self *self = t->self;
    struct state *st = run->state;
    size_t most = (size_t)tm_engine_info(t->model->engine)->max_length;
    TM_CLEANUP(tm_buf_finish) struct tm_buf text = {.cap = 0};
    for (;; end--) {
        size_t units = 0;
        tm_buf_clear(&text);
        tm_buf_puts(&text, t->conf->prefix);
        for (size_t i = first; i < end; i++) {
            if (!st->unit[i].chosen)
                continue;
            tm_buf_puts(&text, units++ > 0 ? " " : "");
            tm_buf_append(&text, st->unit[i].s, st->unit[i].n);
        }
        enum tm_status s = encode(t, &text, enc, err);
        if (s != TM_OK)
            return s;
        if (enc->n <= most || units <= 1)
            break;
        while (end > first && !st->unit[end - 1].chosen)
            end--;
    }
    *ret_end = end;
    return seq_generate(doc, self->generator, NULL, enc->ids, enc->n, &run->seqs[run->n_seqs++],
                        err);
}

/* Where a chunk that begins at `first` ends: about `target` tokens on, at a heading if one is near,
 * and never beyond the budget. */
static size_t chunk_end(const struct state *st, size_t first, int32_t target)
{
    int32_t sum = 0;
    size_t i = first;
    for (; i < st->n; i++) {
        bool section = st->unit[i].section && sum > target / 2;
        if (i > first && (sum + st->unit[i].tokens > st->budget || sum >= target || section))
            break;
        sum += st->unit[i].tokens;
    }
    return i;
}

/* All units in chunks of about the same length; neighbours share a sentence where it is short. */
static enum tm_status add_chunks(const struct tm_task *t, struct tm_doc *doc,
                                 struct tm_task_run *run, struct tm_encoding *enc,
                                 struct tm_err *err)
{
    struct state *st = run->state;
    int32_t pieces = (st->total + st->budget - 1) / st->budget;
    int32_t target = (st->total + pieces - 1) / pieces;
    enum tm_status s = TM_OK;
    for (size_t i = 0; i < st->n; i++)
        st->unit[i].chosen = true;
    for (size_t first = 0; first < st->n && s == TM_OK;) {
        size_t end = chunk_end(st, first, target);
        s = add_chunk(t, doc, run, first, end, &end, enc, err);
        bool share = end < st->n && end > first + 1 && !st->unit[end].section &&
                     st->unit[end - 1].tokens < st->budget / 4;
        first = share ? end - 1 : end;
    }
    st->chunks = run->n_seqs;
    return s;
}

static void measure(struct state *st)
{
    size_t read = 0, all = 0;
    for (size_t i = 0; i < st->n; i++) {
        all += st->unit[i].n;
        read += st->unit[i].chosen ? st->unit[i].n : 0;
        st->used[st->unit[i].sentence] |= st->unit[i].chosen;
    }
    st->coverage = (double)read / (double)TM_MAX(all, 1);
}

enum tm_status abstract_plan(const struct tm_task *t, struct tm_doc *doc, struct tm_task_run *run,
                             struct tm_encoding *enc, struct tm_err *err)
{
    const struct self *self = t->self;
    struct state *st = tm_arena_alloc(doc->arena, sizeof *st);
    bool *used = tm_arena_array(doc->arena, TM_MAX(doc->n_sentences, 1), sizeof *used);
    if (st == NULL || used == NULL)
        return nomem(err);
    st->used = used;
    run->state = st;
    enum tm_status s = find_units(t, doc, st, enc, err);
    if (s == TM_OK && st->n == 0)
        s = tm_err_set(err, TM_EMPTY, "the text has no tokens");
    if (s == TM_OK && st->total < SHORT)
        return summary_whole(doc, run, err);
    if (s == TM_OK) /* a chunk has at least one unit of its own */
        run->seqs = tm_arena_array(doc->arena, st->n, sizeof *run->seqs);
    if (s == TM_OK && run->seqs == NULL)
        return nomem(err);
    if (s == TM_OK && self->policy == MAP_REDUCE) {
        s = add_chunks(t, doc, run, enc, err);
    } else if (s == TM_OK) {
        size_t end = st->n;
        s = choose(t, doc, st, err);
        if (s == TM_OK)
            s = add_chunk(t, doc, run, 0, st->n, &end, enc, err);
        for (size_t i = end; i < st->n; i++)
            st->unit[i].chosen = false;
    }
    measure(st);
    st->chunks = st->first_chunks = run->n_seqs;
    return s;
}

/* ---- the answer ---- */

/* Sentences of the text instead of a summary that is not to be had. */
static enum tm_status fall_back(const struct tm_task *t, struct tm_doc *doc,
                                struct tm_task_run *run, struct tm_err *err)
{
    double *worth = tm_arena_array(doc->arena, doc->n_sentences, sizeof *worth);
    bool *used = tm_arena_array(doc->arena, doc->n_sentences, sizeof *used);
    if (worth == NULL || used == NULL)
        return nomem(err);
    rank_sentences(doc, worth);
    int64_t most = t->conf->sentences > 0 ? t->conf->sentences : FALLBACK;
    for (int64_t k = 0; k < most; k++) {
        size_t best = doc->n_sentences;
        for (size_t i = 0; i < doc->n_sentences; i++)
            if (!used[i] && (best == doc->n_sentences || worth[i] > worth[best]))
                best = i;
        if (best < doc->n_sentences)
            used[best] = true;
    }
    return task_finish(doc, run, summary_extract(doc, used, "fallback", 0), err);
}

/* {score, unsupported: [{text, start, end}]}: numbers and names of the summary, and those that
 * neither the text nor its title has. */
static json_t *faithfulness(const struct tm_doc *doc, const char *s, size_t n, size_t *ret_missing)
{
    struct fact facts[MAX_FACTS];
    size_t found = facts_find(s, n, true, facts, MAX_FACTS);
    json_t *missing = json_array();
    for (size_t i = 0; i < found; i++) {
        const struct fact *f = &facts[i];
        if (facts_has(doc->text, doc->text_len, f) ||
            (doc->title != NULL && facts_has(doc->title, strlen(doc->title), f)))
            continue;
        int start = (int)tm_utf8_count(s, (size_t)(f->s - s));
        json_array_append_new(missing,
                              json_pack("{s:s%, s:i, s:i}", "text", f->s, f->n, "start", start,
                                        "end", start + (int)tm_utf8_count(f->s, f->n)));
    }
    *ret_missing = json_array_size(missing);
    double score = found > 0 ? (double)(found - *ret_missing) / (double)found : 1;
    return json_pack("{s:f, s:o}", "score", task_round(score), "unsupported", missing);
}

static enum tm_status finish(const struct tm_task *t, struct tm_doc *doc, struct tm_task_run *run,
                             const char *text, size_t n, bool cut, struct tm_err *err)
{
    const struct self *self = t->self;
    const struct state *st = run->state;
    size_t end = cut ? last_sentence_end(text, n) : n, missing = 0;
    end = end > 0 ? end : n;
    json_t *faith = faithfulness(doc, text, end, &missing);
    if (missing > 0 && strcmp(t->conf->unfaithful, "keep") != 0)
        tm_doc_warn(doc, "W_UNFAITHFUL", "infer", "summary",
                    "the summary had numbers or names that the text has not");
    if (end == 0 || (missing > 0 && strcmp(t->conf->unfaithful, "extract") == 0)) {
        json_decref(faith);
        return fall_back(t, doc, run, err);
    }
    if (st->coverage < 1)
        tm_doc_warn(doc, "W_TRUNCATED", "infer", "summary",
                    "the model did not read all of the text: see coverage");
    json_t *used = json_array();
    for (size_t i = 0; i < doc->n_sentences; i++)
        if (st->used[i])
            json_array_append_new(used, json_integer((json_int_t)i));
    json_t *json =
        json_pack("{s:s%, s:s, s:s, s:o, s:I, s:f, s:b, s:o}", "text", text, end, "style",
                  "abstractive", "method", policy_names[self->policy], "sentences_used", used,
                  "chunks", (json_int_t)st->first_chunks, "coverage", task_round(st->coverage),
                  "truncated", cut, "faithfulness", faith);
    return task_finish(doc, run, json, err);
}

/* Text of answer i without blanks around it, in the arena. */
static enum tm_status answer_text(const struct tm_task *t, struct tm_doc *doc,
                                  const struct tm_task_run *run, size_t i, struct unit *ret,
                                  struct tm_err *err)
{
    const struct self *self = t->self;
    TM_CLEANUP(tm_buf_finish) struct tm_buf text = {.cap = 0};
    enum tm_status s = tm_generator_text(self->generator, &run->seqs[i], 0, &text, err);
    if (s != TM_OK)
        return s;
    size_t from = 0, end = text.len;
    while (from < end && text.data[from] == ' ')
        from++;
    while (end > from && text.data[end - 1] == ' ')
        end--;
    ret->n = end - from;
    ret->s = tm_arena_strndup(doc->arena, text.len > 0 ? text.data + from : "", ret->n);
    return ret->s != NULL ? TM_OK : nomem(err);
}

/* The summaries of chunks are what the next round reads, until they fit into one; a round that has
 * not made them fewer is the last. */
enum tm_status abstract_next(const struct tm_task *t, struct tm_doc *doc, struct tm_task_run *run,
                             struct tm_encoding *enc, struct tm_err *err)
{
    struct state *st = run->state;
    size_t before = st->chunks;
    bool cut = run->seqs[before - 1].generated[0].finish_reason == TM_FINISH_LENGTH;
    struct unit one = {.s = ""};
    if (before == 1) {
        enum tm_status s = answer_text(t, doc, run, 0, &one, err);
        return s == TM_OK ? finish(t, doc, run, one.s, one.n, cut, err) : s;
    }
    TM_CLEANUP(tm_buf_finish) struct tm_buf all = {.cap = 0};
    enum tm_status s = TM_OK;
    st->n = 0;
    st->total = 0;
    for (size_t i = 0; i < before && s == TM_OK; i++) {
        s = answer_text(t, doc, run, i, &one, err);
        if (s == TM_OK && run->seqs[i].generated[0].finish_reason == TM_FINISH_LENGTH) {
            size_t end = last_sentence_end(one.s, one.n);
            one.n = end > 0 ? end : one.n;
        }
        tm_buf_puts(&all, all.len > 0 && one.n > 0 ? " " : "");
        tm_buf_append(&all, one.s, one.n);
        if (s == TM_OK)
            s = add_unit(t, doc, st, one, enc, err);
    }
    if (s != TM_OK || all.failed)
        return s != TM_OK ? s : nomem(err);
    run->n_seqs = 0;
    run->seqs = tm_arena_array(doc->arena, TM_MAX(st->n, 1), sizeof *run->seqs);
    if (run->seqs == NULL)
        return nomem(err);
    if (st->n > 0)
        s = add_chunks(t, doc, run, enc, err);
    if (s != TM_OK)
        return s;
    if (run->n_seqs > 0 && run->n_seqs < before)
        return TM_OK;
    run->n_seqs = 0;
    return finish(t, doc, run, all.data != NULL ? all.data : "", all.len, cut, err);
}
