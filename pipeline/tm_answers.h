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

/* ---- texts ---- */

/* Byte offset of code point cp in text[0, n), which is valid UTF-8; n beyond the end. */
size_t tm_utf8_at(const char *text, size_t n, uint32_t cp);

#endif
