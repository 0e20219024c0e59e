/* Shared by the files of the verb infer. */
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

/* ---- by a task of the pipeline: infer_task.c ---- */

struct infer_task;
/* conf and the model outlive it. */
enum tm_status infer_task_open(const char *name, struct tm_model *m, struct tm_conf_task *conf,
                               struct infer_task **ret_task, struct tm_err *err);
void infer_task_close(struct infer_task *t); /* NULL is fine */
/* A line; question: NULL but for answers. No more when it is full: then run. */
enum tm_status infer_task_add(struct infer_task *t, const char *text, size_t n,
                              const char *question, struct tm_err *err);
bool infer_task_full(const struct infer_task *t);
/* The answers of all lines, one each, appended to out. */
enum tm_status infer_task_run(struct infer_task *t, struct tm_buf *out, struct tm_err *err);

#endif
