/* Sources. A source is one file here that implements struct tm_source_ops, and a row in the table.
 */
#ifndef TM_INGEST_H
#define TM_INGEST_H

#include "tm_pipeline.h"

extern const struct tm_source_ops tm_source_spool; /* source.spool */
extern const struct tm_source_ops tm_source_kafka; /* source.kafka; builds with librdkafka */

/* The documents of one file, for verbs: compression and record formats as in the spool. */
struct tm_file;
struct tm_file_record {
    const char *data; /* valid until the next call */
    size_t len;
    int64_t line; /* of a file of several documents, from 1; 0: the file is the document */
};
enum tm_status tm_file_open(const char *path, const struct tm_conf *conf, struct tm_file **ret_file,
                            struct tm_err *err);
/* TM_CLOSED after the last one. Any other failure is that of one document, whose line is filled in;
 * the next call goes on where that is possible. */
enum tm_status tm_file_next(struct tm_file *f, struct tm_file_record *ret, struct tm_err *err);
void tm_file_close(struct tm_file *f); /* NULL is fine */

#endif
