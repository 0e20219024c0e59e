/* What bench/kafka.py compares textmill with: the plainest loop that consumes records and produces
 * them to another topic in transactions, with the consumer's positions in them. Nothing is read,
 * bounded, ordered or retried; any error ends it.
 *
 *   bench_kafka_loop BROKERS IN OUT GROUP COMMIT_MS [NAME=VALUE…]      (properties, for both ends)
 */
#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static char why[512];

static void die(const char *doing, const char *text)
{
    fprintf(stderr, "bench_kafka_loop: %s: %s\n", doing, text);
    exit(1);
}

static void check(rd_kafka_error_t *error, const char *doing)
{
    if (error != NULL)
        die(doing, rd_kafka_error_string(error));
}

static void set(rd_kafka_conf_t *rc, const char *name, const char *value)
{
    if (rd_kafka_conf_set(rc, name, value, why, sizeof why) != RD_KAFKA_CONF_OK)
        die(name, why);
}

static rd_kafka_t *make(rd_kafka_type_t type, char **argv, int argc)
{
    rd_kafka_conf_t *rc = rd_kafka_conf_new();
    set(rc, "bootstrap.servers", argv[1]);
    if (type == RD_KAFKA_CONSUMER) {
        set(rc, "group.id", argv[4]);
        set(rc, "enable.auto.commit", "false");
        set(rc, "auto.offset.reset", "earliest");
        set(rc, "enable.partition.eof", "true");
        set(rc, "isolation.level", "read_committed");
    } else {
        set(rc, "transactional.id", argv[4]);
        set(rc, "delivery.report.only.error", "true");
    }
    for (int i = 6; i < argc; i++) {
        char name[256];
        const char *equals = strchr(argv[i], '=');
        if (equals == NULL)
            die(argv[i], "must be NAME=VALUE");
        snprintf(name, sizeof name, "%.*s", (int)(equals - argv[i]), argv[i]);
        set(rc, name, equals + 1);
    }
    rd_kafka_t *rk = rd_kafka_new(type, rc, why, sizeof why);
    if (rk == NULL)
        die("client", why);
    return rk;
}

static uint64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void forward(rd_kafka_t *producer, const char *topic, const rd_kafka_message_t *m)
{
    rd_kafka_resp_err_t code;
    while ((code = rd_kafka_producev(
                producer, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_VALUE(m->payload, m->len),
                RD_KAFKA_V_KEY(m->key, m->key_len), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                RD_KAFKA_V_END)) == RD_KAFKA_RESP_ERR__QUEUE_FULL)
        rd_kafka_poll(producer, 10);
    if (code != 0)
        die("produce", rd_kafka_err2str(code));
}

static void commit(rd_kafka_t *producer, rd_kafka_t *consumer)
{
    rd_kafka_topic_partition_list_t *at = NULL;
    rd_kafka_assignment(consumer, &at);
    rd_kafka_position(consumer, at);
    rd_kafka_consumer_group_metadata_t *group = rd_kafka_consumer_group_metadata(consumer);
    check(rd_kafka_send_offsets_to_transaction(producer, at, group, -1), "positions");
    check(rd_kafka_commit_transaction(producer, -1), "commit");
    rd_kafka_consumer_group_metadata_destroy(group);
    rd_kafka_topic_partition_list_destroy(at);
}

static int count_assigned(rd_kafka_t *consumer)
{
    rd_kafka_topic_partition_list_t *at = NULL;
    rd_kafka_assignment(consumer, &at);
    int n = at->cnt;
    rd_kafka_topic_partition_list_destroy(at);
    return n;
}

/* Until the ends of as many partitions as are assigned were seen. */
static uint64_t loop(rd_kafka_t *producer, rd_kafka_t *consumer, const char *out, unsigned every_ms)
{
    uint64_t n = 0, begun_ms = 0;
    int ended = 0;
    for (;;) {
        rd_kafka_message_t *m = rd_kafka_consumer_poll(consumer, 10);
        bool over = false;
        if (m != NULL && m->err == 0) {
            if (begun_ms == 0) {
                check(rd_kafka_begin_transaction(producer), "begin");
                begun_ms = now_ms();
            }
            forward(producer, out, m);
            n++;
        } else if (m != NULL && m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
            over = ++ended >= count_assigned(consumer);
        }
        if (m != NULL)
            rd_kafka_message_destroy(m);
        if (begun_ms != 0 && (over || now_ms() - begun_ms >= every_ms)) {
            commit(producer, consumer);
            begun_ms = 0;
        }
        if (over)
            return n;
    }
}

int main(int argc, char **argv)
{
    if (argc < 6) {
        fprintf(stderr, "usage: bench_kafka_loop BROKERS IN OUT GROUP COMMIT_MS [NAME=VALUE…]\n");
        return 64;
    }
    rd_kafka_t *consumer = make(RD_KAFKA_CONSUMER, argv, argc);
    rd_kafka_t *producer = make(RD_KAFKA_PRODUCER, argv, argc);
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
    rd_kafka_poll_set_consumer(consumer);
    check(rd_kafka_init_transactions(producer, -1), "initialisation");
    rd_kafka_topic_partition_list_add(topics, argv[2], RD_KAFKA_PARTITION_UA);
    if (rd_kafka_subscribe(consumer, topics) != 0)
        die("subscribe", argv[2]);
    rd_kafka_topic_partition_list_destroy(topics);
    uint64_t n = loop(producer, consumer, argv[3], (unsigned)strtoul(argv[5], NULL, 10));
    printf("%llu\n", (unsigned long long)n);
    rd_kafka_consumer_close(consumer);
    rd_kafka_destroy(consumer);
    rd_kafka_destroy(producer);
    return 0;
}
