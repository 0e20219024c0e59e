/* NITF and NewsML-G2: one envelope a news item, its text as simple HTML. What a publisher has
 * withheld or cancelled (pubStatus) becomes no document but an error. Called by split.c on any
 * thread. */
#include "split.h"

#include <string.h>

/* Elements of NITF and XHTML bodies that are kept, by what they become. */
static const struct {
    const char *name, *tag;
} kept[] = {
    {"p", "p"},   {"hl1", "h2"},        {"hl2", "h3"},
    {"h1", "h2"}, {"h2", "h2"},         {"h3", "h3"},
    {"h4", "h4"}, {"li", "li"},         {"ul", "ul"},
    {"ol", "ol"}, {"table", "table"},   {"tr", "tr"},
    {"td", "td"}, {"th", "th"},         {"pre", "pre"},
    {"br", "br"}, {"bq", "blockquote"}, {"blockquote", "blockquote"},
    {"dt", "dt"}, {"dd", "dd"},         {"dl", "dl"},
};
/* Elements that are no part of the text. */
static const char *const left_out[] = {"head",     "docdata", "pubdata", "media", "body.end",
                                       "script",   "style",   "figure",  "note",  "hedline",
                                       "dateline", "byline",  "abstract"};

static const char *tag_of(const xmlNode *n)
{
    for (size_t i = 0; i < TM_COUNTOF(kept); i++)
        if (tm_xml_is(n, kept[i].name))
            return kept[i].tag;
    return NULL;
}

static bool is_left_out(const xmlNode *n)
{
    for (size_t i = 0; i < TM_COUNTOF(left_out); i++)
        if (tm_xml_is(n, left_out[i]))
            return true;
    return false;
}

static void put_escaped(struct tm_buf *out, const char *s)
{
    for (; *s != '\0'; s++) {
        if (*s == '<')
            tm_buf_puts(out, "&lt;");
        else if (*s == '&')
            tm_buf_puts(out, "&amp;");
        else
            tm_buf_putc(out, *s);
    }
}

/* The body as HTML. */
static void put_body(json_t *o, xmlNode *root)
{
    TM_CLEANUP(tm_buf_finish) struct tm_buf out = {0};
    for (xmlNode *n = root, *next; n != NULL; n = next) {
        bool skip = is_left_out(n);
        const char *tag = skip ? NULL : tag_of(n);
        if (n->type == XML_TEXT_NODE || n->type == XML_CDATA_SECTION_NODE)
            put_escaped(&out, n->content == NULL ? "" : (const char *)n->content);
        if (tag != NULL)
            tm_buf_printf(&out, "<%s>", tag);
        next = tm_xml_walk(root, n, !skip);
        /* Ends of what lies between here and the next node, innermost first. */
        for (xmlNode *up = n; up != NULL && (next == NULL || up != next->parent); up = up->parent) {
            const char *end = is_left_out(up) ? NULL : tag_of(up);
            if (end != NULL && strcmp(end, "br") != 0)
                tm_buf_printf(&out, "</%s>", end);
            if (up == root)
                break;
        }
    }
    if (out.len > 0 && !out.failed)
        json_object_set_new(o, "html", json_stringn(out.data, out.len));
}

static void put_attribute(json_t *o, const char *key, xmlNode *n, const char *name)
{
    TM_CLEANUP(tm_buf_finish) struct tm_buf value = {0};
    if (json_object_get(o, key) == NULL && tm_xml_attribute(n, name, &value))
        json_object_set_new(o, key, json_stringn(value.data, value.len));
}

/* "20260131T081500Z" as "2026-01-31T08:15:00Z". */
static void put_norm_date(json_t *o, xmlNode *n)
{
    TM_CLEANUP(tm_buf_finish) struct tm_buf v = {0};
    if (json_object_get(o, "published_at") != NULL || !tm_xml_attribute(n, "norm", &v) || v.len < 8)
        return;
    const char *s = v.data;
    if (strspn(s, "0123456789") < 8)
        json_object_set_new(o, "published_at", json_string(s));
    else if (v.len >= 15 && s[8] == 'T')
        json_object_set_new(o, "published_at",
                            json_sprintf("%.4s-%.2s-%.2sT%.2s:%.2s:%.2s%s", s, s + 4, s + 6, s + 9,
                                         s + 11, s + 13, s + 15));
    else
        json_object_set_new(o, "published_at", json_sprintf("%.4s-%.2s-%.2s", s, s + 4, s + 6));
}

/* ---- NITF --------------------------------------------------------------------------------------
 */

static void put_nitf(json_t *o, xmlNode *nitf)
{
    xmlNode *body = tm_xml_child(nitf, "body"), *head = tm_xml_child(body, "body.head");
    xmlNode *content = tm_xml_child(body, "body.content");
    tm_xml_put(o, "title", tm_xml_find(tm_xml_child(head, "hedline"), "hl1"));
    tm_xml_put(o, "title", tm_xml_child(tm_xml_child(nitf, "head"), "title"));
    put_attribute(o, "id", tm_xml_find(nitf, "doc-id"), "id-string");
    put_norm_date(o, tm_xml_find(nitf, "date.issue"));
    put_norm_date(o, tm_xml_find(nitf, "story.date"));
    xmlNode *by = tm_xml_child(head, "byline"), *person = tm_xml_find(by, "person");
    tm_xml_put(o, "author", person != NULL ? person : by);
    put_body(o, content != NULL ? content : body != NULL ? body : nitf);
}

/* ---- NewsML-G2 ---------------------------------------------------------------------------------
 */

/* The part of a status after its scheme: "stat:usable", "http://…/usable". */
static bool is_usable(xmlNode *item, struct tm_buf *status)
{
    xmlNode *n = tm_xml_child(tm_xml_child(item, "itemMeta"), "pubStatus");
    if (!tm_xml_attribute(n, "qcode", status) && !tm_xml_attribute(n, "uri", status))
        return true;
    const char *last = status->data;
    for (const char *s = status->data; *s != '\0'; s++)
        if (*s == ':' || *s == '/')
            last = s + 1;
    bool usable = strcasecmp(last, "usable") == 0;
    memmove(status->data, last, strlen(last) + 1);
    return usable;
}

static void put_news_item(json_t *records, xmlNode *item)
{
    TM_CLEANUP(tm_buf_finish) struct tm_buf status = {0};
    json_t *o = json_object();
    xmlNode *meta = tm_xml_child(item, "contentMeta"), *item_meta = tm_xml_child(item, "itemMeta");
    xmlNode *set = tm_xml_child(item, "contentSet"), *inline_xml = tm_xml_child(set, "inlineXML");
    put_attribute(o, "id", item, "guid");
    tm_xml_put(o, "title", tm_xml_child(meta, "headline"));
    tm_xml_put(o, "title", tm_xml_child(item_meta, "title"));
    tm_xml_put(o, "published_at", tm_xml_child(meta, "contentCreated"));
    tm_xml_put(o, "published_at", tm_xml_child(item_meta, "firstCreated"));
    tm_xml_put(o, "published_at", tm_xml_child(item_meta, "versionCreated"));
    tm_xml_put(o, "author", tm_xml_child(meta, "by"));
    tm_xml_put(o, "author", tm_xml_child(tm_xml_child(meta, "creator"), "name"));
    tm_xml_put(o, "source", tm_xml_child(tm_xml_child(item_meta, "provider"), "name"));
    put_attribute(o, "source", tm_xml_child(item_meta, "provider"), "literal");
    put_attribute(o, "lang", tm_xml_child(meta, "language"), "tag");
    put_attribute(o, "lang", item, "lang");
    json_object_set_new(o, "kind", json_string("news"));
    xmlNode *nitf = tm_xml_find(inline_xml, "nitf"), *plain = tm_xml_child(set, "inlineData");
    if (nitf != NULL)
        put_nitf(o, nitf);
    else if (inline_xml != NULL)
        put_body(o, inline_xml);
    else if (plain != NULL)
        tm_xml_put(o, "text", plain);
    else
        tm_xml_put(o, "text", tm_xml_child(meta, "description"));
    if (json_object_get(o, "html") == NULL && json_object_get(o, "text") == NULL) {
        json_object_set_new(o, "error", json_string("the news item has no text"));
    }
    if (!is_usable(item, &status)) {
        json_t *why = json_sprintf("pubStatus is \"%.60s\": its publisher does not want it used",
                                   status.data);
        json_object_set_new(o, "error", why);
    }
    json_array_append_new(records, o);
}

static void put_news_ml1(json_t *records, xmlNode *root)
{
    for (xmlNode *n = root; n != NULL; n = tm_xml_walk(root, n, !tm_xml_is(n, "NewsItem"))) {
        xmlNode *nitf = tm_xml_is(n, "NewsItem") ? tm_xml_find(n, "nitf") : NULL;
        if (!tm_xml_is(n, "NewsItem"))
            continue;
        json_t *o = json_object();
        tm_xml_put(o, "id", tm_xml_find(n, "PublicIdentifier"));
        tm_xml_put(o, "title", tm_xml_find(n, "HeadLine"));
        tm_xml_put(o, "published_at", tm_xml_find(n, "FirstCreated"));
        if (nitf != NULL)
            put_nitf(o, nitf);
        else
            put_body(o, tm_xml_find(n, "DataContent"));
        json_object_set_new(o, "kind", json_string("news"));
        json_array_append_new(records, o);
    }
}

bool tm_split_news_xml(xmlNode *root, json_t *records)
{
    if (tm_xml_is(root, "nitf")) {
        json_t *o = json_object();
        put_nitf(o, root);
        json_object_set_new(o, "kind", json_string("news"));
        json_array_append_new(records, o);
        return true;
    }
    if (tm_xml_is(root, "newsItem")) {
        put_news_item(records, root);
        return true;
    }
    if (tm_xml_is(root, "NewsML")) { /* version 1 carries NITF as well */
        put_news_ml1(records, root);
        return true;
    }
    if (!tm_xml_is(root, "newsMessage"))
        return false;
    for (xmlNode *n = root; n != NULL; n = tm_xml_walk(root, n, !tm_xml_is(n, "newsItem")))
        if (tm_xml_is(n, "newsItem"))
            put_news_item(records, n);
    return true;
}
