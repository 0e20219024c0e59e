/* From a Kafka message to a document (kafka.h). Called on the source thread.
 *
 * Names come from topic, partition and offset, which nobody outside can choose. Key and headers are
 * kept with their bytes. CloudEvents (v1.0, Kafka protocol binding 1.0) come in two modes: in
 * binary mode the attributes are headers "ce_…" and the value is the data; in structured mode the
 * value is a JSON object with the attributes and the data in it. */
#include "kafka.h"
#include "tm_json_tree.h"

#include <string.h>
#include <strings.h>

static const char stage_name[] = "kafka";
static const char structured_type[] = "application/cloudevents+json";

enum {
    HEADERS_MOST = 1000,
    OFFSET_DIGITS = 20,
    NUMBERS_ROOM = 64,
    CLEANED_ROOM = 1024,
    CLEANED_MOST = 65536,
};

/* ---- headers ---- */

static size_t count_headers(const rd_kafka_headers_t *headers)
{
    return headers == NULL ? 0 : TM_MIN(rd_kafka_header_cnt(headers), (size_t)HEADERS_MOST);
}

static bool copy_headers(struct tm_doc *d, const rd_kafka_message_t *m)
{
    rd_kafka_headers_t *headers = NULL;
    rd_kafka_message_headers(m, &headers);
    size_t n = count_headers(headers);
    struct tm_header *list = n == 0 ? NULL : tm_arena_array(d->arena, n, sizeof *list);
    if (n > 0 && list == NULL)
        return false;
    for (size_t i = 0; i < n; i++) {
        const char *name;
        const void *value;
        size_t len;
        rd_kafka_header_get_all(headers, i, &name, &value, &len);
        list[i] = (struct tm_header){.name = tm_arena_strdup(d->arena, name), .len = len};
        if (value != NULL)
            list[i].value = tm_arena_strndup(d->arena, value, len);
        if (list[i].name == NULL || (value != NULL && list[i].value == NULL))
            return false;
    }
    d->rec.headers = list;
    d->rec.n_headers = n;
    return true;
}

/* The text of a header, whatever the case of its name; NULL when it is missing or no text. */
static const char *header(const struct tm_record *rec, const char *name)
{
    for (size_t i = 0; i < rec->n_headers; i++) {
        const struct tm_header *h = &rec->headers[i];
        if (strcasecmp(h->name, name) == 0 && h->value != NULL && strlen(h->value) == h->len &&
            tm_utf8_valid(h->value, h->len) == h->len)
            return h->value;
    }
    return NULL;
}

/* `text/html; charset="utf-8"` → its charset, as a text of its own. */
static const char *charset_of(struct tm_arena *a, const char *content_type)
{
    const char *at = content_type == NULL ? NULL : strcasestr(content_type, "charset=");
    if (at == NULL)
        return NULL;
    at += strlen("charset=") + (at[8] == '"');
    return tm_arena_strndup(a, at, strcspn(at, "\"; \t"));
}

/* ---- CloudEvents ---- */

static const char *attribute(struct tm_arena *a, const json_t *event, const char *name)
{
    const char *text = json_string_value(json_object_get(event, name));
    return text == NULL ? NULL : tm_arena_strdup(a, text);
}

/* Data in the event: a text is taken as it is, anything else as JSON again. */
static enum tm_status take_data(struct tm_doc *d, const json_t *event)
{
    struct tm_record *rec = &d->rec;
    const json_t *data = json_object_get(event, "data");
    const char *base64 = json_string_value(json_object_get(event, "data_base64"));
    if (data == NULL && base64 == NULL)
        return tm_doc_fail(d, stage_name, TM_BADINPUT,
                           "the event has neither data nor data_base64");
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=";
    if (base64 != NULL && base64[strspn(base64, digits)] != '\0')
        return tm_doc_fail(d, stage_name, TM_BADINPUT, "data_base64 of the event is not base64");
    if (base64 != NULL) {
        /* The envelope reader knows how: {"body_base64": …}. */
        rec->data = tm_arena_printf(d->arena, "{\"body_base64\":\"%s\"}", base64);
        rec->content_type = "application/json";
    } else if (json_is_string(data)) {
        rec->data = tm_arena_strndup(d->arena, json_string_value(data), json_string_length(data));
        rec->len = json_string_length(data);
        return rec->data != NULL ? TM_OK : tm_doc_nomem(d, stage_name);
    } else {
        size_t n = json_dumpb(data, NULL, 0, JSON_ENCODE_ANY | JSON_COMPACT);
        char *text = tm_arena_alloc(d->arena, n + 1);
        if (text != NULL)
            json_dumpb(data, text, n, JSON_ENCODE_ANY | JSON_COMPACT);
        rec->data = text;
        rec->len = n;
        return text != NULL ? TM_OK : tm_doc_nomem(d, stage_name);
    }
    if (rec->data == NULL)
        return tm_doc_nomem(d, stage_name);
    rec->len = strlen(rec->data);
    return TM_OK;
}

static void read_structured(struct tm_doc *d)
{
    struct tm_record *rec = &d->rec;
    json_error_t at;
    json_t *event = tm_json_tree(rec->data, rec->len, &at);
    rec->original = rec->data;
    rec->original_len = rec->len;
    if (!json_is_object(event)) {
        tm_doc_fail(d, stage_name, TM_BADINPUT, "the event is not a JSON object: %s",
                    event == NULL ? at.text : "another value");
        json_decref(event);
        return;
    }
    const char *id = attribute(d->arena, event, "id");
    if (id != NULL)
        rec->id = id;
    rec->source = attribute(d->arena, event, "source");
    rec->published_at = attribute(d->arena, event, "time");
    rec->content_type = attribute(d->arena, event, "datacontenttype");
    take_data(d, event);
    json_decref(event);
}

static void read_binary(struct tm_record *rec)
{
    const char *id = header(rec, "ce_id");
    if (id != NULL)
        rec->id = id;
    rec->source = header(rec, "ce_source");
    rec->published_at = header(rec, "ce_time");
}

/* ---- the document ---- */

static bool copy_key(struct tm_doc *d, const rd_kafka_message_t *m)
{
    struct tm_record *rec = &d->rec;
    if (m->key == NULL)
        return true;
    rec->key = tm_arena_strndup(d->arena, m->key, m->key_len);
    rec->key_len = m->key_len;
    bool text = rec->key != NULL && m->key_len > 0 && memchr(m->key, '\0', m->key_len) == NULL &&
                tm_utf8_valid(m->key, m->key_len) == m->key_len;
    if (text)
        rec->id = rec->key;
    return rec->key != NULL;
}

/* Names are made for every record: printf would be a good part of what passing one on costs. */
static char *put_number(char *at, uint64_t v, int width)
{
    char digits[20];
    int n = 0;
    do
        digits[n++] = (char)('0' + v % 10);
    while ((v /= 10) > 0);
    for (; width > n; width--)
        *at++ = '0';
    while (n > 0)
        *at++ = digits[--n];
    return at;
}

static char *make_name(struct tm_arena *a, const char *topic, int32_t partition, int64_t offset,
                       char between, int width)
{
    size_t n = strlen(topic);
    char *name = tm_arena_alloc(a, n + NUMBERS_ROOM), *at = name;
    if (name == NULL)
        return NULL;
    memcpy(at, topic, n);
    at += n;
    *at++ = between;
    at = put_number(at, (uint64_t)partition, 0);
    *at++ = between;
    *put_number(at, (uint64_t)offset, width) = '\0';
    return name;
}

static bool set_coordinates(struct tm_doc *d, const char *topic, int32_t partition, int64_t offset)
{
    struct tm_record *rec = &d->rec;
    rec->seq = (uint64_t)offset;
    rec->partition = partition;
    rec->topic = tm_arena_strdup(d->arena, topic);
    rec->lane_name = make_name(d->arena, topic, partition, offset, '-', OFFSET_DIGITS);
    rec->path = make_name(d->arena, topic, partition, offset, '/', 0);
    return rec->topic != NULL && rec->lane_name != NULL && rec->path != NULL;
}

static bool copy_value(struct tm_doc *d, const rd_kafka_message_t *m, bool hash)
{
    struct tm_record *rec = &d->rec;
    char sha256[65];
    if (m->payload == NULL) {
        rec->kind = TM_RECORD_TOMBSTONE;
        return true;
    }
    rec->data = tm_arena_strndup(d->arena, m->payload, m->len);
    rec->len = m->len;
    if (!hash || rec->data == NULL)
        return rec->data != NULL;
    tm_sha256_hex(m->payload, m->len, sha256);
    return (rec->sha256 = tm_arena_strdup(d->arena, sha256)) != NULL;
}

struct tm_doc *record_of_message(const struct tm_conf *conf, const rd_kafka_message_t *m)
{
    const bool opaque = strcmp(conf->clean_kind, "none") == 0;
    rd_kafka_timestamp_type_t type;
    const size_t cap = (size_t)conf->limits_document_memory;
    /* What is cleaned gets a text, spans and a result, of about its own size each. */
    const size_t more = opaque ? 0 : TM_MIN(3 * m->len, (size_t)CLEANED_MOST) + CLEANED_ROOM;
    struct tm_doc *d = tm_doc_create_small(cap, m->len + m->key_len + more);
    if (d == NULL)
        return NULL;
    struct tm_record *rec = &d->rec;
    bool fits = set_coordinates(d, rd_kafka_topic_name(m->rkt), m->partition, m->offset) &&
                copy_key(d, m) && copy_headers(d, m) && copy_value(d, m, !opaque);
    if (rec->topic == NULL || rec->lane_name == NULL || rec->path == NULL) {
        tm_doc_destroy(d); /* the least that a document needs */
        return NULL;
    }
    rec->mtime_ms = TM_MAX(rd_kafka_message_timestamp(m, &type), (int64_t)0);
    if (!fits) {
        rec->data = "";
        rec->len = 0;
        tm_doc_nomem(d, stage_name);
    } else if (!opaque && rec->kind == TM_RECORD_DOCUMENT) {
        rec->content_type = header(rec, "content-type");
        if (rec->content_type != NULL &&
            strncasecmp(rec->content_type, structured_type, strlen(structured_type)) == 0)
            read_structured(d);
        else
            read_binary(rec);
        rec->charset = charset_of(d->arena, rec->content_type);
    }
    d->id = rec->id;
    d->source = rec->source;
    d->published_at = rec->published_at;
    return d;
}

struct tm_doc *record_of_gap(const char *topic, int32_t partition, int64_t next)
{
    struct tm_doc *d = tm_doc_create_small(1 << 16, 0);
    if (d == NULL)
        return NULL;
    d->rec.kind = TM_RECORD_GAP;
    if (set_coordinates(d, topic, partition, next - 1))
        return d;
    tm_doc_destroy(d);
    return NULL;
}
