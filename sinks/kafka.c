/* The Kafka sink (tm_sink_ops): results and dead letters as messages. Runs on the delivery thread.
 *
 * From topics of the same cluster each release is one transaction with the positions in it. It is
 * opened when all of it is ready and lives for milliseconds. Its end is one of three: committed;
 * rolled back for sure (ABORTED: the release is given again); not known, because the answer to the
 * commit or abort did not come. Then the producer is destroyed and made anew, whose initialisation
 * settles the old transaction one way or the other, and the source reads what is committed
 * (UNKNOWN). Going on with the old producer instead may let a late answer decide a later
 * transaction (Apache Kafka KAFKA-17754; Jepsen's analysis of Bufstream 0.1.0).
 *
 * From a spool, or when configured, the producer is idempotent and a release is stored when all of
 * it is acknowledged: at least once. */
#include "deadletter.h"
#include "group.h"
#include "kafka.h"
#include "place.h"
#include "tm_kafka.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    INIT_MS = 5000,        /* one try of initialising transactions */
    INIT_FIRST_MS = 10000, /* at the start */
    SEND_MS = 10000,       /* for positions, and for a roll-back */
    FLUSH_MS = 60000,
    SERVE_MS = 50,
    FENCED_AGAIN_S = 60,
    METADATA_MS = 5000,
};

struct kafka {
    const struct tm_conf *conf;
    char *config_hash;
    bool transactions;
    bool initialised;  /* the producer may begin transactions */
    bool unknown;      /* how the last transaction of the producer before ended */
    uint64_t begun_ns; /* of the present transaction */
    struct kafka_output o;
    int64_t message_limit; /* of the topics; 0: not known */

    /* dead letters as files */
    struct tm_folders *dead;
    struct group *group;
    char *prefix;

    struct tm_err failed; /* the first message that was not delivered; set inside rd_kafka_poll */
};

/* ---- the producer ---- */

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque)
{
    struct kafka *k = opaque;
    (void)rk;
    if (m->err != 0)
        tm_err_set(&k->failed, tm_kafka_status((int)m->err), "%s: %s", rd_kafka_topic_name(m->rkt),
                   rd_kafka_err2str(m->err));
}

static void drop_producer(struct kafka *k)
{
    if (k->o.rk == NULL)
        return;
    rd_kafka_purge(k->o.rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    rd_kafka_destroy(TM_TAKE(k->o.rk));
    k->initialised = false;
}

static enum tm_status make_producer(struct kafka *k, struct tm_err *err)
{
    enum tm_kafka_role role = k->transactions ? TM_KAFKA_TRANSACTIONS : TM_KAFKA_PRODUCER;
    rd_kafka_conf_t *rc = NULL;
    char limit[32], why[128];
    enum tm_status s = tm_kafka_conf(k->conf, role, &rc, err);
    if (s != TM_OK)
        return s;
    rd_kafka_conf_set_opaque(rc, k);
    rd_kafka_conf_set_dr_msg_cb(rc, on_delivery);
    snprintf(limit, sizeof limit, "%lld", (long long)k->message_limit);
    if (k->message_limit > 0)
        rd_kafka_conf_set(rc, "message.max.bytes", limit, why, sizeof why);
    return tm_kafka_new(role, &rc, &k->o.rk, err);
}

/* Asks about topics that are new. What the brokers take decides what the client may send, so that
 * no batch is refused as a whole. */
static enum tm_status look_at_topics(struct kafka *k, struct tm_err *err)
{
    int64_t least = k->message_limit;
    for (size_t i = 0; i <= k->o.topics->n; i++) {
        struct topic *t = i < k->o.topics->n ? k->o.topics->list[i] : &k->o.dead;
        if (t->name[0] == '\0' || !topic_is_open(t, k->o.topics->several))
            continue;
        topic_ask(t, k->o.rk);
        if (t->limit > 0)
            least = least == 0 ? t->limit : TM_MIN(least, t->limit);
    }
    if (least == k->message_limit)
        return TM_OK;
    k->message_limit = least;
    drop_producer(k);
    return make_producer(k, err);
}

static enum tm_status tell(struct tm_err *err, rd_kafka_error_t *error, const char *doing)
{
    enum tm_status s = tm_kafka_status((int)rd_kafka_error_code(error));
    tm_err_set(err, s == TM_OK ? TM_AGAIN : s, "%s: %s", doing, rd_kafka_error_string(error));
    rd_kafka_error_destroy(error);
    return s;
}

/* A producer that may begin. TM_CLOSED: another one has its name. */
static enum tm_status ensure_producer(struct kafka *k, int wait_ms, struct tm_err *err)
{
    enum tm_status s = k->o.rk == NULL ? make_producer(k, err) : TM_OK;
    if (s == TM_OK)
        s = look_at_topics(k, err);
    if (s != TM_OK || k->initialised)
        return s;
    rd_kafka_error_t *error = k->transactions ? rd_kafka_init_transactions(k->o.rk, wait_ms) : NULL;
    k->initialised = error == NULL;
    if (error == NULL)
        return TM_OK;
    bool fatal = rd_kafka_error_is_fatal(error) || !rd_kafka_error_is_retriable(error);
    s = tell(err, error, "transactions cannot be initialised");
    if (fatal)
        drop_producer(k);
    return s == TM_OK ? TM_AGAIN : s;
}

/* ---- life ---- */

static void kafka_destroy(void *self)
{
    struct kafka *k = self;
    if (k == NULL)
        return;
    drop_producer(k);
    group_destroy(k->group);
    tm_folders_destroy(k->dead);
    topics_destroy(k->o.topics);
    free(k->prefix);
    free(k->config_hash);
    free(k);
}

static void kafka_destroyp(struct kafka **k)
{
    kafka_destroy(*k);
}

static enum tm_status open_letters(struct kafka *k, struct tm_err *err)
{
    struct tm_buf prefix = {0};
    if (k->conf->sink_dead_letters_topic[0] != '\0') {
        snprintf(k->o.dead.name, sizeof k->o.dead.name, "%s", k->conf->sink_dead_letters_topic);
        return TM_OK;
    }
    if (!tm_buf_printf(&prefix, ".tm-%s.", k->conf->state_instance))
        return tm_err_set(err, TM_NOMEM, "Kafka sink");
    k->prefix = prefix.data;
    k->group = group_create(k->prefix);
    if (k->group == NULL)
        return tm_err_set(err, TM_NOMEM, "Kafka sink");
    return tm_folders_create(k->conf->sink_dead_letters_path, &k->dead, err);
}

static enum tm_status kafka_create(void **ret_self, const struct tm_conf *conf,
                                   const char *config_hash, struct tm_err *err)
{
    TM_CLEANUP(kafka_destroyp) struct kafka *k = calloc(1, sizeof *k);
    if (k == NULL || (k->config_hash = strdup(config_hash)) == NULL)
        return tm_err_set(err, TM_NOMEM, "Kafka sink");
    k->conf = conf;
    k->transactions = tm_kafka_is_exactly_once(conf);
    k->o.topics = topics_create(conf->sink_kafka_topic, (size_t)conf->sink_kafka_most_topics);
    k->o.config_hash = k->config_hash;
    enum tm_status s =
        k->o.topics == NULL ? tm_err_set(err, TM_NOMEM, "Kafka sink") : open_letters(k, err);
    if (s == TM_OK)
        s = make_producer(k, err);
    if (s != TM_OK)
        return s;
    /* A transaction that a process before this one left open is settled now, so that the group's
     * positions can be read; brokers that are not there yet do not keep a daemon from starting. */
    ensure_producer(k, INIT_FIRST_MS, NULL);
    *ret_self = TM_TAKE(k);
    return TM_OK;
}

static struct tm_pace kafka_pace(void *self)
{
    const struct kafka *k = self;
    return (struct tm_pace){.ms = (unsigned)k->conf->sink_kafka_commit_ms};
}

/* ---- producing ---- */

static enum tm_status put_letter_file(struct kafka *k, const struct tm_doc *doc, struct tm_err *err)
{
    struct tm_buf letter = {0};
    char *path = place_make(doc->rec.lane_name, ".json", NULL);
    enum tm_status s =
        path == NULL || !deadletter_put(&letter, doc, k->config_hash,
                                        doc->rec.many || doc->rec.topic != NULL)
            ? tm_err_set(err, TM_NOMEM, "no memory for dead letter %s", doc->rec.lane_name)
            : group_put(k->group, k->dead, path, letter.data, letter.len, err);
    free(path);
    tm_buf_finish(&letter);
    return s;
}

/* Room in the producer's queue? false: a message has failed, so that all of it is for nothing. */
static bool wait_for_room(struct kafka *k)
{
    rd_kafka_poll(k->o.rk, SERVE_MS);
    return k->failed.status == TM_OK;
}

/* Where the result goes; TM_OK: all of those topics are there. */
static enum tm_status route(struct topics *t, const struct tm_doc *doc, struct tm_err *err)
{
    enum tm_status s = topics_route(t, doc, err);
    for (size_t i = 0; t->several && s == TM_OK && i < t->n_route; i++)
        if (t->route[i]->missing)
            s = tm_err_set(err, TM_NOTFOUND, "topic %s does not exist", t->route[i]->name);
    return s;
}

/* To all of its topics or to none: then it is the document's failure. One limit holds for all of
 * them (look_at_topics), so a result that is too large is so for the first. */
static enum tm_status put_result(struct kafka *k, struct tm_doc *doc, struct tm_err *err)
{
    struct tm_err why = {0};
    enum tm_status s = route(k->o.topics, doc, &why);
    if (s != TM_OK)
        return tm_doc_fail(doc, "kafka", s, "%s", why.text);
    for (size_t i = 0; i < k->o.topics->n_route; i++) {
        const struct topic *to = k->o.topics->route[i];
        while ((s = kafka_put_result(&k->o, to, doc, err)) == TM_AGAIN && wait_for_room(k))
            *err = (struct tm_err){0};
        if (s == TM_TOOLARGE)
            return tm_doc_fail(doc, "kafka", s, "the result has %zu bytes: %s", doc->output_len,
                               err->text);
        if (s != TM_OK)
            return s;
    }
    return TM_OK;
}

static enum tm_status put_letter(struct kafka *k, const struct tm_doc *doc, struct tm_err *err)
{
    enum tm_status s;
    bool with_value = true;
    *err = (struct tm_err){0};
    if (k->o.dead.name[0] == '\0')
        return put_letter_file(k, doc, err);
    while ((s = kafka_put_letter(&k->o, doc, with_value, err)) != TM_OK) {
        bool omit = s == TM_TOOLARGE && with_value;
        if (!omit && !(s == TM_AGAIN && wait_for_room(k)))
            return s;
        with_value = with_value && !omit;
        *err = (struct tm_err){0};
    }
    return TM_OK;
}

static enum tm_status put_all(struct kafka *k, const struct tm_release *release, struct tm_err *err)
{
    k->failed = (struct tm_err){0};
    for (size_t i = 0; i < release->n_docs; i++) {
        struct tm_doc *doc = release->docs[i];
        struct tm_err why = {0};
        enum tm_status s = doc->err.status == TM_OK ? put_result(k, doc, &why) : TM_OK;
        if (doc->err.status != TM_OK)
            s = put_letter(k, doc, &why);
        if (s != TM_OK)
            return tm_err_set(err, s, "%s", why.text);
        if (i % 256 == 0)
            rd_kafka_poll(k->o.rk, 0);
    }
    /* Files of dead letters come first: a repeat overwrites them. */
    return k->group != NULL ? group_publish(k->group, err) : TM_OK;
}

/* ---- transactions ---- */

/* Nothing of the present producer is to be heard of any more. */
static enum tm_delivered give_up(struct kafka *k)
{
    drop_producer(k);
    k->unknown = true;
    return TM_RETRY_LATER; /* and then UNKNOWN, once there is a new one */
}

/* Notes that this instance was fenced; true when it was so a short time ago as well: then two of
 * them have one name, and starting again would only go on for ever. */
static bool is_fenced_again(const struct kafka *k)
{
    struct tm_buf path = {0};
    struct stat st;
    bool again = false;
    if (tm_buf_printf(&path, "%s/%s.fenced", k->conf->state_path, k->conf->state_instance)) {
        again = stat(path.data, &st) == 0 &&
                tm_clock_unix_ms() / 1000 - (int64_t)st.st_mtim.tv_sec < FENCED_AGAIN_S;
        int fd = open(path.data, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        if (fd >= 0)
            close(fd);
    }
    tm_buf_finish(&path);
    return again;
}

static enum tm_delivered end_fenced(struct kafka *k, struct tm_err *err)
{
    struct tm_err why = {0};
    char id[256] = "";
    tm_kafka_transactional_id(k->conf, id, sizeof id);
    drop_producer(k);
    if (is_fenced_again(k))
        tm_err_set(&why, TM_CONFIG,
                   "fenced twice within a minute: another instance has the transactional id \"%s\" "
                   "too; give each its own state.instance or sink.kafka.transactional_id",
                   id);
    else
        tm_err_set(&why, TM_CLOSED, "another producer has this one's transactional id \"%s\"", id);
    *err = why;
    return TM_FENCED;
}

/* Another producer of the same name, or just ours after a stop longer than its transaction? */
static enum tm_delivered fenced(struct kafka *k, struct tm_err *err)
{
    if (tm_clock_ns() - k->begun_ns > (uint64_t)k->conf->sink_kafka_transaction_ms * 900000ull)
        return give_up(k);
    return end_fenced(k, err);
}

static enum tm_delivered roll_back(struct kafka *k, struct tm_err *err)
{
    rd_kafka_error_t *error = rd_kafka_abort_transaction(k->o.rk, SEND_MS);
    if (error == NULL)
        return TM_ABORTED;
    bool is_fenced = tm_kafka_status((int)rd_kafka_error_code(error)) == TM_CLOSED;
    tell(err, error, "roll-back");
    return is_fenced ? fenced(k, err) : give_up(k);
}

/* What an error of a transaction's call leads to. */
static enum tm_delivered after_error(struct kafka *k, rd_kafka_error_t *error, const char *doing,
                                     struct tm_err *err)
{
    bool is_fenced = tm_kafka_status((int)rd_kafka_error_code(error)) == TM_CLOSED;
    bool fatal = rd_kafka_error_is_fatal(error), abort = rd_kafka_error_txn_requires_abort(error);
    tell(err, error, doing);
    if (is_fenced)
        return fenced(k, err);
    return abort && !fatal ? roll_back(k, err) : give_up(k);
}

static enum tm_delivered transact(struct kafka *k, const struct tm_release *release,
                                  struct tm_err *err)
{
    const struct tm_kafka_context *c = release->context;
    k->begun_ns = tm_clock_ns();
    rd_kafka_error_t *error = rd_kafka_begin_transaction(k->o.rk);
    if (error != NULL)
        return after_error(k, error, "begin of a transaction", err);
    if (put_all(k, release, err) != TM_OK) {
        if (k->group != NULL)
            group_abandon(k->group);
        return roll_back(k, err);
    }
    TM_FAULT("after-produce");
    error = rd_kafka_send_offsets_to_transaction(k->o.rk, c->offsets, c->group, SEND_MS);
    if (error != NULL && rd_kafka_error_is_retriable(error)) { /* the group's broker moves, say */
        tell(err, error, "positions in a transaction");
        return roll_back(k, err);
    }
    if (error != NULL)
        return after_error(k, error, "positions in a transaction", err);
    TM_FAULT("before-transaction-commit");
    error = rd_kafka_commit_transaction(k->o.rk, -1);
    TM_FAULT("after-transaction-commit");
    if (error != NULL)
        return after_error(k, error, "commit of a transaction", err);
    return TM_COMMITTED;
}

/* ---- without transactions ---- */

static enum tm_delivered store(struct kafka *k, const struct tm_release *release,
                               struct tm_err *err)
{
    enum tm_status s = put_all(k, release, err);
    TM_FAULT("after-produce");
    if (s == TM_OK && rd_kafka_flush(k->o.rk, FLUSH_MS) != 0)
        s = tm_err_set(err, TM_AGAIN, "brokers do not acknowledge");
    if (s == TM_OK && k->failed.status != TM_OK)
        s = tm_err_set(err, TM_AGAIN, "%s", k->failed.text);
    if (s == TM_OK)
        return TM_STORED;
    if (k->group != NULL)
        group_abandon(k->group);
    drop_producer(k); /* with what is left in its queues, which points to these documents */
    return TM_RETRY_LATER;
}

/* ---- the contract ---- */

static enum tm_delivered kafka_deliver(void *self, const struct tm_release *release,
                                       struct tm_err *err)
{
    struct kafka *k = self;
    for (size_t i = 0; k->o.topics->several && i < release->n_docs; i++)
        if (release->docs[i]->err.status == TM_OK)
            topics_route(k->o.topics, release->docs[i], NULL); /* so that new ones are asked for */
    enum tm_status s = ensure_producer(k, INIT_MS, err);
    if (s == TM_CLOSED)
        return end_fenced(k, err);
    if (s != TM_OK)
        return TM_RETRY_LATER;
    if (k->unknown) {
        k->unknown = false;
        return TM_UNKNOWN;
    }
    enum tm_delivered d = k->transactions ? transact(k, release, err) : store(k, release, err);
    if (k->dead != NULL)
        tm_folders_forget(k->dead);
    return d;
}

static enum tm_status kafka_resume(void *self, const char *name, bool many,
                                   struct tm_resume *ret_resume, struct tm_err *err)
{
    (void)self, (void)name, (void)many, (void)err;
    *ret_resume = (struct tm_resume){0};
    return TM_OK;
}

const struct tm_sink_ops tm_sink_kafka = {
    .name = "kafka",
    .create = kafka_create,
    .pace = kafka_pace,
    .deliver = kafka_deliver,
    .resume = kafka_resume,
    .destroy = kafka_destroy,
};
