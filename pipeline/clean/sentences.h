/* Sentence boundaries of cleaned text. */
#ifndef CLEAN_SENTENCES_H
#define CLEAN_SENTENCES_H

#include "tm_pipeline.h"

struct tm_sentences; /* ICU's iterator and scratch; belongs to one thread */
enum tm_status tm_sentences_create(struct tm_sentences **ret_s, struct tm_err *err);
void tm_sentences_destroy(struct tm_sentences *s);

/* Appends the spans (bytes; code points are left 0) of the sentences in text[start, end), one
 * paragraph, to out as struct tm_span. lang: BCP 47 or NULL. Spans carry no white space at either
 * end, are in order, and cover everything else. TM_NOMEM. */
enum tm_status tm_sentences_split(struct tm_sentences *s, const char *text, uint32_t start,
                                  uint32_t end, enum tm_block kind, const char *lang,
                                  struct tm_buf *out, struct tm_err *err);

/* The boundary after `at` that the rules of Unicode propose in t[0, n), which is printable ASCII
 * and tabs; n at the end. As ICU's iterator, for tests to compare with it. */
size_t tm_sentences_next_ascii(const char *t, size_t n, size_t at);

#endif
