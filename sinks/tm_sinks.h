/* Sinks. A sink is one file here that implements struct tm_sink_ops. */
#ifndef TM_SINKS_H
#define TM_SINKS_H

#include "tm_pipeline.h"

extern const struct tm_sink_ops tm_sink_files;  /* sink.files */
extern const struct tm_sink_ops tm_sink_kafka;  /* sink.kafka; builds with librdkafka */
extern const struct tm_sink_ops tm_sink_stdout; /* sink.stdout: for once, not restartable */

#endif
