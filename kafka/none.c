/* A build without librdkafka: a configuration that needs it is refused with the reason. */
#include "tm_kafka.h"

size_t tm_kafka_check(const struct tm_conf *c,
                      void (*found)(void *arg, const char *path, const char *text), void *arg)
{
    const struct {
        const char *path, *value;
    } keys[] = {{"source.kafka.brokers", c->source_kafka_brokers},
                {"sink.kafka.topic", c->sink_kafka_topic}};
    size_t n = 0;
    for (size_t i = 0; i < TM_COUNTOF(keys); i++) {
        if (keys[i].value[0] == '\0')
            continue;
        found(arg, keys[i].path, "this textmill was built without librdkafka");
        n++;
    }
    return n;
}

size_t tm_kafka_check_online(const struct tm_conf *c,
                             void (*found)(void *arg, const char *path, const char *text),
                             void *arg)
{
    (void)c, (void)found, (void)arg;
    return 0;
}
