/* What run and once tell the person or the journal: failures, progress, the summary. */
#ifndef REPORT_H
#define REPORT_H

#include "tm_pipeline.h"

#include <pthread.h>

/* The last failures of each code, for /dead: where the document is, never what it says. */
enum { SAMPLES = 8 };
struct sample {
    int64_t at_ms, line;
    char document[256], stage[24], message[256];
};

struct report {
    bool bar; /* stderr is a terminal that wants a progress bar */
    bool drawn;
    pthread_mutex_t lock; /* of stderr's line: trouble comes from several threads */
    struct {
        struct sample ring[SAMPLES];
        size_t n; /* ever */
    } samples[TM_STATUS_COUNT];
    struct tm_summary told; /* as the last summary line had it */
    uint64_t told_ns;
};

void report_init(struct report *r, bool bar);
/* The runner's callbacks; arg is the report. */
void report_trouble(void *arg, const struct tm_doc *doc, const char *stage,
                    const struct tm_err *err);
/* Copies of the newest samples of a code, newest first. Any thread. Returns how many. */
size_t report_samples(struct report *r, enum tm_status code, struct sample out[SAMPLES]);
void report_progress(void *arg, const struct tm_summary *now, uint64_t total);
/* From the runner's main thread, with every progress: a line a minute, if anything happened. */
void report_minute(struct report *r, const struct tm_summary *now);
void report_summary(struct report *r, const struct tm_summary *s);

#endif
