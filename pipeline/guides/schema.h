/* A JSON Schema as the automaton of schema_walk.c sees it. Private to guides/. */
#ifndef SCHEMA_H
#define SCHEMA_H

#include "guides.h"
#include "masks.h"

enum schema_kind {
    SCHEMA_LITERALS, /* one of some JSON texts: enum, const, boolean, null */
    SCHEMA_STRING,
    SCHEMA_NUMBER,
    SCHEMA_INTEGER,
    SCHEMA_ARRAY,
    SCHEMA_OBJECT, /* properties in their order */
    SCHEMA_MAP,    /* an object with any keys */
    SCHEMA_ANY_OF, /* told apart by the first byte */
};

enum { SCHEMA_NONE = 0xffff, SCHEMA_MOST = 64 }; /* properties, literals or branches of a node */

struct schema_node {
    enum schema_kind kind;
    uint32_t least, most;        /* of a string's characters or an array's items */
    char *text[SCHEMA_MOST];     /* literals; keys of properties with their quotes */
    uint16_t child[SCHEMA_MOST]; /* values of properties; [0] items of an array or map; branches */
    uint64_t required;           /* bit per property */
    size_t n;
};

struct schema {
    struct guide own; /* first */
    const struct tm_vocabulary *v;
    struct schema_node *node;
    size_t n_nodes;
    uint16_t root, any; /* any: the node of "any value", SCHEMA_NONE until asked for */
    struct masks *masks;
};

/* schema_walk.c: fills own.guide; makes masks. */
enum tm_status schema_walk_init(struct schema *s, struct tm_err *err);

#endif
