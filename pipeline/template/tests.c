/* Tests of templates: {{ x is defined }} (template.h). */
#include "template.h"

#include <string.h>

enum what {
    IS_DEFINED,
    IS_UNDEFINED,
    IS_NONE,
    IS_STRING,
    IS_NUMBER,
    IS_INTEGER,
    IS_FLOAT,
    IS_BOOLEAN,
    IS_TRUE,
    IS_FALSE,
    IS_MAPPING,
    IS_ITERABLE,
    IS_SEQUENCE,
    IS_CALLABLE,
    IS_ODD,
    IS_EVEN,
    IS_DIVISIBLE,
    IS_EQUAL,
    IS_UNEQUAL,
    IS_IN,
    IS_LESS,
    IS_MORE,
    IS_LESS_OR_EQUAL,
    IS_MORE_OR_EQUAL
};

static const struct {
    const char *name;
    enum what what;
} names[] = {
    {"defined", IS_DEFINED},
    {"undefined", IS_UNDEFINED},
    {"none", IS_NONE},
    {"string", IS_STRING},
    {"number", IS_NUMBER},
    {"integer", IS_INTEGER},
    {"float", IS_FLOAT},
    {"boolean", IS_BOOLEAN},
    {"true", IS_TRUE},
    {"false", IS_FALSE},
    {"mapping", IS_MAPPING},
    {"iterable", IS_ITERABLE},
    {"sequence", IS_SEQUENCE},
    {"callable", IS_CALLABLE},
    {"odd", IS_ODD},
    {"even", IS_EVEN},
    {"divisibleby", IS_DIVISIBLE},
    {"equalto", IS_EQUAL},
    {"eq", IS_EQUAL},
    {"ne", IS_UNEQUAL},
    {"in", IS_IN},
    {"lt", IS_LESS},
    {"lessthan", IS_LESS},
    {"gt", IS_MORE},
    {"greaterthan", IS_MORE},
    {"le", IS_LESS_OR_EQUAL},
    {"ge", IS_MORE_OR_EQUAL},
};

static bool of_kind(enum what what, const struct value *v)
{
    switch (what) {
    case IS_DEFINED:
        return v->kind != UNDEFINED;
    case IS_UNDEFINED:
        return v->kind == UNDEFINED;
    case IS_NONE:
        return v->kind == NONE;
    case IS_STRING:
        return v->kind == STRING;
    case IS_NUMBER:
        return v->kind == INT || v->kind == REAL || v->kind == BOOL;
    case IS_INTEGER:
        return v->kind == INT;
    case IS_FLOAT:
        return v->kind == REAL;
    case IS_BOOLEAN:
        return v->kind == BOOL;
    case IS_TRUE:
        return v->kind == BOOL && v->b;
    case IS_FALSE:
        return v->kind == BOOL && !v->b;
    case IS_MAPPING:
        return v->kind == DICT;
    case IS_CALLABLE:
        return v->kind == MACRO || v->kind == FUNCTION;
    default: /* iterable, sequence */
        return v->kind == LIST || v->kind == DICT || v->kind == STRING || v->kind == UNDEFINED;
    }
}

static enum tm_status divides(struct render *r, const struct value *v, int64_t by, int64_t rest,
                              bool *ret)
{
    if (v->kind != INT || by == 0)
        return fail(r, TM_BADINPUT, "%s is no whole number", value_type(v));
    *ret = by == -1 || v->i % by == rest || v->i % by == -rest;
    return TM_OK;
}

static enum tm_status against(struct render *r, enum what what, const struct value *v,
                              const struct value *other, bool *ret)
{
    int order = 0;
    switch (what) {
    case IS_DIVISIBLE:
        return divides(r, v, other->kind == INT ? other->i : 0, 0, ret);
    case IS_EQUAL:
    case IS_UNEQUAL:
        *ret = value_equal(v, other, 0) == (what == IS_EQUAL);
        return TM_OK;
    case IS_IN:
        return value_contains(r, other, v, ret);
    default:
        break;
    }
    enum tm_status s = value_compare(r, v, other, &order);
    *ret = what == IS_LESS            ? order < 0
           : what == IS_MORE          ? order > 0
           : what == IS_LESS_OR_EQUAL ? order <= 0
                                      : order >= 0;
    return s;
}

enum tm_status test(struct render *r, const char *name, const struct value *v, const struct args *a,
                    bool *ret)
{
    for (size_t i = 0; i < TM_COUNTOF(names); i++) {
        if (strcmp(names[i].name, name) != 0)
            continue;
        enum what what = names[i].what;
        if (what < IS_ODD) {
            *ret = of_kind(what, v);
            return TM_OK;
        }
        if (what == IS_ODD || what == IS_EVEN)
            return divides(r, v, 2, what == IS_ODD, ret);
        const struct value *other = arg(a, 0, NULL);
        return other != NULL ? against(r, what, v, other, ret)
                             : fail(r, TM_BADINPUT, "the test %s takes a value", name);
    }
    return TM_NOTFOUND;
}
