/* Documents in JSON that others have defined, as envelopes. */
#ifndef CLEAN_ALIAS_H
#define CLEAN_ALIAS_H

#include <jansson.h>

/* CloudEvents, OpenAI batch lines, ninjs 1 to 3, items of JSON Feed, posts of X API v2 and of
 * Reddit become envelopes; anything else is returned as it is. A document that may not be used
 * becomes
 * {"error": why}. Returns a new reference; NULL: no memory. */
json_t *tm_alias(json_t *o);

#endif
