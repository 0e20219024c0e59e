/* Statements of templates: what stands between {% and %}, and the text around it (template.h). */
#include "template.h"

#include <string.h>

/* Statements up to one of the words (NULL-ended), which is left to the caller. */
static enum tm_status parse_until(struct parser *p, const char *const *ends, struct node **ret);

static enum tm_status end_block(struct parser *p)
{
    if (p->at->kind != T_BLOCK_END)
        return parse_fail(p, TM_BADINPUT, "expected %%}");
    p->at++;
    return TM_OK;
}

/* {% word %} after the words that ended a block. */
static enum tm_status end_with(struct parser *p, const char *word)
{
    return take_name(p, word) ? end_block(p) : parse_fail(p, TM_BADINPUT, "expected %s", word);
}

static enum tm_status add_block(struct parser *p, struct node *to, const char *const *ends)
{
    struct node *block;
    enum tm_status s = end_block(p);
    if (s == TM_OK && (s = parse_until(p, ends, &block)) == TM_OK)
        s = add_kid(p, to, block, NULL);
    return s;
}

static enum tm_status parse_if(struct parser *p, struct node *n)
{
    static const char *const ends[] = {"elif", "else", "endif", NULL};
    static const char *const last[] = {"endif", NULL};
    enum tm_status s;
    do {
        struct node *condition;
        if ((s = parse_tuple(p, &condition)) == TM_OK &&
            (s = add_kid(p, n, condition, NULL)) == TM_OK)
            s = add_block(p, n, ends);
    } while (s == TM_OK && take_name(p, "elif"));
    if (s == TM_OK && take_name(p, "else"))
        s = add_block(p, n, last);
    return s == TM_OK ? end_with(p, "endif") : s;
}

static enum tm_status parse_for(struct parser *p, struct node *n)
{
    static const char *const ends[] = {"else", "endfor", NULL}, *const last[] = {"endfor", NULL};
    struct node *target, *over, *condition = NULL;
    bool outer = p->in_loop;
    enum tm_status s = parse_target(p, &target);
    if (s == TM_OK && !take_name(p, "in"))
        s = parse_fail(p, TM_BADINPUT, "expected in");
    if (s == TM_OK)
        s = parse_or(p, &over);
    if (s == TM_OK && take_name(p, "if"))
        s = parse_expression(p, &condition);
    if (s == TM_OK && is_name(p, "recursive"))
        s = parse_fail(p, TM_UNSUPPORTED, "recursive loops are not supported");
    if (s != TM_OK || (s = add_kid(p, n, target, NULL)) != TM_OK ||
        (s = add_kid(p, n, over, NULL)) != TM_OK || (s = add_kid(p, n, condition, NULL)) != TM_OK)
        return s;
    p->in_loop = true;
    s = add_block(p, n, ends);
    p->in_loop = outer;
    if (s == TM_OK && take_name(p, "else"))
        s = add_block(p, n, last);
    return s == TM_OK ? end_with(p, "endfor") : s;
}

static enum tm_status parse_set(struct parser *p, struct node *n)
{
    static const char *const ends[] = {"endset", NULL};
    struct node *target, *value;
    enum tm_status s = parse_target(p, &target);
    if (s == TM_OK)
        s = add_kid(p, n, target, NULL);
    if (s == TM_OK && take_op(p, "=")) {
        if ((s = parse_tuple(p, &value)) == TM_OK && (s = add_kid(p, n, value, NULL)) == TM_OK)
            s = end_block(p);
        return s;
    }
    if (s == TM_OK && is_op(p, "|"))
        s = parse_fail(p, TM_UNSUPPORTED, "filters of a set block are not supported");
    n->kind = N_SET_BLOCK;
    if (s == TM_OK)
        s = add_block(p, n, ends);
    return s == TM_OK ? end_with(p, "endset") : s;
}

static enum tm_status parse_macro(struct parser *p, struct node *n)
{
    static const char *const ends[] = {"endmacro", NULL};
    struct node *body;
    bool outer = p->in_loop;
    enum tm_status s = take_word(p, &n->name);
    if (s == TM_OK)
        s = add_kid(p, n, NULL, NULL); /* the body, known below */
    if (s == TM_OK)
        s = expect_op(p, "(");
    while (s == TM_OK && !take_op(p, ")")) {
        const char *name;
        struct node *without = NULL;
        if ((s = take_word(p, &name)) == TM_OK && take_op(p, "="))
            s = parse_expression(p, &without);
        if (s == TM_OK)
            s = add_kid(p, n, without, name);
        if (s == TM_OK && !take_op(p, ",") && !is_op(p, ")"))
            s = parse_fail(p, TM_BADINPUT, "expected , or )");
    }
    p->in_loop = false;
    if (s == TM_OK && (s = end_block(p)) == TM_OK && (s = parse_until(p, ends, &body)) == TM_OK)
        n->kids[0] = body;
    p->in_loop = outer;
    return s == TM_OK ? end_with(p, "endmacro") : s;
}

/* {% generation %} marks what an assistant said, for training: here its body and no more. */
static enum tm_status parse_generation(struct parser *p, struct node *n)
{
    static const char *const ends[] = {"endgeneration", NULL};
    enum tm_status s = add_block(p, n, ends);
    return s == TM_OK ? end_with(p, "endgeneration") : s;
}

static enum tm_status parse_jump(struct parser *p, struct node *n)
{
    if (!p->in_loop)
        return parse_fail(p, TM_BADINPUT, "%s outside a loop",
                          n->kind == N_BREAK ? "break" : "continue");
    return end_block(p);
}

static enum tm_status parse_statement(struct parser *p, struct node **ret)
{
    static const struct {
        const char *word;
        enum node_kind kind;
        enum tm_status (*parse)(struct parser *p, struct node *n);
    } statements[] = {
        {"if", N_IF, parse_if},
        {"for", N_FOR, parse_for},
        {"set", N_SET, parse_set},
        {"macro", N_MACRO, parse_macro},
        {"break", N_BREAK, parse_jump},
        {"continue", N_CONTINUE, parse_jump},
        {"generation", N_BLOCK, parse_generation},
    };
    for (size_t i = 0; i < TM_COUNTOF(statements); i++) {
        enum tm_status s;
        if (!is_name(p, statements[i].word))
            continue;
        if ((s = new_node(p, statements[i].kind, ret)) != TM_OK)
            return s;
        p->at++;
        return statements[i].parse(p, *ret);
    }
    if (p->at->kind != T_NAME)
        return parse_fail(p, TM_BADINPUT, "expected a statement");
    return parse_fail(p, TM_UNSUPPORTED, "the statement %.*s is not supported",
                      (int)TM_MIN(p->at->n, (size_t)40), p->at->s);
}

static enum tm_status parse_print(struct parser *p, struct node **ret)
{
    struct node *kid;
    enum tm_status s = new_node(p, N_PRINT, ret);
    p->at++;
    if (s == TM_OK && (s = parse_tuple(p, &kid)) == TM_OK)
        s = add_kid(p, *ret, kid, NULL);
    if (s != TM_OK)
        return s;
    if (p->at->kind != T_PRINT_END)
        return parse_fail(p, TM_BADINPUT, "expected }}");
    p->at++;
    return TM_OK;
}

static bool ends_here(const struct parser *p, const char *const *ends)
{
    for (; *ends != NULL; ends++)
        if (is_name(p, *ends))
            return true;
    return false;
}

static enum tm_status parse_until(struct parser *p, const char *const *ends, struct node **ret)
{
    if (++p->depth > MAX_DEPTH)
        return parse_fail(p, TM_DEPTH, "nested more than %d deep", MAX_DEPTH);
    struct node *kid;
    enum tm_status s = new_node(p, N_BLOCK, ret);
    while (s == TM_OK && p->at->kind != T_END) {
        if (p->at->kind == T_TEXT) {
            if ((s = new_node(p, N_TEXT, &kid)) == TM_OK)
                kid->value = value_string(p->at->s, p->at->n);
            p->at++;
        } else if (p->at->kind == T_PRINT) {
            s = parse_print(p, &kid);
        } else {
            p->at++; /* {% */
            if (ends_here(p, ends)) {
                p->depth--;
                return TM_OK;
            }
            s = parse_statement(p, &kid);
        }
        if (s == TM_OK)
            s = add_kid(p, *ret, kid, NULL);
    }
    p->depth--;
    if (s == TM_OK && ends[0] != NULL)
        return parse_fail(p, TM_BADINPUT, "the template ends without %s", ends[0]);
    return s;
}

enum tm_status parse_template(struct parser *p, struct node **ret)
{
    static const char *const none[] = {NULL};
    return parse_until(p, none, ret);
}
