/* Documents in JSON whose members have other names, as the configuration says. */
#ifndef CLEAN_FIELDS_H
#define CLEAN_FIELDS_H

#include "tm_base.h"

#include <jansson.h>

/* Whether the map (clean.fields) names members that an envelope has. */
enum tm_status tm_fields_check(const char *map, struct tm_err *err);
/* The envelope of o: what the map finds takes the place of o's own members. A number becomes text,
 * of published_at a time since 1970. A new reference; NULL: no memory. */
json_t *tm_fields_apply(const char *map, json_t *o);

#endif
