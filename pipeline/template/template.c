/* Templates from outside: opened once, rendered by any thread (tm_template.h). */
#include "template.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum { TREE_MEMORY = 256 << 20 };

struct tm_template {
    struct tm_arena *arena; /* holds it too */
    const char *name;
    struct node *root;
};

/* Line ends as one line feed each, as Jinja reads them. */
static char *copy_text(struct tm_arena *arena, const char *text, size_t n, size_t *ret_n)
{
    char *own = tm_arena_alloc(arena, n + 1);
    size_t len = 0;
    for (size_t i = 0; i < n && own != NULL; i++) {
        own[len++] = text[i] == '\r' ? '\n' : text[i];
        i += text[i] == '\r' && i + 1 < n && text[i + 1] == '\n';
    }
    *ret_n = len;
    return own;
}

enum tm_status tm_template_open(const char *name, const char *text, size_t n,
                                struct tm_template **ret_template, struct tm_err *err)
{
    if (n > MAX_TEXT)
        return tm_err_set(err, TM_TOOLARGE, "template %s has more than %d bytes", name, MAX_TEXT);
    if (tm_utf8_valid(text, n) != n)
        return tm_err_set(err, TM_BADINPUT, "template %s is not UTF-8", name);
    TM_CLEANUP(tm_arena_destroyp) struct tm_arena *arena = tm_arena_create(TREE_MEMORY);
    if (arena == NULL)
        return tm_err_set(err, TM_NOMEM, "template %s", name);
    struct tm_template *t = tm_arena_alloc(arena, sizeof *t);
    char *own = copy_text(arena, text, n, &n);
    if (t == NULL || own == NULL || (t->name = tm_arena_strdup(arena, name)) == NULL)
        return tm_err_set(err, TM_NOMEM, "template %s", name);
    struct token *tokens;
    enum tm_status s = lex(arena, t->name, own, n, &tokens, err);
    struct parser p = {.arena = arena, .name = t->name, .err = err, .at = tokens};
    if (s == TM_OK)
        s = parse_template(&p, &t->root);
    if (s != TM_OK)
        return s;
    t->arena = TM_TAKE(arena);
    *ret_template = t;
    return TM_OK;
}

void tm_template_close(struct tm_template *t)
{
    if (t != NULL)
        tm_arena_destroy(t->arena);
}

enum tm_status tm_template_render(const struct tm_template *t, const struct json_t *vars,
                                  struct tm_buf *out, struct tm_err *err)
{
    TM_CLEANUP(tm_arena_destroyp) struct tm_arena *arena = tm_arena_create(MEMORY);
    if (arena == NULL)
        return tm_err_set(err, TM_NOMEM, "template %s", t->name);
    struct scope outside = {.parent = NULL}, root = {.parent = &outside};
    struct render r = {
        .arena = arena, .name = t->name, .err = err, .out = out, .scope = &root, .root = &root};
    struct value all;
    enum flow flow = GO;
    enum tm_status s = value_of_json(&r, vars, &all, 0);
    if (s == TM_OK && all.kind != DICT)
        return tm_err_set(err, TM_BADINPUT, "template %s: the values are no object", t->name);
    for (size_t i = 0; s == TM_OK && i < all.dict->n; i++)
        s = scope_set(&r, &outside, all.dict->key[i].s, all.dict->value[i]);
    return s == TM_OK ? exec(&r, t->root, &flow) : s;
}
