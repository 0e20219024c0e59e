/* The stage's own parts, as tests reach for them. */
#ifndef CLEAN_CLEAN_H
#define CLEAN_CLEAN_H

#include "charset.h"
#include "extract.h"
#include "lang.h"
#include "meta.h"
#include "sentences.h"
#include "tm_pipeline.h"

/* What a thread keeps from document to document. */
struct tm_cleaner {
    const struct tm_vocabulary *vocabulary;
    struct tm_sentences *sentences;
    struct tm_lang_words *words;
    struct tm_buf decoded, spans;
    struct tm_page page;
    struct tm_extract extract;
    struct tm_writer writer;
    const struct tm_redaction *redaction; /* of the present document; NULL: none */
};

/* body.c: writes an article body that a script held; all of it came from the script. */
void tm_body_write(struct tm_cleaner *c, const struct tm_body *b);
/* Puts what the writer holds into the document: text, paragraphs, sentences, runs, counts. */
enum tm_status tm_finish_document(struct tm_cleaner *c, struct tm_doc *doc, bool paths,
                                  struct tm_err *err);

#endif
