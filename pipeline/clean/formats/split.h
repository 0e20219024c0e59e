/* Formats of split.c. */
#ifndef CLEAN_SPLIT_H
#define CLEAN_SPLIT_H

#include "xml_tree.h"

/* Each appends one envelope for each document below root to records; false: root is not of this
 * format. */
bool tm_split_feed(xmlNode *root, json_t *records);     /* feed.c: RSS 0.9 to 2.0, Atom */
bool tm_split_news_xml(xmlNode *root, json_t *records); /* news_xml.c: NITF, NewsML-G2 */

#endif
