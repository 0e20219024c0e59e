/* RSS 0.9 to 2.0 and Atom: one envelope an item. The fullest text that an item has is its payload;
 * of one that has only a summary the result says so ("teaser"). Called by split.c on any thread. */
#include "split.h"

#include <string.h>

enum { TEASER_MOST = 600 }; /* bytes of a summary that is no article */

/* Markup that was escaped twice shows as references and no element. */
static void unescape(struct tm_buf *text)
{
    static const struct {
        const char *reference;
        char c;
    } references[] = {
        {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&amp;", '&'}, {"&#39;", '\''}};
    size_t out = 0;
    if (memchr(text->data, '<', text->len) != NULL ||
        memmem(text->data, text->len, "&lt;", 4) == NULL)
        return;
    for (size_t i = 0; i < text->len; out++) {
        size_t taken = 0;
        for (size_t k = 0; k < TM_COUNTOF(references) && taken == 0; k++) {
            size_t n = strlen(references[k].reference);
            if (strncmp(text->data + i, references[k].reference, n) == 0) {
                text->data[out] = references[k].c;
                taken = n;
            }
        }
        if (taken == 0)
            text->data[out] = text->data[i];
        i += TM_MAX(taken, (size_t)1);
    }
    text->len = out;
    text->data[out] = '\0';
}

/* Atom's XHTML content: the elements as they are. */
static bool inner_markup(xmlNode *n, struct tm_buf *out)
{
    xmlBufferPtr b = xmlBufferCreate();
    tm_buf_clear(out);
    for (xmlNode *c = n->children; b != NULL && c != NULL; c = c->next)
        xmlNodeDump(b, n->doc, c, 0, 0);
    bool ok = b != NULL && tm_buf_append(out, xmlBufferContent(b), (size_t)xmlBufferLength(b));
    xmlBufferFree(b);
    return ok && out->len > 0;
}

static bool is_xhtml(xmlNode *n)
{
    TM_CLEANUP(tm_buf_finish) struct tm_buf type = {0};
    return tm_xml_attribute(n, "type", &type) && strstr(type.data, "xhtml") != NULL;
}

/* The fullest of an item's texts. */
static void put_payload(json_t *o, xmlNode *item)
{
    static const char *const names[] = {"encoded",     "content", "body",    "fullitem",
                                        "description", "summary", "abstract"};
    enum { FULL = 4 }; /* names before it mean the whole text */
    TM_CLEANUP(tm_buf_finish) struct tm_buf text = {0};
    TM_CLEANUP(tm_buf_finish) struct tm_buf best = {0};
    bool teaser = true;
    for (size_t i = 0; i < TM_COUNTOF(names); i++) {
        xmlNode *n = tm_xml_child(item, names[i]);
        bool some = n != NULL && (is_xhtml(n) ? inner_markup(n, &text) : tm_xml_text(n, &text));
        if (!some)
            continue;
        unescape(&text);
        if (best.len > 0 && (!teaser || text.len <= best.len))
            continue;
        tm_buf_clear(&best);
        tm_buf_append(&best, text.data, text.len);
        teaser = i >= FULL;
    }
    teaser = teaser && best.len < TEASER_MOST;
    if (best.len > 0)
        json_object_set_new(o, "html", json_stringn(best.data, best.len));
    else if (json_object_get(o, "title") != NULL)
        json_object_set_new(o, "html", json_deep_copy(json_object_get(o, "title")));
    else
        json_object_set_new(o, "error", json_string("the item has neither text nor title"));
    if (teaser)
        json_object_set_new(o, "meta", json_pack("{s:b}", "teaser", 1));
}

static void put_link(json_t *o, xmlNode *item)
{
    TM_CLEANUP(tm_buf_finish) struct tm_buf rel = {0};
    TM_CLEANUP(tm_buf_finish) struct tm_buf href = {0};
    for (xmlNode *n = tm_xml_child(item, "link"); n != NULL; n = tm_xml_next(n, "link")) {
        bool other = tm_xml_attribute(n, "rel", &rel) && strcmp(rel.data, "alternate") != 0;
        if (!other && tm_xml_attribute(n, "href", &href)) {
            json_object_set_new(o, "url", json_stringn(href.data, href.len));
            return;
        }
        tm_xml_put(o, "url", n);
    }
}

static void put_author(json_t *o, xmlNode *item)
{
    static const char *const names[] = {"creator", "author"};
    for (size_t i = 0; i < TM_COUNTOF(names); i++) {
        xmlNode *n = tm_xml_child(item, names[i]), *name = tm_xml_child(n, "name");
        tm_xml_put(o, "author", name != NULL ? name : n);
    }
}

/* What holds for all items; found once, because a channel may be searched to its end in vain. */
struct channel {
    xmlNode *title, *lang;
    const char *lang_attribute;
};

static void put_item(json_t *records, xmlNode *item, const struct channel *channel)
{
    static const char *const ids[] = {"id", "guid"};
    static const char *const dates[] = {"published", "pubDate", "issued",  "date",
                                        "created",   "updated", "modified"};
    TM_CLEANUP(tm_buf_finish) struct tm_buf lang = {0};
    json_t *o = json_object();
    for (size_t i = 0; i < TM_COUNTOF(ids); i++)
        tm_xml_put(o, "id", tm_xml_child(item, ids[i]));
    tm_xml_put(o, "title", tm_xml_child(item, "title"));
    put_link(o, item);
    put_author(o, item);
    for (size_t i = 0; i < TM_COUNTOF(dates); i++)
        tm_xml_put(o, "published_at", tm_xml_child(item, dates[i]));
    tm_xml_put(o, "lang", tm_xml_child(item, "language"));
    tm_xml_put(o, "lang", channel->lang);
    if (json_object_get(o, "lang") == NULL && tm_xml_attribute(item, "lang", &lang))
        json_object_set_new(o, "lang", json_stringn(lang.data, lang.len));
    else if (json_object_get(o, "lang") == NULL && channel->lang_attribute != NULL)
        json_object_set_new(o, "lang", json_string(channel->lang_attribute));
    tm_xml_put(o, "source", channel->title);
    put_payload(o, item);
    json_object_set_new(o, "kind", json_string("news"));
    json_array_append_new(records, o);
}

bool tm_split_feed(xmlNode *root, json_t *records)
{
    bool atom = tm_xml_is(root, "feed"), rdf = tm_xml_is(root, "RDF");
    if (tm_xml_is(root, "entry") || tm_xml_is(root, "item")) {
        put_item(records, root, &(struct channel){0});
        return true;
    }
    if (!atom && !rdf && !tm_xml_is(root, "rss") && !tm_xml_is(root, "channel"))
        return false;
    TM_CLEANUP(tm_buf_finish) struct tm_buf lang = {0};
    xmlNode *channel = tm_xml_child(root, "channel");
    if (atom || tm_xml_is(root, "channel"))
        channel = root;
    const struct channel common = {tm_xml_child(channel, "title"),
                                   tm_xml_child(channel, "language"),
                                   tm_xml_attribute(channel, "lang", &lang) ? lang.data : NULL};
    const char *name = atom ? "entry" : "item";
    xmlNode *around[] = {channel, root}; /* RSS 0.9 and 1.0 have the items beside the channel */
    for (size_t i = 0; i < TM_COUNTOF(around); i++) {
        if (i == 1 && (around[i] == channel || atom))
            break;
        for (xmlNode *n = tm_xml_child(around[i], name); n != NULL; n = tm_xml_next(n, name))
            put_item(records, n, &common);
    }
    return true;
}
