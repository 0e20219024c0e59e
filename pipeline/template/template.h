/* The parts of templates: values, tokens, nodes. Private to template/.
 *
 * text → tokens (lex.c) → nodes (parse.c, parse_block.c) → output (exec.c, eval.c; filters.c,
 * methods.c, tests.c do what names ask for). Everything lies in arenas: tokens and nodes in the
 * template's, values in that of one rendering. */
#ifndef TEMPLATE_H
#define TEMPLATE_H

#include "tm_template.h"

enum {
    MAX_TEXT = 1 << 20,
    MAX_DEPTH = 128,   /* of the text's nesting, and of values in values */
    MAX_TREE = 256,    /* of nodes in nodes: a + b + c … */
    MAX_NESTING = 768, /* of nodes being done, macros that call each other included */
    MAX_STEPS = 1 << 22,
    BYTES_A_STEP = 1024, /* what comparing strings costs */
    MEMORY = 64 << 20
};

/* ---- values: value.c ---- */

enum kind { UNDEFINED, NONE, BOOL, INT, REAL, STRING, LIST, DICT, MACRO, FUNCTION };

struct value {
    enum kind kind;
    size_t n; /* of STRING: bytes */
    union {
        bool b;
        int64_t i;
        double r;
        const char *s; /* STRING; UNDEFINED and FUNCTION: the name, NUL-terminated, or NULL */
        struct list *list;
        struct dict *dict;
        const struct node *macro;
    };
};

struct list {
    struct value *item;
    size_t n, room;
};

struct dict { /* in the order of insertion */
    struct value *key, *value;
    size_t n, room;
    bool is_namespace; /* {% set ns.x = … %} may write to it */
};

struct scope;

/* One rendering. */
struct render {
    struct tm_arena *arena;
    const char *name;
    struct tm_err *err;
    struct tm_buf *out;
    struct scope *scope, *root;
    const struct node *at; /* what is being done, for messages */
    int64_t steps;
    int depth;
};

struct value value_string(const char *s, size_t n);
struct value value_cstring(const char *s);
struct value value_int(int64_t i);
struct value value_real(double r);
struct value value_bool(bool b);
/* NULL in list or dict: the arena is full. */
struct value value_list(struct render *r);
struct value value_dict(struct render *r);
enum tm_status list_add(struct render *r, struct list *l, struct value v);
enum tm_status dict_set(struct render *r, struct dict *d, struct value key, struct value v);
const struct value *dict_find(const struct dict *d, const char *key, size_t n); /* NULL: no such */
enum tm_status value_of_json(struct render *r, const struct json_t *json, struct value *ret,
                             int depth);
bool value_true(const struct value *v);
bool value_is(const struct value *v, const char *s); /* the string s */
bool value_equal(const struct value *a, const struct value *b, int depth);
/* -1, 0, 1; TM_BADINPUT: these have no order. */
enum tm_status value_compare(struct render *r, const struct value *a, const struct value *b,
                             int *ret);
const char *value_type(const struct value *v); /* "str" …, for messages */
/* As {{ v }} writes it; quoted: inside a list, as Python's repr. */
enum tm_status value_print(struct render *r, const struct value *v, bool quoted, struct tm_buf *out,
                           int depth);
/* Python's json.dumps; indent < 0: in one line. */
enum tm_status value_json(struct render *r, const struct value *v, int indent, struct tm_buf *out,
                          int depth);
/* The items of a list, the keys of a dict, the characters of a string; of UNDEFINED nothing. */
enum tm_status value_items(struct render *r, const struct value *v, struct list *ret);
/* what in `in`: a part of a string, an item of a list, a key. */
enum tm_status value_contains(struct render *r, const struct value *in, const struct value *what,
                              bool *ret);
enum tm_status value_text(struct render *r, const struct value *v, struct value *ret); /* str(v) */
/* What buf holds, in the arena. */
enum tm_status value_of_buf(struct render *r, const struct tm_buf *buf, struct value *ret);

enum tm_status fail(struct render *r, enum tm_status s, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
enum tm_status nomem(struct render *r);

/* ---- tokens: lex.c ---- */

enum token_kind {
    T_TEXT,
    T_PRINT,     /* {{ */
    T_PRINT_END, /* }} */
    T_BLOCK,     /* {% */
    T_BLOCK_END, /* %} */
    T_NAME,
    T_STRING,
    T_INT,
    T_REAL,
    T_OP, /* "==": s and n */
    T_END
};

struct token {
    enum token_kind kind;
    uint32_t line, column;
    const char *s;
    size_t n;
    int64_t i;
    double r;
};

enum tm_status lex(struct tm_arena *arena, const char *name, const char *text, size_t n,
                   struct token **ret, struct tm_err *err);

/* ---- nodes ---- */

enum node_kind {
    /* expressions */
    N_CONST,
    N_NAME,
    N_LIST, /* kids; also tuples */
    N_DICT, /* kids: key, value, key, value … */
    N_UNARY,
    N_BINARY,
    N_COMPARE, /* kids[0] keys[1] kids[1] keys[2] … */
    N_AND,
    N_OR,
    N_NOT,
    N_IF_ELSE, /* kids: condition, value, else (or none) */
    N_ATTRIBUTE,
    N_ITEM,
    N_SLICE, /* kids: object, from, to, step; NULL: not given */
    N_CALL,  /* kids[0] called, then arguments; keys: their names or NULL */
    N_FILTER,
    N_TEST, /* kids[0] value, then arguments; negated */
    /* statements */
    N_BLOCK, /* kids in a row */
    N_TEXT,
    N_PRINT,
    N_IF,        /* kids: condition, block, condition, block …, and the else block when odd */
    N_FOR,       /* kids: target, iterable, filter or NULL, body, else or NULL */
    N_SET,       /* kids: target, value */
    N_SET_BLOCK, /* kids: target, body */
    N_MACRO,     /* kids[0] body, then defaults or NULL; keys: parameters */
    N_BREAK,
    N_CONTINUE
};

struct node {
    enum node_kind kind;
    uint32_t line, column;
    const char *name; /* NUL-terminated: variable, attribute, filter, test, operator */
    struct value value;
    struct node **kids;
    const char **keys; /* (n), beside kids where the kind says so */
    size_t n, room;
    uint32_t depth;
    bool negated;
};

struct parser {
    struct tm_arena *arena;
    const char *name;
    struct tm_err *err;
    const struct token *at;
    int depth;
    bool in_loop;
};

/* parse.c: expressions */
enum tm_status parse_fail(const struct parser *p, enum tm_status s, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
enum tm_status new_node(struct parser *p, enum node_kind kind, struct node **ret);
enum tm_status add_kid(struct parser *p, struct node *to, struct node *kid, const char *key);
bool is_op(const struct parser *p, const char *op);
bool is_name(const struct parser *p, const char *name);
bool take_op(struct parser *p, const char *op);
bool take_name(struct parser *p, const char *name);
enum tm_status expect_op(struct parser *p, const char *op);
/* One that is a word, copied. */
enum tm_status take_word(struct parser *p, const char **ret);
enum tm_status parse_expression(struct parser *p, struct node **ret);
/* Without "x if y": what a for runs over. */
enum tm_status parse_or(struct parser *p, struct node **ret);
/* One, or several with commas between them, as a list. */
enum tm_status parse_tuple(struct parser *p, struct node **ret);
/* Names to assign to: a, (a, b), ns.x. */
enum tm_status parse_target(struct parser *p, struct node **ret);
/* parse_block.c: statements up to the end */
enum tm_status parse_template(struct parser *p, struct node **ret);

/* ---- doing ---- */

struct variable {
    const char *name;
    struct value value;
};
struct scope {
    struct scope *parent;
    struct variable *variable;
    size_t n, room;
};

/* exec.c */
enum flow { GO, BREAK, CONTINUE };
enum tm_status exec(struct render *r, const struct node *n, enum flow *ret);
enum tm_status scope_set(struct render *r, struct scope *s, const char *name, struct value v);
const struct value *scope_find(const struct scope *s, const char *name);
enum tm_status call_macro(struct render *r, const struct node *macro, const struct value *args,
                          const char *const *names, size_t n, struct value *ret);

/* eval.c */
enum tm_status eval(struct render *r, const struct node *n, struct value *ret);

/* Arguments of a filter, test, method or function: in their order, then by name. */
struct args {
    const struct value *value;
    const char *const *name; /* NULL: by place */
    size_t n;
};
/* The argument at that place or of that name; NULL: not given. */
const struct value *arg(const struct args *a, size_t place, const char *name);

/* filters.c, tests.c, methods.c: TM_NOTFOUND when there is none of the name (err not set). */
enum tm_status filter(struct render *r, const char *name, const struct value *v,
                      const struct args *a, struct value *ret);
enum tm_status test(struct render *r, const char *name, const struct value *v, const struct args *a,
                    bool *ret);
enum tm_status method(struct render *r, const struct value *self, const char *name,
                      const struct args *a, struct value *ret);
enum tm_status function(struct render *r, const char *name, const struct args *a,
                        struct value *ret);
/* strings.c: what filters and methods share. set NULL: blanks; count < 0: all. */
struct value text_strip(const struct value *v, const char *set, size_t n, bool left, bool right);
enum tm_status text_replace(struct render *r, const struct value *v, const struct value *from,
                            const struct value *to, int64_t count, struct value *ret);
enum text_case { LOWER, UPPER, CAPITAL, TITLE };
enum tm_status text_case(struct render *r, const struct value *v, enum text_case how,
                         struct value *ret);
enum tm_status text_join(struct render *r, const struct list *l, const struct value *between,
                         struct value *ret);

#endif
