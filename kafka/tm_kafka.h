/* What source, sink and verbs share of Kafka: from configuration to a librdkafka client, and how
 * its errors are told. Works with librdkafka 2.0.2; properties are described in its
 * CONFIGURATION.md.
 *
 * Source and sink make their own clients. Nothing here keeps state. */
#ifndef TM_KAFKA_H
#define TM_KAFKA_H

#include "tm_base.h"

struct rd_kafka_s;
struct rd_kafka_conf_s;
struct rd_kafka_error_s;
struct rd_kafka_topic_partition_list_s;
struct rd_kafka_consumer_group_metadata_s;

enum tm_kafka_role { TM_KAFKA_CONSUMER, TM_KAFKA_PRODUCER, TM_KAFKA_TRANSACTIONS };

/* What release->context is when the source is Kafka: the positions that go into the transaction,
 * and who says so. Borrowed from the source until its next context. */
struct tm_kafka_context {
    struct rd_kafka_topic_partition_list_s *offsets;
    struct rd_kafka_consumer_group_metadata_s *group;
};

/* client.c */

/* Can this build do it, and is everything under kafka:, source.kafka and sink.kafka that base
 * cannot judge all right? Calls found(arg, key, text) for each finding. Contacts nobody. */
size_t tm_kafka_check(const struct tm_conf *c,
                      void (*found)(void *arg, const char *path, const char *text), void *arg);
/* The configuration of a client, owned by the caller until rd_kafka_new has taken it. */
enum tm_status tm_kafka_conf(const struct tm_conf *c, enum tm_kafka_role role,
                             struct rd_kafka_conf_s **ret_conf, struct tm_err *err);
/* A client of it. Takes *owned. */
enum tm_status tm_kafka_new(enum tm_kafka_role role, struct rd_kafka_conf_s **owned,
                            struct rd_kafka_s **ret_client, struct tm_err *err);
/* Are results and positions to be one transaction? */
bool tm_kafka_is_exactly_once(const struct tm_conf *c);
/* Name of this instance's transactions; false when it does not fit. */
bool tm_kafka_transactional_id(const struct tm_conf *c, char *out, size_t size);
/* The next of several words with commas between them; false at the end. */
bool tm_kafka_word(const char **list, char *out, size_t size);
/* From an error code of librdkafka. */
enum tm_status tm_kafka_status(int code);
enum tm_status tm_kafka_err(struct tm_err *err, int code, const char *doing);

/* Where a group begins a partition that it has no position for. */
enum tm_kafka_start {
    TM_KAFKA_EARLIEST,
    TM_KAFKA_LATEST,
    TM_KAFKA_ERROR,
    TM_KAFKA_TIME,
    TM_KAFKA_OFFSETS
};
/* false: not to be understood. *ret_time_ms only for TM_KAFKA_TIME. */
bool tm_kafka_start(const char *text, enum tm_kafka_start *ret_start, int64_t *ret_time_ms);
/* The offset that `topic/partition=offset,…` names for it; -1: none. */
int64_t tm_kafka_start_offset(const char *text, const char *topic, int32_t partition);

/* admin.c: questions to the cluster, each answered within wait_ms. */

/* max.message.bytes of a topic; TM_UNAVAILABLE, TM_PERM, TM_NOTFOUND. */
enum tm_status tm_kafka_topic_limit(struct rd_kafka_s *client, const char *topic, int wait_ms,
                                    int64_t *ret_bytes, struct tm_err *err);
/* A number among the settings of the brokers. */
enum tm_status tm_kafka_broker_limit(struct rd_kafka_s *client, const char *name, int wait_ms,
                                     int64_t *ret, struct tm_err *err);

/* online.c */

/* What tm_kafka_check cannot see: are the brokers there, the topics, the rights, and do limits fit?
 * Findings as in tm_kafka_check. Changes nothing in the cluster. */
size_t tm_kafka_check_online(const struct tm_conf *c,
                             void (*found)(void *arg, const char *path, const char *text),
                             void *arg);

#endif
