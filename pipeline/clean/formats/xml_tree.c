/* XML trees for feeds and news items (xml_tree.h). Called by split.c's formats on any thread. */
#include "xml_tree.h"
#include "guard.h"

#include <libxml/HTMLparser.h>
#include <libxml/parser.h>
#include <limits.h>
#include <string.h>

enum { ATTRIBUTES = 4096 }; /* of an element, as of a page's */

/* &nbsp; and its like, which feeds use without declaring them, as characters. */
static bool replace_names(const char *s, size_t n, struct tm_buf *out)
{
    bool ok = true;
    for (size_t i = 0; i < n && ok;) {
        const char *amp = memchr(s + i, '&', n - i);
        size_t plain = (amp == NULL ? n : (size_t)(amp - s)) - i;
        ok = tm_buf_append(out, s + i, plain);
        i += plain;
        if (amp == NULL)
            break;
        char name[12];
        size_t len = 0;
        while (i + 1 + len < n && len + 1 < sizeof name &&
               ((s[i + 1 + len] | 32) >= 'a' || (s[i + 1 + len] >= '0' && s[i + 1 + len] <= '9'))) {
            name[len] = s[i + 1 + len];
            len++;
        }
        name[len] = '\0';
        bool whole = i + 1 + len < n && s[i + 1 + len] == ';';
        const htmlEntityDesc *e = whole && xmlGetPredefinedEntity((const xmlChar *)name) == NULL
                                      ? htmlEntityLookup((const xmlChar *)name)
                                      : NULL;
        char code[4];
        if (e != NULL) {
            ok = ok && tm_buf_append(out, code, tm_utf8_encode(e->value, code));
            i += len + 2;
        } else {
            ok = ok && tm_buf_putc(out, '&');
            i++;
        }
    }
    return ok;
}

enum tm_status tm_xml_read(const char *data, size_t len, xmlDocPtr *ret_doc, struct tm_err *err)
{
    TM_CLEANUP(tm_buf_finish) struct tm_buf text = {0};
    if (len > INT_MAX / 2)
        return tm_err_set(err, TM_TOOLARGE, "an XML document of %zu bytes", len);
    if (memmem(data, len, "<!ENTITY", 8) != NULL)
        return tm_err_set(err, TM_BADINPUT, "the document declares entities, which are not read");
    if (!tm_guard_attributes(data, len, ATTRIBUTES))
        return tm_err_set(err, TM_TOOLARGE, "an XML element has more than %d attributes",
                          ATTRIBUTES);
    if (!replace_names(data, len, &text))
        return tm_err_set(err, TM_NOMEM, "no memory for an XML document of %zu bytes", len);
    int options = XML_PARSE_RECOVER | XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING |
                  XML_PARSE_COMPACT | XML_PARSE_NOCDATA;
    xmlDocPtr doc =
        xmlReadMemory(text.data == NULL ? "" : text.data, (int)text.len, NULL, "utf-8", options);
    if (doc == NULL || xmlDocGetRootElement(doc) == NULL) {
        xmlFreeDoc(doc);
        return tm_err_set(err, TM_BADINPUT, "no XML element can be read");
    }
    *ret_doc = doc;
    return TM_OK;
}

bool tm_xml_is(const xmlNode *n, const char *name)
{
    return n != NULL && n->type == XML_ELEMENT_NODE && strcasecmp((const char *)n->name, name) == 0;
}

xmlNode *tm_xml_next(xmlNode *n, const char *name)
{
    for (n = n == NULL ? NULL : n->next; n != NULL && !tm_xml_is(n, name);)
        n = n->next;
    return n;
}

xmlNode *tm_xml_child(xmlNode *n, const char *name)
{
    for (n = n == NULL ? NULL : n->children; n != NULL && !tm_xml_is(n, name);)
        n = n->next;
    return n;
}

xmlNode *tm_xml_walk(const xmlNode *root, xmlNode *n, bool into)
{
    if (into && n->type == XML_ELEMENT_NODE && n->children != NULL)
        return n->children;
    while (n != root && n->next == NULL)
        n = n->parent;
    return n == root ? NULL : n->next;
}

xmlNode *tm_xml_find(xmlNode *root, const char *name)
{
    xmlNode *n = root;
    while (n != NULL && !tm_xml_is(n, name))
        n = tm_xml_walk(root, n, true);
    return n;
}

bool tm_xml_text(const xmlNode *root, struct tm_buf *out)
{
    tm_buf_clear(out);
    for (xmlNode *n = (xmlNode *)(uintptr_t)root; n != NULL; n = tm_xml_walk(root, n, true))
        if ((n->type == XML_TEXT_NODE || n->type == XML_CDATA_SECTION_NODE) && n->content != NULL)
            tm_buf_puts(out, (const char *)n->content);
    return out->len > 0 && !out->failed;
}

bool tm_xml_attribute(xmlNode *n, const char *name, struct tm_buf *out)
{
    tm_buf_clear(out);
    for (xmlAttr *a = n == NULL ? NULL : n->properties; a != NULL; a = a->next) {
        if (strcasecmp((const char *)a->name, name) != 0)
            continue;
        for (xmlNode *t = a->children; t != NULL; t = t->next)
            if (t->content != NULL)
                tm_buf_puts(out, (const char *)t->content);
        return out->len > 0 && !out->failed;
    }
    return false;
}

void tm_xml_put(json_t *o, const char *key, const xmlNode *n)
{
    TM_CLEANUP(tm_buf_finish) struct tm_buf text = {0};
    if (n == NULL || json_object_get(o, key) != NULL || !tm_xml_text(n, &text))
        return;
    size_t from = strspn(text.data, " \t\r\n"), to = text.len;
    while (to > from && strchr(" \t\r\n", text.data[to - 1]) != NULL)
        to--;
    if (to > from)
        json_object_set_new(o, key, json_stringn(text.data + from, to - from));
}
