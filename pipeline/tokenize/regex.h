/* Regular expressions of tokenizer.json, written for Oniguruma and matched by PCRE2 on code points.
 * Implemented in regex.c; the rewriting of patterns in regex_rewrite.c. */
#ifndef TOKENIZE_REGEX_H
#define TOKENIZE_REGEX_H

#include "text.h"

struct regex;
struct tm_encoding;

/* Compiled for all threads, freed with the arena. TM_UNSUPPORTED when PCRE2 refuses the pattern. */
enum tm_status tok_regex_compile(struct str pattern, struct tm_arena *arena,
                                 struct regex **ret_regex, struct tm_err *err);

/* A stretch of cells that the pattern matches, or one between matches. */
struct stretch {
    uint32_t begin, end;
    bool match;
};
/* Appends all of c[begin, end), cut into matches and what is between, to *ret, which is scratch of
 * e and valid until the next call. TM_TOOLARGE when a match takes too many steps. */
enum tm_status tok_regex_cut(const struct regex *r, struct tm_encoding *e, const struct cell *c,
                             uint32_t begin, uint32_t end, const struct stretch **ret,
                             size_t *ret_n, struct tm_err *err);
void tok_regex_finish(void *match); /* of tm_encoding.match */

/* The same pattern in PCRE2's dialect, appended to out. TM_UNSUPPORTED names what there is no
 * counterpart for. */
enum tm_status tok_regex_rewrite(struct str pattern, struct tm_buf *out, struct tm_err *err);

#endif
