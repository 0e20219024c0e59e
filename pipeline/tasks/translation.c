/* Translation, sentence by sentence: models of translation lose sentences when they are given a
 * paragraph. What stands between the sentences (blanks, paragraph breaks) is kept as it is; code,
 * what has no letters and what is in the target language already is copied.
 *
 * A sentence longer than the model takes is cut at a clause, else at a blank. Every segment says
 * which part of the text it came from and where it went, and what looks wrong with it. */
#include "tasks.h"

#include <ctype.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

struct self {
    struct tm_generator *generator;
    struct language_pair pair;
    struct tm_generation params; /* the generator's, with the target's id */
};

struct segment {
    const char *src; /* in doc->text, or the title */
    size_t n;
    uint32_t cp_start, cp_end;
    int32_t seq; /* -1: copied */
    unsigned flags;
};

struct state {
    struct segment *segment;
    size_t n, room;
    bool title; /* the first segment is the title */
};

static void close_task(struct tm_task *t)
{
    struct self *self = t->self;
    tm_generator_close(self->generator);
    free(self);
}

static enum tm_status open_task(struct tm_task *t, struct tm_err *err)
{
    struct self *self = calloc(1, sizeof *self);
    if (self == NULL)
        return tm_err_set(err, TM_NOMEM, "translation");
    t->self = self;
    enum tm_status s = tm_generator_open(t->model, t->conf, &self->generator, err);
    if (s == TM_OK)
        s = language_resolve(t->model, t->conf->from, t->conf->to, &self->pair, err);
    if (s != TM_OK) {
        close_task(t);
        return s;
    }
    self->params = *tm_generator_params(self->generator);
    if (self->pair.target >= 0)
        self->params.forced_bos_token_id = self->pair.target;
    return TM_OK;
}

/* ---- segments ---- */

static bool has_letter(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (isalpha((unsigned char)s[i]) || (unsigned char)s[i] >= 0x80)
            return true;
    return false;
}

/* One word with a scheme or an at sign is an address. */
static bool is_address(const char *s, size_t n)
{
    return memchr(s, ' ', n) == NULL &&
           (memmem(s, n, "://", 3) != NULL || memchr(s, '@', n) != NULL);
}

/* The text of a segment as the model gets it: prefix, language, hard line breaks undone. */
static enum tm_status encode(const struct tm_task *t, const char *s, size_t n,
                             struct tm_encoding *enc, struct tm_err *err)
{
    const struct self *self = t->self;
    TM_CLEANUP(tm_buf_finish) struct tm_buf text = {.cap = 0};
    tm_buf_puts(&text, self->pair.prefix);
    tm_buf_puts(&text, self->pair.prefix[0] != '\0' ? " " : "");
    tm_buf_puts(&text, t->conf->prefix);
    size_t from = text.len;
    tm_buf_append(&text, s, n);
    if (text.failed)
        return tm_err_set(err, TM_NOMEM, "a segment of %zu bytes", n);
    for (size_t i = from; i < text.len; i++)
        if (text.data[i] == '\n')
            text.data[i] = ' ';
    return tm_tokenizer_encode_source(t->model->tok, self->pair.source, text.data, text.len, enc,
                                      err);
}

static enum tm_status add_segment(struct tm_doc *doc, struct state *st, const char *s, size_t n,
                                  uint32_t cp, struct segment **ret, struct tm_err *err)
{
    if (st->n == st->room) {
        size_t room = TM_MAX(st->room * 2, 64);
        struct segment *all = tm_arena_array(doc->arena, room, sizeof *all);
        if (all == NULL)
            return tm_err_set(err, TM_NOMEM, "translation of %zu segments", room);
        if (st->n > 0)
            memcpy(all, st->segment, st->n * sizeof *all);
        st->segment = all;
        st->room = room;
    }
    *ret = &st->segment[st->n++];
    **ret = (struct segment){
        .src = s, .n = n, .cp_start = cp, .cp_end = cp + (uint32_t)tm_utf8_count(s, n), .seq = -1};
    return TM_OK;
}

/* Segments of one sentence: it, or its parts. */
static enum tm_status add_text(const struct tm_task *t, struct tm_doc *doc, struct state *st,
                               const char *s, size_t n, uint32_t cp, struct tm_encoding *enc,
                               struct tm_err *err)
{
    struct segment *segment = NULL;
    int32_t most = tm_engine_info(t->model->engine)->max_length;
    bool copied = !has_letter(s, n) || is_address(s, n);
    bool same = !copied && language_is(s, n, t->conf->to, t->conf->from);
    enum tm_status status = copied || same ? TM_OK : encode(t, s, n, enc, err);
    if (status != TM_OK)
        return status;
    size_t cut = !copied && !same && (int64_t)enc->n > most ? text_cut(s, n) : 0;
    if (cut > 0) {
        size_t rest = cut + (s[cut] == ' ');
        uint32_t after = cp + (uint32_t)tm_utf8_count(s, rest);
        status = add_text(t, doc, st, s, cut, cp, enc, err);
        return status != TM_OK ? status : add_text(t, doc, st, s + rest, n - rest, after, enc, err);
    }
    status = add_segment(doc, st, s, n, cp, &segment, err);
    if (status == TM_OK && same)
        segment->flags = FLAG_SAME_LANGUAGE;
    if (status == TM_OK && !copied && !same)
        segment->seq = 0; /* numbered when all are known */
    return status;
}

static enum tm_status find_segments(const struct tm_task *t, struct tm_doc *doc, struct state *st,
                                    struct tm_encoding *enc, struct tm_err *err)
{
    enum tm_status s = TM_OK;
    size_t p = 0;
    if (doc->title != NULL) {
        size_t n = st->n;
        s = add_text(t, doc, st, doc->title, strlen(doc->title), 0, enc, err);
        st->title = s == TM_OK && st->n == n + 1; /* a title in parts is left as it is */
        if (!st->title)
            st->n = n;
    }
    for (size_t i = 0; i < doc->n_sentences && s == TM_OK; i++) {
        const struct tm_span *sp = &doc->sentences[i];
        while (p < doc->n_paragraphs && doc->paragraphs[p].span.end <= sp->start)
            p++;
        if (p < doc->n_paragraphs && doc->paragraphs[p].kind == TM_BLOCK_CODE)
            continue; /* copied with what stands between the segments */
        s = add_text(t, doc, st, doc->text + sp->start, sp->end - sp->start, sp->cp_start, enc,
                     err);
    }
    return s;
}

static enum tm_status plan(const struct tm_task *t, struct tm_doc *doc, struct tm_task_run *run,
                           struct tm_encoding *enc, struct tm_err *err)
{
    const struct self *self = t->self;
    struct state *st = tm_arena_alloc(doc->arena, sizeof *st);
    if (st == NULL)
        return tm_err_set(err, TM_NOMEM, "translation");
    run->state = st;
    run->member = t->conf->to;
    enum tm_status s = find_segments(t, doc, st, enc, err);
    if (s != TM_OK)
        return s;
    run->seqs = tm_arena_array(doc->arena, TM_MAX(st->n, 1), sizeof *run->seqs);
    if (run->seqs == NULL)
        return tm_err_set(err, TM_NOMEM, "translation of %zu segments", st->n);
    for (size_t i = 0; i < st->n && s == TM_OK; i++) {
        struct segment *seg = &st->segment[i];
        if (seg->seq < 0)
            continue;
        s = encode(t, seg->src, seg->n, enc, err);
        if (s == TM_OK)
            s = seq_generate(doc, self->generator, &self->params, enc->ids, enc->n,
                             &run->seqs[run->n_seqs], err);
        seg->seq = (int32_t)run->n_seqs++;
    }
    /* Nothing to translate: the answer is there at once. */
    return s == TM_OK && run->n_seqs == 0 ? t->ops->next(t, doc, run, enc, err) : s;
}

/* ---- the translation ---- */

static json_t *flags_json(unsigned flags)
{
    json_t *list = json_array();
    for (size_t i = 0; i < N_FLAGS; i++)
        if ((flags >> i & 1) != 0)
            json_array_append_new(list, json_string(flag_names[i]));
    return list;
}

/* Appends the translation of one segment to out and sets its flags. */
static enum tm_status put_segment(const struct tm_task *t, const struct tm_task_run *run,
                                  struct segment *seg, struct tm_buf *out, struct tm_err *err)
{
    const struct self *self = t->self;
    size_t from = out->len;
    if (seg->seq < 0) {
        tm_buf_append(out, seg->src, seg->n);
        return TM_OK;
    }
    const struct tm_seq *q = &run->seqs[seg->seq];
    enum tm_status s = tm_generator_text(self->generator, q, 0, out, err);
    if (s != TM_OK)
        return s;
    seg->flags = translation_flags(seg->src, seg->n, out->data + from, out->len - from);
    if (q->generated[0].finish_reason == TM_FINISH_LENGTH)
        seg->flags |= FLAG_TRUNCATED;
    return TM_OK;
}

static json_t *segment_json(const struct tm_task_run *run, const struct segment *seg, uint32_t from,
                            uint32_t to)
{
    json_t *json = json_pack("{s:[i,i], s:[i,i]}", "src", (int)seg->cp_start, (int)seg->cp_end,
                             "tgt", (int)from, (int)to);
    if (seg->seq >= 0 && run->seqs[seg->seq].generation->num_beams > 1)
        json_object_set_new(json, "score",
                            json_real(task_round((double)run->seqs[seg->seq].generated[0].score)));
    if (seg->flags != 0)
        json_object_set_new(json, "flags", flags_json(seg->flags));
    return json;
}

static enum tm_status put_body(const struct tm_task *t, const struct tm_doc *doc,
                               const struct tm_task_run *run, struct tm_buf *out, json_t *list,
                               unsigned *flags, struct tm_err *err)
{
    struct state *st = run->state;
    size_t at = 0, counted = 0; /* bytes of the source written; of out counted */
    uint32_t cp = 0;
    for (size_t i = st->title; i < st->n; i++) {
        struct segment *seg = &st->segment[i];
        size_t start = (size_t)(seg->src - doc->text);
        tm_buf_append(out, doc->text + at, start - at);
        cp += (uint32_t)tm_utf8_count(out->data + counted, out->len - counted);
        counted = out->len;
        enum tm_status s = put_segment(t, run, seg, out, err);
        if (s != TM_OK)
            return s;
        uint32_t from = cp;
        cp += (uint32_t)tm_utf8_count(out->data + counted, out->len - counted);
        counted = out->len;
        at = start + seg->n;
        *flags |= seg->flags;
        json_array_append_new(list, segment_json(run, seg, from, cp));
    }
    tm_buf_append(out, doc->text + at, doc->text_len - at);
    return out->failed ? tm_err_set(err, TM_NOMEM, "no memory for the translation") : TM_OK;
}

static void warn(struct tm_doc *doc, unsigned flags)
{
    if ((flags & FLAG_LENGTH_RATIO) != 0)
        tm_doc_warn(doc, "W_LENGTH_RATIO", "infer", "translation",
                    "a segment's translation is much shorter or longer than the segment");
    if ((flags & (FLAG_REPEATED | FLAG_COPY | FLAG_NUMBERS)) != 0)
        tm_doc_warn(doc, "W_TRANSLATION", "infer", "translation",
                    "a segment is repeated, untranslated or lacks a number: see its flags");
    if ((flags & FLAG_TRUNCATED) != 0)
        tm_doc_warn(doc, "W_TRUNCATED", "infer", "translation",
                    "a segment's translation reached the model's most tokens");
}

static enum tm_status next(const struct tm_task *t, struct tm_doc *doc, struct tm_task_run *run,
                           struct tm_encoding *enc, struct tm_err *err)
{
    (void)enc;
    struct state *st = run->state;
    unsigned flags = 0;
    TM_CLEANUP(tm_buf_finish) struct tm_buf title = {.cap = 0}, text = {.cap = 0};
    json_t *segments = json_array();
    enum tm_status s = put_body(t, doc, run, &text, segments, &flags, err);
    if (s == TM_OK && st->title)
        s = put_segment(t, run, &st->segment[0], &title, err);
    if (s != TM_OK) {
        json_decref(segments);
        return s;
    }
    warn(doc, flags);
    json_t *json = json_pack("{s:s%}", "text", text.data != NULL ? text.data : "", text.len);
    if (st->title)
        json_object_set_new(json, "title", json_stringn(title.data, title.len));
    json_object_set_new(json, "segments", segments);
    return task_finish(doc, run, json, err);
}

const struct tm_task_ops translation_ops = {
    .name = "translation",
    .key = "translations",
    .shape = TM_RESULT_MAP,
    .default_model = "translate-en-es-small",
    .heads = 1u << TM_HEAD_GENERATE,
    .open = open_task,
    .close = close_task,
    .plan = plan,
    .next = next,
};
