/* Short forms of heads, for the files that hold the rows of families. */
#ifndef ENGINE_ROWS_H
#define ENGINE_ROWS_H

#include "families.h"

/* clang-format off */
#define DENSE(slot, name, rows) {ROW_LINEAR, (slot), (name), (rows), "H"}
#define HEAD_EMBEDDING          {.head = TM_HEAD_EMBEDDING}
#define HEAD_TOKEN(name)        {.head = TM_HEAD_TOKEN, .dense = {DENSE(SLOT_HEAD_0, name, "L")}}
#define HEAD_SPAN(name)         {.head = TM_HEAD_SPAN, .dense = {DENSE(SLOT_HEAD_0, name, "2")}}
#define HEAD_SEQUENCE(first, activation, second)                                   \
    {.head = TM_HEAD_SEQUENCE,                                                     \
     .dense = {DENSE(SLOT_HEAD_0, first, "H"), DENSE(SLOT_HEAD_1, second, "L")},   \
     .act = {activation}}
/* dense, act, norm, classifier */
#define HEAD_MODERN(kind, n)                                                       \
    {.head = (kind),                                                               \
     .dense = {{ROW_LINEAR, SLOT_HEAD_0, "head.dense", "H", "H", BIAS_CLASSIFIER}, \
               {ROW_NORM, SLOT_HEAD_NORM_0, "head.norm", "1", "H", BIAS_NORM},     \
               DENSE(SLOT_HEAD_1, "classifier", n)},                               \
     .act = {ACT_CLASSIFIER}}
/* clang-format on */

#endif
