/* JSON of documents as jansson's trees. */
#ifndef TM_JSON_TREE_H
#define TM_JSON_TREE_H

#include <jansson.h>

/* What json_loadb(data, len, JSON_ALLOW_NUL, ret_at) returns, value, error and place, in a fraction
 * of the time where the text is sound. An error quotes nothing of the text: it is a document's, and
 * errors are logged. ret_at: may be NULL. A new reference. Any thread. */
json_t *tm_json_tree(const char *data, size_t len, json_error_t *ret_at);

#endif
