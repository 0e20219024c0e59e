/* Reading tokenizer.json: what all components share. Implemented in read.c.
 *
 * A component is read by a table of its fields into a struct; the row for its "type" says which
 * table. All of it happens on the thread that opens the tokenizer. */
#ifndef TOKENIZE_READ_H
#define TOKENIZE_READ_H

#include "text.h"

struct tm_tokenizer;

enum { ID_MOST = 1 << 22 }; /* ids are below; the largest vocabularies have some 2^18 */

struct reader {
    struct tm_json j;
    struct tm_tokenizer *t;
    unsigned depth;        /* of sequences in sequences */
    struct tm_json merges; /* BPE: where its merges begin, */
    size_t merges_prefix;  /* what prefix they were read with */
    bool merges_read;
};

enum field_type {
    FIELD_BOOL,
    FIELD_BOOL_OR_NULL, /* int8_t, -1: null */
    FIELD_STR,          /* struct str */
    FIELD_TOKEN,        /* struct str: a string, or an object with "content"; null leaves it */
    FIELD_CHAR,         /* uint32_t: a string of one code point */
    FIELD_U64,
    FIELD_CHOICE, /* an enum (unsigned) by its place in choices, which NULL ends */
    FIELD_READ,   /* by the function read */
    FIELD_PART,   /* by the function read; null is the same as absent */
};

struct field {
    const char *key; /* NULL ends a list */
    enum field_type type;
    bool required;
    size_t offset;
    const char *const *choices;
    enum tm_status (*read)(struct reader *r, void *base, struct tm_err *err);
};

/* What all rows begin with. */
struct component {
    const char *name, *short_name; /* values of "type"; short_name may be NULL */
    const struct field *fields;    /* NULL: known, not built */
};

/* How an object without "type" is told: by the fields it has. */
struct signs {
    struct {
        const char *field, *type;
    } rows[4];
    size_t n;
    const char *otherwise;
};

/* Reads an object's fields into base; keys it does not know are skipped, twice the same is an
 * error. what: "normalizer Strip", for messages. */
enum tm_status tok_read_fields(struct reader *r, const char *what, const struct field *fields,
                               void *base, struct tm_err *err);
/* The row of the object that comes next, by its "type" or by signs (NULL: it must have a type); the
 * reader stays before the object. */
enum tm_status tok_read_component(struct reader *r, const char *what, const void *rows, size_t n,
                                  size_t size, const struct signs *signs,
                                  const struct component **ret_row, struct tm_err *err);
/* Calls read for each element of the array that comes next. */
enum tm_status tok_read_array(struct reader *r,
                              enum tm_status (*read)(struct reader *, void *, struct tm_err *),
                              void *base, struct tm_err *err);
/* As tok_read_array, for sequences of components: with a cap on their nesting. */
enum tm_status tok_read_sequence(struct reader *r,
                                 enum tm_status (*read)(struct reader *, void *, struct tm_err *),
                                 void *base, struct tm_err *err);
/* True when null comes next, which is then read. */
enum tm_status tok_read_null(struct reader *r, bool *ret_null, struct tm_err *err);
enum tm_status tok_read_is_object(struct reader *r, bool *ret_object, struct tm_err *err);
enum tm_status tok_read_str(struct reader *r, struct str *ret, struct tm_err *err);
enum tm_status tok_read_id(struct reader *r, int32_t *ret, struct tm_err *err);
enum tm_status tok_read_file(const char *path, size_t most, struct tm_buf *file,
                             struct tm_err *err);
struct tm_arena *tok_reader_arena(const struct reader *r); /* what is read lives here */
enum tm_status tok_read_nothing(struct reader *r, void *base, struct tm_err *err);

#endif
