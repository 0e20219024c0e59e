/* Expressions of templates (template.h). What is not there is UNDEFINED, which prints as nothing
 * and is false; taking something of it fails, as in Jinja. */
#include "template.h"

#include <math.h>
#include <string.h>

const struct value *arg(const struct args *a, size_t place, const char *name)
{
    for (size_t i = 0; i < a->n; i++)
        if (a->name[i] != NULL ? name != NULL && strcmp(a->name[i], name) == 0 : i == place)
            return &a->value[i];
    return NULL;
}

/* ---- arithmetic ---- */

static bool as_int(const struct value *v, int64_t *ret)
{
    *ret = v->kind == BOOL ? v->b : v->i;
    return v->kind == INT || v->kind == BOOL;
}

static bool as_real(const struct value *v, double *ret)
{
    int64_t i;
    *ret = v->kind == REAL ? v->r : as_int(v, &i) ? (double)i : 0;
    return v->kind == REAL || v->kind == INT || v->kind == BOOL;
}

static enum tm_status int_power(struct render *r, int64_t x, int64_t y, struct value *ret)
{
    int64_t product = 1;
    if (y < 0) {
        *ret = value_real(pow((double)x, (double)y));
        return TM_OK;
    }
    for (; y > 0 && (x < -1 || x > 1); y--)
        if (__builtin_mul_overflow(product, x, &product))
            return fail(r, TM_BADINPUT, "a number out of range");
    *ret = value_int(y == 0 ? product : x == 1 ? 1 : x == 0 ? 0 : y % 2 == 0 ? 1 : -1);
    return TM_OK;
}

/* Python's: // and % round down. */
static enum tm_status int_operation(struct render *r, char op, bool twice, int64_t x, int64_t y,
                                    struct value *ret)
{
    int64_t z = 0;
    bool over = false;
    if ((op == '/' || op == '%') && y == 0)
        return fail(r, TM_BADINPUT, "division by zero");
    if (op == '*' && twice)
        return int_power(r, x, y, ret);
    if (op == '/' && !twice) {
        *ret = value_real((double)x / (double)y);
        return TM_OK;
    }
    if (op == '+')
        over = __builtin_add_overflow(x, y, &z);
    else if (op == '-')
        over = __builtin_sub_overflow(x, y, &z);
    else if (op == '*')
        over = __builtin_mul_overflow(x, y, &z);
    else if (y == -1) /* INT64_MIN / -1 is none */
        over = op == '/' && __builtin_sub_overflow((int64_t)0, x, &z);
    else if (op == '/')
        z = x / y - (x % y != 0 && (x < 0) != (y < 0));
    else
        z = x % y + (x % y != 0 && (x < 0) != (y < 0) ? y : 0);
    *ret = value_int(z);
    return over ? fail(r, TM_BADINPUT, "a number out of range") : TM_OK;
}

static enum tm_status real_operation(struct render *r, char op, bool twice, double x, double y,
                                     struct value *ret)
{
    if ((op == '/' || op == '%') && y == 0)
        return fail(r, TM_BADINPUT, "division by zero");
    double z = op == '+'   ? x + y
               : op == '-' ? x - y
               : op == '*' ? (twice ? pow(x, y) : x * y)
               : op == '/' ? (twice ? floor(x / y) : x / y)
                           : x - y * floor(x / y);
    *ret = value_real(z);
    return TM_OK;
}

static enum tm_status concatenate(struct render *r, const struct value *a, const struct value *b,
                                  struct value *ret)
{
    struct value x, y;
    enum tm_status s = value_text(r, a, &x);
    if (s == TM_OK)
        s = value_text(r, b, &y);
    if (s != TM_OK)
        return s;
    char *text = tm_arena_alloc(r->arena, x.n + y.n + 1);
    if (text == NULL)
        return nomem(r);
    memcpy(text, x.s, x.n);
    memcpy(text + x.n, y.s, y.n);
    *ret = value_string(text, x.n + y.n);
    return TM_OK;
}

/* text * n, list * n */
static enum tm_status repeat(struct render *r, const struct value *v, int64_t n, struct value *ret)
{
    enum tm_status s = TM_OK;
    n = TM_MAX(n, 0);
    if (v->kind == STRING) {
        char *text =
            v->n == 0 ? tm_arena_alloc(r->arena, 1) : tm_arena_array(r->arena, v->n, (size_t)n + 1);
        for (int64_t i = 0; text != NULL && v->n > 0 && i < n; i++)
            memcpy(text + (size_t)i * v->n, v->s, v->n);
        *ret = value_string(text, v->n * (size_t)n);
        return text != NULL ? TM_OK : nomem(r);
    }
    *ret = value_list(r);
    for (int64_t i = 0; i < n && s == TM_OK && v->list->n > 0; i++)
        for (size_t k = 0; k < v->list->n && s == TM_OK; k++)
            s = list_add(r, ret->list, v->list->item[k]);
    return ret->list != NULL ? s : nomem(r);
}

static enum tm_status join_lists(struct render *r, const struct list *a, const struct list *b,
                                 struct value *ret)
{
    enum tm_status s = TM_OK;
    *ret = value_list(r);
    for (size_t i = 0; i < a->n && s == TM_OK; i++)
        s = list_add(r, ret->list, a->item[i]);
    for (size_t i = 0; i < b->n && s == TM_OK; i++)
        s = list_add(r, ret->list, b->item[i]);
    return ret->list != NULL ? s : nomem(r);
}

static enum tm_status operation(struct render *r, const char *op, const struct value *a,
                                const struct value *b, struct value *ret)
{
    int64_t i, j;
    double x, y;
    if (op[0] == '~')
        return concatenate(r, a, b, ret);
    if (op[0] == '+' && a->kind == STRING && b->kind == STRING)
        return concatenate(r, a, b, ret);
    if (op[0] == '+' && a->kind == LIST && b->kind == LIST)
        return join_lists(r, a->list, b->list, ret);
    if (strcmp(op, "*") == 0 && (a->kind == STRING || a->kind == LIST) && as_int(b, &j))
        return repeat(r, a, j, ret);
    if (as_int(a, &i) && as_int(b, &j))
        return int_operation(r, op[0], op[1] != '\0', i, j, ret);
    if (as_real(a, &x) && as_real(b, &y))
        return real_operation(r, op[0], op[1] != '\0', x, y, ret);
    const struct value *missing = a->kind == UNDEFINED ? a : b;
    if (missing->kind == UNDEFINED)
        return fail(r, TM_BADINPUT, "%s is undefined", missing->s != NULL ? missing->s : "a value");
    return fail(r, TM_BADINPUT, "%s %s %s is not possible", value_type(a), op, value_type(b));
}

/* ---- comparisons ---- */

static enum tm_status compare(struct render *r, const char *op, const struct value *a,
                              const struct value *b, bool *ret)
{
    int order = 0;
    enum tm_status s = TM_OK;
    r->steps += (int64_t)((a->n + b->n) / BYTES_A_STEP);
    if (op[0] == '=' || op[0] == '!') {
        *ret = value_equal(a, b, 0) == (op[0] == '=');
        return TM_OK;
    }
    if (strstr(op, "in") != NULL) {
        s = value_contains(r, b, a, ret);
        *ret ^= op[0] == 'n';
        return s;
    }
    s = value_compare(r, a, b, &order);
    *ret = (op[0] == '<' ? order < 0 : order > 0) || (op[1] == '=' && order == 0);
    return s;
}

static enum tm_status eval_compare(struct render *r, const struct node *n, struct value *ret)
{
    struct value left, right;
    bool holds = true;
    enum tm_status s = eval(r, n->kids[0], &left);
    for (size_t i = 1; i < n->n && s == TM_OK && holds; i++) {
        if ((s = eval(r, n->kids[i], &right)) == TM_OK) {
            r->at = n;
            s = compare(r, n->keys[i], &left, &right, &holds);
        }
        left = right;
    }
    *ret = value_bool(holds);
    return s;
}

/* ---- parts ---- */

static enum tm_status undefined_object(struct render *r, const struct value *object,
                                       const char *part)
{
    return fail(r, TM_BADINPUT, "%s is undefined: it has no %s",
                object->s != NULL ? object->s : "a value", part);
}

static enum tm_status get_attribute(struct render *r, const struct value *object, const char *name,
                                    struct value *ret)
{
    const struct value *found = NULL;
    if (object->kind == UNDEFINED)
        return undefined_object(r, object, name);
    if (object->kind == DICT)
        found = dict_find(object->dict, name, strlen(name));
    *ret = found != NULL ? *found : (struct value){.kind = UNDEFINED, .s = name};
    return TM_OK;
}

/* Item i of n, from the end when negative; n: outside. */
static size_t place_of(int64_t i, size_t n)
{
    i += i < 0 ? (int64_t)n : 0;
    return i >= 0 && (uint64_t)i < n ? (size_t)i : n;
}

static enum tm_status get_item(struct render *r, const struct value *object,
                               const struct value *index, struct value *ret)
{
    *ret = (struct value){.kind = UNDEFINED};
    if (object->kind == UNDEFINED)
        return undefined_object(r, object, "items");
    if (object->kind == DICT) {
        for (size_t i = 0; i < object->dict->n; i++)
            if (value_equal(&object->dict->key[i], index, 0))
                *ret = object->dict->value[i];
        return TM_OK;
    }
    if ((object->kind != LIST && object->kind != STRING) || index->kind != INT)
        return TM_OK;
    struct list items;
    enum tm_status s = value_items(r, object, &items);
    size_t at = s == TM_OK ? place_of(index->i, items.n) : 0;
    if (s == TM_OK && at < items.n)
        *ret = items.item[at];
    return s;
}

static enum tm_status slice_bound(struct render *r, const struct node *n, int64_t without,
                                  int64_t low, int64_t high, int64_t length, int64_t *ret)
{
    struct value v = {.kind = NONE};
    enum tm_status s = n != NULL ? eval(r, n, &v) : TM_OK;
    *ret = without;
    if (s != TM_OK || v.kind == NONE)
        return s;
    if (v.kind != INT)
        return fail(r, TM_BADINPUT, "a slice by %s", value_type(&v));
    int64_t i = v.i < 0 ? v.i + length : v.i;
    *ret = TM_MIN(TM_MAX(i, low), high);
    return TM_OK;
}

static enum tm_status eval_slice(struct render *r, const struct node *n, struct value *ret)
{
    struct value object, step = value_int(1);
    struct list items;
    int64_t from, to;
    enum tm_status s = eval(r, n->kids[0], &object);
    if (s == TM_OK && object.kind == UNDEFINED)
        return undefined_object(r, &object, "items");
    if (s == TM_OK && n->kids[3] != NULL)
        s = eval(r, n->kids[3], &step);
    if (s == TM_OK)
        s = value_items(r, &object, &items);
    if (s == TM_OK && (step.kind != INT || step.i == 0))
        return fail(r, TM_BADINPUT, "a slice by no whole number of steps");
    if (s != TM_OK)
        return s;
    int64_t length = (int64_t)items.n, low = step.i < 0 ? -1 : 0;
    int64_t high = step.i < 0 ? length - 1 : length;
    int64_t by = TM_MIN(TM_MAX(step.i, -length - 1), length + 1);
    if ((s = slice_bound(r, n->kids[1], by < 0 ? high : 0, low, high, length, &from)) != TM_OK ||
        (s = slice_bound(r, n->kids[2], by < 0 ? -1 : high, low, high, length, &to)) != TM_OK)
        return s;
    struct list part = {.n = 0};
    for (int64_t i = from; s == TM_OK && (by > 0 ? i < to : i > to); i += by)
        s = list_add(r, &part, items.item[i]);
    if (s != TM_OK)
        return s;
    if (object.kind == STRING)
        return text_join(r, &part, NULL, ret);
    *ret = value_list(r);
    if (ret->list == NULL)
        return nomem(r);
    *ret->list = part;
    return TM_OK;
}

/* ---- calls ---- */

static enum tm_status eval_args(struct render *r, const struct node *n, struct args *ret)
{
    size_t count = n->n - 1;
    struct value *v = tm_arena_array(r->arena, TM_MAX(count, 1), sizeof *v);
    enum tm_status s = v != NULL ? TM_OK : nomem(r);
    for (size_t i = 0; i < count && s == TM_OK; i++)
        s = eval(r, n->kids[i + 1], &v[i]);
    *ret = (struct args){v, n->keys + 1, count};
    r->at = n;
    return s;
}

static enum tm_status eval_call(struct render *r, const struct node *n, struct value *ret)
{
    const struct node *callee = n->kids[0];
    struct args a;
    struct value f;
    enum tm_status s;
    if (callee->kind == N_ATTRIBUTE) {
        struct value self;
        if ((s = eval(r, callee->kids[0], &self)) != TM_OK || (s = eval_args(r, n, &a)) != TM_OK)
            return s;
        if (self.kind == UNDEFINED)
            return undefined_object(r, &self, callee->name);
        if ((s = method(r, &self, callee->name, &a, ret)) != TM_NOTFOUND)
            return s;
        s = get_attribute(r, &self, callee->name, &f);
    } else {
        if ((s = eval(r, callee, &f)) == TM_OK)
            s = eval_args(r, n, &a);
    }
    if (s != TM_OK)
        return s;
    if (f.kind == MACRO)
        return call_macro(r, f.macro, a.value, a.name, a.n, ret);
    if (f.kind == FUNCTION)
        return function(r, f.s, &a, ret);
    return fail(r, TM_BADINPUT, "%s cannot be called",
                callee->name != NULL ? callee->name : value_type(&f));
}

static enum tm_status eval_filter(struct render *r, const struct node *n, struct value *ret)
{
    struct value v;
    struct args a;
    bool holds = false;
    enum tm_status s = eval(r, n->kids[0], &v);
    if (s != TM_OK || (s = eval_args(r, n, &a)) != TM_OK)
        return s;
    if (n->kind == N_FILTER) {
        s = filter(r, n->name, &v, &a, ret);
    } else {
        s = test(r, n->name, &v, &a, &holds);
        *ret = value_bool(holds != n->negated);
    }
    return s == TM_NOTFOUND ? fail(r, TM_UNSUPPORTED, "there is no %s %s",
                                   n->kind == N_FILTER ? "filter" : "test", n->name)
                            : s;
}

/* ---- nodes ---- */

static enum tm_status eval_items(struct render *r, const struct node *n, struct value *ret)
{
    enum tm_status s = TM_OK;
    struct value key, v;
    bool dict = n->kind == N_DICT;
    *ret = dict ? value_dict(r) : value_list(r);
    for (size_t i = 0; i < n->n && s == TM_OK; i += dict ? 2 : 1) {
        if ((s = eval(r, n->kids[i], &v)) != TM_OK)
            break;
        key = v;
        if (dict && (s = eval(r, n->kids[i + 1], &v)) == TM_OK)
            s = dict_set(r, ret->dict, key, v);
        else if (!dict)
            s = list_add(r, ret->list, v);
    }
    return ret->list != NULL ? s : nomem(r);
}

static enum tm_status eval_name(const struct render *r, const char *name, struct value *ret)
{
    static const char *const functions[] = {"range", "namespace", "dict", "raise_exception",
                                            "strftime_now"};
    const struct value *found = scope_find(r->scope, name);
    *ret = found != NULL ? *found : (struct value){.kind = UNDEFINED, .s = name};
    for (size_t i = 0; found == NULL && i < TM_COUNTOF(functions); i++)
        if (strcmp(functions[i], name) == 0)
            ret->kind = FUNCTION;
    return TM_OK;
}

static enum tm_status eval_unary(struct render *r, const struct node *n, struct value *ret)
{
    const struct value zero = value_int(0);
    struct value v;
    enum tm_status s = eval(r, n->kids[0], &v);
    r->at = n;
    return s == TM_OK ? operation(r, n->name, &zero, &v, ret) : s;
}

static enum tm_status eval_pair(struct render *r, const struct node *n, struct value *ret)
{
    struct value a, b;
    enum tm_status s = eval(r, n->kids[0], &a);
    if (s != TM_OK)
        return s;
    if (n->kind == N_AND || n->kind == N_OR) {
        *ret = a;
        return value_true(&a) == (n->kind == N_AND) ? eval(r, n->kids[1], ret) : TM_OK;
    }
    if ((s = eval(r, n->kids[1], &b)) != TM_OK)
        return s;
    r->at = n;
    return n->kind == N_ITEM ? get_item(r, &a, &b, ret) : operation(r, n->name, &a, &b, ret);
}

static enum tm_status eval_node(struct render *r, const struct node *n, struct value *ret)
{
    struct value v;
    enum tm_status s;
    switch (n->kind) {
    case N_CONST:
        *ret = n->value;
        return TM_OK;
    case N_NAME:
        return eval_name(r, n->name, ret);
    case N_LIST:
    case N_DICT:
        return eval_items(r, n, ret);
    case N_UNARY:
        return eval_unary(r, n, ret);
    case N_COMPARE:
        return eval_compare(r, n, ret);
    case N_NOT:
        s = eval(r, n->kids[0], &v);
        *ret = value_bool(s == TM_OK && !value_true(&v));
        return s;
    case N_IF_ELSE:
        if ((s = eval(r, n->kids[0], &v)) != TM_OK || value_true(&v))
            return s == TM_OK ? eval(r, n->kids[1], ret) : s;
        *ret = (struct value){.kind = UNDEFINED};
        return n->n > 2 ? eval(r, n->kids[2], ret) : TM_OK;
    case N_ATTRIBUTE:
        if ((s = eval(r, n->kids[0], &v)) != TM_OK)
            return s;
        r->at = n;
        return get_attribute(r, &v, n->name, ret);
    case N_SLICE:
        return eval_slice(r, n, ret);
    case N_CALL:
        return eval_call(r, n, ret);
    case N_FILTER:
    case N_TEST:
        return eval_filter(r, n, ret);
    default:
        return eval_pair(r, n, ret);
    }
}

enum tm_status eval(struct render *r, const struct node *n, struct value *ret)
{
    *ret = (struct value){.kind = UNDEFINED};
    r->at = n;
    if (++r->steps > MAX_STEPS)
        return fail(r, TM_TIMEOUT, "more than %d steps", MAX_STEPS);
    if (++r->depth > MAX_NESTING)
        return fail(r, TM_DEPTH, "more than %d things at once", MAX_NESTING);
    enum tm_status s = eval_node(r, n, ret);
    r->depth--;
    return s;
}
