/* Keeps from libxml2 what it does not stand. */
#ifndef CLEAN_GUARD_H
#define CLEAN_GUARD_H

#include "tm_base.h"

/* libxml2 takes NUL for the end and drops other controls, so it gets blanks of the same length: s
 * itself when it has none, else a copy; NULL when memory is short. */
const char *tm_guard_controls(const char *s, size_t n, struct tm_buf *copy);
/* libxml2 2.9 compares each attribute of a tag with all before it, and calls nobody meanwhile.
 * False: some tag has more than `most`. */
bool tm_guard_attributes(const char *s, size_t n, size_t most);

#endif
