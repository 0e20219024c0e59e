/* Questions to the cluster through librdkafka's admin interface (tm_kafka.h). Called by the Kafka
 * sink when it makes a producer, and by check --online. */
#include "tm_kafka.h"

#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <string.h>

/* The value of a resource's setting, copied; false when it is not among the answers. */
static bool entry_of(const rd_kafka_ConfigResource_t *resource, const char *name, int64_t *ret)
{
    size_t n;
    const rd_kafka_ConfigEntry_t **entries = rd_kafka_ConfigResource_configs(resource, &n);
    for (size_t i = 0; i < n; i++) {
        const char *value = rd_kafka_ConfigEntry_value(entries[i]);
        if (strcmp(rd_kafka_ConfigEntry_name(entries[i]), name) == 0 && value != NULL)
            return tm_json_number_i64(value, strlen(value), ret);
    }
    return false;
}

static enum tm_status judge(rd_kafka_event_t *event, const char *name, int64_t *ret,
                            struct tm_err *err)
{
    size_t n = 0;
    if (event == NULL)
        return tm_err_set(err, TM_UNAVAILABLE, "no answer");
    if (rd_kafka_event_error(event) != 0)
        return tm_kafka_err(err, (int)rd_kafka_event_error(event), name);
    const rd_kafka_ConfigResource_t **found =
        rd_kafka_DescribeConfigs_result_resources(rd_kafka_event_DescribeConfigs_result(event), &n);
    if (n != 1)
        return tm_err_set(err, TM_NOTFOUND, "%s: no answer", name);
    int code = (int)rd_kafka_ConfigResource_error(found[0]);
    if (code != 0)
        return tm_kafka_err(err, code, name);
    return entry_of(found[0], name, ret) ? TM_OK
                                         : tm_err_set(err, TM_NOTFOUND, "%s: not told", name);
}

/* One setting of a topic or a broker. */
static enum tm_status ask(rd_kafka_t *rk, rd_kafka_ResourceType_t type, const char *resource,
                          const char *name, int wait_ms, int64_t *ret, struct tm_err *err)
{
    rd_kafka_queue_t *q = rd_kafka_queue_new(rk);
    rd_kafka_AdminOptions_t *options =
        rd_kafka_AdminOptions_new(rk, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS);
    rd_kafka_ConfigResource_t *asked = rd_kafka_ConfigResource_new(type, resource);
    rd_kafka_AdminOptions_set_request_timeout(options, wait_ms, NULL, 0);
    rd_kafka_DescribeConfigs(rk, &asked, 1, options, q);
    rd_kafka_event_t *event = rd_kafka_queue_poll(q, wait_ms + 1000);
    enum tm_status s = judge(event, name, ret, err);
    if (event != NULL)
        rd_kafka_event_destroy(event);
    rd_kafka_ConfigResource_destroy(asked);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_queue_destroy(q);
    return s;
}

enum tm_status tm_kafka_topic_limit(struct rd_kafka_s *client, const char *topic, int wait_ms,
                                    int64_t *ret_bytes, struct tm_err *err)
{
    return ask(client, RD_KAFKA_RESOURCE_TOPIC, topic, "max.message.bytes", wait_ms, ret_bytes,
               err);
}

enum tm_status tm_kafka_broker_limit(struct rd_kafka_s *client, const char *name, int wait_ms,
                                     int64_t *ret, struct tm_err *err)
{
    char id[32];
    int32_t broker = rd_kafka_controllerid(client, wait_ms);
    if (broker < 0)
        return tm_err_set(err, TM_UNAVAILABLE, "no controller");
    snprintf(id, sizeof id, "%d", broker);
    return ask(client, RD_KAFKA_RESOURCE_BROKER, id, name, wait_ms, ret, err);
}
