/* From what a model gives to what people expect: the arithmetic of Hugging Face's pipelines
 * (transformers 4.57), shared by the tasks and the verb infer. Pure functions without state. */
#ifndef TM_ANSWERS_H
#define TM_ANSWERS_H

#include "tm_engine.h"
#include "tm_tokenizer.h"

/* ---- labels ---- */

/* (n_labels) probabilities: a softmax, a sigmoid each, or the numbers themselves, as the model's
 * problem type says. */
void tm_label_probabilities(const struct tm_engine_info *info, const float *logits, double *ret_p);
size_t tm_label_best(const double *p, size_t n); /* the first of the largest */

/* Entailment models: which labels say so. Entailment is the label that begins with "entail"
 * (whatever its case), contradiction the first label, or the last when entailment is the first.
 * TM_MODEL when there is none. */
enum tm_status tm_entailment_labels(const struct tm_engine_info *info, int32_t *ret_entailment,
                                    int32_t *ret_contradiction, struct tm_err *err);
/* Scores of n candidate labels from the logits of (text, hypothesis of each label). several:
 * each label on its own, entailment against contradiction; else one softmax over entailment. */
void tm_zero_shot_scores(const float *const *logits, size_t n, int32_t entailment,
                         int32_t contradiction, bool several, double *ret_scores);

/* ---- entities ---- */

enum tm_aggregation {
    TM_AGGREGATE_NONE,   /* a token, an entity */
    TM_AGGREGATE_SIMPLE, /* neighbours with the same tag */
    TM_AGGREGATE_FIRST,  /* a word has the label of its first token */
    TM_AGGREGATE_AVERAGE,
    TM_AGGREGATE_MAX
};
bool tm_aggregation_find(const char *name, enum tm_aggregation *ret); /* "first" … */

/* A text's tokens with the labels' probabilities. */
struct tm_tagged {
    const struct tm_tokenizer *tok;
    const struct tm_engine_info *info;
    const char *text; /* UTF-8, what the offsets count code points of */
    size_t text_len;
    const int32_t *ids;
    const uint32_t (*offsets)[2];
    const uint8_t *special; /* (n) 1: passed over */
    const uint8_t *subword; /* (n) 1: goes on with the word before: tm_tokenizer_subwords */
    const double *p;        /* (n, n_labels) */
    size_t n;
};

/* first to first + n: its tokens, or in a group those of its words. */
struct tm_entity {
    const char *label; /* "B-PER"; of a group without B- and I-: "PER" */
    double score;
    size_t first, n;
    uint32_t start, end; /* code points */
};

/* Those that are not O, in order, into ret (room for tagged->n). Scratch comes from the arena.
 * Returns how many; SIZE_MAX when memory is short. */
size_t tm_entities(const struct tm_tagged *tagged, enum tm_aggregation how, struct tm_arena *arena,
                   struct tm_entity *ret);
/* The words of an entity as the tokenizer writes them ("New York"), appended. */
enum tm_status tm_entity_word(const struct tm_tagged *tagged, const struct tm_entity *entity,
                              enum tm_aggregation how, struct tm_buf *out, struct tm_err *err);

/* ---- answers in a text ---- */

/* A question and a window of the context, as one sequence. */
struct tm_qa_window {
    int32_t *ids; /* in the arena */
    int32_t n_ids, n_first;
    int32_t at;             /* of the window's first context token in ids */
    size_t from, n_context; /* the context tokens it has: of all of them */
};

struct tm_qa_answer {
    double score;
    uint32_t start, end; /* code points of the context */
};

struct tm_qa {
    int32_t max_seq_len, doc_stride, max_answer_len;
    size_t top_k;
    bool handle_impossible_answer;
    /* filled by tm_qa_plan, in the arena */
    struct tm_qa_window *window;
    size_t n_windows, n_context;
    const uint32_t (*offsets)[2]; /* of the context tokens, code points */
    const int32_t *words;
    bool has_none; /* the first token stands for "there is no answer" ([CLS]) */
};

/* Windows over the context. enc is the caller's scratch. TM_TOOLARGE when the question leaves no
 * room. */
enum tm_status tm_qa_plan(struct tm_qa *qa, const struct tm_tokenizer *tok, const char *question,
                          size_t n_question, const char *context, size_t n_context,
                          struct tm_encoding *enc, struct tm_arena *arena, struct tm_err *err);
/* The best answers over all windows, best first, whole words. logits[i]: start, then end logits of
 * window i. Two spans with the same text count as one. Returns how many of ret (room for top_k);
 * SIZE_MAX when memory is short. An empty one (0, 0): there is no answer. */
size_t tm_qa_answers(const struct tm_qa *qa, const float *const *logits, const char *context,
                     size_t n_context, struct tm_arena *arena, struct tm_qa_answer *ret);

/* ---- texts ---- */

/* Byte offset of code point cp in text[0, n), which is valid UTF-8; n beyond the end. */
size_t tm_utf8_at(const char *text, size_t n, uint32_t cp);

#endif
