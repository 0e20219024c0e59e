/* Ids of the rules of decoding in the backend's memory: see rules.c. */
#ifndef ENGINE_RULES_H
#define ENGINE_RULES_H

#include "tm_kernels.h"

struct rules;

enum tm_status rules_create(int32_t slots, struct rules **ret_rules, struct tm_err *err);
void rules_destroy(struct rules *r, struct tm_backend *b); /* NULL is fine */
/* Copies what `how` points to and points it there; it stays until the slot's next one. */
enum tm_status rules_put(struct rules *r, struct tm_stream *stream, struct tm_backend *b,
                         int32_t slot, struct tm_decoding *how);

#endif
