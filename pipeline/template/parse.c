/* Expressions of templates, by recursive descent in Jinja's order of binding (template.h): if-else,
 * or, and, not, comparisons, + -, ~, * / // %, **, unary, then what follows a value: .name [item]
 * (call) |filter is test. */
#include "template.h"

#include <stdio.h>
#include <string.h>

enum tm_status parse_fail(const struct parser *p, enum tm_status s, const char *fmt, ...)
{
    char text[160];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return tm_err_set(p->err, s, "%s:%u:%u: %s", p->name, p->at->line, p->at->column, text);
}

enum tm_status new_node(struct parser *p, enum node_kind kind, struct node **ret)
{
    *ret = tm_arena_alloc(p->arena, sizeof **ret);
    if (*ret == NULL)
        return parse_fail(p, TM_NOMEM, "out of memory");
    **ret = (struct node){.kind = kind, .line = p->at->line, .column = p->at->column};
    return TM_OK;
}

enum tm_status add_kid(struct parser *p, struct node *to, struct node *kid, const char *key)
{
    if (to->n == to->room) {
        size_t room = TM_MAX(2 * to->room, 4);
        struct node **kids = tm_arena_array(p->arena, room, sizeof(*kids));
        const char **keys = tm_arena_array(p->arena, room, sizeof *keys);
        if (kids == NULL || keys == NULL)
            return parse_fail(p, TM_NOMEM, "out of memory");
        if (to->n > 0) {
            memcpy(kids, to->kids, to->n * sizeof(*kids));
            memcpy(keys, to->keys, to->n * sizeof *keys);
        }
        to->kids = kids;
        to->keys = keys;
        to->room = room;
    }
    if (kid != NULL)
        to->depth = TM_MAX(to->depth, kid->depth + 1);
    if (to->depth > MAX_TREE)
        return parse_fail(p, TM_DEPTH, "nested more than %d deep", MAX_TREE);
    to->kids[to->n] = kid;
    to->keys[to->n++] = key;
    return TM_OK;
}

/* ---- tokens ---- */

static bool is_token(const struct token *t, enum token_kind kind, const char *s)
{
    return t->kind == kind && t->n == strlen(s) && memcmp(t->s, s, t->n) == 0;
}

bool is_op(const struct parser *p, const char *op)
{
    return is_token(p->at, T_OP, op);
}

bool is_name(const struct parser *p, const char *name)
{
    return is_token(p->at, T_NAME, name);
}

bool take_op(struct parser *p, const char *op)
{
    bool is = is_op(p, op);
    p->at += is;
    return is;
}

bool take_name(struct parser *p, const char *name)
{
    bool is = is_name(p, name);
    p->at += is;
    return is;
}

enum tm_status expect_op(struct parser *p, const char *op)
{
    return take_op(p, op) ? TM_OK : parse_fail(p, TM_BADINPUT, "expected %s", op);
}

enum tm_status take_word(struct parser *p, const char **ret)
{
    if (p->at->kind != T_NAME)
        return parse_fail(p, TM_BADINPUT, "expected a name");
    *ret = tm_arena_strndup(p->arena, p->at->s, p->at->n);
    if (*ret == NULL)
        return parse_fail(p, TM_NOMEM, "out of memory");
    p->at++;
    return TM_OK;
}

/* ---- what stands alone ---- */

/* Items up to the closing sign, with commas between them. */
static enum tm_status parse_items(struct parser *p, const char *close, struct node *to)
{
    bool dict = to->kind == N_DICT;
    while (!take_op(p, close)) {
        struct node *kid;
        enum tm_status s = parse_expression(p, &kid);
        if (s == TM_OK)
            s = add_kid(p, to, kid, NULL);
        if (s == TM_OK && dict && (s = expect_op(p, ":")) == TM_OK &&
            (s = parse_expression(p, &kid)) == TM_OK)
            s = add_kid(p, to, kid, NULL);
        if (s == TM_OK && !take_op(p, ",") && !is_op(p, close))
            s = parse_fail(p, TM_BADINPUT, "expected , or %s", close);
        if (s != TM_OK)
            return s;
    }
    return TM_OK;
}

/* (x) is x, (x,) and (x, y) are lists. */
static enum tm_status parse_parentheses(struct parser *p, struct node **ret)
{
    struct node *list;
    enum tm_status s = new_node(p, N_LIST, &list);
    if (s != TM_OK || take_op(p, ")")) {
        *ret = list;
        return s;
    }
    if ((s = parse_expression(p, ret)) != TM_OK || take_op(p, ")"))
        return s;
    if ((s = add_kid(p, list, *ret, NULL)) == TM_OK && (s = expect_op(p, ",")) == TM_OK)
        s = parse_items(p, ")", list);
    *ret = list;
    return s;
}

static enum tm_status parse_string(struct parser *p, struct node *to)
{
    TM_CLEANUP(tm_buf_finish) struct tm_buf text = {.cap = 0};
    to->value = value_string(p->at->s, p->at->n);
    if (p->at[1].kind != T_STRING) {
        p->at++;
        return TM_OK;
    }
    for (; p->at->kind == T_STRING; p->at++)
        tm_buf_append(&text, p->at->s, p->at->n);
    const char *s = tm_arena_strndup(p->arena, text.data != NULL ? text.data : "", text.len);
    to->value = value_string(s, text.len);
    return s != NULL && !text.failed ? TM_OK : parse_fail(p, TM_NOMEM, "out of memory");
}

static enum tm_status parse_name(struct parser *p, struct node *to)
{
    static const struct {
        const char *name;
        struct value value;
    } constants[] = {
        {"true", {.kind = BOOL, .b = true}},
        {"True", {.kind = BOOL, .b = true}},
        {"false", {.kind = BOOL, .b = false}},
        {"False", {.kind = BOOL, .b = false}},
        {"none", {.kind = NONE}},
        {"None", {.kind = NONE}},
    };
    for (size_t i = 0; i < TM_COUNTOF(constants); i++)
        if (take_name(p, constants[i].name)) {
            to->value = constants[i].value;
            return TM_OK;
        }
    to->kind = N_NAME;
    return take_word(p, &to->name);
}

static enum tm_status parse_primary(struct parser *p, struct node **ret)
{
    if (take_op(p, "("))
        return parse_parentheses(p, ret);
    enum tm_status s = new_node(p, N_CONST, ret);
    if (s != TM_OK)
        return s;
    switch (p->at->kind) {
    case T_STRING:
        return parse_string(p, *ret);
    case T_INT:
        (*ret)->value = value_int(p->at++->i);
        return TM_OK;
    case T_REAL:
        (*ret)->value = value_real(p->at++->r);
        return TM_OK;
    case T_NAME:
        return parse_name(p, *ret);
    default:
        break;
    }
    if (take_op(p, "[")) {
        (*ret)->kind = N_LIST;
        return parse_items(p, "]", *ret);
    }
    if (take_op(p, "{")) {
        (*ret)->kind = N_DICT;
        return parse_items(p, "}", *ret);
    }
    return parse_fail(p, TM_BADINPUT, "expected a value");
}

/* ---- what follows a value ---- */

/* Arguments after "(", appended to the call, filter or test. */
static enum tm_status parse_arguments(struct parser *p, struct node *to)
{
    while (!take_op(p, ")")) {
        const char *key = NULL;
        struct node *kid;
        enum tm_status s = TM_OK;
        if (p->at->kind == T_NAME && is_token(p->at + 1, T_OP, "=")) {
            s = take_word(p, &key);
            p->at++;
        }
        if (s == TM_OK && (s = parse_expression(p, &kid)) == TM_OK)
            s = add_kid(p, to, kid, key);
        if (s == TM_OK && !take_op(p, ",") && !is_op(p, ")"))
            s = parse_fail(p, TM_BADINPUT, "expected , or )");
        if (s != TM_OK)
            return s;
    }
    return TM_OK;
}

static enum tm_status parse_subscript(struct parser *p, struct node **ret)
{
    struct node *n, *bound[3] = {NULL, NULL, NULL};
    bool slice = false;
    enum tm_status s = new_node(p, N_ITEM, &n);
    if (s != TM_OK)
        return s;
    for (size_t i = 0; i < 3 && s == TM_OK; i++) {
        if (!is_op(p, ":") && !is_op(p, "]"))
            s = parse_expression(p, &bound[i]);
        if (s != TM_OK || !take_op(p, ":"))
            break;
        slice = true;
    }
    if (s == TM_OK)
        s = expect_op(p, "]");
    if (s == TM_OK && !slice && bound[0] == NULL)
        s = parse_fail(p, TM_BADINPUT, "expected an index");
    if (s == TM_OK)
        s = add_kid(p, n, *ret, NULL);
    n->kind = slice ? N_SLICE : N_ITEM;
    for (size_t i = 0; i < (slice ? 3 : 1) && s == TM_OK; i++)
        s = add_kid(p, n, bound[i], NULL);
    *ret = n;
    return s;
}

/* A node around *ret, which becomes its first kid. */
static enum tm_status wrap(struct parser *p, enum node_kind kind, struct node **ret)
{
    struct node *n;
    enum tm_status s = new_node(p, kind, &n);
    if (s == TM_OK)
        s = add_kid(p, n, *ret, NULL);
    *ret = n;
    return s;
}

static enum tm_status parse_postfix(struct parser *p, struct node **ret)
{
    enum tm_status s = TM_OK;
    while (s == TM_OK) {
        if (take_op(p, ".")) {
            if ((s = wrap(p, N_ATTRIBUTE, ret)) == TM_OK && p->at->kind == T_INT) {
                (*ret)->kind = N_ITEM; /* list.0 */
                struct node *index;
                if ((s = new_node(p, N_CONST, &index)) == TM_OK) {
                    index->value = value_int(p->at++->i);
                    s = add_kid(p, *ret, index, NULL);
                }
            } else if (s == TM_OK) {
                s = take_word(p, &(*ret)->name);
            }
        } else if (take_op(p, "[")) {
            s = parse_subscript(p, ret);
        } else if (take_op(p, "(")) {
            if ((s = wrap(p, N_CALL, ret)) == TM_OK)
                s = parse_arguments(p, *ret);
        } else {
            return TM_OK;
        }
    }
    return s;
}

/* Can a test's argument without parentheses begin here? */
static bool begins_argument(const struct parser *p)
{
    static const char *const words[] = {"else", "or", "and", "is", "if", "in", "not"};
    for (size_t i = 0; i < TM_COUNTOF(words); i++)
        if (is_name(p, words[i]))
            return false;
    return p->at->kind == T_NAME || p->at->kind == T_STRING || p->at->kind == T_INT ||
           p->at->kind == T_REAL || is_op(p, "[") || is_op(p, "{");
}

static enum tm_status parse_test(struct parser *p, struct node **ret)
{
    bool negated = take_name(p, "not");
    enum tm_status s = wrap(p, N_TEST, ret);
    if (s != TM_OK || (s = take_word(p, &(*ret)->name)) != TM_OK)
        return s;
    struct node *test = *ret, *kid;
    test->negated = negated;
    if (take_op(p, "("))
        return parse_arguments(p, test);
    if (!begins_argument(p))
        return TM_OK;
    if ((s = parse_primary(p, &kid)) == TM_OK && (s = parse_postfix(p, &kid)) == TM_OK)
        s = add_kid(p, test, kid, NULL);
    return s;
}

static enum tm_status parse_filters(struct parser *p, struct node **ret)
{
    enum tm_status s = TM_OK;
    while (s == TM_OK) {
        if (take_op(p, "|")) {
            if ((s = wrap(p, N_FILTER, ret)) == TM_OK &&
                (s = take_word(p, &(*ret)->name)) == TM_OK && take_op(p, "("))
                s = parse_arguments(p, *ret);
        } else if (take_name(p, "is")) {
            s = parse_test(p, ret);
        } else if (take_op(p, "(")) {
            if ((s = wrap(p, N_CALL, ret)) == TM_OK)
                s = parse_arguments(p, *ret);
        } else {
            return TM_OK;
        }
    }
    return s;
}

/* ---- operators ---- */

static enum tm_status parse_unary(struct parser *p, bool filters, struct node **ret)
{
    if (++p->depth > MAX_DEPTH)
        return parse_fail(p, TM_DEPTH, "nested more than %d deep", MAX_DEPTH);
    const char *op = is_op(p, "-") ? "-" : is_op(p, "+") ? "+" : NULL;
    enum tm_status s;
    if (op != NULL) {
        p->at++;
        if ((s = parse_unary(p, false, ret)) == TM_OK && (s = wrap(p, N_UNARY, ret)) == TM_OK)
            (*ret)->name = op;
    } else {
        s = parse_primary(p, ret);
        if (s == TM_OK)
            s = parse_postfix(p, ret);
    }
    if (s == TM_OK && filters)
        s = parse_filters(p, ret);
    p->depth--;
    return s;
}

/* Left to right: from + to * the levels bind ever closer. */
static enum tm_status parse_binary(struct parser *p, int level, struct node **ret)
{
    static const char *const levels[][5] = {{"+", "-"}, {"~"}, {"*", "/", "//", "%"}, {"**"}};
    if (level == TM_COUNTOF(levels))
        return parse_unary(p, true, ret);
    enum tm_status s = parse_binary(p, level + 1, ret);
    while (s == TM_OK) {
        const char *op = NULL;
        for (size_t i = 0; levels[level][i] != NULL && op == NULL; i++)
            if (take_op(p, levels[level][i]))
                op = levels[level][i];
        if (op == NULL)
            return TM_OK;
        struct node *right;
        if ((s = wrap(p, N_BINARY, ret)) == TM_OK &&
            (s = parse_binary(p, level + 1, &right)) == TM_OK)
            s = add_kid(p, *ret, right, NULL);
        if (s == TM_OK)
            (*ret)->name = op;
    }
    return s;
}

static const char *take_comparison(struct parser *p)
{
    static const char *const ops[] = {"==", "!=", "<=", ">=", "<", ">"};
    for (size_t i = 0; i < TM_COUNTOF(ops); i++)
        if (take_op(p, ops[i]))
            return ops[i];
    if (take_name(p, "in"))
        return "in";
    if (is_name(p, "not") && is_token(p->at + 1, T_NAME, "in")) {
        p->at += 2;
        return "not in";
    }
    return NULL;
}

static enum tm_status parse_compare(struct parser *p, struct node **ret)
{
    enum tm_status s = parse_binary(p, 0, ret);
    const char *op = s == TM_OK ? take_comparison(p) : NULL;
    if (op == NULL)
        return s;
    s = wrap(p, N_COMPARE, ret);
    while (s == TM_OK && op != NULL) {
        struct node *right;
        if ((s = parse_binary(p, 0, &right)) == TM_OK)
            s = add_kid(p, *ret, right, op);
        op = s == TM_OK ? take_comparison(p) : NULL;
    }
    return s;
}

static enum tm_status parse_not(struct parser *p, struct node **ret)
{
    if (!take_name(p, "not"))
        return parse_compare(p, ret);
    if (++p->depth > MAX_DEPTH)
        return parse_fail(p, TM_DEPTH, "nested more than %d deep", MAX_DEPTH);
    enum tm_status s = parse_not(p, ret);
    p->depth--;
    return s == TM_OK ? wrap(p, N_NOT, ret) : s;
}

static enum tm_status parse_and(struct parser *p, struct node **ret)
{
    enum tm_status s = parse_not(p, ret);
    while (s == TM_OK && take_name(p, "and")) {
        struct node *right;
        if ((s = wrap(p, N_AND, ret)) == TM_OK && (s = parse_not(p, &right)) == TM_OK)
            s = add_kid(p, *ret, right, NULL);
    }
    return s;
}

enum tm_status parse_or(struct parser *p, struct node **ret)
{
    enum tm_status s = parse_and(p, ret);
    while (s == TM_OK && take_name(p, "or")) {
        struct node *right;
        if ((s = wrap(p, N_OR, ret)) == TM_OK && (s = parse_and(p, &right)) == TM_OK)
            s = add_kid(p, *ret, right, NULL);
    }
    return s;
}

enum tm_status parse_expression(struct parser *p, struct node **ret)
{
    if (++p->depth > MAX_DEPTH)
        return parse_fail(p, TM_DEPTH, "nested more than %d deep", MAX_DEPTH);
    enum tm_status s = parse_or(p, ret);
    while (s == TM_OK && take_name(p, "if")) {
        struct node *n, *condition, *other;
        if ((s = new_node(p, N_IF_ELSE, &n)) == TM_OK && (s = parse_or(p, &condition)) == TM_OK &&
            (s = add_kid(p, n, condition, NULL)) == TM_OK)
            s = add_kid(p, n, *ret, NULL);
        if (s == TM_OK && take_name(p, "else") && (s = parse_expression(p, &other)) == TM_OK)
            s = add_kid(p, n, other, NULL);
        *ret = n;
    }
    p->depth--;
    return s;
}

enum tm_status parse_tuple(struct parser *p, struct node **ret)
{
    struct node *list, *kid;
    enum tm_status s = parse_expression(p, ret);
    if (s != TM_OK || !is_op(p, ",") || (s = new_node(p, N_LIST, &list)) != TM_OK)
        return s;
    s = add_kid(p, list, *ret, NULL);
    while (s == TM_OK && take_op(p, ",") && p->at->kind != T_BLOCK_END &&
           p->at->kind != T_PRINT_END)
        if ((s = parse_expression(p, &kid)) == TM_OK)
            s = add_kid(p, list, kid, NULL);
    *ret = list;
    return s;
}

enum tm_status parse_target(struct parser *p, struct node **ret)
{
    struct node *list = NULL;
    bool closed = take_op(p, "(");
    enum tm_status s = new_node(p, N_NAME, ret);
    if (s == TM_OK)
        s = take_word(p, &(*ret)->name);
    if (s == TM_OK && take_op(p, ".")) {
        if ((s = wrap(p, N_ATTRIBUTE, ret)) == TM_OK)
            s = take_word(p, &(*ret)->name);
    } else if (s == TM_OK && is_op(p, ",")) {
        if ((s = new_node(p, N_LIST, &list)) == TM_OK)
            s = add_kid(p, list, *ret, NULL);
        while (s == TM_OK && take_op(p, ",") && p->at->kind == T_NAME && !is_name(p, "in")) {
            struct node *kid;
            if ((s = new_node(p, N_NAME, &kid)) == TM_OK && (s = take_word(p, &kid->name)) == TM_OK)
                s = add_kid(p, list, kid, NULL);
        }
        *ret = list;
    }
    return s == TM_OK && closed ? expect_op(p, ")") : s;
}
