/* The parts of the Kafka source: the lanes and their assignment, records, and where `once` ends.
 * Private to ingest/. */
#ifndef KAFKA_H
#define KAFKA_H

#include "tm_ingest.h"
#include "tm_kafka.h"

#include <librdkafka/rdkafka.h>
#include <pthread.h>

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

struct ends;

struct kafka {
    const struct tm_conf *conf;
    const struct tm_source_host *host;
    rd_kafka_t *rk;
    int pipe[2];
    enum tm_kafka_start start;
    int64_t start_time_ms;

    pthread_mutex_t lock; /* guards the array and its growth */
    struct partition **partitions;
    size_t n, room;

    /* source thread */
    size_t turn; /* partition to take from next */
    uint32_t epoch;
    uint64_t polled_ns, lag_ns;
    struct tm_err trouble; /* told by the next service */
    struct ends *ends;

    /* delivery thread */
    struct tm_kafka_context context;
};

/* ---- kafka_group.c: the table of partitions, and assignment ---- */

/* NULL: it was never assigned. */
struct partition *partition_find(struct kafka *k, const char *topic, int32_t number,
                                 uint64_t *ret_lane);
void partition_destroy(struct partition *p); /* NULL is fine */
/* Its queue is given back; nothing more is taken from it. */
void partition_let_go(struct partition *p);
/* librdkafka's callback; opaque: the source. */
void group_rebalanced(rd_kafka_t *rk, rd_kafka_resp_err_t code,
                      rd_kafka_topic_partition_list_t *list, void *opaque);

/* ---- kafka_record.c ---- */

/* A message from outside: what is in it may be anything. */
struct message {
    const char *topic;
    int32_t partition;
    int64_t offset, time_ms; /* time_ms is negative where there is none */
    const char *key, *value; /* NULL: none */
    size_t key_len, len;
    const rd_kafka_headers_t *headers; /* NULL: none */
};

/* A document of a message, which may be dropped afterwards; NULL: memory is short. */
struct tm_doc *record_of_message(const struct tm_conf *conf, const struct message *m);
/* A record that stands for nothing: everything before `next` has been seen. */
struct tm_doc *record_of_gap(const char *topic, int32_t partition, int64_t next);

/* ---- kafka_once.c: the end offsets of all partitions as `once` found them ---- */

struct ends *ends_create(void);
void ends_destroy(struct ends *e); /* NULL is fine */
/* Asks for them until they are known; TM_AGAIN: not yet. */
enum tm_status ends_find(struct ends *e, rd_kafka_t *rk, const char *topics, struct tm_err *err);
/* Has the group, whichever instance of it, committed all of them? Asks now and then. */
bool ends_reached(struct ends *e, rd_kafka_t *rk);

#endif
