/* Which documents are redacted, and what of them: text while it is written, and what goes around
 * it. */
#ifndef CLEAN_REDACT_H
#define CLEAN_REDACT_H

#include "tm_pipeline.h"
#include "writer.h"

struct tm_redact_policy {
    struct tm_redaction how;
    bool social, others; /* kinds of documents */
};

/* Reads redact.* and the key file. */
enum tm_status tm_redact_open(const struct tm_conf *conf, struct tm_redact_policy *ret_policy,
                              struct tm_err *err);
void tm_redact_close(struct tm_redact_policy *p);

/* The paragraph that the writer has just finished, as w->redaction asks for; notes the spans, as
 * they stand in the new text, in w->pii. */
void tm_redact_settle(struct tm_writer *w);
/* The title, the bytes as they came (for a dead letter) and the text of an error. */
void tm_redact_around(const struct tm_redaction *r, struct tm_buf *scratch, struct tm_doc *doc,
                      struct tm_err *why);

#endif
