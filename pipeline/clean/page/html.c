/* Turns a decoded page into the arrays of page.h, straight from libxml2's SAX events: no tree is
 * built, so nothing recurses, memory is bounded by the page, and every cap acts while parsing.
 * Called by clean.c on any thread. */
#include "page.h"
#include "guard.h"

#include <libxml/HTMLparser.h>
#include <libxml/parserInternals.h>
#include <limits.h>
#include <string.h>

enum { TITLE_MOST = 4096, METAS_MOST = 512, STRING_MOST = 8192, STATE_LEAST = 512 };

/* An open element. */
struct level {
    uint32_t node;
    uint32_t block_node; /* nearest element that separates paragraphs */
};

struct parser {
    struct tm_page *p;
    const struct tm_vocabulary *v;
    const struct tm_page_limits *limits;
    htmlParserCtxtPtr ctxt;
    struct tm_buf levels;
    const char *source; /* what libxml2 sees: byte for byte as long as p->source */
    size_t last;        /* source position of the latest event */
    size_t beyond;      /* open elements below the deepest level that is kept */
    unsigned skip;      /* inside this many elements whose text is none */
    bool in_title, in_json, block_open, xml;
    unsigned events;
    enum tm_status stop;
    const char *stop_text;
};

#define AT(buf, type, i) (&((type *)(buf).data)[i])
#define LEN(buf, type)   ((buf).len / sizeof(type))

static void stop(struct parser *x, enum tm_status status, const char *text)
{
    if (x->stop != TM_OK)
        return;
    x->stop = status;
    x->stop_text = text;
}

static void push(struct parser *x, struct tm_buf *b, const void *row, size_t size)
{
    if (!tm_buf_append(b, row, size))
        stop(x, TM_NOMEM, "the page does not fit into the memory of a document");
}

static struct level *top(struct parser *x)
{
    size_t n = LEN(x->levels, struct level);
    return n == 0 ? NULL : AT(x->levels, struct level, n - 1);
}

/* Offset of a copy of s in p->strings, never 0 unless memory is short. */
static uint32_t keep_string(struct parser *x, const char *s)
{
    uint32_t at = (uint32_t)x->p->strings.len;
    push(x, &x->p->strings, s, strnlen(s, STRING_MOST));
    push(x, &x->p->strings, "", 1);
    return at;
}

static size_t position(struct parser *x)
{
    long at = xmlByteConsumed(x->ctxt);
    return at < 0 ? x->last : TM_MIN((size_t)at, x->p->source_len);
}

/* ---- elements ----------------------------------------------------------------------------------
 */

static const char *attribute(const xmlChar **atts, const char *name)
{
    for (; atts != NULL && atts[0] != NULL; atts += 2)
        if (strcmp((const char *)atts[0], name) == 0)
            return atts[1] == NULL ? "" : (const char *)atts[1];
    return NULL;
}

static bool has_word(const char *value, const char *word)
{
    return value != NULL && strcasestr(value, word) != NULL;
}

static bool is_hidden(const xmlChar **atts)
{
    const char *style = attribute(atts, "style");
    const char *aria = attribute(atts, "aria-hidden");
    return attribute(atts, "hidden") != NULL || (aria != NULL && strcmp(aria, "true") == 0) ||
           has_word(style, "display:none") || has_word(style, "display: none") ||
           has_word(style, "visibility:hidden") || has_word(style, "visibility: hidden");
}

static void add_meta(struct parser *x, const xmlChar **atts)
{
    static const char *const names[] = {"property", "name", "itemprop", "http-equiv"};
    const char *content = attribute(atts, "content");
    if (content == NULL || LEN(x->p->metas_, struct tm_meta_entry) >= METAS_MOST)
        return;
    for (size_t i = 0; i < TM_COUNTOF(names); i++) {
        const char *name = attribute(atts, names[i]);
        if (name == NULL || name[0] == '\0')
            continue;
        struct tm_meta_entry m = {keep_string(x, name), 0};
        m.content = keep_string(x, content);
        push(x, &x->p->metas_, &m, sizeof m);
        return;
    }
}

/* The first <time> that says it is the publication's, else the first that is not the revision's. */
static void note_time(struct parser *x, const xmlChar **atts)
{
    struct tm_page *p = x->p;
    const char *value = attribute(atts, "datetime"), *names = attribute(atts, "class");
    bool published = attribute(atts, "pubdate") != NULL || has_word(names, "publish");
    bool revised = !published && (has_word(names, "updated") || has_word(names, "modified"));
    if (value == NULL || value[0] == '\0' || revised || p->time_is_sure ||
        (p->time_published != 0 && !published))
        return;
    p->time_published = keep_string(x, value);
    p->time_is_sure = published;
}

/* What the head and a few attributes say about the page. */
static void note_element(struct parser *x, enum tm_tag tag, const xmlChar **atts)
{
    struct tm_page *p = x->p;
    const char *value;
    if (tag == TM_TAG_META) {
        add_meta(x, atts);
    } else if (tag == TM_TAG_HTML && p->lang == 0) {
        value = attribute(atts, "lang");
        if (value == NULL)
            value = attribute(atts, "xml:lang");
        if (value != NULL && value[0] != '\0')
            p->lang = keep_string(x, value);
    } else if (tag == TM_TAG_LINK && p->canonical == 0) {
        value = attribute(atts, "href");
        if (value != NULL && has_word(attribute(atts, "rel"), "canonical"))
            p->canonical = keep_string(x, value);
    } else if (p->date_published == 0 && has_word(attribute(atts, "itemprop"), "datepublished")) {
        value = attribute(atts, "content");
        if (value == NULL)
            value = attribute(atts, "datetime");
        if (value != NULL && value[0] != '\0')
            p->date_published = keep_string(x, value);
    } else if (tag == TM_TAG_TIME) {
        note_time(x, atts);
    } else if (tag == TM_TAG_TITLE) {
        x->in_title = p->title.len == 0;
    } else if (tag == TM_TAG_SCRIPT && attribute(atts, "src") == NULL) {
        bool json_ld = has_word(attribute(atts, "type"), "ld+json");
        struct tm_script s = {(uint32_t)p->strings.len, 0, (uint32_t)x->last, 0, !json_ld};
        push(x, &p->scripts_, &s, sizeof s);
        x->in_json = true;
    }
}

/* Kind of the text inside: its own, else its parent's; a paragraph in a cell is no row. */
static uint8_t kind_inside(const struct tm_tag_row *row, enum tm_tag tag, const struct tm_node *up)
{
    if (row->kind != TM_BLOCK_COUNT)
        return row->kind;
    if (up == NULL)
        return TM_BLOCK_P;
    bool cell = tag == TM_TAG_TD || tag == TM_TAG_TH || !(row->flags & TAG_BLOCK);
    return up->kind == TM_BLOCK_TABLE_ROW && !cell ? TM_BLOCK_P : up->kind;
}

static bool is_unlikely_role(const char *role)
{
    static const char *const roles[] = {"menu",  "menubar",     "complementary", "navigation",
                                        "alert", "alertdialog", "dialog"};
    for (size_t i = 0; i < TM_COUNTOF(roles); i++)
        if (strcmp(role, roles[i]) == 0)
            return true;
    return false;
}

static void classify(struct parser *x, struct tm_node *n, const xmlChar **atts)
{
    const struct tm_tag_row *row = &tm_tags[n->tag];
    uint8_t tiers = 0, rule = TM_RULE_NONE;
    for (const xmlChar **a = atts; a != NULL && a[0] != NULL; a += 2) {
        const char *name = (const char *)a[0], *value = (const char *)a[1];
        if (value == NULL)
            continue;
        if (strcmp(name, "class") == 0) {
            tm_vocabulary_classify(x->v, value, &tiers, &rule);
            n->class_hints = (uint8_t)tm_vocabulary_hints(x->v, value);
            n->class_hash = (uint32_t)tm_hash(value, strlen(value), 0) | 1;
        } else if (strcmp(name, "id") == 0) {
            tm_vocabulary_classify(x->v, value, &tiers, &rule);
            n->id_hints = (uint8_t)tm_vocabulary_hints(x->v, value);
        } else if (strcmp(name, "itemprop") == 0 && has_word(value, "articlebody"))
            tiers |= TIER_BODY;
        else if (strcmp(name, "role") == 0 && strcmp(value, "article") == 0)
            tiers |= TIER_STORY;
        else if (strcmp(name, "role") == 0 && strcmp(value, "main") == 0)
            tiers |= TIER_MAIN;
        else if (strcmp(name, "role") == 0 && has_word(value, "navigation"))
            rule = TM_RULE_NAVIGATION;
        if (strcmp(name, "role") == 0 && is_unlikely_role(value))
            n->role = TM_ROLE_UNLIKELY;
        else if (strcmp(name, "role") == 0 && strcmp(value, "presentation") == 0)
            n->role = TM_ROLE_LAYOUT;
        else if ((strcmp(name, "rel") == 0 || strcmp(name, "itemprop") == 0) &&
                 strcmp(value, "author") == 0)
            n->role = TM_ROLE_AUTHOR;
    }
    if (n->tag == TM_TAG_ARTICLE)
        tiers |= TIER_ARTICLE;
    if (n->tag == TM_TAG_MAIN)
        tiers |= TIER_MAIN;
    if (n->role == TM_ROLE_AUTHOR && x->p->author_node == 0)
        x->p->author_node = (uint32_t)tm_page_n_nodes(x->p) + 1;
    n->tiers = row->flags & TAG_LANDMARK ? tiers : 0;
    if (row->rule != TM_RULE_NONE)
        n->rule = row->rule;
    else if (row->flags & TAG_PRUNABLE)
        n->rule = rule;
    n->hidden = n->tag != TM_TAG_BODY && n->tag != TM_TAG_HTML && is_hidden(atts);
    if (n->hidden)
        n->rule = TM_RULE_HIDDEN;
}

static void add_piece(struct parser *x, const char *s, size_t n, size_t from, size_t to,
                      enum tm_piece_form form);

static void open_node(struct parser *x, enum tm_tag tag, const char *name, const xmlChar **atts)
{
    struct tm_page *p = x->p;
    uint8_t flags = tm_tags[tag].flags;
    const struct level *up = top(x);
    const struct tm_node *parent = up == NULL ? NULL : AT(p->nodes_, struct tm_node, up->node);
    uint32_t at = (uint32_t)tm_page_n_nodes(p);
    bool block = (flags & TAG_BLOCK) || (tag == TM_TAG_OTHER && x->xml);
    struct tm_node n = {.parent = up == NULL ? 0 : up->node,
                        .piece = (uint32_t)tm_page_n_pieces(p),
                        .tag = (uint8_t)tag,
                        .kind = kind_inside(&tm_tags[tag], tag, parent),
                        .link = tag == TM_TAG_A || (parent != NULL && parent->link)};
    struct level level = {at, block || up == NULL ? at : up->block_node};
    if ((tag == TM_TAG_TD || tag == TM_TAG_TH) && x->block_open)
        add_piece(x, "\t", 1, x->last, x->last, TM_PIECE_CELL);
    if (tag == TM_TAG_OTHER)
        n.name = keep_string(x, name);
    classify(x, &n, atts);
    if (block)
        x->block_open = false;
    push(x, &p->nodes_, &n, sizeof n);
    push(x, &x->levels, &level, sizeof level);
}

static void line_break(struct parser *x)
{
    struct tm_page *p = x->p;
    size_t n = tm_page_n_pieces(p);
    if (!x->block_open || n == 0)
        return;
    /* Two in a row end the paragraph, as older pages write it. */
    const struct tm_piece *before = &tm_page_pieces(p)[n - 1];
    bool blank = before->len <= 2 && strspn(p->text.data + before->text, " \r\n\t") >= before->len;
    if (before->form == TM_PIECE_BREAK || (n > 1 && blank && before[-1].form == TM_PIECE_BREAK))
        x->block_open = false;
    else
        add_piece(x, "\n", 1, x->last, x->last, TM_PIECE_BREAK);
}

/* Whether to go on; ends the parser when not. Not for text events: the parser has a character in
 * hand there and would step past the end that stopping gives it. */
static bool going(struct parser *x)
{
    if (x->stop == TM_OK && ++x->events % 64 == 0 && tm_clock_ns() > x->limits->deadline_ns)
        stop(x, TM_TIMEOUT, "cleaning took longer than clean.max_ms");
    if (x->stop != TM_OK)
        xmlStopParser(x->ctxt);
    return x->stop == TM_OK;
}

/* Errors of markup are of no interest, but each may have cost a walk over all open elements. */
static void on_error(void *arg, xmlErrorPtr error)
{
    (void)error;
    going(arg);
}

static void on_start(void *arg, const xmlChar *name, const xmlChar **atts)
{
    struct parser *x = arg;
    if (!going(x))
        return;
    struct tm_page *p = x->p;
    x->last = position(x);
    if (LEN(x->levels, struct level) >= x->limits->depth) {
        p->depth_capped = true; /* the text goes on, its elements do not */
        x->beyond++;
        return;
    }
    if (tm_page_n_nodes(p) >= x->limits->nodes) {
        stop(x, TM_TOOLARGE, "more elements than clean.max_nodes allows");
        return;
    }
    const char *bare = strrchr((const char *)name, ':'); /* of XML: the prefix says nothing */
    enum tm_tag tag = tm_vocabulary_tag(x->v, bare == NULL ? (const char *)name : bare + 1);
    if (x->skip == 0 || tag == TM_TAG_META)
        note_element(x, tag, atts);
    if (x->skip == 0 && tag == TM_TAG_BR)
        line_break(x);
    open_node(x, tag, (const char *)name, atts);
    if (x->skip > 0 || (tm_tags[tag].flags & TAG_SKIP))
        x->skip++;
}

/* Scripts that hold neither statements nor a state are forgotten. */
static void end_script(struct parser *x)
{
    struct tm_page *p = x->p;
    struct tm_script *s = AT(p->scripts_, struct tm_script, LEN(p->scripts_, struct tm_script) - 1);
    s->len = (uint32_t)p->strings.len - s->text;
    s->source_end = (uint32_t)x->last;
    x->in_json = false;
    if (s->state &&
        (s->len < STATE_LEAST || tm_state_start(p->strings.data + s->text, s->len) == s->len)) {
        p->strings.len = s->text;
        p->scripts_.len -= sizeof *s;
        return;
    }
    push(x, &p->strings, "", 1);
}

static void on_end(void *arg, const xmlChar *name)
{
    struct parser *x = arg;
    struct tm_page *p = x->p;
    (void)name;
    if (!going(x))
        return;
    x->last = position(x);
    if (x->beyond > 0) {
        x->beyond--;
        return;
    }
    const struct level *l = top(x);
    if (l == NULL)
        return;
    struct tm_node *n = AT(p->nodes_, struct tm_node, l->node);
    n->end = (uint32_t)tm_page_n_nodes(p);
    n->piece_end = (uint32_t)tm_page_n_pieces(p);
    if (l->block_node == l->node)
        x->block_open = false;
    if (x->in_json && n->tag == TM_TAG_SCRIPT)
        end_script(x);
    if (n->tag == TM_TAG_TITLE)
        x->in_title = false;
    x->skip -= x->skip > 0;
    x->levels.len -= sizeof(struct level);
}

/* ---- text --------------------------------------------------------------------------------------
 */

static void open_block(struct parser *x, const struct level *l)
{
    const struct tm_node *node = AT(x->p->nodes_, struct tm_node, l->node);
    const struct tm_node *around = AT(x->p->nodes_, struct tm_node, l->block_node);
    uint32_t piece = (uint32_t)tm_page_n_pieces(x->p);
    struct tm_block_range b = {.node = l->block_node,
                               .piece = piece,
                               .piece_end = piece,
                               .kind = node->kind,
                               .stray = !(tm_tags[around->tag].flags & TAG_PARA)};
    push(x, &x->p->blocks_, &b, sizeof b);
    x->block_open = true;
}

static void add_piece(struct parser *x, const char *s, size_t n, size_t from, size_t to,
                      enum tm_piece_form form)
{
    struct tm_page *p = x->p;
    const struct level *l = top(x);
    if (l == NULL || !x->block_open || x->stop != TM_OK)
        return;
    bool link = AT(p->nodes_, struct tm_node, l->node)->link;
    struct tm_stats st = tm_page_measure(s, n, link);
    struct tm_block_range *b = AT(p->blocks_, struct tm_block_range, tm_page_n_blocks(p) - 1);
    size_t count = tm_page_n_pieces(p);
    struct tm_piece *before = count == 0 ? NULL : AT(p->pieces_, struct tm_piece, count - 1);
    uint32_t text = (uint32_t)p->text.len;
    push(x, &p->text, s, n);
    if (before != NULL && b->piece < b->piece_end && form == TM_PIECE_EXACT &&
        before->form == TM_PIECE_EXACT && before->node == l->node && before->source_end == from) {
        struct tm_stats *sum = AT(p->stats_, struct tm_stats, count - 1);
        before->len += (uint32_t)n;
        before->source_end = (uint32_t)to;
        *sum = (struct tm_stats){sum->chars + st.chars, sum->link_chars + st.link_chars,
                                 sum->commas + st.commas, sum->ends + st.ends};
        return;
    }
    struct tm_piece piece = {text,         (uint32_t)n, (uint32_t)from,
                             (uint32_t)to, l->node,     (uint8_t)form};
    push(x, &p->pieces_, &piece, sizeof piece);
    push(x, &p->stats_, &st, sizeof st);
    b->piece_end = (uint32_t)tm_page_n_pieces(p);
}

/* Where text of an event stands in the source: it ends at the parser's place, up to a character
 * that the parser has looked at but not passed, or follows the event before; else it is a character
 * reference, which begins at the last '&'. */
static enum tm_piece_form locate(struct parser *x, const char *s, size_t n, size_t *from,
                                 size_t *to)
{
    size_t now = position(x);
    for (size_t ahead = 0; ahead <= 4; ahead++) {
        size_t end = now + ahead;
        if (end < n || end - n < x->last || end > x->p->source_len)
            continue;
        if (memcmp(x->source + end - n, s, n) == 0) {
            *from = end - n, *to = end;
            return TM_PIECE_EXACT;
        }
    }
    if (x->p->source_len - x->last >= n && memcmp(x->source + x->last, s, n) == 0) {
        *from = x->last, *to = x->last + n;
        return TM_PIECE_EXACT;
    }
    now = TM_MAX(now, x->last);
    const char *ref = memrchr(x->source + x->last, '&', now - x->last);
    *from = ref == NULL ? x->last : (size_t)(ref - x->source);
    *to = now;
    if (n == 1 && s[0] == '&' && ref != NULL) { /* a bare one: what follows comes by itself */
        *to = *from + 1;
        return TM_PIECE_EXACT;
    }
    return TM_PIECE_INEXACT;
}

/* &#128; to &#159; mean windows-1252, as browsers read them. */
static size_t windows_1252(const char *s, size_t n, char out[4])
{
    static const uint16_t table[32] = {
        0x20ac, 0x81,   0x201a, 0x192,  0x201e, 0x2026, 0x2020, 0x2021, 0x2c6,  0x2030, 0x160,
        0x2039, 0x152,  0x8d,   0x17d,  0x8f,   0x90,   0x2018, 0x2019, 0x201c, 0x201d, 0x2022,
        0x2013, 0x2014, 0x2dc,  0x2122, 0x161,  0x203a, 0x153,  0x9d,   0x17e,  0x178};
    unsigned char c = n == 2 ? (unsigned char)s[1] : 0;
    if (n != 2 || (unsigned char)s[0] != 0xc2 || c > 0x9f)
        return 0;
    return tm_utf8_encode(table[c - 0x80], out);
}

static bool is_blank_text(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)s[i] > ' ')
            return false;
    return true;
}

static void on_text(void *arg, const xmlChar *text, int length)
{
    struct parser *x = arg;
    const char *s = (const char *)text;
    const struct level *l = top(x);
    if (x->stop != TM_OK || length <= 0 || l == NULL)
        return;
    size_t n = (size_t)length, from, to;
    enum tm_piece_form form = locate(x, s, n, &from, &to);
    x->last = to;
    if (form == TM_PIECE_EXACT && memcmp(x->p->source + from, s, n) != 0)
        form = TM_PIECE_INEXACT; /* has a control that libxml2 saw as a blank */
    char code[4];
    size_t mapped = form == TM_PIECE_INEXACT ? windows_1252(s, n, code) : 0;
    if (mapped > 0)
        s = code, n = mapped;
    if (x->in_title && x->p->title.len + n < TITLE_MOST)
        push(x, &x->p->title, s, n);
    if (x->in_json)
        push(x, &x->p->strings, s, n);
    if (x->skip > 0)
        return;
    if (!x->block_open) {
        if (is_blank_text(s, n))
            return;
        open_block(x, l);
    }
    add_piece(x, s, n, from, to, form);
}

/* ---- the parser --------------------------------------------------------------------------------
 */

/* Only the five entities that XML itself has: no declaration of a document is looked at. */
static xmlEntityPtr predefined_entity(void *arg, const xmlChar *name)
{
    (void)arg;
    return xmlGetPredefinedEntity(name);
}

static bool parse(struct parser *x)
{
    int len = (int)x->p->source_len;
    x->ctxt = x->xml ? xmlCreateMemoryParserCtxt(x->source, len)
                     : htmlCreateMemoryParserCtxt(x->source, len);
    if (x->ctxt == NULL)
        return false;
    *x->ctxt->sax = (xmlSAXHandler){.startElement = on_start,
                                    .endElement = on_end,
                                    .characters = on_text,
                                    .ignorableWhitespace = on_text,
                                    .cdataBlock = on_text,
                                    .getEntity = predefined_entity,
                                    .serror = on_error,
                                    .initialized = XML_SAX2_MAGIC};
    x->ctxt->userData = x;
    if (x->xml)
        xmlCtxtUseOptions(x->ctxt, XML_PARSE_RECOVER | XML_PARSE_NONET | XML_PARSE_HUGE |
                                       XML_PARSE_SAX1 | XML_PARSE_IGNORE_ENC);
    else
        htmlCtxtUseOptions(x->ctxt, HTML_PARSE_RECOVER | HTML_PARSE_NONET | HTML_PARSE_COMPACT |
                                        HTML_PARSE_IGNORE_ENC);
    xmlSwitchEncoding(x->ctxt, XML_CHAR_ENCODING_UTF8);
    if (x->xml)
        xmlParseDocument(x->ctxt);
    else
        htmlParseDocument(x->ctxt);
    xmlFreeDoc(x->ctxt->myDoc);
    x->ctxt->myDoc = NULL;
    xmlFreeParserCtxt(x->ctxt);
    return true;
}

/* ---- after the last event ----------------------------------------------------------------------
 */

static void close_levels(struct parser *x)
{
    struct tm_page *p = x->p;
    for (size_t i = 0; i < LEN(x->levels, struct level) && x->stop == TM_OK; i++) {
        struct tm_node *n = AT(p->nodes_, struct tm_node, AT(x->levels, struct level, i)->node);
        n->end = (uint32_t)tm_page_n_nodes(p);
        n->piece_end = (uint32_t)tm_page_n_pieces(p);
    }
}

enum tm_status tm_page_parse(struct tm_page *p, const struct tm_vocabulary *v, const char *source,
                             size_t len, bool xml, const struct tm_page_limits *limits,
                             struct tm_err *err)
{
    struct parser x = {.p = p, .v = v, .limits = limits, .xml = xml};
    TM_CLEANUP(tm_buf_finish) struct tm_buf copy = {0};
    tm_page_clear(p);
    p->source = source;
    p->source_len = len;
    if (len == 0)
        return TM_OK;
    if (len > INT_MAX)
        return tm_err_set(err, TM_TOOLARGE, "a page of %zu bytes: at most %d", len, INT_MAX);
    if (!tm_guard_attributes(source, len, limits->attributes))
        return tm_err_set(err, TM_TOOLARGE, "a tag has more than %zu attributes",
                          limits->attributes);
    x.source = tm_guard_controls(source, len, &copy);
    if (x.source == NULL || !parse(&x))
        return tm_err_set(err, TM_NOMEM, "no memory to parse %zu bytes", len);
    close_levels(&x);
    tm_buf_finish(&x.levels);
    if (x.stop == TM_OK && !tm_page_number_siblings(p))
        return tm_err_set(err, TM_NOMEM, "the page does not fit into the memory of a document");
    return x.stop == TM_OK ? TM_OK : tm_err_set(err, x.stop, "%s", x.stop_text);
}
