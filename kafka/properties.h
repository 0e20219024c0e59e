/* Properties given to librdkafka: those that textmill sets and those of the user. Private to
 * kafka/. */
#ifndef PROPERTIES_H
#define PROPERTIES_H

#include "tm_kafka.h"

enum { PROPERTY_MOST = 1024 };

/* Goes through `kafka.properties`: false at the end, else a name and its text. */
bool property_next(const char **map, char name[PROPERTY_MOST], char text[PROPERTY_MOST]);
/* Why the user may not set it; NULL: he may. */
const char *property_denied(const char *name);

#endif
