/* models bench: how fast a model is on this machine. */
#ifndef DAEMON_MODELS_BENCH_H
#define DAEMON_MODELS_BENCH_H

#include "tm_pipeline.h"
#include "verbs.h"

/* Runs random ids through an open model as the options say, prints figures. load_s: what opening it
 * took. */
enum exit_code models_bench(const struct args *a, struct tm_model *m, double load_s);

#endif
