/* The Kafka source's membership (kafka.h): the table of partitions, and what becomes of them when
 * the group is divided anew. Called on the source thread, the callback from inside
 * rd_kafka_consumer_poll. */
#include "kafka.h"

#include <stdlib.h>
#include <string.h>

enum {
    ASK_MS = 5000,    /* of one question to the cluster */
    REVOKE_MS = 3000, /* for delivering what is finished, at most; less with short sessions */
};

/* ---- the table ---- */

struct partition *partition_find(struct kafka *k, const char *topic, int32_t number,
                                 uint64_t *ret_lane)
{
    for (size_t i = 0; i < k->n; i++)
        if (k->partitions[i]->number == number && strcmp(k->partitions[i]->topic, topic) == 0) {
            *ret_lane = i;
            return k->partitions[i];
        }
    return NULL;
}

void partition_destroy(struct partition *p)
{
    if (p == NULL)
        return;
    free(p->topic);
    free(p);
}

/* Under the lock. NULL: memory is short. */
static struct partition *add(struct kafka *k, const char *topic, int32_t number)
{
    struct partition *p = calloc(1, sizeof *p);
    if (k->n == k->room) {
        size_t room = k->room == 0 ? 32 : k->room * 2;
        struct partition **more = reallocarray(k->partitions, room, sizeof *more);
        if (more != NULL) {
            k->partitions = more;
            k->room = room;
        }
    }
    if (p == NULL || k->n == k->room || (p->topic = strdup(topic)) == NULL) {
        partition_destroy(p);
        return NULL;
    }
    p->number = number;
    p->first = p->committed = -1;
    return k->partitions[k->n++] = p;
}

static struct partition *find_or_add(struct kafka *k, const char *topic, int32_t number)
{
    uint64_t lane;
    struct partition *p = partition_find(k, topic, number, &lane);
    if (p != NULL)
        return p;
    pthread_mutex_lock(&k->lock);
    p = add(k, topic, number);
    pthread_mutex_unlock(&k->lock);
    return p;
}

/* ---- assignment: callbacks on the source thread ---- */

/* Explicit positions for partitions without a committed one, when the configuration names some. */
static void place_start(struct kafka *k, rd_kafka_topic_partition_list_t *list)
{
    if (k->start != TM_KAFKA_TIME && k->start != TM_KAFKA_OFFSETS)
        return;
    rd_kafka_topic_partition_list_t *at = rd_kafka_topic_partition_list_copy(list);
    int code = (int)rd_kafka_committed(k->rk, at, ASK_MS);
    rd_kafka_topic_partition_list_t *fresh = rd_kafka_topic_partition_list_new(list->cnt);
    for (int i = 0; code == 0 && i < at->cnt; i++) {
        rd_kafka_topic_partition_t *p = &at->elems[i];
        if (p->offset >= 0)
            continue;
        int64_t offset = tm_kafka_start_offset(k->conf->source_kafka_start, p->topic, p->partition);
        p = rd_kafka_topic_partition_list_add(fresh, p->topic, p->partition);
        p->offset = k->start == TM_KAFKA_TIME ? k->start_time_ms : offset;
    }
    if (code == 0 && fresh->cnt > 0 && k->start == TM_KAFKA_TIME)
        code = (int)rd_kafka_offsets_for_times(k->rk, fresh, ASK_MS);
    for (int i = 0; code == 0 && i < fresh->cnt; i++) {
        const rd_kafka_topic_partition_t *p = &fresh->elems[i];
        if (p->err == 0 && (p->offset >= 0 || p->offset == RD_KAFKA_OFFSET_END))
            rd_kafka_topic_partition_list_set_offset(list, p->topic, p->partition, p->offset);
    }
    if (code != 0)
        tm_kafka_err(&k->trouble, code, "positions to start from cannot be found");
    rd_kafka_topic_partition_list_destroy(fresh);
    rd_kafka_topic_partition_list_destroy(at);
}

/* Before the partition is assigned, or its first records go to the consumer's own queue. */
static void detach(struct kafka *k, const rd_kafka_topic_partition_t *tp)
{
    struct partition *p = find_or_add(k, tp->topic, tp->partition);
    if (p == NULL) {
        tm_err_set(&k->trouble, TM_NOMEM, "no memory for partition %d of %s", tp->partition,
                   tp->topic);
        return;
    }
    p->assigned = true;
    p->epoch = ++k->epoch;
    p->given = -1;
    p->queue = rd_kafka_queue_get_partition(k->rk, tp->topic, tp->partition);
    rd_kafka_queue_forward(p->queue, NULL);
    rd_kafka_queue_io_event_enable(p->queue, k->pipe[1], "", 1);
}

void partition_let_go(struct partition *p)
{
    if (p->queue != NULL)
        rd_kafka_queue_destroy(p->queue);
    p->queue = NULL;
    p->assigned = false;
}

static void take_back(struct kafka *k, const rd_kafka_topic_partition_list_t *list, bool lost)
{
    uint64_t *lanes = calloc((size_t)list->cnt + 1, sizeof *lanes);
    unsigned wait_ms = (unsigned)TM_MIN(k->conf->source_kafka_session_ms / 4, (int64_t)REVOKE_MS);
    size_t n = 0;
    tm_assert(lanes != NULL);
    for (int i = 0; i < list->cnt; i++) {
        struct partition *p =
            partition_find(k, list->elems[i].topic, list->elems[i].partition, &lanes[n]);
        if (p != NULL && p->assigned)
            n++;
    }
    if (n > 0)
        k->host->revoke(k->host->arg, lanes, n, lost, wait_ms);
    for (size_t i = 0; i < n; i++)
        partition_let_go(k->partitions[lanes[i]]);
    free(lanes);
}

static void count_assigned(struct kafka *k)
{
    int64_t n = 0;
    for (size_t i = 0; i < k->n; i++)
        n += k->partitions[i]->assigned;
    tm_metric_set(k->host->metrics, TM_METRIC_KAFKA_PARTITIONS, n);
    tm_metric_add(k->host->metrics, TM_METRIC_KAFKA_REBALANCES, 1);
}

void group_rebalanced(rd_kafka_t *rk, rd_kafka_resp_err_t code,
                      rd_kafka_topic_partition_list_t *list, void *opaque)
{
    struct kafka *k = opaque;
    const bool cooperative = strcmp(rd_kafka_rebalance_protocol(rk), "COOPERATIVE") == 0;
    rd_kafka_error_t *error = NULL;
    if (code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
        place_start(k, list);
        for (int i = 0; i < list->cnt; i++)
            detach(k, &list->elems[i]);
        if (cooperative)
            error = rd_kafka_incremental_assign(rk, list);
        else
            rd_kafka_assign(rk, list);
    } else {
        bool lost = rd_kafka_assignment_lost(rk) || code != RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS;
        take_back(k, list, lost);
        if (cooperative)
            error = rd_kafka_incremental_unassign(rk, list);
        else
            rd_kafka_assign(rk, NULL);
    }
    if (error != NULL) {
        tm_kafka_err(&k->trouble, rd_kafka_error_code(error), "assignment");
        rd_kafka_error_destroy(error);
    }
    count_assigned(k);
}
