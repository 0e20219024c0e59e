/* extract --compare: how near extracted texts come to the expected ones. */
#ifndef COMPARE_H
#define COMPARE_H

#include "tm_base.h"

struct compare;
/* gold: a JSON file of {NAME: {"articleBody": TEXT}}, where NAME is a file's name, with or without
 * what follows its first full stop; or of {URL: {"file": NAME, "with": [SEGMENT…], "without":
 * [SEGMENT…]}}. */
enum tm_status compare_open(const char *gold, struct compare **ret_compare, struct tm_err *err);
/* Takes account of one line of extract's output. */
void compare_line(struct compare *c, const char *line, size_t n);
/* The scores as one JSON line; out is cleared first. */
bool compare_scores(const struct compare *c, struct tm_buf *out);
void compare_close(struct compare *c); /* NULL is fine */

#endif
