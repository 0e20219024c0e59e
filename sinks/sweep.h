/* Removes temporary files that a killed process left behind. Private to sinks/. */
#ifndef SWEEP_H
#define SWEEP_H

#include "tm_folders.h"

/* The marker file says that a process is, or was when it died, at work here. When it is there
 * already, every file below the roots named prefix + digits is removed. Creates the marker, which
 * also shows whether the folder can be written. */
enum tm_status sweep_begin(struct tm_folders *fs, const char *marker, const char *prefix,
                           struct tm_folders *const *roots, size_t n_roots, struct tm_err *err);
void sweep_end(struct tm_folders *fs, const char *marker); /* a clean end: no marker */

#endif
