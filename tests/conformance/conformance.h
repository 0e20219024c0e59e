/* Between conformance.c, which runs folders of numbers, generation.c, which runs generators, and
 * layers.c, which looks inside. */
#ifndef CONFORMANCE_H
#define CONFORMANCE_H

#include "tm_engine.h"

#define TOLERANCE 1e-4 /* absolute, and relative to the reference */

/* Prints and exits. */
void die(const char *what, const struct tm_err *err);
/* Every line of folder/generate.jsonl: ids must be the same, scores within the tolerance. */
bool run_generation(struct tm_engine *e, const char *folder, const char *device);
/* Every line of folder/layers.jsonl: the outputs of all layers within the tolerance. For a CPU. */
bool run_layers(struct tm_engine *e, const char *folder, const char *device);

#endif
