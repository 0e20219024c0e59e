/* What is wrong between configuration keys (tm_conf.h: tm_conf_check).
 *
 * Called by `check` and before a pipeline is built, on the main thread. Single values were checked
 * when they were set. */
#include "conf_near.h"
#include "tm_conf.h"
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const tm_conf_task_names[] = {"sentiment",      "summary",    "translation",
                                          "classification", "entities",   "answers",
                                          "embedding",      "generation", NULL};

struct report {
    void (*found)(void *arg, const char *path, const char *text);
    void *arg;
    size_t count;
};

__attribute__((format(printf, 3, 4))) static void say(struct report *r, const char *path,
                                                      const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    r->count++;
    if (r->found != NULL)
        r->found(r->arg, path, text);
}

/* The folder's one name: resolved when it exists, else without "./", "//" and a "/" at the end. */
static void folder_name(const char *path, char out[PATH_MAX])
{
    if (realpath(path, out) != NULL)
        return;
    size_t n = 0;
    for (const char *p = path; *p != '\0' && n + 1 < PATH_MAX;) {
        bool start = p == path || p[-1] == '/';
        if (start && p[0] == '.' && (p[1] == '/' || p[1] == '\0'))
            p += p[1] == '/' ? 2 : 1;
        else if (p[0] == '/' && p != path && p[-1] == '/')
            p++;
        else
            out[n++] = *p++;
    }
    while (n > 1 && out[n - 1] == '/')
        n--;
    out[n] = '\0';
}

static bool same_folder(const char *a, const char *b)
{
    char name_a[PATH_MAX], name_b[PATH_MAX];
    folder_name(a, name_a);
    folder_name(b, name_b);
    return strcmp(name_a, name_b) == 0;
}

/* Results written where documents are taken from would be read again as documents. */
static void check_folder(struct report *r, const struct tm_conf *c, const char *path,
                         const char *folder)
{
    static const char *const taken[] = {"", "/new", "/active"};
    if (folder[0] == '\0' || c->source_spool_path[0] == '\0')
        return;
    for (size_t i = 0; i < TM_COUNTOF(taken); i++) {
        char spool[PATH_MAX];
        snprintf(spool, sizeof spool, "%s%s", c->source_spool_path, taken[i]);
        if (same_folder(folder, spool))
            say(r, path,
                "documents are taken from this folder (source.spool.path); choose another");
    }
}

static void check_source(struct report *r, const struct tm_conf *c)
{
    bool spool = c->source_spool_path[0] != '\0', kafka = c->source_kafka_brokers[0] != '\0';
    if (!spool && !kafka)
        say(r, "source.spool.path",
            "no source: set source.spool.path to a folder of documents, or source.kafka.brokers");
    if (spool && kafka)
        say(r, "source.kafka.brokers", "two sources: leave out source.spool or source.kafka");
    if (kafka && c->source_kafka_topics[0] == '\0')
        say(r, "source.kafka.topics", "no topic to take documents from");
    if (kafka && c->source_kafka_group[0] == '\0')
        say(r, "source.kafka.group", "a group needs a name");
    if (!kafka && c->source_kafka_topics[0] != '\0')
        say(r, "source.kafka.topics", "topics of which cluster? set source.kafka.brokers");
}

/* The place of a task or a language in a topic's name; 0: none. */
static size_t placeholder(const char *s)
{
    static const char *const all[] = {"{task}", "{lang}"};
    for (size_t i = 0; i < TM_COUNTOF(all); i++)
        if (strncmp(s, all[i], strlen(all[i])) == 0)
            return strlen(all[i]);
    return 0;
}

static bool is_topic(const char *s, bool pattern)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789._-";
    size_t n = 0, step;
    for (; *s != '\0'; s += step, n++) {
        step = strchr(letters, *s) != NULL ? 1 : pattern && n > 0 ? placeholder(s) : 0;
        if (step == 0)
            return false;
    }
    return n <= 249;
}

/* Could a name that the pattern makes be this one? */
static bool may_be(const char *pattern, const char *name, size_t n)
{
    size_t prefix = strcspn(pattern, "{");
    return strncmp(pattern, name, TM_MIN(prefix, n)) == 0 && n >= prefix &&
           (n == prefix) == (pattern[prefix] == '\0');
}

/* Exactly once needs the positions in the cluster that the results go to. */
static void check_kafka_sink(struct report *r, const struct tm_conf *c)
{
    bool own = c->sink_kafka_brokers[0] != '\0', from_kafka = c->source_kafka_brokers[0] != '\0';
    bool same = !own || strcmp(c->sink_kafka_brokers, c->source_kafka_brokers) == 0;
    if (!own && !from_kafka)
        say(r, "sink.kafka.brokers", "no cluster for the results: set sink.kafka.brokers");
    if (strcmp(c->sink_kafka_delivery, "exactly-once") == 0 && !(from_kafka && same))
        say(r, "sink.kafka.delivery",
            "exactly-once needs source.kafka with the same brokers as sink.kafka; say auto or "
            "at-least-once");
    if (may_be(c->sink_kafka_topic, c->sink_dead_letters_topic, strlen(c->sink_dead_letters_topic)))
        say(r, "sink.dead_letters.topic", "results go to this topic; choose another");
}

static void check_topics(struct report *r, const struct tm_conf *c)
{
    const struct {
        const char *path, *topic;
    } outputs[] = {{"sink.kafka.topic", c->sink_kafka_topic},
                   {"sink.dead_letters.topic", c->sink_dead_letters_topic}};
    for (size_t i = 0; i < TM_COUNTOF(outputs); i++) {
        const char *topic = outputs[i].topic;
        if (!is_topic(topic, i == 0))
            say(r, outputs[i].path,
                "\"%.80s\" is no topic: letters, digits, '.', '_' and '-', at most 249%s", topic,
                i == 0 ? ", and behind the first of them {task} and {lang}" : "");
        for (const char *t = c->source_kafka_topics; topic[0] != '\0' && *t != '\0';
             t += *t == ',') {
            size_t len = strcspn(t, ",");
            if (may_be(topic, t, len))
                say(r, outputs[i].path, "documents are taken from this topic; choose another");
            t += len;
        }
    }
}

static void check_sink(struct report *r, const struct tm_conf *c)
{
    bool files = c->sink_files_path[0] != '\0', kafka = c->sink_kafka_topic[0] != '\0';
    if (!files && !kafka && !c->sink_stdout_enabled)
        say(r, "sink.files.path",
            "no sink: set sink.files.path to a folder, sink.kafka.topic, or sink.stdout.enabled to "
            "true");
    if ((files || kafka) && c->sink_stdout_enabled)
        say(r, "sink.stdout.enabled",
            "two sinks: leave out sink.files.path, or set sink.stdout.enabled to false");
    if (files && kafka)
        say(r, "sink.kafka.topic", "two sinks: leave out sink.files or sink.kafka");
    if (c->sink_dead_letters_path[0] == '\0' && c->sink_dead_letters_topic[0] == '\0')
        say(r, "sink.dead_letters.path",
            "no place for documents that fail: set sink.dead_letters.path to a folder");
    if (c->sink_dead_letters_path[0] != '\0' && c->sink_dead_letters_topic[0] != '\0')
        say(r, "sink.dead_letters.topic", "two places: leave out the path or the topic");
    if (c->sink_dead_letters_topic[0] != '\0' && !kafka)
        say(r, "sink.dead_letters.topic", "needs sink.kafka.topic; set sink.dead_letters.path");
    if (kafka)
        check_kafka_sink(r, c);
    check_topics(r, c);
}

static void check_ends(struct report *r, const struct tm_conf *c)
{
    check_source(r, c);
    check_sink(r, c);
    if (strcmp(c->clean_kind, "none") == 0 && c->n_tasks > 0)
        say(r, "clean.kind", "none passes documents on unread: tasks have nothing to work on");
    if (strcmp(c->redact_operator, "hash") == 0 && c->redact_key_file[0] == '\0')
        say(r, "redact.key_file", "hash needs a key: without one, anybody could try values out");
    check_folder(r, c, "sink.files.path", c->sink_files_path);
    check_folder(r, c, "sink.dead_letters.path", c->sink_dead_letters_path);
    const char *instance = c->state_instance;
    if (instance[0] == '\0' || instance[0] == '.' || strchr(instance, '/') != NULL)
        say(r, "state.instance",
            "\"%s\" names a folder: it must not be empty, begin with a dot or hold a slash",
            instance);
}

static const char *nearest_task(const char *name)
{
    const char *best = NULL;
    unsigned best_distance = UINT_MAX;
    for (const char *const *t = tm_conf_task_names; *t != NULL; t++) {
        unsigned d = tm_near_distance(name, *t);
        if (d < best_distance && tm_near_enough(d, name)) {
            best = *t;
            best_distance = d;
        }
    }
    return best;
}

static void check_name(struct report *r, const char *path, const char *name)
{
    char known[256] = "";
    size_t n = 0;
    for (const char *const *t = tm_conf_task_names; *t != NULL && n < sizeof known; t++) {
        if (strcmp(*t, name) == 0)
            return;
        n += (size_t)snprintf(known + n, sizeof known - n, "%s%s", n > 0 ? ", " : "", *t);
    }
    const char *near = name[0] != '\0' ? nearest_task(name) : NULL;
    if (name[0] == '\0')
        say(r, path, "the entry names no task; there are: %s", known);
    else if (near != NULL)
        say(r, path, "unknown task \"%.80s\"; did you mean \"%s\"?", name, near);
    else
        say(r, path, "unknown task \"%.80s\"; there are: %s", name, known);
}

static void check_task(struct report *r, const struct tm_conf_task *t, size_t i)
{
    const struct {
        const char *task, *key;
        bool wrong;
        const char *text;
    } rules[] = {
        {"summary", "sentences", t->sentences == 0 && t->words == 0,
         "a summary needs a length: set sentences or words above 0"},
        {"translation", "to", t->to[0] == '\0', "say into which language: to: es"},
    };
    char path[64];
    snprintf(path, sizeof path, "tasks[%zu].task", i);
    check_name(r, path, t->task);
    for (size_t k = 0; k < TM_COUNTOF(rules); k++)
        if (rules[k].wrong && strcmp(rules[k].task, t->task) == 0) {
            snprintf(path, sizeof path, "tasks[%zu].%s", i, rules[k].key);
            say(r, path, "%s", rules[k].text);
        }
}

size_t tm_conf_check(const struct tm_conf *c,
                     void (*found)(void *arg, const char *path, const char *text), void *arg)
{
    struct report r = {.found = found, .arg = arg};
    check_ends(&r, c);
    for (size_t i = 0; i < c->n_tasks; i++)
        check_task(&r, &c->tasks[i], i);
    return r.count;
}
