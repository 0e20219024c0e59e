/* Verbs and their options as tables: parsing, --help and later completion and man pages come from
 * the rows. A new verb is a file, a struct verb and a row in verb_table. */
#ifndef ARGS_H
#define ARGS_H

#include "exit_code.h"

struct args;

struct verb_option {
    const char *name;  /* without dashes; NULL ends the list */
    char letter;       /* '\0': none */
    const char *value; /* what it takes, for help; NULL: a flag */
    const char *help;
};

enum { VERB_MAX_OPTIONS = 48 };

struct verb {
    const char *name;
    const char *operands; /* "[FILE…]"; NULL: none are taken */
    const char *summary;  /* one line */
    const char *details;  /* more, for the verb's own help; may be NULL */
    const struct verb_option *options;
    enum exit_code (*run)(const struct args *args);
};

struct args {
    const struct verb *verb;
    const char *value[VERB_MAX_OPTIONS]; /* by row of options; "" for a flag; NULL: not given */
    char **operands;                     /* borrowed from argv */
    int n_operands;
};

extern const struct verb *const verb_table[]; /* ends with NULL */

/* NULL when the option was not given; the option must be in the verb's table. */
const char *args_get(const struct args *a, const char *name);
bool args_has(const struct args *a, const char *name);
/* A whole number in [lo, hi], `fallback` when not given. EXIT_USAGE after a message. */
enum exit_code args_int(const struct args *a, const char *name, int64_t lo, int64_t hi,
                        int64_t fallback, int64_t *ret);

enum exit_code args_run(int argc, char **argv);

/* "textmill VERB: text" on stderr. Returns code. */
enum exit_code verb_fail(const struct args *a, enum exit_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* The same from an error. */
enum exit_code verb_fail_err(const struct args *a, const struct tm_err *err);

#endif
