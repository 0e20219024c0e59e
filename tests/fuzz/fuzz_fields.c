/* Fuzz target: clean.fields. The first line of the input is a pointer or a name, the rest is JSON;
 * the pointer is tried for a payload, a time and a text. What comes of it is an envelope without
 * the payload's other forms. */
#include "fields.h"
#include "tm_json_tree.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char map[1024];
    const char *json = size == 0 ? NULL : memchr(data, '\n', size);
    size_t n = json == NULL ? 0 : (size_t)(json - (const char *)data);
    if (json == NULL || n > 300 || memchr(data, '\0', n) != NULL)
        return 0;
    snprintf(map, sizeof map, "text=%.*s\npublished_at=%.*s\nid=%.*s\n", (int)n, (const char *)data,
             (int)n, (const char *)data, (int)n, (const char *)data);
    tm_assert(tm_fields_check(map, NULL) == TM_OK);
    json_t *root = tm_json_tree(json, size - n, NULL);
    json_t *own = root == NULL ? NULL : tm_fields_apply(map, root);
    if (root != NULL) {
        tm_assert(json_is_object(own));
        bool whole = json_object_size(own) >= (json_is_object(root) ? json_object_size(root) : 0);
        tm_assert(whole || json_object_get(own, "text") != NULL);
    }
    json_decref(own);
    json_decref(root);
    return 0;
}
