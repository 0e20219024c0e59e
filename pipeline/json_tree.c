/* JSON of documents as jansson's trees (tm_json_tree.h). jansson's own reader takes every byte
 * through several calls, which for a long text is more than all of its cleaning. So base's reader
 * reads and jansson keeps; what base's reader will not have (an error, a number too large, depth)
 * is given to jansson's, whose verdict and words count. Called by the clean stage and by sources,
 * on their threads. */
#include "tm_json_tree.h"
#include "tm_json.h"

#include <math.h>
#include <string.h>

enum { DEPTH = 64 }; /* deeper ones are read by jansson */

static json_t *number(const char *text, size_t len)
{
    int64_t whole;
    double real;
    if (memchr(text, '.', len) == NULL && memchr(text, 'e', len) == NULL &&
        memchr(text, 'E', len) == NULL)
        return tm_json_number_i64(text, len, &whole) ? json_integer(whole) : NULL;
    return tm_json_number_f64(text, len, &real) && isfinite(real) ? json_real(real) : NULL;
}

/* The value that an event begins; NULL: not by this way. */
static json_t *begin(const struct tm_json_event *e)
{
    switch (e->type) {
    case TM_JSON_OBJECT:
        return json_object();
    case TM_JSON_ARRAY:
        return json_array();
    case TM_JSON_STRING:
        return json_stringn_nocheck(e->text, e->len);
    case TM_JSON_NUMBER:
        return number(e->text, e->len);
    case TM_JSON_BOOL:
        return json_boolean(e->boolean);
    case TM_JSON_NULL:
        return json_null();
    default:
        return NULL;
    }
}

struct builder {
    json_t *root, *open[DEPTH]; /* containers that are not closed yet, within each other */
    size_t depth;
    struct tm_buf key;
};

/* Takes value, which may be NULL. */
static bool put(struct builder *b, json_t *value)
{
    if (value == NULL)
        return false;
    if (b->depth == 0) {
        b->root = value;
        return true;
    }
    json_t *in = b->open[b->depth - 1];
    return (json_is_array(in) ? json_array_append_new(in, value)
                              : json_object_set_new_nocheck(in, b->key.data, value)) == 0;
}

static bool take(struct builder *b, const struct tm_json_event *e)
{
    if (e->type == TM_JSON_KEY) {
        tm_buf_clear(&b->key);
        return tm_buf_append(&b->key, e->text, e->len) && memchr(e->text, '\0', e->len) == NULL;
    }
    if (e->type == TM_JSON_OBJECT_END || e->type == TM_JSON_ARRAY_END) {
        b->depth--;
        return true;
    }
    json_t *value = begin(e);
    bool opens = e->type == TM_JSON_OBJECT || e->type == TM_JSON_ARRAY;
    if (!put(b, value) || (opens && b->depth == DEPTH))
        return false;
    if (opens)
        b->open[b->depth++] = value;
    return true;
}

static json_t *build(const char *data, size_t len)
{
    struct builder b = {0};
    struct tm_json j;
    struct tm_json_event e = {0};
    bool good = true;
    tm_json_init(&j, "", data, len);
    do
        good = tm_json_next(&j, &e, NULL) == TM_OK;
    while (good && e.type != TM_JSON_END && (good = take(&b, &e)));
    tm_json_finish(&j);
    tm_buf_finish(&b.key);
    /* At the top jansson takes containers alone, as it is asked to here. */
    if (good && (json_is_object(b.root) || json_is_array(b.root)))
        return b.root;
    json_decref(b.root);
    return NULL;
}

json_t *tm_json_tree(const char *data, size_t len, json_error_t *ret_at)
{
    json_t *root = build(data, len);
    if (root == NULL)
        root = json_loadb(data, len, JSON_ALLOW_NUL, ret_at);
    char *quote = root == NULL && ret_at != NULL ? strstr(ret_at->text, " near '") : NULL;
    if (quote != NULL)
        *quote = '\0';
    return root;
}
