/* The clean stage: raw bytes to text with metadata, paragraphs, sentences and offsets. Decides what
 * a document is (envelope, page, XML, plain text), hands it to the part that knows, and fills in
 * the tm_doc. Run by the runner's clean threads, each with a tm_cleaner of its own; the vocabulary
 * and the limits are shared and read-only. */
#include "clean.h"
#include "envelope.h"
#include "fields.h"
#include "redact.h"
#include "text.h"

#include <libxml/parser.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    ENOUGH = 250,       /* code points of an article; with less the net is tried */
    SHOWN_LITTLE = 500, /* … with less its scripts are asked */
    ATTRIBUTES = 4096,  /* most attributes of a tag */
    FLAGS_MOST = 8,
    KEEP_BUFFER = 4 << 20, /* larger buffers of a worker are given back after the document */
};

enum kind { KIND_AUTO, KIND_NEWS, KIND_SOCIAL, KIND_TEXT, KIND_JSON };
static const char *const kind_names[] = {"auto", "news", "social", "text", "json"};

static const char *const mode_names[] = {
    [TM_EXTRACT_FAST] = "fast",
    [TM_EXTRACT_BALANCED] = "balanced",
    [TM_EXTRACT_PRECISION] = "precision",
    [TM_EXTRACT_RECALL] = "recall",
    [TM_EXTRACT_RAW] = "raw",
};

struct stage {
    enum kind kind;
    enum tm_extract_mode mode;
    enum tm_social social;
    size_t max_bytes, max_nodes, max_depth;
    uint64_t max_ns;
    struct tm_vocabulary *vocabulary;
    struct tm_redact_policy redact;
    char *fields; /* clean.fields */
};

/* The bytes to clean and what is known about them; from the record, or from its envelope. */
struct payload {
    const char *data;
    size_t len;
    const char *content_type, *charset, *path;
    enum kind kind;
    int form;           /* enum tm_payload_kind */
    const bool *redact; /* what the envelope says; NULL: nothing */
};

static enum tm_extract_mode mode_of(const char *name)
{
    for (size_t i = 0; i < TM_COUNTOF(mode_names); i++)
        if (strcmp(mode_names[i], name) == 0)
            return (enum tm_extract_mode)i;
    return TM_EXTRACT_BALANCED;
}

static enum kind kind_of(const char *name)
{
    for (size_t i = 0; name != NULL && i < TM_COUNTOF(kind_names); i++)
        if (strcmp(kind_names[i], name) == 0)
            return (enum kind)i;
    return KIND_AUTO;
}

/* ---- the ways of a document --------------------------------------------------------------------
 */

static void set_flag(struct tm_doc *doc, const char *flag)
{
    if (doc->cleaning.n_flags == FLAGS_MOST)
        return;
    const char **flags = tm_arena_array(doc->arena, FLAGS_MOST, sizeof *flags);
    if (flags == NULL)
        return;
    for (size_t i = 0; i < doc->cleaning.n_flags; i++)
        flags[i] = doc->cleaning.flags[i];
    flags[doc->cleaning.n_flags++] = flag;
    doc->cleaning.flags = flags;
}

/* Metadata of the page where the envelope has none. */
static void use_meta(struct tm_doc *doc, const struct tm_meta *m)
{
    if (doc->title == NULL)
        doc->title = m->title;
    if (doc->url == NULL)
        doc->url = m->url;
    if (doc->source == NULL)
        doc->source = m->site;
    if (doc->published_at == NULL)
        doc->published_at = m->published;
    doc->modified_at = m->modified;
    doc->page_type = m->page_type;
    if (doc->lang == NULL && m->lang != NULL) {
        doc->lang = m->lang;
        doc->lang_from = "html";
    }
    if (doc->n_authors == 0 && m->n_authors > 0) {
        const char **authors = tm_arena_array(doc->arena, m->n_authors, sizeof *authors);
        if (authors == NULL)
            return;
        memcpy(authors, m->authors, m->n_authors * sizeof *authors);
        doc->authors = authors;
        doc->n_authors = m->n_authors;
    }
}

/* A plain text that begins with a heading has it for its title. */
static void use_headline(struct tm_doc *doc)
{
    if (doc->title != NULL || doc->n_paragraphs < 2 || doc->paragraphs[0].kind != TM_BLOCK_HEADING)
        return;
    const struct tm_span *first = &doc->paragraphs[0].span;
    doc->title = tm_arena_strndup(doc->arena, doc->text + first->start, first->end - first->start);
}

static void count_removed(struct tm_cleaner *c)
{
    const struct tm_node *nodes = tm_page_nodes(&c->page);
    for (uint32_t i = 0; i < tm_page_n_nodes(&c->page); i++) {
        if (c->extract.dead[i] == 0)
            continue;
        c->writer.removed[c->extract.dead[i]] += nodes[i].piece < nodes[i].piece_end;
        i = nodes[i].end - 1;
    }
}

static void write_page(const struct stage *stage, struct tm_cleaner *c, struct tm_doc *doc,
                       const struct tm_meta *m)
{
    struct tm_choice choice;
    if (stage->mode == TM_EXTRACT_RAW) {
        doc->cleaning.method = "raw";
        tm_baseline_all(&c->extract);
        tm_serialize(&c->extract, &c->writer);
        return;
    }
    uint32_t found = tm_choose(&c->extract, stage->mode, &choice);
    struct tm_body body = m->body, state = {0};
    size_t chars = tm_utf8_count(body.text, body.len);
    const char *method = "json-ld";
    if (found < SHOWN_LITTLE && chars < SHOWN_LITTLE) {
        tm_state_read(&c->page, doc->arena, &state);
        if (state.len > body.len) {
            body = state;
            chars = tm_utf8_count(body.text, body.len);
            method = "embedded-state";
        }
    }
    doc->cleaning.method = choice.method;
    doc->cleaning.confidence = choice.confidence;
    if (chars >= ENOUGH / 2 && chars > 2 * (size_t)found) { /* often cut short: the last resort */
        doc->cleaning.method = method;
        tm_body_write(c, &body);
        return;
    }
    if (found < ENOUGH / 2) {
        doc->cleaning.method = "baseline";
        tm_baseline_find(&c->extract);
    }
    count_removed(c);
    tm_lead_restore(&c->extract, m->description);
    tm_lines_filter(&c->extract, m->title, &c->writer);
    tm_serialize(&c->extract, &c->writer);
}

static enum tm_status clean_markup(const struct stage *stage, struct tm_cleaner *c,
                                   struct tm_doc *doc, const struct tm_decoded *d, bool xml,
                                   uint64_t deadline, struct tm_err *err)
{
    struct tm_page_limits limits = {stage->max_nodes, stage->max_depth, ATTRIBUTES, deadline};
    enum tm_status s = tm_page_parse(&c->page, c->vocabulary, d->text, d->len, xml, &limits, err);
    if (s == TM_OK)
        s = tm_extract_init(&c->extract, &c->page, err);
    if (s != TM_OK)
        return s;
    if (c->page.depth_capped)
        set_flag(doc, "depth_capped");
    if (tm_page_n_nodes(&c->page) == 0)
        return TM_OK;
    if (xml) {
        doc->cleaning.method = "xml";
        tm_baseline_all(&c->extract);
        tm_serialize(&c->extract, &c->writer);
        return TM_OK;
    }
    struct tm_meta meta = {0};
    tm_meta_read(&c->page, doc->arena, &meta);
    use_meta(doc, &meta);
    write_page(stage, c, doc, &meta);
    return TM_OK;
}

/* ---- one document ------------------------------------------------------------------------------
 */

/* Whether the record is an envelope: always in a file of many, else when it says so or is one. */
static bool is_envelope(const struct stage *stage, const struct tm_record *r)
{
    if (stage->kind == KIND_JSON || r->many ||
        (r->path != NULL && tm_name_ends(r->path, strlen(r->path), ".json")) ||
        (r->content_type != NULL && strcasestr(r->content_type, "application/json") != NULL))
        return true;
    if (stage->kind != KIND_AUTO)
        return false;
    size_t i = 0;
    while (i < r->len && strchr(" \t\r\n\xef\xbb\xbf", r->data[i]) != NULL && r->data[i] != '\0')
        i++;
    return i < r->len && r->data[i] == '{' && tm_envelope_is(r->data + i, r->len - i);
}

static enum tm_status open_payload(const struct stage *stage, struct tm_doc *doc,
                                   struct payload *ret, struct tm_err *err)
{
    const struct tm_record *r = &doc->rec;
    doc->source_field = "file";
    *ret = (struct payload){r->data, r->len,      r->content_type,  r->charset,
                            r->path, stage->kind, TM_PAYLOAD_BYTES, NULL};
    if (r->len > stage->max_bytes)
        return tm_err_set(err, TM_TOOLARGE,
                          "%zu bytes; clean.max_bytes allows %zu: raise it or split the document",
                          r->len, stage->max_bytes);
    if (r->len > 0 && is_envelope(stage, r)) {
        struct tm_envelope e;
        enum tm_status s = tm_envelope_read(doc, r->data, r->len, stage->fields, &e, err);
        if (s != TM_OK)
            return s;
        enum kind own = kind_of(e.kind);
        *ret = (struct payload){e.data,         e.len,   e.content_type,
                                e.charset,      NULL,    own != KIND_AUTO ? own : stage->kind,
                                (int)e.payload, e.redact};
        doc->source_field = e.field;
    }
    if (doc->id == NULL) {
        doc->id =
            r->many ? tm_arena_printf(doc->arena, "%s:%lld",
                                      r->lane_name == NULL ? "" : r->lane_name, (long long)r->line)
                    : r->lane_name;
    }
    return ret->len > 0
               ? TM_OK
               : tm_err_set(err, TM_EMPTY, "the document is empty: there is nothing to read");
}

/* Markup or text: what the payload's field says, else its name, type and looks. */
static enum tm_sniffed form_of(const struct payload *p, const char *s, size_t n)
{
    if (p->form == TM_PAYLOAD_HTML)
        return TM_SNIFFED_HTML;
    if (p->form == TM_PAYLOAD_XML)
        return TM_SNIFFED_XML;
    if (p->kind == KIND_TEXT || p->kind == KIND_SOCIAL)
        return TM_SNIFFED_TEXT;
    if (p->form == TM_PAYLOAD_TEXT)
        return p->content_type == NULL ? TM_SNIFFED_TEXT
                                       : tm_text_sniff(s, n, NULL, p->content_type);
    return tm_text_sniff(s, n, p->path, p->content_type);
}

static enum tm_status decode(struct tm_cleaner *c, struct tm_doc *doc, const struct payload *p,
                             struct tm_decoded *d, struct tm_err *err)
{
    const char *magic = p->form == TM_PAYLOAD_BYTES ? tm_text_binary_magic(p->data, p->len) : NULL;
    if (magic != NULL)
        return tm_err_set(err, TM_BADINPUT, "this is %s: convert it to text or HTML first", magic);
    /* The fields of an envelope are UTF-8 whatever a page inside says about itself. */
    bool bytes = p->form == TM_PAYLOAD_BYTES;
    bool markup = bytes && p->kind != KIND_TEXT && p->kind != KIND_SOCIAL;
    enum tm_status s = tm_charset_decode(p->data, p->len, bytes ? p->charset : "utf-8", markup,
                                         &c->decoded, d, err);
    if (s != TM_OK)
        return s;
    if (bytes || doc->cleaning.encoding == NULL || doc->cleaning.encoding_source == NULL) {
        doc->cleaning.encoding = d->encoding;
        doc->cleaning.encoding_source = bytes ? d->source : "declared";
    }
    doc->cleaning.replaced_chars = d->replaced;
    doc->cleaning.chars_in = tm_utf8_count(d->text, d->len);
    if (d->unknown_label)
        set_flag(doc, "unknown_charset");
    if (bytes && tm_text_is_binary(d->text, d->len, d->replaced))
        return tm_err_set(err, TM_BADINPUT, "this is binary data, not text: convert it first");
    return TM_OK;
}

static void flag_characters(struct tm_cleaner *c, struct tm_doc *doc)
{
    static const uint8_t rules[] = {TM_RULE_BIDI, TM_RULE_TAG_CHARS, TM_RULE_SELECTORS};
    for (size_t i = 0; i < TM_COUNTOF(rules); i++)
        if (c->writer.removed[rules[i]] > 0)
            set_flag(doc, tm_rule_names[rules[i]]);
}

/* Whether personal data is redacted; of a document that could not be read nobody knows the kind. */
static const struct tm_redaction *redaction_of(const struct stage *stage, const struct tm_doc *doc,
                                               const struct payload *p)
{
    bool social = doc->kind != NULL ? strcmp(doc->kind, "social") == 0
                                    : stage->kind == KIND_SOCIAL || is_envelope(stage, &doc->rec);
    bool wanted = p != NULL && p->redact != NULL
                      ? *p->redact
                      : stage->redact.others || (social && stage->redact.social);
    return wanted ? &stage->redact.how : NULL;
}

static enum tm_status clean(const struct stage *stage, struct tm_cleaner *c, struct tm_doc *doc,
                            struct tm_err *err)
{
    uint64_t deadline = tm_clock_ns() + stage->max_ns;
    struct payload p;
    struct tm_decoded d;
    doc->cleaning.confidence = -1;
    tm_writer_clear(&c->writer);
    c->redaction = redaction_of(stage, doc, NULL);
    enum tm_status s = open_payload(stage, doc, &p, err);
    if (s == TM_OK)
        s = decode(c, doc, &p, &d, err);
    if (s != TM_OK)
        return s;
    enum tm_sniffed form = form_of(&p, d.text, d.len);
    doc->kind = p.kind == KIND_SOCIAL ? "social" : form == TM_SNIFFED_TEXT ? "text" : "news";
    c->writer.redaction = c->redaction = redaction_of(stage, doc, &p);
    c->writer.social = p.kind == KIND_SOCIAL ? stage->social : TM_SOCIAL_KEEP;
    if (form == TM_SNIFFED_TEXT) {
        bool markdown = tm_markdown_is(p.path, p.content_type);
        doc->cleaning.method = markdown ? "markdown" : "text";
        if (markdown)
            tm_markdown_write(&c->writer, d.text, d.len);
        else
            tm_text_write(&c->writer, d.text, d.len, p.kind != KIND_SOCIAL);
    } else {
        s = clean_markup(stage, c, doc, &d, form == TM_SNIFFED_XML, deadline, err);
    }
    if (s != TM_OK)
        return s;
    flag_characters(c, doc);
    s = tm_finish_document(c, doc, form != TM_SNIFFED_TEXT, err);
    if (s == TM_OK && form == TM_SNIFFED_TEXT)
        use_headline(doc);
    if (s == TM_OK && tm_clock_ns() > deadline)
        s = tm_err_set(err, TM_TIMEOUT, "cleaning took longer than clean.max_ms");
    if (s == TM_OK && doc->text_len == 0)
        s = c->page.depth_capped && form != TM_SNIFFED_TEXT
                ? tm_err_set(err, TM_DEPTH, "no text above the depth that clean.max_depth allows")
                : tm_err_set(err, TM_EMPTY,
                             "no text is left after cleaning: is it a page without "
                             "text, or one that scripts fill?");
    return s;
}

/* ---- the stage ---------------------------------------------------------------------------------
 */

static void stage_destroy(void *self)
{
    struct stage *stage = self;
    if (stage == NULL)
        return;
    tm_vocabulary_destroy(stage->vocabulary);
    tm_redact_close(&stage->redact);
    free(stage->fields);
    free(stage);
}

static enum tm_status stage_create(void **ret_self, const struct tm_conf *conf, void *arg,
                                   struct tm_err *err)
{
    (void)arg;
    struct stage *stage = calloc(1, sizeof *stage);
    if (stage == NULL || (stage->vocabulary = tm_vocabulary_create()) == NULL) {
        stage_destroy(stage);
        return tm_err_set(err, TM_NOMEM, "no memory for the clean stage");
    }
    enum tm_status s = tm_redact_open(conf, &stage->redact, err);
    if (s == TM_OK)
        s = tm_fields_check(conf->clean_fields, err);
    if (s == TM_OK && (stage->fields = strdup(conf->clean_fields)) == NULL)
        s = tm_err_set(err, TM_NOMEM, "no memory for the clean stage");
    if (s != TM_OK) {
        stage_destroy(stage);
        return s;
    }
    stage->kind = kind_of(conf->clean_kind);
    stage->mode = mode_of(conf->clean_mode);
    stage->social = tm_social_named(conf->clean_social);
    stage->max_bytes = (size_t)conf->clean_max_bytes;
    stage->max_nodes = (size_t)conf->clean_max_nodes;
    stage->max_depth = (size_t)conf->clean_max_depth;
    stage->max_ns = (uint64_t)conf->clean_max_ms * 1000000;
    xmlInitParser(); /* before threads use it */
    *ret_self = stage;
    return TM_OK;
}

static void worker_destroy(void *self, void *worker)
{
    struct tm_cleaner *c = worker;
    (void)self;
    if (c == NULL)
        return;
    tm_sentences_destroy(c->sentences);
    tm_lang_words_destroy(c->words);
    tm_buf_finish(&c->decoded);
    tm_buf_finish(&c->spans);
    tm_page_finish(&c->page);
    tm_extract_finish(&c->extract);
    tm_writer_finish(&c->writer);
    free(c);
}

static void *worker_create(void *self)
{
    struct stage *stage = self;
    struct tm_cleaner *c = calloc(1, sizeof *c);
    if (c == NULL)
        return NULL;
    c->vocabulary = stage->vocabulary;
    if (tm_writer_init(&c->writer, NULL) != TM_OK ||
        tm_sentences_create(&c->sentences, NULL) != TM_OK ||
        (c->words = tm_lang_words_create()) == NULL) {
        worker_destroy(self, c);
        return NULL;
    }
    return c;
}

/* A large document must not leave its memory behind in every worker. */
static void shrink(struct tm_cleaner *c)
{
    if (c->page.text.room + c->page.nodes_.room + c->page.pieces_.room + c->page.scratch.room >
        KEEP_BUFFER) {
        tm_page_finish(&c->page);
        tm_extract_finish(&c->extract);
    }
    if (c->decoded.room > KEEP_BUFFER)
        tm_buf_finish(&c->decoded);
    if (c->writer.text.room + c->writer.runs_.room > KEEP_BUFFER) {
        tm_writer_finish(&c->writer);
        tm_buf_finish(&c->spans);
    }
}

static enum tm_status stage_run(void *self, void *worker, struct tm_batch *batch,
                                struct tm_err *err)
{
    struct tm_cleaner *c = worker;
    if (c == NULL)
        return tm_err_set(err, TM_NOMEM, "no memory for a worker of the clean stage");
    for (size_t i = 0; i < batch->n; i++) {
        struct tm_doc *doc = batch->docs[i];
        struct tm_err why = {0};
        if (doc->err.status != TM_OK)
            continue;
        enum tm_status s = clean(self, c, doc, &why);
        if (c->redaction != NULL)
            tm_redact_around(c->redaction, &c->decoded, doc, &why);
        if (s != TM_OK)
            tm_doc_fail(doc, "clean", s, "%s", why.text);
        shrink(c);
    }
    return TM_OK;
}

const struct tm_stage_ops tm_stage_clean = {
    .name = "clean",
    .create = stage_create,
    .worker_create = worker_create,
    .run = stage_run,
    .worker_destroy = worker_destroy,
    .destroy = stage_destroy,
};
