/* Shared by the two files of the verb infer. */
#ifndef INFER_H
#define INFER_H

#include "tm_engine.h"
#include "tm_pipeline.h"
#include "tm_tokenizer.h"

/* One line of input on its way. */
struct infer_item {
    struct tm_seq seq;
    uint32_t (*offsets)[2]; /* of a text: code points of each id */
    uint8_t *special;
};

/* The answer as one line of JSON in the field's shapes. raw: logits (--ids). */
void infer_print(const struct tm_model *m, const struct infer_item *item, bool raw,
                 struct tm_buf *out);

#endif
