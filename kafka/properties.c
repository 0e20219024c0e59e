/* The pass-through of properties to librdkafka (properties.h), and what is kept out of it: whatever
 * would break a promise of textmill, has a key of its own, or would put a secret into the file. */
#include "properties.h"

#include <string.h>

#define OWN_KEY(key) "set " key " instead"
static const char breaks[] = "it would break the promise that no document is lost or doubled";
static const char secret[] = "secrets are given by file: kafka.sasl.password_file and "
                             "kafka.tls.key_password_file";
static const char code[] = "it loads code or replaces the cluster by a mock";

static const struct {
    const char *name, *why;
} denied[] = {
    {"bootstrap.servers", OWN_KEY("source.kafka.brokers or sink.kafka.brokers")},
    {"metadata.broker.list", OWN_KEY("source.kafka.brokers or sink.kafka.brokers")},
    {"group.id", OWN_KEY("source.kafka.group")},
    {"group.instance.id", OWN_KEY("source.kafka.static_member")},
    {"session.timeout.ms", OWN_KEY("source.kafka.session_ms")},
    {"partition.assignment.strategy", OWN_KEY("source.kafka.assignment")},
    {"auto.offset.reset", OWN_KEY("source.kafka.start")},
    {"transactional.id", OWN_KEY("sink.kafka.transactional_id")},
    {"transaction.timeout.ms", OWN_KEY("sink.kafka.transaction_ms")},
    {"message.timeout.ms", OWN_KEY("sink.kafka.transaction_ms")},
    {"delivery.timeout.ms", OWN_KEY("sink.kafka.transaction_ms")},
    {"compression.type", OWN_KEY("sink.kafka.compression")},
    {"compression.codec", OWN_KEY("sink.kafka.compression")},
    {"security.protocol", OWN_KEY("kafka.tls and kafka.sasl")},
    {"sasl.mechanism", OWN_KEY("kafka.sasl.mechanism")},
    {"sasl.mechanisms", OWN_KEY("kafka.sasl.mechanism")},
    {"sasl.username", OWN_KEY("kafka.sasl.username")},
    {"sasl.password", secret},
    {"sasl.oauthbearer.client.secret", secret},
    {"ssl.key.password", secret},
    {"ssl.keystore.password", secret},
    {"ssl.key.pem", secret},
    {"ssl.ca.location", OWN_KEY("kafka.tls.ca")},
    {"ssl.certificate.location", OWN_KEY("kafka.tls.certificate")},
    {"ssl.key.location", OWN_KEY("kafka.tls.key")},
    {"enable.auto.commit", breaks},
    {"auto.commit.enable", breaks},
    {"auto.commit.interval.ms", breaks},
    {"enable.auto.offset.store", breaks},
    {"offset.store.method", breaks},
    {"enable.partition.eof", breaks},
    {"isolation.level", breaks},
    {"enable.idempotence", breaks},
    {"enable.gapless.guarantee", breaks},
    {"acks", breaks},
    {"request.required.acks", breaks},
    {"retries", breaks},
    {"message.send.max.retries", breaks},
    {"max.in.flight", breaks},
    {"max.in.flight.requests.per.connection", breaks},
    {"delivery.report.only.error", breaks},
    {"dr_cb", breaks},
    {"dr_msg_cb", breaks},
    {"plugin.library.paths", code},
    {"test.mock.num.brokers", code},
};

bool property_next(const char **map, char name[PROPERTY_MOST], char text[PROPERTY_MOST])
{
    const char *line = *map, *equals = strchr(line, '=');
    if (equals == NULL)
        return false;
    size_t name_len = (size_t)(equals - line), text_len = strcspn(equals + 1, "\n");
    *map = equals + 1 + text_len + (equals[1 + text_len] == '\n');
    name_len = TM_MIN(name_len, (size_t)PROPERTY_MOST - 1);
    text_len = TM_MIN(text_len, (size_t)PROPERTY_MOST - 1);
    memcpy(name, line, name_len);
    name[name_len] = '\0';
    memcpy(text, equals + 1, text_len);
    text[text_len] = '\0';
    return true;
}

const char *property_denied(const char *name)
{
    for (size_t i = 0; i < TM_COUNTOF(denied); i++)
        if (strcmp(name, denied[i].name) == 0)
            return denied[i].why;
    return NULL;
}
