/* The last step of cleaning: moves the written text with its spans and runs from the worker's
 * buffers into the document's arena, finds sentences, and counts code points. Called by clean.c. */
#include "clean.h"

#include <string.h>
#include <strings.h>

enum { SEGMENT_LEAST = 40 }; /* code points of a paragraph whose language is asked for */
static const double SEGMENT_SURE = 0.95;

static void *keep(struct tm_arena *arena, const struct tm_buf *b)
{
    void *copy = tm_arena_alloc(arena, b->len + 1);
    if (copy != NULL && b->len > 0)
        memcpy(copy, b->data, b->len);
    return copy;
}

/* Code points up to a byte position, for positions that only grow. */
struct counter {
    const char *text;
    uint32_t byte, cp;
};

static uint32_t count_to(struct counter *c, uint32_t byte)
{
    if (byte > c->byte) {
        c->cp += (uint32_t)tm_utf8_count(c->text + c->byte, byte - c->byte);
        c->byte = byte;
    }
    return c->cp;
}

static enum tm_status nomem(const struct tm_doc *doc, struct tm_err *err)
{
    bool full = tm_arena_full(doc->arena);
    return tm_err_set(err, full ? TM_TOOLARGE : TM_NOMEM, "%s",
                      full ? "the cleaned text does not fit into limits.document_memory"
                           : "no memory for the cleaned text");
}

static enum tm_status keep_paragraphs(struct tm_cleaner *c, struct tm_doc *doc, bool paths,
                                      struct tm_paragraph **ret_paragraphs, struct tm_err *err)
{
    const struct tm_written *written = (const struct tm_written *)c->writer.paragraphs_.data;
    size_t n = c->writer.paragraphs_.len / sizeof *written;
    struct tm_paragraph *out = tm_arena_array(doc->arena, n + 1, sizeof *out);
    if (out == NULL)
        return nomem(doc, err);
    *ret_paragraphs = out;
    struct counter counter = {doc->text, 0, 0};
    for (size_t i = 0; i < n; i++) {
        out[i] = written[i].paragraph;
        out[i].span.cp_start = count_to(&counter, out[i].span.start);
        out[i].span.cp_end = count_to(&counter, out[i].span.end);
        if (paths && written[i].node != UINT32_MAX)
            out[i].path = tm_serialize_path(&c->page, written[i].node, doc->arena);
    }
    doc->paragraphs = out;
    doc->n_paragraphs = n;
    doc->text_chars = count_to(&counter, (uint32_t)doc->text_len);
    return TM_OK;
}

static enum tm_status keep_sentences(struct tm_cleaner *c, struct tm_doc *doc, struct tm_err *err)
{
    tm_buf_clear(&c->spans);
    for (size_t i = 0; i < doc->n_paragraphs; i++) {
        const struct tm_paragraph *p = &doc->paragraphs[i];
        enum tm_status s = tm_sentences_split(c->sentences, doc->text, p->span.start, p->span.end,
                                              p->kind, doc->lang, &c->spans, err);
        if (s != TM_OK)
            return s;
    }
    struct tm_span *out = keep(doc->arena, &c->spans);
    if (out == NULL)
        return nomem(doc, err);
    doc->n_sentences = c->spans.len / sizeof *out;
    struct counter counter = {doc->text, 0, 0};
    for (size_t i = 0; i < doc->n_sentences; i++) {
        out[i].cp_start = count_to(&counter, out[i].start);
        out[i].cp_end = count_to(&counter, out[i].end);
    }
    doc->sentences = out;
    return TM_OK;
}

static enum tm_status keep_removed(const struct tm_cleaner *c, struct tm_doc *doc,
                                   struct tm_err *err)
{
    struct tm_removed *out = tm_arena_array(doc->arena, TM_RULE_COUNT, sizeof *out);
    if (out == NULL)
        return nomem(doc, err);
    size_t n = 0;
    for (size_t i = 1; i < TM_RULE_COUNT; i++)
        if (c->writer.removed[i] > 0)
            out[n++] = (struct tm_removed){tm_rule_names[i], (int32_t)c->writer.removed[i]};
    doc->cleaning.removed = out;
    doc->cleaning.n_removed = n;
    return TM_OK;
}

static enum tm_status keep_pii(const struct tm_cleaner *c, struct tm_doc *doc, struct tm_err *err)
{
    const struct tm_pii_span *spans = (const struct tm_pii_span *)c->writer.pii.data;
    size_t n = c->writer.pii.len / sizeof *spans;
    struct tm_pii *out = tm_arena_array(doc->arena, n + 1, sizeof *out);
    if (out == NULL)
        return nomem(doc, err);
    struct counter counter = {doc->text, 0, 0};
    for (size_t i = 0; i < n; i++) {
        struct tm_span *s = &out[i].span;
        /* A paragraph of which nothing was left is gone with its place. */
        *s = (struct tm_span){.start = TM_MIN(spans[i].start, (uint32_t)doc->text_len),
                              .end = TM_MIN(spans[i].end, (uint32_t)doc->text_len)};
        s->cp_start = count_to(&counter, s->start);
        s->cp_end = count_to(&counter, s->end);
        out[i].type = tm_pii_names[spans[i].type];
        out[i].score = spans[i].score;
    }
    doc->cleaning.pii = out;
    doc->cleaning.n_pii = n;
    return TM_OK;
}

/* The language by the text, where nobody has said it. */
static enum tm_status find_language(struct tm_cleaner *c, struct tm_doc *doc, struct tm_err *err)
{
    struct tm_lang_guess guesses[TM_LANG_GUESSES];
    if (doc->lang != NULL)
        return TM_OK;
    size_t n = tm_lang_detect(c->words, doc->text, doc->text_len, guesses);
    doc->lang_from = "text";
    if (n == 0)
        return TM_OK;
    doc->lang = guesses[0].code;
    doc->lang_score = guesses[0].score;
    struct tm_lang_alternative *others = tm_arena_array(doc->arena, n, sizeof *others);
    if (others == NULL)
        return nomem(doc, err);
    for (size_t i = 1; i < n; i++)
        if (guesses[i].score >= 0.01)
            others[doc->n_lang_alternatives++] =
                (struct tm_lang_alternative){guesses[i].code, guesses[i].score};
    doc->lang_alternatives = others;
    return TM_OK;
}

/* By the first part of a tag; the Norwegian ones, which pages call "no", are one here. */
static bool is_language(const char *code, const char *tag)
{
    size_t n = tag == NULL ? 0 : strcspn(tag, "-_");
    bool norwegian = n == 2 && (tag[0] | 32) == 'n' && strchr("obn", tag[1] | 32) != NULL;
    return (strlen(code) == n && strncasecmp(code, tag, n) == 0) ||
           (norwegian && code[0] == 'n' && strchr("obn", code[1]) != NULL);
}

/* Paragraphs in another language than the document, where they are long enough to say so. */
static void find_segments(struct tm_cleaner *c, struct tm_doc *doc, struct tm_paragraph *paragraphs)
{
    for (size_t i = 0; doc->n_paragraphs > 1 && i < doc->n_paragraphs; i++) {
        struct tm_paragraph *p = &paragraphs[i];
        struct tm_lang_guess guesses[TM_LANG_GUESSES];
        if (p->kind == TM_BLOCK_CODE || p->span.cp_end - p->span.cp_start < SEGMENT_LEAST)
            continue;
        size_t n = tm_lang_detect(c->words, doc->text + p->span.start, p->span.end - p->span.start,
                                  guesses);
        if (n == 0 || guesses[0].score < SEGMENT_SURE || is_language(guesses[0].code, doc->lang))
            continue;
        p->lang = guesses[0].code;
        p->lang_score = guesses[0].score;
    }
}

enum tm_status tm_finish_document(struct tm_cleaner *c, struct tm_doc *doc, bool paths,
                                  struct tm_err *err)
{
    struct tm_writer *w = &c->writer;
    if (tm_writer_failed(w))
        return tm_err_set(err, TM_NOMEM, "no memory for the cleaned text");
    doc->text = keep(doc->arena, &w->text);
    doc->runs = keep(doc->arena, &w->runs_);
    if (doc->text == NULL || doc->runs == NULL)
        return nomem(doc, err);
    doc->text_len = w->text.len;
    doc->n_runs = w->runs_.len / sizeof *doc->runs;
    struct tm_paragraph *paragraphs = NULL;
    enum tm_status s = keep_paragraphs(c, doc, paths, &paragraphs, err);
    if (s == TM_OK)
        s = find_language(c, doc, err);
    if (s == TM_OK)
        find_segments(c, doc, paragraphs);
    if (s == TM_OK)
        s = keep_sentences(c, doc, err);
    if (s == TM_OK)
        s = keep_removed(c, doc, err);
    if (s == TM_OK)
        s = keep_pii(c, doc, err);
    doc->cleaning.chars_out = doc->text_chars;
    doc->cleaning.mojibake_fixed = w->mended;
    return s;
}
