/* Small XML documents as libxml2 trees, read so that they can do no harm; and JSON made of them. */
#ifndef CLEAN_XML_TREE_H
#define CLEAN_XML_TREE_H

#include "tm_base.h"

#include <jansson.h>
#include <libxml/tree.h>

/* Parses UTF-8 text, mending what is malformed. Nothing is fetched, no declaration of a document is
 * followed; one that declares entities is refused (TM_BADINPUT). HTML's names for characters are
 * known. The caller frees with xmlFreeDoc. */
enum tm_status tm_xml_read(const char *data, size_t len, xmlDocPtr *ret_doc, struct tm_err *err);

/* Names are compared without their prefix. All may be given NULL for a node. */
bool tm_xml_is(const xmlNode *n, const char *name);
xmlNode *tm_xml_child(xmlNode *n, const char *name);    /* first of that name */
xmlNode *tm_xml_find(xmlNode *n, const char *name);     /* anywhere inside */
xmlNode *tm_xml_next(xmlNode *n, const char *name);     /* next sibling */
bool tm_xml_text(const xmlNode *n, struct tm_buf *out); /* all text inside; cleared first */
bool tm_xml_attribute(xmlNode *n, const char *name, struct tm_buf *out); /* false: not there */
/* The next node of a subtree in document order, NULL at its end; into: look inside n first. */
xmlNode *tm_xml_walk(const xmlNode *root, xmlNode *n, bool into);

/* Sets a member to the text of a node, trimmed, when there is some and none is set. */
void tm_xml_put(json_t *o, const char *key, const xmlNode *n);

#endif
