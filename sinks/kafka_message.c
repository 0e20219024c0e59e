/* From a document to the message that its result or dead letter is (kafka.h). Called by the Kafka
 * sink on the delivery thread.
 *
 * A result has the record's key, or the document's id when it came from a file; the record's
 * headers but for content-type, which is the result's own (traceparent is among them); and where it
 * came from. A dead letter has the original bytes, key and headers, and headers that say why.
 * Without a key the partition follows from the source's, so that order is kept. */
#include "kafka.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static const char prefix[] = "textmill.";

static void add_header(rd_kafka_headers_t *h, const char *name, const char *text)
{
    if (text != NULL)
        rd_kafka_header_add(h, name, -1, text, -1);
}

static void add_number(rd_kafka_headers_t *h, const char *name, int64_t v)
{
    char text[32];
    snprintf(text, sizeof text, "%" PRId64, v);
    add_header(h, name, text);
}

/* Those of an earlier passage through textmill are left behind: a replayed letter is a document. */
static void copy_headers(rd_kafka_headers_t *h, const struct tm_record *rec, bool content_type)
{
    for (size_t i = 0; i < rec->n_headers; i++) {
        const struct tm_header *from = &rec->headers[i];
        if (strncmp(from->name, prefix, sizeof prefix - 1) != 0 &&
            (content_type || strcasecmp(from->name, "content-type") != 0))
            rd_kafka_header_add(h, from->name, -1, from->value, (ssize_t)from->len);
    }
}

static void add_coordinates(rd_kafka_headers_t *h, const struct tm_record *rec)
{
    if (rec->topic != NULL) {
        add_header(h, "textmill.topic", rec->topic);
        add_number(h, "textmill.partition", rec->partition);
        add_number(h, "textmill.offset", (int64_t)rec->seq);
        return;
    }
    add_header(h, "textmill.file", rec->path);
    if (rec->line > 0)
        add_number(h, "textmill.line", rec->line);
}

static int32_t partition_for(const struct tm_doc *doc, int32_t partitions, bool has_key)
{
    if (has_key || doc->rec.topic == NULL || partitions <= 0)
        return RD_KAFKA_PARTITION_UA;
    return doc->rec.partition % partitions;
}

static enum tm_status produce(const struct kafka_output *o, const struct topic *to,
                              const struct tm_doc *doc, const void *value, size_t len,
                              rd_kafka_headers_t **owned, struct tm_err *err)
{
    const struct tm_record *rec = &doc->rec;
    bool from_file = rec->topic == NULL;
    const char *key = from_file ? doc->id : rec->key;
    size_t key_len = from_file && key != NULL ? strlen(key) : rec->key_len;
    rd_kafka_vu_t vus[8];
    size_t n = 0;
    vus[n++] = (rd_kafka_vu_t){.vtype = RD_KAFKA_VTYPE_TOPIC, .u.cstr = to->name};
    vus[n++] = (rd_kafka_vu_t){.vtype = RD_KAFKA_VTYPE_PARTITION,
                               .u.i32 = partition_for(doc, to->partitions, key != NULL)};
    vus[n++] = (rd_kafka_vu_t){.vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = {(void *)value, len}};
    vus[n++] = (rd_kafka_vu_t){.vtype = RD_KAFKA_VTYPE_KEY, .u.mem = {(void *)key, key_len}};
    vus[n++] = (rd_kafka_vu_t){.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = 0};
    vus[n++] = (rd_kafka_vu_t){.vtype = RD_KAFKA_VTYPE_OPAQUE, .u.ptr = (void *)doc};
    if (*owned != NULL)
        vus[n++] = (rd_kafka_vu_t){.vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = *owned};
    rd_kafka_error_t *error = rd_kafka_produceva(o->rk, vus, n);
    if (error == NULL) {
        *owned = NULL;
        return TM_OK;
    }
    rd_kafka_resp_err_t code = rd_kafka_error_code(error);
    enum tm_status s = code == RD_KAFKA_RESP_ERR__QUEUE_FULL          ? TM_AGAIN
                       : code == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE ? TM_TOOLARGE
                                                                      : TM_IO;
    tm_err_set(err, s, "%s: %s", to->name, rd_kafka_error_string(error));
    rd_kafka_error_destroy(error);
    return s;
}

static void headers_destroyp(rd_kafka_headers_t **h)
{
    if (*h != NULL)
        rd_kafka_headers_destroy(*h);
}

enum tm_status kafka_put_result(const struct kafka_output *o, const struct topic *to,
                                const struct tm_doc *doc, struct tm_err *err)
{
    const struct tm_record *rec = &doc->rec;
    TM_CLEANUP(headers_destroyp) rd_kafka_headers_t *h = NULL;
    /* Passed on unread: the record as it came. */
    bool as_it_came = rec->kind == TM_RECORD_TOMBSTONE || doc->output == rec->data;
    const void *value = rec->kind == TM_RECORD_TOMBSTONE ? NULL : doc->output;
    if (!as_it_came || rec->n_headers > 0)
        h = rd_kafka_headers_new(rec->n_headers + 6);
    if (h != NULL)
        copy_headers(h, rec, as_it_came);
    if (!as_it_came) {
        add_header(h, "content-type", "application/json");
        add_header(h, "textmill.id", doc->id);
        add_coordinates(h, rec);
        add_header(h, "textmill.config_hash", o->config_hash);
    }
    return produce(o, to, doc, value, doc->output_len, &h, err);
}

enum tm_status kafka_put_letter(const struct kafka_output *o, const struct tm_doc *doc,
                                bool with_value, struct tm_err *err)
{
    const struct tm_record *rec = &doc->rec;
    const char *bytes = rec->original != NULL ? rec->original : rec->data;
    size_t len = rec->original != NULL ? rec->original_len : rec->len;
    TM_CLEANUP(headers_destroyp) rd_kafka_headers_t *h = rd_kafka_headers_new(rec->n_headers + 12);
    copy_headers(h, rec, true);
    add_header(h, "textmill.stage", doc->err_stage);
    add_header(h, "textmill.code", tm_status_code(doc->err.status));
    add_header(h, "textmill.message", doc->err.text);
    add_number(h, "textmill.attempts", doc->attempts);
    add_header(h, "textmill.version", TM_VERSION);
    add_header(h, "textmill.config_hash", o->config_hash);
    add_coordinates(h, rec);
    if (!with_value)
        add_number(h, "textmill.omitted_bytes", (int64_t)len);
    return produce(o, &o->dead, doc, with_value ? bytes : NULL, with_value ? len : 0, &h, err);
}
