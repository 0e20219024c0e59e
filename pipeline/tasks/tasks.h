/* Shared by the tasks: sequences from text, results into the document. Private to tasks/. */
#ifndef TASKS_H
#define TASKS_H

#include "tm_engine.h"
#include "tm_pipeline.h"
#include "tm_tokenizer.h"

extern const struct tm_task_ops sentiment_ops, summary_ops;

/* --- sequences.c --- */

/* Sequences of one round under construction, in the document's arena. A text longer than the model
 * takes becomes several windows; `part` says which text each sequence belongs to, and `weight` how
 * many of its tokens no earlier window has had, so that a mean weighted by it counts each once. */
struct seq_list {
    struct tm_doc *doc;
    const struct tm_task *task;
    struct tm_encoding *enc;
    struct tm_seq *seqs;
    int32_t *part, *weight;
    size_t n, room;
};

/* room: how many sequences to begin with; grows. */
enum tm_status seq_list_init(struct seq_list *l, const struct tm_task *task, struct tm_doc *doc,
                             struct tm_encoding *enc, size_t room, struct tm_err *err);
/* Windows over text[0, n) as part number `part`; neighbours share `stride` tokens. Empty text gives
 * none. */
enum tm_status seq_list_add(struct seq_list *l, const char *text, size_t n, int32_t part,
                            int32_t stride, struct tm_err *err);

/* --- result.c --- */

/* Gives the result to the run: json is taken, also on failure (freed with the document). */
enum tm_status task_finish(struct tm_doc *doc, struct tm_task_run *run, struct json_t *json,
                           struct tm_err *err);
/* x to six decimals, as scores are written. */
double task_round(double x);

#endif
