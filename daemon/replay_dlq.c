/* replay-dlq: dead letters of a topic back to where they came from.
 *
 * Letters and the position of what was looked at go in one transaction, under a group of its own
 * ("GROUP-replay"), so that a replay that is killed goes on where it was and none is sent twice.
 * The sent record has the original bytes, key and headers. One thread, no pipeline. */
#include "conf_file.h"
#include "tm_kafka.h"
#include "verbs.h"

#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ASK_MS = 10000, POLL_MS = 500, QUIET_MOST = 60, TOGETHER = 500 };

static const char prefix[] = "textmill.";

struct replay {
    const struct args *args;
    struct tm_conf *conf;
    rd_kafka_t *consumer, *producer; /* producer: NULL in a dry run */
    rd_kafka_topic_partition_list_t *at, *ends;
    uint64_t sent, passed_over, impossible;
    size_t pending; /* looked at since the last commit */
    struct tm_err err;
};

/* ---- one letter ---- */

/* The text of a header, not NUL-terminated; false without it. */
static bool header(const rd_kafka_headers_t *h, const char *name, const char **ret, size_t *ret_len)
{
    const void *value = NULL;
    bool found =
        h != NULL && rd_kafka_header_get_last(h, name, &value, ret_len) == 0 && value != NULL;
    *ret = found ? value : "";
    *ret_len = found ? *ret_len : 0;
    return found;
}

static bool header_is(const rd_kafka_headers_t *h, const char *name, const char *wanted)
{
    const char *text;
    size_t n;
    header(h, name, &text, &n);
    return wanted == NULL || (strlen(wanted) == n && memcmp(wanted, text, n) == 0);
}

static bool is_wanted(const struct replay *r, const rd_kafka_headers_t *h)
{
    return header_is(h, "textmill.code", args_get(r->args, "code")) &&
           header_is(h, "textmill.stage", args_get(r->args, "stage")) &&
           header_is(h, "textmill.topic", args_get(r->args, "topic"));
}

static rd_kafka_headers_t *original_headers(const rd_kafka_headers_t *h)
{
    rd_kafka_headers_t *out = rd_kafka_headers_new(8);
    const char *name;
    const void *value;
    size_t n;
    for (size_t i = 0; h != NULL && rd_kafka_header_get_all(h, i, &name, &value, &n) == 0; i++)
        if (strncmp(name, prefix, sizeof prefix - 1) != 0)
            rd_kafka_header_add(out, name, -1, value, (ssize_t)n);
    return out;
}

static enum tm_status send_back(struct replay *r, const rd_kafka_message_t *m, const char *topic,
                                const rd_kafka_headers_t *h)
{
    rd_kafka_headers_t *headers = original_headers(h);
    const rd_kafka_vu_t vus[] = {
        {.vtype = RD_KAFKA_VTYPE_TOPIC, .u.cstr = topic},
        {.vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = {m->payload, m->len}},
        {.vtype = RD_KAFKA_VTYPE_KEY, .u.mem = {m->key, m->key_len}},
        {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY | RD_KAFKA_MSG_F_BLOCK},
        {.vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = headers}};
    rd_kafka_error_t *error = rd_kafka_produceva(r->producer, vus, TM_COUNTOF(vus));
    if (error == NULL)
        return TM_OK;
    tm_err_set(&r->err, TM_IO, "%s: %s", topic, rd_kafka_error_string(error));
    rd_kafka_error_destroy(error);
    rd_kafka_headers_destroy(headers);
    return TM_IO;
}

static enum tm_status take_letter(struct replay *r, const rd_kafka_message_t *m)
{
    rd_kafka_headers_t *h = NULL;
    const char *text, *omitted;
    size_t n, ignored;
    char topic[256];
    rd_kafka_message_headers(m, &h);
    if (!is_wanted(r, h)) {
        r->passed_over++;
        return TM_OK;
    }
    bool from_topic = header(h, "textmill.topic", &text, &n) && n < sizeof topic;
    if (!from_topic || header(h, "textmill.omitted_bytes", &omitted, &ignored)) {
        fprintf(stderr, "textmill replay-dlq: letter %lld of partition %d %s\n",
                (long long)m->offset, m->partition,
                from_topic ? "came without its bytes" : "does not come from a topic");
        r->impossible++;
        return TM_OK;
    }
    snprintf(topic, sizeof topic, "%.*s", (int)n, text);
    r->sent++;
    if (r->producer != NULL)
        return send_back(r, m, topic, h);
    const char *const told[] = {"textmill.partition", "textmill.offset", "textmill.code",
                                "textmill.stage", "textmill.message"};
    printf("%s", topic);
    for (size_t i = 0; i < TM_COUNTOF(told); i++) {
        header(h, told[i], &text, &n);
        printf("%s%.*s", i < 2 ? "/" : " ", (int)n, text);
    }
    putchar('\n');
    return TM_OK;
}

/* ---- the whole ---- */

static enum tm_status fail(struct replay *r, rd_kafka_error_t *error, const char *doing)
{
    enum tm_status s = tm_kafka_status((int)rd_kafka_error_code(error));
    tm_err_set(&r->err, s, "%s: %s", doing, rd_kafka_error_string(error));
    rd_kafka_error_destroy(error);
    return s;
}

static enum tm_status commit(struct replay *r)
{
    if (r->producer == NULL || r->pending == 0)
        return TM_OK;
    rd_kafka_consumer_group_metadata_t *group =
        rd_kafka_consumer_group_metadata_new(r->conf->source_kafka_group);
    rd_kafka_error_t *error =
        rd_kafka_send_offsets_to_transaction(r->producer, r->at, group, ASK_MS);
    rd_kafka_consumer_group_metadata_destroy(group);
    if (error == NULL)
        error = rd_kafka_commit_transaction(r->producer, -1);
    r->pending = 0;
    return error == NULL ? TM_OK : fail(r, error, "commit");
}

static bool is_done(const struct replay *r)
{
    for (int i = 0; i < r->at->cnt; i++)
        if (r->at->elems[i].offset < r->ends->elems[i].offset)
            return false;
    return true;
}

static void move_on(struct replay *r, int32_t partition, int64_t next)
{
    for (int i = 0; i < r->at->cnt; i++)
        if (r->at->elems[i].partition == partition)
            r->at->elems[i].offset = next;
}

static enum tm_status take_message(struct replay *r, rd_kafka_message_t *m)
{
    enum tm_status s = TM_OK;
    if (m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        move_on(r, m->partition, m->offset);
    } else if (m->err != 0) {
        s = tm_kafka_err(&r->err, (int)m->err, "reading dead letters");
        return tm_status_retry(s) ? TM_OK : s;
    } else {
        if (r->pending++ == 0 && r->producer != NULL) {
            rd_kafka_error_t *error = rd_kafka_begin_transaction(r->producer);
            if (error != NULL)
                return fail(r, error, "begin");
        }
        s = take_letter(r, m);
        move_on(r, m->partition, m->offset + 1);
    }
    if (s == TM_OK && r->pending >= TOGETHER)
        s = commit(r);
    return s;
}

static enum tm_status go_through(struct replay *r)
{
    enum tm_status s = TM_OK;
    for (int quiet = 0; s == TM_OK && !is_done(r);) {
        rd_kafka_message_t *m = rd_kafka_consumer_poll(r->consumer, POLL_MS);
        if (m == NULL && ++quiet == QUIET_MOST)
            return tm_err_set(&r->err, TM_UNAVAILABLE, "the brokers do not answer");
        if (m == NULL)
            continue;
        quiet = 0;
        s = take_message(r, m);
        rd_kafka_message_destroy(m);
    }
    return s == TM_OK ? commit(r) : s;
}

/* The partitions of the topic, where the last replay ended, and where this one will. */
static enum tm_status find_letters(struct replay *r)
{
    const struct rd_kafka_metadata *meta = NULL;
    const char *topic = r->conf->sink_dead_letters_topic;
    rd_kafka_topic_t *rkt = rd_kafka_topic_new(r->consumer, topic, NULL);
    int code = (int)rd_kafka_metadata(r->consumer, 0, rkt, &meta, ASK_MS);
    int n = code == 0 && meta->topic_cnt == 1 ? meta->topics[0].partition_cnt : 0;
    if (code == 0 && meta->topic_cnt == 1)
        code = (int)meta->topics[0].err;
    r->at = rd_kafka_topic_partition_list_new(n);
    for (int i = 0; code == 0 && i < n; i++)
        rd_kafka_topic_partition_list_add(r->at, topic, meta->topics[0].partitions[i].id);
    if (meta != NULL)
        rd_kafka_metadata_destroy(meta);
    rd_kafka_topic_destroy(rkt);
    if (code == 0)
        code = (int)rd_kafka_committed(r->consumer, r->at, ASK_MS);
    r->ends = rd_kafka_topic_partition_list_copy(r->at);
    for (int i = 0; code == 0 && i < r->at->cnt; i++) {
        rd_kafka_topic_partition_t *at = &r->at->elems[i];
        int64_t low = 0;
        code = (int)rd_kafka_query_watermark_offsets(r->consumer, topic, at->partition, &low,
                                                     &r->ends->elems[i].offset, ASK_MS);
        if (at->offset < low || args_has(r->args, "from-beginning"))
            at->offset = low;
    }
    if (code == 0)
        code = (int)rd_kafka_assign(r->consumer, r->at);
    return code == 0 ? TM_OK : tm_kafka_err(&r->err, code, topic);
}

static enum tm_status make_client(struct replay *r, enum tm_kafka_role role, rd_kafka_t **ret)
{
    rd_kafka_conf_t *rc = NULL;
    enum tm_status s = tm_kafka_conf(r->conf, role, &rc, &r->err);
    return s == TM_OK ? tm_kafka_new(role, &rc, ret, &r->err) : s;
}

static enum tm_status connect_clients(struct replay *r)
{
    enum tm_status s = make_client(r, TM_KAFKA_CONSUMER, &r->consumer);
    if (s == TM_OK)
        rd_kafka_poll_set_consumer(r->consumer);
    if (s != TM_OK || args_has(r->args, "dry-run"))
        return s;
    s = make_client(r, TM_KAFKA_TRANSACTIONS, &r->producer);
    rd_kafka_error_t *error = s == TM_OK ? rd_kafka_init_transactions(r->producer, ASK_MS) : NULL;
    return error == NULL ? s : fail(r, error, "transactions");
}

/* A group and a name for transactions of its own, in the cluster of the letters. */
static bool adjust(struct tm_conf *c)
{
    char id[256];
    struct tm_buf group = {0}, own = {0};
    const char *brokers =
        c->sink_kafka_brokers[0] != '\0' ? c->sink_kafka_brokers : c->source_kafka_brokers;
    char *same = strdup(brokers);
    tm_buf_printf(&group, "%s-replay", c->source_kafka_group);
    if (!tm_kafka_transactional_id(c, id, sizeof id) || !tm_buf_printf(&own, "%s-replay", id) ||
        group.failed || same == NULL)
        return false;
    free(c->source_kafka_group);
    free(c->sink_kafka_transactional_id);
    free(c->source_kafka_brokers);
    c->source_kafka_group = group.data;
    c->sink_kafka_transactional_id = own.data;
    c->source_kafka_brokers = same;
    c->source_kafka_static_member = false;
    return true;
}

static void finish(struct replay *r)
{
    if (r->at != NULL)
        rd_kafka_topic_partition_list_destroy(r->at);
    if (r->ends != NULL)
        rd_kafka_topic_partition_list_destroy(r->ends);
    if (r->producer != NULL)
        rd_kafka_destroy(r->producer);
    if (r->consumer != NULL)
        rd_kafka_destroy(r->consumer);
}

static enum exit_code replay(const struct args *a, struct tm_conf *conf)
{
    struct replay r = {.args = a, .conf = conf};
    if (conf->sink_dead_letters_topic[0] == '\0')
        return verb_fail(a, EXIT_CONFIG,
                         "sink.dead_letters.topic is not set: letters in a folder are replayed by "
                         "putting their files back into the spool");
    if (!adjust(conf))
        return verb_fail(a, EXIT_INTERNAL, "out of memory");
    enum tm_status s = connect_clients(&r);
    if (s == TM_OK)
        s = find_letters(&r);
    if (s == TM_OK)
        s = go_through(&r);
    finish(&r);
    if (s != TM_OK)
        return verb_fail_err(a, &r.err);
    fprintf(stderr, "%llu letters %s, %llu passed over by the filter, %llu cannot be sent\n",
            (unsigned long long)r.sent, args_has(a, "dry-run") ? "would be sent back" : "sent back",
            (unsigned long long)r.passed_over, (unsigned long long)r.impossible);
    return EXIT_OK;
}

static enum exit_code run(const struct args *a)
{
    struct tm_conf conf;
    enum exit_code code = conf_file_of(a, &conf);
    if (code != EXIT_OK)
        return code;
    code = replay(a, &conf);
    tm_conf_finish(&conf);
    return code;
}

static const struct verb_option options[] = {
    {"config", 'c', "FILE", "Configuration of the pipeline whose letters they are"},
    {"code", '\0', "CODE", "Only those with this code, such as E_TIMEOUT"},
    {"stage", '\0', "STAGE", "Only those of this stage"},
    {"topic", '\0', "TOPIC", "Only those that came from this topic"},
    {"dry-run", 'n', NULL, "Say on standard output which, and send nothing"},
    {"from-beginning", '\0', NULL, "Look at letters that an earlier replay has passed, too"},
    {0},
};

const struct verb verb_replay_dlq = {
    .name = "replay-dlq",
    .summary = "Send dead letters of a topic back to the topics they came from",
    .details =
        "Each goes on where the last one ended: a letter is sent once. Letters that the filter\n"
        "passes over count as looked at; --from-beginning looks again.",
    .options = options,
    .run = run,
};
