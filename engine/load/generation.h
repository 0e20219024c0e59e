/* A folder's decoding parameters: generation_config.json, or what config.json says of them. */
#ifndef ENGINE_GENERATION_H
#define ENGINE_GENERATION_H

#include "config.h"

/* As GenerationConfig.from_pretrained of transformers 4.57: generation_config.json alone where it
 * is there, else the class defaults of the family and config.json's keys. Lists lie in the arena.
 * What would change the answer and is not supported is refused by name. */
enum tm_status generation_read(const char *folder, const struct config *c, struct tm_arena *arena,
                               struct tm_generation *ret_generation, struct tm_err *err);
/* Parameters as an object of the same keys, over those of *g. */
enum tm_status generation_options(struct tm_json *j, struct tm_arena *arena,
                                  struct tm_generation *g, struct tm_err *err);

#endif
