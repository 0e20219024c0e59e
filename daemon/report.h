/* What run and once tell the person or the journal: failures, progress, the summary. */
#ifndef REPORT_H
#define REPORT_H

#include "tm_pipeline.h"

#include <pthread.h>

struct report {
    bool bar; /* stderr is a terminal that wants a progress bar */
    bool drawn;
    pthread_mutex_t lock; /* of stderr's line: trouble comes from several threads */
};

void report_init(struct report *r, bool bar);
/* The runner's callbacks; arg is the report. */
void report_trouble(void *arg, const struct tm_doc *doc, const char *stage,
                    const struct tm_err *err);
void report_progress(void *arg, const struct tm_summary *now, uint64_t total);
void report_summary(struct report *r, const struct tm_summary *s);

#endif
