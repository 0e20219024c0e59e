/* The dead letter: what is kept of a document that could not be processed. Private to sinks/. */
#ifndef DEADLETTER_H
#define DEADLETTER_H

#include "tm_pipeline.h"

/* Appends one line of JSON, schema "textmill.dead-letter/1", without newline. original: with the
 * bytes of the record (many-document files; a one-document file itself goes to failed/). */
bool deadletter_put(struct tm_buf *b, const struct tm_doc *doc, const char *config_hash,
                    bool original);

#endif
