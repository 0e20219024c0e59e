/* What comes from a topic: a record with its key and headers, CloudEvents in both modes among them,
 * and `source.kafka.start`. The first byte chooses; parts of the input are parted by NUL. */
#include "kafka.h"
#include "tm_kafka.h"

#include "tm_conf.h"
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The next part of the input, as a text. */
static const char *part(const char **at, size_t *left, char room[256])
{
    size_t n = strnlen(*at, *left), kept = TM_MIN(n, (size_t)255);
    memcpy(room, *at, kept);
    room[kept] = '\0';
    n = TM_MIN(n + 1, *left);
    *at += n;
    *left -= n;
    return room;
}

static void try_start(const char *at, size_t left)
{
    enum tm_kafka_start kind;
    int64_t time_ms;
    char text[256];
    part(&at, &left, text);
    if (tm_kafka_start(text, &kind, &time_ms) && kind == TM_KAFKA_OFFSETS)
        tm_kafka_start_offset(text, "wire", 0);
}

static void try_record(const char *at, size_t left, bool structured, struct tm_conf *conf)
{
    static const char *const names[] = {"content-type", "ce_id", "ce_source", "ce_time"};
    char text[256];
    rd_kafka_headers_t *h = rd_kafka_headers_new(5);
    if (structured)
        rd_kafka_header_add(h, names[0], -1, "application/cloudevents+json", -1);
    for (size_t i = structured; i < TM_COUNTOF(names); i++)
        rd_kafka_header_add(h, names[i], -1, part(&at, &left, text), -1);
    rd_kafka_header_add(h, text, -1, at, (ssize_t)left);
    const struct message m = {.topic = "wire",
                              .key = at,
                              .key_len = left / 2,
                              .value = left == 0 ? NULL : at,
                              .len = left,
                              .headers = h};
    struct tm_doc *d = record_of_message(conf, &m);
    if (d != NULL && d->err.status == TM_OK && d->rec.data == NULL &&
        d->rec.kind == TM_RECORD_DOCUMENT)
        __builtin_trap(); /* a document without bytes */
    tm_doc_destroy(d);
    rd_kafka_headers_destroy(h);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct tm_conf conf = {.clean_kind = "auto", .limits_document_memory = 1 << 22};
    if (size == 0)
        return 0;
    const char *at = (const char *)data + 1;
    if (data[0] % 3 == 0)
        try_start(at, size - 1);
    else
        try_record(at, size - 1, data[0] % 3 == 1, &conf);
    return 0;
}
