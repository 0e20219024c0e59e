/* Text from models that generate: options, guides and texts, shared by the tasks and the verb
 * infer.
 *
 * A generator is what one task entry (or command line) asks of one model. It is made once, before
 * the first document; afterwards any number of threads may read it. */
#ifndef TM_GENERATE_H
#define TM_GENERATE_H

#include "tm_engine.h"
#include "tm_pipeline.h"
#include "tm_tokenizer.h"

struct tm_generator;

/* Options of the entry over those of the model's folder, and the guide that the entry asks for
 * (stop_strings, choices or schema). The model must generate. TM_CONFIG names the key. */
enum tm_status tm_generator_open(const struct tm_model *m, const struct tm_conf_task *c,
                                 struct tm_generator **ret_generator, struct tm_err *err);
void tm_generator_close(struct tm_generator *g); /* NULL is fine */
/* The parameters; a caller that needs others copies them and gives its own to the sequence. */
const struct tm_generation *tm_generator_params(const struct tm_generator *g);

/* Completes a sequence whose ids are set (and generation, when it differs from the generator's):
 * parameters, guide, room for the answers in the arena. TM_TOOLARGE when the model does not take so
 * many ids. */
enum tm_status tm_generator_prepare(const struct tm_generator *g, struct tm_arena *arena,
                                    struct tm_seq *q, struct tm_err *err);
/* The text of answer i, without special tokens and, from a decoder-only model, without the prompt:
 * appended to out. */
enum tm_status tm_generator_text(const struct tm_generator *g, const struct tm_seq *q, size_t i,
                                 struct tm_buf *out, struct tm_err *err);
const char *tm_finish_name(enum tm_finish f); /* "stop", "length" */

/* ---- guides ---- */

/* Guides decide what may come next (struct tm_guide). They work on the bytes of tokens. */
struct tm_vocabulary;
enum tm_status tm_vocabulary_open(const struct tm_model *m, struct tm_vocabulary **ret_vocabulary,
                                  struct tm_err *err);
void tm_vocabulary_close(struct tm_vocabulary *v); /* NULL is fine; after its guides */
/* The answer ends after the token that completes one of the strings, as transformers'
 * StopStringCriteria has it. */
enum tm_status tm_guide_stop(const struct tm_vocabulary *v, const struct tm_conf_list *strings,
                             struct tm_guide **ret_guide, struct tm_err *err);
/* The answer is one of the strings. */
enum tm_status tm_guide_choice(const struct tm_vocabulary *v, const struct tm_conf_list *strings,
                               struct tm_guide **ret_guide, struct tm_err *err);
/* The answer is JSON without blanks that the JSON Schema allows: type, properties, required, items,
 * minItems, maxItems, enum, const, anyOf; objects have their properties in the schema's order.
 * TM_UNSUPPORTED names a keyword that is not among these and would change what is allowed. */
enum tm_status tm_guide_schema(const struct tm_vocabulary *v, const char *schema, size_t n,
                               struct tm_guide **ret_guide, struct tm_err *err);
void tm_guide_close(struct tm_guide *g); /* NULL is fine */

#endif
