/* Shared by the tasks: sequences from text, results into the document. Private to tasks/. */
#ifndef TASKS_H
#define TASKS_H

#include "tm_answers.h"
#include "tm_engine.h"
#include "tm_generate.h"
#include "tm_pipeline.h"
#include "tm_tokenizer.h"

extern const struct tm_task_ops sentiment_ops, summary_ops, translation_ops;

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
/* A sequence for a model that generates, from ids that are copied. how: NULL or, when they differ
 * from the generator's, the parameters. */
enum tm_status seq_generate(struct tm_doc *doc, const struct tm_generator *g,
                            const struct tm_generation *how, const int32_t *ids, size_t n,
                            struct tm_seq *ret, struct tm_err *err);
/* Where to cut a text in two that is too long: after the clause nearest to its middle, else at the
 * nearest blank (s[cut] is the blank), else between characters; 0: nowhere. */
size_t text_cut(const char *s, size_t n);

/* --- result.c --- */

/* Gives the result to the run: json is taken, also on failure (freed with the document). */
enum tm_status task_finish(struct tm_doc *doc, struct tm_task_run *run, struct json_t *json,
                           struct tm_err *err);
/* x to six decimals, as scores are written. */
double task_round(double x);

/* --- rank.c --- */

/* How much each sentence says of the text, without a model: how near its words lie to those of all
 * sentences, and how early it stands (news puts what matters first). worth: (n_sentences), 0 for
 * headings and sentences of a few words. */
void rank_sentences(const struct tm_doc *doc, double *ret_worth);

/* --- abstract.c: the summary of models that generate --- */

enum tm_status abstract_open(struct tm_task *t, struct tm_err *err);
void abstract_close(struct tm_task *t);
enum tm_status abstract_plan(const struct tm_task *t, struct tm_doc *doc, struct tm_task_run *run,
                             struct tm_encoding *enc, struct tm_err *err);
enum tm_status abstract_next(const struct tm_task *t, struct tm_doc *doc, struct tm_task_run *run,
                             struct tm_encoding *enc, struct tm_err *err);

/* --- summary.c --- */

/* {text, style: "extractive", method, sentences_used, chunks, coverage, truncated} of the sentences
 * i with used[i] set; NULL: no memory. */
struct json_t *summary_extract(const struct tm_doc *doc, const bool *used, const char *method,
                               int chunks);
/* The document's own text as its summary. */
enum tm_status summary_whole(struct tm_doc *doc, struct tm_task_run *run, struct tm_err *err);
/* Words between blanks. */
uint32_t summary_words(const char *s, size_t n);

/* --- languages.c --- */

enum { LANGUAGE_PREFIX = 32 };
/* How a model is told the languages. */
struct language_pair {
    const char *source;           /* the model's code for the source; NULL: its own default */
    int32_t target;               /* id that the answer begins with; -1: none */
    char prefix[LANGUAGE_PREFIX]; /* ">>fra<<" before the text, or empty */
};
/* BCP-47 tags (or the model's own codes); from may be empty. TM_CONFIG: the model does not know
 * one of them. */
enum tm_status language_resolve(const struct tm_model *m, const char *from, const char *to,
                                struct language_pair *ret, struct tm_err *err);
bool language_same(const char *a, const char *b); /* but for region and script */
/* Is the text clearly in this language rather than in `other` (empty: than in any)? Goes by the
 * commonest words of seven European languages; false when in doubt. */
bool language_is(const char *text, size_t n, const char *tag, const char *other);

/* --- checks.c --- */

/* Numbers and names in a text: what must not be made up, and what must not be lost. */
struct fact {
    const char *s; /* in the text */
    size_t n;
    bool number;
};
/* Appends the facts of text to list (room entries at most); returns how many there are. names:
 * capitalised words too, but for the first of a sentence. */
size_t facts_find(const char *text, size_t n, bool names, struct fact *list, size_t room);
/* Does text have this number (1,000 is 1000) or this word? */
bool facts_has(const char *text, size_t n, const struct fact *f);
/* What is wrong with a translation, as bits. */
enum {
    FLAG_LENGTH_RATIO = 1,
    FLAG_REPEATED = 2,
    FLAG_COPY = 4,
    FLAG_NUMBERS = 8,
    FLAG_TRUNCATED = 16,
    FLAG_SAME_LANGUAGE = 32,
    N_FLAGS = 6
};
extern const char *const flag_names[N_FLAGS]; /* "length_ratio" … in the order of the bits */
unsigned translation_flags(const char *src, size_t n_src, const char *tgt, size_t n_tgt);
/* Where the last whole sentence of text ends; 0 when there is none. */
size_t last_sentence_end(const char *text, size_t n);

#endif
