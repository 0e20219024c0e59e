/* The parts of the Kafka source: the lanes, records, and where `once` ends. Private to ingest/. */
#ifndef KAFKA_H
#define KAFKA_H

#include "tm_ingest.h"

#include <librdkafka/rdkafka.h>

/* A partition that was assigned at some time. Its number is its lane. */
struct partition {
    char *topic; /* constant, as the number, once published */
    int32_t number;

    /* source thread */
    bool assigned;
    rd_kafka_queue_t *queue; /* detached from the consumer's; NULL unless assigned */
    uint32_t epoch;
    int64_t given;     /* first offset that was not given in this epoch; -1: none was */
    int64_t first;     /* the first one given ever; -1: none: where a rewind without commits goes */
    int64_t committed; /* as far as known, for lag */
};

/* ---- kafka_record.c ---- */

/* A document of a message, which may be dropped afterwards; NULL: memory is short. m->err is 0. */
struct tm_doc *record_of_message(const struct tm_conf *conf, const rd_kafka_message_t *m);
/* A record that stands for nothing: everything before `next` has been seen. */
struct tm_doc *record_of_gap(const char *topic, int32_t partition, int64_t next);

/* ---- kafka_once.c: the end offsets of all partitions as `once` found them ---- */

struct ends;

struct ends *ends_create(void);
void ends_destroy(struct ends *e); /* NULL is fine */
/* Asks for them until they are known; TM_AGAIN: not yet. */
enum tm_status ends_find(struct ends *e, rd_kafka_t *rk, const char *topics, struct tm_err *err);
/* Has the group, whichever instance of it, committed all of them? Asks now and then. */
bool ends_reached(struct ends *e, rd_kafka_t *rk);

#endif
