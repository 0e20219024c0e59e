/* Names that were probably meant, and those of the tasks. Private to base/. */
#ifndef CONF_NEAR_H
#define CONF_NEAR_H

#include <stdbool.h>

/* Damerau-Levenshtein distance (neighbours swapped count once) that takes no notice of case nor of
 * '-' for '_'. Names beyond 63 bytes: a distance beyond every limit. */
unsigned tm_near_distance(const char *a, const char *b);
/* Distance d is a slip of the pen in a name of that length: about a third of it. */
bool tm_near_enough(unsigned d, const char *name);

/* Tasks that pipeline/tasks/ knows; NULL ends the list. */
extern const char *const tm_conf_task_names[];

#endif
