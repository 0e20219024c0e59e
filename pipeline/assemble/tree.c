/* JSON trees as text (tree.h), on the assemble threads. jansson's own writer takes a fixed number
 * of digits for reals, which shows 0.1 as 0.10000000000000001 or loses digits. */
#include "tree.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

enum {
    FEWEST_DIGITS = 15,
    MOST_DIGITS = 17,
    MAX_DEPTH = 2048
}; /* the depth is jansson's parser's */

static void put_real(struct tm_buf *b, double x)
{
    char text[40];
    double back = 0;
    for (int digits = FEWEST_DIGITS; digits <= MOST_DIGITS; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, x);
        if (tm_json_number_f64(text, strlen(text), &back) && back == x)
            break;
    }
    tm_buf_puts(b, text);
    if (strpbrk(text, ".e") == NULL) /* stays a real for whoever reads it */
        tm_buf_puts(b, ".0");
}

static void put_value(struct tm_buf *b, const json_t *value, int depth);

static void put_array(struct tm_buf *b, const json_t *array, int depth)
{
    tm_buf_putc(b, '[');
    for (size_t i = 0; i < json_array_size(array); i++) {
        tm_buf_puts(b, i > 0 ? "," : "");
        put_value(b, json_array_get(array, i), depth + 1);
    }
    tm_buf_putc(b, ']');
}

static void put_object(struct tm_buf *b, const json_t *object, int depth)
{
    json_t *o = (json_t *)(uintptr_t)object; /* jansson iterates over what it could change */
    bool first = true;
    tm_buf_putc(b, '{');
    for (void *at = json_object_iter(o); at != NULL; at = json_object_iter_next(o, at)) {
        const char *key = json_object_iter_key(at);
        tm_buf_puts(b, first ? "" : ",");
        tm_buf_json_string(b, key, strlen(key));
        tm_buf_putc(b, ':');
        put_value(b, json_object_iter_value(at), depth + 1);
        first = false;
    }
    tm_buf_putc(b, '}');
}

static void put_value(struct tm_buf *b, const json_t *value, int depth)
{
    if (depth > MAX_DEPTH) {
        b->failed = true;
        return;
    }
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        put_object(b, value, depth);
        break;
    case JSON_ARRAY:
        put_array(b, value, depth);
        break;
    case JSON_STRING:
        tm_buf_json_string(b, json_string_value(value), json_string_length(value));
        break;
    case JSON_INTEGER:
        tm_buf_printf(b, "%lld", (long long)json_integer_value(value));
        break;
    case JSON_REAL:
        put_real(b, json_real_value(value));
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        tm_buf_puts(b, json_is_true(value) ? "true" : "false");
        break;
    case JSON_NULL:
        tm_buf_puts(b, "null");
    }
}

void tree_put(struct tm_buf *b, const json_t *value)
{
    put_value(b, value, 0);
}
