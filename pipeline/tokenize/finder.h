/* What Replace and Split look for: a text or a regular expression. Implemented in finder.c. */
#ifndef TOKENIZE_FINDER_H
#define TOKENIZE_FINDER_H

#include "read.h"
#include "regex.h"
#include "scanners.h"

struct finder {
    const uint32_t *text; /* code points of a String */
    size_t n;
    tok_scan_fn *scan;   /* a published pattern: matches follow each other without a gap */
    struct regex *regex; /* any other */
    unsigned spaces;     /* \s+: 1; two or more of U+0020: 2 */
};

/* {"String": text} or {"Regex": pattern}. */
enum tm_status tok_finder_read(struct reader *r, struct finder *f, struct tm_err *err);
/* Cuts x->now[begin, end) into matches and what is between; *ret is valid until the next call.
 * false: see x->status. */
bool tok_finder_cut(const struct finder *f, struct cells *x, uint32_t begin, uint32_t end,
                    const struct stretch **ret, size_t *ret_n);

#endif
