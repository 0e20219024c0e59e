/* Where `once` ends (kafka.h): the end offsets of every partition when it began, and the question
 * whether the group has committed them. Called on the source thread, which goes on polling between
 * the calls. End offsets are those of committed transactions: one that hangs holds nobody up. */
#include "kafka.h"
#include "tm_kafka.h"

#include <stdlib.h>
#include <string.h>

enum {
    FIND_MS = 30000, /* a cluster that does not answer for so long is not there */
    ASK_MS = 2000,   /* of one question */
    ASK_EVERY_MS = 200,
};

struct ends {
    rd_kafka_topic_partition_list_t *list; /* offset: the end */
    bool known;
    uint64_t began_ns, asked_ns;
};

struct ends *ends_create(void)
{
    struct ends *e = calloc(1, sizeof *e);
    if (e != NULL)
        e->list = rd_kafka_topic_partition_list_new(16);
    return e;
}

void ends_destroy(struct ends *e)
{
    if (e == NULL)
        return;
    rd_kafka_topic_partition_list_destroy(e->list);
    free(e);
}

static int add_partitions(struct ends *e, rd_kafka_t *rk, const char *topic)
{
    const struct rd_kafka_metadata *meta = NULL;
    rd_kafka_topic_t *rkt = rd_kafka_topic_new(rk, topic, NULL);
    int code = rkt == NULL ? (int)rd_kafka_last_error()
                           : (int)rd_kafka_metadata(rk, 0, rkt, &meta, ASK_MS);
    if (code == 0 && meta->topic_cnt != 1)
        code = RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC;
    if (code == 0)
        code = meta->topics[0].err;
    for (int i = 0; code == 0 && i < meta->topics[0].partition_cnt; i++)
        rd_kafka_topic_partition_list_add(e->list, topic, meta->topics[0].partitions[i].id);
    if (meta != NULL)
        rd_kafka_metadata_destroy(meta);
    if (rkt != NULL)
        rd_kafka_topic_destroy(rkt);
    return code;
}

static int find(struct ends *e, rd_kafka_t *rk, const char *topics)
{
    char topic[256];
    int64_t low;
    rd_kafka_topic_partition_list_destroy(e->list);
    e->list = rd_kafka_topic_partition_list_new(16);
    while (tm_kafka_word(&topics, topic, sizeof topic)) {
        int code = add_partitions(e, rk, topic);
        if (code != 0)
            return code;
    }
    for (int i = 0; i < e->list->cnt; i++) {
        rd_kafka_topic_partition_t *p = &e->list->elems[i];
        int code = (int)rd_kafka_query_watermark_offsets(rk, p->topic, p->partition, &low,
                                                         &p->offset, ASK_MS);
        if (code != 0)
            return code;
        if (p->offset == low)
            p->offset = 0; /* it is empty: nothing to wait for */
    }
    return 0;
}

enum tm_status ends_find(struct ends *e, rd_kafka_t *rk, const char *topics, struct tm_err *err)
{
    uint64_t now = tm_clock_ns();
    if (e->known)
        return TM_OK;
    if (e->began_ns == 0)
        e->began_ns = now;
    int code = find(e, rk, topics);
    e->known = code == 0;
    if (e->known || now - e->began_ns < FIND_MS * 1000000ull)
        return e->known ? TM_OK : TM_AGAIN;
    return tm_kafka_err(err, code, "the end of the topics cannot be found");
}

bool ends_reached(struct ends *e, rd_kafka_t *rk)
{
    uint64_t now = tm_clock_ns();
    if (!e->known || now - e->asked_ns < ASK_EVERY_MS * 1000000ull)
        return false;
    rd_kafka_topic_partition_list_t *at = rd_kafka_topic_partition_list_copy(e->list);
    bool reached = rd_kafka_committed(rk, at, ASK_MS) == RD_KAFKA_RESP_ERR_NO_ERROR;
    for (int i = 0; reached && i < at->cnt; i++)
        reached = at->elems[i].err == 0 && (e->list->elems[i].offset == 0 ||
                                            at->elems[i].offset >= e->list->elems[i].offset);
    rd_kafka_topic_partition_list_destroy(at);
    e->asked_ns = tm_clock_ns();
    return reached;
}
