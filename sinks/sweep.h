/* What a killed process left behind. Private to sinks/. */
#ifndef SWEEP_H
#define SWEEP_H

#include "tm_folders.h"

/* Called for a file that is no folder: its path below the root that was walked, and where it is. */
typedef void sweep_fn(void *arg, const char *path, int fd, const char *name);
/* All files below dir, hidden ones too. Folders that cannot be read are passed over. */
void sweep_walk(struct tm_folders *fs, const char *dir, sweep_fn *visit, void *arg);
/* A sweep_fn that removes files named prefix + digits: temporary ones. arg: the prefix. */
void sweep_temporary(void *arg, const char *path, int fd, const char *name);

/* The marker file says that a process is, or was when it died, at work here: *ret_crashed. Creates
 * it, which also shows whether the folder can be written. */
enum tm_status sweep_begin(struct tm_folders *fs, const char *marker, bool *ret_crashed,
                           struct tm_err *err);
void sweep_end(struct tm_folders *fs, const char *marker); /* a clean end: no marker */

#endif
