/* Between the files that read config.json. */
#ifndef ENGINE_CONFIG_PARTS_H
#define ENGINE_CONFIG_PARTS_H

#include "config.h"

enum { LABELS_MOST = 1 << 20 };

/* --- config_keys.c --- */
/* The value of a key that the family reads; *ret_known false: it has none of this name, and nothing
 * was read. */
enum tm_status config_key_read(struct tm_json *j, const char *name, struct config *c,
                               struct tm_arena *arena, bool *ret_known, struct tm_err *err);

/* --- labels.c --- */
/* {"0": "NEGATIVE", …}: every number from 0 once, in any order. */
enum tm_status labels_read(struct tm_json *j, struct config *c, struct tm_arena *arena,
                           struct tm_err *err);
enum tm_status problem_read(struct tm_json *j, struct config *c, struct tm_err *err);
/* What the number of labels says where the file says nothing. */
void problem_settle(struct config *c);

/* --- sides.c --- */
/* Sizes that follow from others where the file leaves them out. */
void sizes_settle(struct config *c);

#endif
