/* The JSON envelope that a document may come in. */
#ifndef CLEAN_ENVELOPE_H
#define CLEAN_ENVELOPE_H

#include "tm_pipeline.h"

enum tm_payload_kind { TM_PAYLOAD_TEXT, TM_PAYLOAD_HTML, TM_PAYLOAD_XML, TM_PAYLOAD_BYTES };

struct tm_envelope {
    enum tm_payload_kind payload;
    const char *field; /* "text", "html", "xml", "body_base64" */
    const char *data;  /* in the document's arena or the parsed JSON it owns */
    size_t len;
    const char *content_type, *charset; /* NULL: not said */
    const char *kind;                   /* NULL: not said */
    const bool *redact;                 /* NULL: not said */
};

/* Whether the bytes parse as one JSON object. */
bool tm_envelope_is(const char *data, size_t len);

/* Parses data and fills the document's metadata, tasks and meta. TM_BADINPUT with the line and
 * column, or the name of the field, in err. */
enum tm_status tm_envelope_read(struct tm_doc *doc, const char *data, size_t len,
                                struct tm_envelope *ret, struct tm_err *err);

#endif
