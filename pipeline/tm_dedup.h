/* De-duplication: which documents say what another one has said already. Called by the runner.
 *
 * A document is the duplicate of an earlier one of the window when its words are the same, or when
 * the MinHash estimate of the Jaccard similarity of their word 5-grams reaches dedup.similarity
 * (Broder 1997; bands as in Leskovec, Rajaraman, Ullman, "Mining of Massive Datasets", 3.4). While
 * that one is in flight the document waits: only one that ended well has duplicates. */
#ifndef TM_DEDUP_H
#define TM_DEDUP_H

#include "tm_pipeline.h"

/* What a document that is one carries; in its arena. */
struct tm_duplicate {
    const char *of; /* id of the first document that said so */
    double similarity;
    const char *policy; /* "keep", "skip", "reuse-result": what was done */
    const char *shared; /* reuse-result: the members of that one's result from text to errors */
    size_t shared_len;
};

struct tm_dedup;
/* *ret_dedup is NULL when dedup.policy is off. Reads the window of the instance from its state
 * folder, whose lock the caller holds. A window that cannot be read is begun anew. */
enum tm_status tm_dedup_create(const struct tm_conf *conf, struct tm_dedup **ret_dedup,
                               struct tm_err *err);
void tm_dedup_destroy(struct tm_dedup *d); /* and the documents that wait; NULL is fine */

/* One thread's: takes *owned and sets it to NULL when it must wait, else decides: doc->duplicate.
 * The first of several alike is the one that is asked about first. */
enum tm_status tm_dedup_ask(struct tm_dedup *d, struct tm_doc **owned);
/* Documents that have waited and are decided now, in the order of asking. */
size_t tm_dedup_poll(struct tm_dedup *d, struct tm_doc **out, size_t max);

/* Any thread's. The document is at its end, well or not; true: somebody may have waited for it. */
bool tm_dedup_ended(struct tm_dedup *d, const struct tm_doc *doc, bool well);
/* These are delivered: the good ones are written down for the next life. */
enum tm_status tm_dedup_delivered(struct tm_dedup *d, struct tm_doc *const *docs, size_t n,
                                  struct tm_err *err);

#endif
