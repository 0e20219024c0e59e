/* Where a lane's output goes: names that cannot leave the folder. Private to sinks/. */
#ifndef PLACE_H
#define PLACE_H

#include "tm_base.h"

/* Appends the relative path of lane_name with suffix (".json", "-17.json") added. Empty components
 * vanish, a leading '.' becomes %2E (so there is no ".." and nothing hidden), and a component that
 * would be too long for the file system is cut, with a hash of all of it put in. reserved (may be
 * NULL): a name at the top that belongs to something else; a folder of that name is escaped. */
bool place_put(struct tm_buf *b, const char *lane_name, const char *suffix, const char *reserved);
/* The same as a new string, NULL when memory is short. */
char *place_make(const char *lane_name, const char *suffix, const char *reserved);

#endif
