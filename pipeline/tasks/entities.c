/* Named entities: people, places, organisations, or whatever the model marks, each with its place
 * in the text. How the labels of tokens become one is the entry's aggregation_strategy (tagged.c).
 *
 * A text longer than the model takes is read in windows that overlap. A token is judged by the
 * window in which it has most context on both sides: windows meet in the middle of their overlap,
 * so that nothing is found twice and an entity across a border is whole. */
#include "tasks.h"

#include <jansson.h>
#include <string.h>
#include <strings.h>

enum { STRIDE = 128 };

/* Names of types (CoNLL-2003, OntoNotes 5, and what models call them) under four common ones. */
static const struct {
    const char *label, *common;
} types[] = {
    {"PER", "PER"},         {"PERSON", "PER"},       {"LOC", "LOC"},
    {"LOCATION", "LOC"},    {"GPE", "LOC"},          {"FAC", "LOC"},
    {"ORG", "ORG"},         {"ORGANIZATION", "ORG"}, {"ORGANISATION", "ORG"},
    {"CORPORATION", "ORG"}, {"MISC", "MISC"},        {"NORP", "MISC"},
    {"EVENT", "MISC"},      {"PRODUCT", "MISC"},     {"WORK_OF_ART", "MISC"},
    {"LAW", "MISC"},        {"LANGUAGE", "MISC"},
};

struct state {
    struct seq_text text;
    uint8_t *subword;
    const int32_t *from;
    size_t n, n_before, n_after; /* sequences; ids around each window */
};

static enum tm_status plan(const struct tm_task *t, struct tm_doc *doc, struct tm_task_run *run,
                           struct tm_encoding *enc, struct tm_err *err)
{
    struct seq_list l;
    const struct seq_frame f = seq_frame_single(t->model);
    struct state *st = tm_arena_alloc(doc->arena, sizeof *st);
    if (st == NULL)
        return tm_err_set(err, TM_NOMEM, "entities");
    enum tm_status s = seq_list_init(&l, t, doc, enc, 1, err);
    if (s == TM_OK)
        s = seq_text_encode(&l, doc->text, doc->text_len, &st->text, err);
    if (s != TM_OK)
        return s;
    st->subword = tm_arena_alloc(doc->arena, TM_MAX(enc->n, 1));
    if (st->subword == NULL)
        return tm_err_set(err, TM_NOMEM, "entities of %zu tokens", enc->n);
    tm_tokenizer_subwords(t->model->tok, doc->text, doc->text_len, enc, st->subword);
    s = seq_list_windows(&l, &f, &st->text, 0, task_stride(t, STRIDE), 0, err);
    if (s != TM_OK)
        return s;
    st->from = l.from;
    st->n = l.n;
    st->n_before = f.n_before;
    st->n_after = f.n_after;
    run->state = st;
    return seq_list_start(&l, run, err);
}

/* (tokens, labels) probabilities, each from the window where the token has most context. */
static double *probabilities(const struct tm_engine_info *info, struct tm_doc *doc,
                             const struct state *st, const struct tm_seq *seqs)
{
    size_t labels = (size_t)info->n_labels;
    double *p = tm_arena_array(doc->arena, TM_MAX(st->text.n, 1) * labels, sizeof *p);
    for (size_t w = 0, token = 0; w < st->n && p != NULL; w++) {
        size_t from = (size_t)st->from[w];
        size_t len = (size_t)seqs[w].n_ids - st->n_before - st->n_after, end = from + len;
        if (w + 1 < st->n)
            end -= (end - (size_t)st->from[w + 1]) / 2;
        for (; token < end; token++)
            tm_label_probabilities(info, seqs[w].out + (st->n_before + token - from) * labels,
                                   p + token * labels);
    }
    return p;
}

static const char *common_type(const char *label)
{
    for (size_t i = 0; i < TM_COUNTOF(types); i++)
        if (strcasecmp(types[i].label, label) == 0)
            return types[i].common;
    return NULL;
}

static size_t sentence_of(const struct tm_doc *doc, uint32_t cp, size_t from)
{
    while (from + 1 < doc->n_sentences && doc->sentences[from].cp_end <= cp)
        from++;
    return from;
}

/* The first of the entities before i with the same words and label: they are one group. */
static size_t group_of(const char *text, const struct tm_entity *e, const size_t *bytes, size_t i)
{
    for (size_t k = 0; k < i; k++) {
        size_t n = bytes[2 * i + 1] - bytes[2 * i];
        if (bytes[2 * k + 1] - bytes[2 * k] == n && strcmp(e[k].label, e[i].label) == 0 &&
            strncasecmp(text + bytes[2 * k], text + bytes[2 * i], n) == 0)
            return k;
    }
    return i;
}

static json_t *entities_json(const struct tm_doc *doc, const struct tm_entity *e, size_t n,
                             size_t *bytes, size_t *group)
{
    json_t *list = json_array();
    size_t sentence = 0, groups = 0, at = 0;
    uint32_t cp = 0;
    for (size_t i = 0; i < n; i++) {
        at += tm_utf8_at(doc->text + at, doc->text_len - at, e[i].start - cp);
        cp = e[i].start;
        bytes[2 * i] = at;
        bytes[2 * i + 1] = at + tm_utf8_at(doc->text + at, doc->text_len - at, e[i].end - cp);
        size_t first = group_of(doc->text, e, bytes, i);
        group[i] = first == i ? groups++ : group[first];
        sentence = sentence_of(doc, e[i].start, sentence);
        const char *common = common_type(e[i].label);
        json_t *json =
            json_pack("{s:s%, s:s, s:I, s:I, s:f, s:I, s:I}", "text", doc->text + at,
                      bytes[2 * i + 1] - at, "type", e[i].label, "start", (json_int_t)e[i].start,
                      "end", (json_int_t)e[i].end, "score", task_round(e[i].score), "sentence",
                      (json_int_t)sentence, "group", (json_int_t)group[i]);
        if (common != NULL)
            json_object_set_new(json, "norm_type", json_string(common));
        json_array_append_new(list, json);
    }
    return list;
}

static enum tm_status next(const struct tm_task *t, struct tm_doc *doc, struct tm_task_run *run,
                           struct tm_encoding *enc, struct tm_err *err)
{
    (void)enc;
    const struct state *st = run->state;
    const struct tm_engine_info *info = tm_engine_info(t->model->engine);
    enum tm_aggregation how = TM_AGGREGATE_FIRST;
    tm_aggregation_find(t->conf->aggregation_strategy, &how);
    size_t n = st->text.n;
    double *p = probabilities(info, doc, st, run->seqs);
    struct tm_entity *list = tm_arena_array(doc->arena, n, sizeof *list);
    uint8_t *special = tm_arena_array(doc->arena, n, 1);
    if (p == NULL || list == NULL || special == NULL)
        return tm_err_set(err, TM_NOMEM, "entities of %zu tokens", n);
    const struct tm_tagged tagged = {.tok = t->model->tok,
                                     .info = info,
                                     .text = doc->text,
                                     .text_len = doc->text_len,
                                     .ids = st->text.ids,
                                     .offsets = (const uint32_t(*)[2])st->text.offsets,
                                     .special = special,
                                     .subword = st->subword,
                                     .p = p,
                                     .n = n};
    size_t found = tm_entities(&tagged, how, doc->arena, list);
    size_t *bytes =
        found != SIZE_MAX ? tm_arena_array(doc->arena, 2 * found + 1, sizeof *bytes) : NULL;
    size_t *group = found != SIZE_MAX ? tm_arena_array(doc->arena, found + 1, sizeof *group) : NULL;
    if (bytes == NULL || group == NULL)
        return tm_err_set(err, TM_NOMEM, "entities of %zu tokens", n);
    return task_finish(doc, run, entities_json(doc, list, found, bytes, group), err);
}

const struct tm_task_ops entities_ops = {
    .name = "entities",
    .key = "entities",
    .heads = 1u << TM_HEAD_TOKEN,
    .plan = plan,
    .next = next,
};
