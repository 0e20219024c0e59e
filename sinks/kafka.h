/* The parts of the Kafka sink. Private to sinks/. */
#ifndef KAFKA_H
#define KAFKA_H

#include "tm_sinks.h"

#include <librdkafka/rdkafka.h>

struct topic {
    char name[250];
    int32_t partitions; /* 0: not known */
    bool missing;       /* the cluster has been asked and does not have it */
    uint64_t asked_ns;
    int64_t limit; /* bytes of a message; 0: not known */
};

/* kafka_topics.c: the topics of results, and those of the result that was routed last. */
struct topics {
    const char *pattern;
    bool several; /* the pattern has a placeholder */
    struct topic *route[16];
    size_t n_route, most, n;
    struct topic *list[];
};

/* pattern is borrowed. NULL: no memory. */
struct topics *topics_create(const char *pattern, size_t most);
void topics_destroy(struct topics *t);
/* The topic of that name, new if need be; NULL: there would be too many. */
struct topic *topics_find(struct topics *t, const char *name);
/* Fills route[]. TM_TOOLARGE: the result needs a topic too many. */
enum tm_status topics_route(struct topics *t, const struct tm_doc *doc, struct tm_err *err);
/* Is there something to ask? several: one that is missing is asked for again after a while only. */
bool topic_is_open(const struct topic *t, bool several);
/* Asks the cluster for partitions and limit, and a little longer where it may be making the topic.
 */
void topic_ask(struct topic *t, rd_kafka_t *rk);

struct kafka_output {
    rd_kafka_t *rk;
    struct topics *topics;
    struct topic dead; /* name "": letters are files */
    const char *config_hash;
};

/* kafka_message.c: produces the result, or the dead letter, of a document. Nothing is copied: the
 * document must outlive the message. TM_AGAIN: the producer's queue is full, serve it and come
 * again; TM_TOOLARGE: it will never fit. */
enum tm_status kafka_put_result(const struct kafka_output *o, const struct topic *to,
                                const struct tm_doc *doc, struct tm_err *err);
/* with_value: with the original bytes; without them a header says how many there were. */
enum tm_status kafka_put_letter(const struct kafka_output *o, const struct tm_doc *doc,
                                bool with_value, struct tm_err *err);

#endif
