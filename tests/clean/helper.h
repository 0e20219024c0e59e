/* Runs the clean stage over bytes in memory, for the tests of this folder. */
#ifndef TESTS_CLEAN_HELPER_H
#define TESTS_CLEAN_HELPER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tm_pipeline.h"

/* One stage with one worker; the configuration can be changed between open and the first clean. */
struct cleaning {
    struct tm_conf conf;
    void *self, *worker;
};

struct source {
    const char *data;
    size_t len; /* 0: strlen */
    const char *path, *content_type, *charset;
    bool many;
    int64_t line;
};

void cleaning_open(struct cleaning *c);
void cleaning_set(struct cleaning *c, const char *key, const char *value);
void cleaning_close(struct cleaning *c);
/* The caller destroys the document. data must outlive it. */
struct tm_doc *clean_source(struct cleaning *c, const struct source *s);
struct tm_doc *clean_text(struct cleaning *c, const char *path, const char *data);

/* Every invariant of spans and runs; source is what the runs point into. */
void check_offsets(const struct tm_doc *doc, const char *source, size_t len);
void assert_has(const struct tm_doc *doc, const char *part);
void assert_lacks(const struct tm_doc *doc, const char *part);
bool has_flag(const struct tm_doc *doc, const char *flag);
int removed(const struct tm_doc *doc, const char *rule);

#endif
