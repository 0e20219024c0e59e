/* The paragraph that a writer has just finished, written once more with some of it changed, its
 * runs with it. */
#ifndef CLEAN_REWRITE_H
#define CLEAN_REWRITE_H

#include "writer.h"

struct tm_rewrite {
    struct tm_writer *w;
    const char *text; /* the old paragraph; valid to the end */
    size_t len;
    const struct tm_offset_run *runs;
    size_t n_runs, run;
    uint32_t base; /* where the paragraph begins in the whole text */
};

void tm_rewrite_begin(struct tm_rewrite *s, struct tm_writer *w);
/* old[from, to) as it is, with the runs it crosses. Positions only grow. */
void tm_rewrite_copy(struct tm_rewrite *s, size_t from, size_t to);
/* new instead of old[from, to), from < to: one inexact run over all that it came from. */
void tm_rewrite_replace(struct tm_rewrite *s, size_t from, size_t to, const char *new, size_t n);
/* Where in the whole text the next byte will stand. */
uint32_t tm_rewrite_at(const struct tm_rewrite *s);
/* The new paragraph takes the place of the old. */
void tm_rewrite_end(struct tm_rewrite *s);

#endif
