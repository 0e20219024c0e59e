/* JSON trees as text. Private to assemble/. */
#ifndef TREE_H
#define TREE_H

#include "tm_base.h"

struct json_t;

/* Appends value without blanks, members in their own order, reals with as many digits as
 * give the same number again, at least 15: what was read as 0.1 is written as 0.1. */
void tree_put(struct tm_buf *b, const struct json_t *value);

#endif
