/* The Kafka source (tm_source_ops): partitions of a consumer group as lanes.
 *
 * service, take, rewind and at_end run on the source thread, as do the callbacks of librdkafka,
 * from inside rd_kafka_consumer_poll; context and commit run on the delivery thread. They share the
 * table of partitions, under its lock; librdkafka's own handles may be used by any thread.
 *
 * Every partition has a queue of its own, detached from the consumer's, so that polling never stops
 * and nothing is ever paused: a window that is full leaves records in their queues. A queue that
 * gets something writes to a pipe, which is what an idle service waits for. The end of a partition
 * is an event; where it lies beyond the last record (markers of transactions, compaction) it
 * becomes a gap record, so that the position is committed like any other. */
#include "kafka.h"
#include "tm_folders.h"
#include "tm_kafka.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    POLL_EVERY_MS = 5, /* while there is work; idle, the pipe wakes */
    LAG_EVERY_MS = 1000,
    ASK_MS = 5000,   /* of one question to the cluster */
    GROUP_MOST = 32, /* records of one partition in a row */
};

static void on_error(rd_kafka_t *rk, int code, const char *reason, void *opaque)
{
    struct kafka *k = opaque;
    (void)rk;
    if (code != RD_KAFKA_RESP_ERR__FATAL) /* service asks for it */
        tm_err_set(&k->trouble, tm_kafka_status(code), "%s", reason);
}

/* ---- life ---- */

static void kafka_destroy(void *self)
{
    struct kafka *k = self;
    if (k == NULL)
        return;
    for (size_t i = 0; i < k->n; i++)
        partition_let_go(k->partitions[i]);
    if (k->rk != NULL) {
        rd_kafka_consumer_close(k->rk); /* runs group_rebalanced: nothing is in flight any more */
        if (k->context.group != NULL)
            rd_kafka_consumer_group_metadata_destroy(k->context.group);
        rd_kafka_destroy(k->rk);
    }
    if (k->context.offsets != NULL)
        rd_kafka_topic_partition_list_destroy(k->context.offsets);
    for (size_t i = 0; i < k->n; i++)
        partition_destroy(k->partitions[i]);
    free(k->partitions);
    ends_destroy(k->ends);
    tm_closep(&k->pipe[0]);
    tm_closep(&k->pipe[1]);
    pthread_mutex_destroy(&k->lock);
    free(k);
}

static void kafka_destroyp(struct kafka **k)
{
    kafka_destroy(*k);
}

static enum tm_status subscribe(struct kafka *k, struct tm_err *err)
{
    char topic[256];
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(4);
    for (const char *topics = k->conf->source_kafka_topics;
         tm_kafka_word(&topics, topic, sizeof topic);)
        rd_kafka_topic_partition_list_add(list, topic, RD_KAFKA_PARTITION_UA);
    int code = (int)rd_kafka_subscribe(k->rk, list);
    rd_kafka_topic_partition_list_destroy(list);
    return code == 0 ? TM_OK : tm_kafka_err(err, code, "subscribe");
}

static enum tm_status connect_client(struct kafka *k, struct tm_err *err)
{
    rd_kafka_conf_t *rc = NULL;
    enum tm_status s = tm_kafka_conf(k->conf, TM_KAFKA_CONSUMER, &rc, err);
    if (s != TM_OK)
        return s;
    rd_kafka_conf_set_opaque(rc, k);
    rd_kafka_conf_set_rebalance_cb(rc, group_rebalanced);
    rd_kafka_conf_set_error_cb(rc, on_error);
    s = tm_kafka_new(TM_KAFKA_CONSUMER, &rc, &k->rk, err);
    if (s != TM_OK)
        return s;
    rd_kafka_poll_set_consumer(k->rk);
    rd_kafka_queue_t *q = rd_kafka_queue_get_consumer(k->rk);
    rd_kafka_queue_io_event_enable(q, k->pipe[1], "", 1);
    rd_kafka_queue_destroy(q);
    return TM_OK;
}

static enum tm_status kafka_create(void **ret_self, const struct tm_conf *conf,
                                   tm_resume_fn *resume, void *arg, struct tm_err *err)
{
    (void)resume, (void)arg; /* positions are with the group */
    TM_CLEANUP(kafka_destroyp) struct kafka *k = calloc(1, sizeof *k);
    if (k == NULL)
        return tm_err_set(err, TM_NOMEM, "Kafka source");
    k->conf = conf;
    k->pipe[0] = k->pipe[1] = -1;
    pthread_mutex_init(&k->lock, NULL);
    tm_kafka_start(conf->source_kafka_start, &k->start, &k->start_time_ms);
    if (pipe2(k->pipe, O_CLOEXEC | O_NONBLOCK) < 0)
        return tm_err_errno(err, errno, "pipe");
    k->ends = ends_create();
    k->context.offsets = rd_kafka_topic_partition_list_new(16);
    enum tm_status s = k->ends == NULL ? tm_err_set(err, TM_NOMEM, "Kafka source") : TM_OK;
    if (s == TM_OK)
        s = connect_client(k, err);
    if (s != TM_OK)
        return s;
    *ret_self = TM_TAKE(k);
    return TM_OK;
}

static void kafka_attach(void *self, const struct tm_source_host *host)
{
    struct kafka *k = self;
    k->host = host;
    struct tm_err err = {0};
    if (subscribe(k, &err) != TM_OK)
        k->trouble = err;
}

/* ---- upkeep ---- */

static void measure_lag(struct kafka *k)
{
    int64_t lag = 0, low, high;
    for (size_t i = 0; i < k->n; i++) {
        const struct partition *p = k->partitions[i];
        if (!p->assigned ||
            rd_kafka_get_watermark_offsets(k->rk, p->topic, p->number, &low, &high) != 0 ||
            high < 0)
            continue;
        pthread_mutex_lock(&k->lock);
        int64_t at = p->committed >= 0 ? p->committed : p->first >= 0 ? p->first : low;
        pthread_mutex_unlock(&k->lock);
        int64_t behind = TM_MAX(high - TM_MAX(at, (int64_t)0), (int64_t)0);
        lag += behind;
        if (k->host->lag != NULL) {
            char name[300];
            snprintf(name, sizeof name, "%s/%d", p->topic, (int)p->number);
            k->host->lag(k->host->arg, i, name, behind);
        }
    }
    tm_metric_set(k->host->metrics, TM_METRIC_KAFKA_LAG, lag);
}

/* What reaches the consumer's own queue: errors, and events that librdkafka serves itself. */
static void take_event(struct kafka *k, rd_kafka_message_t *m)
{
    if (m->err != 0 && m->err != RD_KAFKA_RESP_ERR__PARTITION_EOF)
        tm_err_set(&k->trouble, tm_kafka_status((int)m->err), "%s", rd_kafka_message_errstr(m));
    rd_kafka_message_destroy(m);
}

static void poll_client(struct kafka *k)
{
    rd_kafka_message_t *m;
    k->polled_ns = tm_clock_ns();
    while ((m = rd_kafka_consumer_poll(k->rk, 0)) != NULL)
        take_event(k, m);
    if (k->polled_ns - k->lag_ns > LAG_EVERY_MS * 1000000ull) {
        measure_lag(k);
        k->lag_ns = k->polled_ns;
    }
}

static void wait_for_pipe(struct kafka *k, unsigned wait_ms)
{
    struct pollfd p = {.fd = k->pipe[0], .events = POLLIN};
    char ignored[256];
    if (poll(&p, 1, (int)wait_ms) > 0)
        while (read(k->pipe[0], ignored, sizeof ignored) == (ssize_t)sizeof ignored)
            continue;
}

static enum tm_status kafka_service(void *self, unsigned wait_ms, struct tm_err *err)
{
    struct kafka *k = self;
    char why[256];
    if (wait_ms == 0 && tm_clock_ns() - k->polled_ns < POLL_EVERY_MS * 1000000ull)
        return TM_OK;
    poll_client(k);
    int fatal = (int)rd_kafka_fatal_error(k->rk, why, sizeof why);
    if (fatal != 0)
        return tm_err_set(err, TM_CLOSED, "another instance has this one's place in the group: %s",
                          why);
    if (k->host->once) {
        enum tm_status s = ends_find(k->ends, k->rk, k->conf->source_kafka_topics, err);
        if (s != TM_OK && s != TM_AGAIN)
            return tm_status_retry(s) ? TM_UNAVAILABLE : s;
    }
    if (k->trouble.status != TM_OK) {
        *err = k->trouble;
        k->trouble = (struct tm_err){0};
        return tm_status_retry(err->status) ? err->status : TM_IO;
    }
    if (wait_ms > 0)
        wait_for_pipe(k, wait_ms);
    return TM_OK;
}

/* ---- records ---- */

static void place(struct tm_doc *d, uint64_t lane, const struct partition *p)
{
    d->rec.lane = lane;
    d->rec.epoch = p->epoch;
}

/* The end of the partition: a gap where it is not right behind the last record. */
static struct tm_doc *at_partition_end(struct partition *p, int64_t end)
{
    if (end <= 0 || end == p->given)
        return NULL;
    return record_of_gap(p->topic, p->number, end);
}

static struct tm_doc *document(const struct kafka *k, const struct partition *p,
                               const rd_kafka_message_t *m)
{
    rd_kafka_timestamp_type_t type;
    rd_kafka_headers_t *headers = NULL;
    rd_kafka_message_headers(m, &headers);
    const struct message message = {.topic = p->topic,
                                    .partition = p->number,
                                    .offset = m->offset,
                                    .time_ms = rd_kafka_message_timestamp(m, &type),
                                    .key = m->key,
                                    .key_len = m->key_len,
                                    .value = m->payload,
                                    .len = m->len,
                                    .headers = headers};
    return record_of_message(k->conf, &message);
}

/* The next document of the partition; NULL when its queue is empty. */
static struct tm_doc *take_one(struct kafka *k, struct partition *p)
{
    rd_kafka_message_t *m;
    while ((m = rd_kafka_consume_queue(p->queue, 0)) != NULL) {
        struct tm_doc *d = NULL;
        if (m->err == 0)
            d = document(k, p, m);
        else if (m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF)
            d = at_partition_end(p, m->offset);
        else
            tm_err_set(&k->trouble, tm_kafka_status((int)m->err), "%s/%d: %s", p->topic, p->number,
                       rd_kafka_message_errstr(m));
        if (d != NULL) {
            p->given = (int64_t)d->rec.seq + 1;
            if (p->first < 0)
                p->first = (int64_t)d->rec.seq;
        }
        rd_kafka_message_destroy(m);
        if (d != NULL)
            return d;
    }
    return NULL;
}

static size_t kafka_take(void *self, struct tm_doc **out, size_t max)
{
    struct kafka *k = self;
    size_t n = 0;
    for (size_t tried = 0; n < max && tried < k->n; tried++, k->turn++) {
        uint64_t lane = k->turn % k->n;
        struct partition *p = k->partitions[lane];
        struct tm_doc *d;
        for (size_t row = 0; p->assigned && n < max && row < GROUP_MOST; row++) {
            if ((d = take_one(k, p)) == NULL)
                break;
            place(d, lane, p);
            out[n++] = d;
        }
    }
    return n;
}

static bool kafka_at_end(void *self)
{
    struct kafka *k = self;
    return ends_reached(k->ends, k->rk);
}

/* ---- positions ---- */

static void list_positions(struct kafka *k, const struct tm_progress *progress, size_t n,
                           rd_kafka_topic_partition_list_t *list)
{
    pthread_mutex_lock(&k->lock);
    for (size_t i = 0; i < n; i++) {
        struct partition *p = k->partitions[progress[i].lane];
        rd_kafka_topic_partition_list_add(list, p->topic, p->number)->offset =
            (int64_t)progress[i].next;
        p->committed = (int64_t)progress[i].next; /* or as good as: for lag alone */
    }
    pthread_mutex_unlock(&k->lock);
}

/* Metadata of a group without a member would be taken by the brokers without question, whoever owns
 * the partitions by now: librdkafka gives them while it is between two memberships. */
static bool is_member(const struct kafka *k)
{
    char *id = rd_kafka_memberid(k->rk);
    bool is = id != NULL && id[0] != '\0';
    if (id != NULL)
        rd_kafka_mem_free(k->rk, id);
    return is;
}

static void *kafka_context(void *self, const struct tm_progress *progress, size_t n)
{
    struct kafka *k = self;
    struct tm_kafka_context *c = &k->context;
    if (c->group != NULL)
        rd_kafka_consumer_group_metadata_destroy(TM_TAKE(c->group));
    rd_kafka_topic_partition_list_destroy(c->offsets);
    c->offsets = rd_kafka_topic_partition_list_new((int)n);
    list_positions(k, progress, n, c->offsets);
    bool before = is_member(k);
    c->group = rd_kafka_consumer_group_metadata(k->rk);
    return before && c->group != NULL && is_member(k) ? c : NULL;
}

/* The sink has stored the results and knows nothing of positions. */
static enum tm_status kafka_commit(void *self, const struct tm_release *release, struct tm_err *err)
{
    struct kafka *k = self;
    rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_new((int)release->n_progress);
    list_positions(k, release->progress, release->n_progress, list);
    int code = (int)rd_kafka_commit(k->rk, list, 0);
    for (int i = 0; code == 0 && i < list->cnt; i++)
        code = (int)list->elems[i].err;
    rd_kafka_topic_partition_list_destroy(list);
    if (code == 0) {
        tm_metric_add(k->host->metrics, TM_METRIC_KAFKA_COMMITS, 1);
        return TM_OK;
    }
    tm_kafka_err(err, code, "commit of positions");
    return tm_status_retry(err->status) ? err->status : TM_AGAIN; /* until the lanes are lost */
}

/* Where a partition goes back to: what is committed, else where it began. */
static int64_t position_of(const struct partition *p, int64_t committed)
{
    return committed >= 0 ? committed : p->first;
}

static enum tm_status kafka_rewind(void *self, struct tm_err *err)
{
    struct kafka *k = self;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(16);
    rd_kafka_topic_partition_list_t *seek = rd_kafka_topic_partition_list_new(16);
    rd_kafka_error_t *error = NULL;
    uint64_t lane;
    for (size_t i = 0; i < k->n; i++)
        if (k->partitions[i]->assigned)
            rd_kafka_topic_partition_list_add(list, k->partitions[i]->topic,
                                              k->partitions[i]->number);
    int code = list->cnt > 0 ? (int)rd_kafka_committed(k->rk, list, ASK_MS) : 0;
    for (int i = 0; code == 0 && i < list->cnt; i++) {
        const rd_kafka_topic_partition_t *tp = &list->elems[i];
        int64_t to = position_of(partition_find(k, tp->topic, tp->partition, &lane), tp->offset);
        code = (int)tp->err;
        if (to >= 0)
            rd_kafka_topic_partition_list_add(seek, tp->topic, tp->partition)->offset = to;
    }
    if (code == 0 && seek->cnt > 0)
        error = rd_kafka_seek_partitions(k->rk, seek, ASK_MS);
    for (int i = 0; code == 0 && error == NULL && i < seek->cnt; i++)
        code = (int)seek->elems[i].err;
    if (error != NULL) {
        code = (int)rd_kafka_error_code(error);
        rd_kafka_error_destroy(error);
    }
    for (size_t i = 0; code == 0 && i < k->n; i++) {
        k->partitions[i]->epoch = ++k->epoch;
        k->partitions[i]->given = -1;
    }
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_topic_partition_list_destroy(seek);
    if (code == 0)
        return TM_OK;
    tm_kafka_err(err, code, "going back to what is committed");
    return tm_status_retry(err->status) ? err->status : TM_AGAIN;
}

const struct tm_source_ops tm_source_kafka = {
    .name = "kafka",
    .create = kafka_create,
    .attach = kafka_attach,
    .service = kafka_service,
    .take = kafka_take,
    .context = kafka_context,
    .commit = kafka_commit,
    .rewind = kafka_rewind,
    .at_end = kafka_at_end,
    .destroy = kafka_destroy,
};
