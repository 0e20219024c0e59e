/* For the fuzz targets of cleaning: one stage for the whole run, and what must hold of any outcome.
 */
#ifndef TESTS_FUZZ_CLEANED_H
#define TESTS_FUZZ_CLEANED_H

#include "tm_pipeline.h"

#include <string.h>

struct cleaned {
    struct tm_conf conf;
    void *self, *worker;
};

static inline void cleaned_open(struct cleaned *c)
{
    tm_assert(tm_conf_init(&c->conf, NULL) == TM_OK);
    tm_assert(tm_conf_set(&c->conf, tm_conf_find(tm_conf_keys, "clean.social"), "bertweet", NULL,
                          NULL) == TM_OK);
    c->conf.clean_max_depth = 64; /* so that small inputs reach the caps */
    c->conf.clean_max_nodes = 2000;
    tm_assert(tm_stage_clean.create(&c->self, &c->conf, NULL, NULL) == TM_OK);
    c->worker = tm_stage_clean.worker_create(c->self);
    tm_assert(c->worker != NULL);
}

static inline void cleaned_check_spans(const struct tm_doc *doc)
{
    uint32_t at = 0;
    for (size_t i = 0; i < doc->n_sentences; i++) {
        const struct tm_span *s = &doc->sentences[i];
        tm_assert(s->start >= at && s->start < s->end && s->end <= doc->text_len);
        tm_assert(s->cp_start < s->cp_end && s->cp_end <= doc->text_chars);
        at = s->end;
    }
    at = 0;
    for (size_t i = 0; i < doc->n_paragraphs; i++) {
        const struct tm_span *s = &doc->paragraphs[i].span;
        tm_assert(s->start >= at && s->start < s->end && s->end <= doc->text_len);
        at = s->end;
    }
}

/* source NULL: not known, so bytes are not compared. */
static inline void cleaned_check_runs(const struct tm_doc *doc, const char *source, size_t len)
{
    for (size_t i = 0; i < doc->n_runs; i++) {
        const struct tm_offset_run *r = &doc->runs[i];
        size_t end = i + 1 < doc->n_runs ? doc->runs[i + 1].text_start : doc->text_len;
        tm_assert(r->text_start < end && r->source_start <= r->source_end);
        if (!r->exact)
            continue;
        tm_assert(r->source_end - r->source_start == end - r->text_start);
        if (source != NULL) {
            tm_assert(r->source_end <= len);
            tm_assert(memcmp(source + r->source_start, doc->text + r->text_start,
                             end - r->text_start) == 0);
        }
    }
}

static inline void cleaned_run(struct cleaned *c, const struct tm_record *record, bool utf8)
{
    struct tm_doc *doc = tm_doc_create((size_t)64 << 20);
    if (doc == NULL)
        return;
    doc->rec = *record;
    struct tm_batch batch = {&doc, 1};
    tm_assert(tm_stage_clean.run(c->self, c->worker, &batch, NULL) == TM_OK);
    if (doc->err.status == TM_OK) {
        tm_assert(doc->text_len > 0 && tm_utf8_valid(doc->text, doc->text_len) == doc->text_len);
        tm_assert(doc->text_chars == tm_utf8_count(doc->text, doc->text_len));
        cleaned_check_spans(doc);
        /* Valid UTF-8 may still have been taken for something else: NULs look like UTF-16. */
        bool same = utf8 && strcmp(doc->cleaning.encoding, "utf-8") == 0;
        cleaned_check_runs(doc, same ? record->data : NULL, record->len);
    } else {
        tm_assert(doc->err.text[0] != '\0');
    }
    tm_doc_destroy(doc);
}

#endif
