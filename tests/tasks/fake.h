/* An engine, a tokenizer and documents whose behaviour a test decides, linked in place of the real
 * ones, so that the logic of tasks, of the infer stage and of results is seen alone.
 *
 * Tokenizer: one id a word (blanks separate), [CLS] before and [SEP] after; words that consist of
 * '~' give no token, as marks do that a real normalizer drops. Engine: see struct fake_model. */
#ifndef FAKE_H
#define FAKE_H

#include "tm_engine.h"
#include "tm_pipeline.h"
#include "tm_tokenizer.h"

#include <jansson.h>
#include <setjmp.h>
#include <cmocka.h>

enum {
    FAKE_CLS = 1,
    FAKE_SEP = 2,
    FAKE_MODELS = 4,
    FAKE_ADDED = 5000,   /* id of fake_added[0] */
    FAKE_LANGUAGE = 6000 /* id of fake_languages[0] */
};

/* What opening the folder `name` gives. answer writes what a sequence of n ids (with [CLS] and
 * [SEP]) gives into out. */
struct fake_model {
    const char *name;
    struct tm_engine_info info;
    enum tm_status (*answer)(const int32_t *ids, int32_t n, float *out);
    /* Of a model that generates: fills seq->generated. */
    enum tm_status (*generate)(const struct tm_sequence *seq);
};
extern struct fake_model fake_models[FAKE_MODELS]; /* name NULL: unused; set by the test */
extern size_t fake_room;                           /* sequences that an engine holds */
extern size_t fake_batch;                          /* sequences of one step */
extern const char *fake_chat_template;             /* NULL: the tokenizer has none */
extern const char *const *fake_languages;          /* of a model of many, NULL-ended; NULL: none */
extern const char *const *fake_added; /* tokens besides the words, NULL-ended; NULL: none */
extern const char *fake_source;       /* language of the last source that was encoded */
extern bool fake_newest_first;        /* answers overtake each other */

/* Sequences that were submitted since the last fake_reset(). */
struct fake_seen {
    int32_t *ids;
    int32_t n;
};
extern struct fake_seen *fake_seen;
extern size_t fake_n_seen;
extern size_t fake_opened; /* engines */

/* A model with an encoder and a decoder. */
struct fake_model fake_generator(const char *name, int32_t max_length,
                                 const struct tm_generation *generation,
                                 enum tm_status (*generate)(const struct tm_sequence *seq));

void fake_reset(void);
int fake_tear_down(void **state);  /* of a test: fake_reset() */
const char *fake_word(int32_t id); /* NULL for special tokens */
int32_t fake_word_id(const char *word);

/* ---- fake_docs.c ---- */

/* A paragraph is a kind and its sentences, separated by '|': "One. |Two. ". NULL text ends. */
struct fake_paragraph {
    enum tm_block kind;
    const char *sentences;
};
struct tm_doc *fake_doc(const struct fake_paragraph *paragraphs);
struct tm_doc *fake_text(const char *sentences); /* one paragraph */

/* Models and tasks from entries; folders of the fake models' names exist in a scratch model path.
 */
struct fake_pipeline {
    struct tm_conf conf;
    struct tm_models *models;
    const struct tm_task *task;
    size_t n_tasks;
    char folder[128];
};
/* entries: { "task", "summary", "sentences", "2", NULL, "task", … NULL, NULL }. */
enum tm_status fake_open(struct fake_pipeline *p, const char *const *entries, struct tm_err *err);
void fake_close(struct fake_pipeline *p);
/* Plans the tasks of a document, as the tokenize stage does. */
void fake_plan(struct fake_pipeline *p, struct tm_doc *doc);
/* Plans, runs every round to its end. Fails the test when the document does not come back. */
void fake_run(struct fake_pipeline *p, struct tm_doc **doc);
/* Opens, runs, and gives the first task's result; fails the test where there is none. */
const json_t *fake_answer(struct fake_pipeline *p, const char *const *entries, struct tm_doc **doc);
void fake_end(struct fake_pipeline *p, struct tm_doc *doc); /* of what fake_answer began */

#endif
