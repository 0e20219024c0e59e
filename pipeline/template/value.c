/* Values of templates and what Python's str, repr and json.dumps make of them (template.h). */
#include "template.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum tm_status fail(struct render *r, enum tm_status s, const char *fmt, ...)
{
    char text[160];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return tm_err_set(r->err, s, "%s:%u:%u: %s", r->name, r->at != NULL ? r->at->line : 0,
                      r->at != NULL ? r->at->column : 0, text);
}

enum tm_status nomem(struct render *r)
{
    return tm_arena_full(r->arena)
               ? fail(r, TM_TOOLARGE, "the values take more than %d MiB", MEMORY >> 20)
               : fail(r, TM_NOMEM, "out of memory");
}

struct value value_string(const char *s, size_t n)
{
    return (struct value){.kind = STRING, .s = s, .n = n};
}

struct value value_cstring(const char *s)
{
    return value_string(s, strlen(s));
}

struct value value_int(int64_t i)
{
    return (struct value){.kind = INT, .i = i};
}

struct value value_real(double x)
{
    return (struct value){.kind = REAL, .r = x};
}

struct value value_bool(bool b)
{
    return (struct value){.kind = BOOL, .b = b};
}

struct value value_list(struct render *r)
{
    return (struct value){.kind = LIST, .list = tm_arena_alloc(r->arena, sizeof(struct list))};
}

struct value value_dict(struct render *r)
{
    return (struct value){.kind = DICT, .dict = tm_arena_alloc(r->arena, sizeof(struct dict))};
}

enum tm_status list_add(struct render *r, struct list *l, struct value v)
{
    if (l == NULL)
        return nomem(r);
    if (l->n == l->room) {
        size_t room = TM_MAX(2 * l->room, 8);
        struct value *item = tm_arena_array(r->arena, room, sizeof *item);
        if (item == NULL)
            return nomem(r);
        if (l->n > 0)
            memcpy(item, l->item, l->n * sizeof *item);
        l->item = item;
        l->room = room;
    }
    l->item[l->n++] = v;
    return TM_OK;
}

const struct value *dict_find(const struct dict *d, const char *key, size_t n)
{
    for (size_t i = 0; i < d->n; i++)
        if (d->key[i].kind == STRING && d->key[i].n == n && memcmp(d->key[i].s, key, n) == 0)
            return &d->value[i];
    return NULL;
}

enum tm_status dict_set(struct render *r, struct dict *d, struct value key, struct value v)
{
    if (d == NULL)
        return nomem(r);
    for (size_t i = 0; i < d->n; i++)
        if (value_equal(&d->key[i], &key, 0)) {
            d->value[i] = v;
            return TM_OK;
        }
    if (d->n == d->room) {
        size_t room = TM_MAX(2 * d->room, 8);
        struct value *all = tm_arena_array(r->arena, 2 * room, sizeof *all);
        if (all == NULL)
            return nomem(r);
        if (d->n > 0) {
            memcpy(all, d->key, d->n * sizeof *all);
            memcpy(all + room, d->value, d->n * sizeof *all);
        }
        d->key = all;
        d->value = all + room;
        d->room = room;
    }
    d->key[d->n] = key;
    d->value[d->n++] = v;
    return TM_OK;
}

static enum tm_status tree_of_json(struct render *r, const json_t *json, struct value *ret,
                                   int depth)
{
    json_t *j = (json_t *)(uintptr_t)json; /* jansson iterates over what it could change */
    enum tm_status s = TM_OK;
    struct value v;
    if (json_is_array(j)) {
        *ret = value_list(r);
        for (size_t i = 0; s == TM_OK && i < json_array_size(j); i++)
            if ((s = value_of_json(r, json_array_get(j, i), &v, depth + 1)) == TM_OK)
                s = list_add(r, ret->list, v);
        return ret->list != NULL ? s : nomem(r);
    }
    *ret = value_dict(r);
    for (void *at = json_object_iter(j); s == TM_OK && at != NULL;
         at = json_object_iter_next(j, at))
        if ((s = value_of_json(r, json_object_iter_value(at), &v, depth + 1)) == TM_OK)
            s = dict_set(r, ret->dict, value_cstring(json_object_iter_key(at)), v);
    return ret->dict != NULL ? s : nomem(r);
}

enum tm_status value_of_json(struct render *r, const json_t *json, struct value *ret, int depth)
{
    if (depth > MAX_DEPTH)
        return fail(r, TM_DEPTH, "values are nested more than %d deep", MAX_DEPTH);
    switch (json_typeof(json)) {
    case JSON_OBJECT:
    case JSON_ARRAY:
        return tree_of_json(r, json, ret, depth);
    case JSON_STRING:
        *ret = value_string(json_string_value(json), json_string_length(json));
        break;
    case JSON_INTEGER:
        *ret = value_int(json_integer_value(json));
        break;
    case JSON_REAL:
        *ret = value_real(json_real_value(json));
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        *ret = value_bool(json_is_true(json));
        break;
    default:
        *ret = (struct value){.kind = NONE};
    }
    return TM_OK;
}

/* ---- comparing ---- */

bool value_true(const struct value *v)
{
    switch (v->kind) {
    case BOOL:
        return v->b;
    case INT:
        return v->i != 0;
    case REAL:
        return v->r != 0;
    case STRING:
        return v->n > 0;
    case LIST:
        return v->list->n > 0;
    case DICT:
        return v->dict->n > 0 || v->dict->is_namespace;
    default:
        return v->kind == MACRO || v->kind == FUNCTION;
    }
}

bool value_is(const struct value *v, const char *s)
{
    return v->kind == STRING && v->n == strlen(s) && memcmp(v->s, s, v->n) == 0;
}

static bool is_number(const struct value *v)
{
    return v->kind == INT || v->kind == REAL || v->kind == BOOL;
}

static double number(const struct value *v)
{
    return v->kind == REAL ? v->r : v->kind == INT ? (double)v->i : v->b;
}

static bool dict_equal(const struct dict *a, const struct dict *b, int depth)
{
    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++) {
        size_t k = 0;
        while (k < b->n && !value_equal(&a->key[i], &b->key[k], depth + 1))
            k++;
        if (k == b->n || !value_equal(&a->value[i], &b->value[k], depth + 1))
            return false;
    }
    return true;
}

bool value_equal(const struct value *a, const struct value *b, int depth)
{
    if (depth > MAX_DEPTH)
        return false;
    if (is_number(a) && is_number(b))
        return a->kind == REAL || b->kind == REAL ? number(a) == number(b)
                                                  : (int64_t)(a->kind == BOOL ? a->b : a->i) ==
                                                        (int64_t)(b->kind == BOOL ? b->b : b->i);
    if (a->kind != b->kind)
        return false;
    switch (a->kind) {
    case STRING:
        return a->n == b->n && memcmp(a->s, b->s, a->n) == 0;
    case LIST:
        for (size_t i = 0; i < a->list->n && a->list->n == b->list->n; i++)
            if (!value_equal(&a->list->item[i], &b->list->item[i], depth + 1))
                return false;
        return a->list->n == b->list->n;
    case DICT:
        return dict_equal(a->dict, b->dict, depth);
    case MACRO:
        return a->macro == b->macro;
    default:
        return true;
    }
}

enum tm_status value_compare(struct render *r, const struct value *a, const struct value *b,
                             int *ret)
{
    if (is_number(a) && is_number(b)) {
        *ret = (number(a) > number(b)) - (number(a) < number(b));
        return TM_OK;
    }
    if (a->kind == STRING && b->kind == STRING) { /* UTF-8 has the order of code points */
        int c = memcmp(a->s, b->s, TM_MIN(a->n, b->n));
        *ret = c != 0 ? c : (a->n > b->n) - (a->n < b->n);
        return TM_OK;
    }
    return fail(r, TM_BADINPUT, "%s and %s have no order", value_type(a), value_type(b));
}

const char *value_type(const struct value *v)
{
    static const char *const names[] = {[UNDEFINED] = "what is undefined",
                                        [NONE] = "none",
                                        [BOOL] = "bool",
                                        [INT] = "int",
                                        [REAL] = "float",
                                        [STRING] = "str",
                                        [LIST] = "list",
                                        [DICT] = "dict",
                                        [MACRO] = "macro",
                                        [FUNCTION] = "function"};
    return names[v->kind];
}

/* ---- writing ---- */

/* The fewest digits that give the number again, as Python writes them. */
static void put_real(struct tm_buf *out, double x)
{
    char text[40];
    double back = 0;
    if (!isfinite(x)) {
        tm_buf_puts(out, isnan(x) ? "nan" : x > 0 ? "inf" : "-inf");
        return;
    }
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, x);
        if (tm_json_number_f64(text, strlen(text), &back) && back == x)
            break;
    }
    bool short_power = strchr(text, 'e') != NULL && fabs(x) >= 1 && fabs(x) < 1e16;
    if (short_power)
        snprintf(text, sizeof text, "%.1f", x);
    tm_buf_puts(out, text);
    tm_buf_puts(out, strpbrk(text, ".e") == NULL ? ".0" : "");
}

/* repr of a string: ' but for one with ' and without ". */
static void put_quoted(struct tm_buf *out, const struct value *v)
{
    char quote = memchr(v->s, '\'', v->n) != NULL && memchr(v->s, '"', v->n) == NULL ? '"' : '\'';
    tm_buf_putc(out, quote);
    for (size_t i = 0; i < v->n; i++) {
        char c = v->s[i];
        if (c == quote || c == '\\')
            tm_buf_printf(out, "\\%c", c);
        else if (c == '\n' || c == '\r' || c == '\t')
            tm_buf_puts(out, c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t");
        else if ((unsigned char)c < 0x20 || c == 0x7f)
            tm_buf_printf(out, "\\x%02x", (unsigned char)c);
        else
            tm_buf_putc(out, c);
    }
    tm_buf_putc(out, quote);
}

static enum tm_status put_items(struct render *r, const struct value *v, struct tm_buf *out,
                                int depth)
{
    bool dict = v->kind == DICT;
    size_t n = dict ? v->dict->n : v->list->n;
    enum tm_status s = TM_OK;
    tm_buf_putc(out, dict ? '{' : '[');
    for (size_t i = 0; i < n && s == TM_OK; i++) {
        tm_buf_puts(out, i > 0 ? ", " : "");
        if (dict) {
            s = value_print(r, &v->dict->key[i], true, out, depth + 1);
            tm_buf_puts(out, ": ");
        }
        if (s == TM_OK)
            s = value_print(r, dict ? &v->dict->value[i] : &v->list->item[i], true, out, depth + 1);
    }
    tm_buf_putc(out, dict ? '}' : ']');
    return s;
}

enum tm_status value_print(struct render *r, const struct value *v, bool quoted, struct tm_buf *out,
                           int depth)
{
    if (depth > MAX_DEPTH || ++r->steps > MAX_STEPS)
        return fail(r, TM_DEPTH, "a value nested too deeply to be written");
    switch (v->kind) {
    case UNDEFINED:
        break;
    case NONE:
        tm_buf_puts(out, "None");
        break;
    case BOOL:
        tm_buf_puts(out, v->b ? "True" : "False");
        break;
    case INT:
        tm_buf_printf(out, "%lld", (long long)v->i);
        break;
    case REAL:
        put_real(out, v->r);
        break;
    case STRING:
        if (quoted)
            put_quoted(out, v);
        else
            tm_buf_append(out, v->s, v->n);
        break;
    case LIST:
    case DICT:
        return put_items(r, v, out, depth);
    default:
        return fail(r, TM_BADINPUT, "a %s is not text", value_type(v));
    }
    return out->failed ? fail(r, TM_TOOLARGE, "the text is too long") : TM_OK;
}

static void put_line(struct tm_buf *out, int indent, int depth)
{
    if (indent < 0)
        return;
    tm_buf_putc(out, '\n');
    for (int i = 0; i < indent * depth && !out->failed; i++)
        tm_buf_putc(out, ' ');
}

static enum tm_status json_items(struct render *r, const struct value *v, int indent,
                                 struct tm_buf *out, int depth)
{
    bool dict = v->kind == DICT;
    size_t n = dict ? v->dict->n : v->list->n;
    enum tm_status s = TM_OK;
    tm_buf_putc(out, dict ? '{' : '[');
    for (size_t i = 0; i < n && s == TM_OK; i++) {
        tm_buf_puts(out, i == 0 ? "" : indent < 0 ? ", " : ",");
        put_line(out, indent, depth + 1);
        if (dict && v->dict->key[i].kind != STRING)
            return fail(r, TM_BADINPUT, "keys of JSON are strings, not %s",
                        value_type(&v->dict->key[i]));
        if (dict) {
            s = value_json(r, &v->dict->key[i], indent, out, depth + 1);
            tm_buf_puts(out, ": ");
        }
        if (s == TM_OK)
            s = value_json(r, dict ? &v->dict->value[i] : &v->list->item[i], indent, out,
                           depth + 1);
    }
    if (n > 0)
        put_line(out, indent, depth);
    tm_buf_putc(out, dict ? '}' : ']');
    return s;
}

enum tm_status value_json(struct render *r, const struct value *v, int indent, struct tm_buf *out,
                          int depth)
{
    if (depth > MAX_DEPTH || ++r->steps > MAX_STEPS)
        return fail(r, TM_DEPTH, "a value nested too deeply to be written");
    switch (v->kind) {
    case NONE:
        tm_buf_puts(out, "null");
        break;
    case BOOL:
        tm_buf_puts(out, v->b ? "true" : "false");
        break;
    case STRING:
        tm_buf_json_string(out, v->s, v->n);
        break;
    case INT:
    case REAL:
        return value_print(r, v, false, out, depth);
    case LIST:
    case DICT:
        return json_items(r, v, indent, out, depth);
    default:
        return fail(r, TM_BADINPUT, "%s cannot be written as JSON", value_type(v));
    }
    return out->failed ? fail(r, TM_TOOLARGE, "the text is too long") : TM_OK;
}

enum tm_status value_of_buf(struct render *r, const struct tm_buf *buf, struct value *ret)
{
    if (buf->failed)
        return fail(r, TM_TOOLARGE, "the text is too long");
    const char *s = tm_arena_strndup(r->arena, buf->data != NULL ? buf->data : "", buf->len);
    *ret = value_string(s, buf->len);
    return s != NULL ? TM_OK : nomem(r);
}

enum tm_status value_text(struct render *r, const struct value *v, struct value *ret)
{
    if (v->kind == STRING) {
        *ret = *v;
        return TM_OK;
    }
    TM_CLEANUP(tm_buf_finish) struct tm_buf out = {.cap = MEMORY};
    enum tm_status s = value_print(r, v, false, &out, 0);
    return s == TM_OK ? value_of_buf(r, &out, ret) : s;
}

enum tm_status value_items(struct render *r, const struct value *v, struct list *ret)
{
    *ret = (struct list){.n = 0};
    switch (v->kind) {
    case UNDEFINED:
        return TM_OK;
    case LIST:
        *ret = *v->list;
        return TM_OK;
    case DICT:
        *ret = (struct list){.item = v->dict->key, .n = v->dict->n, .room = v->dict->n};
        return TM_OK;
    case STRING:
        for (size_t i = 0, len; i < v->n; i += len) {
            uint32_t cp;
            len = TM_MAX(tm_utf8_decode(v->s + i, v->n - i, &cp), 1);
            enum tm_status s = list_add(r, ret, value_string(v->s + i, len));
            if (s != TM_OK)
                return s;
        }
        return TM_OK;
    default:
        return fail(r, TM_BADINPUT, "%s has no items", value_type(v));
    }
}

enum tm_status value_contains(struct render *r, const struct value *in, const struct value *what,
                              bool *ret)
{
    struct list items;
    *ret = false;
    if (in->kind == STRING) {
        if (what->kind != STRING)
            return fail(r, TM_BADINPUT, "%s in str is not possible", value_type(what));
        *ret = what->n == 0 || memmem(in->s, in->n, what->s, what->n) != NULL;
        return TM_OK;
    }
    enum tm_status s = value_items(r, in, &items);
    for (size_t i = 0; i < items.n && s == TM_OK && !*ret; i++)
        *ret = value_equal(&items.item[i], what, 0);
    return s;
}
