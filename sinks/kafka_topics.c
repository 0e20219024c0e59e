/* Which topics a result goes to (kafka.h). sink.kafka.topic is a name, or a pattern: {task} makes a
 * name for each task that a document had, {lang} puts its language there. Called by the Kafka sink
 * on the delivery thread.
 *
 * A document's own words decide nothing but the place of a placeholder: the text before the first
 * one begins every name, a value is letters, digits and '-' alone and not long, and a bound holds
 * for how many names there are. */
#include "kafka.h"

#include "tm_kafka.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    VALUE_MOST = 32,
    ASK_MS = 5000,
    MADE_MS = 200, /* between asking for a topic and asking again: the brokers may make it */
    MADE_TRIES = 10,
    AGAIN_S = 60,
};

static const char none[] = "none"; /* a document without a task, or of unknown language */

struct topics *topics_create(const char *pattern, size_t most)
{
    struct topics *t = calloc(1, sizeof *t + most * sizeof *t->list);
    if (t == NULL)
        return NULL;
    t->pattern = pattern;
    t->most = most;
    t->several = strchr(pattern, '{') != NULL;
    if (t->several || topics_find(t, pattern) != NULL)
        return t;
    topics_destroy(t);
    return NULL;
}

void topics_destroy(struct topics *t)
{
    for (size_t i = 0; t != NULL && i < t->n; i++)
        free(t->list[i]);
    free(t);
}

struct topic *topics_find(struct topics *t, const char *name)
{
    for (size_t i = 0; i < t->n; i++)
        if (strcmp(t->list[i]->name, name) == 0)
            return t->list[i];
    struct topic *fresh = t->n < t->most ? calloc(1, sizeof *fresh) : NULL;
    if (fresh == NULL)
        return NULL;
    snprintf(fresh->name, sizeof fresh->name, "%s", name);
    return t->list[t->n++] = fresh;
}

static void put(struct topic *to, size_t *at, const char *s, size_t n)
{
    for (size_t i = 0; i < n && *at + 1 < sizeof to->name; i++)
        to->name[(*at)++] = s[i];
    to->name[*at] = '\0';
}

static void put_value(struct topic *to, size_t *at, const char *value)
{
    char sound[VALUE_MOST];
    size_t n = 0;
    for (; value[n] != '\0' && n < sizeof sound; n++) {
        char c = value[n] >= 'A' && value[n] <= 'Z' ? (char)(value[n] | 32) : value[n];
        sound[n] = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ? c : '-';
    }
    put(to, at, sound, n);
}

static void expand(const char *pattern, const char *task, const char *lang, struct topic *ret)
{
    size_t at = 0;
    while (*pattern != '\0') {
        size_t n = strcspn(pattern, "{");
        put(ret, &at, pattern, n);
        pattern += n;
        if (*pattern == '\0')
            break;
        put_value(ret, &at, strncmp(pattern, "{task}", 6) == 0 ? task : lang);
        pattern += strcspn(pattern, "}") + 1;
    }
}

static rd_kafka_resp_err_t count_partitions(struct topic *t, rd_kafka_t *rk)
{
    const struct rd_kafka_metadata *meta = NULL;
    rd_kafka_topic_t *rkt = rd_kafka_topic_new(rk, t->name, NULL);
    rd_kafka_resp_err_t code =
        rkt == NULL ? RD_KAFKA_RESP_ERR__FAIL : rd_kafka_metadata(rk, 0, rkt, &meta, ASK_MS);
    if (code == 0 && meta->topic_cnt == 1) {
        code = meta->topics[0].err;
        t->partitions = meta->topics[0].partition_cnt;
    }
    if (meta != NULL)
        rd_kafka_metadata_destroy(meta);
    if (rkt != NULL)
        rd_kafka_topic_destroy(rkt);
    return code;
}

bool topic_is_open(const struct topic *t, bool several)
{
    const bool wait = several && t->missing;
    return t->partitions == 0 && !(wait && tm_clock_ns() - t->asked_ns < AGAIN_S * 1000000000ull);
}

void topic_ask(struct topic *t, rd_kafka_t *rk)
{
    rd_kafka_resp_err_t code = count_partitions(t, rk);
    for (int i = 0; code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART && i < MADE_TRIES; i++) {
        usleep(MADE_MS * 1000);
        code = count_partitions(t, rk);
    }
    t->asked_ns = tm_clock_ns();
    t->missing = code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    if (t->partitions > 0)
        tm_kafka_topic_limit(rk, t->name, ASK_MS, &t->limit, NULL);
}

/* The name of the task of run i, or NULL: it is not one to be sent, or came before. */
static const char *task_of(const struct tm_doc *doc, size_t i)
{
    const char *name = doc->task_runs[i].task->ops->name;
    for (size_t k = 0; k < i; k++)
        if (!doc->task_runs[k].skipped && strcmp(doc->task_runs[k].task->ops->name, name) == 0)
            return NULL;
    return doc->task_runs[i].skipped ? NULL : name;
}

static enum tm_status add(struct topics *t, const struct tm_doc *doc, const char *task,
                          struct tm_err *err)
{
    struct topic made;
    const char *lang = doc->lang != NULL && doc->lang[0] != '\0' ? doc->lang : none;
    expand(t->pattern, task, lang, &made);
    struct topic *to = topics_find(t, made.name);
    if (to == NULL)
        return tm_err_set(err, TM_TOOLARGE,
                          "topic %s would be one more than the %zu of sink.kafka.most_topics",
                          made.name, t->most);
    if (t->n_route < TM_COUNTOF(t->route))
        t->route[t->n_route++] = to;
    return TM_OK;
}

enum tm_status topics_route(struct topics *t, const struct tm_doc *doc, struct tm_err *err)
{
    enum tm_status s = TM_OK;
    t->n_route = 0;
    if (!t->several) {
        t->route[t->n_route++] = t->list[0];
        return TM_OK;
    }
    const bool by_task = strstr(t->pattern, "{task}") != NULL;
    for (size_t i = 0; by_task && i < doc->n_task_runs && s == TM_OK; i++) {
        const char *task = task_of(doc, i);
        if (task != NULL)
            s = add(t, doc, task, err);
    }
    return s == TM_OK && t->n_route == 0 ? add(t, doc, none, err) : s;
}
