/* The parts of the Kafka sink. Private to sinks/. */
#ifndef KAFKA_H
#define KAFKA_H

#include "tm_sinks.h"

#include <librdkafka/rdkafka.h>

struct kafka_output {
    rd_kafka_t *rk;
    const char *topic, *dead_topic; /* dead_topic: NULL, letters are files */
    const char *config_hash;
    int32_t partitions, dead_partitions; /* of the topics; 0: not known */
};

/* kafka_message.c: produces the result, or the dead letter, of a document. Nothing is copied: the
 * document must outlive the message. TM_AGAIN: the producer's queue is full, serve it and come
 * again; TM_TOOLARGE: it will never fit. */
enum tm_status kafka_put_result(const struct kafka_output *o, const struct tm_doc *doc,
                                struct tm_err *err);
/* with_value: with the original bytes; without them a header says how many there were. */
enum tm_status kafka_put_letter(const struct kafka_output *o, const struct tm_doc *doc,
                                bool with_value, struct tm_err *err);

#endif
