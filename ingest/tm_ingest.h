/* Sources. A source is one file here that implements struct tm_source_ops, and a row in the table.
 */
#ifndef TM_INGEST_H
#define TM_INGEST_H

#include "tm_pipeline.h"

extern const struct tm_source_ops tm_source_spool; /* source.spool */
extern const struct tm_source_ops tm_source_kafka; /* source.kafka; builds with librdkafka */

#endif
