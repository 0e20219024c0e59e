/* Shared by the test programs of this folder. */
#include "helper.h"

#include <string.h>

void cleaning_open(struct cleaning *c)
{
    struct tm_err err = {0};
    *c = (struct cleaning){0};
    assert_int_equal(tm_conf_init(&c->conf, &err), TM_OK);
}

void cleaning_set(struct cleaning *c, const char *key, const char *value)
{
    struct tm_err err = {0};
    if (tm_conf_set(&c->conf, tm_conf_find(tm_conf_keys, key), value, NULL, &err) != TM_OK)
        fail_msg("%s", err.text);
}

void cleaning_close(struct cleaning *c)
{
    if (c->self != NULL) {
        tm_stage_clean.worker_destroy(c->self, c->worker);
        tm_stage_clean.destroy(c->self);
    }
    tm_conf_finish(&c->conf);
}

struct tm_doc *clean_source(struct cleaning *c, const struct source *s)
{
    struct tm_err err = {0};
    if (c->self == NULL) {
        assert_int_equal(tm_stage_clean.create(&c->self, &c->conf, NULL, &err), TM_OK);
        c->worker = tm_stage_clean.worker_create(c->self);
        assert_non_null(c->worker);
    }
    struct tm_doc *doc = tm_doc_create((size_t)c->conf.limits_document_memory);
    assert_non_null(doc);
    doc->rec = (struct tm_record){.lane_name = "lane",
                                  .path = s->path,
                                  .data = s->data,
                                  .len = s->len > 0 ? s->len : strlen(s->data),
                                  .content_type = s->content_type,
                                  .charset = s->charset,
                                  .many = s->many,
                                  .line = s->line};
    struct tm_batch batch = {&doc, 1};
    assert_int_equal(tm_stage_clean.run(c->self, c->worker, &batch, &err), TM_OK);
    return doc;
}

struct tm_doc *clean_text(struct cleaning *c, const char *path, const char *data)
{
    return clean_source(c, &(struct source){.data = data, .path = path});
}

/* ---- invariants --------------------------------------------------------------------------------
 */

/* Code points counted on from the last position, so that a long document is checked in one pass. */
struct count {
    uint32_t byte, cp;
};

static uint32_t count_to(const struct tm_doc *doc, struct count *c, uint32_t byte)
{
    assert_true(byte >= c->byte);
    c->cp += (uint32_t)tm_utf8_count(doc->text + c->byte, byte - c->byte);
    c->byte = byte;
    return c->cp;
}

static void check_span(const struct tm_doc *doc, const struct tm_span *s, struct count *c)
{
    assert_true(s->start < s->end);
    assert_true(s->end <= doc->text_len);
    assert_int_equal(s->cp_start, count_to(doc, c, s->start));
    assert_int_equal(s->cp_end, count_to(doc, c, s->end));
    assert_null(strchr(" \n\t", doc->text[s->start]));
    assert_null(strchr(" \n\t", doc->text[s->end - 1]));
}

static void check_paragraphs(const struct tm_doc *doc)
{
    size_t at = 0;
    struct count count = {0};
    for (size_t i = 0; i < doc->n_paragraphs; i++) {
        const struct tm_span *s = &doc->paragraphs[i].span;
        check_span(doc, s, &count);
        if (i > 0) {
            assert_int_equal(s->start, at + 2);
            assert_memory_equal(doc->text + at, "\n\n", 2);
        }
        assert_null(memmem(doc->text + s->start, s->end - s->start, "\n\n", 2));
        at = s->end;
    }
    assert_int_equal(at, doc->text_len);
}

/* Sentences lie in paragraphs, in order, and leave out nothing but white space. */
static void check_sentences(const struct tm_doc *doc)
{
    size_t p = 0, at = 0;
    struct count count = {0};
    for (size_t i = 0; i < doc->n_sentences; i++) {
        const struct tm_span *s = &doc->sentences[i];
        check_span(doc, s, &count);
        assert_true(s->start >= at);
        for (; at < s->start; at++)
            assert_non_null(strchr(" \n\t", doc->text[at]));
        while (p < doc->n_paragraphs && doc->paragraphs[p].span.end < s->end)
            p++;
        assert_true(p < doc->n_paragraphs);
        assert_true(doc->paragraphs[p].span.start <= s->start);
        at = s->end;
    }
    assert_int_equal(at, doc->text_len);
}

void check_offsets(const struct tm_doc *doc, const char *source, size_t len)
{
    assert_int_equal(doc->err.status, TM_OK);
    assert_int_equal(tm_utf8_valid(doc->text, doc->text_len), doc->text_len);
    assert_int_equal(doc->text_chars, tm_utf8_count(doc->text, doc->text_len));
    check_paragraphs(doc);
    check_sentences(doc);
    assert_true(doc->n_runs > 0);
    assert_int_equal(doc->runs[0].text_start, 0);
    uint32_t source_at = 0;
    for (size_t i = 0; i < doc->n_runs; i++) {
        const struct tm_offset_run *r = &doc->runs[i];
        size_t end = i + 1 < doc->n_runs ? doc->runs[i + 1].text_start : doc->text_len;
        assert_true(r->text_start < end);
        assert_true(r->source_start <= r->source_end && r->source_end <= len);
        /* Every paragraph of a JSON-LD body stands for the whole script. */
        assert_true(r->source_start >= source_at || strcmp(doc->cleaning.method, "json-ld") == 0);
        if (r->exact) {
            assert_int_equal(r->source_end - r->source_start, end - r->text_start);
            assert_memory_equal(source + r->source_start, doc->text + r->text_start,
                                end - r->text_start);
            source_at = r->source_end;
        } else {
            source_at = r->source_start;
        }
    }
}

void assert_has(const struct tm_doc *doc, const char *part)
{
    if (doc->text == NULL || strstr(doc->text, part) == NULL)
        fail_msg("\"%s\" is not in: %s (%s)", part, doc->text == NULL ? "" : doc->text,
                 doc->err.text);
}

void assert_lacks(const struct tm_doc *doc, const char *part)
{
    if (doc->text != NULL && strstr(doc->text, part) != NULL)
        fail_msg("\"%s\" is in: %s", part, doc->text);
}

bool has_flag(const struct tm_doc *doc, const char *flag)
{
    for (size_t i = 0; i < doc->cleaning.n_flags; i++)
        if (strcmp(doc->cleaning.flags[i], flag) == 0)
            return true;
    return false;
}

int removed(const struct tm_doc *doc, const char *rule)
{
    for (size_t i = 0; i < doc->cleaning.n_removed; i++)
        if (strcmp(doc->cleaning.removed[i].rule, rule) == 0)
            return doc->cleaning.removed[i].count;
    return 0;
}
