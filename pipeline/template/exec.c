/* Statements of templates, done one after the other (template.h). A loop's body and a macro have
 * names of their own; an if has not, as in Jinja. */
#include "template.h"

#include <string.h>

/* ---- names ---- */

const struct value *scope_find(const struct scope *s, const char *name)
{
    for (; s != NULL; s = s->parent)
        for (size_t i = s->n; i > 0; i--)
            if (strcmp(s->variable[i - 1].name, name) == 0)
                return &s->variable[i - 1].value;
    return NULL;
}

enum tm_status scope_set(struct render *r, struct scope *s, const char *name, struct value v)
{
    for (size_t i = 0; i < s->n; i++)
        if (strcmp(s->variable[i].name, name) == 0) {
            s->variable[i].value = v;
            return TM_OK;
        }
    if (s->n == s->room) {
        size_t room = TM_MAX(2 * s->room, 8);
        struct variable *all = tm_arena_array(r->arena, room, sizeof *all);
        if (all == NULL)
            return nomem(r);
        if (s->n > 0)
            memcpy(all, s->variable, s->n * sizeof *all);
        s->variable = all;
        s->room = room;
    }
    s->variable[s->n++] = (struct variable){name, v};
    return TM_OK;
}

static enum tm_status assign(struct render *r, const struct node *target, struct value v)
{
    r->at = target;
    if (target->kind == N_NAME)
        return scope_set(r, r->scope, target->name, v);
    if (target->kind == N_ATTRIBUTE) {
        struct value object;
        enum tm_status s = eval(r, target->kids[0], &object);
        if (s != TM_OK)
            return s;
        if (object.kind != DICT || !object.dict->is_namespace)
            return fail(r, TM_BADINPUT, "only a namespace's attributes can be set");
        return dict_set(r, object.dict, value_cstring(target->name), v);
    }
    struct list items;
    enum tm_status s = value_items(r, &v, &items);
    if (s == TM_OK && items.n != target->n)
        return fail(r, TM_BADINPUT, "%zu values for %zu names", items.n, target->n);
    for (size_t i = 0; i < target->n && s == TM_OK; i++)
        s = assign(r, target->kids[i], items.item[i]);
    return s;
}

/* ---- loops ---- */

static enum tm_status set_loop(struct render *r, struct value loop, const struct list *items,
                               size_t i)
{
    const struct {
        const char *name;
        struct value value;
    } members[] = {
        {"index", value_int((int64_t)i + 1)},
        {"index0", value_int((int64_t)i)},
        {"revindex", value_int((int64_t)(items->n - i))},
        {"revindex0", value_int((int64_t)(items->n - i) - 1)},
        {"first", value_bool(i == 0)},
        {"last", value_bool(i + 1 == items->n)},
        {"length", value_int((int64_t)items->n)},
        {"previtem", i > 0 ? items->item[i - 1] : (struct value){.kind = UNDEFINED}},
        {"nextitem", i + 1 < items->n ? items->item[i + 1] : (struct value){.kind = UNDEFINED}},
    };
    enum tm_status s = TM_OK;
    for (size_t k = 0; k < TM_COUNTOF(members) && s == TM_OK; k++)
        s = dict_set(r, loop.dict, value_cstring(members[k].name), members[k].value);
    return s == TM_OK ? scope_set(r, r->scope, "loop", loop) : s;
}

/* Those items for which the loop's condition holds. */
static enum tm_status choose(struct render *r, const struct node *n, struct list *items)
{
    struct list chosen = {.n = 0};
    struct scope own = {.parent = r->scope};
    enum tm_status s = TM_OK;
    struct value v;
    for (size_t i = 0; i < items->n && s == TM_OK; i++) {
        r->scope = &own;
        if ((s = assign(r, n->kids[0], items->item[i])) == TM_OK &&
            (s = eval(r, n->kids[2], &v)) == TM_OK && value_true(&v))
            s = list_add(r, &chosen, items->item[i]);
        r->scope = own.parent;
    }
    *items = chosen;
    return s;
}

static enum tm_status exec_for(struct render *r, const struct node *n, enum flow *ret)
{
    struct value over;
    struct list items;
    enum tm_status s = eval(r, n->kids[1], &over);
    if (s == TM_OK)
        s = value_items(r, &over, &items);
    if (s == TM_OK && n->kids[2] != NULL)
        s = choose(r, n, &items);
    if (s == TM_OK && items.n == 0)
        return n->n > 4 ? exec(r, n->kids[4], ret) : TM_OK;
    struct value loop = value_dict(r);
    struct scope own = {.parent = r->scope};
    for (size_t i = 0; s == TM_OK && i < items.n; i++) {
        enum flow flow = GO;
        own.n = 0;
        r->scope = &own;
        if ((s = set_loop(r, loop, &items, i)) == TM_OK &&
            (s = assign(r, n->kids[0], items.item[i])) == TM_OK)
            s = exec(r, n->kids[3], &flow);
        r->scope = own.parent;
        if (flow == BREAK)
            break;
    }
    return s;
}

/* ---- text in a value ---- */

static enum tm_status exec_captured(struct render *r, const struct node *body, struct value *ret)
{
    TM_CLEANUP(tm_buf_finish) struct tm_buf text = {.cap = MEMORY};
    struct tm_buf *out = r->out;
    enum flow flow = GO;
    r->out = &text;
    enum tm_status s = exec(r, body, &flow);
    r->out = out;
    return s == TM_OK ? value_of_buf(r, &text, ret) : s;
}

enum tm_status call_macro(struct render *r, const struct node *macro, const struct value *args,
                          const char *const *names, size_t n, struct value *ret)
{
    struct scope own = {.parent = r->root}, *caller = r->scope;
    enum tm_status s = TM_OK;
    r->scope = &own;
    for (size_t i = 1; i < macro->n && s == TM_OK; i++) {
        struct value v = {.kind = UNDEFINED, .s = macro->keys[i]};
        bool given = i - 1 < n && names[i - 1] == NULL;
        if (given)
            v = args[i - 1];
        for (size_t k = 0; k < n && !given; k++)
            if (names[k] != NULL && strcmp(names[k], macro->keys[i]) == 0) {
                v = args[k];
                given = true;
            }
        if (!given && macro->kids[i] != NULL)
            s = eval(r, macro->kids[i], &v);
        if (s == TM_OK)
            s = scope_set(r, &own, macro->keys[i], v);
    }
    if (s == TM_OK)
        s = exec_captured(r, macro->kids[0], ret);
    r->scope = caller;
    return s;
}

/* ---- statements ---- */

static enum tm_status exec_if(struct render *r, const struct node *n, enum flow *ret)
{
    for (size_t i = 0; i + 1 < n->n; i += 2) {
        struct value v;
        enum tm_status s = eval(r, n->kids[i], &v);
        if (s != TM_OK)
            return s;
        if (value_true(&v))
            return exec(r, n->kids[i + 1], ret);
    }
    return n->n % 2 == 1 ? exec(r, n->kids[n->n - 1], ret) : TM_OK;
}

static enum tm_status exec_block(struct render *r, const struct node *n, enum flow *ret)
{
    enum tm_status s = TM_OK;
    for (size_t i = 0; i < n->n && s == TM_OK && *ret == GO; i++)
        s = exec(r, n->kids[i], ret);
    return s;
}

static enum tm_status exec_node(struct render *r, const struct node *n, enum flow *ret)
{
    struct value v;
    enum tm_status s;
    switch (n->kind) {
    case N_BLOCK:
        return exec_block(r, n, ret);
    case N_TEXT:
        tm_buf_append(r->out, n->value.s, n->value.n);
        return r->out->failed ? fail(r, TM_TOOLARGE, "the text is too long") : TM_OK;
    case N_PRINT:
        s = eval(r, n->kids[0], &v);
        return s == TM_OK ? value_print(r, &v, false, r->out, 0) : s;
    case N_IF:
        return exec_if(r, n, ret);
    case N_FOR:
        return exec_for(r, n, ret);
    case N_SET:
        s = eval(r, n->kids[1], &v);
        return s == TM_OK ? assign(r, n->kids[0], v) : s;
    case N_SET_BLOCK:
        s = exec_captured(r, n->kids[1], &v);
        return s == TM_OK ? assign(r, n->kids[0], v) : s;
    case N_MACRO:
        return scope_set(r, r->scope, n->name, (struct value){.kind = MACRO, .macro = n});
    default:
        *ret = n->kind == N_BREAK ? BREAK : CONTINUE;
        return TM_OK;
    }
}

enum tm_status exec(struct render *r, const struct node *n, enum flow *ret)
{
    r->at = n;
    if (++r->steps > MAX_STEPS)
        return fail(r, TM_TIMEOUT, "more than %d steps", MAX_STEPS);
    if (++r->depth > MAX_NESTING)
        return fail(r, TM_DEPTH, "more than %d things at once", MAX_NESTING);
    enum tm_status s = exec_node(r, n, ret);
    r->depth--;
    return s;
}
