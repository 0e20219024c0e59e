/* Reads a JSON Schema into nodes (schema.h). On the main thread, once a task. The keywords that are
 * understood are in tm_generate.h; one that would change what is allowed and is not among them is
 * refused by name, one that only describes is passed over. */
#include "schema.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_NODES = 4096, MAX_DEPTH = 20 };

static enum tm_status read_node(struct schema *s, const json_t *json, int depth, uint16_t *ret,
                                struct tm_err *err);

static void destroy(struct guide *g)
{
    struct schema *s = (struct schema *)g;
    for (size_t i = 0; i < s->n_nodes; i++)
        for (size_t k = 0; k < SCHEMA_MOST; k++)
            free(s->node[i].text[k]);
    free(s->node);
    masks_destroy(s->masks);
    free(s);
}

/* A new node; pointers to others do not survive it. */
static enum tm_status add_node(struct schema *s, enum schema_kind kind, uint16_t *ret,
                               struct tm_err *err)
{
    if (s->n_nodes == MAX_NODES)
        return tm_err_set(err, TM_TOOLARGE, "schema: more than %d values", (int)MAX_NODES);
    struct schema_node *node = realloc(s->node, (s->n_nodes + 1) * sizeof *node);
    if (node == NULL)
        return tm_err_set(err, TM_NOMEM, "schema");
    s->node = node;
    memset(&node[s->n_nodes], 0, sizeof *node);
    node[s->n_nodes].kind = kind;
    node[s->n_nodes].most = UINT32_MAX;
    *ret = (uint16_t)s->n_nodes++;
    return TM_OK;
}

static enum tm_status add_text(struct schema *s, uint16_t node, char *text, struct tm_err *err)
{
    struct schema_node *n = &s->node[node];
    if (text == NULL)
        return tm_err_set(err, TM_NOMEM, "schema");
    if (n->n == SCHEMA_MOST) {
        free(text);
        return tm_err_set(err, TM_TOOLARGE, "schema: more than %d in one place", (int)SCHEMA_MOST);
    }
    n->text[n->n++] = text;
    return TM_OK;
}

static enum tm_status add_branch(struct schema *s, uint16_t node, uint16_t child,
                                 struct tm_err *err)
{
    struct schema_node *n = &s->node[node];
    if (n->n == SCHEMA_MOST)
        return tm_err_set(err, TM_TOOLARGE, "schema: more than %d branches", (int)SCHEMA_MOST);
    n->child[n->n++] = child;
    return TM_OK;
}

/* ---- any value ---- */

/* One node that is told apart into all kinds, arrays and maps leading back to it. */
static enum tm_status any_value(struct schema *s, uint16_t *ret, struct tm_err *err)
{
    static const enum schema_kind kinds[] = {SCHEMA_STRING, SCHEMA_NUMBER, SCHEMA_ARRAY, SCHEMA_MAP,
                                             SCHEMA_LITERALS};
    static const char *const words[] = {"true", "false", "null"};
    uint16_t any, child;
    *ret = s->any;
    if (s->any != SCHEMA_NONE)
        return TM_OK;
    enum tm_status st = add_node(s, SCHEMA_ANY_OF, &any, err);
    for (size_t i = 0; i < TM_COUNTOF(kinds) && st == TM_OK; i++) {
        if ((st = add_node(s, kinds[i], &child, err)) != TM_OK)
            break;
        s->node[child].child[0] = any;
        for (size_t k = 0; k < TM_COUNTOF(words) && kinds[i] == SCHEMA_LITERALS && st == TM_OK; k++)
            st = add_text(s, child, strdup(words[k]), err);
        if (st == TM_OK)
            st = add_branch(s, any, child, err);
    }
    *ret = s->any = any;
    return st;
}

/* ---- keywords ---- */

static enum tm_status check_keywords(const json_t *json, struct tm_err *err)
{
    static const char *const known[] = {"type",       "properties",  "required",
                                        "items",      "minItems",    "maxItems",
                                        "enum",       "const",       "anyOf",
                                        "oneOf",      "minLength",   "maxLength",
                                        "title",      "description", "$schema",
                                        "$id",        "$comment",    "default",
                                        "examples",   "format",      "additionalProperties",
                                        "deprecated", "readOnly",    "writeOnly"};
    for (void *at = json_object_iter((json_t *)(uintptr_t)json); at != NULL;
         at = json_object_iter_next((json_t *)(uintptr_t)json, at)) {
        const char *key = json_object_iter_key(at);
        bool found = false;
        for (size_t i = 0; i < TM_COUNTOF(known) && !found; i++)
            found = strcmp(known[i], key) == 0;
        if (!found)
            return tm_err_set(err, TM_UNSUPPORTED,
                              "schema: the keyword \"%.60s\" is not understood", key);
    }
    return TM_OK;
}

static enum tm_status read_bounds(struct schema_node *n, const json_t *json, const char *least,
                                  const char *most, struct tm_err *err)
{
    const json_t *lo = json_object_get(json, least), *hi = json_object_get(json, most);
    json_int_t low = lo != NULL ? json_integer_value(lo) : 0;
    json_int_t high = hi != NULL ? json_integer_value(hi) : UINT32_MAX;
    if (low < 0 || high < low || high > UINT32_MAX || (lo != NULL && !json_is_integer(lo)) ||
        (hi != NULL && !json_is_integer(hi)))
        return tm_err_set(err, TM_CONFIG, "schema: %s and %s are not bounds", least, most);
    n->least = (uint32_t)low;
    n->most = (uint32_t)high;
    return TM_OK;
}

static enum tm_status read_literals(struct schema *s, const json_t *list, const json_t *one,
                                    uint16_t *ret, struct tm_err *err)
{
    enum tm_status st = add_node(s, SCHEMA_LITERALS, ret, err);
    size_t n = one != NULL ? 1 : json_array_size(list);
    if (st == TM_OK && n == 0)
        st = tm_err_set(err, TM_CONFIG, "schema: enum is not a list of values");
    for (size_t i = 0; i < n && st == TM_OK; i++) {
        const json_t *value = one != NULL ? one : json_array_get(list, i);
        st = add_text(s, *ret, json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT), err);
    }
    return st;
}

static enum tm_status read_object(struct schema *s, const json_t *json, int depth, uint16_t *ret,
                                  struct tm_err *err)
{
    json_t *properties = json_object_get(json, "properties");
    const json_t *required = json_object_get(json, "required");
    enum tm_status st;
    if (json_object_size(properties) == 0) {
        uint16_t any;
        if ((st = add_node(s, SCHEMA_MAP, ret, err)) != TM_OK ||
            (st = any_value(s, &any, err)) != TM_OK)
            return st;
        s->node[*ret].child[0] = any;
        return TM_OK;
    }
    st = add_node(s, SCHEMA_OBJECT, ret, err);
    for (void *at = json_object_iter(properties); at != NULL && st == TM_OK;
         at = json_object_iter_next(properties, at)) {
        uint16_t child;
        const char *key = json_object_iter_key(at);
        if ((st = read_node(s, json_object_iter_value(at), depth + 1, &child, err)) != TM_OK)
            break;
        json_t *name = json_string(key);
        st = add_text(s, *ret, json_dumps(name, JSON_ENCODE_ANY), err);
        json_decref(name);
        if (st != TM_OK)
            break;
        struct schema_node *n = &s->node[*ret];
        n->child[n->n - 1] = child;
        for (size_t i = 0; i < json_array_size(required); i++) {
            const char *must = json_string_value(json_array_get(required, i));
            if (must != NULL && strcmp(must, key) == 0)
                n->required |= (uint64_t)1 << (n->n - 1);
        }
    }
    return st;
}

static enum tm_status read_array(struct schema *s, const json_t *json, int depth, uint16_t *ret,
                                 struct tm_err *err)
{
    uint16_t item;
    const json_t *items = json_object_get(json, "items");
    enum tm_status st =
        items != NULL ? read_node(s, items, depth + 1, &item, err) : any_value(s, &item, err);
    if (st == TM_OK)
        st = add_node(s, SCHEMA_ARRAY, ret, err);
    if (st != TM_OK)
        return st;
    s->node[*ret].child[0] = item;
    return read_bounds(&s->node[*ret], json, "minItems", "maxItems", err);
}

static enum tm_status read_type(struct schema *s, const json_t *json, const char *type, int depth,
                                uint16_t *ret, struct tm_err *err)
{
    enum tm_status st;
    if (strcmp(type, "object") == 0)
        return read_object(s, json, depth, ret, err);
    if (strcmp(type, "array") == 0)
        return read_array(s, json, depth, ret, err);
    if (strcmp(type, "string") == 0)
        return (st = add_node(s, SCHEMA_STRING, ret, err)) != TM_OK
                   ? st
                   : read_bounds(&s->node[*ret], json, "minLength", "maxLength", err);
    if (strcmp(type, "number") == 0)
        return add_node(s, SCHEMA_NUMBER, ret, err);
    if (strcmp(type, "integer") == 0)
        return add_node(s, SCHEMA_INTEGER, ret, err);
    bool boolean = strcmp(type, "boolean") == 0;
    if (!boolean && strcmp(type, "null") != 0)
        return tm_err_set(err, TM_CONFIG, "schema: there is no type \"%.60s\"", type);
    if ((st = add_node(s, SCHEMA_LITERALS, ret, err)) != TM_OK ||
        (st = add_text(s, *ret, strdup(boolean ? "true" : "null"), err)) != TM_OK || !boolean)
        return st;
    return add_text(s, *ret, strdup("false"), err);
}

/* ---- branches ---- */

/* Bit per first byte that a value of the node may have. */
static void first_bytes(const struct schema *s, uint16_t node, uint64_t set[4])
{
    static const char *const begin[] = {
        [SCHEMA_STRING] = "\"", [SCHEMA_NUMBER] = "-0123456789", [SCHEMA_INTEGER] = "-0123456789",
        [SCHEMA_ARRAY] = "[",   [SCHEMA_OBJECT] = "{",           [SCHEMA_MAP] = "{",
        [SCHEMA_ANY_OF] = "",
    };
    const struct schema_node *n = &s->node[node];
    if (n->kind == SCHEMA_ANY_OF) {
        for (size_t i = 0; i < n->n; i++)
            first_bytes(s, n->child[i], set);
        return;
    }
    for (size_t i = 0; i < n->n && n->kind == SCHEMA_LITERALS; i++)
        set[(unsigned char)n->text[i][0] / 64] |= (uint64_t)1
                                                  << ((unsigned char)n->text[i][0] % 64);
    for (const char *c = n->kind == SCHEMA_LITERALS ? "" : begin[n->kind]; *c != '\0'; c++)
        set[(unsigned char)*c / 64] |= (uint64_t)1 << ((unsigned char)*c % 64);
}

static enum tm_status check_branches(const struct schema *s, uint16_t node, struct tm_err *err)
{
    uint64_t seen[4] = {0};
    const struct schema_node *n = &s->node[node];
    for (size_t i = 0; i < n->n; i++) {
        uint64_t set[4] = {0};
        first_bytes(s, n->child[i], set);
        for (size_t k = 0; k < 4; k++) {
            if ((seen[k] & set[k]) != 0)
                return tm_err_set(err, TM_UNSUPPORTED,
                                  "schema: branches of anyOf that begin alike (two objects, two "
                                  "strings) are not understood");
            seen[k] |= set[k];
        }
    }
    return TM_OK;
}

/* anyOf, oneOf, or a list of types. */
static enum tm_status read_branches(struct schema *s, const json_t *json, const json_t *list,
                                    bool types, int depth, uint16_t *ret, struct tm_err *err)
{
    uint16_t any;
    enum tm_status st = add_node(s, SCHEMA_ANY_OF, &any, err);
    if (st == TM_OK && json_array_size(list) == 0)
        st = tm_err_set(err, TM_CONFIG, "schema: an empty list of types or branches");
    for (size_t i = 0; i < json_array_size(list) && st == TM_OK; i++) {
        uint16_t child;
        const json_t *one = json_array_get(list, i);
        const char *type = json_string_value(one);
        if (types && type == NULL)
            return tm_err_set(err, TM_CONFIG, "schema: a type is not a text");
        st = types ? read_type(s, json, type, depth, &child, err)
                   : read_node(s, one, depth + 1, &child, err);
        if (st == TM_OK)
            st = add_branch(s, any, child, err);
    }
    *ret = any;
    return st == TM_OK ? check_branches(s, any, err) : st;
}

static enum tm_status read_node(struct schema *s, const json_t *json, int depth, uint16_t *ret,
                                struct tm_err *err)
{
    if (depth > MAX_DEPTH)
        return tm_err_set(err, TM_DEPTH, "schema: nested more than %d deep", (int)MAX_DEPTH);
    if (json_is_true(json))
        return any_value(s, ret, err);
    if (!json_is_object(json))
        return tm_err_set(err, TM_CONFIG, "schema: expected an object");
    enum tm_status st = check_keywords(json, err);
    if (st != TM_OK)
        return st;
    const json_t *constant = json_object_get(json, "const"), *list = json_object_get(json, "enum");
    if (constant != NULL || list != NULL)
        return read_literals(s, list, constant, ret, err);
    const json_t *branches = json_object_get(json, "anyOf");
    if (branches == NULL)
        branches = json_object_get(json, "oneOf");
    if (branches != NULL)
        return read_branches(s, json, branches, false, depth, ret, err);
    const json_t *type = json_object_get(json, "type");
    if (json_is_array(type))
        return read_branches(s, json, type, true, depth, ret, err);
    if (json_is_string(type))
        return read_type(s, json, json_string_value(type), depth, ret, err);
    if (json_object_get(json, "properties") != NULL)
        return read_object(s, json, depth, ret, err);
    return any_value(s, ret, err);
}

enum tm_status tm_guide_schema(const struct tm_vocabulary *v, const char *schema, size_t n,
                               struct tm_guide **ret_guide, struct tm_err *err)
{
    json_error_t where;
    json_t *json = json_loadb(schema, n, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &where);
    if (json == NULL)
        return tm_err_set(err, TM_CONFIG, "schema:%d:%d: %s", where.line, where.column, where.text);
    struct schema *s = calloc(1, sizeof *s);
    enum tm_status st = s != NULL ? TM_OK : tm_err_set(err, TM_NOMEM, "schema");
    if (s != NULL) {
        s->own.destroy = destroy;
        s->v = v;
        s->any = SCHEMA_NONE;
        st = read_node(s, json, 0, &s->root, err);
    }
    json_decref(json);
    if (st == TM_OK)
        st = schema_walk_init(s, err);
    if (st != TM_OK) {
        if (s != NULL)
            destroy(&s->own);
        return st;
    }
    *ret_guide = &s->own.guide;
    return TM_OK;
}
