/* Filters of templates: {{ x | trim }} (template.h). */
#include "template.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef enum tm_status filter_fn(struct render *r, const char *name, const struct value *v,
                                 const struct args *a, struct value *ret);

/* ---- of text ---- */

static enum tm_status trim(struct render *r, const char *name, const struct value *v,
                           const struct args *a, struct value *ret)
{
    (void)name;
    const struct value *set = arg(a, 0, "chars");
    struct value text;
    enum tm_status s = value_text(r, v, &text);
    bool given = set != NULL && set->kind == STRING;
    if (s == TM_OK)
        *ret = text_strip(&text, given ? set->s : NULL, given ? set->n : 0, true, true);
    return s;
}

static enum tm_status change_case(struct render *r, const char *name, const struct value *v,
                                  const struct args *a, struct value *ret)
{
    (void)a;
    return text_case(r, v,
                     name[0] == 'u'   ? UPPER
                     : name[0] == 'l' ? LOWER
                     : name[0] == 'c' ? CAPITAL
                                      : TITLE,
                     ret);
}

static enum tm_status replace(struct render *r, const char *name, const struct value *v,
                              const struct args *a, struct value *ret)
{
    const struct value *from = arg(a, 0, "old"), *to = arg(a, 1, "new"), *n = arg(a, 2, "count");
    struct value text;
    if (from == NULL || to == NULL)
        return fail(r, TM_BADINPUT, "%s takes two strings", name);
    enum tm_status s = value_text(r, v, &text);
    return s == TM_OK
               ? text_replace(r, &text, from, to, n != NULL && n->kind == INT ? n->i : -1, ret)
               : s;
}

static enum tm_status string(struct render *r, const char *name, const struct value *v,
                             const struct args *a, struct value *ret)
{
    (void)name;
    (void)a;
    return value_text(r, v, ret);
}

/* Lines but the first, and empty ones, begin with so many blanks. */
static enum tm_status indent(struct render *r, const char *name, const struct value *v,
                             const struct args *a, struct value *ret)
{
    (void)name;
    const struct value *width = arg(a, 0, "width"), *first = arg(a, 1, "first");
    int64_t n = width != NULL && width->kind == INT ? TM_MIN(TM_MAX(width->i, 0), 256) : 4;
    struct value text;
    enum tm_status s = value_text(r, v, &text);
    if (s != TM_OK)
        return s;
    TM_CLEANUP(tm_buf_finish) struct tm_buf out = {.cap = MEMORY};
    for (size_t i = 0; i < text.n; i++) {
        bool begins = i == 0 ? first != NULL && value_true(first) : text.s[i - 1] == '\n';
        for (int64_t k = 0; k < n && begins && text.s[i] != '\n'; k++)
            tm_buf_putc(&out, ' ');
        tm_buf_putc(&out, text.s[i]);
    }
    return value_of_buf(r, &out, ret);
}

static enum tm_status escape(struct render *r, const char *name, const struct value *v,
                             const struct args *a, struct value *ret)
{
    (void)name;
    (void)a;
    struct value text;
    enum tm_status s = value_text(r, v, &text);
    if (s != TM_OK)
        return s;
    TM_CLEANUP(tm_buf_finish) struct tm_buf out = {.cap = MEMORY};
    for (size_t i = 0; i < text.n; i++) {
        static const char from[] = "&<>\"'";
        static const char *const to[] = {"&amp;", "&lt;", "&gt;", "&#34;", "&#39;"};
        const char *at = text.s[i] != '\0' ? strchr(from, text.s[i]) : NULL;
        if (at != NULL)
            tm_buf_puts(&out, to[at - from]);
        else
            tm_buf_putc(&out, text.s[i]);
    }
    return value_of_buf(r, &out, ret);
}

static enum tm_status to_json(struct render *r, const char *name, const struct value *v,
                              const struct args *a, struct value *ret)
{
    (void)name;
    /* transformers': tojson(x, ensure_ascii, indent, …); templates name what they give */
    static const char *const others[] = {"ensure_ascii", "separators", "sort_keys"};
    const struct value *width = arg(a, 1, "indent");
    for (size_t i = 0; i < TM_COUNTOF(others); i++) {
        const struct value *other = arg(a, SIZE_MAX, others[i]);
        if (other != NULL && value_true(other))
            return fail(r, TM_UNSUPPORTED, "tojson has no %s here", others[i]);
    }
    TM_CLEANUP(tm_buf_finish) struct tm_buf out = {.cap = MEMORY};
    int n = width != NULL && width->kind == INT ? (int)TM_MIN(TM_MAX(width->i, 0), 16) : -1;
    enum tm_status s = value_json(r, v, n, &out, 0);
    return s == TM_OK ? value_of_buf(r, &out, ret) : s;
}

/* ---- of numbers ---- */

static enum tm_status number(struct render *r, const char *name, const struct value *v,
                             const struct args *a, struct value *ret)
{
    const struct value *without = arg(a, 0, "default");
    double x = v->kind == REAL ? v->r : v->kind == INT ? (double)v->i : v->kind == BOOL && v->b;
    bool real = name[0] == 'f';
    if (v->kind == STRING) {
        struct value text = text_strip(v, NULL, 0, true, true);
        if (!tm_json_number_f64(text.s, text.n, &x)) {
            *ret = without != NULL ? *without : real ? value_real(0) : value_int(0);
            return TM_OK;
        }
    }
    if (!real && !(fabs(x) < 9e18))
        return fail(r, TM_BADINPUT, "a number out of range");
    *ret = real ? value_real(x) : v->kind == INT ? *v : value_int((int64_t)x);
    return TM_OK;
}

static enum tm_status absolute(struct render *r, const char *name, const struct value *v,
                               const struct args *a, struct value *ret)
{
    (void)a;
    if (v->kind != REAL && (v->kind != INT || v->i == INT64_MIN))
        return fail(r, TM_BADINPUT, "%s takes a number", name);
    *ret = v->kind == REAL ? value_real(fabs(v->r)) : value_int(v->i < 0 ? -v->i : v->i);
    return TM_OK;
}

/* ---- of lists ---- */

static enum tm_status length(struct render *r, const char *name, const struct value *v,
                             const struct args *a, struct value *ret)
{
    (void)name;
    (void)a;
    struct list items;
    if (v->kind == STRING) {
        *ret = value_int((int64_t)tm_utf8_count(v->s, v->n));
        return TM_OK;
    }
    enum tm_status s = value_items(r, v, &items);
    *ret = value_int((int64_t)items.n);
    return s;
}

static enum tm_status first_last(struct render *r, const char *name, const struct value *v,
                                 const struct args *a, struct value *ret)
{
    (void)a;
    struct list items;
    enum tm_status s = value_items(r, v, &items);
    *ret = (struct value){.kind = UNDEFINED};
    if (s == TM_OK && items.n > 0)
        *ret = items.item[name[0] == 'f' ? 0 : items.n - 1];
    return s;
}

/* The items in a list of their own: list, reverse, unique, items of a mapping. */
static enum tm_status as_list(struct render *r, const char *name, const struct value *v,
                              const struct args *a, struct value *ret)
{
    (void)a;
    struct list items;
    enum tm_status s = value_items(r, v, &items);
    *ret = value_list(r);
    for (size_t i = 0; i < items.n && s == TM_OK; i++) {
        const struct value *item = &items.item[name[0] == 'r' ? items.n - 1 - i : i];
        bool seen = false;
        for (size_t k = 0; name[0] == 'u' && k < ret->list->n && !seen; k++, r->steps++)
            seen = value_equal(item, &ret->list->item[k], 0);
        if (!seen)
            s = list_add(r, ret->list, *item);
    }
    if (s == TM_OK && ret->list != NULL && name[0] == 'r' && v->kind == STRING) {
        const struct list turned = *ret->list;
        return text_join(r, &turned, NULL, ret);
    }
    return ret->list != NULL ? s : nomem(r);
}

static enum tm_status items(struct render *r, const char *name, const struct value *v,
                            const struct args *a, struct value *ret)
{
    if (v->kind == DICT)
        return method(r, v, name, a, ret);
    *ret = value_list(r);
    if (v->kind != UNDEFINED)
        return fail(r, TM_BADINPUT, "%s takes a mapping", name);
    return ret->list != NULL ? TM_OK : nomem(r);
}

/* What "a.b" names in an item. */
static struct value part_of(const struct value *v, const struct value *path)
{
    struct value at = *v;
    for (size_t i = 0; i < path->n && at.kind == DICT;) {
        const char *dot = memchr(path->s + i, '.', path->n - i);
        size_t n = dot != NULL ? (size_t)(dot - path->s) - i : path->n - i;
        const struct value *found = dict_find(at.dict, path->s + i, n);
        at = found != NULL ? *found : (struct value){.kind = UNDEFINED};
        i += n + 1;
    }
    return at.kind == DICT || path->n > 0 ? at : *v;
}

static enum tm_status join(struct render *r, const char *name, const struct value *v,
                           const struct args *a, struct value *ret)
{
    (void)name;
    const struct value *between = arg(a, 0, "d"), *attribute = arg(a, 1, "attribute");
    struct list list;
    enum tm_status s = value_items(r, v, &list);
    if (s == TM_OK && attribute != NULL && attribute->kind == STRING) {
        struct list parts = {.n = 0};
        for (size_t i = 0; i < list.n && s == TM_OK; i++)
            s = list_add(r, &parts, part_of(&list.item[i], attribute));
        list = parts;
    }
    return s == TM_OK ? text_join(r, &list,
                                  between != NULL && between->kind == STRING ? between : NULL, ret)
                      : s;
}

struct ordered {
    struct value key, value;
};

/* Stable, by insertion: lists of templates are short; each step counts. */
static enum tm_status sort(struct render *r, const char *name, const struct value *v,
                           const struct args *a, struct value *ret)
{
    (void)name;
    const struct value *reverse = arg(a, 0, "reverse"), *attribute = arg(a, 2, "attribute");
    const struct value *sensitive = arg(a, 1, "case_sensitive");
    struct list list;
    enum tm_status s = value_items(r, v, &list);
    struct ordered *all =
        s == TM_OK ? tm_arena_array(r->arena, TM_MAX(list.n, 1), sizeof *all) : NULL;
    *ret = value_list(r);
    if (s != TM_OK || all == NULL || ret->list == NULL)
        return s != TM_OK ? s : nomem(r);
    bool down = reverse != NULL && value_true(reverse);
    for (size_t i = 0; i < list.n; i++) {
        struct ordered o = {.value = list.item[i]};
        o.key =
            attribute != NULL && attribute->kind == STRING ? part_of(&o.value, attribute) : o.value;
        if (o.key.kind == STRING && (sensitive == NULL || !value_true(sensitive)) &&
            (s = text_case(r, &o.key, LOWER, &o.key)) != TM_OK)
            return s;
        size_t k = i;
        for (; k > 0; k--) {
            int order = 0;
            if (++r->steps > MAX_STEPS)
                return fail(r, TM_TIMEOUT, "more than %d steps", MAX_STEPS);
            if ((s = value_compare(r, &all[k - 1].key, &o.key, &order)) != TM_OK)
                return s;
            if (down ? order >= 0 : order <= 0)
                break;
            all[k] = all[k - 1];
        }
        all[k] = o;
    }
    for (size_t i = 0; i < list.n && s == TM_OK; i++)
        s = list_add(r, ret->list, all[i].value);
    return s;
}

/* select, reject, selectattr, rejectattr: by a test, or by being true. */
static enum tm_status choose(struct render *r, const char *name, const struct value *v,
                             const struct args *a, struct value *ret)
{
    bool by_part = strstr(name, "attr") != NULL, wanted = name[0] == 's';
    const struct value *path = by_part ? arg(a, 0, NULL) : NULL;
    const struct value *how = arg(a, by_part, NULL);
    size_t used = TM_MIN(a->n, (size_t)by_part + (how != NULL));
    const struct args rest = {a->value + used, a->name + used, a->n - used};
    struct list list;
    char test_name[64] = "";
    if ((by_part && (path == NULL || path->kind != STRING)) ||
        (how != NULL && (how->kind != STRING || how->n >= sizeof test_name)))
        return fail(r, TM_BADINPUT, "%s takes names", name);
    if (how != NULL)
        memcpy(test_name, how->s, how->n);
    enum tm_status s = value_items(r, v, &list);
    *ret = value_list(r);
    for (size_t i = 0; i < list.n && s == TM_OK; i++) {
        struct value part = by_part ? part_of(&list.item[i], path) : list.item[i];
        bool holds = value_true(&part);
        if (how != NULL)
            s = test(r, test_name, &part, &rest, &holds);
        if (s == TM_NOTFOUND)
            return fail(r, TM_UNSUPPORTED, "there is no test %s", test_name);
        if (s == TM_OK && holds == wanted)
            s = list_add(r, ret->list, list.item[i]);
    }
    return ret->list != NULL ? s : nomem(r);
}

/* map(attribute="x"), map("filter", …) */
static enum tm_status map(struct render *r, const char *name, const struct value *v,
                          const struct args *a, struct value *ret)
{
    const struct value *attribute = arg(a, SIZE_MAX, "attribute"), *how = arg(a, 0, NULL);
    const struct value *without = arg(a, SIZE_MAX, "default");
    const struct args rest = {a->value + 1, a->name + 1, a->n > 0 ? a->n - 1 : 0};
    const struct value *which = attribute != NULL ? attribute : how;
    char filter_name[64] = "";
    struct list list;
    if (which == NULL || which->kind != STRING || which->n >= sizeof filter_name)
        return fail(r, TM_BADINPUT, "%s takes the name of an attribute or a filter", name);
    memcpy(filter_name, which->s, which->n);
    enum tm_status s = value_items(r, v, &list);
    *ret = value_list(r);
    for (size_t i = 0; i < list.n && s == TM_OK; i++) {
        struct value item;
        if (attribute != NULL) {
            item = part_of(&list.item[i], attribute);
            if (item.kind == UNDEFINED && without != NULL)
                item = *without;
        } else if ((s = filter(r, filter_name, &list.item[i], &rest, &item)) == TM_NOTFOUND) {
            return fail(r, TM_UNSUPPORTED, "there is no filter %s", filter_name);
        }
        if (s == TM_OK)
            s = list_add(r, ret->list, item);
    }
    return ret->list != NULL ? s : nomem(r);
}

static enum tm_status or_default(struct render *r, const char *name, const struct value *v,
                                 const struct args *a, struct value *ret)
{
    (void)r;
    (void)name;
    const struct value *without = arg(a, 0, "default_value"), *falsy = arg(a, 1, "boolean");
    bool missing = v->kind == UNDEFINED || (falsy != NULL && value_true(falsy) && !value_true(v));
    *ret = !missing ? *v : without != NULL ? *without : value_string("", 0);
    return TM_OK;
}

static enum tm_status same(struct render *r, const char *name, const struct value *v,
                           const struct args *a, struct value *ret)
{
    (void)r;
    (void)name;
    (void)a;
    *ret = *v;
    return TM_OK;
}

static const struct {
    const char *name;
    filter_fn *fn;
} filters[] = {
    {"trim", trim},         {"upper", change_case},
    {"lower", change_case}, {"capitalize", change_case},
    {"title", change_case}, {"replace", replace},
    {"string", string},     {"indent", indent},
    {"escape", escape},     {"e", escape},
    {"tojson", to_json},    {"int", number},
    {"float", number},      {"abs", absolute},
    {"length", length},     {"count", length},
    {"first", first_last},  {"last", first_last},
    {"list", as_list},      {"reverse", as_list},
    {"unique", as_list},    {"items", items},
    {"join", join},         {"sort", sort},
    {"select", choose},     {"reject", choose},
    {"selectattr", choose}, {"rejectattr", choose},
    {"map", map},           {"default", or_default},
    {"d", or_default},      {"safe", same},
};

enum tm_status filter(struct render *r, const char *name, const struct value *v,
                      const struct args *a, struct value *ret)
{
    for (size_t i = 0; i < TM_COUNTOF(filters); i++)
        if (strcmp(filters[i].name, name) == 0)
            return filters[i].fn(r, name, v, a, ret);
    return TM_NOTFOUND;
}
