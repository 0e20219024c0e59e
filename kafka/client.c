/* From configuration to a client of librdkafka (tm_kafka.h). Called when a pipeline is created, by
 * `check` and by replay-dlq, on the caller's thread.
 *
 * Secrets are read from files here, go straight into librdkafka's configuration, and into no
 * message. Logs of the library are dropped: what matters comes as an error of a call or an event.
 */
#include "properties.h"

#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    SECRET_MOST = 4096,
    POLL_LIMIT_MS = 300000,
    QUEUE_KBYTES = 16384, /* prefetched of each partition: 2.0.2 stalls for a while at the limit */
    PRODUCER_KBYTES = 1 << 20,
};

/* Known to lose, double or hang; source: the releases' own notes. */
static const struct {
    int first, last;
    const char *why;
} bad_versions[] = {
    {0x020500ff, 0x020502ff, "2.5.0 to 2.5.2 crash in their telemetry"},
    {0x020600ff, 0x020600ff, "2.6.0 may fetch without end"},
};

/* ---- words and errors ---- */

bool tm_kafka_word(const char **list, char *out, size_t size)
{
    *list += strspn(*list, ", ");
    size_t n = strcspn(*list, ", ");
    if (n == 0)
        return false;
    snprintf(out, size, "%.*s", (int)n, *list);
    *list += n;
    return true;
}

enum tm_status tm_kafka_status(int code)
{
    switch (code) {
    case RD_KAFKA_RESP_ERR_NO_ERROR:
        return TM_OK;
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
    case RD_KAFKA_RESP_ERR__RESOLVE:
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
    case RD_KAFKA_RESP_ERR__WAIT_COORD:
    case RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE:
        return TM_UNAVAILABLE;
    case RD_KAFKA_RESP_ERR__SSL:
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
        return TM_PERM;
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
        return TM_NOTFOUND;
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE:
        return TM_TOOLARGE;
    case RD_KAFKA_RESP_ERR__FENCED:
    case RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID:
    case RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH:
    case RD_KAFKA_RESP_ERR_PRODUCER_FENCED:
        return TM_CLOSED;
    default:
        return TM_AGAIN;
    }
}

enum tm_status tm_kafka_err(struct tm_err *err, int code, const char *doing)
{
    return tm_err_set(err, tm_kafka_status(code), "%s: %s", doing,
                      rd_kafka_err2str((rd_kafka_resp_err_t)code));
}

/* ---- where to start ---- */

/* Digits only; false when there are none or too many. */
static bool digits(const char *s, size_t n, int64_t *ret)
{
    return n > 0 && strspn(s, "0123456789") >= n && tm_json_number_i64(s, n, ret);
}

/* Days since 1970-01-01 of the proleptic Gregorian calendar (H. Hinnant, days_from_civil). */
static int64_t days_since_epoch(int64_t y, int64_t m, int64_t d)
{
    y -= m <= 2;
    int64_t era = (y >= 0 ? y : y - 399) / 400, of_era = y - era * 400;
    int64_t day_of_year = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + day_of_year - 719468;
}

/* "2026-01-31T12:34:56Z": UTC, which leaves no doubt. */
static bool parse_time(const char *s, int64_t *ret_ms)
{
    static const char form[] = "0000-00-00T00:00:00Z";
    int64_t v[6];
    static const unsigned char at[6] = {0, 5, 8, 11, 14, 17};
    if (strlen(s) != sizeof form - 1)
        return false;
    for (size_t i = 0; i < sizeof form - 1; i++)
        if (form[i] == '0' ? s[i] < '0' || s[i] > '9' : s[i] != form[i])
            return false;
    for (size_t i = 0; i < 6; i++) {
        v[i] = 0;
        for (const char *p = s + at[i]; *p >= '0' && *p <= '9'; p++)
            v[i] = v[i] * 10 + (*p - '0');
    }
    if (v[1] < 1 || v[1] > 12 || v[2] < 1 || v[2] > 31 || v[3] > 23 || v[4] > 59 || v[5] > 60)
        return false;
    *ret_ms = (((days_since_epoch(v[0], v[1], v[2]) * 24 + v[3]) * 60 + v[4]) * 60 + v[5]) * 1000;
    return true;
}

/* One "topic/partition=offset". */
static bool parse_offset(const char *s, char topic[256], int64_t *ret_partition,
                         int64_t *ret_offset)
{
    const char *slash = strrchr(s, '/'), *equals = slash == NULL ? NULL : strchr(slash, '=');
    if (equals == NULL || slash == s || slash - s > 249)
        return false;
    snprintf(topic, 256, "%.*s", (int)(slash - s), s);
    return digits(slash + 1, (size_t)(equals - slash - 1), ret_partition) &&
           digits(equals + 1, strlen(equals + 1), ret_offset);
}

bool tm_kafka_start(const char *text, enum tm_kafka_start *ret_start, int64_t *ret_time_ms)
{
    static const char *const words[] = {"earliest", "latest", "error"};
    char one[512], topic[256];
    int64_t partition, offset;
    for (size_t i = 0; i < TM_COUNTOF(words); i++)
        if (strcmp(text, words[i]) == 0) {
            *ret_start = (enum tm_kafka_start)i;
            return true;
        }
    *ret_start = TM_KAFKA_TIME;
    if (parse_time(text, ret_time_ms))
        return true;
    *ret_start = TM_KAFKA_OFFSETS;
    bool any = false;
    while (tm_kafka_word(&text, one, sizeof one)) {
        if (!parse_offset(one, topic, &partition, &offset))
            return false;
        any = true;
    }
    return any;
}

int64_t tm_kafka_start_offset(const char *text, const char *topic, int32_t partition)
{
    char one[512], name[256];
    int64_t number, offset;
    while (tm_kafka_word(&text, one, sizeof one))
        if (parse_offset(one, name, &number, &offset) && strcmp(name, topic) == 0 &&
            number == partition)
            return offset;
    return -1;
}

/* ---- how things hang together ---- */

bool tm_kafka_is_exactly_once(const struct tm_conf *c)
{
    bool same = c->sink_kafka_brokers[0] == '\0' ||
                strcmp(c->sink_kafka_brokers, c->source_kafka_brokers) == 0;
    return c->source_kafka_brokers[0] != '\0' && same &&
           strcmp(c->sink_kafka_delivery, "at-least-once") != 0;
}

bool tm_kafka_transactional_id(const struct tm_conf *c, char *out, size_t size)
{
    char host[128] = "";
    if (c->sink_kafka_transactional_id[0] != '\0')
        return (size_t)snprintf(out, size, "%s", c->sink_kafka_transactional_id) < size;
    if (gethostname(host, sizeof host - 1) < 0)
        snprintf(host, sizeof host, "localhost");
    return (size_t)snprintf(out, size, "%s-%s-%s", c->source_kafka_group, host, c->state_instance) <
           size;
}

/* ---- properties ---- */

struct setting {
    rd_kafka_conf_t *rc;
    struct tm_err *err;
    enum tm_status status;
};

static void set(struct setting *s, const char *name, const char *text)
{
    char why[256];
    if (s->status == TM_OK &&
        rd_kafka_conf_set(s->rc, name, text, why, sizeof why) != RD_KAFKA_CONF_OK)
        s->status = tm_err_set(s->err, TM_CONFIG, "%s", why);
}

static void set_int(struct setting *s, const char *name, int64_t v)
{
    char text[32];
    snprintf(text, sizeof text, "%lld", (long long)v);
    set(s, name, text);
}

static void set_given(struct setting *s, const char *name, const char *text)
{
    if (text[0] != '\0')
        set(s, name, text);
}

/* The service manager's copy of a secret comes first. */
static bool secret_path(const char *file, struct tm_buf *out)
{
    const char *folder = getenv("CREDENTIALS_DIRECTORY"), *slash = strrchr(file, '/');
    if (folder != NULL) {
        tm_buf_printf(out, "%s/%s", folder, slash != NULL ? slash + 1 : file);
        if (!out->failed && access(out->data, F_OK) == 0)
            return true;
        tm_buf_clear(out);
    }
    return tm_buf_puts(out, file);
}

static void set_secret(struct setting *s, const char *name, const char *file)
{
    TM_CLEANUP(tm_buf_finish) struct tm_buf path = {.cap = 0}, text = {.cap = 0};
    if (file[0] == '\0' || s->status != TM_OK)
        return;
    if (!secret_path(file, &path)) {
        s->status = tm_err_set(s->err, TM_NOMEM, "password file");
        return;
    }
    s->status = tm_read_file(path.data, SECRET_MOST, &text, s->err);
    if (s->status != TM_OK)
        return;
    size_t n = text.data == NULL ? 0 : strcspn(text.data, "\r\n");
    if (n == 0) {
        s->status = tm_err_set(s->err, TM_CONFIG, "%s: the first line is empty", path.data);
        return;
    }
    text.data[n] = '\0';
    char why[256];
    if (rd_kafka_conf_set(s->rc, name, text.data, why, sizeof why) != RD_KAFKA_CONF_OK)
        s->status = tm_err_set(s->err, TM_CONFIG, "%s: not accepted as %s", path.data, name);
    explicit_bzero(text.data, text.len);
}

static void set_security(struct setting *s, const struct tm_conf *c)
{
    bool sasl = strcmp(c->kafka_sasl_mechanism, "none") != 0;
    bool tls = c->kafka_tls_enabled || c->kafka_tls_ca[0] != '\0' ||
               c->kafka_tls_certificate[0] != '\0' || c->kafka_tls_key[0] != '\0';
    set(s, "security.protocol",
        sasl ? (tls ? "sasl_ssl" : "sasl_plaintext") : (tls ? "ssl" : "plaintext"));
    set_given(s, "ssl.ca.location", c->kafka_tls_ca);
    set_given(s, "ssl.certificate.location", c->kafka_tls_certificate);
    set_given(s, "ssl.key.location", c->kafka_tls_key);
    set_secret(s, "ssl.key.password", c->kafka_tls_key_password_file);
    if (!sasl)
        return;
    set(s, "sasl.mechanisms", c->kafka_sasl_mechanism);
    set(s, "sasl.username", c->kafka_sasl_username);
    set_secret(s, "sasl.password", c->kafka_sasl_password_file);
}

static void set_consumer(struct setting *s, const struct tm_conf *c)
{
    enum tm_kafka_start start = TM_KAFKA_EARLIEST;
    int64_t time_ms;
    char member[256];
    set(s, "bootstrap.servers", c->source_kafka_brokers);
    set(s, "group.id", c->source_kafka_group);
    if (c->source_kafka_static_member && tm_kafka_transactional_id(c, member, sizeof member))
        set(s, "group.instance.id", member);
    set_int(s, "session.timeout.ms", c->source_kafka_session_ms);
    set_int(s, "heartbeat.interval.ms", TM_MIN(c->source_kafka_session_ms / 3, (int64_t)3000));
    set_int(s, "max.poll.interval.ms", TM_MAX(c->source_kafka_session_ms, (int64_t)POLL_LIMIT_MS));
    set(s, "partition.assignment.strategy",
        strcmp(c->source_kafka_assignment, "eager") == 0 ? "range" : "cooperative-sticky");
    tm_kafka_start(c->source_kafka_start, &start, &time_ms);
    set(s, "auto.offset.reset",
        start == TM_KAFKA_LATEST  ? "latest"
        : start == TM_KAFKA_ERROR ? "error"
                                  : "earliest");
    set(s, "enable.auto.commit", "false");
    set(s, "enable.auto.offset.store", "false");
    set(s, "enable.partition.eof", "true");
    set(s, "isolation.level", "read_committed");
    set(s, "check.crcs", "true");
    set_int(s, "queued.max.messages.kbytes", QUEUE_KBYTES);
}

static void set_producer(struct setting *s, const struct tm_conf *c, bool transactions)
{
    char id[256];
    set(s, "bootstrap.servers",
        c->sink_kafka_brokers[0] != '\0' ? c->sink_kafka_brokers : c->source_kafka_brokers);
    set(s, "enable.idempotence", "true");
    set(s, "compression.type", c->sink_kafka_compression);
    set(s, "partitioner", "murmur2_random"); /* as Java clients do, so that keys meet */
    set(s, "delivery.report.only.error", "true");
    set_int(s, "queue.buffering.max.kbytes", PRODUCER_KBYTES);
    set_int(s, "message.timeout.ms", c->sink_kafka_transaction_ms);
    if (!transactions)
        return;
    if (tm_kafka_transactional_id(c, id, sizeof id))
        set(s, "transactional.id", id);
    else
        s->status = tm_err_set(s->err, TM_CONFIG, "the name of the transactions is too long");
    set_int(s, "transaction.timeout.ms", c->sink_kafka_transaction_ms);
}

static void set_users(struct setting *s, const struct tm_conf *c)
{
    char name[PROPERTY_MOST], text[PROPERTY_MOST];
    for (const char *map = c->kafka_properties; property_next(&map, name, text);) {
        const char *why = property_denied(name);
        if (why == NULL)
            set(s, name, text);
        else if (s->status == TM_OK)
            s->status = tm_err_set(s->err, TM_CONFIG, "kafka.properties: %s: %s", name, why);
    }
}

static void no_log(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
    (void)rk, (void)level, (void)facility, (void)text;
}

enum tm_status tm_kafka_conf(const struct tm_conf *c, enum tm_kafka_role role,
                             struct rd_kafka_conf_s **ret_conf, struct tm_err *err)
{
    struct setting s = {.rc = rd_kafka_conf_new(), .err = err};
    char client[128];
    snprintf(client, sizeof client, "textmill-%s", c->state_instance);
    set(&s, "client.id", client);
    set(&s, "socket.keepalive.enable", "true");
    set_security(&s, c);
    if (role == TM_KAFKA_CONSUMER)
        set_consumer(&s, c);
    else
        set_producer(&s, c, role == TM_KAFKA_TRANSACTIONS);
    set_users(&s, c);
    rd_kafka_conf_set_log_cb(s.rc, no_log);
    if (s.status != TM_OK) {
        rd_kafka_conf_destroy(s.rc);
        return s.status;
    }
    *ret_conf = s.rc;
    return TM_OK;
}

enum tm_status tm_kafka_new(enum tm_kafka_role role, struct rd_kafka_conf_s **owned,
                            struct rd_kafka_s **ret_client, struct tm_err *err)
{
    char why[256] = "";
    rd_kafka_type_t type = role == TM_KAFKA_CONSUMER ? RD_KAFKA_CONSUMER : RD_KAFKA_PRODUCER;
    rd_kafka_t *rk = rd_kafka_new(type, *owned, why, sizeof why);
    if (rk == NULL) {
        rd_kafka_conf_destroy(TM_TAKE(*owned));
        return tm_err_set(err, TM_CONFIG, "Kafka client: %s", why);
    }
    *owned = NULL;
    *ret_client = rk;
    return TM_OK;
}

/* ---- check ---- */

struct findings {
    void (*found)(void *arg, const char *path, const char *text);
    void *arg;
    size_t n;
};

static void say(struct findings *f, const char *path, const char *text)
{
    f->found(f->arg, path, text);
    f->n++;
}

static void check_version(struct findings *f)
{
    int version = rd_kafka_version();
    for (size_t i = 0; i < TM_COUNTOF(bad_versions); i++)
        if (version >= bad_versions[i].first && version <= bad_versions[i].last)
            say(f, "source.kafka", bad_versions[i].why);
}

static void check_sasl(struct findings *f, const struct tm_conf *c)
{
    bool sasl = strcmp(c->kafka_sasl_mechanism, "none") != 0;
    if (sasl && c->kafka_sasl_username[0] == '\0')
        say(f, "kafka.sasl.username", "the mechanism needs a user");
    if (sasl && c->kafka_sasl_password_file[0] == '\0')
        say(f, "kafka.sasl.password_file", "the mechanism needs a password, in a file");
    if ((c->kafka_tls_certificate[0] == '\0') != (c->kafka_tls_key[0] == '\0'))
        say(f, "kafka.tls.certificate", "a certificate needs its key, and a key its certificate");
}

static void check_properties(struct findings *f, const struct tm_conf *c)
{
    char name[PROPERTY_MOST], text[PROPERTY_MOST], why[256], line[PROPERTY_MOST + 400];
    rd_kafka_conf_t *scratch = rd_kafka_conf_new();
    for (const char *map = c->kafka_properties; property_next(&map, name, text);) {
        const char *denied = property_denied(name);
        if (denied != NULL) {
            snprintf(line, sizeof line, "%s: %s", name, denied);
            say(f, "kafka.properties", line);
        } else if (rd_kafka_conf_set(scratch, name, text, why, sizeof why) != RD_KAFKA_CONF_OK) {
            say(f, "kafka.properties", why);
        }
    }
    rd_kafka_conf_destroy(scratch);
}

/* Whatever is left: a password file that cannot be read, properties that do not go together. */
static void check_clients(struct findings *f, const struct tm_conf *c)
{
    enum tm_kafka_role sink =
        tm_kafka_is_exactly_once(c) ? TM_KAFKA_TRANSACTIONS : TM_KAFKA_PRODUCER;
    const struct {
        bool used;
        enum tm_kafka_role role;
        const char *path;
    } ends[] = {{c->source_kafka_brokers[0] != '\0', TM_KAFKA_CONSUMER, "source.kafka"},
                {c->sink_kafka_topic[0] != '\0', sink, "sink.kafka"}};
    for (size_t i = 0; i < TM_COUNTOF(ends) && f->n == 0; i++) {
        struct tm_err err = {0};
        rd_kafka_conf_t *rc = NULL;
        rd_kafka_t *rk = NULL;
        if (!ends[i].used)
            continue;
        enum tm_status s = tm_kafka_conf(c, ends[i].role, &rc, &err);
        if (s == TM_OK)
            rd_kafka_conf_set(rc, "bootstrap.servers", "", NULL, 0); /* nobody is contacted */
        if (s != TM_OK || tm_kafka_new(ends[i].role, &rc, &rk, &err) != TM_OK)
            say(f, ends[i].path, err.text);
        if (rk != NULL)
            rd_kafka_destroy(rk);
    }
}

size_t tm_kafka_check(const struct tm_conf *c,
                      void (*found)(void *arg, const char *path, const char *text), void *arg)
{
    struct findings f = {.found = found, .arg = arg};
    enum tm_kafka_start start;
    int64_t time_ms;
    if (c->source_kafka_brokers[0] == '\0' && c->sink_kafka_topic[0] == '\0')
        return 0;
    check_version(&f);
    if (!tm_kafka_start(c->source_kafka_start, &start, &time_ms))
        say(&f, "source.kafka.start",
            "must be earliest, latest, error, a time in UTC like 2026-01-31T00:00:00Z, or offsets "
            "like wire/0=120,wire/1=8");
    check_sasl(&f, c);
    check_properties(&f, c);
    if (f.n == 0)
        check_clients(&f, c);
    return f.n;
}
