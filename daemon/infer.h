/* Shared by the two files of the verb infer. */
#ifndef INFER_H
#define INFER_H

#include "tm_answers.h"
#include "tm_engine.h"
#include "tm_generate.h"
#include "tm_pipeline.h"
#include "tm_tokenizer.h"

/* One line of input on its way. */
struct infer_item {
    struct tm_seq seq;
    const char *text; /* what was read, for entities */
    size_t text_len;
    uint32_t (*offsets)[2]; /* of a text: code points of each id */
    uint8_t *special, *subword;
};

/* How answers are written. */
struct infer_form {
    bool raw;                             /* --ids: logits and ids */
    const char *key;                      /* of generated texts: "translation_text" */
    const struct tm_generator *generator; /* NULL: the model does not generate */
    enum tm_aggregation aggregation;
    struct tm_arena *arena; /* scratch that lives as long as the item */
};

/* The answer as one line of JSON in the field's shapes. */
enum tm_status infer_print(const struct tm_model *m, const struct infer_item *item,
                           const struct infer_form *form, struct tm_buf *out, struct tm_err *err);

#endif
