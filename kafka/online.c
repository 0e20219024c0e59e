/* check --online: what only the cluster can tell (tm_kafka_check_online). Called by the verb, on
 * its thread; nothing is written, no group is joined, and no running instance is disturbed:
 * transactions are tried under a name of their own. */
#include "tm_kafka.h"

#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <string.h>

enum { ASK_MS = 5000, SERVE_MS = 100, SCRAM_VERSION = 0x020601ff };

struct probe {
    const struct tm_conf *conf;
    void (*found)(void *arg, const char *path, const char *text);
    void *arg;
    size_t n;
    rd_kafka_t *rk;
    char reason[256]; /* the last thing that librdkafka complained of */
};

__attribute__((format(printf, 3, 4))) static void say(struct probe *p, const char *path,
                                                      const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    p->n++;
    p->found(p->arg, path, text);
}

static void on_error(rd_kafka_t *rk, int code, const char *reason, void *opaque)
{
    struct probe *p = opaque;
    (void)rk;
    if (code != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN)
        snprintf(p->reason, sizeof p->reason, "%s", reason);
}

static bool connect_as(struct probe *p, enum tm_kafka_role role, const char *path)
{
    struct tm_err err = {0};
    rd_kafka_conf_t *rc = NULL;
    enum tm_status s = tm_kafka_conf(p->conf, role, &rc, &err);
    if (s == TM_OK) {
        char id[256];
        if (role == TM_KAFKA_TRANSACTIONS &&
            tm_kafka_transactional_id(p->conf, id, sizeof id - 6)) {
            strncat(id, "-check", sizeof id - strlen(id) - 1);
            rd_kafka_conf_set(rc, "transactional.id", id, NULL, 0);
        }
        rd_kafka_conf_set_opaque(rc, p);
        rd_kafka_conf_set_error_cb(rc, on_error);
        s = tm_kafka_new(role, &rc, &p->rk, &err);
    }
    if (s != TM_OK)
        say(p, path, "%s", err.text);
    p->reason[0] = '\0';
    return s == TM_OK;
}

static void leave(struct probe *p)
{
    if (p->rk != NULL)
        rd_kafka_destroy(TM_TAKE(p->rk));
}

/* false: the cluster is not there, so that nothing more need be asked. */
static bool find_brokers(struct probe *p, const char *path)
{
    const struct rd_kafka_metadata *meta = NULL;
    rd_kafka_resp_err_t code = rd_kafka_metadata(p->rk, 0, NULL, &meta, ASK_MS);
    rd_kafka_poll(p->rk, SERVE_MS); /* for the reason */
    if (meta != NULL)
        rd_kafka_metadata_destroy(meta);
    /* It repeats the client's part of the nonce, which brokers refuse since 3.8.1. */
    bool old = rd_kafka_version() < SCRAM_VERSION &&
               strncmp(p->conf->kafka_sasl_mechanism, "SCRAM", 5) == 0;
    if (code != 0)
        say(p, path, "the brokers cannot be reached: %s%s",
            p->reason[0] != '\0' ? p->reason : rd_kafka_err2str(code),
            old ? " (SCRAM with brokers since 3.8.1 needs librdkafka 2.6.1)" : "");
    return code == 0;
}

/* Number of its partitions; 0 after a finding. */
static int find_topic(struct probe *p, const char *path, const char *topic)
{
    const struct rd_kafka_metadata *meta = NULL;
    rd_kafka_topic_t *rkt = rd_kafka_topic_new(p->rk, topic, NULL);
    rd_kafka_resp_err_t code = rd_kafka_metadata(p->rk, 0, rkt, &meta, ASK_MS);
    if (code == 0 && meta->topic_cnt == 1)
        code = meta->topics[0].err;
    int n = code == 0 && meta->topic_cnt == 1 ? meta->topics[0].partition_cnt : 0;
    if (code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
        say(p, path, "topic %s does not exist", topic);
    else if (code != 0)
        say(p, path, "topic %s: %s", topic, rd_kafka_err2str(code));
    if (meta != NULL)
        rd_kafka_metadata_destroy(meta);
    rd_kafka_topic_destroy(rkt);
    return n;
}

/* A limit of the brokers that ours must keep to. Brokers that do not tell are not blamed. */
static void check_limit(struct probe *p, const char *path, int64_t ours, const char *name,
                        bool most)
{
    int64_t theirs;
    if (tm_kafka_broker_limit(p->rk, name, ASK_MS, &theirs, NULL) != TM_OK)
        return;
    if (most ? ours > theirs : ours < theirs)
        say(p, path, "%lld does not fit the brokers' %s, %lld", (long long)ours, name,
            (long long)theirs);
}

static void check_group(struct probe *p, const char *topic)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic, 0);
    rd_kafka_resp_err_t code = rd_kafka_committed(p->rk, list, ASK_MS);
    if (code == 0)
        code = list->elems[0].err;
    if (code != 0)
        say(p, "source.kafka.group", "%s: %s", p->conf->source_kafka_group, rd_kafka_err2str(code));
    rd_kafka_topic_partition_list_destroy(list);
}

/* The right to read shows only in reading: the offset asked for is the end, nothing is consumed. */
static void check_reading(struct probe *p, const char *topic)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic, 0)->offset = RD_KAFKA_OFFSET_END;
    rd_kafka_assign(p->rk, list);
    rd_kafka_topic_partition_list_destroy(list);
    uint64_t until = tm_clock_ns() + ASK_MS * 1000000ull;
    for (bool told = false; !told && tm_clock_ns() < until;) {
        rd_kafka_message_t *m = rd_kafka_consumer_poll(p->rk, SERVE_MS);
        told = m != NULL;
        if (m != NULL && m->err == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED)
            say(p, "source.kafka.topics", "topic %s: no right to read it", topic);
        if (m != NULL)
            rd_kafka_message_destroy(m);
    }
    rd_kafka_assign(p->rk, NULL);
}

static void check_source(struct probe *p)
{
    char topic[256];
    if (!connect_as(p, TM_KAFKA_CONSUMER, "source.kafka"))
        return;
    rd_kafka_poll_set_consumer(p->rk);
    if (find_brokers(p, "source.kafka.brokers")) {
        bool group = false;
        for (const char *topics = p->conf->source_kafka_topics;
             tm_kafka_word(&topics, topic, sizeof topic);) {
            if (find_topic(p, "source.kafka.topics", topic) == 0)
                continue;
            if (!group)
                check_group(p, topic);
            group = true;
            check_reading(p, topic);
        }
        check_limit(p, "source.kafka.session_ms", p->conf->source_kafka_session_ms,
                    "group.min.session.timeout.ms", false);
        check_limit(p, "source.kafka.session_ms", p->conf->source_kafka_session_ms,
                    "group.max.session.timeout.ms", true);
    }
    leave(p);
}

/* Letters have the original bytes: their topic must take what the source's topics take. */
static void check_letters(struct probe *p)
{
    const char *dead = p->conf->sink_dead_letters_topic;
    char topic[256];
    int64_t room, needed;
    if (dead[0] == '\0' || find_topic(p, "sink.dead_letters.topic", dead) == 0 ||
        tm_kafka_topic_limit(p->rk, dead, ASK_MS, &room, NULL) != TM_OK)
        return;
    for (const char *topics = p->conf->source_kafka_topics;
         tm_kafka_is_exactly_once(p->conf) && tm_kafka_word(&topics, topic, sizeof topic);)
        if (tm_kafka_topic_limit(p->rk, topic, ASK_MS, &needed, NULL) == TM_OK && needed > room)
            say(p, "sink.dead_letters.topic",
                "max.message.bytes of %s is %lld, of %s %lld: large letters would lose their bytes",
                dead, (long long)room, topic, (long long)needed);
}

static void check_sink(struct probe *p)
{
    bool transactions = tm_kafka_is_exactly_once(p->conf);
    if (!connect_as(p, transactions ? TM_KAFKA_TRANSACTIONS : TM_KAFKA_PRODUCER, "sink.kafka"))
        return;
    const char *path = p->conf->sink_kafka_brokers[0] != '\0' ? "sink.kafka.brokers" : "sink.kafka";
    if (find_brokers(p, path)) {
        if (strchr(p->conf->sink_kafka_topic, '{') == NULL) /* else documents make the names */
            find_topic(p, "sink.kafka.topic", p->conf->sink_kafka_topic);
        check_letters(p);
        if (transactions)
            check_limit(p, "sink.kafka.transaction_ms", p->conf->sink_kafka_transaction_ms,
                        "transaction.max.timeout.ms", true);
        rd_kafka_error_t *error = transactions ? rd_kafka_init_transactions(p->rk, ASK_MS) : NULL;
        if (error != NULL) {
            say(p, "sink.kafka.transactional_id", "%s", rd_kafka_error_string(error));
            rd_kafka_error_destroy(error);
        }
    }
    leave(p);
}

size_t tm_kafka_check_online(const struct tm_conf *c,
                             void (*found)(void *arg, const char *path, const char *text),
                             void *arg)
{
    struct probe p = {.conf = c, .found = found, .arg = arg};
    if (c->source_kafka_brokers[0] != '\0')
        check_source(&p);
    if (c->sink_kafka_topic[0] != '\0' && p.n == 0)
        check_sink(&p);
    return p.n;
}
