/* Methods of strings and mappings, and the functions that templates may call (template.h). */
#include "template.h"

#include <string.h>
#include <time.h>

enum { MAX_RANGE = 1 << 20 };

/* ---- strings ---- */

struct call {
    const struct value *self;
    const struct args *args;
    const char *name;
};

/* A string argument; NULL: not given, or none. */
static const struct value *string_arg(const struct call *c, size_t place, const char *name)
{
    const struct value *v = arg(c->args, place, name);
    return v != NULL && v->kind == STRING ? v : NULL;
}

static enum tm_status strip(struct render *r, const struct call *c, struct value *ret)
{
    (void)r;
    const struct value *set = string_arg(c, 0, "chars");
    *ret = text_strip(c->self, set != NULL ? set->s : NULL, set != NULL ? set->n : 0,
                      c->name[0] != 'r', c->name[0] != 'l');
    return TM_OK;
}

/* At the separator, else at runs of blanks. */
static enum tm_status split(struct render *r, const struct call *c, struct value *ret)
{
    const struct value *by = string_arg(c, 0, "sep"), *most = arg(c->args, 1, "maxsplit");
    int64_t left = most != NULL && most->kind == INT ? most->i : -1;
    const char *s = c->self->s, *end = s + c->self->n;
    enum tm_status st = TM_OK;
    *ret = value_list(r);
    if (ret->list == NULL)
        return nomem(r);
    if (by != NULL && by->n == 0)
        return fail(r, TM_BADINPUT, "split by an empty string");
    for (; st == TM_OK; left -= left > 0) {
        struct value rest = value_string(s, (size_t)(end - s));
        if (by == NULL) {
            rest = text_strip(&rest, NULL, 0, true, left == 0);
            s = rest.s;
            if (rest.n == 0)
                return TM_OK;
        }
        const char *at = by != NULL ? memmem(s, rest.n, by->s, by->n) : s;
        while (by == NULL && at < end && strchr(" \t\n\v\f\r", *at) == NULL)
            at++;
        if (left == 0 || at == NULL || (by == NULL && at == end))
            return list_add(r, ret->list, rest);
        st = list_add(r, ret->list, value_string(s, (size_t)(at - s)));
        s = at + (by != NULL ? by->n : 1);
    }
    return st;
}

static enum tm_status split_lines(struct render *r, const struct call *c, struct value *ret)
{
    enum tm_status s = TM_OK;
    *ret = value_list(r);
    for (size_t from = 0; from < c->self->n && s == TM_OK;) {
        const char *line = c->self->s + from;
        const char *end = memchr(line, '\n', c->self->n - from);
        size_t n = end != NULL ? (size_t)(end - line) : c->self->n - from;
        s = list_add(r, ret->list,
                     value_string(line, n - (end != NULL && n > 0 && line[n - 1] == '\r')));
        from += n + 1;
    }
    return ret->list != NULL ? s : nomem(r);
}

static bool has_end(const struct value *self, const struct value *part, bool at_start)
{
    return part->kind == STRING && part->n <= self->n &&
           memcmp(at_start ? self->s : self->s + self->n - part->n, part->s, part->n) == 0;
}

static enum tm_status starts_ends(struct render *r, const struct call *c, struct value *ret)
{
    const struct value *part = arg(c->args, 0, NULL);
    bool at_start = c->name[0] == 's', is = false;
    if (part == NULL || (part->kind != STRING && part->kind != LIST))
        return fail(r, TM_BADINPUT, "%s takes a string", c->name);
    if (part->kind == LIST)
        for (size_t i = 0; i < part->list->n; i++)
            is |= has_end(c->self, &part->list->item[i], at_start);
    *ret = value_bool(is || has_end(c->self, part, at_start));
    return TM_OK;
}

static enum tm_status remove_end(struct render *r, const struct call *c, struct value *ret)
{
    const struct value *part = string_arg(c, 0, NULL);
    bool at_start = strcmp(c->name, "removeprefix") == 0;
    if (part == NULL)
        return fail(r, TM_BADINPUT, "%s takes a string", c->name);
    *ret = *c->self;
    if (has_end(c->self, part, at_start)) {
        ret->s += at_start ? part->n : 0;
        ret->n -= part->n;
    }
    return TM_OK;
}

static enum tm_status change_case(struct render *r, const struct call *c, struct value *ret)
{
    enum text_case how = c->name[0] == 'u'   ? UPPER
                         : c->name[0] == 'l' ? LOWER
                         : c->name[0] == 'c' ? CAPITAL
                                             : TITLE;
    return text_case(r, c->self, how, ret);
}

static enum tm_status replace(struct render *r, const struct call *c, struct value *ret)
{
    const struct value *from = arg(c->args, 0, "old"), *to = arg(c->args, 1, "new");
    const struct value *count = arg(c->args, 2, "count");
    if (from == NULL || to == NULL)
        return fail(r, TM_BADINPUT, "replace takes two strings");
    return text_replace(r, c->self, from, to, count != NULL && count->kind == INT ? count->i : -1,
                        ret);
}

static enum tm_status join(struct render *r, const struct call *c, struct value *ret)
{
    struct list items;
    const struct value *list = arg(c->args, 0, NULL);
    if (list == NULL)
        return fail(r, TM_BADINPUT, "join takes a list");
    enum tm_status s = value_items(r, list, &items);
    return s == TM_OK ? text_join(r, &items, c->self, ret) : s;
}

/* find: in code points, -1: not there; count. */
static enum tm_status find_count(struct render *r, const struct call *c, struct value *ret)
{
    const struct value *part = string_arg(c, 0, NULL);
    if (part == NULL || part->n == 0)
        return fail(r, TM_BADINPUT, "%s takes a string", c->name);
    const char *s = c->self->s, *end = s + c->self->n;
    const char *at = memmem(s, c->self->n, part->s, part->n);
    int64_t count = 0;
    if (c->name[0] == 'f') {
        *ret = value_int(at != NULL ? (int64_t)tm_utf8_count(s, (size_t)(at - s)) : -1);
        return TM_OK;
    }
    for (; at != NULL; at = memmem(at, (size_t)(end - at), part->s, part->n)) {
        at += part->n;
        count++;
    }
    *ret = value_int(count);
    return TM_OK;
}

static enum tm_status is_digits(struct render *r, const struct call *c, struct value *ret)
{
    (void)r;
    bool is = c->self->n > 0;
    for (size_t i = 0; i < c->self->n; i++)
        is &= c->self->s[i] >= '0' && c->self->s[i] <= '9';
    *ret = value_bool(is);
    return TM_OK;
}

/* ---- mappings ---- */

static enum tm_status get(struct render *r, const struct call *c, struct value *ret)
{
    const struct value *key = arg(c->args, 0, "key"), *without = arg(c->args, 1, "default");
    if (key == NULL)
        return fail(r, TM_BADINPUT, "get takes a key");
    *ret = without != NULL ? *without : (struct value){.kind = NONE};
    for (size_t i = 0; i < c->self->dict->n; i++)
        if (value_equal(&c->self->dict->key[i], key, 0))
            *ret = c->self->dict->value[i];
    return TM_OK;
}

static enum tm_status items(struct render *r, const struct call *c, struct value *ret)
{
    const struct dict *d = c->self->dict;
    enum tm_status s = TM_OK;
    *ret = value_list(r);
    for (size_t i = 0; i < d->n && s == TM_OK; i++) {
        struct value pair = c->name[0] == 'k' ? d->key[i] : d->value[i];
        if (c->name[0] == 'i') {
            pair = value_list(r);
            if ((s = list_add(r, pair.list, d->key[i])) == TM_OK)
                s = list_add(r, pair.list, d->value[i]);
        }
        if (s == TM_OK)
            s = list_add(r, ret->list, pair);
    }
    return ret->list != NULL ? s : nomem(r);
}

static const struct {
    enum kind kind;
    const char *name;
    enum tm_status (*call)(struct render *r, const struct call *c, struct value *ret);
} methods[] = {
    {STRING, "strip", strip},
    {STRING, "lstrip", strip},
    {STRING, "rstrip", strip},
    {STRING, "split", split},
    {STRING, "splitlines", split_lines},
    {STRING, "startswith", starts_ends},
    {STRING, "endswith", starts_ends},
    {STRING, "removeprefix", remove_end},
    {STRING, "removesuffix", remove_end},
    {STRING, "upper", change_case},
    {STRING, "lower", change_case},
    {STRING, "capitalize", change_case},
    {STRING, "title", change_case},
    {STRING, "replace", replace},
    {STRING, "join", join},
    {STRING, "find", find_count},
    {STRING, "count", find_count},
    {STRING, "isdigit", is_digits},
    {DICT, "get", get},
    {DICT, "items", items},
    {DICT, "keys", items},
    {DICT, "values", items},
};

enum tm_status method(struct render *r, const struct value *self, const char *name,
                      const struct args *a, struct value *ret)
{
    const struct call c = {self, a, name};
    for (size_t i = 0; i < TM_COUNTOF(methods); i++)
        if (methods[i].kind == self->kind && strcmp(methods[i].name, name) == 0)
            return methods[i].call(r, &c, ret);
    return TM_NOTFOUND;
}

/* ---- functions ---- */

static enum tm_status range(struct render *r, const struct args *a, struct value *ret)
{
    int64_t bound[3] = {0, 0, 1};
    for (size_t i = 0; i < 3 && i < a->n; i++) {
        if (a->value[i].kind != INT)
            return fail(r, TM_BADINPUT, "range takes whole numbers");
        bound[i] = a->value[i].i;
    }
    if (a->n == 1) {
        bound[1] = bound[0];
        bound[0] = 0;
    }
    if (a->n == 0 || bound[2] == 0)
        return fail(r, TM_BADINPUT, "range takes an end and a step that is not 0");
    enum tm_status s = TM_OK;
    *ret = value_list(r);
    for (int64_t i = bound[0], n = 0; s == TM_OK && (bound[2] > 0 ? i < bound[1] : i > bound[1]);
         n++) {
        if (n == MAX_RANGE)
            return fail(r, TM_TOOLARGE, "a range of more than %d numbers", MAX_RANGE);
        s = list_add(r, ret->list, value_int(i));
        if (__builtin_add_overflow(i, bound[2], &i))
            break;
    }
    return ret->list != NULL ? s : nomem(r);
}

static enum tm_status make_dict(struct render *r, const struct args *a, bool is_namespace,
                                struct value *ret)
{
    enum tm_status s = TM_OK;
    *ret = value_dict(r);
    if (ret->dict == NULL)
        return nomem(r);
    ret->dict->is_namespace = is_namespace;
    for (size_t i = 0; i < a->n && s == TM_OK; i++) {
        if (a->name[i] != NULL)
            s = dict_set(r, ret->dict, value_cstring(a->name[i]), a->value[i]);
        else if (a->value[i].kind == DICT)
            for (size_t k = 0; k < a->value[i].dict->n && s == TM_OK; k++)
                s = dict_set(r, ret->dict, a->value[i].dict->key[k], a->value[i].dict->value[k]);
        else
            s = fail(r, TM_BADINPUT, "names are given as name=value");
    }
    return s;
}

/* The present local time, as chat templates tell their models. */
static enum tm_status time_now(struct render *r, const struct args *a, struct value *ret)
{
    const struct value *form = arg(a, 0, "format");
    char text[256], how[128];
    struct tm now;
    time_t seconds = time(NULL);
    if (form == NULL || form->kind != STRING || form->n >= sizeof how)
        return fail(r, TM_BADINPUT, "strftime_now takes a short format");
    memcpy(how, form->s, form->n);
    how[form->n] = '\0';
    localtime_r(&seconds, &now);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    size_t n = strftime(text, sizeof text, how, &now);
#pragma GCC diagnostic pop
    const char *own = tm_arena_strndup(r->arena, text, n);
    *ret = value_string(own, n);
    return own != NULL ? TM_OK : nomem(r);
}

enum tm_status function(struct render *r, const char *name, const struct args *a, struct value *ret)
{
    if (strcmp(name, "range") == 0)
        return range(r, a, ret);
    if (strcmp(name, "strftime_now") == 0)
        return time_now(r, a, ret);
    if (strcmp(name, "raise_exception") == 0) {
        const struct value *text = arg(a, 0, "message");
        bool is = text != NULL && text->kind == STRING;
        return fail(r, TM_BADINPUT, "%.*s", is ? (int)TM_MIN(text->n, (size_t)120) : 9,
                    is ? text->s : "it raised");
    }
    return make_dict(r, a, strcmp(name, "namespace") == 0, ret);
}
