/* The parts of config.json that are lists or objects: rotary positions, kinds of layers. */
#ifndef ENGINE_ROPE_H
#define ENGINE_ROPE_H

#include "config.h"

/* rope_scaling, or rope_parameters with one set or one for each kind of layer; null: nothing. */
enum tm_status rope_read(struct tm_json *j, struct rope rope[2], struct tm_err *err);
enum tm_status layer_types_read(struct tm_json *j, struct tm_arena *arena, struct config *c,
                                struct tm_err *err);
/* LED's attention_window: a number, or one a layer. */
enum tm_status windows_read(struct tm_json *j, struct tm_arena *arena, struct config *c,
                            struct tm_err *err);

#endif
