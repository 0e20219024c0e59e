/* What tests of generation share: sequences with room for their answers, run on one worker or on
 * several threads. */
#ifndef GENERATING_H
#define GENERATING_H

#include "tiny.h"
#include "tm_engine.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { JOB_ANSWERS = 8, JOB_IDS = 512 };

struct job {
    struct tm_sequence seq;
    struct tm_generation how;
    struct tm_generated got[JOB_ANSWERS];
    int32_t source[JOB_IDS], ids[JOB_ANSWERS][JOB_IDS];
    enum tm_status status;
    int answers; /* how often it was collected */
};

/* A source of n random ids from `seed`, an eos last for an encoder; decoded as the folder says. */
void job_make(const struct tm_engine *e, struct job *j, int32_t n, uint64_t seed);
/* Submits jobs order[0 … n - 1] (NULL: as they are) and runs them to their end on that many
 * workers, each a thread if there are several. Statuses are in the jobs. */
void jobs_run(struct tm_engine *e, struct job *jobs, int n, const int *order, int workers);
/* Fails unless both were answered with the same bits. */
void jobs_same(const char *what, const struct job *a, const struct job *b, int n);
uint32_t random_below(uint64_t *state, uint32_t below);
/* An engine, or the test fails. */
struct tm_engine *open_engine(const char *folder, const char *device,
                              const struct tm_engine_limits *limits);
/* A folder of its own with the model in it; close_tiny removes it. */
struct tm_engine *open_tiny(const struct tiny *t, const char *device,
                            const struct tm_engine_limits *limits);
void close_tiny(struct tm_engine *e);

#endif
